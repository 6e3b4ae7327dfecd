/* SPDX-License-Identifier: MIT */
/* What a model forgets: a window's figures in the next one, and processes that have ended. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include "model_feed.h"

/* A server gives the number of a process that it has forgotten to another one. */
static void test_number_again(void **state)
{
	struct model *model = new_model();
	struct st_key key = key_of(0, 0x1000, 1);
	struct record s = sample_of(key, 11 * SECOND);
	struct record end = {.kind = RECORD_TARGET_END, .target_end = {.status = 9}};

	(void)state;
	model->no_summary = true;
	add_target(model, 0, 10 * SECOND, false);
	add_map(model, key, "old", 5 * SECOND);
	MISSES(s.sample.total) = 1000;
	s.sample.process_cpu_ns = 77;
	s.sample.alive = 0;
	add(model, &s);
	add(model, &end);
	for (unsigned i = 0; i <= MODEL_ENDED_WINDOWS; i++)
		add_window(model, (10 + i) * SECOND, (11 + i) * SECOND);
	add_target(model, 0, 20 * SECOND, true);
	assert_int_equal(model->target_count, 1);
	assert_int_equal(model->map_count, 0);
	assert_false(model_target(model, 0)->ended);
	assert_int_equal(model_target(model, 0)->since_window, model->window_count);
	assert_int_equal(model_target(model, 0)->cpu_ns, 0);
	add_map(model, key, "new", 20 * SECOND);
	s = sample_of(key, 21 * SECOND);
	MISSES(s.sample.total) = MISSES(s.sample.counted) = 10;
	add(model, &s);
	assert_string_equal(model_find(model, &key)->info.name, "new");
	assert_int_equal(MISSES(model_find(model, &key)->window.count), 10);
	model_free(model);
}

/* What is left of a window's histograms must not be in the next one. */
static void test_window_hists(void **state)
{
	struct model *model = new_model();
	struct st_key key = key_of(0, 0x1000, 1);
	struct record s = sample_of(key, 11 * SECOND);
	const struct model_hists *hists;

	(void)state;
	add_target(model, 0, 10 * SECOND, false);
	add_map(model, key, "m", SECOND);
	for (unsigned i = 0; i < 3; i++) {
		s.sample.hist[ST_HIST_miss_wait][5] += i < 2 ? 3 : 0;
		s.sample.hist[ST_HIST_reclaim_age][7] += i == 2;
		s.sample.ts_ns += SECOND;
		add(model, &s);
		add_window(model, (10 + i) * SECOND, (11 + i) * SECOND);
		hists = model_find(model, &key)->hists;
		assert_int_equal(hists->window[ST_HIST_miss_wait].slots[5], i < 2 ? 3 : 0);
		assert_int_equal(hists->in_window,
				 i < 2 ? 1U << ST_HIST_miss_wait : 1U << ST_HIST_reclaim_age);
	}
	assert_int_equal(hists->traced[ST_HIST_miss_wait].slots[5], 6);
	model_free(model);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_number_again),
		cmocka_unit_test(test_window_hists),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
