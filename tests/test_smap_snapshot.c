/* SPDX-License-Identifier: MIT */
/*
 * Snapshots: what they contain, whose memory it is, and that each is one instant of the map
 * while threads write without a lock, insert, delete, move tables and clear.
 *
 * One instant: a writer stores its step to keys first .. last in this order, then the next step.
 * At any instant all keys have the same step but for one place where it falls by one. A walk
 * over changing cells sees more than that; so does a snapshot that does not wait for
 * writers, or that writers do not see.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include "smap.h"
#include "until.h"

static struct smap *make(const struct smap_options *opts)
{
	struct smap_options o = *opts;
	struct smap *map;

	o.size = sizeof(o);
	o.name = "snapshot";
	assert_int_equal(smap_create(&map, &o), 0);
	return map;
}

static void *number(uintptr_t n)
{
	return (void *)n;
}

static struct smap_snapshot *take(struct smap *map)
{
	struct smap_snapshot *snapshot = NULL;

	assert_int_equal(smap_snapshot(map, &snapshot, NULL), 0);
	return snapshot;
}

static bool sum_u64(uint64_t key, void *value, void *ctx)
{
	uint64_t *sums = ctx;

	sums[0] += key;
	sums[1] += (uintptr_t)value;
	sums[2]++;
	return true;
}

static bool stop_at_first_u64(uint64_t key, void *value, void *ctx)
{
	(void)key;
	(void)value;
	++*(unsigned *)ctx;
	return false;
}

static void promote(struct smap *map)
{
	uint64_t sums[3] = {0};

	smap_range_u64(map, sum_u64, sums);
}

/* Keys of read, of dirty, deleted ones; and the map goes on and goes away. */
static void test_contents(void **state)
{
	struct smap *map = make(&(struct smap_options){.key_kind = SMAP_KEY_U64});
	struct smap_snapshot *empty = take(map), *snapshot, *full;
	struct smap_state before, after;
	uint64_t sums[3] = {0};
	unsigned calls = 0;
	void *value = NULL;

	(void)state;
	assert_int_equal(smap_snapshot_len(empty), 0);
	assert_false(smap_snapshot_load_u64(empty, 1, &value));
	for (uint64_t key = 1; key <= 1000; key++)
		assert_int_equal(smap_store_u64(map, key, number(key * 10)), 0);
	promote(map);
	assert_true(smap_delete_u64(map, 5));
	assert_int_equal(smap_store_u64(map, 7, number(77)), 0);
	assert_int_equal(smap_store_u64(map, 1001, number(1)), 0); /* in dirty */
	smap_inspect(map, &before);
	full = take(map);
	smap_inspect(map, &after);
	assert_int_equal(smap_snapshot_len(full), 1000);
	assert_int_equal(smap_snapshot_epoch(full), after.epoch);
	assert_int_equal(after.counters.misses, before.counters.misses);
	assert_int_equal(after.counters.promotions, before.counters.promotions);
	assert_int_equal(after.counters.rebuilds, before.counters.rebuilds);
	assert_int_equal(after.counters.retired, before.counters.retired);

	assert_int_equal(smap_clear(map), 0);
	snapshot = smap_snapshot_ref(full);
	smap_destroy(map);
	smap_snapshot_unref(full);
	assert_false(smap_snapshot_load_u64(snapshot, 5, &value));
	assert_true(smap_snapshot_load_u64(snapshot, 7, &value));
	assert_ptr_equal(value, number(77));
	assert_true(smap_snapshot_load_u64(snapshot, 1001, &value));
	assert_false(smap_snapshot_load(snapshot, "a", 1, &value));
	smap_snapshot_range_u64(snapshot, stop_at_first_u64, &calls);
	assert_int_equal(calls, 1);
	smap_snapshot_range_u64(snapshot, sum_u64, sums);
	assert_int_equal(sums[0], 1001 * 1002 / 2 - 5);
	assert_int_equal(sums[1], 10 * (1000 * 1001 / 2 - 5 - 7) + 77 + 1);
	assert_int_equal(sums[2], 1000);
	smap_snapshot_unref(snapshot);
	smap_snapshot_unref(empty);
	smap_snapshot_unref(NULL);
}

static bool count_bytes(const void *key, size_t len, void *value, void *ctx)
{
	char text[64];

	assert_true(len < sizeof(text));
	memcpy(text, key, len);
	text[len] = '\0';
	assert_int_equal(strtoul(text + 1, NULL, 10), (uintptr_t)value);
	++*(unsigned *)ctx;
	return (uintptr_t)value != 0;
}

static bool stop_at_first(const void *key, size_t len, void *value, void *ctx)
{
	(void)key;
	(void)len;
	return stop_at_first_u64(0, value, ctx);
}

