/* SPDX-License-Identifier: MIT */
/*
 * test_smap_guarantees.c - one test for each G of smap.h, named after it.
 *
 * Short and directed; the same guarantees are pressed on by the stress programs
 * (under sanitizers) and by the model test. G6 has test_smap_free.c, G7 has
 * test_smap_oom.c; here stands what those leave. P1 to P4: test_smap_progress.c.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "promote.h"
#include "keyspace.h"
#include "until.h"

static char objects[8];

static struct smap *create_u64(uint32_t policy, uint64_t arg)
{
	struct smap_options opts = {.size = sizeof(opts),
				    .key_kind = SMAP_KEY_U64,
				    .policy = policy,
				    .policy_arg = arg};
	struct smap *map = NULL;

	assert_int_equal(smap_create(&map, &opts), 0);
	return map;
}

struct worker {
	pthread_t thread;
	struct smap *map;
	unsigned n;
	unsigned id;
	uint64_t done;
};

#define WORKERS 4

static void run_workers(struct worker *w, void *(*fn)(void *), struct smap *map, unsigned n)
{
	for (unsigned i = 0; i < WORKERS; i++) {
		w[i] = (struct worker){.map = map, .n = n, .id = i};
		assert_int_equal(pthread_create(&w[i].thread, NULL, fn, &w[i]), 0);
	}
	for (unsigned i = 0; i < WORKERS; i++)
		assert_int_equal(pthread_join(w[i].thread, NULL), 0);
}

/* --- G1: no increment by compare-and-swap is lost, in read or in dirty --- */

static void *increment(void *arg)
{
	struct worker *w = arg;

	for (unsigned i = 0; i < w->n; i++) {
		uint64_t key = (i + w->id) % 16;
		void *value;

		do {
			if (!smap_load_u64(w->map, key, &value))
				return NULL;
		} while (smap_compare_and_swap_u64(w->map, key, value, (char *)value + 1) != 1);
		/* New keys make dirties and growths, deletes make expunges. */
		smap_store_u64(w->map, 100 + (uint64_t)w->id * w->n + i, objects);
		smap_delete_u64(w->map, 100 + (uint64_t)w->id * w->n + i / 2);
		w->done++;
	}
	return NULL;
}

static void test_G1_operations_on_a_key_are_linearizable(void **state)
{
	struct smap *map = create_u64(SMAP_POLICY_GO, 0);
	struct worker w[WORKERS];
	uint64_t sum = 0;

	(void)state;
	for (uint64_t k = 0; k < 16; k++)
		assert_int_equal(smap_store_u64(map, k, (void *)1), 0);
	run_workers(w, increment, map, 20000);
	for (uint64_t k = 0; k < 16; k++) {
		void *value = NULL;

		assert_true(smap_load_u64(map, k, &value));
		sum += (uintptr_t)value - 1;
	}
	for (int i = 0; i < WORKERS; i++)
		assert_int_equal(w[i].done, 20000);
	assert_int_equal(sum, WORKERS * 20000);
	smap_destroy(map);
}

/* --- G2: what was written before the store is there after the load --- */

static uint64_t payload[50000]; /* plain: TSan builds of the stress say the same */

static void *publish(void *arg)
{
	struct worker *w = arg;

	for (uint64_t k = 0; k < w->n; k++) {
		payload[k] = k + 1;
		smap_store_u64(w->map, k, &payload[k]);
	}
	return NULL;
}

static void test_G2_R10_a_load_sees_what_preceded_the_store(void **state)
{
	struct smap *map = create_u64(SMAP_POLICY_GO, 0);
	struct worker w = {.map = map, .n = 50000};
	void *value;

	(void)state;
	assert_int_equal(pthread_create(&w.thread, NULL, publish, &w), 0);
	for (uint64_t k = 0; k < w.n; k++) {
		struct until u = until_begin();

		for (unsigned spins = 1; !smap_load_u64(map, k, &value); spins++)
			if (spins % 4096 == 0)
				assert_true(until_again(&u));
		assert_int_equal(*(uint64_t *)value, k + 1);
	}
	assert_int_equal(pthread_join(w.thread, NULL), 0);
	smap_destroy(map);
}

