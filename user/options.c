/* SPDX-License-Identifier: MIT */
/*
 * options.c - see options.h. Model: one table of options (options_table.c) drives
 * getopt_long, the parsing, the check of what a command takes, and --help, so they
 * cannot disagree. Each type of argument has one parser that checks its bounds.
 *
 * A word before any "--" names a command; what follows "--" is the program to
 * trace, so that a mistyped command is never run by mistake.
 */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "log.h"
#include "options_table.h"
#include "output.h"

#define LONG_ONLY 0x100 /* added to a letter that getopt must not take as one */

static const struct option_def *find_def(int letter)
{
	for (size_t i = 0; i < option_def_count; i++)
		if (option_defs[i].letter == (letter & ~LONG_ONLY))
			return &option_defs[i];
	return NULL;
}

static void build_getopt(char short_options[2 * OPTIONS_LETTER_MAX + 3],
			 struct option long_options[])
{
	char *letters = short_options;

	/* "+": stop at the first word. ":": we print the messages. */
	*letters++ = '+';
	*letters++ = ':';
	for (size_t i = 0; i < option_def_count; i++) {
		const struct option_def *def = &option_defs[i];

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
	long_options[option_def_count] = (struct option){0};
}

static int bad_option(int found, char **argv)
{
	const struct option_def *def = find_def(optopt);

	if (found == ':' && def)
		return option_usage_error("--%s needs an argument: %s", def->name, def->arg);
	/* optopt is 0 for an unknown or ambiguous long option. */
	if (optopt == 0 || (optopt & LONG_ONLY) || strncmp(argv[optind - 1], "--", 2) == 0)
		return option_usage_error("'%s' is not an option, or not a clear one",
					  argv[optind - 1]);
	return option_usage_error("'-%c' is not an option", optopt);
}

static int set_command(struct options *opts, const char *word)
{
	char known[256] = "";

	for (size_t i = 0; i < option_command_count; i++) {
		if (strcmp(option_commands[i].name, word) == 0) {
			opts->command = &option_commands[i];
			return 0;
		}
		snprintf(known + strlen(known), sizeof(known) - strlen(known), "%s%s",
			 i > 0 ? ", " : "", option_commands[i].name);
	}
	return option_usage_error(
		"'%s' is not a command; the commands are: %s\n"
		"smaptrace: hint: to trace a program put '--' before it: smaptrace -- %s",
		word, known, word);
}

/* Options up to the next word, "--" or the end. *given collects their letters. */
static int parse_some(struct options *opts, int argc, char **argv, char *given, int *ret_status)
{
	char short_options[2 * OPTIONS_LETTER_MAX + 3];
	struct option long_options[OPTIONS_LETTER_MAX + 1];
	int found;

	build_getopt(short_options, long_options);
	while ((found = getopt_long(argc, argv, short_options, long_options, NULL)) != -1) {
		const struct option_def *def;

		if (found == '?' || found == ':')
			return bad_option(found, argv);
		def = find_def(found);
		if (def->type == TYPE_HELP || def->type == TYPE_VERSION) {
			if (def->type == TYPE_HELP)
				option_print_help();
			else
				printf("smaptrace %s\n", SMAPTRACE_VERSION);
			*ret_status = EXIT_CLEAN;
			/* A write that failed before is only remembered by ferror(). */
			if (fflush(stdout) != 0 || ferror(stdout)) {
				log_err(errno ? -errno : -EIO, "cannot write to standard output");
				*ret_status = EXIT_CANNOT_TRACE;
			}
			return -1;
		}
		if (option_set(opts, def, optarg))
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
		return option_usage_error("'%s': %s takes no such argument", word,
					  opts->command->name);
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
				return option_usage_error("no command after '--'");
			return 0;
		}
		if (optind == argc)
			return 0;
		if (opts->command ? add_file(opts, argv[optind]) : set_command(opts, argv[optind]))
			return -1;
		optind++;
	}
}

/* What was traced, and how, is over: the recording says it. */
static int check_replay(const struct options *opts, const char *given)
{
	const char *of_tracing = strpbrk(given, "idekUqOA");

	if (opts->cmd)
		return option_usage_error("give either --replay FILE or a command, not both");
	if (of_tracing)
		return option_usage_error("--%s is for a trace, and --replay judges a recording",
					  find_def(*of_tracing)->name);
	return 0;
}

static int check(struct options *opts, const char *given)
{
	const struct command *command = opts->command;

	opts->format_given = strchr(given, 'f') != NULL;
	for (const char *letter = given; *letter; letter++)
		if (!strchr(command->options, *letter))
			return option_usage_error("%s does not take --%s", command->name,
						  find_def(*letter)->name);
	if (opts->tui && opts->format_given && !opts->output)
		return option_usage_error(
			"--tui shows the windows itself: give -o FILE for --format %s",
			opts->format);
	if (opts->file_count < files_wanted(command))
		return option_usage_error("%s needs: %s", command->name, command->args);
	if (opts->replay)
		return check_replay(opts, given);
	if (!strchr(command->options, 'c'))
		return opts->cmd ? option_usage_error("%s does not run a command", command->name)
				 : 0;
	if (!strchr(command->options, 'p'))
		return opts->cmd ? 0
				 : option_usage_error("nothing to %s: give -- and a command",
						      command->name);
	if (!opts->cmd && opts->pid_count == 0 && !opts->all)
		return option_usage_error("nothing to trace: give -p PID, or -- and a command");
	if ((opts->cmd != NULL) + (opts->pid_count > 0) + opts->all > 1)
		return option_usage_error("give -p PID, --all or a command, not both");
	return 0;
}

int options_parse(struct options *ret_opts, int argc, char **argv, int *ret_status)
{
	struct options opts = {.interval = 1};
	char given[OPTIONS_LETTER_MAX + 1] = "";

	*ret_status = EXIT_USAGE;
	opterr = 0;
	optind = 0; /* glibc: start afresh */
	if (parse_words(&opts, argc, argv, given, ret_status)) {
		options_free(&opts);
		return -1;
	}
	if (!opts.command)
		opts.command = &option_commands[0];
	if (check(&opts, given)) {
		options_free(&opts);
		return -1;
	}
	/* A log wants less than a terminal. */
	if (!opts.format)
		opts.format = (char *)(opts.command->run == command_check && !opts.output
					       ? "brief"
					       : outputs[0]->name);
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
	free(opts->hosts);
	opts->hosts = NULL;
}
