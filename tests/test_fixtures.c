/* SPDX-License-Identifier: MIT */
/*
 * The detectors, by recordings of real processes (tests/fixtures/NAME.smaprec, made by
 * tests/fixtures/record.sh): what is found in each, in which form, by which numbers, and what is
 * said about it. Needs neither root nor BPF.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "model.h"
#include "policy.h"
#include "recording.h"
#include "trap.h"

#define EVIDENCE_MAX 6

/* One finding, on the map "suspect"; trap NULL = none is expected. */
struct expected {
	const char *trap;
	enum finding_severity severity;
	const char *shape, *remedy; /* parts of them */
	const char *evidence[EVIDENCE_MAX];
};

struct fixture {
	const char *name;
	struct expected findings[2];
};

#define PSEUDO(level, says, ...)                                                                   \
	{                                                                                          \
		"pseudo-expansion", FINDING_##level, "its promotion is not coming", says,          \
		{                                                                                  \
			"dirty_age_s", "miss_debt", "threshold", "dirty_len", ##__VA_ARGS__        \
		}                                                                                  \
	}
#define DIFFUSION(dominates, says)                                                                 \
	{                                                                                          \
		"read-diffusion", FINDING_WARNING, dominates, says,                                \
		{                                                                                  \
			"promotions", "rebuilds", "copied_per_new_key", "cost_share", "new_keys"   \
		}                                                                                  \
	}
#define STARVATION(level, form, says, ...)                                                         \
	{                                                                                          \
		"write-starvation", FINDING_##level, form, says,                                   \
		{                                                                                  \
			__VA_ARGS__                                                                \
		}                                                                                  \
	}
#define TOMBS(level)                                                                               \
	STARVATION(level, "nothing sweeps", "smap_clear()", "retained_more", "deletes",            \
		   "promotions", "rebuilds")

static const struct fixture fixtures[] = {
	{"pseudo-canonical", {PSEUDO(WARNING, "more misses are needed", "promotion_in_s")}},
	{"pseudo-hits-100", {PSEUDO(NOTICE, "smap_range()")}},
	{"pseudo-trickle-bytes", {PSEUDO(WARNING, "SMAP_POLICY_FIXED", "promotion_in_s")}},
	{"diffusion-reload-bytes",
	 {DIFFUSION("misses that take the lock cost most", "SMAP_ABSENT_FILTER")}},
	{"diffusion-absent-threads", {DIFFUSION("promotions cascade", "SMAP_ABSENT_FILTER")}},
	{"diffusion-range", {DIFFUSION("copying costs most", "smap_snapshot()")}},
	{"starvation-canonical",
	 {STARVATION(WARNING, "a reader does not leave its section", "smap_read_unlock()",
		     "backlog", "reclaimed", "oldest_retired_s", "reader_thread",
		     "reader_inside_s")}},
	{"starvation-slow-free",
	 {STARVATION(WARNING, "the reclaimer does not get to run", "smap-reclaim", "reclaimer_runs",
		     "replaced_or_deleted")}},
	{"starvation-idle-reclaimer",
	 {STARVATION(WARNING, "the reclaimer does not get to run", "CPU time",
		     "oldest_retired_s")}},
	{"starvation-tombs-canonical", {TOMBS(WARNING)}},
	{"unseen-tombs-beside-dirty",
	 {PSEUDO(WARNING, "more misses are needed", "promotion_in_s"), TOMBS(NOTICE)}},
	{"none-bulk-load", {{0}}},
	{"none-idle-dirty", {{0}}},
	{"none-near-promotion", {{0}}},
	{"none-cheap-cascade", {{0}}},
	{"none-delete-burst", {{0}}},
	{"none-level-backlog", {{0}}},
	{"none-paused", {{0}}},
	{"none-restore", {{0}}},
};

struct replay {
	struct model *model;
	struct traps *traps;
	unsigned windows;
};

static int on_record(void *ctx, const struct record *record)
{
	struct replay *replay = ctx;
	int err = model_add(replay->model, record);

	if (err || record->kind != RECORD_WINDOW)
		return err;
	replay->windows++;
	return traps_window(replay->traps, replay->model);
}

static void check_finding(const struct fixture *fixture, const struct expected *expected,
			  const struct finding *finding)
{
	assert_string_equal(finding->name, "suspect");
	assert_string_equal(finding->comm, "trapload");
	assert_true(finding->pid > 0 && finding->addr && finding->since_ns);
	assert_true(finding->since_ns < finding->found_ns);
	assert_int_equal(finding->severity, expected->severity);
	if (!strstr(finding->shape, expected->shape) || !strstr(finding->remedy, expected->remedy))
		fail_msg("%s: \"%s\", \"%s\"", fixture->name, finding->shape, finding->remedy);
	assert_non_null(strstr(finding->link, finding->trap));
	for (size_t i = 0; i < EVIDENCE_MAX && expected->evidence[i]; i++) {
		size_t at = 0;

		while (at < finding->evidence_count &&
		       strcmp(finding->evidence[at].name, expected->evidence[i]) != 0)
			at++;
		if (at == finding->evidence_count)
			fail_msg("%s: no evidence %s", fixture->name, expected->evidence[i]);
	}
}

static const struct finding *find(const struct traps *traps, const char *trap)
{
	size_t count;
	const struct finding *all = traps_findings(traps, &count);

	for (size_t i = 0; i < count; i++)
		if (strcmp(all[i].trap, trap) == 0)
			return &all[i];
	return NULL;
}

static void check_findings(const struct fixture *fixture, const struct traps *traps)
{
	size_t count, expected = 0;
	const struct finding *all = traps_findings(traps, &count);

	for (size_t i = 0; i < 2 && fixture->findings[i].trap; i++, expected++) {
		const struct finding *finding = find(traps, fixture->findings[i].trap);

		if (!finding)
			fail_msg("%s: no %s", fixture->name, fixture->findings[i].trap);
		else
			check_finding(fixture, &fixture->findings[i], finding);
	}
	if (count != expected)
		fail_msg("%s: %zu findings, not %zu; the last is %s in %s", fixture->name, count,
			 expected, all[count - 1].trap, all[count - 1].name);
}

static void test_fixture(void **state)
{
	const struct fixture *fixture = *state;
	struct recording_meta meta;
	struct replay replay = {0};
	struct policy *policy;
	char path[128];
	int err;

	snprintf(path, sizeof(path), "tests/fixtures/%s.smaprec", fixture->name);
	assert_int_equal(policy_create(&policy), 0);
	assert_int_equal(model_create(&replay.model), 0);
	assert_int_equal(traps_create(&replay.traps, policy, 1000, NULL), 0);
	err = recording_read(path, &meta, &(struct record_sink){on_record, &replay});
	if (err)
		fail_msg("%s: %s: after a change of the format run tests/fixtures/record.sh", path,
			 strerror(-err));
	assert_int_equal(meta.report.interval_ms, 1000);
	assert_true(replay.windows > 5);
	check_findings(fixture, replay.traps);
	traps_free(replay.traps);
	model_free(replay.model);
	policy_free(policy);
}

#define COUNT (sizeof(fixtures) / sizeof(fixtures[0]))

int main(void)
{
	struct CMUnitTest tests[COUNT];

	for (size_t i = 0; i < COUNT; i++)
		tests[i] = (struct CMUnitTest){.name = fixtures[i].name,
					       .test_func = test_fixture,
					       .initial_state = (void *)(uintptr_t)&fixtures[i]};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
