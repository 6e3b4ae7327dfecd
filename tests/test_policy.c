/* SPDX-License-Identifier: MIT */
/* Policies: defaults, files, what is wrong with them; and budgets, by windows built by hand. */
#include "trap_bench.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static char said[4096]; /* on stderr */

/* 0 or the error of policy_load, with what it said. */
static int load(struct policy **ret_policy, const char *text)
{
	char path[] = "/tmp/test_policy.XXXXXX", log[] = "/tmp/test_policy.XXXXXX";
	int fd = mkstemp(path), log_fd = mkstemp(log), saved = dup(STDERR_FILENO), err;
	ssize_t len;

	assert_true(fd >= 0 && log_fd >= 0 && saved >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	dup2(log_fd, STDERR_FILENO);
	err = policy_load(ret_policy, path);
	dup2(saved, STDERR_FILENO);
	len = pread(log_fd, said, sizeof(said) - 1, 0);
	said[len > 0 ? len : 0] = '\0';
	close(fd);
	close(log_fd);
	close(saved);
	unlink(path);
	unlink(log);
	return err;
}

static void refuse(const char *text, const char *line, const char *what)
{
	struct policy *policy = NULL;

	assert_int_equal(load(&policy, text), -EINVAL);
	assert_null(policy);
	if (!strstr(said, line) || !strstr(said, what))
		fail_msg("wanted '%s' and '%s' in: %s", line, what, said);
}

static void test_defaults(void **state)
{
	const struct limits *limits = &limits_default;

	(void)state;
#define WITHIN(name, value, min, max, help)                                                        \
	assert_true(t->name == (value) && t->name >= (min) && t->name <= (max));
#define ALL_WITHIN(trap, LIST)                                                                     \
	{                                                                                          \
		const struct trap##_limits *t = &limits->trap;                                     \
		LIST(WITHIN)                                                                       \
		assert_true(t->raise <= t->of);                                                    \
	}
	TRAP_LIMITS(ALL_WITHIN)
#define UNSET(name, ...) assert_true(limits->budget.name < 0);
	BUDGETS(UNSET)
}

static void test_an_empty_file_is_the_defaults(void **state)
{
	static const char *const empty[] = {"", "# nothing\n", "{}\n"};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct policy *policy;

		assert_int_equal(load(&policy, empty[i]), 0);
		assert_memory_equal(policy_limits(policy, "x"), &limits_default,
				    sizeof(limits_default));
		assert_int_equal(policy_fail_on(policy), FINDING_WARNING);
		assert_int_equal(policy_interval_ms(policy), 0);
		policy_free(policy);
	}
}

static void test_a_file(void **state)
{
	const struct limits *general, *cache;
	struct policy *policy;

	(void)state;
	assert_int_equal(load(&policy, "interval: 0.25\n"
				       "fail-on: notice\n"
				       "traps:\n"
				       "  read-diffusion: {min_promotions: 7}\n"
				       "budgets: {misses: 0}\n"
				       "maps:\n"
				       "  - pattern: 'cache-*'\n"
				       "    traps:\n"
				       "      pseudo-expansion: {severity: off, min_age_s: 9}\n"
				       "  - pattern: '*'\n"
				       "    budgets: {promotions_per_s: 1.5}\n"),
			 0);
	assert_int_equal(policy_interval_ms(policy), 250);
	assert_int_equal(policy_fail_on(policy), FINDING_NOTICE);
	cache = policy_limits(policy, "cache-1");
	general = policy_limits(policy, "other");
	assert_true(cache->severity.pseudo_expansion == FINDING_OFF);
	assert_true(cache->pseudo_expansion.min_age_s == 9);
	assert_true(cache->read_diffusion.min_promotions == 7); /* from the general part */
	assert_true(cache->budget.misses == 0 && cache->budget.promotions_per_s < 0);
	assert_true(general->severity.pseudo_expansion == FINDING_ERROR);
	assert_true(general->budget.promotions_per_s == 1.5);
	policy_free(policy);
}

