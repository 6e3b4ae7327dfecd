/* SPDX-License-Identifier: MIT */
/* The command line: what is accepted and what it means; messages are tests/cli_usage.bats. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "options_table.h"
#include "smap.h"

#define WORDS_MAX 20

struct parsed {
	struct options opts;
	int result, status;
	char *argv[WORDS_MAX + 2];
	char text[256];
};

/* Parses a line of words, with stdout and stderr out of the way. */
static void parse(struct parsed *p, const char *line)
{
	int quiet = open("/dev/null", O_WRONLY | O_CLOEXEC);
	int out = dup(STDOUT_FILENO), err = dup(STDERR_FILENO);
	int argc = 0;
	char *save = NULL;

	*p = (struct parsed){0};
	snprintf(p->text, sizeof(p->text), "smaptrace %s", line);
	for (char *word = strtok_r(p->text, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
		assert_true(argc <= WORDS_MAX);
		p->argv[argc++] = word;
	}
	fflush(stdout);
	dup2(quiet, STDOUT_FILENO);
	dup2(quiet, STDERR_FILENO);
	p->result = options_parse(&p->opts, argc, p->argv, &p->status);
	fflush(stdout);
	dup2(out, STDOUT_FILENO);
	dup2(err, STDERR_FILENO);
	close(quiet);
	close(out);
	close(err);
}

static void test_defaults(void **state)
{
	struct parsed p;

	(void)state;
	parse(&p, "-p 42");
	assert_int_equal(p.result, 0);
	assert_string_equal(p.opts.command->name, "trace");
	assert_int_equal(p.opts.pid_count, 1);
	assert_int_equal(p.opts.pids[0], 42);
	assert_true(p.opts.interval == 1.0 && p.opts.duration == 0);
	assert_string_equal(p.opts.format, "text");
	assert_null(p.opts.output);
	assert_null(p.opts.cmd);
	assert_false(p.opts.exact || p.opts.verbose);
	assert_int_equal(p.opts.max_maps, 0);
	options_free(&p.opts);
}

static void test_all(void **state)
{
	struct parsed p;

	(void)state;
	parse(&p, "-p 1,2 --pid=3,2 -i 0.25 -d 1.5 -f json -o out --exact --max-maps 7 -v");
	assert_int_equal(p.result, 0);
	assert_int_equal(p.opts.pid_count, 3); /* 2 came twice */
	assert_int_equal(p.opts.pids[2], 3);
	assert_true(p.opts.interval == 0.25 && p.opts.duration == 1.5);
	assert_string_equal(p.opts.format, "json");
	assert_string_equal(p.opts.output, "out");
	assert_true(p.opts.exact && p.opts.verbose);
	assert_int_equal(p.opts.max_maps, 7);
	options_free(&p.opts);
}

static void test_command(void **state)
{
	struct parsed p;

	(void)state;
	parse(&p, "-i 2 -- prog -p x --help");
	assert_int_equal(p.result, 0);
	assert_string_equal(p.opts.cmd[0], "prog");
	assert_string_equal(p.opts.cmd[3], "--help");
	assert_null(p.opts.cmd[4]);
	options_free(&p.opts);
	parse(&p, "trace -- prog");
	assert_int_equal(p.result, 0);
	assert_string_equal(p.opts.cmd[0], "prog");
	options_free(&p.opts);
	parse(&p, "-v list -p 9");
	assert_int_equal(p.result, 0);
	assert_string_equal(p.opts.command->name, "list");
	assert_true(p.opts.verbose);
	options_free(&p.opts);
	parse(&p, "doctor");
	assert_int_equal(p.result, 0);
	assert_string_equal(p.opts.command->name, "doctor");
	options_free(&p.opts);
}

static void test_ends_well(void **state)
{
	static const char *const lines[] = {"--help", "-h",	     "--version",
					    "-V",     "list --help", "-p 1 --help"};
	struct parsed p;

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		parse(&p, lines[i]);
		assert_int_equal(p.result, -1);
		assert_int_equal(p.status, EXIT_CLEAN);
	}
}

static void test_usage_errors(void **state)
{
	static const char *const lines[] = {
		"",
		"-p",
		"-p 0",
		"-p -1",
		"-p +1",
		"-p 1,",
		"-p ,1",
		"-p 1,,2",
		"-p x",
		"-p 1x",
		"-p 99999999999999999999",
		"-p 2147483648",
		"-i 0 -p 1",
		"-i -1 -p 1",
		"-i nan -p 1",
		"-i inf -p 1",
		"-i 0x10 -p 1",
		"-i 1e2 -p 1",
		"-i 1.2.3 -p 1",
		"-i . -p 1",
		"-d 0 -p 1",
		"-d 99999999 -p 1",
		"--max-maps 0 -p 1",
		"--max-maps 1.5 -p 1",
		"--max-maps 99999999 -p 1",
		"-f xml -p 1",
		"-o -- prog",
		"--",
		"-p 1 --",
		"-p 1 -- prog",
		"--frob",
		"-z",
		"-e -p 1",
		"-m 3 -p 1",
		"frob",
		"-p 1 frob",
		"list doctor",
		"list -d 1",
		"doctor -p 1",
		"list -- prog",
		"--exact=1 -p 1",
	};
	struct parsed p;

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		parse(&p, lines[i]);
		if (p.result != -1 || p.status != EXIT_USAGE)
			fail_msg("'%s' gave %d, status %d", lines[i], p.result, p.status);
		assert_null(p.opts.pids); /* untouched */
	}
}

static void test_version(void **state)
{
	(void)state;
	assert_string_equal(SMAPTRACE_VERSION, SMAP_VERSION);
	options_free(NULL);
}

/* A letter is the key of an option in every command: twice, it would mean both. */
static void each_letter_is_one_option(void **state)
{
	(void)state;
	for (size_t i = 0; i < option_def_count; i++) {
		assert_int_not_equal(option_defs[i].letter, 'c'); /* says "takes a command" */
		assert_int_not_equal(option_defs[i].letter, 'F'); /* says "takes a file" */
		for (size_t j = 0; j < i; j++)
			assert_int_not_equal(option_defs[i].letter, option_defs[j].letter);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_letter_is_one_option),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_all),
		cmocka_unit_test(test_command),
		cmocka_unit_test(test_ends_well),
		cmocka_unit_test(test_usage_errors),
		cmocka_unit_test(test_version),
	};

	return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
