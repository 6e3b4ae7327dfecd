/* SPDX-License-Identifier: MIT */
/*
 * The detectors, by windows built by hand: each trap as docs/traps.md defines it is found, and
 * with any one of its conditions unmet it is not.
 */
#include "trap_bench.h"

/* --- pseudo-expansion ----------------------------------------------------- */

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

/* The wrap of a narrow counter promotes, however high the threshold is. */
static void test_pseudo_expansion_of_a_narrow_counter(void **state)
{
	struct second in = stuck;
	struct bench bench;

	(void)state;
	in.misses = 3000, in.threshold = 1e8;
	start(&bench, NULL);
	bench.model->maps[0]->info.miss_counter_bits = 16;
	seconds(&bench, &in, 3); /* at most 22 s to go */
	assert_int_equal(found(&bench), 0);
	in.misses = 1;
	seconds(&bench, &in, 4);
	assert_int_equal(found(&bench), 1);
	assert_int_equal(evidence(finding(&bench, 0), "miss_debt"), 65526);
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
	/* Eight seconds after the last one it is overdue. */
	seconds(&bench, &in, 2);
	assert_int_equal(found(&bench), 0);
	seconds(&bench, &in, 1);
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

/* It promotes every six seconds; the window in which it goes on after a pause has few misses. */
static void test_pseudo_expansion_of_a_map_that_was_paused(void **state)
{
	struct second in = stuck, idle = {.read_len = 1000, .dirty_len = 1000, .threshold = 1000};
	struct bench bench;

	(void)state;
	in.misses = 170, in.miss_count = 300, in.dirty_age_s = 2;
	start(&bench, NULL);
	seconds(&bench, &in, 3);
	seconds(&bench, &idle, 8);
	in.misses = 10, in.dirty_age_s = 12;
	seconds(&bench, &in, 1);
	assert_int_equal(found(&bench), 0);
	in.misses = 170;
	seconds(&bench, &in, 1);
	assert_int_equal(found(&bench), 0);
	in.misses = 10; /* and this is its rate */
	seconds(&bench, &in, 3);
	assert_int_equal(found(&bench), 1);
	stop(&bench);
}

/* A machine that stands still: neither that window nor the rate in it counts. */
static void test_pseudo_expansion_on_a_machine_that_stalled(void **state)
{
	struct second in = stuck;
	struct bench bench;

	(void)state;
	in.misses = 170, in.miss_count = 100, in.dirty_age_s = 4;
	start(&bench, NULL);
	seconds(&bench, &in, 3);
	in.misses = 1, in.dirty_age_s = 10;
	window(&bench, &in, 6 * SECOND);
	in.misses = 25;
	seconds(&bench, &in, 1);
	assert_int_equal(found(&bench), 0);
	seconds(&bench, &in, 3);
	assert_int_equal(found(&bench), 1);
	stop(&bench);
}

/* One read every few seconds: the windows between are idle, and the trap is one and the same. */
static void test_a_finding_goes_on_after_a_pause(void **state)
{
	static const struct second idle = {.read_len = 1000, .dirty_len = 1000};
	struct second in = stuck;
	struct bench bench;

	(void)state;
	start(&bench, NULL);
	for (unsigned i = 0; i < 4; i++, in.dirty_age_s += 4) {
		seconds(&bench, &in, 1);
		assert_int_equal(finding(&bench, 0)->until_ns, 0);
		seconds(&bench, &idle, 3);
		assert_int_not_equal(finding(&bench, 0)->until_ns, 0);
	}
	assert_int_equal(found(&bench), 1);
	in.dirty_age_s -= 2; /* another dirty */
	seconds(&bench, &in, 1);
	assert_int_equal(found(&bench), 2);
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

static void expect_remedy(unsigned events, enum smap_reason reason, const char *text)
{
	struct second in = cascade;
	struct bench bench;

	in.promotions = 4, in.events = events, in.reason = reason;
	start(&bench, NULL);
	seconds(&bench, &in, 2);
	assert_non_null(strstr(finding(&bench, 0)->remedy, text));
	stop(&bench);
}

/* A policy helps only where misses promote. */
static void test_read_diffusion_by_what_promotes(void **state)
{
	(void)state;
	expect_remedy(4, SMAP_REASON_misses, "SMAP_POLICY_FIXED");
	expect_remedy(3, SMAP_REASON_range, "smap_snapshot()");
	expect_remedy(2, SMAP_REASON_range, "SMAP_POLICY_FIXED");
	expect_remedy(3, SMAP_REASON_overflow, ".miss_counter_bits");
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
	seconds(&bench, &stuck, 5); /* one more, however long it lasts */
	assert_int_equal(traps_cut(bench.traps), 2);
	seconds(&bench, &in, 2);
	seconds(&bench, &stuck, 1);
	assert_int_equal(traps_cut(bench.traps), 3);
	stop(&bench);
}

/* Who looks on for weeks sees the latest; what made room is counted, and what holds stays. */
static void test_what_is_over_makes_room(void **state)
{
	struct second in = stuck;
	const struct finding_tally *forgotten;
	struct bench bench;
	size_t kept = TRAPS_FINDINGS_MAX / 2 + 1, kinds;

	(void)state;
	in.dirty_len = 0;
	start(&bench, NULL);
	traps_make_room(bench.traps);
	for (unsigned i = 0; i < TRAPS_FINDINGS_MAX; i++) {
		seconds(&bench, &stuck, 1);
		seconds(&bench, &in, 2);
	}
	assert_int_equal(found(&bench), TRAPS_FINDINGS_MAX);
	seconds(&bench, &stuck, 1);
	assert_int_equal(found(&bench), kept);
	assert_int_equal(traps_first_new(bench.traps), kept - 1);
	assert_int_equal(finding(&bench, kept - 1)->found_ns, bench.now);
	assert_true(finding_holds(finding(&bench, kept - 1), bench.now));
	assert_int_equal(traps_cut(bench.traps), TRAPS_FINDINGS_MAX / 2);
	forgotten = traps_forgotten(bench.traps, &kinds);
	assert_int_equal(kinds, 1);
	assert_string_equal(forgotten->trap, "pseudo-expansion");
	assert_int_equal(forgotten->count, TRAPS_FINDINGS_MAX / 2);
	seconds(&bench, &in, 2); /* it has moved, and ends all the same */
	assert_int_equal(finding(&bench, kept - 1)->until_ns, bench.now);
	stop(&bench);
}

static void test_nothing_holds_of_a_map_that_is_gone(void **state)
{
	struct second last = stuck;
	struct bench bench;

	(void)state;
	last.gone = true;
	start(&bench, NULL);
	seconds(&bench, &stuck, 2);
	assert_true(finding_holds(finding(&bench, 0), bench.now));
	seconds(&bench, &last, 1);
	assert_int_equal(finding(&bench, 0)->until_ns, 0); /* it was never cleared */
	assert_int_equal(finding(&bench, 0)->gone_ns, bench.now);
	assert_false(finding_holds(finding(&bench, 0), bench.now));
	assert_true(finding_holds(finding(&bench, 0), bench.now - 1));
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
		assert_true(trap_table[i]->summary && *trap_table[i]->summary);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pseudo_expansion_is_found),
		cmocka_unit_test(test_pseudo_expansion_needs_each_condition),
		cmocka_unit_test(test_pseudo_expansion_without_misses_is_a_notice),
		cmocka_unit_test(test_pseudo_expansion_of_a_narrow_counter),
		cmocka_unit_test(test_pseudo_expansion_of_a_map_that_may_be_idle),
		cmocka_unit_test(test_pseudo_expansion_of_a_map_that_promotes_every_few_seconds),
		cmocka_unit_test(test_a_finding_ends_when_its_windows_are_quiet),
		cmocka_unit_test(test_pseudo_expansion_of_a_map_that_was_paused),
		cmocka_unit_test(test_pseudo_expansion_on_a_machine_that_stalled),
		cmocka_unit_test(test_a_finding_goes_on_after_a_pause),
		cmocka_unit_test(test_the_first_window_of_an_older_map_is_not_judged),
		cmocka_unit_test(test_read_diffusion_is_found),
		cmocka_unit_test(test_read_diffusion_says_what_dominates),
		cmocka_unit_test(test_read_diffusion_by_what_promotes),
		cmocka_unit_test(test_read_diffusion_needs_each_condition),
		cmocka_unit_test(test_read_diffusion_needs_two_of_three_windows),
		cmocka_unit_test(test_a_long_window_is_judged_by_its_rates),
		cmocka_unit_test(test_a_moment_is_not_judged),
		cmocka_unit_test(test_only_the_traps_asked_for),
		cmocka_unit_test(test_many_findings_are_cut_and_counted),
		cmocka_unit_test(test_what_is_over_makes_room),
		cmocka_unit_test(test_nothing_holds_of_a_map_that_is_gone),
		cmocka_unit_test(test_names_and_the_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