static void test_what_is_wrong_and_where(void **state)
{
	(void)state;
	refuse("traps:\n  read-diffusion:\n    min_promotion: 3\n", ":3:", "'min_promotions'");
	refuse("traps:\n  read-difusion: {raise: 3}\n", ":2:", "'read-diffusion'");
	refuse("# a list\n\n- traps\n", ":3:", "Expecting MAPPING");
	refuse("hello\n", ":1:", "Expecting MAPPING");
	refuse("\"tr\\x07aps\": {}\n", ":1:", "tr\\x07aps");
	refuse("\nbudgets: {mises: 3}\n", ":2:", "'misses'");
	refuse("fail-on: off\n", ":1:", "off");
	refuse("fail-on: warnin\n", ":1:", "'warning'");
	refuse("interval: 1\ninterval: 2\n", ":2:", "already seen");
	refuse("traps:\n  read-diffusion: {of: 3}\n  write-starvation:\n    of: 3\n"
	       "    raise: 3\n\n    of: 4\n",
	       ":7:", "already seen");
	refuse("fail-on: error\nbudgets:\n  misses: 5\n\nfail-on: error\n", ":5:", "already seen");
	refuse("interval: [1]\n", ":1:", "FLOAT");
	refuse("interval: 1\nfail-on: \"x\n", ":3:", "unexpected end of stream");
	refuse("interval: 1\n# \xc3(\n", ":2:", "UTF-8");
	refuse("interval: 1\ntraps:\n\tx: 1\n", ":3:", "cannot start any token");
	refuse("maps:\n  - traps: {}\n", ":2:", "pattern");
	refuse("traps:\n  write-starvation: {raise: abc}\n", ":2:", "FLOAT");
}

static void test_bounds(void **state)
{
	struct policy *policy;

	(void)state;
	refuse("fail-on: error\ninterval: 1x\n", ":2:", "'1x' is no number");
	refuse("interval: 1\n---\nbogus: 3\n", ":2:", "a second document");
	refuse("maps:\n  - pattern: \"a\\0b\"\n", ":2:", "holds a NUL");
	assert_int_equal(load(&policy, "maps: [{pattern: 1x}]\n"), 0);
	policy_free(policy);
	refuse("interval: 0.009\n", ":1:", "from 0.01 to 86400");
	refuse("interval: .nan\n", ":1:", "is no number");
	refuse("interval: nan\n", ":1:", "from 0.01");
	refuse("interval: 1e400\n", ":1:", "from 0.01");
	refuse("traps:\n  read-diffusion:\n    raise: 4\n", ":3:", "raise must be at most of");
	refuse("traps:\n  read-diffusion:\n    raise: 1.5\n", ":3:", "counts windows");
	refuse("traps:\n  write-starvation:\n    retained_windows: 4.5\n", ":3:", "counts windows");
	refuse("traps:\n  read-diffusion:\n    clear: 1.5\n", "policy", "clear counts windows");
	refuse("maps:\n  - pattern: a\n  - pattern: b\n    budgets: {misses: -1}\n",
	       ":4:", "maps.1.budgets.misses");
	assert_int_equal(load(&policy, "traps:\n  read-diffusion: {raise: 60, of: 60}\n"), 0);
	policy_free(policy);
	refuse("traps:\n  read-diffusion: {raise: 60, of: 61}\n", ":2:", "of must be from 1 to 60");
}

/* As --policy <(...) names one. */
static void test_a_pipe(void **state)
{
	static const char text[] = "interval: 2\n";
	struct policy *policy = NULL;
	char path[32];
	int ends[2];

	(void)state;
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(write(ends[1], text, strlen(text)), strlen(text));
	close(ends[1]);
	snprintf(path, sizeof(path), "/dev/fd/%d", ends[0]);
	assert_int_equal(policy_load(&policy, path), 0);
	assert_int_equal(policy_interval_ms(policy), 2000);
	policy_free(policy);
	close(ends[0]);
}

static void test_files_that_cannot_be_read(void **state)
{
	struct policy *policy = NULL;

	(void)state;
	assert_int_equal(policy_load(&policy, "/nonexistent/policy"), -ENOENT);
	assert_int_equal(policy_load(&policy, "/tmp"), -EISDIR);
	assert_int_equal(policy_load(&policy, "/dev/zero"), -EFBIG);
	assert_null(policy);
}

static void test_the_example(void **state)
{
	struct policy *policy;

	(void)state;
	assert_int_equal(policy_load(&policy, "docs/policy.example.yaml"), 0);
	policy_free(policy);
}