/* Short keys and long ones, which need memory of their own. */
static void test_byte_keys(void **state)
{
	struct smap *map = make(&(struct smap_options){0});
	struct smap_snapshot *snapshot;
	char key[64];
	unsigned n = 0;
	void *value;

	(void)state;
	for (unsigned i = 1; i <= 300; i++) {
		int len = snprintf(key, sizeof(key), i % 2 ? "k%u" : "k%040u", i);

		assert_int_equal(smap_store(map, key, (size_t)len, number(i)), 0);
	}
	snapshot = take(map);
	smap_destroy(map);
	smap_snapshot_range(snapshot, count_bytes, &n);
	assert_int_equal(n, 300);
	smap_snapshot_range(snapshot, stop_at_first, &n);
	assert_int_equal(n, 301);
	assert_true(smap_snapshot_load(snapshot, "k7", 2, &value));
	assert_ptr_equal(value, number(7));
	assert_false(smap_snapshot_load(snapshot, "k8", 2, &value));
	snprintf(key, sizeof(key), "k%040u", 8);
	assert_true(smap_snapshot_load(snapshot, key, 41, &value));
	assert_false(smap_snapshot_load_u64(snapshot, 7, &value));
	smap_snapshot_unref(snapshot);
}

/* --- values that are counted --- */

struct counted {
	_Atomic int refs;
};

static _Atomic int freed;

static void drop(void *value, void *ctx)
{
	struct counted *counted = value;

	(void)ctx;
	if (atomic_fetch_sub(&counted->refs, 1) == 1)
		freed++;
}

static void *keep(void *value, void *ctx)
{
	struct counted *counted = value;

	assert_ptr_equal(ctx, &freed);
	counted->refs++;
	return value;
}

static unsigned keep_few_left;

static void *keep_few(void *value, void *ctx)
{
	return keep_few_left-- ? keep(value, ctx) : NULL;
}

static struct smap *asked_by_drop;

/* value_free may use maps, so it is called without any mutex. */
static void drop_and_ask(void *value, void *ctx)
{
	struct smap_state st;

	if (asked_by_drop)
		smap_inspect(asked_by_drop, &st);
	drop(value, ctx);
}

static void test_retained_values(void **state)
{
	const struct smap_options opts = {
		.key_kind = SMAP_KEY_U64, .value_free = drop_and_ask, .ctx = &freed};
	static struct counted values[100];
	struct smap_snapshot *snapshot = NULL;
	struct smap *map = make(&opts);

	(void)state;
	freed = 0;
	for (uint64_t i = 0; i < 100; i++) {
		values[i].refs = 1;
		assert_int_equal(smap_store_u64(map, i, &values[i]), 0);
	}
	assert_int_equal(smap_snapshot(map, &snapshot, NULL), -EINVAL);
	keep_few_left = 50;
	asked_by_drop = map;
	alarm(UNTIL_DEADLINE_S);
	assert_int_equal(smap_snapshot(map, &snapshot, keep_few), -ENOMEM);
	alarm(0);
	asked_by_drop = NULL;
	assert_null(snapshot);
	for (int i = 0; i < 100; i++)
		assert_int_equal(values[i].refs, 1);
	assert_int_equal(smap_snapshot(map, &snapshot, keep), 0);
	smap_destroy(map);
	assert_int_equal(freed, 0);
	smap_snapshot_unref(snapshot);
	assert_int_equal(freed, 100);
}

static bool try_inside(uint64_t key, void *value, void *ctx)
{
	struct smap_snapshot *snapshot;

	(void)key, (void)value;
	assert_int_equal(smap_snapshot(ctx, &snapshot, NULL), -EDEADLK);
	return false;
}

static void test_not_inside_a_section(void **state)
{
	struct smap *map = make(&(struct smap_options){.key_kind = SMAP_KEY_U64});
	struct smap_snapshot *snapshot;

	(void)state;
	smap_store_u64(map, 1, map);
	smap_read_lock();
	assert_int_equal(smap_snapshot(map, &snapshot, NULL), -EDEADLK);
	smap_read_unlock();
	smap_range_u64(map, try_inside, map);
	assert_int_equal(smap_snapshot(map, &snapshot, keep), -EINVAL);
	assert_int_equal(smap_delete_u64(map, 1), true); /* the gate is open */
	smap_destroy(map);
}

/* --- who was inside a section --- */

struct stay {
	_Atomic bool inside, done, too_early;
};

static uint64_t rounds(void)
{
	return __atomic_load_n(&smap_registry_get()->reclaimer_runs, __ATOMIC_RELAXED);
}

