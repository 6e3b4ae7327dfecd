/* SPDX-License-Identifier: MIT */
/*
 * test_smap_free.c - value_free: once for each value that left, never too early.
 *
 * Values are cells of an array; value_free counts in the cell, so that a second
 * call and a missing one both show, and nothing is really freed. Each way that a
 * value can leave a map is tried on a key in read and on a key in dirty, outside
 * and inside a read section. Inside one, the value must stay until the section
 * ends, however much garbage presses on the reclaimer meanwhile.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdatomic.h>
#include <unistd.h>

#include "keyspace.h"
#include "until.h"

struct cell {
	atomic_uint freed;
};

static struct cell cells[4], garbage[20000];
#define OLD (&cells[0])
#define NEW (&cells[1])
#define OTHER (&cells[2])

static atomic_uint total_freed;
static void *const ctx_passed = &total_freed;

static void count_free(void *value, void *ctx)
{
	struct cell *cell = value;

	if (ctx == ctx_passed)
		atomic_fetch_add(&total_freed, 1);
	atomic_fetch_add(&cell->freed, 1);
}

static unsigned freed(const struct cell *cell)
{
	return atomic_load(&((struct cell *)cell)->freed);
}

static void until_freed(const struct cell *cell)
{
	for (struct until u = until_begin(); !freed(cell) && until_again(&u);)
		;
	assert_int_equal(freed(cell), 1);
}

static struct keyspace begin(bool u64)
{
	struct smap_options opts = {.size = sizeof(opts),
				    .key_kind = u64 ? SMAP_KEY_U64 : SMAP_KEY_BYTES,
				    .value_free = count_free,
				    .ctx = ctx_passed};
	struct keyspace ks = {.u64 = u64};

	for (size_t i = 0; i < 4; i++)
		atomic_store(&cells[i].freed, 0);
	for (size_t i = 0; i < 20000; i++)
		atomic_store(&garbage[i].freed, 0);
	atomic_store(&total_freed, 0);
	assert_int_equal(smap_create(&ks.map, &opts), 0);
	return ks;
}

/* --- the ways out: each takes OLD from key 1, and may leave NEW there --- */

static void by_store(const struct keyspace *ks)
{
	assert_int_equal(keyspace_store(ks, 1, NEW), 0);
}

static void by_swap(const struct keyspace *ks)
{
	void *previous;

	assert_int_equal(keyspace_swap(ks, 1, NEW, &previous), 1);
	assert_ptr_equal(previous, OLD);
}

static void by_swap_unseen(const struct keyspace *ks)
{
	assert_int_equal(keyspace_swap(ks, 1, NEW, NULL), 1);
}

static void by_compare_and_swap(const struct keyspace *ks)
{
	assert_int_equal(keyspace_compare_and_swap(ks, 1, OLD, NEW), 1);
}

static void by_delete(const struct keyspace *ks)
{
	assert_true(keyspace_delete(ks, 1));
}

static void by_load_and_delete(const struct keyspace *ks)
{
	void *value;

	assert_true(keyspace_load_and_delete(ks, 1, &value));
	assert_ptr_equal(value, OLD);
}

static void by_compare_and_delete(const struct keyspace *ks)
{
	assert_true(keyspace_compare_and_delete(ks, 1, OLD));
}

static void by_clear(const struct keyspace *ks)
{
	assert_int_equal(smap_clear(ks->map), 0);
}

/* Deleted, then the same key again: OLD goes once, NEW stays. */
static void by_delete_and_revival(const struct keyspace *ks)
{
	void *actual;

	assert_true(keyspace_delete(ks, 1));
	assert_int_equal(keyspace_load_or_store(ks, 1, NEW, &actual), 0);
}

static bool one_more(size_t i, void *value, void *ctx)
{
	(void)i;
	(void)value;
	(void)ctx;
	return true;
}

static void promote(const struct keyspace *ks)
{
	keyspace_range(ks, one_more, NULL);
}

