/* SPDX-License-Identifier: MIT */
/*
 * The history of figures: what a ring shows, that folding keeps integrals, peaks and counts,
 * that memory stays bounded, and that unknown is not zero.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "feed.h"
#include "history_sample.h"

static void window(struct feed *feed, uint64_t ns)
{
	assert_int_equal(history_add(feed->history, feed_window(feed, ns)), 0);
	feed->report.map_count = 0;
}

static struct feed *begin(struct history_options opts)
{
	struct feed *feed = feed_new();

	assert_int_equal(history_create(&feed->history, &opts), 0);
	return feed;
}

static double value(const struct feed *feed, uint64_t addr, enum history_figure figure,
		    size_t point)
{
	const struct history_map *map = history_find(feed->history, 1, addr, 0);

	assert_non_null(map);
	return history_value(feed->history, map, figure, point);
}

static void test_ring(void **state)
{
	struct feed *feed = begin((struct history_options){.points = 4});

	(void)state;
	assert_int_equal(history_points(feed->history), 0);
	for (unsigned i = 0; i < 10; i++) {
		feed_map(feed, 1, 16, 0, i)->now.backlog = i;
		window(feed, SECOND);
		assert_int_equal(history_points(feed->history), i < 4 ? i + 1 : 4);
	}
	for (unsigned i = 0; i < 4; i++) {
		const struct history_point *point = history_point(feed->history, i);

		assert_true(value(feed, 16, HISTORY_misses, i) == 6 + i);
		assert_true(value(feed, 16, HISTORY_backlog, i) == 6 + i);
		assert_int_equal(point->start_ns, START + (6 + i) * SECOND);
		assert_int_equal(point->end_ns, START + (7 + i) * SECOND);
		assert_int_equal(point->windows, 1);
	}
	assert_true(isnan(value(feed, 16, HISTORY_misses, 4)));
	assert_true(history_peak(feed->history, history_map(feed->history, 0), HISTORY_misses) ==
		    9);
	feed_free(feed);
}

/* The end of a trace is no window. */
static void test_end_adds_nothing(void **state)
{
	struct feed *feed = begin((struct history_options){0});

	(void)state;
	feed_map(feed, 1, 16, 0, 5);
	feed->report.kind = REPORT_END;
	window(feed, SECOND);
	assert_int_equal(history_points(feed->history), 0);
	assert_int_equal(history_map_count(feed->history), 0);
	feed_free(feed);
}

static void test_figures(void **state)
{
	struct feed *feed = begin((struct history_options){0});
	struct report_map *map = feed_map(feed, 1, 16, 0, 30);
	struct hist *wait = hist_of(feed, map, ST_HIST_lock_wait);
	struct hist *size = hist_of(feed, map, ST_HIST_promote_entries);

	(void)state;
	map->window.ns = SECOND / 2;
	map->window.count[ST_COUNTER_promotions] = 4;
	map->window.count[ST_COUNTER_rebuilds] = 3;
	map->window.count[ST_COUNTER_copied] = 100;
	map->now = (struct model_gauges){
		.threshold = 100, .read_len = 7, .dirty_len = 9, .backlog = 11};
	map->miss_debt = 60;
	map->cost_share = 0.25;
	for (unsigned i = 0; i < 100; i++)
		hist_add(wait, 1000 * i);
	hist_add(size, 10);
	hist_add(size, 30);
	window(feed, SECOND / 2);
	assert_true(value(feed, 16, HISTORY_misses, 0) == 60);
	assert_true(value(feed, 16, HISTORY_promotions, 0) == 8);
	assert_true(value(feed, 16, HISTORY_rebuilds, 0) == 6);
	assert_true(value(feed, 16, HISTORY_copied, 0) == 200);
	assert_true(value(feed, 16, HISTORY_cost_share, 0) == 0.25);
	assert_true(value(feed, 16, HISTORY_miss_debt, 0) == 60);
	assert_true(value(feed, 16, HISTORY_threshold, 0) == 100);
	assert_true(value(feed, 16, HISTORY_read_len, 0) == 7);
	assert_true(value(feed, 16, HISTORY_dirty_len, 0) == 9);
	assert_true(value(feed, 16, HISTORY_backlog, 0) == 11);
	assert_true(value(feed, 16, HISTORY_lock_wait_p50, 0) == hist_percentile(wait, 50));
	assert_true(value(feed, 16, HISTORY_lock_wait_p99, 0) == hist_percentile(wait, 99));
	assert_true(value(feed, 16, HISTORY_promotion_size, 0) == 20);
	feed_free(feed);
}

