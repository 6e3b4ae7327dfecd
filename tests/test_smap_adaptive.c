/* SPDX-License-Identifier: MIT */
/*
 * test_smap_adaptive.c - the policies that measure: what holds whatever they measured.
 *
 * Times differ from run to run, so the tests hold on to bounds: a threshold is never
 * above Go's for `cost`, between half and twice Go's for `rw-ratio`, never 0; and
 * results are those of any map.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include "smap_internal.h"

static struct smap *make(uint32_t policy)
{
	const struct smap_options opts = {.size = sizeof(opts),
					  .name = "adaptive",
					  .key_kind = SMAP_KEY_U64,
					  .policy = policy};
	struct smap *map;

	assert_int_equal(smap_create(&map, &opts), 0);
	return map;
}

static struct smap_state look(struct smap *map)
{
	struct smap_state state;

	smap_inspect(map, &state);
	return state;
}

/* New keys, misses on them, promotions, deletes: rounds of what moves a threshold. */
static void work(struct smap *map, void (*check)(const struct smap_state *))
{
	struct smap_state state;
	uint64_t next = 0;
	void *value;

	for (unsigned round = 0; round < 200; round++) {
		for (unsigned i = 0; i < 50; i++, next++)
			assert_int_equal(smap_store_u64(map, next, map), 0);
		for (uint64_t key = next - 50; key < next; key++)
			assert_true(smap_load_u64(map, key, &value));
		for (unsigned i = 0; i < 100; i++)
			assert_false(smap_load_u64(map, UINT64_MAX - i, &value));
		assert_true(smap_delete_u64(map, next - 1 - round % 50));
		state = look(map);
		check(&state);
	}
	assert_int_equal(smap_len(map), next - 200);
}

static void check_cost(const struct smap_state *state)
{
	uint64_t go = state->dirty_len ? state->dirty_len : 1;

	assert_in_range(state->threshold, 1, go);
	assert_true(state->miss_count < state->threshold || !state->amended);
}

static void test_cost_is_never_later_than_go(void **state)
{
	struct smap *map = make(SMAP_POLICY_COST), *go = make(SMAP_POLICY_GO);
	void *value;

	(void)state;
	work(map, check_cost);
	assert_true(look(map).counters.promotions > 0);
	smap_destroy(map);

	/* Misses without end: both promote, cost not after Go. */
	map = make(SMAP_POLICY_COST);
	for (uint64_t key = 0; key < 5000; key++) {
		assert_int_equal(smap_store_u64(map, key, map), 0);
		assert_int_equal(smap_store_u64(go, key, map), 0);
	}
	for (uint64_t key = 0; look(go).counters.promotions == 0; key++) {
		(void)smap_load_u64(map, key % 5000, &value);
		(void)smap_load_u64(go, key % 5000, &value);
	}
	assert_true(look(map).counters.promotions >= 1);
	smap_destroy(map);
	smap_destroy(go);
}

/* What the policy makes of figures that the test brings. */
static void test_cost_weighs_rebuilds_against_misses(void **state)
{
	struct smap *map = make(SMAP_POLICY_COST);
	uint64_t threshold;

	(void)state;
	for (uint64_t key = 0; key < 100000; key++)
		assert_int_equal(smap_store_u64(map, key, map), 0);
	for (unsigned i = 0; i < 1000; i++)
		smap_policy_missed(map, 100);
	smap_policy_rebuilt(map, 100000); /* as much as 1,000 misses; readers pay it once more */
	threshold = smap_policy_threshold(map);
	assert_in_range(threshold, 1700, 2300);

	/* One that waited for a rebuild, say. */
	smap_policy_missed(map, 100000000);
	assert_in_range(smap_policy_threshold(map), threshold * 3 / 4, threshold);

	/* All of them: then it is what misses cost. */
	for (unsigned i = 0; i < 1000; i++)
		smap_policy_missed(map, 10000);
	assert_in_range(smap_policy_threshold(map), 17, 23);
	smap_destroy(map);
}

static void test_cost_measures_one_miss_in_sixteen(void **state)
{
	struct smap *map = make(SMAP_POLICY_COST);
	const uint64_t absurd = UINT32_MAX; /* so that any measurement brings it down */
	void *value;

	(void)state;
	for (uint64_t key = 0; key < 100000; key++)
		assert_int_equal(smap_store_u64(map, key, map), 0);
	smap_policy_rebuilt(map, UINT32_MAX);
	for (uint64_t i = 0; i < 4 * SMAP_MEASURED_MISSES; i++) {
		map->policy.miss_ns = absurd;
		assert_true(smap_load_u64(map, i, &value));
		assert_int_equal(look(map).miss_count, i + 1);
		if (!smap_listening_miss()) /* who traces all programs of the machine measures all */
			assert_int_equal(map->policy.miss_ns < absurd,
					 i % SMAP_MEASURED_MISSES == 0);
	}
	smap_destroy(map);
}

static void check_rw_ratio(const struct smap_state *state)
{
	uint64_t d = state->dirty_len;

	assert_in_range(state->threshold, d / 2 ? d / 2 : 1, 2 * d + 1);
}

static void test_rw_ratio_stays_within_half_and_twice(void **state)
{
	struct smap *map = make(SMAP_POLICY_RW_RATIO);

	(void)state;
	work(map, check_rw_ratio);
	smap_destroy(map);
}

static void test_estimate(void **state)
{
	(void)state;
	assert_int_equal(smap_estimate_initial_dirty(8500, 128), 272); /* the article's example */
	assert_int_equal(smap_estimate_initial_dirty(0, 0), 16);
	assert_int_equal(smap_estimate_initial_dirty(1, 4096 * 16), 16);
	assert_int_equal(smap_estimate_initial_dirty(1, 4096 * 16 + 1), 32);
	assert_int_equal(smap_estimate_initial_dirty(UINT64_MAX, 2) % 16, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cost_is_never_later_than_go),
		cmocka_unit_test(test_cost_weighs_rebuilds_against_misses),
		cmocka_unit_test(test_cost_measures_one_miss_in_sixteen),
		cmocka_unit_test(test_rw_ratio_stays_within_half_and_twice),
		cmocka_unit_test(test_estimate),
	};

	return cmocka_run_group_tests_name("smap_adaptive", tests, NULL, NULL);
}
