/* SPDX-License-Identifier: MIT */
/*
 * test_smap_ahead.c - the memory of the next table, which is asked for before it is needed
 * (lib/smap_ahead.c). table_bytes tells when: it rises while the table stays. At which
 * key that is depends on nothing but the number of keys, so that one map tells it for all.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fault_alloc.h"
#include "promote.h"
#include "smap.h"

#define MANY 200000 /* far above the first table that is large enough */

static char object;

static struct smap *create(void)
{
	struct smap_options opts = {.size = sizeof(opts), .key_kind = SMAP_KEY_U64};
	struct smap *map = NULL;

	assert_int_equal(smap_create(&map, &opts), 0);
	return map;
}

static struct smap_state inspect(struct smap *map)
{
	struct smap_state state;

	smap_inspect(map, &state);
	return state;
}

static uint64_t fill(struct smap *map, uint64_t from, uint64_t to)
{
	for (; from < to; from++)
		assert_int_equal(smap_store_u64(map, from, &object), 0);
	return to;
}

/* Store keys until the next table is there beside the present one; how many there are then. */
static uint64_t fill_until_ahead(struct smap *map, struct smap_state *ret_before)
{
	struct smap_state now = inspect(map);

	for (uint64_t keys = 0; keys < MANY;) {
		*ret_before = now;
		keys = fill(map, keys, keys + 1);
		now = inspect(map);
		if (now.growths && now.growths == ret_before->growths &&
		    now.table_bytes > ret_before->table_bytes)
			return keys;
	}
	fail_msg("no table was made ahead");
	return 0;
}

static void assert_all_there(struct smap *map, uint64_t keys)
{
	assert_int_equal(smap_len(map), keys);
	for (uint64_t key = 0; key < keys; key++)
		assert_ptr_equal(get(map, key), &object);
}

static void test_a_large_table_has_its_successor_ahead(void **state)
{
	struct smap *map = create();
	struct smap_state before, ahead, after;
	uint64_t keys = fill_until_ahead(map, &before);

	(void)state;
	ahead = after = inspect(map);
	assert_int_equal(ahead.slots, before.slots);
	while (after.growths == ahead.growths) {
		assert_int_equal(after.table_bytes, ahead.table_bytes);
		keys = fill(map, keys, keys + 1);
		after = inspect(map);
	}
	/* What was ahead is the table now, and the old one is no longer counted. */
	assert_true(after.slots > ahead.slots);
	assert_true(after.table_bytes < ahead.table_bytes);
	assert_true(after.table_bytes > before.table_bytes);
	assert_all_there(map, keys);
	smap_destroy(map);
}

static void test_clear_drops_it(void **state)
{
	struct smap *map = create();
	struct smap_state before;
	uint64_t keys = fill_until_ahead(map, &before);

	(void)state;
	assert_int_equal(smap_clear(map), 0);
	assert_true(inspect(map).table_bytes < before.table_bytes / 100);
	fill(map, 0, keys);
	assert_all_there(map, keys);
	smap_destroy(map); /* with one ahead */
}

/* Both sides of a fork have it, and grow into it. */
static void test_a_child_has_its_own(void **state)
{
	struct smap *map = create();
	struct smap_state before;
	uint64_t keys = fill_until_ahead(map, &before);
	int status;
	pid_t pid = fork();

	(void)state;
	assert_true(pid >= 0);
	while (inspect(map).growths == before.growths)
		keys = fill(map, keys, keys + 1);
	assert_all_there(map, keys);
	smap_destroy(map);
	if (!pid)
		_exit(0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/*
 * Most keys go, and their slots cannot be used again while a section is open: the table is to be moved
 * for a few keys, for which what was made ready is much too large. Returns the next new key.
 */
static uint64_t leave_few(struct smap *map, uint64_t keys)
{
	promote(map);
	for (uint64_t key = 100; key < keys; key++)
		assert_true(smap_delete_u64(map, key));
	fill(map, keys, keys + 1); /* a rebuild: the others are expunged */
	promote(map);
	return keys + 1;
}

static void test_one_that_does_not_suit_is_dropped(void **state)
{
	struct smap *map = create();
	struct smap_state before;
	uint64_t keys = fill_until_ahead(map, &before);

	(void)state;
	smap_read_lock();
	keys = leave_few(map, keys);
	while (inspect(map).growths == before.growths)
		keys = fill(map, keys, keys + 1);
	assert_true(inspect(map).table_bytes < before.table_bytes / 4);
	for (uint64_t key = 0; key < 100; key++)
		assert_ptr_equal(get(map, key), &object);
	smap_read_unlock();
	smap_destroy(map);
}

/* The same, and there is no memory for the table that suits. */
static void test_G8_what_was_dropped_is_not_counted(void **state)
{
	struct smap *map = create();
	struct smap_state before, after;
	uint64_t keys = fill_until_ahead(map, &before);
	int ret;

	(void)state;
	smap_read_lock();
	keys = leave_few(map, keys);
	keys = fill(map, keys, keys + 1); /* another dirty */
	do {
		before = inspect(map);
		arm(1, true);
		ret = smap_store_u64(map, keys++, &object);
		disarm();
	} while (!ret);
	assert_int_equal(ret, -ENOMEM);
	after = inspect(map);
	assert_int_equal(after.growths, before.growths);
	assert_true(after.table_bytes < before.table_bytes);
	fill(map, keys - 1, keys);
	assert_int_equal(inspect(map).growths, before.growths + 1);
	smap_read_unlock();
	smap_destroy(map);
}

static void test_G7_no_memory_for_it_is_no_failure(void **state)
{
	struct smap *measure = create(), *map = create();
	struct smap_state before;
	uint64_t keys = fill_until_ahead(measure, &before);
	struct rlimit limit, none;
	int ret;

	(void)state;
	fill(map, 0, keys - 1);
	assert_int_equal(getrlimit(RLIMIT_AS, &limit), 0);
	none = (struct rlimit){.rlim_cur = 0, .rlim_max = limit.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_AS, &none), 0);
	ret = smap_store_u64(map, keys - 1, &object);
	assert_int_equal(setrlimit(RLIMIT_AS, &limit), 0);
	assert_int_equal(ret, 0);
	assert_int_equal(inspect(map).table_bytes, before.table_bytes);
	while (inspect(map).growths == before.growths)
		keys = fill(map, keys, keys + 1);
	assert_all_there(map, keys);
	smap_destroy(measure);
	smap_destroy(map);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_large_table_has_its_successor_ahead),
		cmocka_unit_test(test_clear_drops_it),
		cmocka_unit_test(test_a_child_has_its_own),
		cmocka_unit_test(test_one_that_does_not_suit_is_dropped),
		cmocka_unit_test(test_G8_what_was_dropped_is_not_counted),
		cmocka_unit_test(test_G7_no_memory_for_it_is_no_failure),
	};

	alarm(120); /* a deadlock must not hang the suite */
	return cmocka_run_group_tests_name("smap_ahead", tests, NULL, NULL);
}