/* Deleted, expunged by a rebuild, and the key again in the same entry. */
static void by_expunge_and_revival(const struct keyspace *ks)
{
	promote(ks);
	assert_true(keyspace_delete(ks, 1));
	assert_int_equal(keyspace_store(ks, 2, OTHER), 0);
	assert_int_equal(keyspace_store(ks, 1, NEW), 0);
}

struct way {
	void (*out)(const struct keyspace *ks);
	bool leaves_new;
};

static const struct way ways[] = {
	{by_store, true},
	{by_swap, true},
	{by_swap_unseen, true},
	{by_compare_and_swap, true},
	{by_delete, false},
	{by_load_and_delete, false},
	{by_compare_and_delete, false},
	{by_clear, false},
	{by_delete_and_revival, true},
	{by_expunge_and_revival, true},
};

#define WAYS (sizeof(ways) / sizeof(*ways))

static void fill(const struct keyspace *ks, bool in_read)
{
	assert_int_equal(keyspace_store(ks, 1, OLD), 0);
	if (in_read)
		promote(ks);
}

/* Press on the reclaimer, and let it run if it will. */
static void make_garbage(const struct keyspace *ks)
{
	uint64_t runs = smap_registry.reclaimer_runs;

	for (size_t i = 0; i < 20000; i++)
		assert_int_equal(keyspace_store(ks, 3, &garbage[i]), 0);
	for (int i = 0; i < 50 && smap_registry.reclaimer_runs - runs < 2; i++) {
		struct until u = until_begin();

		until_again(&u);
	}
}

static void check_way(const struct way *way, bool u64, bool in_read)
{
	struct keyspace ks = begin(u64);

	fill(&ks, in_read);
	way->out(&ks);
	until_freed(OLD);
	assert_int_equal(freed(NEW), 0);
	smap_destroy(ks.map);
	assert_int_equal(freed(OLD), 1);
	assert_int_equal(freed(NEW), way->leaves_new);
	assert_int_equal(atomic_load(&total_freed), freed(OLD) + freed(NEW) + freed(OTHER));
}

static void check_way_in_section(const struct way *way, bool u64, bool in_read)
{
	struct keyspace ks = begin(u64);
	void *held;

	fill(&ks, in_read);
	smap_read_lock();
	assert_true(keyspace_load(&ks, 1, &held));
	way->out(&ks);
	make_garbage(&ks);
	assert_int_equal(freed(OLD), 0);
	assert_int_equal(freed(NEW), 0);
	smap_read_unlock();
	until_freed(OLD);
	assert_int_equal(freed(NEW), 0);
	smap_destroy(ks.map);
	assert_int_equal(freed(OLD), 1);
	assert_int_equal(freed(NEW), way->leaves_new);
	for (size_t i = 0; i < 20000; i++)
		assert_int_equal(freed(&garbage[i]), 1);
}

static void test_freed_once_in_every_way(void **state)
{
	(void)state;
	for (size_t i = 0; i < WAYS; i++)
		for (int variant = 0; variant < 4; variant++)
			check_way(&ways[i], variant & 1, variant & 2);
}

static void test_G6_never_freed_inside_a_section(void **state)
{
	(void)state;
	for (size_t i = 0; i < WAYS; i++)
		for (int variant = 0; variant < 4; variant++)
			check_way_in_section(&ways[i], variant & 1, variant & 2);
}

/* Only the outermost unlock ends a section. */
static void test_nested_sections_hold_until_the_outermost(void **state)
{
	struct keyspace ks = begin(true);

	(void)state;
	fill(&ks, true);
	smap_read_lock();
	smap_read_lock();
	smap_read_lock();
	assert_true(keyspace_delete(&ks, 1));
	smap_read_unlock();
	make_garbage(&ks);
	assert_int_equal(freed(OLD), 0);
	smap_read_unlock();
	make_garbage(&ks);
	assert_int_equal(freed(OLD), 0);
	smap_read_unlock();
	until_freed(OLD);
	smap_destroy(ks.map);
}

