/* SPDX-License-Identifier: MIT */
/*
 * test_smap_oom.c - G7: out of memory leaves the map as it was.
 *
 * With the allocator of fault_alloc.h, for each operation in each of several states of a map, n
 * goes up from 1 until the operation asks for no more memory. Each time the map is built anew,
 * beside a model of it (gosync.h), and afterwards must equal the model: unchanged after -ENOMEM,
 * changed after success. At the end all blocks must have come back.
 *
 * Only allocations of the thread under test fail, not those of the reclaimer.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "fault_alloc.h"
#include "beside.h"
#include "until.h"

/* --- states: key 5 is what the operation works on, 600 a key that is nowhere --- */

static void state_empty(struct sut *s)
{
	(void)s;
}

static void state_dirty_only(struct sut *s)
{
	for (size_t k = 0; k < 10; k++)
		put(s, k);
}

static void state_promoted(struct sut *s)
{
	state_dirty_only(s);
	promote(s);
}

static void state_deleted_in_read(struct sut *s)
{
	state_promoted(s);
	take(s, 5);
	take(s, 6);
}

static void state_expunged(struct sut *s)
{
	state_deleted_in_read(s);
	put(s, 20);
}

static void state_amended(struct sut *s)
{
	state_promoted(s);
	put(s, 20);
}

static void state_cleared(struct sut *s)
{
	state_amended(s);
	assert_int_equal(smap_clear(s->ks.map), 0);
	gosync_clear(s->model);
}

/* The next new key does not fit: at any fill, some state of these is at the limit. */
static void fill_up(struct sut *s)
{
	struct smap_state st;
	uint64_t growths;
	size_t k = 30;

	smap_inspect(s->ks.map, &st);
	for (growths = st.growths; k < 500 && st.growths < growths + 2; k++) {
		put(s, k);
		smap_inspect(s->ks.map, &st);
	}
	/* Just grown, so the table's limit is known: fill it to the last place. */
	for (size_t limit = st.slots; s->model->dirty_len < limit && k < 600; k++) {
		arm(1, true);
		if (keyspace_store(&s->ks, k, V1)) {
			disarm();
			return;
		}
		disarm();
		(void)gosync_swap(s->model, k, V1, &(void *){NULL});
	}
}

static void state_full(struct sut *s)
{
	state_dirty_only(s);
	fill_up(s);
}

static void state_full_promoted(struct sut *s)
{
	state_full(s);
	promote(s);
}

static void state_full_deleted(struct sut *s)
{
	state_full_promoted(s);
	take(s, 5);
	take(s, 7);
}

#define STATES(X)                                                                                  \
	X(empty)                                                                                   \
	X(dirty_only)                                                                              \
	X(promoted)                                                                                \
	X(deleted_in_read)                                                                         \
	X(expunged)                                                                                \
	X(amended) X(cleared) X(full) X(full_promoted) X(full_deleted)

#define OPS(X)                                                                                     \
	X(store)                                                                                   \
	X(swap)                                                                                    \
	X(load_or_store)                                                                           \
	X(compare_and_swap) X(clear) X(load) X(load_and_delete) X(compare_and_delete) X(promote)

struct named_state {
	const char *name;
	void (*build)(struct sut *s);
};

struct named_op {
	const char *name;
	int (*run)(struct sut *s, size_t key);
};

static const struct named_state states[] = {
#define STATE(n) {#n, state_##n},
	STATES(STATE)};

static const struct named_op ops[] = {
#define OP(n) {#n, op_##n},
	OPS(OP)};

/* --- every allocation of every operation in every state --- */

