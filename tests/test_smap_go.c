/* SPDX-License-Identifier: MIT */
/*
 * test_smap_go.c - what Go tests its maps for, tested here by idea.
 *
 * First half, after internal/sync/hashtriemap_test.go: four operations that change a
 * present key, in seven situations, with four hashes: the library's, a good one, a
 * truncated one (near collisions) and a constant one (nothing but collisions). One
 * table of operations, one of situations, every pair is a case.
 *
 *	CompareAndDelete, CompareAndSwap, Swap, LoadAndDelete
 *	x All, One, Multiple, Iterate, ConcurrentUnsharedKeys, ...WithDelete,
 *	  ConcurrentSharedKeys
 *	LoadEmpty, LoadOrStore, All
 *
 * Second half, after sync/map_test.go, what is not elsewhere: TestIssue40999,
 * TestMapRangeNestedCall, TestCompareAndSwap_NonExistingKey,
 * TestMapRangeNoAllocations, TestMapDelete, TestMapClear. Elsewhere:
 * TestMapMatchesRWMutex and TestMapMatchesDeepCopy in test_smap_model.c and
 * stress_linear.c, TestConcurrentRange in stress_range.c, TestConcurrentClear in
 * stress_ops.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "fault_alloc.h"
#include "keyspace.h"
#include "until.h"

#define KEYS 128
#define THREADS 4
#define TURNS 4 /* of each thread over its keys */

/* --- maps of every kind --------------------------------------------------------- */

static uint64_t good_hash(const void *key, size_t len, uint64_t seed)
{
	const unsigned char *bytes = key;
	uint64_t h = seed ^ len;

	for (size_t i = 0; i < len; i++) {
		h = (h ^ bytes[i]) * 0xff51afd7ed558ccdULL;
		h ^= h >> 32;
	}
	return h;
}

/* A few places and tags for all keys. */
static uint64_t truncated_hash(const void *key, size_t len, uint64_t seed)
{
	return good_hash(key, len, seed) & 0xc000000000000003ULL;
}

static uint64_t constant_hash(const void *key, size_t len, uint64_t seed)
{
	(void)key;
	(void)len;
	(void)seed;
	return 0;
}

typedef void (*map_test)(const struct keyspace *ks, void *arg);

/* Run a test on an empty map of each hash and each kind of key. */
static void on_every_map(map_test test, void *arg)
{
	static uint64_t (*const hashes[])(const void *, size_t, uint64_t) = {
		NULL, good_hash, truncated_hash, constant_hash};

	for (unsigned i = 0; i < 8; i++) {
		struct smap_options opts = {
			.size = sizeof(opts),
			.key_kind = i & 1 ? SMAP_KEY_U64 : SMAP_KEY_BYTES,
			.hash = hashes[i / 2],
		};
		struct keyspace ks = {.u64 = i & 1};

		assert_int_equal(smap_create(&ks.map, &opts), 0);
		test(&ks, arg);
		smap_destroy(ks.map);
	}
}

/* Values: one for each key and version, never NULL. */
static void *value_of(size_t key, unsigned version)
{
	return (void *)(uintptr_t)((key + 1) * 1000 + version);
}

static void *get(const struct keyspace *ks, size_t key)
{
	void *value = NULL;

	return keyspace_load(ks, key, &value) ? value : NULL;
}

static void expect(const struct keyspace *ks, size_t key, void *want)
{
	if (get(ks, key) != want)
		fail_msg("key %zu: %p, not %p", key, get(ks, key), want);
}

static void store_all(const struct keyspace *ks, size_t from, size_t to)
{
	for (size_t k = from; k < to; k++) {
		void *actual = NULL;

		assert_int_equal(keyspace_load_or_store(ks, k, value_of(k, 0), &actual), 0);
		assert_ptr_equal(actual, value_of(k, 0));
	}
}

/* --- the four operations: each changes a key that holds `now`, returns what it holds then --- */

