/* SPDX-License-Identifier: MIT */
/*
 * test_smap_cover.c - what no other test comes to: listeners, a reclaimer that sleeps, readers
 * that stay, more threads than there are records, memory that runs out at odd places.
 *
 * The clock of this program can leap (leap_s), so that nothing has to wait for seconds; what
 * waits for a time of that clock waits as if there had been no leap. And its thread-local
 * data is larger than the reclaimer's stack, so that its thread has to be started the other
 * way, in all tests here.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <sys/random.h>
#include <sys/syscall.h>

#include "cover.h"
#include "fault_alloc.h"
#include "smap_clock.h"

static _Thread_local volatile char big_tls[400 * 1024];
static _Atomic time_t leap_s;

int clock_gettime(clockid_t clock, struct timespec *now)
{
	long ret = syscall(SYS_clock_gettime, clock, now);

	now->tv_sec += leap_s;
	return (int)ret;
}

int pthread_cond_clockwait(pthread_cond_t *cond, pthread_mutex_t *mutex, clockid_t clock,
			   const struct timespec *until)
{
	static int (*real)(pthread_cond_t *, pthread_mutex_t *, clockid_t, const struct timespec *);
	struct timespec without = {until->tv_sec - leap_s, until->tv_nsec};

	if (!real) /* the reclaimer's thread alone comes here */
		*(void **)&real = dlsym(RTLD_NEXT, "pthread_cond_clockwait");
	return real(cond, mutex, clock, &without);
}

static bool poor_random;

ssize_t getrandom(void *to, size_t size, unsigned flags)
{
	if (!poor_random)
		return syscall(SYS_getrandom, to, size, flags);
	memset(to, 0, size);
	return (ssize_t)size;
}

/* The reclaimer has taken steps that began after the call. */
static void some_rounds(void)
{
	uint64_t end = rounds() + 4;

	for (struct until u = until_begin(); rounds() < end && until_again(&u);)
		;
	CHECK(rounds() >= end);
}

/* --- listeners --- */

/* A batch holds the misses since it began, goes at 64 or at a promotion, and is exact. */
static void test_misses_are_batched_while_heard(void **state)
{
	struct smap *map =
		create((struct smap_options){.policy = SMAP_POLICY_FIXED, .policy_arg = 1000000});
	struct smap_state st;

	(void)state;
	fill(map, 0, 10);
	smap_miss_semaphore++;
	miss(map, 3); /* one listener for single misses: no batch */
	smap_inspect(map, &st);
	assert_int_equal(st.pending.count, 0);
	smap_miss_batch_semaphore++;
	miss(map, 1);
	for (unsigned i = 0; i < 200; i++) {
		miss(map, 1);
		smap_inspect(map, &st);
		assert_true(st.pending.count < SMAP_BATCH_MISSES);
		if (st.pending.count)
			assert_int_equal(st.pending.misses_total, st.counters.misses);
	}
	smap_miss_batch_semaphore--;
	miss(map, 5); /* unheard by batches */
	smap_miss_batch_semaphore++;
	miss(map, 1);
	smap_inspect(map, &st);
	assert_int_equal(st.counters.misses, 3 + 1 + 200 + 5 + 1);
	promote(map);
	smap_inspect(map, &st);
	assert_int_equal(st.pending.count, 0);
	smap_miss_batch_semaphore--;
	smap_miss_semaphore--;
	smap_destroy(map);
}

/* An old batch is fired by the reclaimer when no further miss comes. */
static void test_a_batch_is_fired_when_it_is_old(void **state)
{
	struct smap *map =
		create((struct smap_options){.policy = SMAP_POLICY_FIXED, .policy_arg = 1000000});
	struct smap_state st;

	(void)state;
	fill(map, 0, 10);
	listen_to_all(1);
	miss(map, 1 + 1); /* the first is fired at once: none came for long before it */
	smap_inspect(map, &st);
	for (struct until u = until_begin(); st.pending.count && until_again(&u);)
		smap_inspect(map, &st);
	assert_int_equal(st.pending.count, 0);
	listen_to_all(-1);
	smap_destroy(map);
}

