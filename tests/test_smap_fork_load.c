/* SPDX-License-Identifier: MIT */
/*
 * test_smap_fork_load.c - forks anywhere, while other threads store, delete, clear and destroy.
 *
 * No stress program, see test_smap_fork.c: values are poisoned when they are freed, and counted.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdatomic.h>
#include <string.h>

#include "forked.h"

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
		cmocka_unit_test(test_fork_under_load),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
