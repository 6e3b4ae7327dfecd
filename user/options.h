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

struct options {
	const struct command *command; /* trace, list, doctor, ... */
	pid_t *pids;
	size_t pid_count;
	char **cmd;	 /* after "--", NULL-ended, or NULL */
	double interval; /* seconds */
	double duration; /* seconds; 0 = no limit */
	char *format;	 /* name of an output */
	char *output;	 /* file; NULL = stdout */
	bool exact;
	bool verbose;
	unsigned max_maps;
};

/* A subcommand: X-list in options.c. run returns an enum exit_status. */
struct command {
	const char *name;
	const char *args; /* for the usage line */
	const char *help;
	int (*run)(const struct options *opts);
};

/* 0; EXIT_USAGE + 1000 style codes are not used: returns -1 and sets *ret_status when the program
 * should end now (help, version, usage error - already printed). */
int options_parse(struct options *opts, int argc, char **argv, int *ret_status);
void options_free(struct options *opts);

/* The commands; each lives in its own file. */
int command_trace(const struct options *opts);	/* main.c */
int command_list(const struct options *opts);	/* list.c: processes and their maps */
int command_doctor(const struct options *opts); /* doctor.c: requirements, found, what to do */

#endif