/* What nobody listens to any more stays for a while, for who reads memory, and is forgotten. */
static void test_an_unheard_batch_is_forgotten(void **state)
{
	struct smap *map =
		create((struct smap_options){.policy = SMAP_POLICY_FIXED, .policy_arg = 1000000});
	struct smap_state st;

	(void)state;
	fill(map, 0, 10);
	listen_to_all(1);
	miss(map, 1 + 1);
	listen_to_all(-1);
	leap_s = 11;
	smap_inspect(map, &st);
	for (struct until u = until_begin(); st.pending.count && until_again(&u);)
		smap_inspect(map, &st);
	assert_int_equal(st.pending.count, 0);
	leap_s = 0;
	smap_destroy(map);
}

/* Each probe fires into nothing: the sites are called, and all counters stay right. */
static void test_everything_is_heard(void **state)
{
	atomic_uint freed = 0;
	struct smap_state st;
	struct smap *map;
	void *got;

	(void)state;
	listen_to_all(1);
	map = create((struct smap_options){
		.value_free = count_freed, .ctx = &freed, .miss_counter_bits = 16});
	fill(map, 0, 100);
	promote(map);
	for (uint64_t k = 0; k < 50; k++)
		assert_true(smap_delete_u64(map, k));
	fill(map, 100, 101); /* rebuilds, expunges */
	for (uint64_t k = 0; k < 60; k++)
		assert_false(smap_load_u64(map, 1000 + k, &got)); /* misses, promotes */
	smap_inspect(map, &st);
	assert_int_equal(st.counters.expunged, 50);
	assert_int_equal(st.counters.promotions, 2);
	until_freed(&freed, 50);
	smap_destroy(map);
	assert_int_equal(freed, 101);
	listen_to_all(-1);
}

/* --- the reclaimer --- */

/* With nothing to do the reclaimer stops taking steps; a retired value brings it back. */
static void test_the_reclaimer_sleeps_and_wakes(void **state)
{
	atomic_uint freed = 0;
	struct smap *map = create((struct smap_options){.value_free = count_freed, .ctx = &freed});

	(void)state;
	until_asleep();
	fill(map, 0, 1);
	assert_true(smap_delete_u64(map, 0));
	until_freed(&freed, 1);
	smap_destroy(map);
}

/* A reader that stays for more than a second is reported; nothing else happens to it. */
static void test_a_reader_that_stays_is_reported(void **state)
{
	atomic_uint freed = 0;
	struct smap *map = create((struct smap_options){.value_free = count_freed, .ctx = &freed});

	(void)state;
	listen_to_all(1);
	fill(map, 0, 1);
	smap_read_lock();
	assert_true(smap_delete_u64(map, 0));
	some_rounds(); /* the batch has started */
	leap_s = 2;
	some_rounds();
	assert_int_equal(freed, 0);
	smap_read_unlock();
	until_freed(&freed, 1);
	leap_s = 0;
	listen_to_all(-1);
	smap_destroy(map);
}

/* The rate of the time stamp counter is measured until a second has passed, then kept. */
static void test_the_clock_settles(void **state)
{
	uint64_t ns;

	(void)state;
	leap_s = 2;
	ns = smap_ticks_between_ns(1, 1000000000);
	leap_s = 0;
	assert_int_equal(smap_ticks_between_ns(1, 1000000000), ns);
}

/* Where nearly all is writing, half of Go's misses promote. */
static void test_writes_alone_halve_the_threshold(void **state)
{
	struct smap *map = create((struct smap_options){.policy = SMAP_POLICY_RW_RATIO});

	(void)state;
	fill(map, 0, 1000);
	leap_s = 31; /* the traffic is looked at every 30 seconds */
	promote(map);
	leap_s = 0;
	fill(map, 1000, 1500);
	assert_int_equal(map->state.threshold, map->state.dirty_len / 2);
	smap_destroy(map);
}