/* --- G3: growth changes no counter (the rest is test_smap_model.c) --- */

static void test_G3_growth_changes_no_counter(void **state)
{
	struct smap *map = create_u64(SMAP_POLICY_GO, 0);
	struct smap_state st;

	(void)state;
	for (uint64_t k = 0; k < 100000; k++)
		assert_int_equal(smap_store_u64(map, k, objects), 0);
	smap_inspect(map, &st);
	assert_true(st.growths >= 5);
	assert_int_equal(st.counters.misses, 0);
	assert_int_equal(st.counters.promotions, 0);
	assert_int_equal(st.counters.rebuilds, 1);
	assert_int_equal(st.counters.copied, 0);
	assert_int_equal(st.counters.expunged, 0);
	assert_int_equal(st.read_len, 0);
	assert_int_equal(st.dirty_len, 100000);
	smap_destroy(map);
}

/* Unless the option asks for it. */
static void test_G3_grow_promotes_when_asked(void **state)
{
	struct smap_options opts = {
		.size = sizeof(opts), .key_kind = SMAP_KEY_U64, .flags = SMAP_GROW_PROMOTES};
	struct smap *map = NULL;
	struct smap_state st;

	(void)state;
	assert_int_equal(smap_create(&map, &opts), 0);
	for (uint64_t k = 0; k < 100000; k++)
		assert_int_equal(smap_store_u64(map, k, objects), 0);
	smap_inspect(map, &st);
	assert_true(st.counters.promotions >= 1);
	assert_true(st.counters.promotions <= st.growths);
	assert_int_equal(st.counters.misses, 0);
	assert_int_equal(smap_len(map), 100000);
	smap_destroy(map);
}

/* --- G4: Range, while its own callback changes the map --- */

struct walk {
	struct smap *map;
	unsigned char seen[2000];
	uint64_t fresh;
};

static bool change_while_walking(uint64_t key, void *value, void *ctx)
{
	struct walk *walk = ctx;

	assert_true(key < 2000 || key >= 10000);
	assert_non_null(value);
	if (key < 2000)
		assert_int_equal(walk->seen[key]++, 0);
	/* Odd keys come and go; new ones make rebuilds, growths and promotions. */
	smap_delete_u64(walk->map, key | 1);
	smap_store_u64(walk->map, 10000 + walk->fresh++, objects);
	smap_store_u64(walk->map, key | 1, objects + 1);
	if (walk->fresh % 100 == 0)
		promote(walk->map);
	return true;
}

static void test_G4_range_meets_each_key_at_most_once(void **state)
{
	static struct walk walk;

	(void)state;
	walk = (struct walk){.map = create_u64(SMAP_POLICY_GO, 0)};
	for (uint64_t k = 0; k < 2000; k++)
		assert_int_equal(smap_store_u64(walk.map, k, objects), 0);
	smap_range_u64(walk.map, change_while_walking, &walk);
	for (int k = 0; k < 2000; k += 2) /* present throughout */
		assert_int_equal(walk.seen[k], 1);
	smap_destroy(walk.map);
}

/* --- G5: nothing that was stored before a Clear is there after it --- */

static atomic_uint stored_up_to;
static atomic_bool stop;

static void *store_in_order(void *arg)
{
	struct worker *w = arg;

	for (unsigned k = 0; k < w->n && !atomic_load(&stop); k++) {
		if (smap_store_u64(w->map, k, objects))
			return arg;
		atomic_store(&stored_up_to, k + 1);
	}
	return NULL;
}

