/* SPDX-License-Identifier: MIT */
/*
 * options_table.h - what the three files of the command line share: options_table.c
 * (the tables and --help), options_value.c (one parser per type of argument) and
 * options.c (words, letters, commands).
 */
#ifndef OPTIONS_TABLE_H
#define OPTIONS_TABLE_H

#include "options.h"

enum option_type {
	TYPE_PIDS,
	TYPE_SECONDS,
	TYPE_PERCENT,
	TYPE_COUNT,
	TYPE_FORMAT,
	TYPE_TEXT,
	TYPE_TRAP,
	TYPE_HOST,
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

#define OPTIONS_LETTER_MAX 64 /* room for the letters of all options */

extern const struct option_def option_defs[];
extern const size_t option_def_count;
extern const struct command option_commands[]; /* the first runs when none is named */
extern const size_t option_command_count;

/* Print --help to stdout. */
void option_print_help(void);

/* Put the argument into its member: 0, or -1 after a message. */
int option_set(struct options *opts, const struct option_def *def, char *text);

/* Say what is wrong with the command line, and where to look: always -1. */
int option_usage_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