/* A seed that would spread keys badly is not taken as it is. */
static void test_a_poor_seed(void **state)
{
	struct smap *map;
	void *got;

	(void)state;
	poor_random = true;
	map = create((struct smap_options){0});
	poor_random = false;
	assert_true(__builtin_popcountll(map->hot.multiplier) >= 16);
	fill(map, 0, 1000);
	for (uint64_t k = 0; k < 1000; k++)
		assert_true(smap_load_u64(map, k, &got));
	smap_destroy(map);
}

/* --- threads --- */

static struct smap *shared;
static pthread_barrier_t all_there;

static void *be_there(void *arg)
{
	void *got = NULL;

	(void)arg;
	arm(1, false); /* whoever needs memory for new records tries again */
	CHECK(smap_load_u64(shared, 1, &got) && got == A);
	disarm();
	pthread_barrier_wait(&all_there); /* nobody gives a record back before */
	return NULL;
}

#define MANY_THREADS 400 /* more than the static records and the first chunk */

static void test_more_threads_than_records(void **state)
{
	pthread_t threads[MANY_THREADS];
	pthread_attr_t attr;

	(void)state;
	shared = create((struct smap_options){0});
	fill(shared, 0, 2);
	pthread_barrier_init(&all_there, NULL, MANY_THREADS);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 1 << 20);
	for (int i = 0; i < MANY_THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], &attr, be_there, NULL), 0);
	for (int i = 0; i < MANY_THREADS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	pthread_attr_destroy(&attr);
	pthread_barrier_destroy(&all_there);
	smap_destroy(shared);
}

static bool end_thread(uint64_t key, void *value, void *ctx)
{
	(void)key;
	(void)value;
	(void)ctx;
	pthread_exit(NULL);
}

static void *range_to_the_end(void *arg)
{
	smap_range_u64(arg, end_thread, NULL);
	return NULL;
}