static bool one_failure(struct sut *s, const struct named_state *st, const struct named_op *op,
			size_t key, unsigned n, bool and_on)
{
	char where[160];
	bool hit;
	int ret;

	snprintf(where, sizeof(where), "%s of key %zu in state %s, %s%s, allocation %u fails",
		 op->name, key, st->name, s->ks.u64 ? "u64" : "bytes",
		 s->freeing ? ", value_free" : "", n);
	begin(s);
	st->build(s);
	compare_counters(s, where);
	arm(n, and_on);
	ret = op->run(s, key);
	hit = disarm();
	if (ret == -ENOMEM && !hit)
		fail_msg("%s: -ENOMEM out of nothing", where);
	compare_counters(s, where);
	compare_contents(s, where);
	end(s);
	return hit;
}

static void all_failures(struct sut *s, const struct named_state *st, const struct named_op *op)
{
	static const size_t keys[] = {5, 20, 602};

	for (size_t k = 0; k < sizeof(keys) / sizeof(*keys); k++)
		for (int and_on = 0; and_on < 2; and_on++)
			for (unsigned n = 1; one_failure(s, st, op, keys[k], n, and_on); n++)
				assert_true(n < 100);
}

static void until_blocks(long want)
{
	for (struct until u = until_begin(); blocks > want && until_again(&u);)
		;
	assert_true(blocks <= want);
}

/* Once without counting, so that what is made once per process or thread is there. */
static void warm_up(void)
{
	struct sut s = {.freeing = true};

	for (size_t i = 0; i < 3; i++) {
		begin(&s);
		state_full_deleted(&s);
		op_clear(&s, 0);
		end(&s);
	}
}

static void test_G7_R9_no_memory_leaves_the_map_as_it_was(void **state)
{
	long before;

	(void)state;
	warm_up();
	before = blocks;
	for (int variant = 0; variant < 4; variant++) {
		struct sut s = {.ks.u64 = variant & 1, .freeing = variant & 2};

		for (size_t i = 0; i < sizeof(states) / sizeof(*states); i++)
			for (size_t j = 0; j < sizeof(ops) / sizeof(*ops); j++)
				all_failures(&s, &states[i], &ops[j]);
	}
	until_blocks(before);
}

/* In a full map, a new key must have met -ENOMEM: the states above do what they say. */
static void test_full_states_are_full(void **state)
{
	struct sut s = {.ks.u64 = true};

	(void)state;
	begin(&s);
	state_full(&s);
	arm(1, true);
	assert_int_equal(op_store(&s, 602), -ENOMEM);
	assert_true(disarm());
	assert_int_equal(op_store(&s, 602), 0);
	end(&s);
}

/*
 * Loads and deletes need no memory at all, however little there is. Values that
 * could not even be retired are given up, and counted to the last one.
 */
static void test_deletes_need_no_memory(void **state)
{
	(void)state;
	for (int variant = 0; variant < 4; variant++) {
		struct sut s = {.ks.u64 = variant & 1, .freeing = variant & 2};
		struct smap_state st;

		begin(&s);
		for (size_t k = 0; k < 500; k++)
			put(&s, k);
		promote(&s);
		for (size_t k = 0; k < 500; k += 2) {
			arm(1, true);
			op_load(&s, k);
			arm(1, true);
			op_load_and_delete(&s, k);
			arm(1, true);
			op_compare_and_delete(&s, k + 1);
		}
		smap_inspect(s.ks.map, &st);
		assert_true(s.freeing || !st.leaked);
		s.leaked = st.leaked;
		compare_counters(&s, "after deletes without memory");
		end(&s);
	}
}

/* --- creating --- */

/* Must come first: the first map of the process starts the reclaimer. */
static void test_create_without_a_thread(void **state)
{
	struct smap *map = (void *)values;
	int ret;

	(void)state;
	refuse_threads = true;
	ret = smap_create(&map, NULL);
	refuse_threads = false;
	assert_int_equal(ret, -EAGAIN);
	assert_ptr_equal(map, values);
	assert_int_equal(smap_registry.map_count, 0);
	assert_int_equal(smap_create(&map, NULL), 0);
	smap_destroy(map);
}