static void *act_compare_and_delete(const struct keyspace *ks, size_t k, void *now)
{
	assert_false(keyspace_compare_and_delete(ks, k, value_of(k, 999)));
	assert_true(keyspace_compare_and_delete(ks, k, now));
	assert_false(keyspace_compare_and_delete(ks, k, now));
	return NULL;
}

static void *act_compare_and_swap(const struct keyspace *ks, size_t k, void *now)
{
	void *next = (char *)now + 1;

	assert_int_equal(keyspace_compare_and_swap(ks, k, value_of(k, 999), next), 0);
	assert_int_equal(keyspace_compare_and_swap(ks, k, now, next), 1);
	assert_int_equal(keyspace_compare_and_swap(ks, k, now, next), 0);
	return next;
}

static void *act_swap(const struct keyspace *ks, size_t k, void *now)
{
	void *next = (char *)now + 1, *out = NULL;

	assert_int_equal(keyspace_swap(ks, k, now, &out), 1);
	assert_ptr_equal(out, now);
	assert_int_equal(keyspace_swap(ks, k, next, &out), 1);
	assert_ptr_equal(out, now);
	return next;
}

static void *act_load_and_delete(const struct keyspace *ks, size_t k, void *now)
{
	void *out = NULL;

	assert_true(keyspace_load_and_delete(ks, k, &out));
	assert_ptr_equal(out, now);
	assert_false(keyspace_load_and_delete(ks, k, &out));
	return NULL;
}

/* One attempt on a key that others are after too. True if it was ours. */
static bool try_compare_and_delete(const struct keyspace *ks, size_t k, void *now, void **ret_out)
{
	*ret_out = now;
	return keyspace_compare_and_delete(ks, k, now);
}

static bool try_compare_and_swap(const struct keyspace *ks, size_t k, void *now, void **ret_out)
{
	*ret_out = now;
	return keyspace_compare_and_swap(ks, k, now, (char *)now + 1) == 1;
}

/* Everybody swaps the same value in: one gets the old one. */
static bool try_swap(const struct keyspace *ks, size_t k, void *now, void **ret_out)
{
	return keyspace_swap(ks, k, (char *)now + 1, ret_out) == 1 && *ret_out == now;
}

static bool try_load_and_delete(const struct keyspace *ks, size_t k, void *now, void **ret_out)
{
	(void)now;
	return keyspace_load_and_delete(ks, k, ret_out);
}

struct act {
	const char *name;
	void *(*act)(const struct keyspace *ks, size_t k, void *now);
	bool (*attempt)(const struct keyspace *ks, size_t k, void *now, void **ret_out);
	bool deletes;
};

static const struct act acts[] = {
	{"CompareAndDelete", act_compare_and_delete, try_compare_and_delete, true},
	{"CompareAndSwap", act_compare_and_swap, try_compare_and_swap, false},
	{"Swap", act_swap, try_swap, false},
	{"LoadAndDelete", act_load_and_delete, try_load_and_delete, true},
};

/* --- the situations, one thread ------------------------------------------------------- */

/* Act on the keys of [from, to), step apart; nothing else may change. */
static void act_on_some(const struct keyspace *ks, const struct act *a, size_t from, size_t to,
			size_t step)
{
	void *now[KEYS];

	store_all(ks, 0, KEYS);
	for (size_t k = 0; k < KEYS; k++)
		now[k] = value_of(k, 0);
	for (size_t k = from; k < to; k += step) {
		now[k] = a->act(ks, k, now[k]);
		expect(ks, k, now[k]);
		expect(ks, (k + 1) % KEYS, now[(k + 1) % KEYS]);
	}
	for (size_t k = 0; k < KEYS; k++)
		expect(ks, k, now[k]);
	/* and what was deleted can come back */
	for (size_t k = from; k < to; k += step)
		if (!now[k])
			store_all(ks, k, k + 1);
}

static void in_all(const struct keyspace *ks, void *arg)
{
	act_on_some(ks, arg, 0, KEYS, 1);
}

