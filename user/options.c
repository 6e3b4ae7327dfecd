/* SPDX-License-Identifier: MIT */
/*
 * options.c - see options.h. Model: one table of options drives getopt_long, the
 * parsing, the check of what a command takes, and --help, so they cannot
 * disagree. Each type of argument has one parser that checks its bounds.
 *
 * A word before any "--" names a command; what follows "--" is the program to
 * trace, so that a mistyped command is never run by mistake.
 */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "log.h"
#include "output.h"
#include "trap.h"

enum option_type {
	TYPE_PIDS,
	TYPE_SECONDS,
	TYPE_COUNT,
	TYPE_FORMAT,
	TYPE_TEXT,
	TYPE_TRAP,
	TYPE_SEVERITY,
	TYPE_FLAG,
	TYPE_HELP,
	TYPE_VERSION,
};

struct option_def {
	int letter;	  /* also the key in struct command.options */
	bool long_only;	  /* the letter is no option */
	const char *name; /* long */
	enum option_type type;
	size_t offset; /* in struct options */
	double min, max;
	const char *arg;
	const char *help;
};

#define INTO(member) .offset = offsetof(struct options, member)

static const struct option_def defs[] = {
	{'p', false, "pid", TYPE_PIDS, .arg = "PID[,PID...]", .help = "trace these processes"},
	{'i', false, "interval", TYPE_SECONDS, INTO(interval), .min = 0.01, .max = 86400,
	 .arg = "SEC", .help = "time between windows (default 1; fractions allowed)"},
	{'d', false, "duration", TYPE_SECONDS, INTO(duration), .min = 0.01, .max = 4000000,
	 .arg = "SEC", .help = "end after this time (default: when the targets end)"},
	{'f', false, "format", TYPE_FORMAT, INTO(format), .arg = "FORMAT",
	 .help = "output format (default text), see below"},
	{'o', false, "output", TYPE_TEXT, INTO(output), .arg = "FILE",
	 .help = "write there instead of to stdout"},
	{'e', true, "exact", TYPE_FLAG, INTO(exact),
	 .help = "an event for each miss and expunge: dearer, for stacks"},
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
	{'r', true, "report", TYPE_TEXT, INTO(report), .arg = "FILE",
	 .help = "write all windows and findings as JSON lines"},
	{'w', true, "replay", TYPE_TEXT, INTO(replay), .arg = "FILE",
	 .help = "judge what record wrote, instead of a command"},
	{'v', false, "verbose", TYPE_FLAG, INTO(verbose), .help = "say more on stderr"},
	{'h', false, "help", TYPE_HELP, .help = "print this"},
	{'V', false, "version", TYPE_VERSION, .help = "print the version"},
};

#define DEF_COUNT (sizeof(defs) / sizeof(defs[0]))
#define LONG_ONLY 0x100 /* added to a letter that getopt must not take as one */