/* A thread that ends inside a section ends the section. */
static void test_a_thread_ends_inside_a_section(void **state)
{
	atomic_uint freed = 0;
	struct smap *map = create((struct smap_options){.value_free = count_freed, .ctx = &freed});
	pthread_t thread;

	(void)state;
	fill(map, 0, 1);
	assert_int_equal(pthread_create(&thread, NULL, range_to_the_end, map), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_true(smap_delete_u64(map, 0));
	until_freed(&freed, 1);
	smap_destroy(map);
}

/* --- tables that move under a Range --- */

struct mover {
	struct smap *map;
	bool bytes, clear;
	unsigned moves, met;
};

static void put(const struct mover *m, uint64_t key)
{
	CHECK(!(m->bytes ? smap_store(m->map, &key, sizeof(key), A)
			 : smap_store_u64(m->map, key, A)));
}

static uint64_t growths(struct smap *map)
{
	struct smap_state st;

	smap_inspect(map, &st);
	return st.growths;
}

static bool met(struct mover *m)
{
	if (m->met++)
		return true;
	for (unsigned i = 0; i < m->moves; i++) {
		uint64_t before = growths(m->map);

		for (uint64_t key = 1000 * (i + 1); growths(m->map) == before; key++)
			put(m, key);
	}
	CHECK(!m->clear || !smap_clear(m->map));
	return true;
}

static bool met_u64(uint64_t key, void *value, void *ctx)
{
	(void)key;
	(void)value;
	return met(ctx);
}

static bool met_bytes(const void *key, size_t len, void *value, void *ctx)
{
	(void)key;
	(void)len;
	(void)value;
	return met(ctx);
}

static void move_under_range(struct mover m)
{
	const struct smap_options opts = {.size = sizeof(opts),
					  .key_kind = m.bytes ? SMAP_KEY_BYTES : SMAP_KEY_U64};

	assert_int_equal(smap_create(&m.map, &opts), 0);
	for (uint64_t k = 0; k < 10; k++)
		put(&m, k);
	if (m.bytes)
		smap_range(m.map, met_bytes, &m);
	else
		smap_range_u64(m.map, met_u64, &m);
	assert_int_equal(m.met, m.clear ? 1 : 10);
	smap_destroy(m.map);
}

/* A Range meets keys whose cells have moved on, more than once, or were cleared on the way. */
static void test_tables_move_under_a_range(void **state)
{
	(void)state;
	for (unsigned moves = 0; moves < 4; moves++)
		for (unsigned kind = 0; kind < 4; kind++)
			move_under_range((struct mover){
				.moves = moves, .bytes = kind & 1, .clear = kind & 2});
}

/* --- memory --- */

struct cas {
	struct smap *map;
	int ret;
};

static void *cas_without_memory(void *arg)
{
	struct cas *cas = arg;

	arm(1, true);
	cas->ret = smap_compare_and_swap_u64(cas->map, 1, A, B);
	disarm();
	return NULL;
}

/* The first operation of a thread has no reserve yet. */
static void test_compare_and_swap_without_memory(void **state)
{
	atomic_uint freed = 0;
	struct cas cas = {
		.map = create((struct smap_options){.value_free = count_freed, .ctx = &freed})};
	pthread_t thread;
	void *got;

	(void)state;
	fill(cas.map, 0, 2);
	assert_int_equal(pthread_create(&thread, NULL, cas_without_memory, &cas), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(cas.ret, -ENOMEM);
	assert_true(smap_load_u64(cas.map, 1, &got) && got == A);
	smap_destroy(cas.map);
	assert_int_equal(freed, 2);
}

/* Wherever memory fails, absent keys are absent and present ones present, filter or not. */
static void test_filter_without_memory(void **state)
{
	void *got;

	(void)state;
	for (unsigned n = 1; n < 8; n++) {
		struct smap *map = create((struct smap_options){.flags = SMAP_ABSENT_FILTER});
		uint64_t stored = 0;

		for (uint64_t k = 0; k < 3000; k++) {
			arm(n, false);
			stored += smap_store_u64(map, k, A) == 0;
			disarm();
		}
		assert_int_equal(smap_len(map), stored);
		for (uint64_t k = 0; k < 3000; k++)
			stored -= smap_load_u64(map, k, &got);
		assert_int_equal(stored, 0);
		assert_false(smap_load_u64(map, 5000, &got));
		smap_destroy(map);
	}
}

/* More than any machine has is refused when it is needed, not taken modulo something. */
static void test_initial_dirty_beyond_all_memory(void **state)
{
	static const uint64_t sizes[] = {1ULL << 40, UINT64_MAX};

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		struct smap *map = create((struct smap_options){.initial_dirty = sizes[i]});

		assert_int_equal(smap_store_u64(map, 1, A), -ENOMEM);
		assert_int_equal(smap_len(map), 0);
		smap_destroy(map);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_misses_are_batched_while_heard),
		cmocka_unit_test(test_a_batch_is_fired_when_it_is_old),
		cmocka_unit_test(test_an_unheard_batch_is_forgotten),
		cmocka_unit_test(test_everything_is_heard),
		cmocka_unit_test(test_the_reclaimer_sleeps_and_wakes),
		cmocka_unit_test(test_a_reader_that_stays_is_reported),
		cmocka_unit_test(test_more_threads_than_records),
		cmocka_unit_test(test_a_thread_ends_inside_a_section),
		cmocka_unit_test(test_tables_move_under_a_range),
		cmocka_unit_test(test_compare_and_swap_without_memory),
		cmocka_unit_test(test_filter_without_memory),
		cmocka_unit_test(test_initial_dirty_beyond_all_memory),
		cmocka_unit_test(test_writes_alone_halve_the_threshold),
		cmocka_unit_test(test_a_poor_seed),
		cmocka_unit_test(test_the_clock_settles), /* last: the leap is in the rate */
	};

	big_tls[0] = 1;
	alarm(300); /* a deadlock must not hang the suite */
	return cmocka_run_group_tests_name("smap_cover", tests, NULL, NULL);
}
