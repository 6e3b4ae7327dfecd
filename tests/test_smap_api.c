/* SPDX-License-Identifier: MIT */
/*
 * test_smap_api.c - every public function: what it returns, what it refuses.
 *
 * One table row per kind of key where both twins must behave alike (keyspace.h);
 * options, names and the wrong twin are tried by hand. What the operations mean
 * to each other is test_smap_model.c, what leaves a map test_smap_free.c.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>

#include "keyspace.h"

static char objects[16];
#define A ((void *)&objects[1]) /* odd, as values may be */
#define B ((void *)&objects[2])
#define UNTOUCHED ((void *)&objects[15])

static struct smap *create(const struct smap_options *opts)
{
	struct smap *map = NULL;

	assert_int_equal(smap_create(&map, opts), 0);
	assert_non_null(map);
	return map;
}

static struct keyspace create_kind(bool u64)
{
	struct smap_options opts = {.size = sizeof(opts),
				    .key_kind = u64 ? SMAP_KEY_U64 : SMAP_KEY_BYTES};

	return (struct keyspace){.map = create(&opts), .u64 = u64};
}

static void for_both_kinds(void (*test)(const struct keyspace *ks))
{
	for (int u64 = 0; u64 < 2; u64++) {
		struct keyspace ks = create_kind(u64);

		test(&ks);
		smap_destroy(ks.map);
	}
}

/* --- results --- */

static void has_value(const struct keyspace *ks, size_t key, void *want)
{
	void *got = UNTOUCHED;

	assert_int_equal(keyspace_load(ks, key, &got), want != NULL);
	if (want)
		assert_ptr_equal(got, want);
}

static void check_store_load(const struct keyspace *ks)
{
	for (size_t i = 0; i < 100; i++)
		has_value(ks, i, NULL);
	for (size_t i = 0; i < 100; i++)
		assert_int_equal(keyspace_store(ks, i, &objects[i % 7]), 0);
	for (size_t i = 0; i < 100; i++)
		has_value(ks, i, &objects[i % 7]);
	assert_int_equal(keyspace_store(ks, 5, B), 0);
	has_value(ks, 5, B);
}

static void test_store_load(void **state)
{
	(void)state;
	for_both_kinds(check_store_load);
}

static void check_swap(const struct keyspace *ks)
{
	void *previous = UNTOUCHED;

	assert_int_equal(keyspace_swap(ks, 1, A, &previous), 0);
	assert_null(previous);
	assert_int_equal(keyspace_swap(ks, 1, B, &previous), 1);
	assert_ptr_equal(previous, A);
	assert_int_equal(keyspace_swap(ks, 1, A, NULL), 1);
	has_value(ks, 1, A);
	assert_true(keyspace_delete(ks, 1));
	assert_int_equal(keyspace_swap(ks, 1, B, NULL), 0);
	has_value(ks, 1, B);
}

static void test_swap(void **state)
{
	(void)state;
	for_both_kinds(check_swap);
}

static void check_load_or_store(const struct keyspace *ks)
{
	void *actual = UNTOUCHED;

	assert_int_equal(keyspace_load_or_store(ks, 1, A, &actual), 0);
	assert_ptr_equal(actual, A);
	assert_int_equal(keyspace_load_or_store(ks, 1, B, &actual), 1);
	assert_ptr_equal(actual, A);
	has_value(ks, 1, A);
}

static void test_load_or_store(void **state)
{
	(void)state;
	for_both_kinds(check_load_or_store);
}

static void check_delete(const struct keyspace *ks)
{
	void *value = UNTOUCHED;

	assert_false(keyspace_delete(ks, 1));
	assert_false(keyspace_load_and_delete(ks, 1, &value));
	assert_int_equal(keyspace_store(ks, 1, A), 0);
	assert_true(keyspace_load_and_delete(ks, 1, &value));
	assert_ptr_equal(value, A);
	has_value(ks, 1, NULL);
	assert_int_equal(keyspace_store(ks, 1, B), 0);
	assert_true(keyspace_load_and_delete(ks, 1, NULL));
	assert_false(keyspace_load_and_delete(ks, 1, NULL));
	assert_int_equal(keyspace_store(ks, 1, B), 0);
	assert_true(keyspace_delete(ks, 1));
	assert_false(keyspace_delete(ks, 1));
}

static void test_delete(void **state)
{
	(void)state;
	for_both_kinds(check_delete);
}