static void test_G5_clear_is_one_instant(void **state)
{
	struct smap *map = create_u64(SMAP_POLICY_GO, 0);
	struct worker w = {.map = map, .n = 1u << 20};
	void *value, *ret;
	unsigned from = 0;

	(void)state;
	atomic_store(&stop, false);
	assert_int_equal(pthread_create(&w.thread, NULL, store_in_order, &w), 0);
	for (int round = 0; round < 300; round++) {
		unsigned upto = atomic_load(&stored_up_to);

		if (round % 3 == 0)
			promote(map);
		assert_int_equal(smap_clear(map), 0);
		for (unsigned k = from; k < upto; k++)
			assert_false(smap_load_u64(map, k, &value));
		from = upto;
	}
	atomic_store(&stop, true);
	assert_int_equal(pthread_join(w.thread, &ret), 0);
	assert_null(ret);
	smap_destroy(map);
}

/* --- G6: keys too; values are test_smap_free.c --- */

struct kept {
	const void *keys[400];
	size_t lens[400];
};

static bool keep_key(const void *key, size_t len, void *value, void *ctx)
{
	struct kept *kept = ctx;
	size_t i = keyspace_index(key, len);

	(void)value;
	if (i >= 400)
		return false;
	kept->keys[i] = key;
	kept->lens[i] = len;
	return true;
}

static void test_G6_keys_stay_until_the_section_ends(void **state)
{
	struct smap_options opts = {.size = sizeof(opts)};
	struct keyspace ks = {0};
	struct kept kept = {0};

	(void)state;
	assert_int_equal(smap_create(&ks.map, &opts), 0);
	for (size_t i = 0; i < 400; i++)
		assert_int_equal(keyspace_store(&ks, i, objects), 0);
	smap_read_lock();
	smap_range(ks.map, keep_key, &kept);
	for (size_t i = 0; i < 400; i++)
		assert_true(keyspace_delete(&ks, i));
	for (size_t i = 400; i < 5000; i++) /* expunge, promote, grow */
		assert_int_equal(keyspace_store(&ks, i, objects), 0);
	assert_int_equal(smap_clear(ks.map), 0);
	for (size_t i = 0; i < 400; i++) {
		assert_non_null(kept.keys[i]);
		assert_int_equal(keyspace_index(kept.keys[i], kept.lens[i]), i);
	}
	smap_read_unlock();
	smap_destroy(ks.map);
}

/* --- G8: every miss is counted, by however many threads --- */

static void *miss_often(void *arg)
{
	struct worker *w = arg;
	void *value;

	for (unsigned i = 0; i < w->n; i++)
		w->done += !smap_load_u64(w->map, 1000 + i, &value);
	return NULL;
}

static void test_G8_counters_are_exact(void **state)
{
	struct smap *map = create_u64(SMAP_POLICY_FIXED, 1000);
	struct worker w[WORKERS];
	struct smap_state st;

	(void)state;
	assert_int_equal(smap_store_u64(map, 1, objects), 0);
	run_workers(w, miss_often, map, 200);
	smap_inspect(map, &st);
	assert_int_equal(st.counters.misses, WORKERS * 200);
	assert_int_equal(st.miss_count, WORKERS * 200);
	assert_int_equal(st.counters.promotions, 0);
	run_workers(w, miss_often, map, 200);
	smap_inspect(map, &st);
	assert_int_equal(st.counters.misses, 1000); /* then the rest needs no dirty */
	assert_int_equal(st.miss_count, 0);
	assert_int_equal(st.counters.promotions, 1);
	smap_destroy(map);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_G1_operations_on_a_key_are_linearizable),
		cmocka_unit_test(test_G2_R10_a_load_sees_what_preceded_the_store),
		cmocka_unit_test(test_G3_growth_changes_no_counter),
		cmocka_unit_test(test_G3_grow_promotes_when_asked),
		cmocka_unit_test(test_G4_range_meets_each_key_at_most_once),
		cmocka_unit_test(test_G5_clear_is_one_instant),
		cmocka_unit_test(test_G6_keys_stay_until_the_section_ends),
		cmocka_unit_test(test_G8_counters_are_exact),
	};

	alarm(120); /* a deadlock must not hang the suite */
	return cmocka_run_group_tests_name("smap_guarantees", tests, NULL, NULL);
}
