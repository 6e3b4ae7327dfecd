/* SPDX-License-Identifier: MIT */
/*
 * test_smap_progress.c - P1 to P4 of smap.h: who never waits for whom, and how long at most.
 *
 * A thread is stopped at an arbitrary point of its operation, by a signal whose
 * handler stays, holding whatever it holds; the test goes on with what must not
 * wait for it. An alarm ends a test that waits after all. For P4 the processor stops after each
 * instruction of an operation, and they are counted.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

#include "promote.h"
#include "smap.h"
#include "until.h"

static char objects[2];

struct other {
	pthread_t thread;
	struct smap *map;
};

static atomic_bool stop;

static struct smap *create_u64(void)
{
	struct smap_options opts = {.size = sizeof(opts), .key_kind = SMAP_KEY_U64};
	struct smap *map = NULL;

	assert_int_equal(smap_create(&map, &opts), 0);
	return map;
}

/* --- P1, P2: a writer that is stopped anywhere holds up nobody on read --- */

static atomic_bool parked, go;

static void park(int signal)
{
	(void)signal;
	atomic_store(&parked, true);
	while (!atomic_load(&go))
		sched_yield();
	atomic_store(&parked, false);
}

static void *write_new_keys(void *arg)
{
	struct other *w = arg;
	void *value;

	for (uint64_t k = 100; !atomic_load(&stop); k++) {
		smap_store_u64(w->map, k, objects); /* grows now and then */
		smap_load_u64(w->map, UINT64_MAX, &value);
		smap_delete_u64(w->map, k - 50);
		if (k % 1000 == 0)
			promote(w->map);
	}
	return NULL;
}

static void use_keys_in_read(struct smap *map)
{
	void *value;

	for (uint64_t k = 0; k < 32; k++) {
		assert_true(smap_load_u64(map, k, &value));
		assert_int_equal(smap_swap_u64(map, k, objects + 1, &value), 1);
		assert_int_equal(smap_compare_and_swap_u64(map, k, objects + 1, objects), 1);
		assert_true(smap_delete_u64(map, k));
		assert_int_equal(smap_store_u64(map, k, objects), 0);
	}
}

static void test_P1_P2_a_stopped_writer_holds_up_nobody(void **state)
{
	struct sigaction sa = {.sa_handler = park};
	struct smap *map = create_u64();
	struct other w = {.map = map};

	(void)state;
	assert_int_equal(sigaction(SIGUSR1, &sa, NULL), 0);
	for (uint64_t k = 0; k < 32; k++)
		assert_int_equal(smap_store_u64(map, k, objects), 0);
	promote(map);
	atomic_store(&stop, false);
	assert_int_equal(pthread_create(&w.thread, NULL, write_new_keys, &w), 0);
	for (int round = 0; round < 2000; round++) {
		atomic_store(&go, false);
		assert_int_equal(pthread_kill(w.thread, SIGUSR1), 0);
		while (!atomic_load(&parked))
			sched_yield();
		use_keys_in_read(map); /* the alarm rings if this waits */
		atomic_store(&go, true);
		while (atomic_load(&parked))
			sched_yield();
	}
	atomic_store(&stop, true);
	assert_int_equal(pthread_join(w.thread, NULL), 0);
	smap_destroy(map);
}

/* P1: an absent key needs dirty only while dirty holds new keys. */
static void test_P1_absent_keys_miss_only_while_amended(void **state)
{
	struct smap *map = create_u64();
	struct smap_state st;
	void *value;

	(void)state;
	for (uint64_t k = 0; k < 10; k++)
		assert_int_equal(smap_store_u64(map, k, objects), 0);
	promote(map);
	for (uint64_t k = 0; k < 1000; k++)
		smap_load_u64(map, k, &value);
	smap_inspect(map, &st);
	assert_int_equal(st.counters.misses, 0);
	smap_destroy(map);
}

/* --- P3: a reader that stays for ever blocks nothing --- */