static void check_compare(const struct keyspace *ks)
{
	assert_int_equal(keyspace_compare_and_swap(ks, 1, A, B), 0);
	assert_false(keyspace_compare_and_delete(ks, 1, A));
	assert_int_equal(keyspace_store(ks, 1, A), 0);
	assert_int_equal(keyspace_compare_and_swap(ks, 1, B, A), 0);
	assert_int_equal(keyspace_compare_and_swap(ks, 1, A, B), 1);
	has_value(ks, 1, B);
	assert_int_equal(keyspace_compare_and_swap(ks, 1, B, B), 1);
	assert_false(keyspace_compare_and_delete(ks, 1, A));
	has_value(ks, 1, B);
	assert_true(keyspace_compare_and_delete(ks, 1, B));
	assert_false(keyspace_compare_and_delete(ks, 1, B));
	assert_int_equal(keyspace_compare_and_swap(ks, 1, B, A), 0);
	has_value(ks, 1, NULL);
}

static void test_compare_and_swap_and_delete(void **state)
{
	(void)state;
	for_both_kinds(check_compare);
}

static bool count_until_three(size_t i, void *value, void *ctx)
{
	unsigned *n = ctx;

	(void)i;
	assert_ptr_equal(value, A);
	return ++*n < 3;
}

static bool count_all(size_t i, void *value, void *ctx)
{
	unsigned *n = ctx;

	(void)value;
	assert_true(i < 100);
	++*n;
	return true;
}

static void check_range_clear_len(const struct keyspace *ks)
{
	unsigned n = 0;

	assert_int_equal(smap_len(ks->map), 0);
	assert_int_equal(smap_clear(ks->map), 0);
	keyspace_range(ks, count_all, &n);
	assert_int_equal(n, 0);
	for (size_t i = 0; i < 100; i++)
		assert_int_equal(keyspace_store(ks, i, A), 0);
	assert_int_equal(smap_len(ks->map), 100);
	keyspace_range(ks, count_until_three, &n);
	assert_int_equal(n, 3);
	n = 0;
	keyspace_range(ks, count_all, &n);
	assert_int_equal(n, 100);
	assert_true(keyspace_delete(ks, 7));
	assert_int_equal(smap_len(ks->map), 99);
	assert_int_equal(smap_clear(ks->map), 0);
	assert_int_equal(smap_len(ks->map), 0);
	for (size_t i = 0; i < 100; i++)
		has_value(ks, i, NULL);
	assert_int_equal(keyspace_store(ks, 3, A), 0);
	has_value(ks, 3, A);
}

static void test_range_clear_len(void **state)
{
	(void)state;
	for_both_kinds(check_range_clear_len);
}

static void test_load_many(void **state)
{
	struct keyspace ks = create_kind(true);
	uint64_t keys[300];
	void *values[300];

	(void)state;
	assert_int_equal(smap_load_many_u64(ks.map, keys, 0, values), 0);
	for (uint64_t i = 0; i < 300; i++) {
		keys[i] = i * 3 % 300; /* some twice, in no order */
		values[i] = UNTOUCHED;
		if (i % 2)
			assert_int_equal(smap_store_u64(ks.map, i, &objects[i % 8]), 0);
	}
	/* From dirty, with misses counted as by single loads; from read; from a large table. */
	for (int pass = 0; pass < 3; pass++) {
		size_t found = 0, ret = smap_load_many_u64(ks.map, keys, 300, values);

		for (uint64_t i = 0; i < 300; i++) {
			assert_ptr_equal(values[i], keys[i] % 2 ? &objects[keys[i] % 8] : NULL);
			found += values[i] != NULL;
			values[i] = UNTOUCHED;
		}
		assert_int_equal(ret, found);
		for (uint64_t i = 1000; pass == 1 && i < 40000; i++)
			assert_int_equal(smap_store_u64(ks.map, i, objects), 0);
	}
	smap_destroy(ks.map);
}

/* Misses of load_many are those of as many loads. */
static void test_load_many_counts_as_loads(void **state)
{
	struct keyspace one = create_kind(true), many = create_kind(true);
	uint64_t keys[50];
	void *values[50];
	struct smap_state a, b;

	(void)state;
	for (uint64_t i = 0; i < 50; i++) {
		keys[i] = i * 2;
		assert_int_equal(smap_store_u64(one.map, i, A), 0);
		assert_int_equal(smap_store_u64(many.map, i, A), 0);
	}
	for (int i = 0; i < 49; i++)
		smap_load_u64(one.map, keys[i], values);
	smap_load_many_u64(many.map, keys, 49, values);
	smap_inspect(one.map, &a);
	smap_inspect(many.map, &b);
	assert_int_equal(a.counters.misses, 49);
	assert_int_equal(b.counters.misses, 49);
	assert_int_equal(a.miss_count, b.miss_count);
	assert_int_equal(a.counters.promotions, b.counters.promotions);
	smap_destroy(one.map);
	smap_destroy(many.map);
}

/* --- values and keys --- */

