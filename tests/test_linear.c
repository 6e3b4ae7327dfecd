/* SPDX-License-Identifier: MIT */
/*
 * test_linear.c - tests of the linearizability checker itself.
 *
 * Histories made by hand, good and bad, for each operation; then thousands of small
 * random ones, right and spoilt, on which the checker must agree with the plainest
 * possible one, which tries every order.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "linear_check.h"

#define N(array) (sizeof(array) / sizeof((array)[0]))

/* One line of a history: thread, [call, ret], what, key, and the fields that matter. */
#define OP(t, from, to, what, k, ...)                                                              \
	{                                                                                          \
		.thread = t, .call = from, .ret = to, .kind = LIN_##what, .key = k, __VA_ARGS__    \
	}

#define assert_good(...)                                                                           \
	do {                                                                                       \
		const struct lin_op h_[] = {__VA_ARGS__};                                          \
		assert_int_equal(lin_check(h_, N(h_), NULL), LIN_OK);                              \
	} while (0)

#define assert_bad(...)                                                                            \
	do {                                                                                       \
		const struct lin_op h_[] = {__VA_ARGS__};                                          \
		assert_int_equal(lin_check(h_, N(h_), NULL), LIN_VIOLATION);                       \
	} while (0)

static void test_nothing_is_linearizable(void **state)
{
	(void)state;
	assert_int_equal(lin_check(NULL, 0, NULL), LIN_OK);
}

static void test_sequential_results(void **state)
{
	(void)state;
	assert_good(OP(0, 1, 2, STORE, 0, .value = 1), OP(0, 3, 4, LOAD, 0, .out = 1),
		    OP(0, 5, 6, SWAP, 0, .value = 2, .out = 1),
		    OP(0, 7, 8, LOAD_OR_STORE, 0, .value = 3, .out = 2, .ok = true),
		    OP(0, 9, 10, COMPARE_AND_SWAP, 0, .old = 2, .value = 4, .ok = true),
		    OP(0, 11, 12, COMPARE_AND_SWAP, 0, .old = 2, .value = 5),
		    OP(0, 13, 14, COMPARE_AND_DELETE, 0, .old = 2),
		    OP(0, 15, 16, LOAD_AND_DELETE, 0, .out = 4), OP(0, 17, 18, DELETE, 0),
		    OP(0, 19, 20, LOAD_OR_STORE, 0, .value = 6, .out = 6),
		    OP(0, 21, 22, COMPARE_AND_DELETE, 0, .old = 6, .ok = true),
		    OP(0, 23, 24, LOAD, 0));
}

/* Each operation with a result that no sequential map returns. */
static void test_wrong_results_are_rejected(void **state)
{
	const struct lin_op wrong[] = {
		OP(0, 3, 4, LOAD, 0),
		OP(0, 3, 4, LOAD, 0, .out = 2),
		OP(0, 3, 4, LOAD, 1, .out = 1),
		OP(0, 3, 4, SWAP, 0, .value = 2),
		OP(0, 3, 4, SWAP, 1, .value = 2, .out = 1),
		OP(0, 3, 4, LOAD_OR_STORE, 0, .value = 2, .out = 2),
		OP(0, 3, 4, LOAD_OR_STORE, 0, .value = 2, .out = 2, .ok = true),
		OP(0, 3, 4, LOAD_AND_DELETE, 0),
		OP(0, 3, 4, DELETE, 0),
		OP(0, 3, 4, DELETE, 1, .ok = true),
		OP(0, 3, 4, COMPARE_AND_SWAP, 0, .old = 1, .value = 2),
		OP(0, 3, 4, COMPARE_AND_SWAP, 0, .old = 3, .value = 2, .ok = true),
		OP(0, 3, 4, COMPARE_AND_SWAP, 1, .old = 1, .value = 2, .ok = true),
		OP(0, 3, 4, COMPARE_AND_DELETE, 0, .old = 1),
		OP(0, 3, 4, COMPARE_AND_DELETE, 1, .old = 1, .ok = true),
	};

	(void)state;
	for (size_t i = 0; i < N(wrong); i++) {
		const struct lin_op h[] = {OP(0, 1, 2, STORE, 0, .value = 1), wrong[i]};

		assert_int_equal(lin_check(h, 2, NULL), LIN_VIOLATION);
	}
}

