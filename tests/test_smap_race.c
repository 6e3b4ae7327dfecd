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
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "promote.h"
#include "smap.h"
#include "until.h"

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

/* --- two threads, round by round --- */

struct race {
	struct smap *map;
	pthread_barrier_t barrier;
	unsigned rounds, threads;
	_Atomic uint64_t ready;
	void (*step)(struct race *r, unsigned id, unsigned round);
	atomic_uint ids;
	void *_Atomic got[4];
};

/*
 * A barrier wakes its threads one after the other; here they leave it together, and
 * then apart by a little that differs from round to round, to meet at every point.
 */
static void meet(struct race *r, unsigned id, unsigned round)
{
	uint64_t all = (uint64_t)r->threads * (round + 1);
	unsigned apart = (round * 2654435761u >> 16) % 128;

	atomic_fetch_add(&r->ready, 1);
	for (unsigned spins = 1; atomic_load(&r->ready) < all; spins++)
		if (spins % 1024 == 0)
			sched_yield();
	for (volatile unsigned i = 0; i < (id ? apart : 64); i++)
		;
}

static void *race_thread(void *arg)
{
	struct race *r = arg;
	unsigned id = atomic_fetch_add(&r->ids, 1);

	for (unsigned i = 0; i < r->rounds; i++) {
		pthread_barrier_wait(&r->barrier); /* set up */
		meet(r, id, i);
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
	r->ready = 0;
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

#define R1_KEYS 256

static uint64_t r1_order[R1_KEYS]; /* Range goes through the slots as the rebuild will */
static unsigned r1_met;

static bool r1_note(uint64_t key, void *value, void *ctx)
{
	(void)value;
	(void)ctx;
	r1_order[r1_met++] = key;
	return r1_met < R1_KEYS;
}

static void r1_setup(struct race *r, unsigned round)
{
	for (uint64_t k = 0; k < R1_KEYS; k++)
		smap_store_u64(r->map, k, A);
	r1_met = 0;
	smap_range_u64(r->map, r1_note, NULL);
	for (uint64_t k = 0; k < R1_KEYS; k++)
		smap_delete_u64(r->map, k);
	(void)round;
}

/* The store comes from the other end, and must meet the rebuild on the way. */
static void r1_step(struct race *r, unsigned id, unsigned round)
{
	if (!id)
		smap_store_u64(r->map, 1000 + round, A); /* rebuilds */
	for (unsigned i = R1_KEYS; id && i--;)
		smap_store_u64(r->map, r1_order[i], B); /* nil to B, unless expunged first */
}

static void r1_check(struct race *r, unsigned round)
{
	for (uint64_t k = 0; k < R1_KEYS; k++)
		assert_ptr_equal(get(r->map, k), B);
	promote(r->map); /* a store that dirty did not get would go now */
	for (uint64_t k = 0; k < R1_KEYS; k++)
		assert_ptr_equal(get(r->map, k), B);
	smap_delete_u64(r->map, 1000 + round);
	smap_store_u64(r->map, 999, A); /* expunges it ... */
	smap_delete_u64(r->map, 999);
	promote(r->map); /* ... and leaves no dirty */
}

static void test_R1_expunge_against_a_fast_store(void **state)
{
	struct race r = {.map = create(), .rounds = 8000, .threads = 2, .step = r1_step};

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

#define R3_KEYS 256
#define R3_ROUNDS 2000

/* Values are numbers here: one for each store, each freed once in the end. */
static atomic_uchar r3_freed[2 * R3_KEYS * R3_ROUNDS + 1];
static void *r3_previous[R3_KEYS];

static void r3_free(void *value, void *ctx)
{
	(void)ctx;
	atomic_fetch_add(&r3_freed[(uintptr_t)value], 1);
}

static void *r3_value(unsigned round, uint64_t key, unsigned second)
{
	return (void *)(uintptr_t)(((uint64_t)round * R3_KEYS + key) * 2 + second + 1);
}

static void r3_setup(struct race *r, unsigned round)
{
	for (uint64_t k = 0; k < R3_KEYS; k++)
		smap_store_u64(r->map, k, r3_value(round, k, 0));
	if (round % 4)
		promote(r->map);
}

static void r3_step(struct race *r, unsigned id, unsigned round)
{
	if (id)
		smap_clear(r->map);
	for (uint64_t k = 0; !id && k < R3_KEYS; k++)
		smap_swap_u64(r->map, k, r3_value(round, k, 1), &r3_previous[k]);
}

/* Each swap came before the Clear (and its value is gone) or after it (and found none). */
static void r3_check(struct race *r, unsigned round)
{
	size_t present = 0;

	for (uint64_t k = 0; k < R3_KEYS; k++) {
		bool after = !r3_previous[k];

		present += after;
		assert_ptr_equal(get(r->map, k), after ? r3_value(round, k, 1) : NULL);
	}
	assert_int_equal(smap_len(r->map), present);
}

static void test_R3_swap_against_clear(void **state)
{
	struct smap_options opts = {
		.size = sizeof(opts), .key_kind = SMAP_KEY_U64, .value_free = r3_free};
	struct race r = {.rounds = R3_ROUNDS, .threads = 2, .step = r3_step};

	(void)state;
	assert_int_equal(smap_create(&r.map, &opts), 0);
	run_race(&r, r3_setup, r3_check);
	smap_destroy(r.map);
	for (size_t i = 1; i <= 2 * R3_KEYS * R3_ROUNDS; i++)
		assert_int_equal(r3_freed[i], 1);
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

#define R5_LOADERS 4

struct waiting {
	struct smap *map;
	atomic_bool holds, release;
	atomic_int tid[R5_LOADERS];
};

static _Thread_local atomic_bool *r5_holds, *r5_release;
static _Thread_local unsigned r5_hashes; /* within one store; growth hashes again, under mu */

/* The map's hash: runs under the mutex when the table moves, and then keeps it. */
static uint64_t r5_hash(const void *key, size_t len, uint64_t seed)
{
	uint64_t k;

	memcpy(&k, key, len);
	if (r5_holds && ++r5_hashes == 2) {
		atomic_store(r5_holds, true);
		while (!atomic_load(r5_release))
			sched_yield();
	}
	return (k ^ seed) * 0x9e3779b97f4a7c15ULL;
}

static void *r5_hold(void *arg)
{
	struct waiting *w = arg;

	r5_holds = &w->holds;
	r5_release = &w->release;
	for (uint64_t k = 1000; !atomic_load(&w->holds); k++) {
		r5_hashes = 0;
		smap_store_u64(w->map, k, A);
	}
	return NULL;
}

static void *r5_load(void *arg)
{
	struct waiting *w = arg;
	static atomic_uint ids;

	atomic_store(&w->tid[atomic_fetch_add(&ids, 1) % R5_LOADERS], gettid());
	return get(w->map, 1) == A ? NULL : arg;
}

/* Has the thread gone to sleep? There is nothing on its way but the mutex. */
static bool sleeps(int tid)
{
	char path[64], stat[128] = "";
	const char *after_name;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
	file = fopen(path, "r");
	if (!file || !tid)
		return file && fclose(file) && false;
	if (!fgets(stat, sizeof(stat), file))
		stat[0] = 0;
	fclose(file);
	after_name = strrchr(stat, ')');
	return after_name && after_name[2] == 'S';
}

static void until_sleeping(atomic_int *tid)
{
	for (struct until u = until_begin(); !sleeps(atomic_load(tid)) && until_again(&u);)
		;
	assert_true(sleeps(atomic_load(tid)));
}

/* All wait for the mutex to load one key from dirty; the first to get it promotes. */
static void test_R5_no_miss_after_the_promotion_that_it_waited_for(void **state)
{
	struct smap_options opts = {.size = sizeof(opts),
				    .key_kind = SMAP_KEY_U64,
				    .policy = SMAP_POLICY_FIXED,
				    .policy_arg = 1,
				    .hash = r5_hash};
	struct waiting w = {.map = NULL};
	pthread_t holder, loaders[R5_LOADERS];
	struct smap_state st;
	void *ret;

	(void)state;
	assert_int_equal(smap_create(&w.map, &opts), 0);
	assert_int_equal(smap_store_u64(w.map, 1, A), 0);
	assert_int_equal(pthread_create(&holder, NULL, r5_hold, &w), 0);
	for (struct until u = until_begin(); !atomic_load(&w.holds) && until_again(&u);)
		;
	assert_true(atomic_load(&w.holds));
	for (int i = 0; i < R5_LOADERS; i++)
		assert_int_equal(pthread_create(&loaders[i], NULL, r5_load, &w), 0);
	for (int i = 0; i < R5_LOADERS; i++)
		until_sleeping(&w.tid[i]);
	atomic_store(&w.release, true);
	for (int i = 0; i < R5_LOADERS; i++) {
		assert_int_equal(pthread_join(loaders[i], &ret), 0);
		assert_null(ret);
	}
	assert_int_equal(pthread_join(holder, NULL), 0);
	smap_inspect(w.map, &st);
	assert_int_equal(st.lock_waits, R5_LOADERS);
	assert_int_equal(st.counters.misses, 1);
	assert_int_equal(st.counters.promotions, 1);
	assert_int_equal(st.miss_count, 0);
	smap_destroy(w.map);
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
