/* SPDX-License-Identifier: MIT */
/* The fold: records in, totals, windows and losses out. Every record here is built by hand. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "model_feed.h"
#include "report.h"
#include "smap.h"

/* A map from before the attach: lifetime totals are shown, the window has only what was traced. */
static void test_attached_late(void **state)
{
	struct model *model = new_model();
	struct st_key key = key_of(0, 0x1000, 1);
	struct record s = sample_of(key, 11 * SECOND);
	const struct model_map *map;

	(void)state;
	add_target(model, 0, 10 * SECOND, false);
	add_map(model, key, "old", 5 * SECOND);
	MISSES(s.sample.total) = 1000;
	MISSES(s.sample.counted) = 10;
	s.sample.inserts = 500;
	s.sample.process_cpu_ns = 77;
	add(model, &s);
	add_window(model, 10 * SECOND, 11 * SECOND);
	map = model_find(model, &key);
	assert_non_null(map);
	assert_int_equal(MISSES(map->total), 1000);
	assert_int_equal(MISSES(map->traced), 10);
	assert_int_equal(MISSES(map->window.count), 10);
	assert_int_equal(map->window.rate.inserts, 0);
	assert_int_equal(map->window.rate.process_cpu_ns, 0);
	assert_true(map->window.ns == SECOND);

	s.sample.ts_ns = 12 * SECOND;
	MISSES(s.sample.total) = 1025;
	MISSES(s.sample.counted) = 35;
	s.sample.inserts = 507;
	add(model, &s);
	add_window(model, 11 * SECOND, 12 * SECOND);
	assert_int_equal(MISSES(map->window.count), 25);
	assert_int_equal(MISSES(map->whole.count), 35);
	assert_int_equal(map->window.rate.inserts, 7);
	model_free(model);
}

/* A map born while we trace: everything it ever did is in the window. */
/* Shed within the first window: what was not counted is of the trace all the same. */
static void test_shed_at_once(void **state)
{
	struct model *model = new_model();
	struct st_key key = key_of(0, 0x1000, 1);
	struct record sample = sample_of(key, 11 * SECOND);

	(void)state;
	add_target(model, 0, 10 * SECOND, false);
	add_map(model, key, "m", SECOND);
	sample.sample.total[ST_COUNTER_misses] = 5000;
	sample.sample.counted[ST_COUNTER_misses] = 300;
	sample.sample.uncounted[ST_COUNTER_misses] = 700;
	add(model, &sample);
	assert_int_equal(model_find(model, &key)->window.count[ST_COUNTER_misses], 1000);
	assert_int_equal(model_find(model, &key)->whole.count[ST_COUNTER_misses], 1000);
	model_free(model);
}

static void test_created_while_traced(void **state)
{
	struct model *model = new_model();
	struct st_key key = key_of(0, 0x1000, 1);
	struct record s = sample_of(key, 11 * SECOND);
	const struct model_map *map;

	(void)state;
	add_target(model, 0, 10 * SECOND, true);
	add_map(model, key, "new", 10 * SECOND + SECOND / 2);
	MISSES(s.sample.total) = MISSES(s.sample.counted) = 30;
	s.sample.inserts = 5;
	s.sample.process_cpu_ns = SECOND / 4;
	add(model, &s);
	add_window(model, 10 * SECOND, 11 * SECOND);
	map = model_find(model, &key);
	assert_int_equal(MISSES(map->window.count), 30);
	assert_int_equal(map->window.rate.inserts, 5);
	assert_true(map->window.rate.process_cpu_ns == SECOND / 4);
	assert_true(map->window.ns == SECOND / 2);
	model_free(model);
}