/* Without a probe for all waits there are those of misses; and packed it is all the same. */
static void test_waits_of_misses(void **state)
{
	struct feed *feed = begin((struct history_options){.sizes = true});
	struct report_map *map = feed_map(feed, 1, 16, 0, 30);
	struct hist *wait = hist_of(feed, map, ST_HIST_miss_wait);
	uint64_t words[HIST_PACKED_MAX];
	const uint32_t *sizes;

	(void)state;
	hist_add(wait, 70000);
	hist_add(hist_of(feed, map, ST_HIST_promote_entries), 20);
	hist_pack(map->hists, 0, words);
	map->packed_hists = words;
	map->hists = NULL;
	window(feed, SECOND);
	assert_true(value(feed, 16, HISTORY_lock_wait_p99, 0) == hist_percentile(wait, 99));
	assert_true(value(feed, 16, HISTORY_promotion_size, 0) == 20);
	sizes = history_sizes(feed->history, history_find(feed->history, 1, 16, 0), 0);
	assert_non_null(sizes);
	assert_int_equal(sizes[4], 1);
	feed_free(feed);
}

static void test_unknown_is_not_zero(void **state)
{
	struct feed *feed = begin((struct history_options){.sizes = true});
	struct report_map *map = feed_map(feed, 1, 16, 0, 30);

	(void)state;
	map->state_ok = false;
	map->hists = NULL;
	map->window.ns = 0;
	window(feed, SECOND);
	for (int figure = 0; figure < HISTORY_FIGURE_COUNT; figure++)
		assert_true(isnan(value(feed, 16, (enum history_figure)figure, 0)));
	map = feed_map(feed, 1, 16, 0, 0); /* no wait, no promotion: no figure of them */
	window(feed, SECOND);
	assert_true(value(feed, 16, HISTORY_misses, 1) == 0);
	assert_true(value(feed, 16, HISTORY_backlog, 1) == 0);
	assert_true(isnan(value(feed, 16, HISTORY_lock_wait_p99, 1)));
	assert_true(isnan(value(feed, 16, HISTORY_promotion_size, 1)));
	assert_null(history_sizes(feed->history, history_map(feed->history, 0), 1));
	feed_free(feed);
}

/* A map that comes late and goes early, and another at its address. */
static void test_lives(void **state)
{
	struct feed *feed = begin((struct history_options){.points = 4});
	const struct history_map *map;

	(void)state;
	feed_map(feed, 1, 16, 0, 1);
	window(feed, SECOND);
	feed_map(feed, 1, 16, 0, 2)->alive = false;
	feed_map(feed, 1, 16, 7, 3);
	feed_map(feed, 2, 8, 0, 4)->name = "other";
	window(feed, SECOND);
	feed_map(feed, 1, 16, 7, 5);
	window(feed, SECOND);
	assert_int_equal(history_map_count(feed->history), 3);
	assert_true(value(feed, 16, HISTORY_misses, 1) == 2);
	assert_true(isnan(value(feed, 16, HISTORY_misses, 2)));
	map = history_find(feed->history, 1, 16, 7);
	assert_true(isnan(history_value(feed->history, map, HISTORY_misses, 0)));
	assert_true(history_value(feed->history, map, HISTORY_misses, 2) == 5);
	assert_true(map->alive);
	assert_false(history_find(feed->history, 1, 16, 0)->alive);
	map = history_find(feed->history, 2, 8, 0);
	assert_false(map->alive);
	assert_string_equal(map->name, "other");
	assert_string_equal(map->comm, "respd");
	assert_null(history_find(feed->history, 2, 8, 1));
	/* Off the axis: forgotten. */
	for (unsigned i = 0; i < 4; i++) {
		feed_map(feed, 1, 16, 7, 6);
		window(feed, SECOND);
	}
	assert_int_equal(history_map_count(feed->history), 1);
	assert_null(history_find(feed->history, 1, 16, 0));
	feed_free(feed);
}