static void in_one(const struct keyspace *ks, void *arg)
{
	act_on_some(ks, arg, 15, 16, 1);
}

static void in_multiple(const struct keyspace *ks, void *arg)
{
	act_on_some(ks, arg, 3, 60, 7);
}

struct iteration {
	const struct keyspace *ks;
	const struct act *act;
	unsigned char met[KEYS];
	void *after[KEYS];
};

static bool act_inside_range(size_t k, void *value, void *ctx)
{
	struct iteration *it = ctx;

	assert_true(k < KEYS);
	assert_int_equal(it->met[k]++, 0);
	assert_ptr_equal(value, value_of(k, 0));
	it->after[k] = it->act->act(it->ks, k, value);
	return true;
}

static void in_iterate(const struct keyspace *ks, void *arg)
{
	struct iteration it = {.ks = ks, .act = arg};

	store_all(ks, 0, KEYS);
	keyspace_range(ks, act_inside_range, &it);
	for (size_t k = 0; k < KEYS; k++) {
		assert_int_equal(it.met[k], 1);
		expect(ks, k, it.after[k]);
	}
}

/* --- the situations, several threads ----------------------------------------------------- */

struct crowd {
	const struct keyspace *ks;
	const struct act *act;
	bool with_delete;
	pthread_barrier_t start;
	atomic_uint ids, wins[KEYS];
	atomic_uint failures; /* cmocka's asserts belong to the main thread */
};

static void run_crowd(struct crowd *c, void *(*fn)(void *))
{
	pthread_t threads[THREADS];

	assert_int_equal(pthread_barrier_init(&c->start, NULL, THREADS), 0);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, fn, c), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	pthread_barrier_destroy(&c->start);
	assert_int_equal(c->failures, 0);
}

static bool one_turn(const struct crowd *c, size_t k, unsigned turn)
{
	void *now = value_of(k, turn), *out = NULL;
	bool ok = !keyspace_store(c->ks, k, now) && get(c->ks, k) == now;

	ok &= c->act->attempt(c->ks, k, now, &out) && out == now;
	ok &= get(c->ks, k) == (c->act->deletes ? NULL : (char *)now + 1);
	if (c->with_delete)
		ok &= keyspace_delete(c->ks, k) != c->act->deletes && !get(c->ks, k);
	return ok;
}

/* Keys of one's own: as if alone, whatever the others do to the structure. */
static void *on_own_keys(void *arg)
{
	struct crowd *c = arg;
	size_t id = atomic_fetch_add(&c->ids, 1);

	pthread_barrier_wait(&c->start);
	for (unsigned turn = 0; turn < TURNS; turn++)
		for (size_t i = 0; i < KEYS; i++)
			c->failures += !one_turn(c, i * THREADS + id, 2 * turn);
	return NULL;
}

static void in_unshared(const struct keyspace *ks, void *arg)
{
	struct crowd c = {.ks = ks, .act = arg};

	run_crowd(&c, on_own_keys);
}

static void in_unshared_with_delete(const struct keyspace *ks, void *arg)
{
	struct crowd c = {.ks = ks, .act = arg, .with_delete = true};

	run_crowd(&c, on_own_keys);
	assert_int_equal(smap_len(ks->map), 0);
}

static void *on_shared_keys(void *arg)
{
	struct crowd *c = arg;

	pthread_barrier_wait(&c->start);
	for (size_t k = 0; k < KEYS; k++) {
		void *out = NULL;

		if (!c->act->attempt(c->ks, k, value_of(k, 0), &out))
			continue;
		c->failures += out != value_of(k, 0);
		atomic_fetch_add(&c->wins[k], 1);
	}
	return NULL;
}

/* The same keys for all: one winner each. */
static void in_shared(const struct keyspace *ks, void *arg)
{
	struct crowd c = {.ks = ks, .act = arg};

	store_all(ks, 0, KEYS);
	run_crowd(&c, on_shared_keys);
	for (size_t k = 0; k < KEYS; k++) {
		assert_int_equal(c.wins[k], 1);
		expect(ks, k, c.act->deletes ? NULL : value_of(k, 1));
	}
}

