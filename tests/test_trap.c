/* SPDX-License-Identifier: MIT */
/*
 * The detectors, by windows built by hand: each trap as docs/traps.md defines it is found, and
 * with any one of its conditions unmet it is not.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include "model.h"
#include "policy.h"
#include "trap.h"

#define SECOND 1000000000ULL
#define START (1000 * SECOND)

/* What happens in one second; cumulative figures are added up by run(). */
struct second {
	double misses, promotions, rebuilds, copied, retired, reclaimed;
	double new_keys, inserts, replaces, deletes, sections;
	double cpu_ms, rebuild_ms, lock_wait_ms;
	double miss_count, threshold, read_len, dirty_len, dirty_age_s, backlog, oldest_s;
	bool stall;
};

struct bench {
	struct model *model;
	struct policy *policy;
	struct traps *traps;
	struct record_sample sample;
	uint64_t now;
};

static void add(struct bench *bench, const struct record *record)
{
	assert_int_equal(model_add(bench->model, record), 0);
}

static void add_map(struct bench *bench, uint64_t addr, const char *name, uint64_t created_ns)
{
	struct record record = {
		.kind = RECORD_MAP,
		.map = {.key = {.addr = addr, .id = addr}, .created_ns = created_ns}};

	snprintf(record.map.name, sizeof(record.map.name), "%s", name);
	add(bench, &record);
}

static void start_at(struct bench *bench, char *const *only, bool from_start)
{
	struct record target = {
		.kind = RECORD_TARGET,
		.target = {.pid = 42, .start_ns = START, .from_start = from_start, .comm = "prog"}};

	*bench = (struct bench){.now = START, .sample = {.key = {.addr = 1, .id = 1}}};
	assert_int_equal(model_create(&bench->model), 0);
	assert_int_equal(policy_create(&bench->policy), 0);
	assert_int_equal(traps_create(&bench->traps, bench->policy, 1000, only), 0);
	add(bench, &target);
	add_map(bench, 1, "hot", START);
}

static void start(struct bench *bench, char *const *only)
{
	start_at(bench, only, true);
}

static void stop(struct bench *bench)
{
	traps_free(bench->traps);
	policy_free(bench->policy);
	model_free(bench->model);
}

