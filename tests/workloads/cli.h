/* SPDX-License-Identifier: MIT */
/*
 * cli.h - the command line of a workload as a table: one row gives an option's name,
 * argument, bounds, where it goes and its line of help. Parsing and --help both read
 * the table, so that they cannot disagree. Header-only: each workload is one program.
 *
 * Errors go to stderr as "PROGRAM: error: what, what is allowed" with status 2.
 */
#ifndef CLI_H
#define CLI_H

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "smap.h"

enum cli_status { CLI_OK = 0, CLI_FAILED = 1, CLI_USAGE = 2 };

enum cli_kind {
	CLI_FLAG,   /* bool */
	CLI_U64,    /* uint64_t within min..max */
	CLI_STRING, /* const char *, not empty */
	CLI_PARSE,  /* whatever parse() makes of it */
};

struct cli_option {
	const char *name;
	const char *arg; /* what --help calls the argument; NULL = none */
	const char *help;
	enum cli_kind kind;
	void *value;
	uint64_t min, max;
	bool (*parse)(const char *text, void *value); /* false: not valid */
};

struct cli {
	const char *program;
	const char *summary;
	const struct cli_option *options;
	size_t option_count;
	const char *notes;  /* printed after the options; may be NULL */
	void (*more)(void); /* prints further help, after the notes; may be NULL */
};

#define CLI_MAX_OPTIONS 40
#define CLI_FIRST 256 /* getopt values above any character */

/* A decimal number within bounds; no sign, no blanks, nothing behind it. */
static inline bool cli_number(const char *text, uint64_t min, uint64_t max, uint64_t *ret_number)
{
	char *end;
	unsigned long long number;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	number = strtoull(text, &end, 10);
	if (errno || *end || number < min || number > max)
		return false;
	*ret_number = number;
	return true;
}

static inline void cli_help(const struct cli *cli)
{
	printf("usage: %s [OPTION...]\n%s\n\n", cli->program, cli->summary);
	for (size_t i = 0; i < cli->option_count; i++) {
		const struct cli_option *o = &cli->options[i];
		char left[64];

		snprintf(left, sizeof(left), "--%s%s%s", o->name, o->arg ? " " : "",
			 o->arg ? o->arg : "");
		printf("  %-26s %s\n", left, o->help);
	}
	printf("  %-26s %s\n", "--help", "show this");
	if (cli->notes)
		printf("\n%s\n", cli->notes);
	if (cli->more)
		cli->more();
}

static inline bool cli_set(const struct cli *cli, const struct cli_option *o, const char *text)
{
	switch (o->kind) {
	case CLI_FLAG:
		*(bool *)o->value = true;
		return true;
	case CLI_U64:
		if (cli_number(text, o->min, o->max, o->value))
			return true;
		fprintf(stderr,
			"%s: error: --%s %s: not a whole number from %" PRIu64 " to %" PRIu64 "\n",
			cli->program, o->name, text, o->min, o->max);
		return false;
	case CLI_STRING:
		*(const char **)o->value = text;
		if (*text)
			return true;
		fprintf(stderr, "%s: error: --%s: empty\n", cli->program, o->name);
		return false;
	case CLI_PARSE:
		if (o->parse(text, o->value))
			return true;
		fprintf(stderr, "%s: error: --%s %s: not one of: %s\n", cli->program, o->name, text,
			o->help);
		return false;
	}
	return false;
}

/* True: go on. False: end with *ret_status; what there was to say has been said. */
static inline bool cli_parse(const struct cli *cli, int argc, char **argv, int *ret_status)
{
	struct option longs[CLI_MAX_OPTIONS + 2] = {0};
	int c;

	for (size_t i = 0; i < cli->option_count && i < CLI_MAX_OPTIONS; i++)
		longs[i] = (struct option){.name = cli->options[i].name,
					   .has_arg = cli->options[i].arg ? required_argument
									  : no_argument,
					   .val = CLI_FIRST + (int)i};
	longs[cli->option_count] = (struct option){.name = "help", .val = 'h'};
	*ret_status = CLI_USAGE;
	while ((c = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
		if (c == 'h') {
			cli_help(cli);
			*ret_status = CLI_OK;
			return false;
		}
		if (c < CLI_FIRST) {
			fprintf(stderr, "%s: try --help\n", cli->program);
			return false;
		}
		if (!cli_set(cli, &cli->options[c - CLI_FIRST], optarg))
			return false;
	}
	if (optind < argc) {
		fprintf(stderr, "%s: error: what is '%s'? Try --help\n", cli->program,
			argv[optind]);
		return false;
	}
	return true;
}

/* --- options of the map, the same in every workload ------------------------- */

#define MAP_POLICY_HELP_ITEM(upper, name) " " name
#define MAP_POLICY_HELP "promotion policy:" SMAP_POLICIES(MAP_POLICY_HELP_ITEM) " (fixed:N)"

/* NAME[:ARG] into the policy and policy_arg of a struct smap_options. */
static inline bool map_policy_parse(const char *text, void *value)
{
	struct smap_options *opts = value;
	size_t len = strcspn(text, ":");
	uint64_t arg = 0;

	if (text[len] == ':' && !cli_number(text + len + 1, 0, UINT64_MAX, &arg))
		return false;
#define MAP_POLICY_MATCH(upper, name)                                                              \
	if (len == strlen(name) && memcmp(text, name, len) == 0) {                                 \
		opts->policy = SMAP_POLICY_##upper;                                                \
		opts->policy_arg = arg;                                                            \
		return true;                                                                       \
	}
	SMAP_POLICIES(MAP_POLICY_MATCH)
#undef MAP_POLICY_MATCH
	return false;
}

static inline bool map_bits_parse(const char *text, void *value)
{
	uint64_t bits;

	if (!cli_number(text, 16, 64, &bits) || (bits != 16 && bits != 64))
		return false;
	*(uint32_t *)value = (uint32_t)bits;
	return true;
}

static inline bool map_tuned_parse(const char *text, void *value)
{
	(void)text;
	*(uint32_t *)value |= SMAP_OPTIONS_TUNED;
	return true;
}

/* Rows for a table of struct cli_option; opts is a struct smap_options. */
#define MAP_OPTIONS(opts)                                                                          \
	{.name = "policy",                                                                         \
	 .arg = "NAME[:ARG]",                                                                      \
	 .help = MAP_POLICY_HELP,                                                                  \
	 .kind = CLI_PARSE,                                                                        \
	 .value = &(opts),                                                                         \
	 .parse = map_policy_parse},                                                               \
		{.name = "initial-dirty",                                                          \
		 .arg = "N",                                                                       \
		 .help = "entries that the first dirty has room for",                              \
		 .kind = CLI_U64,                                                                  \
		 .value = &(opts).initial_dirty,                                                   \
		 .max = 1u << 30},                                                                 \
		{.name = "tuned",                                                                  \
		 .help = "the recommended options instead of exactly Go",                          \
		 .kind = CLI_PARSE,                                                                \
		 .value = &(opts).flags,                                                           \
		 .parse = map_tuned_parse},                                                        \
	{                                                                                          \
		.name = "miss-counter-bits", .arg = "N", .help = "64 (default) or 16",             \
		.kind = CLI_PARSE, .value = &(opts).miss_counter_bits, .parse = map_bits_parse     \
	}

#endif