static const struct situation {
	const char *name;
	map_test test;
} situations[] = {
	{"All", in_all},
	{"One", in_one},
	{"Multiple", in_multiple},
	{"Iterate", in_iterate},
	{"ConcurrentUnsharedKeys", in_unshared},
	{"ConcurrentUnsharedKeysWithDelete", in_unshared_with_delete},
	{"ConcurrentSharedKeys", in_shared},
};

#define N_ACTS (sizeof(acts) / sizeof(*acts))
#define N_SITUATIONS (sizeof(situations) / sizeof(*situations))

struct pair {
	const struct act *act;
	const struct situation *situation;
	char name[64];
};

static void test_pair(void **state)
{
	const struct pair *p = *state;

	on_every_map(p->situation->test, (void *)p->act);
}

/* --- the rest of the trie's tests ------------------------------------------------------- */

static void load_empty(const struct keyspace *ks, void *arg)
{
	(void)arg;
	for (size_t k = 0; k < KEYS; k++)
		expect(ks, k, NULL);
}

static void test_LoadEmpty(void **state)
{
	(void)state;
	on_every_map(load_empty, NULL);
}

static void load_or_store(const struct keyspace *ks, void *arg)
{
	void *actual;

	(void)arg;
	for (size_t k = 0; k < KEYS; k++) {
		expect(ks, k, NULL);
		store_all(ks, k, k + 1);
		expect(ks, k, value_of(k, 0));
		assert_int_equal(keyspace_load_or_store(ks, k, value_of(k, 1), &actual), 1);
		assert_ptr_equal(actual, value_of(k, 0));
	}
	for (size_t k = 0; k < KEYS; k++)
		expect(ks, k, value_of(k, 0));
}

static void test_LoadOrStore(void **state)
{
	(void)state;
	on_every_map(load_or_store, NULL);
}

static bool meet(size_t k, void *value, void *ctx)
{
	struct iteration *it = ctx;

	assert_true(k < KEYS);
	assert_ptr_equal(value, value_of(k, 0));
	return !it->met[k]++;
}

static void all(const struct keyspace *ks, void *arg)
{
	struct iteration it = {.ks = ks};

	(void)arg;
	store_all(ks, 0, KEYS);
	keyspace_range(ks, meet, &it);
	for (size_t k = 0; k < KEYS; k++)
		assert_int_equal(it.met[k], 1);
}

static void test_All(void **state)
{
	(void)state;
	on_every_map(all, NULL);
}

#include "test_smap_go_map.h"

int main(void)
{
	static struct pair pairs[N_ACTS * N_SITUATIONS];
	const struct CMUnitTest others[] = {
		cmocka_unit_test(test_LoadEmpty),
		cmocka_unit_test(test_LoadOrStore),
		cmocka_unit_test(test_All),
		cmocka_unit_test(test_Issue40999_values_of_deleted_keys_are_freed),
		cmocka_unit_test(test_MapRangeNestedCall),
		cmocka_unit_test(test_CompareAndSwap_NonExistingKey),
		cmocka_unit_test(test_MapRangeNoAllocations),
		cmocka_unit_test(test_MapDelete),
		cmocka_unit_test(test_MapClear),
	};
	struct CMUnitTest tests[N_ACTS * N_SITUATIONS];

	for (size_t i = 0; i < N_ACTS * N_SITUATIONS; i++) {
		struct pair *p = &pairs[i];

		*p = (struct pair){&acts[i / N_SITUATIONS], &situations[i % N_SITUATIONS], ""};
		snprintf(p->name, sizeof(p->name), "%s/%s", p->act->name, p->situation->name);
		tests[i] = (struct CMUnitTest){
			.name = p->name, .test_func = test_pair, .initial_state = p};
	}
	return cmocka_run_group_tests(tests, NULL, NULL) +
	       cmocka_run_group_tests(others, NULL, NULL);
}