/* Windows add up to the whole, counters and histograms alike; an empty window is all zero. */
static void test_windows_add_up(void **state)
{
	struct model *model = new_model();
	struct st_key key = key_of(0, 0x1000, 1);
	struct record s = sample_of(key, 0);
	struct hist sum = {0};
	uint64_t misses = 0;
	const struct model_map *map;

	(void)state;
	add_target(model, 0, 0, true);
	add_map(model, key, "m", 0);
	map = model_find(model, &key);
	for (uint64_t w = 1; w <= 20; w++) {
		uint64_t step = w % 5 == 0 ? 0 : w;

		s.sample.ts_ns = w * SECOND;
		MISSES(s.sample.total) += step;
		MISSES(s.sample.counted) += step;
		s.sample.hist[ST_HIST_miss_wait][w % 8] += step;
		s.sample.sum[ST_HIST_miss_wait] += step << (w % 8);
		add(model, &s);
		add_window(model, (w - 1) * SECOND, w * SECOND);
		assert_int_equal(MISSES(map->window.count), step);
		assert_int_equal(model_active(&map->window), step > 0);
		misses += MISSES(map->window.count);
		hist_merge(&sum, &map->hists->window[ST_HIST_miss_wait]);
		assert_int_equal(hist_count(&map->hists->window[ST_HIST_miss_wait]), step);
	}
	assert_int_equal(misses, MISSES(map->whole.count));
	assert_int_equal(misses, MISSES(map->total));
	assert_memory_equal(&sum, &map->hists->traced[ST_HIST_miss_wait], sizeof(sum));
	assert_int_equal(model->window_count, 20);
	model_free(model);
}

/* Same address, another id: another map. An ended one stays for the summary. */
static void test_ended_and_reborn(void **state)
{
	struct model *model = new_model();
	struct st_key first = key_of(0, 0x1000, 1), second = key_of(0, 0x1000, 2);
	struct record s = sample_of(first, SECOND);

	(void)state;
	add_target(model, 0, 0, true);
	add_map(model, first, "a", 0);
	MISSES(s.sample.total) = MISSES(s.sample.counted) = 3;
	s.sample.alive = 0;
	add(model, &s);
	add_window(model, 0, SECOND);
	assert_false(model_find(model, &first)->alive);
	assert_true(model_find(model, &first)->in_window);
	add_map(model, second, "b", SECOND);
	s = sample_of(second, 2 * SECOND);
	add(model, &s);
	add_window(model, SECOND, 2 * SECOND);
	assert_false(model_find(model, &first)->in_window);
	assert_int_equal(MISSES(model_find(model, &first)->total), 3);
	assert_int_equal(MISSES(model_find(model, &second)->total), 0);
	assert_int_equal(model->map_count, 2);
	assert_int_equal(model->ended_count, 1);
	model_free(model);
}

static const struct record_loss *loss_of(const struct model *model, const char *name)
{
	for (size_t i = 0; i < model->loss_count; i++)
		if (strcmp(model->losses[i].name, name) == 0)
			return &model->losses[i];
	return NULL;
}

