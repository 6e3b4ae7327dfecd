/* SPDX-License-Identifier: MIT */
/*
 * test_smap_progress.c - P1 to P3 of smap.h: who never waits for whom.
 *
 * A thread is stopped at an arbitrary point of its operation, by a signal whose
 * handler stays, holding whatever it holds; the test goes on with what must not
 * wait for it. An alarm ends a test that waits after all.
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_P1_P2_a_stopped_writer_holds_up_nobody),
		cmocka_unit_test(test_P1_absent_keys_miss_only_while_amended),
		cmocka_unit_test(test_P3_a_reader_that_stays_blocks_nobody),
	};

	alarm(120); /* a deadlock must not hang the suite */
	return cmocka_run_group_tests_name("smap_progress", tests, NULL, NULL);
}