static void accumulate(struct record_sample *s, const struct second *in)
{
#define ADD_COUNT(name)                                                                            \
	s->total[ST_COUNTER_##name] += (uint64_t)in->name;                                         \
	s->counted[ST_COUNTER_##name] += (uint64_t)in->name;
	ADD_COUNT(misses)
	ADD_COUNT(promotions)
	ADD_COUNT(rebuilds)
	ADD_COUNT(copied)
	ADD_COUNT(retired)
	ADD_COUNT(reclaimed)
#undef ADD_COUNT
	s->new_keys += (uint64_t)in->new_keys;
	s->inserts += (uint64_t)in->inserts;
	s->replaces += (uint64_t)in->replaces;
	s->deletes += (uint64_t)in->deletes;
	s->process_sections += (uint64_t)in->sections;
	s->process_cpu_ns += (uint64_t)(in->cpu_ms * 1e6);
	s->rebuild_ns += (uint64_t)(in->rebuild_ms * 1e6);
	s->lock_wait_ns += (uint64_t)(in->lock_wait_ms * 1e6);
}

static void window(struct bench *bench, const struct second *in, uint64_t length)
{
	struct record record = {.kind = RECORD_SAMPLE};
	struct record_sample *s = &bench->sample;

	accumulate(s, in);
	bench->now += length;
	s->ts_ns = bench->now;
	s->alive = s->state_ok = 1;
	s->miss_count = (uint64_t)in->miss_count;
	s->threshold = (uint64_t)in->threshold;
	s->read_len = (uint64_t)in->read_len;
	s->dirty_len = (uint64_t)in->dirty_len;
	s->has_dirty = s->amended = in->dirty_len > 0;
	s->dirty_age_ns = (uint64_t)(in->dirty_age_s * 1e9);
	s->backlog = (uint64_t)in->backlog;
	s->oldest_retired_ns = (uint64_t)(in->oldest_s * 1e9);
	record.sample = *s;
	add(bench, &record);
	if (in->stall) {
		record = (struct record){.kind = RECORD_EVENT,
					 .event = {.kind = SMAP_PROBE_stall,
						   .addr = 1,
						   .id = 1,
						   .ts_ns = bench->now,
						   .args = {77, 2 * SECOND}}};
		add(bench, &record);
	}
	record = (struct record){.kind = RECORD_WINDOW,
				 .window = {.start_ns = bench->now - length, .end_ns = bench->now}};
	add(bench, &record);
	assert_int_equal(traps_window(bench->traps, bench->model), 0);
}

static void seconds(struct bench *bench, const struct second *in, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		window(bench, in, SECOND);
}

static size_t found(const struct bench *bench)
{
	size_t count;

	(void)traps_findings(bench->traps, &count);
	return count;
}

static const struct finding *finding(const struct bench *bench, size_t i)
{
	size_t count;
	const struct finding *all = traps_findings(bench->traps, &count);

	assert_true(i < count);
	return &all[i];
}

static double evidence(const struct finding *finding, const char *name)
{
	for (size_t i = 0; i < finding->evidence_count; i++)
		if (strcmp(finding->evidence[i].name, name) == 0)
			return finding->evidence[i].value;
	fail_msg("no evidence %s", name);
	return 0;
}

/* --- pseudo-expansion ----------------------------------------------------- */

static const struct second stuck = {.misses = 2,
				    .sections = 100000,
				    .cpu_ms = 900,
				    .miss_count = 10,
				    .threshold = 1000,
				    .read_len = 1000,
				    .dirty_len = 1000,
				    .dirty_age_s = 6};

static void test_pseudo_expansion_is_found(void **state)
{
	struct bench bench;

	(void)state;
	start(&bench, NULL);
	seconds(&bench, &stuck, 1);
	assert_int_equal(found(&bench), 1);
	assert_string_equal(finding(&bench, 0)->trap, "pseudo-expansion");
	assert_int_equal(finding(&bench, 0)->severity, FINDING_WARNING);
	assert_int_equal(finding(&bench, 0)->since_ns, bench.now - 6 * SECOND);
	assert_int_equal(evidence(finding(&bench, 0), "miss_debt"), 990);
	assert_int_equal(evidence(finding(&bench, 0), "promotion_in_s"), 495);
	assert_non_null(strstr(finding(&bench, 0)->remedy, "990 more misses"));
	stop(&bench);
}

static void expect_none(const struct second *in, unsigned count)
{
	struct bench bench;

	start(&bench, NULL);
	seconds(&bench, in, count);
	assert_int_equal(found(&bench), 0);
	stop(&bench);
}

/* Each in turn is all that keeps the map out of the trap. */
static void test_pseudo_expansion_needs_each_condition(void **state)
{
	struct second in;

	(void)state;
	in = stuck, in.dirty_age_s = 4.9; /* young */
	expect_none(&in, 1);
	in = stuck, in.misses = 33, in.dirty_age_s = 9; /* 990 misses at 33 a second */
	expect_none(&in, 1);
	in = stuck, in.new_keys = in.inserts = 10; /* a bulk load */
	expect_none(&in, 1);
	in = stuck, in.misses = 0, in.sections = 0; /* idle */
	expect_none(&in, 3);
	in = stuck, in.dirty_len = 0; /* no dirty */
	expect_none(&in, 3);
	in = stuck, in.promotions = 1; /* it promoted just now */
	expect_none(&in, 1);
}

static void test_pseudo_expansion_without_misses_is_a_notice(void **state)
{
	struct second in = stuck;
	struct bench bench;

	(void)state;
	in.misses = 0;
	start(&bench, NULL);
	seconds(&bench, &in, 1);
	assert_int_equal(found(&bench), 1);
	assert_int_equal(finding(&bench, 0)->severity, FINDING_NOTICE);
	/* The reads begin to pay. */
	seconds(&bench, &stuck, 1);
	assert_int_equal(found(&bench), 1);
	assert_int_equal(finding(&bench, 0)->severity, FINDING_WARNING);
	stop(&bench);
}

/* Whose reads the sections of a process with two maps were, nobody knows. */
static void test_pseudo_expansion_of_a_map_that_may_be_idle(void **state)
{
	struct second in = stuck;
	struct bench bench;

	(void)state;
	in.misses = 0;
	start(&bench, NULL);
	add_map(&bench, 2, "other", START);
	seconds(&bench, &in, 5);
	assert_int_equal(found(&bench), 0);
	stop(&bench);
}

/* Range promotes it every six seconds, without a miss. */
static void test_pseudo_expansion_of_a_map_that_promotes_every_few_seconds(void **state)
{
	struct second in = stuck, promoting = stuck;
	struct bench bench;

	(void)state;
	in.misses = promoting.misses = 0;
	promoting.promotions = 1;
	promoting.dirty_age_s = 0;
	start(&bench, NULL);
	in.dirty_age_s = 4;
	for (unsigned round = 0; round < 2; round++) {
		seconds(&bench, &in, 5);
		seconds(&bench, &promoting, 1);
	}
	in.dirty_age_s = 6;
	seconds(&bench, &in, 5);
	assert_int_equal(found(&bench), 0);
	/* Twelve seconds after the last one it is overdue. */
	seconds(&bench, &in, 8);
	assert_int_equal(found(&bench), 1);
	stop(&bench);
}

static void test_a_finding_ends_when_its_windows_are_quiet(void **state)
{
	struct second in = stuck;
	struct bench bench;

	(void)state;
	in.dirty_len = 0;
	start(&bench, NULL);
	seconds(&bench, &stuck, 1);
	seconds(&bench, &in, 1);
	assert_int_equal(finding(&bench, 0)->until_ns, 0);
	seconds(&bench, &in, 1);
	assert_int_equal(finding(&bench, 0)->until_ns, bench.now);
	seconds(&bench, &stuck, 1);
	assert_int_equal(found(&bench), 2);
	assert_int_equal(traps_first_new(bench.traps), 1);
	stop(&bench);
}

/* Attached in the middle of a bulk load: what comes per window is known from the second on. */
static void test_the_first_window_of_an_older_map_is_not_judged(void **state)
{
	struct second in = stuck;
	struct bench bench;

	(void)state;
	in.new_keys = in.inserts = 1000;
	start_at(&bench, NULL, false);
	add_map(&bench, 3, "old", START - SECOND);
	bench.sample.key = (struct st_key){.addr = 3, .id = 3};
	seconds(&bench, &in, 3);
	assert_int_equal(found(&bench), 0);
	seconds(&bench, &stuck, 2);
	assert_int_equal(found(&bench), 1);
	stop(&bench);
}

/* --- read-diffusion ------------------------------------------------------- */

static const struct second cascade = {.misses = 900,
				      .promotions = 3,
				      .rebuilds = 3,
				      .copied = 24,
				      .new_keys = 3,
				      .inserts = 3,
				      .sections = 20000,
				      .cpu_ms = 1000,
				      .rebuild_ms = 10.1,
				      .read_len = 300};

static void test_read_diffusion_is_found(void **state)
{
	struct bench bench;

	(void)state;
	start(&bench, NULL);
	seconds(&bench, &cascade, 1);
	assert_int_equal(found(&bench), 0);
	seconds(&bench, &cascade, 1);
	assert_int_equal(found(&bench), 1);
	assert_string_equal(finding(&bench, 0)->trap, "read-diffusion");
	assert_non_null(strstr(finding(&bench, 0)->shape, "copying"));
	assert_int_equal(finding(&bench, 0)->since_ns, START);
	assert_int_equal(evidence(finding(&bench, 0), "copied_per_new_key"), 8);
	stop(&bench);
}

static void test_read_diffusion_says_what_dominates(void **state)
{
	struct second in = cascade;
	struct bench bench;

	(void)state;
	in.lock_wait_ms = 20;
	start(&bench, NULL);
	seconds(&bench, &in, 2);
	assert_non_null(strstr(finding(&bench, 0)->shape, "the lock"));
	stop(&bench);
}

static void test_read_diffusion_needs_each_condition(void **state)
{
	struct second in;

	(void)state;
	in = cascade, in.promotions = 2;
	expect_none(&in, 5);
	in = cascade, in.rebuilds = 2;
	expect_none(&in, 5);
	in = cascade, in.copied = 23;
	expect_none(&in, 5);
	in = cascade, in.rebuild_ms = 9.9;
	expect_none(&in, 5);
	in = cascade, in.rebuilds = 0, in.copied = 0; /* misses promote, nothing copies */
	expect_none(&in, 5);
}

/* Two of three windows; a warm-up that ends is one. */
static void test_read_diffusion_needs_two_of_three_windows(void **state)
{
	static const struct second quiet = {.sections = 20000, .cpu_ms = 1000, .read_len = 300};
	struct bench bench;

	(void)state;
	start(&bench, NULL);
	seconds(&bench, &cascade, 1);
	seconds(&bench, &quiet, 2);
	seconds(&bench, &cascade, 1);
	assert_int_equal(found(&bench), 0);
	seconds(&bench, &quiet, 1);
	seconds(&bench, &cascade, 1);
	assert_int_equal(found(&bench), 1);
	stop(&bench);
}

/* We got no CPU for three seconds: three promotions are then one a second. */
static void test_a_long_window_is_judged_by_its_rates(void **state)
{
	struct bench bench;

	(void)state;
	start(&bench, NULL);
	window(&bench, &cascade, 3 * SECOND);
	window(&bench, &cascade, 3 * SECOND);
	assert_int_equal(found(&bench), 0);
	stop(&bench);
}

static void test_a_moment_is_not_judged(void **state)
{
	struct bench bench;

	(void)state;
	start(&bench, NULL);
	window(&bench, &stuck, SECOND / 2 - 1);
	assert_int_equal(found(&bench), 0);
	window(&bench, &stuck, SECOND / 2);
	assert_int_equal(found(&bench), 1);
	stop(&bench);
}

/* --- write-starvation ----------------------------------------------------- */

static void starve(struct bench *bench, const struct second *first, double step, unsigned count)
{
	struct second in = *first;

	for (unsigned i = 0; i < count; i++) {
		in.backlog += step;
		seconds(bench, &in, 1);
	}
}

static const struct second starved = {.retired = 100,
				      .reclaimed = 49,
				      .replaces = 100,
				      .cpu_ms = 100,
				      .sections = 10,
				      .read_len = 10,
				      .oldest_s = 1.0,
				      .backlog = 1000};

static void test_write_starvation_is_found(void **state)
{
	struct second in = starved;
	struct bench bench;

	(void)state;
	in.stall = true;
	start(&bench, NULL);
	starve(&bench, &in, 51, 3); /* the first has no predecessor to have grown from */
	assert_int_equal(found(&bench), 0);
	in.backlog = bench.sample.backlog;
	starve(&bench, &in, 51, 1);
	assert_int_equal(found(&bench), 1);
	assert_string_equal(finding(&bench, 0)->trap, "write-starvation");
	assert_non_null(strstr(finding(&bench, 0)->shape, "reader"));
	assert_non_null(strstr(finding(&bench, 0)->remedy, "Thread 77"));
	stop(&bench);
}

static void test_write_starvation_by_the_reclaimer(void **state)
{
	struct bench bench;

	(void)state;
	start(&bench, NULL);
	starve(&bench, &starved, 51, 4);
	assert_int_equal(found(&bench), 1);
	assert_non_null(strstr(finding(&bench, 0)->shape, "reclaimer"));
	stop(&bench);
}

static void starve_none(const struct second *in, double step)
{
	struct bench bench;

	start(&bench, NULL);
	starve(&bench, in, step, 8);
	assert_int_equal(found(&bench), 0);
	stop(&bench);
}

static void test_write_starvation_needs_each_condition(void **state)
{
	struct second in;

	(void)state;
	starve_none(&starved, 0); /* large, but level */
	in = starved, in.oldest_s = 0.9;
	starve_none(&in, 51);
	in = starved, in.reclaimed = 50;
	starve_none(&in, 51);
	in = starved, in.replaces = 0;
	starve_none(&in, 51);
}

static const struct second purge = {
	.deletes = 100, .cpu_ms = 100, .sections = 1000, .read_len = 500};

static void test_deleted_entries_that_nothing_sweeps(void **state)
{
	struct bench bench;

	(void)state;
	start(&bench, NULL);
	seconds(&bench, &purge, 5);
	assert_int_equal(found(&bench), 0);
	seconds(&bench, &purge, 1);
	assert_int_equal(found(&bench), 1);
	assert_non_null(strstr(finding(&bench, 0)->shape, "nothing sweeps"));
	assert_int_equal(evidence(finding(&bench, 0), "retained_more"), 500);
	stop(&bench);
}

static void test_deletes_that_do_not_stay(void **state)
{
	struct second in;

	(void)state;
	in = purge, in.inserts = 100; /* stored again */
	expect_none(&in, 10);
	in = purge, in.inserts = 96; /* less than the noise of reading beside the writers */
	expect_none(&in, 10);
	in = purge, in.rebuilds = 1;
	expect_none(&in, 10);
	in = purge, in.promotions = 1;
	expect_none(&in, 10);
	expect_none(&purge, 5); /* a burst of five seconds: the first window has no predecessor */
}

/* --- all ------------------------------------------------------------------ */

static void test_only_the_traps_asked_for(void **state)
{
	char *only[] = {(char *)"read-diffusion", NULL};
	struct bench bench;

	(void)state;
	start(&bench, only);
	seconds(&bench, &stuck, 5);
	assert_int_equal(found(&bench), 0);
	seconds(&bench, &cascade, 2);
	assert_int_equal(found(&bench), 1);
	stop(&bench);
}

static void test_many_findings_are_cut_and_counted(void **state)
{
	struct second in = stuck;
	struct bench bench;

	(void)state;
	in.dirty_len = 0;
	start(&bench, NULL);
	for (unsigned i = 0; i <= TRAPS_FINDINGS_MAX; i++) {
		seconds(&bench, &stuck, 1);
		seconds(&bench, &in, 2);
	}
	assert_int_equal(found(&bench), TRAPS_FINDINGS_MAX);
	assert_int_equal(traps_cut(bench.traps), 1);
	stop(&bench);
}

static void test_names_and_the_table(void **state)
{
	(void)state;
	assert_ptr_equal(trap_find("pseudo-expansion"), &trap_pseudo_expansion);
	assert_null(trap_find("pseudo_expansion"));
	for (size_t i = 0; trap_table[i]; i++) {
		char heading[64];
		snprintf(heading, sizeof(heading), "docs/traps.md#%s", trap_table[i]->name);
		assert_string_equal(trap_table[i]->link, heading);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pseudo_expansion_is_found),
		cmocka_unit_test(test_pseudo_expansion_needs_each_condition),
		cmocka_unit_test(test_pseudo_expansion_without_misses_is_a_notice),
		cmocka_unit_test(test_pseudo_expansion_of_a_map_that_may_be_idle),
		cmocka_unit_test(test_pseudo_expansion_of_a_map_that_promotes_every_few_seconds),
		cmocka_unit_test(test_a_finding_ends_when_its_windows_are_quiet),
		cmocka_unit_test(test_the_first_window_of_an_older_map_is_not_judged),
		cmocka_unit_test(test_read_diffusion_is_found),
		cmocka_unit_test(test_read_diffusion_says_what_dominates),
		cmocka_unit_test(test_read_diffusion_needs_each_condition),
		cmocka_unit_test(test_read_diffusion_needs_two_of_three_windows),
		cmocka_unit_test(test_a_long_window_is_judged_by_its_rates),
		cmocka_unit_test(test_a_moment_is_not_judged),
		cmocka_unit_test(test_write_starvation_is_found),
		cmocka_unit_test(test_write_starvation_by_the_reclaimer),
		cmocka_unit_test(test_write_starvation_needs_each_condition),
		cmocka_unit_test(test_deleted_entries_that_nothing_sweeps),
		cmocka_unit_test(test_deletes_that_do_not_stay),
		cmocka_unit_test(test_only_the_traps_asked_for),
		cmocka_unit_test(test_many_findings_are_cut_and_counted),
		cmocka_unit_test(test_names_and_the_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