static void *stay_inside(void *arg)
{
	struct other *w = arg;
	void *value;

	smap_read_lock();
	smap_load_u64(w->map, 1, &value);
	atomic_store(&parked, true);
	while (!atomic_load(&go))
		sched_yield();
	smap_read_unlock();
	return NULL;
}

static void test_P3_a_reader_that_stays_blocks_nobody(void **state)
{
	struct smap *map = create_u64();
	struct other w = {.map = map};
	struct smap_state st;

	(void)state;
	assert_int_equal(smap_store_u64(map, 1, objects), 0);
	atomic_store(&parked, false);
	atomic_store(&go, false);
	assert_int_equal(pthread_create(&w.thread, NULL, stay_inside, &w), 0);
	while (!atomic_load(&parked))
		sched_yield();
	for (uint64_t k = 2; k <= 10000; k++) {
		assert_int_equal(smap_store_u64(map, k, objects), 0);
		assert_true(smap_delete_u64(map, k - 1));
		if (k % 1000 == 0)
			promote(map);
	}
	assert_int_equal(smap_clear(map), 0);
	smap_inspect(map, &st);
	assert_true(st.counters.promotions >= 10);
	assert_true(st.growths > 0);
	for (struct until u = until_begin(); !smap_registry.backlog && until_again(&u);)
		;
	assert_true(smap_registry.backlog > 0);
	atomic_store(&go, true);
	assert_int_equal(pthread_join(w.thread, NULL), 0);
	for (struct until u = until_begin(); smap_registry.backlog && until_again(&u);)
		;
	assert_int_equal(smap_registry.backlog, 0);
	smap_destroy(map);
}

/* --- P4: what an operation does under the mutex does not grow with the map --- */

#ifdef __x86_64__

static volatile uint64_t steps;

static void count_step(int signal)
{
	(void)signal;
	steps++;
}

/* The trap flag: SIGTRAP after each instruction. The stack's red zone is stepped over. */
#define TRAP_FLAG "0x100"
#define STEP_BY_STEP                                                                               \
	"lea -128(%%rsp), %%rsp; pushfq; orq $" TRAP_FLAG ", (%%rsp); popfq; lea 128(%%rsp), "     \
	"%%rsp"
#define AT_FULL_SPEED                                                                              \
	"lea -128(%%rsp), %%rsp; pushfq; andq $~" TRAP_FLAG                                        \
	", (%%rsp); popfq; lea 128(%%rsp), %%rsp"

/* Key i of those in read; n + i is in dirty only, 2 * n + i nowhere. */
struct sized {
	struct smap *map;
	uint64_t n;
};

static void load_from_dirty(const struct sized *s, uint64_t i)
{
	void *value;

	smap_load_u64(s->map, s->n + i, &value);
}

static void load_absent(const struct sized *s, uint64_t i)
{
	void *value;

	smap_load_u64(s->map, 3 * s->n + i, &value);
}

static void store_in_dirty(const struct sized *s, uint64_t i)
{
	smap_store_u64(s->map, s->n + i, objects + 1);
}

static void insert(const struct sized *s, uint64_t i)
{
	smap_store_u64(s->map, 2 * s->n + i, objects);
}

static void load_or_store_in_dirty(const struct sized *s, uint64_t i)
{
	void *value;

	smap_load_or_store_u64(s->map, s->n + i, objects, &value);
}

static void compare_and_swap_in_dirty(const struct sized *s, uint64_t i)
{
	smap_compare_and_swap_u64(s->map, s->n + i, objects + 1, objects);
}

static void compare_and_delete_in_dirty(const struct sized *s, uint64_t i)
{
	smap_compare_and_delete_u64(s->map, s->n + i, objects);
}

static void delete_from_dirty(const struct sized *s, uint64_t i)
{
	smap_delete_u64(s->map, 2 * s->n + i);
}

#define P4_TIMES 8
#define P4_PROMOTES 1000 /* misses; more than the operations above count */
#define P4_SLACK 2000	 /* instructions: one may have to wake the reclaimer */