/* Nor does a load, which is compiled in and has a section of its own where there is none. */
static void test_a_load_does_not_end_the_section_around_it(void **state)
{
	(void)state;
	for (int u64 = 0; u64 < 2; u64++) {
		struct keyspace ks = begin(u64);
		void *value;

		fill(&ks, true);
		smap_read_lock();
		assert_true(keyspace_delete(&ks, 1));
		make_garbage(&ks); /* the reclaimer waits for this section */
		assert_false(keyspace_load(&ks, 1, &value));
		make_garbage(&ks);
		assert_int_equal(freed(OLD), 0);
		smap_read_unlock();
		until_freed(OLD);
		smap_destroy(ks.map);
	}
}

/* Storing the pointer that is there already takes nothing out. */
static void test_same_pointer_is_not_freed(void **state)
{
	(void)state;
	for (int variant = 0; variant < 4; variant++) {
		struct keyspace ks = begin(variant & 1);
		void *got;

		fill(&ks, variant & 2);
		assert_int_equal(keyspace_store(&ks, 1, OLD), 0);
		assert_int_equal(keyspace_swap(&ks, 1, OLD, &got), 1);
		assert_ptr_equal(got, OLD);
		assert_int_equal(keyspace_compare_and_swap(&ks, 1, OLD, OLD), 1);
		assert_int_equal(keyspace_load_or_store(&ks, 1, OLD, &got), 1);
		make_garbage(&ks);
		assert_int_equal(freed(OLD), 0);
		smap_destroy(ks.map);
		assert_int_equal(freed(OLD), 1);
	}
}

/* A value that was refused still belongs to the caller. */
static void test_refused_values_are_not_freed(void **state)
{
	struct keyspace ks = begin(true);
	void *got;

	(void)state;
	fill(&ks, true);
	assert_int_equal(keyspace_load_or_store(&ks, 1, NEW, &got), 1);
	assert_int_equal(keyspace_compare_and_swap(&ks, 1, OTHER, NEW), 0);
	assert_int_equal(keyspace_compare_and_swap(&ks, 2, OTHER, NEW), 0);
	assert_false(keyspace_compare_and_delete(&ks, 1, NEW));
	assert_int_equal(smap_store(ks.map, "wrong twin", 10, NEW), -EINVAL);
	smap_destroy(ks.map);
	assert_int_equal(freed(NEW), 0);
	assert_int_equal(freed(OTHER), 0);
	assert_int_equal(freed(OLD), 1);
}

static void test_destroy_frees_what_is_there(void **state)
{
	(void)state;
	for (int u64 = 0; u64 < 2; u64++) {
		struct keyspace ks = begin(u64);

		for (size_t i = 0; i < 20000; i++) {
			assert_int_equal(keyspace_store(&ks, i, &garbage[i]), 0);
			if (i == 10000)
				promote(&ks); /* half in read, all in dirty */
		}
		smap_destroy(ks.map); /* waits */
		for (size_t i = 0; i < 20000; i++)
			assert_int_equal(freed(&garbage[i]), 1);
	}
}

static void test_destroy_inside_a_section_is_deferred(void **state)
{
	struct keyspace ks = begin(true);
	void *held;

	(void)state;
	fill(&ks, true);
	smap_read_lock();
	assert_true(keyspace_load(&ks, 1, &held));
	smap_destroy(ks.map);
	assert_int_equal(freed(OLD), 0);
	smap_read_unlock();
	until_freed(OLD);
}

/* The callback may use other maps, and wait for none. */
static struct smap *other_map;

static void store_elsewhere(void *value, void *ctx)
{
	void *unused;

	(void)ctx;
	smap_store_u64(other_map, (uintptr_t)value, value);
	smap_load_u64(other_map, 1, &unused);
	smap_read_lock();
	smap_read_unlock();
}