static void test_overlapping_operations_may_be_in_either_order(void **state)
{
	(void)state;
	assert_good(OP(0, 1, 4, STORE, 0, .value = 1), OP(1, 2, 3, LOAD, 0, .out = 1));
	assert_good(OP(0, 1, 4, STORE, 0, .value = 1), OP(1, 2, 3, LOAD, 0));
	/* times that are too close to tell count as overlapping */
	assert_good(OP(0, 1, 2, STORE, 0, .value = 1), OP(1, 2, 3, LOAD, 0));
}

/* The load began after the store had returned. */
static void test_a_stale_load_is_rejected(void **state)
{
	(void)state;
	assert_bad(OP(0, 1, 2, STORE, 0, .value = 1), OP(1, 3, 4, LOAD, 0));
	assert_bad(OP(0, 1, 2, STORE, 0, .value = 1), OP(0, 3, 4, STORE, 0, .value = 2),
		   OP(1, 5, 6, LOAD, 0, .out = 1));
}

/* Two loads one after the other see new, then old. */
static void test_new_then_old_is_rejected(void **state)
{
	(void)state;
	assert_bad(OP(0, 1, 10, STORE, 0, .value = 1), OP(1, 2, 3, LOAD, 0, .out = 1),
		   OP(2, 4, 5, LOAD, 0));
	assert_good(OP(0, 1, 10, STORE, 0, .value = 1), OP(1, 2, 3, LOAD, 0),
		    OP(2, 4, 5, LOAD, 0, .out = 1));
}

/* A store that nobody ever sees, though it must be the last. */
static void test_a_lost_store_is_rejected(void **state)
{
	(void)state;
	assert_bad(OP(0, 1, 2, STORE, 0, .value = 1), OP(1, 3, 6, STORE, 0, .value = 2),
		   OP(2, 4, 5, LOAD, 0, .out = 2), OP(2, 7, 8, LOAD, 0, .out = 1));
}

static void test_two_winners_are_rejected(void **state)
{
	(void)state;
	assert_bad(OP(0, 1, 4, LOAD_OR_STORE, 0, .value = 1, .out = 1),
		   OP(1, 2, 3, LOAD_OR_STORE, 0, .value = 2, .out = 2));
	assert_bad(OP(0, 1, 2, STORE, 0, .value = 1), OP(0, 3, 6, LOAD_AND_DELETE, 0, .out = 1),
		   OP(1, 4, 5, LOAD_AND_DELETE, 0, .out = 1));
	assert_bad(OP(0, 1, 2, STORE, 0, .value = 1),
		   OP(0, 3, 6, COMPARE_AND_SWAP, 0, .old = 1, .value = 2, .ok = true),
		   OP(1, 4, 5, COMPARE_AND_DELETE, 0, .old = 1, .ok = true));
	assert_good(OP(0, 1, 2, STORE, 0, .value = 1),
		    OP(0, 3, 6, COMPARE_AND_SWAP, 0, .old = 1, .value = 2, .ok = true),
		    OP(1, 4, 5, COMPARE_AND_DELETE, 0, .old = 2, .ok = true));
}

/* The order that the search tries first is a dead end: it must go back. */
static void test_the_search_goes_back(void **state)
{
	(void)state;
	assert_good(OP(0, 1, 10, STORE, 0, .value = 1), OP(1, 2, 10, STORE, 0, .value = 2),
		    OP(2, 3, 10, STORE, 0, .value = 3), OP(3, 11, 12, LOAD, 0, .out = 1));
	assert_bad(OP(0, 1, 10, STORE, 0, .value = 1), OP(1, 2, 10, STORE, 0, .value = 2),
		   OP(2, 11, 12, LOAD, 0, .out = 1), OP(2, 13, 14, LOAD, 0, .out = 2));
}

static void test_pending_operations_may_or_may_not_have_happened(void **state)
{
	(void)state;
	assert_good(OP(0, 1, LIN_PENDING, STORE, 0, .value = 1), OP(1, 2, 3, LOAD, 0, .out = 1));
	assert_good(OP(0, 1, LIN_PENDING, STORE, 0, .value = 1), OP(1, 2, 3, LOAD, 0));
	assert_bad(OP(0, 1, LIN_PENDING, STORE, 0, .value = 1), OP(1, 2, 3, LOAD, 0, .out = 1),
		   OP(1, 4, 5, LOAD, 0));
	assert_bad(OP(0, 1, LIN_PENDING, STORE, 0, .value = 1), OP(1, 2, 3, LOAD, 0, .out = 2));
}