static void test_losses(void **state)
{
	struct model *model = new_model();
	struct record r = {.kind = RECORD_LOSS};

	(void)state;
#define KNOWN(name, help)                                                                          \
	assert_non_null(loss_of(model, #name));                                                    \
	assert_int_equal(loss_of(model, #name)->count, 0);
	ST_LOSSES(KNOWN)
	ST_USER_LOSSES(KNOWN)
	KNOWN(ended_maps, )
#undef KNOWN
	strcpy(r.loss.name, "ring_full");
	r.loss.count = 5;
	add(model, &r);
	r.loss.count = 9; /* cumulative: replaces */
	add(model, &r);
	assert_int_equal(loss_of(model, "ring_full")->count, 9);
	strcpy(r.loss.name, "of_the_backend");
	add(model, &r);
	assert_int_equal(loss_of(model, "of_the_backend")->count, 9);
	model_free(model);
}

/* More ended maps than are kept: the oldest go and are counted, the living stay. */
static void test_forgets_ended(void **state)
{
	const unsigned extra = 10;
	struct model *model = new_model();
	struct record s;

	(void)state;
	add_target(model, 0, 0, true);
	for (unsigned i = 0; i < MODEL_ENDED_MAX + extra + 1; i++) {
		struct st_key key = key_of(0, 0x1000, i + 1);

		add_map(model, key, "m", 0);
		s = sample_of(key, SECOND);
		s.sample.alive = i == 0; /* the first one lives */
		add(model, &s);
	}
	add_window(model, 0, SECOND);
	s = sample_of(key_of(0, 0x1000, 1), 2 * SECOND);
	add(model, &s);
	add_window(model, SECOND, 2 * SECOND);
	assert_int_equal(model->map_count, MODEL_ENDED_MAX + 1);
	assert_int_equal(loss_of(model, "ended_maps")->count, extra);
	assert_non_null(model_find(model, &(struct st_key){.addr = 0x1000, .id = 1}));
	assert_null(model_find(model, &(struct st_key){.addr = 0x1000, .id = 2}));
	assert_null(model_find(model, &(struct st_key){.addr = 0x1000, .id = extra + 1}));
	assert_non_null(model_find(model, &(struct st_key){.addr = 0x1000, .id = extra + 2}));
	/* Without a summary all go, but not before late records can come, and are no loss. */
	model->no_summary = true;
	for (unsigned i = 2; i < MODEL_ENDED_WINDOWS; i++) {
		add(model, &s);
		assert_int_equal(model->map_count, MODEL_ENDED_MAX + 1);
		add_window(model, i * SECOND, (i + 1) * SECOND);
	}
	add(model, &s);
	assert_int_equal(model->map_count, 1);
	assert_int_equal(loss_of(model, "ended_maps")->count, extra);
	model_free(model);
}

static void test_events(void **state)
{
	struct model *model = new_model();
	struct record r = {.kind = RECORD_EVENT};

	(void)state;
	for (uint64_t i = 0; i < MODEL_EVENTS_MAX + 3; i++) {
		r.event.ts_ns = i;
		add(model, &r);
	}
	add_window(model, 0, SECOND);
	assert_int_equal(model->events_seen, MODEL_EVENTS_MAX + 3);
	assert_int_equal(model_events_cut(model), 3);
	assert_int_equal(model_event_count(model), MODEL_EVENTS_MAX);
	assert_int_equal(model_event(model, 0)->ts_ns, 3);
	assert_int_equal(model_event(model, MODEL_EVENTS_MAX - 1)->ts_ns, MODEL_EVENTS_MAX + 2);
	r.event.ts_ns = 42; /* begins the next window */
	add(model, &r);
	assert_int_equal(model_event_count(model), 1);
	assert_int_equal(model_event(model, 0)->ts_ns, 42);
	assert_int_equal(model_events_cut(model), 0);
	model_free(model);
}

/* The state page of a process that has gone cannot be read: the last state stands. */
static void test_state_gone(void **state)
{
	struct model *model = new_model();
	struct st_key key = key_of(0, 0x1000, 1);
	struct record s = sample_of(key, SECOND);
	const struct model_map *map;

	(void)state;
	add_target(model, 0, 0, true);
	add_map(model, key, "m", 0);
	s.sample.read_len = 50;
	s.sample.inserts = 50;
	add(model, &s);
	add_window(model, 0, SECOND);
	s = sample_of(key, 2 * SECOND);
	s.sample.state_ok = 0;
	MISSES(s.sample.total) = MISSES(s.sample.counted) = 4;
	add(model, &s);
	add_window(model, SECOND, 2 * SECOND);
	map = model_find(model, &key);
	assert_false(map->state_ok);
	assert_int_equal(map->now.read_len, 50);
	assert_int_equal(map->window.rate.inserts, 0);
	assert_int_equal(MISSES(map->window.count), 4);
	model_free(model);
}

static void test_broken_streams(void **state)
{
	struct model *model = new_model();
	struct record r = {.kind = 99};

	(void)state;
	assert_int_equal(model_add(model, &r), -EINVAL);
	r = sample_of(key_of(0, 0x1000, 1), 0);
	assert_int_equal(model_add(model, &r), -EINVAL); /* no such map */
	r = (struct record){.kind = RECORD_MAP};
	assert_int_equal(model_add(model, &r), -EINVAL); /* no such target */
	r = (struct record){.kind = RECORD_TARGET};
	r.target.target = MODEL_TARGETS_MAX;
	assert_int_equal(model_add(model, &r), -EINVAL);
	r = (struct record){.kind = RECORD_WINDOW};
	r.window.start_ns = 1;
	assert_int_equal(model_add(model, &r), -EINVAL); /* ends before it starts */
	add_target(model, 0, 0, true);
	r = (struct record){.kind = RECORD_MAP};
	memset(r.map.name, 'x', sizeof(r.map.name)); /* not ended */
	add(model, &r);
	assert_int_equal(strlen(model->maps[0]->info.name), SMAP_NAME_LEN - 1);
	for (unsigned i = 0; i < 2 * MODEL_LOSSES_MAX; i++) {
		int err;

		r = (struct record){.kind = RECORD_LOSS};
		snprintf(r.loss.name, sizeof(r.loss.name), "loss%u", i);
		err = model_add(model, &r);
		assert_true(err == 0 || err == -EINVAL);
	}
	assert_int_equal(model->loss_count, MODEL_LOSSES_MAX);
	model_free(model);
	model_free(NULL);
}

/* Ten thousand maps in several processes: all found, reported in a fixed order. */
static void test_many_maps(void **state)
{
	const unsigned count = 10000;
	struct model *model = new_model();
	struct report_meta meta = {0};
	struct report *report = NULL;

	(void)state;
	for (unsigned t = 0; t < 4; t++)
		add_target(model, t, 0, true);
	for (unsigned i = 0; i < count; i++) {
		struct st_key key = key_of(i % 4, 0x7f0000000000 + (i * 7919 % count) * 4096, i);
		struct record s = sample_of(key, SECOND);

		add_map(model, key, "m", 0);
		MISSES(s.sample.total) = MISSES(s.sample.counted) = i;
		add(model, &s);
	}
	add_window(model, 0, SECOND);
	assert_int_equal(report_create(&report, REPORT_WINDOW, model, &meta), 0);
	assert_int_equal(report->map_count, count);
	for (unsigned i = 1; i < count; i++) {
		const struct report_map *a = &report->maps[i - 1], *b = &report->maps[i];

		assert_true(a->pid < b->pid || (a->pid == b->pid && a->addr < b->addr));
	}
	report_free(report);
	report_free(NULL);
	model_free(model);
}

/* The report may not include smap.h, and repeats its names. */
/* A recording may claim any number of maps: so many may live, and a place is free again. */
static void test_a_limit_of_maps(void **state)
{
	struct record map = {.kind = RECORD_MAP}, last;
	struct model *model = new_model();

	(void)state;
	add_target(model, 0, SECOND, true);
	model->max_maps = 2;
	add_map(model, key_of(0, 0x1000, 1), "a", SECOND);
	add_map(model, key_of(0, 0x2000, 2), "b", SECOND);
	map.map.key = key_of(0, 0x3000, 3);
	assert_int_equal(model_add(model, &map), -E2BIG);
	add_map(model, key_of(0, 0x2000, 2), "b", SECOND); /* known already */
	last = sample_of(key_of(0, 0x1000, 1), 2 * SECOND);
	last.sample.alive = 0;
	add(model, &last);
	add(model, &map);
	model_free(model);
}

static void test_policy_names(void **state)
{
	static const char *const names[] = {
#define POLICY_NAME(upper, name) [SMAP_POLICY_##upper] = name,
		SMAP_POLICIES(POLICY_NAME)
#undef POLICY_NAME
	};
	struct report_meta meta = {0};

	(void)state;
	for (unsigned i = 0; i <= SMAP_POLICY_COUNT; i++) {
		struct model *model = new_model();
		struct st_key key = key_of(0, 0x1000, 1);
		struct record r = {.kind = RECORD_MAP}, s = sample_of(key, 1);
		struct report *report = NULL;

		add_target(model, 0, 0, true);
		r.map.key = key;
		r.map.policy = i;
		r.map.key_kind = i;
		add(model, &r);
		add(model, &s);
		add_window(model, 0, SECOND);
		assert_int_equal(report_create(&report, REPORT_END, model, &meta), 0);
		assert_string_equal(report->maps[0].policy,
				    i < SMAP_POLICY_COUNT ? names[i] : "unknown");
		assert_string_equal(report->maps[0].key_kind, i == SMAP_KEY_BYTES ? "bytes"
							      : i == SMAP_KEY_U64 ? "u64"
										  : "unknown");
		report_free(report);
		model_free(model);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shed_at_once),	     cmocka_unit_test(test_attached_late),
		cmocka_unit_test(test_created_while_traced), cmocka_unit_test(test_windows_add_up),
		cmocka_unit_test(test_ended_and_reborn),     cmocka_unit_test(test_losses),
		cmocka_unit_test(test_forgets_ended),	     cmocka_unit_test(test_events),
		cmocka_unit_test(test_state_gone),	     cmocka_unit_test(test_broken_streams),
		cmocka_unit_test(test_a_limit_of_maps),	     cmocka_unit_test(test_many_maps),
		cmocka_unit_test(test_policy_names),
	};

	return cmocka_run_group_tests_name("model", tests, NULL, NULL);
}
