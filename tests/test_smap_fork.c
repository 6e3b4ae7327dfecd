/* SPDX-License-Identifier: MIT */
/*
 * test_smap_fork.c - the child of a fork uses and destroys its copy of the maps.
 *
 * No stress program: the allocators of the sanitizers do not survive a fork of several threads.
 * Values are counted instead when they are freed. Forks under load: test_smap_fork_load.c.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdatomic.h>
#include <string.h>

#include "forked.h"

/* --- the reclaimer is in the midst of a batch ---------------------------------------------- */

#define BATCH 100

static struct {
	atomic_uint freed[BATCH + 1]; /* how often, by number */
	atomic_uint total;
	atomic_bool go_on;
} batch;

static void free_slowly(void *value, void *ctx)
{
	struct until u = until_begin();

	(void)ctx;
	batch.freed[(uintptr_t)value]++;
	if (++batch.total == BATCH / 2)
		while (!batch.go_on && until_again(&u))
			;
}

static struct smap *map_that_frees_slowly(void)
{
	struct smap_options opts = {.size = sizeof(opts),
				    .name = "slow",
				    .key_kind = SMAP_KEY_U64,
				    .value_free = free_slowly};
	struct smap *map = NULL;

	memset(&batch, 0, sizeof(batch));
	assert_int_equal(smap_create(&map, &opts), 0);
	for (uintptr_t i = 1; i <= BATCH; i++)
		assert_int_equal(smap_store_u64(map, i, (void *)i), 0);
	return map;
}

__attribute__((noreturn)) static void free_the_rest(struct smap *map)
{
	child_begins();
	batch.go_on = true;
	smap_destroy(map);
	for (unsigned i = 1; i <= BATCH; i++)
		CHECK(batch.freed[i] == 1, "value %u is freed %u times", i, batch.freed[i]);
	exit(0);
}

/* Values that were deleted one by one, and those that a Clear took out. */
static void fork_within_a_batch(void (*take_out)(struct smap *map))
{
	struct smap *map = map_that_frees_slowly();
	struct until u;
	pid_t pid;

	take_out(map);
	for (u = until_begin(); batch.total < BATCH / 2 && until_again(&u);)
		;
	assert_int_equal(batch.total, BATCH / 2);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid)
		free_the_rest(map);
	expect_success(pid);
	batch.go_on = true;
	smap_destroy(map);
	assert_int_equal(batch.total, BATCH);
}

static void delete_all(struct smap *map)
{
	smap_read_lock(); /* so that they become one batch */
	for (uintptr_t i = 1; i <= BATCH; i++)
		assert_true(smap_delete_u64(map, i));
	smap_read_unlock();
}

static void clear_all(struct smap *map)
{
	assert_int_equal(smap_clear(map), 0);
}

static void test_batch_of_deletes(void **state)
{
	(void)state;
	fork_within_a_batch(delete_all);
}

static void test_batch_of_a_clear(void **state)
{
	(void)state;
	fork_within_a_batch(clear_all);
}

/* --- another thread is in a section, destroys a map, takes a snapshot ------- */

static atomic_bool entered, leave;

static void *stay_in_a_section(void *arg)
{
	struct until u = until_begin();

	smap_read_lock();
	entered = true;
	while (!leave && until_again(&u))
		;
	smap_read_unlock();
	return arg;
}

static void *destroy(void *map)
{
	smap_destroy(map);
	return NULL;
}

static void *take_snapshot(void *map)
{
	struct smap_snapshot *snapshot;

	CHECK(!smap_snapshot(map, &snapshot, NULL), "snapshot");
	smap_snapshot_unref(snapshot);
	return NULL;
}

static void *do_nothing(void *arg)
{
	return arg;
}

/* Neither the section nor who waits for it is there in the child. */
static void test_section_of_another_thread(void **state)
{
	struct smap *doomed = stress_map_u64("doomed"), *map = stress_map_u64("map");
	pthread_t reader, destroyer, snapshotter, other;
	struct until u;
	pid_t pid;

	(void)state;
	entered = leave = false;
	assert_int_equal(pthread_create(&reader, NULL, stay_in_a_section, NULL), 0);
	for (u = until_begin(); !entered && until_again(&u);)
		;
	assert_int_equal(pthread_create(&destroyer, NULL, destroy, doomed), 0);
	assert_int_equal(pthread_create(&snapshotter, NULL, take_snapshot, map), 0);
	u = until_begin();
	until_again(&u); /* until both wait, most of the time */
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		child_begins();
		CHECK(!smap_store_u64(map, 1, map), "store");
		/* Takes the stack of the thread that waited. */
		CHECK(!pthread_create(&other, NULL, do_nothing, NULL), "thread");
		take_snapshot(map);
		smap_destroy(map);
		pthread_join(other, NULL);
		CHECK(smap_registry_get()->map_count <= 1, "maps are left");
		exit(0);
	}
	expect_success(pid);
	leave = true;
	pthread_join(reader, NULL);
	pthread_join(destroyer, NULL);
	pthread_join(snapshotter, NULL);
	smap_destroy(map);
}

