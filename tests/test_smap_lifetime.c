/* SPDX-License-Identifier: MIT */
/*
 * test_smap_lifetime.c - how long values, keys and addresses live: races R6 to R8
 * and R11 to R14, each test named after its number (R1 to R5: test_smap_race.c).
 *
 * All of them are forced: the section that holds a value, the Range callback and
 * the reclaimer are ours to time. That no access meets freed memory is seen by
 * stress_reclaim.c under ASan; here the addresses and contents are looked at.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "promote.h"
#include "smap.h"
#include "until.h"

static char objects[8];
#define A ((void *)&objects[1])
#define B ((void *)&objects[2])

static struct smap *create(void (*value_free)(void *, void *), void *ctx)
{
	struct smap_options opts = {.size = sizeof(opts),
				    .key_kind = SMAP_KEY_U64,
				    .value_free = value_free,
				    .ctx = ctx};
	struct smap *map = NULL;

	assert_int_equal(smap_create(&map, &opts), 0);
	return map;
}

/* --- R6, R7: in a section, a value is neither freed nor its address used again --- */

static void poison(void *value, void *ctx)
{
	(void)ctx;
	memset(value, 0xdd, 32);
	free(value);
}

static void *fresh(unsigned char fill)
{
	void *value = malloc(32);

	assert_non_null(value);
	return memset(value, fill, 32);
}

static void churn(struct smap *map)
{
	uint64_t runs = smap_registry.reclaimer_runs;
	struct until u = until_begin();

	for (uint64_t k = 0; k < 3000; k++)
		assert_int_equal(smap_store_u64(map, 100 + k % 1500, fresh(2)), 0);
	promote(map);
	for (int i = 0; i < 20 && smap_registry.reclaimer_runs - runs < 2; i++)
		until_again(&u);
}

static void test_R6_a_value_outlives_promotion_and_growth(void **state)
{
	struct smap *map = create(poison, NULL);
	unsigned char *value, *removed = NULL;

	(void)state;
	assert_int_equal(smap_store_u64(map, 1, fresh(1)), 0);
	smap_read_lock();
	value = get(map, 1);
	assert_true(smap_load_and_delete_u64(map, 1, (void **)&removed));
	assert_ptr_equal(value, removed);
	churn(map);
	for (int i = 0; i < 32; i++)
		assert_int_equal(value[i], 1);
	smap_read_unlock();
	smap_destroy(map);
}

static void test_R7_compare_does_not_meet_a_reused_address(void **state)
{
	struct smap *map = create(poison, NULL);
	void *old, *mine = fresh(3);

	(void)state;
	assert_int_equal(smap_store_u64(map, 1, fresh(1)), 0);
	smap_read_lock();
	old = get(map, 1);
	assert_true(smap_delete_u64(map, 1));
	for (int i = 0; i < 1000; i++) {
		void *other = fresh(4);

		assert_ptr_not_equal(other, old); /* it is not free yet */
		assert_int_equal(smap_store_u64(map, 1, other), 0);
	}
	churn(map);
	assert_int_equal(smap_compare_and_swap_u64(map, 1, old, mine), 0);
	assert_false(smap_compare_and_delete_u64(map, 1, old));
	smap_read_unlock();
	free(mine);
	smap_destroy(map);
}

/* --- R8: no operation waits for readers, the caller being one --- */

static bool change_everything(uint64_t key, void *value, void *ctx)
{
	struct smap *map = ctx, *other = create(poison, NULL);

	(void)value;
	churn(map);
	assert_int_equal(smap_clear(map), 0);
	assert_int_equal(smap_store_u64(map, key, fresh(1)), 0);
	assert_int_equal(smap_store_u64(other, key, fresh(1)), 0);
	smap_destroy(other);
	return true;
}

static void test_R8_nothing_waits_inside_a_section(void **state)
{
	struct smap *map = create(poison, NULL);

	(void)state;
	for (uint64_t k = 0; k < 5; k++)
		assert_int_equal(smap_store_u64(map, k, fresh(1)), 0);
	smap_read_lock();
	smap_range_u64(map, change_everything, map); /* the alarm rings if it waits */
	smap_read_unlock();
	smap_destroy(map);
}

/* --- R11: a delete that removes nothing is no write --- */