static uint64_t count_instructions(void (*op)(const struct sized *s, uint64_t i),
				   const struct sized *s, uint64_t times)
{
	steps = 0;
	for (uint64_t i = 0; i < times; i++) {
		__asm__ volatile(STEP_BY_STEP ::: "cc", "memory");
		op(s, i);
		__asm__ volatile(AT_FULL_SPEED ::: "cc", "memory");
	}
	return steps;
}

static struct sized map_of(uint64_t n)
{
	struct smap_options opts = {.size = sizeof(opts),
				    .key_kind = SMAP_KEY_U64,
				    .policy = SMAP_POLICY_FIXED,
				    .policy_arg = P4_PROMOTES,
				    .initial_dirty = 4 * n}; /* no growth */
	struct sized s = {.n = n};

	assert_int_equal(smap_create(&s.map, &opts), 0);
	for (uint64_t i = 0; i < n; i++)
		assert_int_equal(smap_store_u64(s.map, i, objects), 0);
	promote(s.map);
	for (uint64_t i = 0; i < n; i++)
		assert_int_equal(smap_store_u64(s.map, n + i, objects), 0);
	return s;
}

static void (*const bounded[])(const struct sized *s, uint64_t i) = {
	load_from_dirty,	   load_absent, store_in_dirty,	   load_or_store_in_dirty,
	compare_and_swap_in_dirty, insert,	delete_from_dirty, compare_and_delete_in_dirty,
};

#define BOUNDED (sizeof(bounded) / sizeof(bounded[0]))

/* Instructions of each operation, then of a promotion, then of a rebuild. */
static void measure(uint64_t n, uint64_t ret_counts[BOUNDED + 2])
{
	struct sized s = map_of(n);
	struct smap_state st;

	for (size_t op = 0; op < BOUNDED; op++)
		ret_counts[op] = count_instructions(bounded[op], &s, P4_TIMES);
	smap_inspect(s.map, &st);
	for (uint64_t misses = st.miss_count; misses < P4_PROMOTES - 1; misses++)
		load_absent(&s, misses);
	ret_counts[BOUNDED] = count_instructions(load_absent, &s, 1);
	smap_inspect(s.map, &st);
	assert_int_equal(st.counters.promotions, 2);
	ret_counts[BOUNDED + 1] = count_instructions(insert, &s, 1);
	smap_inspect(s.map, &st);
	assert_int_equal(st.counters.rebuilds, 3);
	assert_int_equal(st.growths, 0);
	smap_destroy(s.map);
}

static void test_P4_work_under_the_mutex_does_not_grow_with_the_map(void **state)
{
	struct sigaction sa = {.sa_handler = count_step};
	uint64_t small[BOUNDED + 2], large[BOUNDED + 2];

	(void)state;
	assert_int_equal(sigaction(SIGTRAP, &sa, NULL), 0);
	measure(1000, small);
	measure(16000, large);
	for (size_t op = 0; op <= BOUNDED; op++) {
		assert_in_range(small[op], 100, 100000); /* it was counted */
		assert_in_range(large[op], 0, 2 * small[op] + P4_SLACK);
	}
	/* What does grow, by a byte for each slot, is seen to. */
	assert_true(large[BOUNDED + 1] > 4 * small[BOUNDED + 1]);
}

#else

static void test_P4_work_under_the_mutex_does_not_grow_with_the_map(void **state)
{
	(void)state;
	skip(); /* no trap flag */
}

#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_P1_P2_a_stopped_writer_holds_up_nobody),
		cmocka_unit_test(test_P1_absent_keys_miss_only_while_amended),
		cmocka_unit_test(test_P3_a_reader_that_stays_blocks_nobody),
		cmocka_unit_test(test_P4_work_under_the_mutex_does_not_grow_with_the_map),
	};

	alarm(120); /* a deadlock must not hang the suite */
	return cmocka_run_group_tests_name("smap_progress", tests, NULL, NULL);
}
