/* SPDX-License-Identifier: MIT */
/* test_smap_mutex.c - the mutex of a map (lib/smap_mutex.h): one at a time, and nobody sleeps on. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "smap_mutex.h"
#include "until.h"

#define THREADS 4
#define ROUNDS 50000

static struct smap_mutex mutex;
static uint64_t sum; /* guarded by it */
static _Atomic(pid_t) tids[THREADS];

static void *add_many(void *arg)
{
	(void)arg;
	for (int i = 0; i < ROUNDS; i++) {
		smap_mutex_lock(&mutex);
		sum++;
		smap_mutex_unlock(&mutex);
	}
	return NULL;
}

static void test_one_at_a_time(void **state)
{
	pthread_t threads[THREADS];

	(void)state;
	sum = 0;
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, add_many, NULL), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(sum, THREADS * ROUNDS);
	assert_true(smap_mutex_try(&mutex));
	assert_false(smap_mutex_try(&mutex));
	smap_mutex_unlock(&mutex);
}

static void *add_one(void *arg)
{
	atomic_store((_Atomic(pid_t) *)arg, (pid_t)syscall(SYS_gettid));
	smap_mutex_lock(&mutex);
	sum++;
	smap_mutex_unlock(&mutex);
	return NULL;
}

/* In the system call futex? */
static bool is_asleep(pid_t tid)
{
	char path[64];
	long number = -1;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/task/%d/syscall", tid);
	file = fopen(path, "r");
	if (!file)
		return false;
	if (fscanf(file, "%ld", &number) != 1)
		number = -1;
	fclose(file);
	return number == SYS_futex;
}

/* All of them sleep when the holder leaves: it wakes one, who has to wake the next. */
static void test_who_sleeps_is_woken(void **state)
{
	pthread_t threads[THREADS];

	(void)state;
	sum = 0;
	smap_mutex_lock(&mutex);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, add_one, &tids[i]), 0);
	for (int i = 0; i < THREADS; i++)
		for (struct until u = until_begin(); !is_asleep(tids[i]) && until_again(&u);)
			;
	assert_int_equal(sum, 0);
	smap_mutex_unlock(&mutex);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(sum, THREADS);
}

static void test_a_wait_can_end_without_it(void **state)
{
	struct timespec now;

	(void)state;
	clock_gettime(CLOCK_MONOTONIC, &now);
	smap_mutex_lock(&mutex);
	errno = 0;
	assert_false(smap_mutex_wait(&mutex, &now));
	assert_int_equal(errno, 0);
	assert_false(smap_mutex_try(&mutex));
	smap_mutex_unlock(&mutex);
	assert_true(smap_mutex_wait(&mutex, &now));
	smap_mutex_unlock(&mutex);
	assert_true(smap_mutex_try(&mutex));
	smap_mutex_unlock(&mutex);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_at_a_time),
		cmocka_unit_test(test_who_sleeps_is_woken),
		cmocka_unit_test(test_a_wait_can_end_without_it),
	};

	alarm(20); /* who sleeps on must not hang the suite */
	return cmocka_run_group_tests_name("smap_mutex", tests, NULL, NULL);
}