/* A Snapshot is one, too: it cannot have the second of two stores and not the first. */
static void test_snapshot_is_one_instant(void **state)
{
	struct lin_op torn[] = {
		OP(0, 1, 2, STORE, 0, .value = 1),
		OP(0, 3, 4, STORE, 1, .value = 2),
		OP(1, 0, 5, SNAPSHOT, 0, .all = {{0, 2}}),
	};
	struct lin_op one[N(torn)];

	(void)state;
	assert_int_equal(lin_check(torn, N(torn), NULL), LIN_VIOLATION);
	for (unsigned key = 0; key < 2; key++) {
		size_t n = lin_of_key(torn, N(torn), key, one);

		assert_int_equal(n, 2);
		assert_int_equal(lin_check(one, n, NULL), LIN_OK);
	}
	torn[2].all = (struct lin_state){{1, 0}};
	assert_int_equal(lin_check(torn, N(torn), NULL), LIN_OK);
}

/* Clear is one instant for all keys: seen for one of them, it is done for the other. */
static void test_clear_is_one_instant(void **state)
{
	const struct lin_op torn[] = {
		OP(0, 1, 2, STORE, 0, .value = 1),
		OP(0, 3, 4, STORE, 1, .value = 2),
		OP(1, 5, 12, CLEAR, 0),
		OP(2, 6, 7, LOAD, 0),
		OP(2, 8, 9, LOAD, 1, .out = 2),
	};
	struct lin_op one[N(torn)];

	(void)state;
	assert_int_equal(lin_check(torn, N(torn), NULL), LIN_VIOLATION);
	/* each key alone does not show it */
	for (unsigned key = 0; key < 2; key++) {
		size_t n = lin_of_key(torn, N(torn), key, one);

		assert_int_equal(lin_check(one, n, NULL), LIN_OK);
	}
	assert_good(OP(0, 1, 2, STORE, 0, .value = 1), OP(0, 3, 4, STORE, 1, .value = 2),
		    OP(1, 5, 12, CLEAR, 0), OP(2, 6, 7, LOAD, 0, .out = 1), OP(2, 8, 9, LOAD, 1));
	assert_bad(OP(0, 1, 2, STORE, 0, .value = 1), OP(1, 3, 4, CLEAR, 0),
		   OP(2, 5, 6, LOAD, 0, .out = 1));
}

/* Range as loads of its own moments: G4. */
static void test_range_by_its_contract(void **state)
{
	(void)state;
	/* not a snapshot: the old value of one key and the new one of another */
	assert_good(OP(0, 1, 2, STORE, 0, .value = 1), OP(0, 3, 4, STORE, 1, .value = 2),
		    OP(0, 6, 7, STORE, 0, .value = 3), OP(0, 8, 9, STORE, 1, .value = 4),
		    OP(1, 5, 10, LOAD, 0, .out = 3, .ranged = true),
		    OP(1, 5, 10, LOAD, 1, .out = 2, .ranged = true));
	/* a key present throughout was not met */
	assert_bad(OP(0, 1, 2, STORE, 0, .value = 1), OP(0, 4, 5, STORE, 0, .value = 2),
		   OP(1, 3, 6, LOAD, 0, .ranged = true));
	/* deleted for an instant: need not be met */
	assert_good(OP(0, 1, 2, STORE, 0, .value = 1), OP(0, 4, 5, DELETE, 0, .ok = true),
		    OP(0, 6, 7, STORE, 0, .value = 2), OP(1, 3, 8, LOAD, 0, .ranged = true));
	/* a mapping that was over before the call */
	assert_bad(OP(0, 1, 2, STORE, 0, .value = 1), OP(0, 3, 4, STORE, 0, .value = 2),
		   OP(1, 5, 6, LOAD, 0, .out = 1, .ranged = true));
}

static void test_initial_state_counts(void **state)
{
	const struct lin_state initial = {{0, 7}};
	const struct lin_op h[] = {OP(0, 1, 2, LOAD, 1, .out = 7), OP(0, 3, 4, LOAD, 0)};

	(void)state;
	assert_int_equal(lin_check(h, 2, &initial), LIN_OK);
	assert_int_equal(lin_check(h, 2, NULL), LIN_VIOLATION);
}