/* Stays until the reclaimer has been at work, or the snapshot is there, which is too early. */
static void *stay_inside(void *arg)
{
	struct stay *stay = arg;
	uint64_t begin = rounds();

	smap_read_lock();
	stay->inside = true;
	while (!stay->done && rounds() < begin + 5)
		sched_yield();
	stay->too_early = stay->done;
	smap_read_unlock();
	return NULL;
}

/* A writer that did not see the gate would be in its section: the snapshot waits for it. */
static void test_waits_for_sections(void **state)
{
	struct smap *map = make(&(struct smap_options){.key_kind = SMAP_KEY_U64});
	struct stay stay = {0};
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, stay_inside, &stay), 0);
	while (!stay.inside)
		sched_yield();
	smap_snapshot_unref(take(map));
	stay.done = true;
	pthread_join(thread, NULL);
	assert_false(stay.too_early);
	smap_destroy(map);
}

/* --- one instant --- */

/* Many keys make a copy long enough for the writers to run during it on a loaded machine, too. */
enum { KEYS = 64, SNAPSHOTS = 150, OTHER_KEYS = 20000 };

struct shared {
	struct smap *map;
	_Atomic bool stop;
	_Atomic uint64_t steps;
};

static void *write_steps(void *arg)
{
	struct shared *s = arg;

	for (uintptr_t step = 2; !s->stop; step++) {
		for (uint64_t key = 0; key < KEYS; key++)
			if (smap_store_u64(s->map, key, number(step)))
				return "store failed";
		s->steps++;
	}
	return NULL;
}

/* A token goes from key to key: taken out, put in. At any instant there is one, or none. */
static void *move_token(void *arg)
{
	struct shared *s = arg;

	for (uint64_t at = 1000; !s->stop; at = at == 1999 ? 1000 : at + 1) {
		if (smap_store_u64(s->map, at, number(1)) || !smap_delete_u64(s->map, at))
			return "token lost";
	}
	return NULL;
}

/* Keys that come for good, so that the table moves; now and then a promotion. */
static void *grow(void *arg)
{
	struct shared *s = arg;

	for (uint64_t key = 10000; !s->stop; key++) {
		if (smap_store_u64(s->map, key, number(3)))
			return "store failed";
		if (key % 64 == 0)
			promote(s->map);
	}
	return NULL;
}

static void check_instant(const struct smap_snapshot *snapshot)
{
	uintptr_t last = 0;
	unsigned falls = 0, tokens = 0;
	void *value = NULL;

	for (uint64_t key = 0; key < KEYS; key++) {
		assert_true(smap_snapshot_load_u64(snapshot, key, &value));
		if (key && (uintptr_t)value != last) {
			assert_int_equal((uintptr_t)value, last - 1);
			falls++;
		}
		last = (uintptr_t)value;
	}
	assert_true(falls <= 1);
	for (uint64_t key = 1000; key < 2000; key++)
		tokens += smap_snapshot_load_u64(snapshot, key, &value);
	assert_true(tokens <= 1);
}

static void one_instant(unsigned flags)
{
	struct shared s = {
		.map = make(&(struct smap_options){.key_kind = SMAP_KEY_U64, .flags = flags})};
	void *(*const bodies[])(void *) = {write_steps, move_token, grow};
	pthread_t threads[3];
	void *failed;

	for (uint64_t key = 0; key < KEYS; key++)
		assert_int_equal(smap_store_u64(s.map, key, number(1)), 0);
	for (uint64_t key = 0; key < OTHER_KEYS; key++)
		assert_int_equal(smap_store_u64(s.map, 1000000 + key, number(1)), 0);
	promote(s.map);
	for (int i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, bodies[i], &s), 0);
	for (int i = 0; i < SNAPSHOTS || !s.steps; i++) {
		struct smap_snapshot *snapshot = take(s.map);

		check_instant(snapshot);
		smap_snapshot_unref(snapshot);
	}
	s.stop = true;
	for (int i = 0; i < 3; i++) {
		pthread_join(threads[i], &failed);
		assert_null(failed);
	}
	smap_destroy(s.map);
}

static void test_one_instant(void **state)
{
	(void)state;
	one_instant(0);
}

static void test_one_instant_tuned(void **state)
{
	(void)state;
	one_instant(SMAP_OPTIONS_TUNED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_contents),
		cmocka_unit_test(test_byte_keys),
		cmocka_unit_test(test_retained_values),
		cmocka_unit_test(test_not_inside_a_section),
		cmocka_unit_test(test_waits_for_sections),
		cmocka_unit_test(test_one_instant),
		cmocka_unit_test(test_one_instant_tuned),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