static void check_odd_values(const struct keyspace *ks)
{
	static void *const values[] = {(void *)1,  (void *)2,  (void *)3,
				       (void *)4,  (void *)7,  (void *)-1,
				       (void *)-2, (void *)-3, (void *)-4,
				       A,	   B,	       (void *)0x8000000000000000};
	size_t n = sizeof(values) / sizeof(*values);

	for (size_t i = 0; i < n; i++) {
		void *got = UNTOUCHED;

		assert_int_equal(keyspace_store(ks, 1, values[i]), 0);
		has_value(ks, 1, values[i]);
		assert_int_equal(keyspace_compare_and_swap(ks, 1, values[i], values[(i + 1) % n]),
				 1);
		assert_int_equal(keyspace_swap(ks, 1, values[i], &got), 1);
		assert_ptr_equal(got, values[(i + 1) % n]);
		assert_true(keyspace_compare_and_delete(ks, 1, values[i]));
		has_value(ks, 1, NULL);
		assert_int_equal(keyspace_load_or_store(ks, 1, values[i], &got), 0);
		assert_ptr_equal(got, values[i]);
		assert_true(keyspace_load_and_delete(ks, 1, &got));
		assert_ptr_equal(got, values[i]);
	}
}

static bool is_value(const void *key, size_t len, void *value, void *want)
{
	(void)key, (void)len;
	assert_ptr_equal(value, want);
	return true;
}

static bool is_value_u64(uint64_t key, void *value, void *want)
{
	return is_value(&key, sizeof(key), value, want);
}

/* Where loads are compiled in, marks are told from values otherwise than elsewhere. */
static void check_odd_values_in_read(const struct keyspace *ks)
{
	for (size_t i = 0; i < 128; i++) {
		uintptr_t word = ((uintptr_t)1 << i / 2) - i % 2;
		void *value = (void *)(word ? word : UINTPTR_MAX), *got = UNTOUCHED;
		struct smap_snapshot *snapshot;

		assert_int_equal(keyspace_store(ks, 1, value), 0);
		smap_range(ks->map, is_value, value); /* promotes; one of the two does nothing */
		smap_range_u64(ks->map, is_value_u64, value);
		has_value(ks, 1, value);
		assert_int_equal(
			smap_load_many_u64(ks->map, (uint64_t[]){keyspace_u64(1)}, 1, &got),
			ks->u64);
		assert_ptr_equal(got, ks->u64 ? value : NULL);
		assert_int_equal(smap_snapshot(ks->map, &snapshot, NULL), 0);
		assert_int_equal(smap_snapshot_len(snapshot), 1);
		smap_snapshot_range(snapshot, is_value, value);
		smap_snapshot_range_u64(snapshot, is_value_u64, value);
		smap_snapshot_unref(snapshot);
	}
}

static void test_any_word_but_null_is_a_value(void **state)
{
	(void)state;
	for_both_kinds(check_odd_values);
	for_both_kinds(check_odd_values_in_read);
}

static void check_null_values(const struct keyspace *ks)
{
	void *got = UNTOUCHED;

	for (int present = 0; present < 2; present++) {
		assert_int_equal(keyspace_store(ks, 1, NULL), -EINVAL);
		assert_int_equal(keyspace_swap(ks, 1, NULL, &got), -EINVAL);
		assert_int_equal(keyspace_load_or_store(ks, 1, NULL, &got), -EINVAL);
		assert_int_equal(keyspace_compare_and_swap(ks, 1, A, NULL), -EINVAL);
		/* Nothing can hold NULL; that must not be taken for "absent" either. */
		assert_true(keyspace_compare_and_swap(ks, 1, NULL, B) <= 0);
		assert_false(keyspace_compare_and_delete(ks, 1, NULL));
		assert_ptr_equal(got, UNTOUCHED);
		has_value(ks, 1, present ? A : NULL);
		assert_int_equal(keyspace_store(ks, 1, A), 0);
	}
}

static void test_null_is_no_value(void **state)
{
	(void)state;
	for_both_kinds(check_null_values);
}

static void test_wrong_twin_is_refused_on_u64_map(void **state)
{
	struct keyspace ks = create_kind(true);
	void *got = UNTOUCHED;

	(void)state;
	assert_int_equal(smap_store(ks.map, "k", 1, A), -EINVAL);
	assert_int_equal(smap_swap(ks.map, "k", 1, A, &got), -EINVAL);
	assert_int_equal(smap_load_or_store(ks.map, "k", 1, A, &got), -EINVAL);
	assert_int_equal(smap_compare_and_swap(ks.map, "k", 1, A, B), -EINVAL);
	assert_false(smap_load(ks.map, "k", 1, &got));
	assert_false(smap_load_and_delete(ks.map, "k", 1, &got));
	assert_false(smap_delete(ks.map, "k", 1));
	assert_false(smap_compare_and_delete(ks.map, "k", 1, A));
	assert_ptr_equal(got, UNTOUCHED);
	assert_int_equal(smap_len(ks.map), 0);
	smap_destroy(ks.map);
}