/* What is printed is small, still wrong, and contains the culprit. */
static void test_minimise_keeps_the_culprit(void **state)
{
	struct lin_op h[200];
	uint64_t now = 1;
	size_t n = 0;

	(void)state;
	for (uint32_t v = 1; v <= 60; v++) {
		h[n++] = (struct lin_op)OP(0, now, now + 1, STORE, 0, .value = v);
		h[n++] = (struct lin_op)OP(1, now + 2, now + 3, LOAD, 0, .out = v == 40 ? 39 : v);
		now += 4;
	}
	assert_int_equal(lin_check(h, n, NULL), LIN_VIOLATION);
	n = lin_minimise(h, n, 0, NULL);
	assert_int_equal(lin_check(h, n, NULL), LIN_VIOLATION);
	assert_int_equal(n, 2);
	assert_int_equal(h[0].value, 40);
	assert_int_equal(h[1].out, 39);
}

/* --- against every order ------------------------------------------------------------ */

#define SMALL 6

static uint64_t rng = 1;

static unsigned pick(unsigned below)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return (unsigned)((rng * 0x2545f4914f6cdd1dULL) >> 33) % below;
}

static bool explained(const struct lin_op *ops, size_t n, unsigned done, struct lin_state state)
{
	if (done == (1U << n) - 1)
		return true;
	for (size_t i = 0; i < n; i++) {
		struct lin_state after = state;
		bool first = !(done & 1U << i);

		for (size_t j = 0; j < n; j++)
			first &= (done & 1U << j) || ops[j].ret >= ops[i].call;
		if (first && lin_apply(&ops[i], &after) && explained(ops, n, done | 1U << i, after))
			return true;
	}
	return false;
}

/* Results as if each operation took effect in the order of the array. */
static void fill_in_results(struct lin_op *ops, size_t n)
{
	struct lin_state state = {{0}};

	for (size_t i = 0; i < n; i++) {
		uint32_t was = state.value[ops[i].key];
		bool puts_if_absent = ops[i].kind == LIN_LOAD_OR_STORE;

		ops[i].out = puts_if_absent && !was ? ops[i].value : was;
		ops[i].ok = was != 0;
		ops[i].all = state;
		if (ops[i].kind == LIN_COMPARE_AND_SWAP || ops[i].kind == LIN_COMPARE_AND_DELETE)
			ops[i].ok = was == ops[i].old;
		if (!lin_apply(&ops[i], &state))
			fail_msg("operation %zu of kind %u", i, ops[i].kind);
	}
}

static void random_history(struct lin_op *ops, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint64_t at = 10 * (i + 1);

		ops[i] = (struct lin_op){
			.kind = (uint8_t)pick(LIN_KIND_COUNT),
			.key = (uint8_t)pick(2),
			.value = (uint32_t)i + 1,
			.old = 1 + pick(SMALL),
			.call = at - pick(25) % at,
			.ret = at + pick(25),
			.thread = (uint8_t)i,
		};
	}
}

static void test_agrees_with_trying_every_order(void **state)
{
	unsigned good = 0, bad = 0;

	(void)state;
	for (int round = 0; round < 40000; round++) {
		struct lin_op ops[SMALL];
		size_t n = 2 + pick(SMALL - 1);
		struct lin_op *victim = &ops[pick((unsigned)n)];
		bool want;

		random_history(ops, n);
		fill_in_results(ops, n);
		assert_int_equal(lin_check(ops, n, NULL), LIN_OK);
		victim->out = pick(SMALL);
		if (pick(2))
			victim->ok = !victim->ok;
		want = explained(ops, n, 0, (struct lin_state){{0}});
		assert_int_equal(lin_check(ops, n, NULL), want ? LIN_OK : LIN_VIOLATION);
		good += want;
		bad += !want;
	}
	assert_true(good > 1000 && bad > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_is_linearizable),
		cmocka_unit_test(test_sequential_results),
		cmocka_unit_test(test_wrong_results_are_rejected),
		cmocka_unit_test(test_overlapping_operations_may_be_in_either_order),
		cmocka_unit_test(test_a_stale_load_is_rejected),
		cmocka_unit_test(test_new_then_old_is_rejected),
		cmocka_unit_test(test_a_lost_store_is_rejected),
		cmocka_unit_test(test_two_winners_are_rejected),
		cmocka_unit_test(test_the_search_goes_back),
		cmocka_unit_test(test_pending_operations_may_or_may_not_have_happened),
		cmocka_unit_test(test_clear_is_one_instant),
		cmocka_unit_test(test_snapshot_is_one_instant),
		cmocka_unit_test(test_range_by_its_contract),
		cmocka_unit_test(test_initial_state_counts),
		cmocka_unit_test(test_minimise_keeps_the_culprit),
		cmocka_unit_test(test_agrees_with_trying_every_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
