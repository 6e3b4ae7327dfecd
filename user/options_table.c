/* SPDX-License-Identifier: MIT */
/*
 * options_table.c - the options, the commands, and --help made of both: see
 * options_table.h.
 */
#include "options_table.h"

#include <stdio.h>
#include "metrics.h"
#include "output.h"

#define INTO(member) .offset = offsetof(struct options, member)

const struct option_def option_defs[] = {
	{'p', false, "pid", TYPE_PIDS, .arg = "PID[,PID...]", .help = "trace these processes"},
	{'E', true, "all", TYPE_FLAG, INTO(all),
	 .help = "every process that uses libsmap, as it starts and ends"},
	{'i', false, "interval", TYPE_SECONDS, INTO(interval), .min = 0.01, .max = 86400,
	 .arg = "SEC", .help = "time between windows (default 1; fractions allowed)"},
	{'d', false, "duration", TYPE_SECONDS, INTO(duration), .min = 0.01, .max = 4000000,
	 .arg = "SEC", .help = "end after this time (default: when the targets end)"},
	{'f', false, "format", TYPE_FORMAT, INTO(format), .arg = "FORMAT",
	 .help = "output format (default text), see below"},
	{'o', false, "output", TYPE_TEXT, INTO(output), .arg = "FILE",
	 .help = "write there instead of to stdout"},
	{'u', true, "tui", TYPE_FLAG, INTO(tui),
	 .help = "the terminal view; the default for -p on a terminal"},
	{'e', true, "exact", TYPE_FLAG, INTO(exact),
	 .help = "an event for each miss and expunge: dearer"},
	{'U', true, "stacks", TYPE_FLAG, INTO(stacks),
	 .help = "who missed, promoted, rebuilt, waited: call stacks"},
	{'k', true, "lock-waits", TYPE_FLAG, INTO(lock_waits),
	 .help = "an event for each wait for a lock; -f trace implies it"},
	{'q', true, "offcpu", TYPE_FLAG, INTO(offcpu),
	 .help = "how long threads are off the CPU at a map's lock"},
	{'O', true, "max-overhead", TYPE_PERCENT, INTO(max_overhead), .min = 0.01, .max = 100,
	 .arg = "PCT", .help = "shed the dearest probes above this cost"},
	{'A', true, "audit", TYPE_FLAG, INTO(audit),
	 .help = "compare with the maps' own counters once a second"},
	{'m', true, "max-maps", TYPE_COUNT, INTO(max_maps), .min = 1, .max = 1048576, .arg = "N",
	 .help = "room for so many maps (default 65536)"},
	{'y', true, "policy", TYPE_TEXT, INTO(policy), .arg = "FILE",
	 .help = "thresholds, severities, budgets (docs/policy.md)"},
	{'a', true, "fail-on", TYPE_SEVERITY, INTO(fail_on), .arg = "SEVERITY",
	 .help = "notice, warning (default) or error: fail from here on"},
	{'t', true, "trap", TYPE_TRAP, .arg = "NAME",
	 .help = "look for this trap only; may be repeated"},
	{'n', true, "min-events", TYPE_COUNT, INTO(min_events), .min = 0, .max = 4294967295.0,
	 .arg = "N", .help = "with fewer events nothing can be concluded"},
	{'j', true, "junit", TYPE_TEXT, INTO(junit), .arg = "FILE", .help = "write JUnit XML"},
	{'s', true, "sarif", TYPE_TEXT, INTO(sarif), .arg = "FILE", .help = "write SARIF 2.1.0"},
	{'g', true, "github", TYPE_FLAG, INTO(github),
	 .help = "print annotations for GitHub Actions"},
	{'l', true, "gitlab", TYPE_TEXT, INTO(gitlab), .arg = "FILE",
	 .help = "write a GitLab Code Quality report"},
	{'x', true, "html", TYPE_TEXT, INTO(html), .arg = "FILE",
	 .help = "write the report as a page (docs/html.md)"},
	{'r', true, "report", TYPE_TEXT, INTO(report), .arg = "FILE",
	 .help = "write all windows and findings as JSON lines"},
	{'b', true, "record", TYPE_TEXT, INTO(record), .arg = "FILE",
	 .help = "record what is judged: for --replay, report and diff"},
	{'w', true, "replay", TYPE_TEXT, INTO(replay), .arg = "FILE",
	 .help = "judge what record wrote, instead of a command"},
	{'L', true, "listen", TYPE_TEXT, INTO(listen), .arg = "ADDR:PORT",
	 .help = "of serve (default 127.0.0.1:9435; port 0 = any)"},
	{'H', true, "allow-host", TYPE_HOST, .arg = "NAME",
	 .help = "answer requests for this name, too; may be repeated"},
	{'S', true, "series", TYPE_COUNT, INTO(series), .min = 1, .max = METRICS_LIMIT_MAX,
	 .arg = "N", .help = "map names with metrics of their own (default 50)"},
	{'T', true, "otlp", TYPE_TEXT, INTO(otlp), .arg = "URL",
	 .help = "send metrics to an OpenTelemetry collector"},
	{'v', false, "verbose", TYPE_FLAG, INTO(verbose), .help = "say more on stderr"},
	{'h', false, "help", TYPE_HELP, .help = "print this"},
	{'V', false, "version", TYPE_VERSION, .help = "print the version"},
};