/* The forking thread's own section goes on in the child. */
static void test_section_of_its_own(void **state)
{
	struct smap *map = map_that_frees_slowly();
	void *value = NULL;
	pid_t pid;

	(void)state;
	batch.go_on = true;
	smap_read_lock();
	assert_true(smap_load_u64(map, 1, &value));
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		child_begins();
		CHECK(smap_delete_u64(map, 1), "delete");
		usleep(50000); /* the reclaimer that the delete started has its time */
		CHECK(batch.freed[1] == 0, "freed under the section");
		smap_read_unlock();
		free_the_rest(map);
	}
	smap_read_unlock();
	expect_success(pid);
	smap_destroy(map);
}

/* value_free may fork: on the reclaimer, and inside a smap_destroy. */
static void fork_once(void *value, void *ctx)
{
	struct smap *other = ctx;
	pid_t pid = fork();

	CHECK(pid >= 0, "fork");
	if (!pid) {
		CHECK(!smap_store_u64(other, 1, value), "store");
		CHECK(smap_len(other) == 1, "%zu keys", smap_len(other));
		smap_destroy(other);
		_exit(0);
	}
	expect_success(pid);
	batch.total++;
}

static void test_fork_in_value_free(void **state)
{
	struct smap *other = stress_map_u64("other"), *map;
	struct smap_options opts = {
		.key_kind = SMAP_KEY_U64, .value_free = fork_once, .ctx = other};

	(void)state;
	map = stress_map(&opts, "forks");
	memset(&batch, 0, sizeof(batch));
	assert_int_equal(smap_store_u64(map, 1, map), 0);
	assert_int_equal(smap_store_u64(map, 2, map), 0);
	assert_true(smap_delete_u64(map, 1));
	for (struct until u = until_begin(); !batch.total && until_again(&u);)
		;
	smap_destroy(map);
	assert_int_equal(batch.total, 2);
	smap_destroy(other);
}

/*
 * A thread that waits for its smap_destroy, on a stack of ours, while another one frees the values
 * of that map, and forks there: nobody may touch that stack in the child.
 */
#define STACK (256 * 1024)

static struct {
	char *stack, *copy;
	pthread_t waits;
	bool is_child;
	atomic_uint pid; /* of the child; 0: freed by who waited */
} bystander;

static void fork_elsewhere(void *value, void *ctx)
{
	pid_t pid;

	(void)value, (void)ctx;
	if (pthread_equal(pthread_self(), bystander.waits))
		return;
	pid = fork();
	CHECK(pid >= 0, "fork");
	if (!pid) {
		child_begins();
		bystander.is_child = true;
		memcpy(bystander.copy, bystander.stack, STACK);
		return;
	}
	bystander.pid = (unsigned)pid;
}

static void *destroy_when_it_knows_itself(void *map)
{
	bystander.waits = pthread_self();
	entered = true;
	smap_destroy(map);
	return NULL;
}

/* True if it was not the waiting thread that freed the value. */
static bool fork_beside_who_waits(void)
{
	struct smap_options opts = {.key_kind = SMAP_KEY_U64, .value_free = fork_elsewhere};
	struct smap *doomed = stress_map(&opts, "doomed"), *other = stress_map_u64("other");
	pthread_attr_t attr;
	pthread_t thread;
	struct until u = until_begin();

	bystander.pid = 0;
	entered = false;
	assert_int_equal(smap_store_u64(doomed, 1, doomed), 0);
	assert_int_equal(pthread_attr_init(&attr), 0);
	assert_int_equal(pthread_attr_setstack(&attr, bystander.stack, STACK), 0);
	smap_read_lock();
	assert_int_equal(pthread_create(&thread, &attr, destroy_when_it_knows_itself, doomed), 0);
	while (!entered && until_again(&u))
		;
	until_again(&u); /* it naps between its looks: ours may come first */
	smap_read_unlock();
	smap_destroy(other);
	if (bystander.is_child) {
		CHECK(!memcmp(bystander.copy, bystander.stack, STACK), "the stack was changed");
		exit(0);
	}
	pthread_join(thread, NULL);
	pthread_attr_destroy(&attr);
	if (bystander.pid)
		expect_success((pid_t)bystander.pid);
	return bystander.pid != 0;
}

static void test_fork_beside_who_waits(void **state)
{
	const struct until u = until_begin();
	bool forked = false;

	(void)state;
	bystander.stack = aligned_alloc(4096, STACK);
	bystander.copy = malloc(STACK);
	assert_non_null(bystander.stack);
	assert_non_null(bystander.copy);
	while (!forked && until_again(&u))
		forked = fork_beside_who_waits();
	assert_true(forked);
	free(bystander.copy);
	free(bystander.stack);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_batch_of_deletes),
		cmocka_unit_test(test_batch_of_a_clear),
		cmocka_unit_test(test_section_of_another_thread),
		cmocka_unit_test(test_section_of_its_own),
		cmocka_unit_test(test_fork_in_value_free),
		cmocka_unit_test(test_fork_beside_who_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