/* A whole trace in few points. */
static void test_decimate(void **state)
{
	struct feed *feed =
		begin((struct history_options){.points = 7, .decimate = true, .sizes = true});
	double misses[2] = {0}, peak = 0, seen;
	uint64_t promotions = 0, counted = 0, end = START;
	uint32_t random = 1;

	(void)state;
	for (unsigned i = 0; i < 1000; i++) {
		for (unsigned m = 0; m < 2; m++) {
			struct report_map *map;

			random = random * 1103515245 + 12345;
			if (m == 1 && i % 37 < 20)
				continue; /* lives now and then */
			map = feed_map(feed, 1, 16 + m, 0, random >> 16);
			misses[m] += random >> 16;
			map->now.backlog = random >> 20;
			map->now.read_len = i;
			peak = m == 0 ? fmax(peak, random >> 20) : peak;
			if (m == 0 && random >> 31)
				hist_add(hist_of(feed, map, ST_HIST_promote_entries), random);
			promotions += m == 0 && random >> 31;
		}
		window(feed, SECOND);
		assert_true(history_points(feed->history) <= 8);
	}
	for (unsigned m = 0; m < 2; m++) {
		seen = 0;
		for (size_t i = 0; i < history_points(feed->history); i++) {
			const struct history_point *point = history_point(feed->history, i);
			double rate = value(feed, 16 + m, HISTORY_misses, i);

			assert_false(isnan(rate));
			seen += rate * (double)(point->end_ns - point->start_ns) / 1e9;
		}
		assert_true(fabs(seen / misses[m] - 1) < 1e-4);
	}
	for (size_t i = 0; i < history_points(feed->history); i++) {
		const struct history_map *map = history_find(feed->history, 1, 16, 0);

		assert_int_equal(history_point(feed->history, i)->start_ns, end);
		end = history_point(feed->history, i)->end_ns;
		assert_true(value(feed, 16, HISTORY_read_len, i) ==
			    (double)((end - START) / SECOND - 1));
		for (size_t s = 0; s < HISTORY_SIZE_SLOTS; s++)
			counted += history_sizes(feed->history, map, i)[s];
		assert_int_equal(history_point(feed->history, 0)->windows, 128);
	}
	assert_int_equal(end, START + 1000 * SECOND);
	assert_int_equal(counted, promotions);
	assert_true(history_peak(feed->history, history_map(feed->history, 0), HISTORY_backlog) ==
		    peak);
	feed_free(feed);
}

static void test_sizes(void **state)
{
	struct feed *feed = begin((struct history_options){.points = 2, .sizes = true});
	struct hist *size;

	(void)state;
	size = hist_of(feed, feed_map(feed, 1, 16, 0, 0), ST_HIST_promote_entries);
	size->slots[0] = 3;
	size->slots[5] = 1ULL << 40;		 /* capped, not wrapped */
	size->slots[HISTORY_SIZE_SLOTS - 1] = 1; /* the last slot ... */
	size->slots[SMAP_HIST_SLOTS - 1] = 1;	 /* ... takes all above */
	size->sum = 1;
	window(feed, SECOND);
	for (unsigned i = 0; i < 2; i++) {
		const struct history_map *map = history_map(feed->history, 0);
		const uint32_t *sizes = history_sizes(feed->history, map, i);

		if (i == 0) {
			assert_int_equal(sizes[0], 3);
			assert_int_equal(sizes[5], UINT32_MAX);
			assert_int_equal(sizes[HISTORY_SIZE_SLOTS - 1], 2);
		} else {
			assert_int_equal(sizes[0], 0); /* a used slot was cleared */
		}
		feed_map(feed, 1, 16, 0, 0);
		window(feed, SECOND);
		feed_map(feed, 1, 16, 0, 0);
		window(feed, SECOND);
	}
	feed_free(feed);
}

