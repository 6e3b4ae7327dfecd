/* SPDX-License-Identifier: MIT */
/* What traps and reports ask a model: pure functions of figures. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include "model.h"

static void test_queries(void **state)
{
	struct model_gauges now = {.has_dirty = 1, .miss_count = 30, .threshold = 100};
	struct model_window window = {0};

	(void)state;
	assert_int_equal(model_miss_debt(&now), 70);
	assert_true(model_promotion_in_s(&now, &window) == -1);
	now.dirty_len = 100;
	window.ns = 2000000000;
	assert_true(model_promotion_in_s(&now, &window) == -1); /* no misses: never */
	window.count[ST_COUNTER_misses] = 10;
	assert_true(model_promotion_in_s(&now, &window) == 14);
	now.miss_count = 200;
	assert_int_equal(model_miss_debt(&now), 0);
	now.has_dirty = 0;
	assert_int_equal(model_miss_debt(&now), 0);
	window.rate.inserts = 1;
	window.rate.replaces = 2;
	window.rate.deletes = 4;
	assert_int_equal(model_writes(&window), 7);
	assert_true(model_active(&window));
}

static void test_cost_share(void **state)
{
	struct model_target process = {.known = true};
	struct model model = {.targets = &process, .target_count = 1};
	struct model_hists hists = {.in_window =
					    1U << ST_HIST_rebuild_time | 1U << ST_HIST_miss_hold};
	struct model_map map = {0};
	struct model_rates *rate = &map.window.rate;
	struct hist *rebuilds = &hists.window[ST_HIST_rebuild_time];

	(void)state;
	assert_true(model_cost_share(&model, &map, false) == 0);
	rate->rebuild_ns = 50;
	rate->lock_wait_ns = 10;
	assert_true(model_cost_share(&model, &map, false) == 0); /* of no time */
	rate->process_cpu_ns = 900;
	rate->lock_wait_ns = 100;
	map.hists = &hists;
	hist_add(&hists.window[ST_HIST_miss_hold], 50);
	assert_true(model_cost_share(&model, &map, false) == 0.2);
	map.whole = map.window;
	assert_true(model_cost_share(&model, &map, true) == 0.15); /* no histogram of all yet */
	rate->rebuild_ns = UINT64_MAX;
	assert_true(model_cost_share(&model, &map, false) == 1.0);
	/* One rebuild of nine lost the CPU. */
	for (unsigned i = 0; i < 8; i++)
		hist_add(rebuilds, 3000);
	hist_add(rebuilds, 10000000);
	rate->rebuild_ns = rebuilds->sum;
	rate->process_cpu_ns = 100000000;
	assert_true(model_cost_share(&model, &map, false) < 0.001);
	/* Half of the time was our probes'; but never all of it. */
	map.hists = NULL;
	rate->rebuild_ns = 100;
	rate->lock_wait_ns = 0;
	rate->process_cpu_ns = 1000;
	process.hits[SMAP_PROBE_miss] = 5; /* of another map, say */
	assert_true(model_cost_share(&model, &map, false) == 0.1);
	model.overhead.known = true;
	model.overhead.price.hit_ns[SMAP_PROBE_miss] = 100;
	assert_true(model_cost_share(&model, &map, false) == 0.2);
	process.hits[SMAP_PROBE_miss] = 1000;
	assert_true(model_cost_share(&model, &map, false) == 1.0);
}

/* What is taken out of a process's time is what the probes of all its maps took. */
static void test_hits_of_a_process(void **state)
{
	struct record target = {.kind = RECORD_TARGET, .target = {.from_start = true}};
	struct record map = {.kind = RECORD_MAP}, sample = {.kind = RECORD_SAMPLE};
	struct record window = {.kind = RECORD_WINDOW};
	struct model *model;

	(void)state;
	assert_int_equal(model_create(&model), 0);
	assert_int_equal(model_add(model, &target), 0);
	for (uint64_t w = 1; w <= 2; w++) {
		for (uint64_t addr = 1; addr <= 2; addr++) {
			map.map.key = sample.sample.key = (struct st_key){.addr = addr, .id = addr};
			assert_int_equal(w == 1 ? model_add(model, &map) : 0, 0);
			sample.sample.alive = 1;
			sample.sample.hits[SMAP_PROBE_miss] = w * addr * 10;
			assert_int_equal(model_add(model, &sample), 0);
		}
		window.window.end_ns = w;
		assert_int_equal(model_add(model, &window), 0);
		assert_int_equal(model_target(model, 0)->hits[SMAP_PROBE_miss], 30);
	}
	model_free(model);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_queries),
		cmocka_unit_test(test_cost_share),
		cmocka_unit_test(test_hits_of_a_process),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
