/* SPDX-License-Identifier: MIT */
/*
 * test_smap_policy.c - when a promotion comes, to the very miss.
 *
 * The random strings of test_smap_model.c cover the policies; here are the
 * boundaries by hand: each policy's threshold for a known read and dirty, and the
 * 16-bit miss counter at 65535 and 65536.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "smap.h"

#define ABSENT 1000000

static bool stop_at_once(uint64_t key, void *value, void *ctx)
{
	(void)key;
	(void)value;
	(void)ctx;
	return false;
}

static struct smap *map_of_policy(uint64_t arg, uint32_t bits)
{
	struct smap_options opts = {.size = sizeof(opts),
				    .key_kind = SMAP_KEY_U64,
				    .policy = SMAP_POLICY_FIXED,
				    .policy_arg = arg,
				    .miss_counter_bits = bits};
	struct smap *map = NULL;

	assert_int_equal(smap_create(&map, &opts), 0);
	assert_int_equal(smap_store_u64(map, 1, map), 0);
	return map;
}

static struct smap_state after_misses(struct smap *map, unsigned n)
{
	struct smap_state st;
	void *value;

	while (n--)
		assert_false(smap_load_u64(map, ABSENT, &value));
	smap_inspect(map, &st);
	return st;
}

static void test_policy_names(void **state)
{
	(void)state;
	assert_string_equal(smap_policy_name(SMAP_POLICY_GO), "go");
	assert_string_equal(smap_policy_name(SMAP_POLICY_READ_LEN), "read-len");
	assert_string_equal(smap_policy_name(SMAP_POLICY_HALF_DIRTY), "half-dirty");
	assert_string_equal(smap_policy_name(SMAP_POLICY_FIXED), "fixed");
	assert_null(smap_policy_name(SMAP_POLICY_COUNT));
	assert_null(smap_policy_name(UINT32_MAX));
}

/* A read of 10 and a dirty of 14: which miss promotes? */
static void check_threshold(uint32_t policy, uint64_t arg, unsigned want)
{
	struct smap_options opts = {.size = sizeof(opts),
				    .key_kind = SMAP_KEY_U64,
				    .policy = policy,
				    .policy_arg = arg};
	struct smap *map = NULL;
	struct smap_state st;

	assert_int_equal(smap_create(&map, &opts), 0);
	for (uint64_t k = 0; k < 10; k++)
		assert_int_equal(smap_store_u64(map, k, &opts), 0);
	smap_range_u64(map, stop_at_once, NULL); /* promotes */
	for (uint64_t k = 10; k < 14; k++)
		assert_int_equal(smap_store_u64(map, k, &opts), 0);
	smap_inspect(map, &st);
	assert_int_equal(st.read_len, 10);
	assert_int_equal(st.dirty_len, 14);
	assert_int_equal(st.policy, policy);
	assert_int_equal(st.threshold, want);
	st = after_misses(map, want - 1);
	assert_int_equal(st.miss_count, want - 1);
	assert_int_equal(st.counters.promotions, 1);
	st = after_misses(map, 1);
	assert_int_equal(st.miss_count, 0);
	assert_int_equal(st.counters.promotions, 2);
	smap_destroy(map);
}

static void test_policy_thresholds(void **state)
{
	(void)state;
	check_threshold(SMAP_POLICY_GO, 0, 14);
	check_threshold(SMAP_POLICY_GO, 5, 14); /* the argument is FIXED's */
	check_threshold(SMAP_POLICY_READ_LEN, 0, 10);
	check_threshold(SMAP_POLICY_HALF_DIRTY, 0, 7);
	check_threshold(SMAP_POLICY_FIXED, 5, 5);
	check_threshold(SMAP_POLICY_FIXED, 0, 1);
}

static void test_estimate_of_initial_dirty(void **state)
{
	(void)state;
	assert_int_equal(smap_estimate_initial_dirty(8500, 128), 272); /* 265.6, 266 */
	assert_int_equal(smap_estimate_initial_dirty(0, 0), 16);
	assert_int_equal(smap_estimate_initial_dirty(1, 1), 16);
	assert_int_equal(smap_estimate_initial_dirty(16, 4096), 16);
	assert_int_equal(smap_estimate_initial_dirty(17, 4096), 32);
	assert_true(smap_estimate_initial_dirty(UINT64_MAX, UINT64_MAX) >= 16);
}

/* A 16-bit counter holds 65535; one more wraps it, and the wrap promotes. */
static void test_overflow_promotes_at_65536(void **state)
{
	struct smap *map = map_of_policy(UINT64_MAX, 16);
	struct smap_state st = after_misses(map, 65535);

	(void)state;
	assert_int_equal(st.miss_count, 65535);
	assert_int_equal(st.counters.promotions, 0);
	assert_int_equal(st.counters.overflows, 0);
	st = after_misses(map, 1);
	assert_int_equal(st.miss_count, 0);
	assert_int_equal(st.counters.misses, 65536);
	assert_int_equal(st.counters.promotions, 1);
	assert_int_equal(st.counters.overflows, 1);
	assert_int_equal(st.read_len, 1);
	assert_int_equal(st.amended, 0);
	smap_destroy(map);
}

/* 64 bits do not wrap there, and a threshold of 65535 is reached before the wrap. */
static void test_no_overflow_otherwise(void **state)
{
	struct smap *wide = map_of_policy(UINT64_MAX, 64), *near = map_of_policy(65535, 16);
	struct smap_state st = after_misses(wide, 65537);

	(void)state;
	assert_int_equal(st.miss_count, 65537);
	assert_int_equal(st.counters.promotions, 0);
	st = after_misses(near, 65535);
	assert_int_equal(st.counters.promotions, 1);
	assert_int_equal(st.counters.overflows, 0);
	smap_destroy(wide);
	smap_destroy(near);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_policy_names),
		cmocka_unit_test(test_policy_thresholds),
		cmocka_unit_test(test_estimate_of_initial_dirty),
		cmocka_unit_test(test_overflow_promotes_at_65536),
		cmocka_unit_test(test_no_overflow_otherwise),
	};

	return cmocka_run_group_tests_name("smap_policy", tests, NULL, NULL);
}
