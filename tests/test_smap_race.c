/* SPDX-License-Identifier: MIT */
/*
 * test_smap_race.c - the races that make this algorithm hard, one test each.
 *
 * Where user code runs inside an operation (a Range callback holds an old table,
 * value_free runs on the reclaimer, a section holds a value), the interleaving is
 * forced and the test is exact. Where it cannot be forced from outside, two
 * threads meet at a barrier, race through one short step, and something that
 * holds for every schedule is checked after each of thousands of rounds.
 *
 * R6 to R8 and R11 to R14 are in test_smap_lifetime.c. Covered elsewhere: R9 (out
 * of memory) by test_smap_oom.c; R10 (memory order) by the stress programs under
 * TSan; moving cells by stress_grow.c.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "smap.h"

static char objects[8];
#define A ((void *)&objects[1])
#define B ((void *)&objects[2])

static struct smap *create(void)
{
	struct smap_options opts = {.size = sizeof(opts), .key_kind = SMAP_KEY_U64};
	struct smap *map = NULL;

	assert_int_equal(smap_create(&map, &opts), 0);
	return map;
}

static bool go_on(uint64_t key, void *value, void *ctx)
{
	(void)key;
	(void)value;
	(void)ctx;
	return true;
}

static void promote(struct smap *map)
{
	smap_range_u64(map, go_on, NULL);
}

static void *get(struct smap *map, uint64_t key)
{
	void *value = NULL;

	return smap_load_u64(map, key, &value) ? value : NULL;
}

/* --- two threads, round by round --- */

struct race {
	struct smap *map;
	pthread_barrier_t barrier;
	unsigned rounds, threads;
	void (*step)(struct race *r, unsigned id, unsigned round);
	atomic_uint ids;
	void *_Atomic got[4];
};

static void *race_thread(void *arg)
{
	struct race *r = arg;
	unsigned id = atomic_fetch_add(&r->ids, 1);

	for (unsigned i = 0; i < r->rounds; i++) {
		pthread_barrier_wait(&r->barrier); /* set up */
		r->step(r, id, i);
		pthread_barrier_wait(&r->barrier); /* check */
	}
	return NULL;
}

static void run_race(struct race *r, void (*setup)(struct race *, unsigned),
		     void (*check)(struct race *, unsigned))
{
	pthread_t threads[4];

	r->ids = 0;
	pthread_barrier_init(&r->barrier, NULL, r->threads + 1);
	for (unsigned i = 0; i < r->threads; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, race_thread, r), 0);
	for (unsigned i = 0; i < r->rounds; i++) {
		setup(r, i);
		pthread_barrier_wait(&r->barrier);
		pthread_barrier_wait(&r->barrier);
		check(r, i);
	}
	for (unsigned i = 0; i < r->threads; i++)
		pthread_join(threads[i], NULL);
	pthread_barrier_destroy(&r->barrier);
}

/* --- R1: a rebuild expunges a deleted key while a store revives it --- */

static void r1_setup(struct race *r, unsigned round)
{
	promote(r->map);
	smap_store_u64(r->map, 1, A);
	promote(r->map);
	smap_delete_u64(r->map, 1);
	(void)round;
}

static void r1_step(struct race *r, unsigned id, unsigned round)
{
	if (id)
		smap_store_u64(r->map, 1, B); /* nil to B, unless expunged first */
	else
		smap_store_u64(r->map, 100 + round, A); /* rebuilds */
}

static void r1_check(struct race *r, unsigned round)
{
	assert_ptr_equal(get(r->map, 1), B);
	promote(r->map); /* a store that dirty did not get would go now */
	assert_ptr_equal(get(r->map, 1), B);
	smap_delete_u64(r->map, 100 + round);
}

static void test_R1_expunge_against_a_fast_store(void **state)
{
	struct race r = {.map = create(), .rounds = 5000, .threads = 2, .step = r1_step};

	(void)state;
	run_race(&r, r1_setup, r1_check);
	smap_destroy(r.map);
}

/* --- R2: an old table is still in use when its key lives anew elsewhere --- */

struct stale {
	struct smap *map;
	unsigned met;
};

static bool outlive_the_table(uint64_t key, void *value, void *ctx)
{
	struct stale *s = ctx;

	if (s->met++)
		return key != 1 || value == A || value == B;
	for (uint64_t k = 0; k < 8; k++)
		smap_delete_u64(s->map, k);
	smap_store_u64(s->map, 1000, A); /* expunges */
	promote(s->map);		 /* away with the entries */
	for (uint64_t k = 2000; k < 4000; k++)
		smap_store_u64(s->map, k, A); /* and with the table */
	assert_null(get(s->map, 1));
	assert_int_equal(smap_store_u64(s->map, 1, B), 0);
	assert_ptr_equal(get(s->map, 1), B);
	promote(s->map);
	assert_ptr_equal(get(s->map, 1), B);
	return true;
}

static void test_R2_a_stale_table_is_left_behind(void **state)
{
	struct stale s = {.map = create()};

	(void)state;
	for (uint64_t k = 0; k < 8; k++)
		assert_int_equal(smap_store_u64(s.map, k, A), 0);
	smap_range_u64(s.map, outlive_the_table, &s);
	assert_int_equal(s.met, 1); /* the others were gone before it came to them */
	assert_ptr_equal(get(s.map, 1), B);
	smap_destroy(s.map);
}

