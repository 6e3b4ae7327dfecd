/* SPDX-License-Identifier: MIT */
/*
 * options.h - the command line as a table: one entry per option gives its name, its
 * letter, the member it sets, its type, its bounds and its line of help.
 */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define SMAPTRACE_VERSION "0.1.0" /* = SMAP_VERSION of the library; a test compares */

/* Exit statuses of smaptrace (architecture: the command line). */
enum exit_status {
	EXIT_CLEAN = 0,
	EXIT_USAGE = 2,
	EXIT_TRAP = 100,
	EXIT_INCONCLUSIVE = 101,
	EXIT_CANNOT_TRACE = 125,
	EXIT_CANNOT_RUN = 126,
	EXIT_NOT_FOUND = 127,
};

#define OPTIONS_FILES_MAX 2

struct options {
	const struct command *command; /* trace, list, doctor, ... */
	pid_t *pids;
	size_t pid_count;
	bool all;			/* every process of the machine */
	char **cmd;			/* after "--", NULL-ended, or NULL */
	char *files[OPTIONS_FILES_MAX]; /* as many as the command takes */
	size_t file_count;
	double interval; /* seconds */
	double duration; /* seconds; 0 = no limit */
	char *format;	 /* name of an output */
	bool format_given;
	bool tui;     /* the terminal view, also where it is not the default */
	char *output; /* file; NULL = stdout */
	bool exact;
	bool lock_waits;
	bool stacks;
	double max_overhead; /* percent; 0 = no limit */
	bool audit;
	bool offcpu;
	bool verbose;
	unsigned max_maps;
	char *otlp; /* URL of a collector; NULL = none */
	/* Of check. */
	char *policy;  /* file; NULL = the defaults */
	char *fail_on; /* name of a severity; NULL = as the policy says */
	char **traps;  /* names, NULL-ended; NULL = all */
	unsigned min_events;
	char *junit, *sarif, *gitlab, *html, *report; /* files; NULL = not wanted */
	bool github;
	char *record; /* a recording to write besides; NULL = not wanted */
	char *replay; /* a recording instead of a command */
	/* Of serve. */
	char *listen;	 /* ADDRESS:PORT; NULL = the default */
	char **hosts;	 /* further Host headers, NULL-ended; NULL = none */
	unsigned series; /* names with metrics of their own; 0 = default */
};

/*
 * The commands. A new one is a file with command_<name>() and a line here:
 * X(name, letters of the options it takes, c for a command and F for each file, usage, help).
 * The first is what runs when no command is named.
 */
#define COMMANDS(X)                                                                                \
	X(trace, "EpidfoekUqOAmvcuT",                                                              \
	  "[-p PID[,PID...]] [-i SEC] [-d SEC] [-f FORMAT] [-o FILE] [-- CMD]",                    \
	  "trace processes, or a command")                                                         \
	X(check, "idfoekUqOAmvcyatnjsglxrbwT", "[OPTION...] -- CMD",                               \
	  "run a command, fail if a map is in a trap")                                             \
	X(list, "pfov", "[-p PID[,PID...]]", "list processes that use libsmap, and their maps")    \
	X(doctor, "v", "", "check what tracing needs, and say what to do")                         \
	X(record, "EpidoekUqOAmvcT", "-o FILE [-- CMD]", "trace into a file")                      \
	X(report, "fomvtuF", "FILE", "show what record wrote, with its findings")                  \
	X(serve, "EpideUqOAmvcLHST", "-p PID[,PID...] | --all",                                    \
	  "a live page, and metrics for Prometheus")                                               \
	X(diff, "mvFF", "FILE FILE", "what got worse from one recording to another")

struct command {
	const char *name;
	const char *options;
	const char *args;
	const char *help;
	int (*run)(const struct options *opts); /* returns an enum exit_status */
};

#define COMMAND_DECLARE(name, ...) int command_##name(const struct options *opts);
COMMANDS(COMMAND_DECLARE)
#undef COMMAND_DECLARE

/*
 * 0, and *ret_opts holds what the command line says. Returns -1 and sets *ret_status when
 * the program should end now: help, version or a usage error, already printed.
 */
int options_parse(struct options *ret_opts, int argc, char **argv, int *ret_status);
void options_free(struct options *opts);

#endif
