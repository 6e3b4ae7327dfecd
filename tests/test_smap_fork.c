/* SPDX-License-Identifier: MIT */
/*
 * test_smap_fork.c - the child of a fork uses and destroys its copy of the maps.
 *
 * No stress program: the allocators of the sanitizers do not survive a fork of several threads.
 * Values are poisoned when they are freed instead, and counted.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/wait.h>

#include "stress.h"
#include "until.h"

static void hung(int signal)
{
	static const char what[] = "the child of a fork waits for what does not come\n";

	(void)signal;
	_exit(write(STDERR_FILENO, what, sizeof(what) - 1) < 0 ? 2 : 1);
}

/* In the child CHECK() is to be used, in the parent cmocka's. */
static void child_begins(void)
{
	signal(SIGALRM, hung);
	alarm(UNTIL_DEADLINE_S);
}

/* Ends the program if not: a library whose children hang would hang in each test. */
static void expect_success(pid_t pid)
{
	int status;

	CHECK(waitpid(pid, &status, 0) == pid, "waitpid");
	CHECK(WIFEXITED(status) && !WEXITSTATUS(status), "a child ended with %x", status);
}

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

/* --- another thread is in a section, destroys a map, takes a snapshot -------------------------------------- */

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

/* --- anywhere ------------------------------------------------------------------------------ */

#define KEYS 200
#define WRITERS 3
#define KEY_LEN 40 /* behind a pointer */
#define MAGIC 0x5ea1edU
/* What a writer that is gone had in hand: a value not stored yet, and one taken out; and what the
 * reclaimer was freeing. */
#define LOST (2 * WRITERS + 1)
#define FORKS 30

struct shared {
	struct smap *map;
	atomic_bool stop;
	_Atomic uint64_t values;
};

static struct shared shared;

static void drop(void *value, void *ctx)
{
	unsigned *magic = value;

	(void)ctx;
	CHECK(*magic == MAGIC, "a value is freed that is none: %x", *magic);
	*magic = 0;
	shared.values--;
	free(magic);
}

static const char *key_of(uint64_t n, char buf[KEY_LEN + 1])
{
	snprintf(buf, KEY_LEN + 1, "%0*lu", KEY_LEN, (unsigned long)(n % KEYS));
	return buf;
}

static void one_step(struct smap *map, uint64_t random)
{
	char key[KEY_LEN + 1];
	unsigned *value, *got;

	key_of(random >> 8, key);
	switch (random % 8) {
	case 0:
	case 1:
	case 2:
		value = malloc(sizeof(*value));
		CHECK(value, "no memory");
		*value = MAGIC;
		shared.values++;
		CHECK(!smap_store(map, key, KEY_LEN, value), "store");
		break;
	case 3:
		smap_delete(map, key, KEY_LEN);
		break;
	case 4:
		if (random % 1024 == 4)
			CHECK(!smap_clear(map), "clear");
		break;
	default:
		smap_read_lock();
		if (smap_load(map, key, KEY_LEN, (void **)&got))
			CHECK(*got == MAGIC, "key %s has no value: %x", key, *got);
		smap_read_unlock();
	}
}

static bool count_entry(const void *key, size_t len, void *value, void *ctx)
{
	(void)key;
	CHECK(len == KEY_LEN && *(unsigned *)value == MAGIC, "an entry of %zu", len);
	++*(size_t *)ctx;
	return true;
}

__attribute__((noreturn)) static void live_on(uint64_t rng)
{
	struct smap *own = stress_map_u64("child");
	size_t entries = 0, len;
	int dummy;

	child_begins();
	smap_range(shared.map, count_entry, &entries);
	len = smap_len(shared.map);
	CHECK(len <= entries + WRITERS && entries <= len + WRITERS, "%zu entries, %zu counted",
	      entries, len);
	for (int i = 0; i < 2000; i++)
		one_step(shared.map, stress_random(&rng));
	CHECK(!smap_store_u64(own, 1, &dummy), "store");
	smap_destroy(own);
	smap_destroy(shared.map);
	CHECK(shared.values <= LOST, "%lu values are left", shared.values);
	exit(0);
}

static void fork_often(void)
{
	uint64_t rng = stress_seed(0);

	for (int i = 0; i < FORKS; i++) {
		pid_t pid;

		if (i % 4 == 1)
			smap_read_lock();
		pid = fork();
		CHECK(pid >= 0, "fork");
		if (i % 4 == 1)
			smap_read_unlock();
		if (pid == 0)
			live_on(stress_random(&rng) + (uint64_t)i);
		expect_success(pid);
	}
	atomic_store(&shared.stop, true);
}

static void fork_or_write(unsigned id, void *ctx)
{
	uint64_t rng = stress_seed(id);

	(void)ctx;
	if (id == 0) {
		fork_often();
		return;
	}
	while (!atomic_load(&shared.stop)) {
		if (id <= WRITERS) {
			one_step(shared.map, stress_random(&rng));
		} else {
			struct smap *map = stress_map_u64("short");

			CHECK(!smap_store_u64(map, 1, map), "store");
			smap_destroy(map);
		}
	}
}

static void test_fork_under_load(void **state)
{
	struct smap_options opts = {.value_free = drop};

	(void)state;
	shared.map = stress_map(&opts, "forks");
	stress_run(WRITERS + 2, fork_or_write, NULL);
	smap_destroy(shared.map);
	assert_int_equal(shared.values, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_batch_of_deletes),
		cmocka_unit_test(test_batch_of_a_clear),
		cmocka_unit_test(test_section_of_another_thread),
		cmocka_unit_test(test_section_of_its_own),
		cmocka_unit_test(test_fork_in_value_free),
		cmocka_unit_test(test_fork_under_load),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