static void test_create_without_memory(void **state)
{
	long before;

	(void)state;
	warm_up();
	before = blocks;
	for (unsigned n = 1;; n++) {
		struct smap *map = (void *)values;
		int ret;

		arm(n, true);
		ret = smap_create(&map, NULL);
		if (!disarm()) {
			assert_int_equal(ret, 0);
			assert_true(n > 1);
			smap_destroy(map);
			break;
		}
		if (!ret) { /* it did without */
			smap_destroy(map);
			continue;
		}
		assert_int_equal(ret, -ENOMEM);
		assert_ptr_equal(map, values);
		assert_int_equal(smap_registry.map_count, 0);
	}
	until_blocks(before);
}

static _Atomic int kept;

static void *keep(void *value, void *ctx)
{
	(void)ctx;
	kept++;
	return value;
}

static void let_go(void *value, void *ctx)
{
	(void)value;
	(void)ctx;
	kept--;
}

static struct smap_snapshot *snapshot_at_last(struct smap *map)
{
	for (unsigned n = 1;; n++) {
		struct smap_snapshot *snapshot = (void *)values;
		int ret;

		arm(n, true);
		ret = smap_snapshot(map, &snapshot, keep);
		disarm();
		if (!ret) {
			assert_true(n > 40); /* a long key each, and the snapshot itself */
			return snapshot;
		}
		assert_int_equal(ret, -ENOMEM);
		assert_ptr_equal(snapshot, values);
		assert_int_equal(kept, 0);
		assert_int_equal(smap_len(map), 40);
	}
}

static void test_G7_no_memory_for_a_snapshot(void **state)
{
	struct smap_options opts = {.size = sizeof(opts), .value_free = let_go};
	struct smap_snapshot *snapshot;
	struct smap *map = NULL;
	char key[40] = {0};
	long before;

	(void)state;
	warm_up();
	before = blocks;
	assert_int_equal(smap_create(&map, &opts), 0);
	for (key[0] = 0; key[0] < 40; key[0]++)
		assert_int_equal(smap_store(map, key, sizeof(key), V1), 0);
	snapshot = snapshot_at_last(map);
	assert_int_equal(kept, 40);
	assert_int_equal(smap_snapshot_len(snapshot), 40);
	smap_snapshot_unref(snapshot);
	assert_int_equal(kept, 0);
	smap_destroy(map);
	assert_int_equal(kept, -40);
	until_blocks(before);
}

/* Large tables are mappings of their own: here none is to be had. */
static void test_G7_no_mapping_for_a_large_table(void **state)
{
	struct smap_options opts = {
		.size = sizeof(opts), .key_kind = SMAP_KEY_U64, .initial_dirty = 1000000};
	struct rlimit limit, none;
	struct smap *map = NULL;
	void *value;
	int ret;

	(void)state;
	assert_int_equal(smap_create(&map, &opts), 0);
	assert_int_equal(getrlimit(RLIMIT_AS, &limit), 0);
	none = (struct rlimit){.rlim_cur = 0, .rlim_max = limit.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_AS, &none), 0);
	ret = smap_store_u64(map, 1, V1);
	assert_int_equal(setrlimit(RLIMIT_AS, &limit), 0);
	assert_int_equal(ret, -ENOMEM);
	assert_false(smap_load_u64(map, 1, &value));
	assert_int_equal(smap_store_u64(map, 1, V1), 0);
	assert_true(smap_load_u64(map, 1, &value));
	smap_destroy(map);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_create_without_a_thread),
		cmocka_unit_test(test_create_without_memory),
		cmocka_unit_test(test_full_states_are_full),
		cmocka_unit_test(test_deletes_need_no_memory),
		cmocka_unit_test(test_G7_no_memory_for_a_snapshot),
		cmocka_unit_test(test_G7_no_mapping_for_a_large_table),
		cmocka_unit_test(test_G7_R9_no_memory_leaves_the_map_as_it_was),
	};

	alarm(300); /* a deadlock must not hang the suite */
	return cmocka_run_group_tests_name("smap_oom", tests, NULL, NULL);
}