/* The part of a page under a heading, to the next one. To be freed. */
static char *section(const char *path, const char *mark, const char *name)
{
	static char text[65536];
	char heading[64], *from, *to;
	FILE *file = fopen(path, "r");
	size_t len;

	assert_non_null(file);
	len = fread(text, 1, sizeof(text) - 1, file);
	fclose(file);
	text[len] = '\0';
	snprintf(heading, sizeof(heading), "\n%s %s\n", mark, name);
	for (char *c = heading; *c; c++)
		*c = *c == '_' ? '-' : *c;
	from = strstr(text, heading);
	assert_non_null(from);
	to = strstr(from + 1, "\n##");
	return strndup(from, to ? (size_t)(to - from) : strlen(from));
}

/* What the pages say of each threshold is what holds. */
static void test_the_pages(void **state)
{
	char *policy, *traps;

	(void)state;
#define TOLD(name, value, min, max, help)                                                          \
	assert_non_null(strstr(policy, "\n| `" #name "` | " #value " | " #min " | " #max           \
				       " | " help " |\n"));                                        \
	assert_non_null(strstr(traps, "\n| `" #name "` | " #value " | "));
#define ALL_TOLD(trap, LIST)                                                                       \
	policy = section("docs/policy.md", "###", #trap);                                          \
	traps = section("docs/traps.md", "##", #trap);                                             \
	LIST(TOLD)                                                                                 \
	free(policy);                                                                              \
	free(traps);
	TRAP_LIMITS(ALL_TOLD)
}

/* A trap that is off is not looked for, one that is a notice fails nothing by default. */
static void test_severities_reach_the_detectors(void **state)
{
	static const char *const severity[] = {"off", "notice"};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct bench bench;
		char text[128];

		start(&bench, NULL);
		policy_free(bench.policy);
		traps_free(bench.traps);
		snprintf(text, sizeof(text), "traps:\n  pseudo-expansion: {severity: %s}\n",
			 severity[i]);
		assert_int_equal(load(&bench.policy, text), 0);
		assert_int_equal(traps_create(&bench.traps, bench.policy, 1000, NULL), 0);
		seconds(&bench, &stuck, 3);
		assert_int_equal(found(&bench), i);
		if (i)
			assert_int_equal(finding(&bench, 0)->severity, FINDING_NOTICE);
		stop(&bench);
	}
}

static void with_budget(const char *text, const struct second *in, size_t want, const char *trap)
{
	struct bench bench;

	start(&bench, NULL);
	policy_free(bench.policy);
	traps_free(bench.traps);
	assert_int_equal(load(&bench.policy, text), 0);
	assert_int_equal(traps_create(&bench.traps, bench.policy, 1000, NULL), 0);
	bench.sample.hist[ST_HIST_miss_wait][10] = 98;
	bench.sample.hist[ST_HIST_miss_wait][12] = 2; /* 4096 ns or more */
	seconds(&bench, in, 3);
	assert_int_equal(found(&bench), want);
	if (want)
		assert_string_equal(finding(&bench, 0)->trap, trap);
	stop(&bench);
}

static void test_budgets(void **state)
{
	static const struct second busy = {.misses = 10, .promotions = 2};

	(void)state;
	with_budget("budgets: {misses: 30}\n", &busy, 0, NULL);
	with_budget("budgets: {misses: 29}\n", &busy, 1, "budget-misses");
	with_budget("budgets: {promotions_per_s: 2}\n", &busy, 0, NULL);
	with_budget("budgets: {promotions_per_s: 1.9}\n", &busy, 1, "budget-promotions_per_s");
	with_budget("budgets: {miss_p99_ns: 4096}\n", &busy, 0, NULL);
	with_budget("budgets: {miss_p99_ns: 4095}\n", &busy, 1, "budget-miss_p99_ns");
	with_budget("maps:\n  - pattern: cold\n    budgets: {misses: 1}\n", &busy, 0, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_an_empty_file_is_the_defaults),
		cmocka_unit_test(test_a_file),
		cmocka_unit_test(test_what_is_wrong_and_where),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_a_pipe),
		cmocka_unit_test(test_files_that_cannot_be_read),
		cmocka_unit_test(test_the_example),
		cmocka_unit_test(test_the_pages),
		cmocka_unit_test(test_severities_reach_the_detectors),
		cmocka_unit_test(test_budgets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