static void test_maps_are_bounded(void **state)
{
	struct feed *feed = begin((struct history_options){.max_maps = 3});

	(void)state;
	for (unsigned i = 0; i < 10; i++)
		feed_map(feed, 1, 16 + i, 0, i)->alive = i != 1;
	window(feed, SECOND);
	assert_int_equal(history_map_count(feed->history), 3);
	assert_int_equal(history_cut(feed->history), 7);
	/* An ended one makes room. */
	feed_map(feed, 1, 8, 0, 0);
	feed_map(feed, 1, 16, 0, 0);
	feed_map(feed, 1, 18, 0, 0);
	window(feed, SECOND);
	assert_int_equal(history_map_count(feed->history), 3);
	assert_int_equal(history_cut(feed->history), 7);
	assert_non_null(history_find(feed->history, 1, 8, 0));
	assert_null(history_find(feed->history, 1, 17, 0));
	assert_true(value(feed, 18, HISTORY_misses, 0) == 2);
	feed_free(feed);
}

/* A last window of a moment would make a peak of nothing. */
static void test_short_last_window(void **state)
{
	struct feed *feed = begin((struct history_options){0});
	struct report_map *map;

	(void)state;
	feed_map(feed, 1, 16, 0, 100);
	window(feed, SECOND);
	map = feed_map(feed, 1, 16, 0, 10);
	map->window.ns = SECOND / 100;
	feed->report.last = true;
	window(feed, SECOND / 100);
	assert_int_equal(history_points(feed->history), 1);
	assert_true(fabs(value(feed, 16, HISTORY_misses, 0) - 110 / 1.01) < 0.01);
	assert_int_equal(history_point(feed->history, 0)->windows, 2);
	feed_map(feed, 1, 16, 0, 100);
	window(feed, SECOND); /* a long one has a point of its own */
	assert_int_equal(history_points(feed->history), 2);
	feed_free(feed);
}

static void test_fold(void **state)
{
	(void)state;
	assert_true(history_fold(HISTORY_FOLD_MEAN, 10, 3, 2, 1) == 8);
	assert_true(history_fold(HISTORY_FOLD_MEAN, NAN, 1, 2, 1) == 1);
	assert_true(history_fold(HISTORY_FOLD_MEAN, NAN, 0, 2, 0) == 2);
	assert_true(history_fold(HISTORY_FOLD_PEAK, 10, 1, 2, 1) == 10);
	assert_true(history_fold(HISTORY_FOLD_PEAK, NAN, 1, 2, 1) == 2);
	assert_true(history_fold(HISTORY_FOLD_LAST, 10, 1, 2, 1) == 2);
	assert_true(history_fold(HISTORY_FOLD_LAST, 10, 1, NAN, 1) == 10);
	for (int how = HISTORY_FOLD_MEAN; how <= HISTORY_FOLD_LAST; how++)
		assert_true(isnan(history_fold((enum history_folding)how, NAN, 1, NAN, 1)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ring),
		cmocka_unit_test(test_end_adds_nothing),
		cmocka_unit_test(test_figures),
		cmocka_unit_test(test_waits_of_misses),
		cmocka_unit_test(test_unknown_is_not_zero),
		cmocka_unit_test(test_lives),
		cmocka_unit_test(test_decimate),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_maps_are_bounded),
		cmocka_unit_test(test_short_last_window),
		cmocka_unit_test(test_fold),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