const size_t option_def_count = sizeof(option_defs) / sizeof(option_defs[0]);
_Static_assert(sizeof(option_defs) / sizeof(option_defs[0]) < OPTIONS_LETTER_MAX,
	       "the letters of all options fit");

const struct command option_commands[] = {
#define COMMAND_ENTRY(word, letters, usage, text)                                                  \
	{.name = #word, .options = letters, .args = usage, .help = text, .run = command_##word},
	COMMANDS(COMMAND_ENTRY)
#undef COMMAND_ENTRY
};

const size_t option_command_count = sizeof(option_commands) / sizeof(option_commands[0]);

void option_print_help(void)
{
	printf("Usage: smaptrace [OPTION...] -p PID[,PID...]\n"
	       "       smaptrace [OPTION...] -- CMD [ARG...]\n"
	       "       smaptrace COMMAND [OPTION...]\n\n"
	       "Shows what libsmap maps do: misses, promotions, rebuilds, lock waits,\n"
	       "reclamation; as histograms built in the kernel.\n\nCommands:\n");
	for (size_t i = 1; i < option_command_count; i++)
		printf("  %-6s %-17s %s\n", option_commands[i].name, option_commands[i].args,
		       option_commands[i].help);
	printf("\nOptions:\n");
	for (size_t i = 0; i < option_def_count; i++) {
		const struct option_def *def = &option_defs[i];
		char left[40];

		snprintf(left, sizeof(left), "%c%c%c --%s%s%s", def->long_only ? ' ' : '-',
			 def->long_only ? ' ' : def->letter, def->long_only ? ' ' : ',', def->name,
			 def->arg ? " " : "", def->arg ? def->arg : "");
		printf("  %-23s %s\n", left, def->help);
	}
	printf("\nFormats:\n");
	for (size_t i = 0; outputs[i]; i++)
		printf("  %-10s %s\n", outputs[i]->name, outputs[i]->help);
	printf("\nExamples:\n"
	       "  smaptrace -p 4242                   a running server: on a terminal a view\n"
	       "                                      like top (? for help), else as text\n"
	       "  smaptrace -p 4242 -i 5 -d 60        every 5 s, for a minute\n"
	       "  smaptrace -p 4242,4243 -f json      two processes, for jq and others\n"
	       "  smaptrace -o out.txt -- ./server    a command, from its first instruction\n"
	       "  smaptrace check -- make test        fail when a map is in a trap\n"
	       "  smaptrace serve -p 4242             see it live: http://127.0.0.1:9435/\n"
	       "  smaptrace list                      who uses libsmap here, with which maps\n"
	       "  smaptrace doctor                    what is missing, and what to do\n\n"
	       "Exit status: 0 clean, 2 usage, 125 cannot trace, 126/127 the command cannot\n"
	       "be run/found; of check the command's own when it failed, else 100 a trap was\n"
	       "found, 101 nothing can be concluded. Tracing needs root or CAP_BPF and\n"
	       "CAP_PERFMON. Manual page: smaptrace(1).\n");
}