static void test_R11_deleting_an_absent_key_writes_nothing(void **state)
{
	struct smap *map = create(NULL, NULL);
	struct smap_state before, after;

	(void)state;
	assert_int_equal(smap_store_u64(map, 1, A), 0);
	promote(map);
	assert_true(smap_delete_u64(map, 1));
	smap_inspect(map, &before);
	assert_false(smap_delete_u64(map, 1));
	assert_false(smap_delete_u64(map, 2));
	assert_false(smap_compare_and_delete_u64(map, 2, A));
	smap_inspect(map, &after);
	assert_memory_equal(&before.epoch, &after.epoch,
			    offsetof(struct smap_state, oldest_retired_ns) -
				    offsetof(struct smap_state, epoch));
	assert_int_equal(smap_len(map), 0);
	smap_destroy(map);
}

/* --- R12: absent, deleted and NULL are told apart --- */

static void test_R12_null_is_refused_and_any_other_word_is_a_value(void **state)
{
	struct smap *map = create(NULL, NULL);
	void *actual = A;

	(void)state;
	assert_int_equal(smap_store_u64(map, 1, NULL), -EINVAL);
	for (uintptr_t word = 1; word < 300; word++) {
		for (int high = 0; high < 2; high++) {
			void *value = (void *)(high ? 0 - word : word);

			assert_int_equal(smap_store_u64(map, 1, value), 0);
			assert_ptr_equal(get(map, 1), value);
			promote(map);
			assert_ptr_equal(get(map, 1), value);
			assert_true(smap_delete_u64(map, 1));
			assert_null(get(map, 1));
			assert_int_equal(smap_load_or_store_u64(map, 1, value, &actual), 0);
			assert_int_equal(smap_load_or_store_u64(map, 1, A, &actual), 1);
			assert_ptr_equal(actual, value);
		}
	}
	smap_destroy(map);
}

/* --- R13: callbacks may call anything on the same map --- */

static bool call_everything(uint64_t key, void *value, void *ctx)
{
	struct smap *map = ctx;
	struct smap_state st;
	void *got;

	(void)value;
	smap_load_u64(map, key, &got);
	smap_store_u64(map, key + 100, A);
	smap_swap_u64(map, key, B, &got);
	smap_load_or_store_u64(map, key + 200, A, &got);
	smap_compare_and_swap_u64(map, key, B, A);
	smap_compare_and_delete_u64(map, key + 100, A);
	smap_load_and_delete_u64(map, key + 200, &got);
	smap_inspect(map, &st);
	smap_load_many_u64(map, &key, 1, &got);
	promote(map);
	return smap_len(map) != 0;
}

static void test_R13_callbacks_may_call_anything(void **state)
{
	struct smap *map = create(NULL, NULL);

	(void)state;
	for (uint64_t k = 0; k < 10; k++)
		assert_int_equal(smap_store_u64(map, k, A), 0);
	smap_range_u64(map, call_everything, map);
	for (uint64_t k = 0; k < 10; k++)
		assert_ptr_equal(get(map, k), A);
	assert_int_equal(smap_len(map), 10);
	smap_destroy(map);
}

/* --- R14: what was deleted gives its memory back (Go issue 40999) --- */

static void count_freed(void *value, void *ctx)
{
	(void)value;
	atomic_fetch_add((atomic_uint *)ctx, 1);
}

/* New keys that are deleted at once, and no read: each delete counts a miss. */
static void test_R14_store_and_delete_for_ever_holds_no_memory(void **state)
{
	atomic_uint freed = 0;
	struct smap *map = create(count_freed, &freed);
	struct smap_state early, late;

	(void)state;
	for (uint64_t k = 0; k < 200000; k++) {
		assert_int_equal(smap_store_u64(map, k, A), 0);
		assert_true(smap_delete_u64(map, k));
		if (k == 20000)
			smap_inspect(map, &early);
	}
	smap_inspect(map, &late);
	assert_true(late.read_len + late.dirty_len <= 2);
	assert_true(late.table_bytes <= 2 * early.table_bytes);
	for (struct until u = until_begin(); freed < 200000 && until_again(&u);)
		;
	assert_int_equal(freed, 200000);
	smap_destroy(map);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_R6_a_value_outlives_promotion_and_growth),
		cmocka_unit_test(test_R7_compare_does_not_meet_a_reused_address),
		cmocka_unit_test(test_R8_nothing_waits_inside_a_section),
		cmocka_unit_test(test_R11_deleting_an_absent_key_writes_nothing),
		cmocka_unit_test(test_R12_null_is_refused_and_any_other_word_is_a_value),
		cmocka_unit_test(test_R13_callbacks_may_call_anything),
		cmocka_unit_test(test_R14_store_and_delete_for_ever_holds_no_memory),
	};

	alarm(120); /* a deadlock must not hang the suite */
	return cmocka_run_group_tests_name("smap_lifetime", tests, NULL, NULL);
}
