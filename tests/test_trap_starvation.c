/* SPDX-License-Identifier: MIT */
/* write-starvation: found as docs/traps.md defines it, and not with one condition unmet. */
#include "trap_bench.h"

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

static const struct second standing = {
	.replaces = 100, .cpu_ms = 100, .sections = 10, .read_len = 100, .stands = true};

static void test_a_reclaimer_that_makes_no_round(void **state)
{
	struct bench bench;

	(void)state;
	start(&bench, NULL);
	seconds(&bench, &standing, 3);
	assert_int_equal(found(&bench), 0);
	seconds(&bench, &standing, 1);
	assert_int_equal(found(&bench), 1);
	assert_non_null(strstr(finding(&bench, 0)->shape, "reclaimer"));
	stop(&bench);
}

/* A purge whose values take long to free, and a few writes meanwhile. */
static void test_a_reclaimer_that_frees_a_burst(void **state)
{
	struct second in = standing;
	struct bench bench;

	(void)state;
	in.replaces = 10, in.backlog = 10000, in.oldest_s = 5;
	expect_none(&in, 60);
	start(&bench, NULL);
	seconds(&bench, &in, 5);
	in.replaces = 950;
	seconds(&bench, &in, 3);
	assert_int_equal(found(&bench), 1);
	stop(&bench);
}

/* It sleeps while there is nothing to free. */
static void test_a_reclaimer_that_may_sleep(void **state)
{
	struct second in;
	struct bench bench;

	(void)state;
	in = standing, in.replaces = 0;
	expect_none(&in, 8);
	in = standing, in.replaces = 0, in.inserts = 100, in.dirty_len = 100;
	expect_none(&in, 8);
	in = standing, in.stands = false;
	expect_none(&in, 8);
	in = standing, in.retired = in.reclaimed = 100;
	expect_none(&in, 8);
	/* A map that frees no values retires none. */
	start(&bench, NULL);
	bench.model->maps[0]->info.flags = 0;
	seconds(&bench, &standing, 8);
	assert_int_equal(found(&bench), 0);
	stop(&bench);
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

/* One in a hundred stays, the others are stored again. */
static void test_a_few_of_many_deletes_stay(void **state)
{
	struct second in = purge;
	struct bench bench;

	(void)state;
	in.deletes = 1000, in.inserts = 990;
	start(&bench, NULL);
	seconds(&bench, &in, 6);
	assert_int_equal(found(&bench), 1);
	assert_int_equal(evidence(finding(&bench, 0), "retained_more"), 50);
	stop(&bench);
}

static void test_deletes_that_do_not_stay(void **state)
{
	struct second in;

	(void)state;
	in = purge, in.inserts = 100; /* stored again */
	expect_none(&in, 10);
	in = purge, in.deletes = 1000, in.inserts = 991; /* noise of reading beside the writers */
	expect_none(&in, 10);
	in = purge, in.rebuilds = 1;
	expect_none(&in, 10);
	in = purge, in.promotions = 1;
	expect_none(&in, 10);
	expect_none(&purge, 5); /* a burst of five seconds: the first window has no predecessor */
}

/* So many keys of a fixed set are out, window by window. */
static size_t found_of_levels(const unsigned *levels, size_t count)
{
	struct second in = purge;
	struct bench bench;
	unsigned out = 0;
	size_t ret;

	start(&bench, NULL);
	for (size_t i = 0; i < count; i++) {
		in.deletes = levels[i] > out ? 100 + levels[i] - out : 100;
		in.inserts = levels[i] > out ? 100 : 100 + out - levels[i];
		out = levels[i];
		seconds(&bench, &in, 1);
	}
	ret = found(&bench);
	stop(&bench);
	return ret;
}

static void test_keys_that_go_and_come_again(void **state)
{
	static const unsigned wave[] = {10, 90, 40, 50, 60, 70, 80, 89, 30, 20, 33, 44, 55, 66, 77};
	static const unsigned rise[] = {10, 90, 40, 50, 100, 110, 120, 130, 140};

	(void)state;
	assert_int_equal(found_of_levels(wave, sizeof(wave) / sizeof(*wave)), 0);
	assert_int_equal(found_of_levels(rise, sizeof(rise) / sizeof(*rise)), 1);
}

/* A Clear takes all out, and leaves nothing behind. */
static void test_entries_that_were_cleared(void **state)
{
	struct second in = purge;
	struct bench bench;

	(void)state;
	start(&bench, NULL);
	for (unsigned i = 0; i < 10; i++) {
		bench.sample.epoch++;
		seconds(&bench, &in, 1);
	}
	assert_int_equal(found(&bench), 0);
	stop(&bench);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_write_starvation_is_found),
		cmocka_unit_test(test_write_starvation_by_the_reclaimer),
		cmocka_unit_test(test_write_starvation_needs_each_condition),
		cmocka_unit_test(test_a_reclaimer_that_makes_no_round),
		cmocka_unit_test(test_a_reclaimer_that_frees_a_burst),
		cmocka_unit_test(test_a_reclaimer_that_may_sleep),
		cmocka_unit_test(test_deleted_entries_that_nothing_sweeps),
		cmocka_unit_test(test_a_few_of_many_deletes_stay),
		cmocka_unit_test(test_deletes_that_do_not_stay),
		cmocka_unit_test(test_keys_that_go_and_come_again),
		cmocka_unit_test(test_entries_that_were_cleared),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