static const struct command commands[] = {
#define COMMAND_ENTRY(word, letters, usage, text)                                                  \
	{.name = #word, .options = letters, .args = usage, .help = text, .run = command_##word},
	COMMANDS(COMMAND_ENTRY)
#undef COMMAND_ENTRY
};

#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

/* --- messages ------------------------------------------------------------- */

static int usage_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static int usage_error(const char *fmt, ...)
{
	char text[512];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	log_err(0, "%s", text);
	log_hint("'smaptrace --help' shows all options, with examples");
	return -1;
}

static void print_help(void)
{
	printf("Usage: smaptrace [OPTION...] -p PID[,PID...]\n"
	       "       smaptrace [OPTION...] -- CMD [ARG...]\n"
	       "       smaptrace COMMAND [OPTION...]\n\n"
	       "Shows what libsmap maps do: misses, promotions, rebuilds, lock waits,\n"
	       "reclamation; as histograms built in the kernel.\n\nCommands:\n");
	for (size_t i = 1; i < COMMAND_COUNT; i++)
		printf("  %-6s %-17s %s\n", commands[i].name, commands[i].args, commands[i].help);
	printf("\nOptions:\n");
	for (size_t i = 0; i < DEF_COUNT; i++) {
		const struct option_def *def = &defs[i];
		char left[40];

		snprintf(left, sizeof(left), "%c%c%c --%s%s%s", def->long_only ? ' ' : '-',
			 def->long_only ? ' ' : def->letter, def->long_only ? ' ' : ',', def->name,
			 def->arg ? " " : "", def->arg ? def->arg : "");
		printf("  %-23s %s\n", left, def->help);
	}
	printf("\nFormats:\n");
	for (size_t i = 0; outputs[i]; i++)
		printf("  %-8s %s\n", outputs[i]->name, outputs[i]->help);
	printf("\nExamples:\n"
	       "  smaptrace -p 4242                   a running server, every second\n"
	       "  smaptrace -p 4242 -i 5 -d 60        every 5 s, for a minute\n"
	       "  smaptrace -p 4242,4243 -f json      two processes, for jq and others\n"
	       "  smaptrace -o out.txt -- ./server    a command, from its first instruction\n"
	       "  smaptrace check -- make test        fail when a map is in a trap\n"
	       "  smaptrace list                      who uses libsmap here, with which maps\n"
	       "  smaptrace doctor                    what is missing, and what to do\n\n"
	       "Exit status: 0 clean, 2 usage, 125 cannot trace, 126/127 the command cannot\n"
	       "be run/found; of check the command's own when it failed, else 100 a trap was\n"
	       "found, 101 nothing can be concluded. Tracing needs root or CAP_BPF and\n"
	       "CAP_PERFMON. Manual page: smaptrace(1).\n");
}

/* --- parsers -------------------------------------------------------------- */

static int add_pid(struct options *opts, pid_t pid)
{
	pid_t *pids;

	for (size_t i = 0; i < opts->pid_count; i++)
		if (opts->pids[i] == pid)
			return 0;
	pids = realloc(opts->pids, (opts->pid_count + 1) * sizeof(*pids));
	if (!pids)
		return log_err(-ENOMEM, "cannot read the list of processes");
	opts->pids = pids;
	opts->pids[opts->pid_count++] = pid;
	return 0;
}

static int parse_pids(struct options *opts, const char *text)
{
	const char *rest = text;

	do {
		char *end;
		long pid;

		errno = 0;
		pid = strtol(rest, &end, 10);
		if (*rest < '0' || *rest > '9' || errno || pid < 1 || pid > INT_MAX ||
		    (*end && *end != ','))
			return usage_error("'%s' is not a list of process ids like 4242,4243",
					   text);
		if (add_pid(opts, (pid_t)pid))
			return -1;
		rest = *end ? end + 1 : NULL;
	} while (rest);
	return 0;
}

/* Plain decimals only: no exponents, no hexadecimal, no "inf". */
static int parse_number(const struct option_def *def, const char *text, double *ret_value)
{
	bool fraction = def->type == TYPE_SECONDS;
	bool plain = *text && strspn(text, fraction ? "0123456789." : "0123456789") == strlen(text);
	char *end;
	double value = strtod(text, &end);

	if (!plain || *end || value < def->min || value > def->max)
		return usage_error("--%s wants %s from %g to %.0f, not '%s'", def->name,
				   fraction ? "seconds" : "a whole number", def->min, def->max,
				   text);
	*ret_value = value;
	return 0;
}

static int parse_format(char **ret_format, char *text)
{
	char known[256] = "";

	if (output_find(text)) {
		*ret_format = text;
		return 0;
	}
	for (size_t i = 0; outputs[i]; i++)
		snprintf(known + strlen(known), sizeof(known) - strlen(known), "%s%s",
			 i > 0 ? ", " : "", outputs[i]->name);
	return usage_error("'%s' is not an output format; the formats are: %s", text, known);
}

static int add_trap(struct options *opts, char *name)
{
	size_t count = 0;
	char **grown;

	if (!trap_find(name)) {
		char known[256] = "";

		for (size_t i = 0; trap_table[i]; i++)
			snprintf(known + strlen(known), sizeof(known) - strlen(known), "%s%s",
				 i > 0 ? ", " : "", trap_table[i]->name);
		return usage_error("'%s' is not a trap; the traps are: %s", name, known);
	}
	while (opts->traps && opts->traps[count])
		count++;
	grown = realloc(opts->traps, (count + 2) * sizeof(*grown));
	if (!grown)
		return log_err(-ENOMEM, "cannot read the list of traps");
	grown[count] = name;
	grown[count + 1] = NULL;
	opts->traps = grown;
	return 0;
}

static int parse_severity(char **ret_severity, char *text)
{
	for (int i = FINDING_NOTICE; i <= FINDING_ERROR; i++) {
		if (strcmp(report_severity((enum finding_severity)i), text) == 0) {
			*ret_severity = text;
			return 0;
		}
	}
	return usage_error("'%s' is not a severity; they are: notice, warning, error", text);
}

static int set_option(struct options *opts, const struct option_def *def, char *text)
{
	void *member = (char *)opts + def->offset;
	double value = 0;

	/* Otherwise "-o -- CMD" would write to a file named "--". */
	if (def->arg && (strcmp(text, "--") == 0 || *text == '\0'))
		return usage_error("--%s needs an argument: %s", def->name, def->arg);
	switch (def->type) {
	case TYPE_PIDS:
		return parse_pids(opts, text);
	case TYPE_SECONDS:
		return parse_number(def, text, member);
	case TYPE_COUNT:
		if (parse_number(def, text, &value))
			return -1;
		*(unsigned *)member = (unsigned)value;
		return 0;
	case TYPE_FORMAT:
		return parse_format(member, text);
	case TYPE_TEXT:
		*(char **)member = text;
		return 0;
	case TYPE_TRAP:
		return add_trap(opts, text);
	case TYPE_SEVERITY:
		return parse_severity(member, text);
	case TYPE_FLAG:
		*(bool *)member = true;
		return 0;
	case TYPE_HELP:
	case TYPE_VERSION:
		break; /* the caller's */
	}
	return 0;
}

/* --- the command line ----------------------------------------------------- */

static const struct option_def *find_def(int letter)
{
	for (size_t i = 0; i < DEF_COUNT; i++)
		if (defs[i].letter == (letter & ~LONG_ONLY))
			return &defs[i];
	return NULL;
}

static void build_getopt(char short_options[2 * DEF_COUNT + 3], struct option long_options[])
{
	char *letters = short_options;

	/* "+": stop at the first word. ":": we print the messages. */
	*letters++ = '+';
	*letters++ = ':';
	for (size_t i = 0; i < DEF_COUNT; i++) {
		const struct option_def *def = &defs[i];

		long_options[i] = (struct option){
			.name = def->name,
			.has_arg = def->arg ? required_argument : no_argument,
			.val = def->letter | (def->long_only ? LONG_ONLY : 0),
		};
		if (def->long_only)
			continue;
		*letters++ = (char)def->letter;
		if (def->arg)
			*letters++ = ':';
	}
	*letters = '\0';
	long_options[DEF_COUNT] = (struct option){0};
}

static int bad_option(int found, char **argv)
{
	const struct option_def *def = find_def(optopt);

	if (found == ':' && def)
		return usage_error("--%s needs an argument: %s", def->name, def->arg);
	/* optopt is 0 for an unknown or ambiguous long option. */
	if (optopt == 0 || (optopt & LONG_ONLY) || strncmp(argv[optind - 1], "--", 2) == 0)
		return usage_error("'%s' is not an option, or not a clear one", argv[optind - 1]);
	return usage_error("'-%c' is not an option", optopt);
}

static int set_command(struct options *opts, const char *word)
{
	char known[256] = "";

	for (size_t i = 0; i < COMMAND_COUNT; i++) {
		if (strcmp(commands[i].name, word) == 0) {
			opts->command = &commands[i];
			return 0;
		}
		snprintf(known + strlen(known), sizeof(known) - strlen(known), "%s%s",
			 i > 0 ? ", " : "", commands[i].name);
	}
	return usage_error(
		"'%s' is not a command; the commands are: %s\n"
		"smaptrace: hint: to trace a program put '--' before it: smaptrace -- %s",
		word, known, word);
}

/* Options up to the next word, "--" or the end. *given collects their letters. */
static int parse_some(struct options *opts, int argc, char **argv, char *given, int *ret_status)
{
	char short_options[2 * DEF_COUNT + 3];
	struct option long_options[DEF_COUNT + 1];
	int found;

	build_getopt(short_options, long_options);
	while ((found = getopt_long(argc, argv, short_options, long_options, NULL)) != -1) {
		const struct option_def *def;

		if (found == '?' || found == ':')
			return bad_option(found, argv);
		def = find_def(found);
		if (def->type == TYPE_HELP || def->type == TYPE_VERSION) {
			if (def->type == TYPE_HELP)
				print_help();
			else
				printf("smaptrace %s\n", SMAPTRACE_VERSION);
			*ret_status = EXIT_CLEAN;
			if (fflush(stdout) != 0) {
				log_err(-errno, "cannot write to standard output");
				*ret_status = EXIT_CANNOT_TRACE;
			}
			return -1;
		}
		if (set_option(opts, def, optarg))
			return -1;
		if (!strchr(given, def->letter))
			given[strlen(given)] = (char)def->letter;
	}
	return 0;
}

static size_t files_wanted(const struct command *command)
{
	size_t count = 0;

	for (const char *letter = command->options; *letter; letter++)
		count += *letter == 'F';
	return count < OPTIONS_FILES_MAX ? count : OPTIONS_FILES_MAX;
}

static int add_file(struct options *opts, char *word)
{
	if (opts->file_count == files_wanted(opts->command))
		return usage_error("'%s': %s takes no such argument", word, opts->command->name);
	opts->files[opts->file_count++] = word;
	return 0;
}

static int parse_words(struct options *opts, int argc, char **argv, char *given, int *ret_status)
{
	while (true) {
		if (parse_some(opts, argc, argv, given, ret_status))
			return -1;
		if (optind > 1 && strcmp(argv[optind - 1], "--") == 0) {
			opts->cmd = optind < argc ? argv + optind : NULL;
			if (!opts->cmd)
				return usage_error("no command after '--'");
			return 0;
		}
		if (optind == argc)
			return 0;
		if (opts->command ? add_file(opts, argv[optind]) : set_command(opts, argv[optind]))
			return -1;
		optind++;
	}
}

static int check(struct options *opts, const char *given)
{
	const struct command *command = opts->command;

	for (; *given; given++)
		if (!strchr(command->options, *given))
			return usage_error("%s does not take --%s", command->name,
					   find_def(*given)->name);
	if (opts->file_count < files_wanted(command))
		return usage_error("%s needs: %s", command->name, command->args);
	if (opts->replay)
		return opts->cmd ? usage_error("give either --replay FILE or a command, not both")
				 : 0;
	if (!strchr(command->options, 'c'))
		return opts->cmd ? usage_error("%s does not run a command", command->name) : 0;
	if (!strchr(command->options, 'p'))
		return opts->cmd
			       ? 0
			       : usage_error("nothing to %s: give -- and a command", command->name);
	if (!opts->cmd && opts->pid_count == 0)
		return usage_error("nothing to trace: give -p PID, or -- and a command");
	if (opts->cmd && opts->pid_count > 0)
		return usage_error("give either -p PID or a command, not both");
	return 0;
}

int options_parse(struct options *ret_opts, int argc, char **argv, int *ret_status)
{
	struct options opts = {.interval = 1, .format = (char *)outputs[0]->name};
	char given[DEF_COUNT + 1] = "";

	*ret_status = EXIT_USAGE;
	opterr = 0;
	optind = 0; /* glibc: start afresh */
	if (parse_words(&opts, argc, argv, given, ret_status)) {
		options_free(&opts);
		return -1;
	}
	if (!opts.command)
		opts.command = &commands[0];
	if (check(&opts, given)) {
		options_free(&opts);
		return -1;
	}
	*ret_opts = opts;
	return 0;
}

void options_free(struct options *opts)
{
	if (!opts)
		return;
	free(opts->pids);
	opts->pids = NULL;
	opts->pid_count = 0;
	free(opts->traps);
	opts->traps = NULL;
}