static void test_wrong_twin_is_refused_on_bytes_map(void **state)
{
	struct keyspace ks = create_kind(false);
	uint64_t key = 1;
	void *got = UNTOUCHED;

	(void)state;
	assert_int_equal(smap_store_u64(ks.map, 1, A), -EINVAL);
	assert_int_equal(smap_swap_u64(ks.map, 1, A, &got), -EINVAL);
	assert_int_equal(smap_load_or_store_u64(ks.map, 1, A, &got), -EINVAL);
	assert_int_equal(smap_compare_and_swap_u64(ks.map, 1, A, B), -EINVAL);
	assert_false(smap_load_u64(ks.map, 1, &got));
	assert_false(smap_load_and_delete_u64(ks.map, 1, &got));
	assert_false(smap_delete_u64(ks.map, 1));
	assert_false(smap_compare_and_delete_u64(ks.map, 1, A));
	assert_ptr_equal(got, UNTOUCHED);
	assert_int_equal(smap_load_many_u64(ks.map, &key, 1, &got), 0);
	assert_int_equal(smap_len(ks.map), 0);
	smap_destroy(ks.map);
}

static bool must_not_be_called(const void *key, size_t len, void *value, void *ctx)
{
	(void)key;
	(void)len;
	(void)value;
	*(bool *)ctx = true;
	return true;
}

static bool must_not_be_called_u64(uint64_t key, void *value, void *ctx)
{
	(void)key;
	(void)value;
	*(bool *)ctx = true;
	return true;
}

static void test_range_of_the_wrong_twin_calls_nothing(void **state)
{
	struct keyspace u64 = create_kind(true), bytes = create_kind(false);
	bool called = false;

	(void)state;
	assert_int_equal(keyspace_store(&u64, 1, A), 0);
	assert_int_equal(keyspace_store(&bytes, 1, A), 0);
	smap_range(u64.map, must_not_be_called, &called);
	smap_range_u64(bytes.map, must_not_be_called_u64, &called);
	assert_false(called);
	smap_destroy(u64.map);
	smap_destroy(bytes.map);
}

/* The length is checked before a byte of the key is read. */
static void test_keys_beyond_the_limit_are_refused(void **state)
{
	struct keyspace ks = create_kind(false);
	size_t len = (size_t)SMAP_KEY_MAX + 1;
	void *got = UNTOUCHED;

	(void)state;
	assert_int_equal(smap_store(ks.map, "k", len, A), -EINVAL);
	assert_int_equal(smap_swap(ks.map, "k", SIZE_MAX, A, NULL), -EINVAL);
	assert_int_equal(smap_load_or_store(ks.map, "k", len, A, &got), -EINVAL);
	assert_int_equal(smap_compare_and_swap(ks.map, "k", len, A, B), -EINVAL);
	assert_false(smap_load(ks.map, "k", len, &got));
	assert_false(smap_load_and_delete(ks.map, "k", len, &got));
	assert_false(smap_delete(ks.map, "k", SIZE_MAX));
	assert_false(smap_compare_and_delete(ks.map, "k", len, A));
	smap_destroy(ks.map);
}

/* An empty key needs no bytes to point at. */
static void test_empty_key_may_be_null(void **state)
{
	struct keyspace ks = create_kind(false);
	void *got = NULL;

	(void)state;
	assert_int_equal(smap_store(ks.map, NULL, 0, A), 0);
	assert_true(smap_load(ks.map, "", 0, &got));
	assert_ptr_equal(got, A);
	assert_true(smap_delete(ks.map, NULL, 0));
	smap_destroy(ks.map);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_store_load),
		cmocka_unit_test(test_swap),
		cmocka_unit_test(test_load_or_store),
		cmocka_unit_test(test_delete),
		cmocka_unit_test(test_compare_and_swap_and_delete),
		cmocka_unit_test(test_range_clear_len),
		cmocka_unit_test(test_load_many),
		cmocka_unit_test(test_load_many_counts_as_loads),
		cmocka_unit_test(test_any_word_but_null_is_a_value),
		cmocka_unit_test(test_null_is_no_value),
		cmocka_unit_test(test_wrong_twin_is_refused_on_u64_map),
		cmocka_unit_test(test_wrong_twin_is_refused_on_bytes_map),
		cmocka_unit_test(test_range_of_the_wrong_twin_calls_nothing),
		cmocka_unit_test(test_keys_beyond_the_limit_are_refused),
		cmocka_unit_test(test_empty_key_may_be_null),
	};

	return cmocka_run_group_tests_name("smap_api", tests, NULL, NULL);
}