/* --- R3: an operation that began before a Clear --- */

static bool clear_inside(uint64_t key, void *value, void *ctx)
{
	struct stale *s = ctx;

	assert_true(value == A);
	(void)key;
	if (!s->met++) {
		assert_int_equal(smap_clear(s->map), 0);
		assert_int_equal(smap_len(s->map), 0);
		assert_int_equal(smap_store_u64(s->map, 50, B), 0);
	}
	return true;
}

static void test_R3_clear_under_a_range(void **state)
{
	struct stale s = {.map = create()};

	(void)state;
	for (uint64_t k = 0; k < 50; k++)
		assert_int_equal(smap_store_u64(s.map, k, A), 0);
	smap_range_u64(s.map, clear_inside, &s);
	assert_true(s.met <= 50);
	for (uint64_t k = 0; k < 50; k++)
		assert_null(get(s.map, k));
	assert_ptr_equal(get(s.map, 50), B);
	assert_int_equal(smap_len(s.map), 1);
	smap_destroy(s.map);
}

static void r3_setup(struct race *r, unsigned round)
{
	smap_store_u64(r->map, 1, A);
	if (round % 2)
		promote(r->map);
}

static void r3_step(struct race *r, unsigned id, unsigned round)
{
	void *previous = NULL;

	(void)round;
	if (id)
		smap_clear(r->map);
	else if (smap_swap_u64(r->map, 1, B, &previous) == 0)
		previous = NULL;
	if (!id)
		r->got[0] = previous;
}

/* The swap came before the Clear (found A, and B is gone) or after (found none). */
static void r3_check(struct race *r, unsigned round)
{
	(void)round;
	if (r->got[0])
		assert_null(get(r->map, 1));
	else
		assert_ptr_equal(get(r->map, 1), B);
	assert_int_equal(smap_len(r->map), r->got[0] == NULL);
}

static void test_R3_swap_against_clear(void **state)
{
	struct race r = {.map = create(), .rounds = 5000, .threads = 2, .step = r3_step};

	(void)state;
	run_race(&r, r3_setup, r3_check);
	smap_destroy(r.map);
}

/* --- R4: three ways to remove or renew one key that is in dirty only --- */

static void r4_setup(struct race *r, unsigned round)
{
	(void)round;
	smap_clear(r->map);
	smap_store_u64(r->map, 1, A);
	for (int i = 0; i < 4; i++)
		r->got[i] = NULL;
}

static void r4_step(struct race *r, unsigned id, unsigned round)
{
	void *value = NULL;

	(void)round;
	if (id == 0 && smap_load_and_delete_u64(r->map, 1, &value))
		r->got[0] = value;
	else if (id == 1 && smap_compare_and_delete_u64(r->map, 1, A))
		r->got[1] = A;
	else if (id == 2 && smap_swap_u64(r->map, 1, B, &value) == 1)
		r->got[2] = value;
}

/* A came out exactly once; B came out or is there. */
static void r4_check(struct race *r, unsigned round)
{
	unsigned a = 0, b = 0;

	(void)round;
	for (int i = 0; i < 3; i++) {
		a += r->got[i] == A;
		b += r->got[i] == B;
	}
	b += get(r->map, 1) == B;
	assert_int_equal(a, 1);
	assert_int_equal(b, 1);
}

static void test_R4_delete_store_and_compare_in_dirty(void **state)
{
	struct race r = {.map = create(), .rounds = 5000, .threads = 3, .step = r4_step};

	(void)state;
	run_race(&r, r4_setup, r4_check);
	smap_destroy(r.map);
}

/* --- R5: who waited for the mutex while another promoted has no miss --- */

static void r5_setup(struct race *r, unsigned round)
{
	smap_clear(r->map); /* a read of nothing, a dirty of one */
	smap_store_u64(r->map, round, A);
}

static void r5_step(struct race *r, unsigned id, unsigned round)
{
	r->got[id] = get(r->map, round);
}

static void r5_check(struct race *r, unsigned round)
{
	struct smap_state st;

	for (unsigned i = 0; i < r->threads; i++)
		assert_ptr_equal(r->got[i], A);
	smap_inspect(r->map, &st);
	assert_int_equal(st.counters.misses, round + 1);
	assert_int_equal(st.counters.promotions, round + 1);
	assert_int_equal(st.miss_count, 0);
}

static void test_R5_no_miss_after_the_promotion_that_it_waited_for(void **state)
{
	struct race r = {.map = create(), .rounds = 5000, .threads = 4, .step = r5_step};

	(void)state;
	run_race(&r, r5_setup, r5_check);
	smap_destroy(r.map);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_R1_expunge_against_a_fast_store),
		cmocka_unit_test(test_R2_a_stale_table_is_left_behind),
		cmocka_unit_test(test_R3_clear_under_a_range),
		cmocka_unit_test(test_R3_swap_against_clear),
		cmocka_unit_test(test_R4_delete_store_and_compare_in_dirty),
		cmocka_unit_test(test_R5_no_miss_after_the_promotion_that_it_waited_for),
	};

	alarm(120); /* a deadlock must not hang the suite */
	return cmocka_run_group_tests_name("smap_race", tests, NULL, NULL);
}