static void test_value_free_may_use_other_maps(void **state)
{
	struct smap_options u64 = {.size = sizeof(u64), .key_kind = SMAP_KEY_U64};
	struct smap_options opts = {
		.size = sizeof(opts), .key_kind = SMAP_KEY_U64, .value_free = store_elsewhere};
	struct smap *map;

	(void)state;
	assert_int_equal(smap_create(&other_map, &u64), 0);
	assert_int_equal(smap_create(&map, &opts), 0);
	for (size_t i = 0; i < 20000; i++)
		assert_int_equal(smap_store_u64(map, i % 50, &garbage[i]), 0);
	smap_destroy(map);
	assert_int_equal(smap_len(other_map), 20000);
	smap_destroy(other_map);
}

/* A reader that does not leave: memory waits and is seen to wait; then it comes back. */
static void test_backlog_is_visible_and_goes(void **state)
{
	struct keyspace ks = begin(true);
	struct smap_state st;
	uint64_t before;

	(void)state;
	for (struct until u = until_begin(); smap_registry.backlog && until_again(&u);)
		;
	before = smap_registry.backlog;
	assert_int_equal(before, 0);
	smap_read_lock();
	make_garbage(&ks);
	smap_inspect(ks.map, &st); /* also brings the registry's figure up to date */
	assert_true(smap_registry.backlog >= 19999);
	assert_true(st.counters.retired - st.counters.reclaimed >= 19999);
	smap_read_unlock();
	for (struct until u = until_begin(); smap_registry.backlog && until_again(&u);)
		;
	assert_int_equal(smap_registry.backlog, 0);
	smap_inspect(ks.map, &st);
	assert_int_equal(st.counters.retired, st.counters.reclaimed);
	smap_destroy(ks.map);
}

struct clearing {
	struct smap *map;
	atomic_uint freed, too_early; /* not in the backlog any more when they are freed */
};

static void look_at_the_backlog(void *value, void *ctx)
{
	struct clearing *clearing = ctx;
	struct smap_state st;

	(void)value;
	smap_inspect(clearing->map, &st);
	if (st.counters.retired == st.counters.reclaimed)
		clearing->too_early++;
	clearing->freed++;
}

/* What a Clear took out is backlog until value_free has had it, as what was deleted. */
static void test_G8_cleared_values_are_backlog_until_freed(void **state)
{
	static struct clearing clearing;
	struct smap_options opts = {.size = sizeof(opts),
				    .key_kind = SMAP_KEY_U64,
				    .value_free = look_at_the_backlog,
				    .ctx = &clearing};

	(void)state;
	assert_int_equal(smap_create(&clearing.map, &opts), 0);
	for (size_t i = 0; i < 10; i++)
		assert_int_equal(smap_store_u64(clearing.map, i, &garbage[i]), 0);
	assert_int_equal(smap_clear(clearing.map), 0);
	for (struct until u = until_begin(); clearing.freed < 10 && until_again(&u);)
		;
	assert_int_equal(clearing.freed, 10);
	assert_int_equal(clearing.too_early, 0);
	smap_destroy(clearing.map);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_freed_once_in_every_way),
		cmocka_unit_test(test_G6_never_freed_inside_a_section),
		cmocka_unit_test(test_nested_sections_hold_until_the_outermost),
		cmocka_unit_test(test_a_load_does_not_end_the_section_around_it),
		cmocka_unit_test(test_same_pointer_is_not_freed),
		cmocka_unit_test(test_refused_values_are_not_freed),
		cmocka_unit_test(test_destroy_frees_what_is_there),
		cmocka_unit_test(test_destroy_inside_a_section_is_deferred),
		cmocka_unit_test(test_value_free_may_use_other_maps),
		cmocka_unit_test(test_backlog_is_visible_and_goes),
		cmocka_unit_test(test_G8_cleared_values_are_backlog_until_freed),
	};

	alarm(120); /* a deadlock must not hang the suite */
	return cmocka_run_group_tests_name("smap_free", tests, NULL, NULL);
}
