/* SPDX-License-Identifier: MIT */
/*
 * stress_range.c - Range against stores, deletes and Clears (G4, Go's
 * TestConcurrentRange).
 *
 * Keys 1..1024 are always present; storers replace key k's value by multiples of
 * k. Every Range must meet each of them exactly once, with a multiple of the key.
 * Others add and delete keys beyond, so that the table grows, is promoted and
 * rebuilt under the Range; of those, each may be met once or not at all. Keys in
 * a second map are cleared all the time; Range there meets none twice.
 */
#include "stress.h"

#include <stdatomic.h>
#include <string.h>

#define KEYS 1024
#define BEYOND 3000
#define STORERS 2
#define RANGES 600

struct shared {
	struct smap *map, *cleared;
	atomic_bool stop;
};

struct walk {
	unsigned char seen[KEYS + BEYOND + 1];
	unsigned met;
};

static bool visit(uint64_t key, void *value, void *ctx)
{
	struct walk *walk = ctx;

	CHECK(key && key <= KEYS + BEYOND, "key %lu was never stored", key);
	CHECK((uintptr_t)value % key == 0, "key %lu has %lu", key, (uintptr_t)value);
	CHECK(!walk->seen[key]++, "key %lu was met twice", key);
	walk->met += key <= KEYS;
	return true;
}

static void *multiple(uint64_t key, uint64_t i)
{
	return (void *)(uintptr_t)(key * (i + 1));
}

static void store_multiples(struct shared *s, unsigned id)
{
	uint64_t rng = stress_seed(id), fresh = 0;

	for (uint64_t i = 0; !atomic_load(&s->stop); i++) {
		uint64_t key = i % KEYS + 1, other = KEYS + 1 + stress_random(&rng) % BEYOND;

		CHECK(!smap_store_u64(s->map, key, multiple(key, i)), "store %lu", key);
		if (i % 4 == 0)
			CHECK(!smap_store_u64(s->map, other, multiple(other, i)), "store");
		if (i % 4 == 2)
			smap_delete_u64(s->map, other);
		fresh = fresh % KEYS + 1;
		CHECK(!smap_store_u64(s->cleared, fresh, multiple(fresh, i)), "store");
		if (i % 256 == 255)
			CHECK(!smap_clear(s->cleared), "clear");
	}
}

static void walk_often(struct shared *s)
{
	struct walk walk;

	for (int i = 0; i < RANGES; i++) {
		memset(&walk, 0, sizeof(walk));
		smap_range_u64(s->map, visit, &walk);
		CHECK(walk.met == KEYS, "%u of %u keys met", walk.met, KEYS);
		memset(&walk, 0, sizeof(walk));
		smap_range_u64(s->cleared, visit, &walk);
	}
}

static void storers_and_a_walker(unsigned id, void *ctx)
{
	struct shared *s = ctx;

	if (id) {
		store_multiples(s, id);
	} else {
		walk_often(s);
		atomic_store(&s->stop, true);
	}
}

/* --- Range from several threads at once, and Range within Range --- */

static bool walk_inside(uint64_t key, void *value, void *ctx)
{
	struct shared *s = ctx;

	(void)value;
	if (key == 7) {
		struct walk walk = {.met = 0};

		smap_range_u64(s->map, visit, &walk);
		CHECK(walk.met == KEYS, "%u of %u keys met", walk.met, KEYS);
	}
	return true;
}

static void walk_nested(unsigned id, void *ctx)
{
	struct shared *s = ctx;

	for (unsigned i = 0; i < 10; i++) {
		CHECK(!smap_store_u64(s->map, KEYS + 1 + id, multiple(KEYS + 1 + id, i)), "store");
		smap_range_u64(s->map, walk_inside, s);
		smap_delete_u64(s->map, KEYS + 1 + id);
	}
}

int main(void)
{
	struct shared s = {.map = stress_map_u64("range"),
			   .cleared = stress_map_u64("range cleared")};

	alarm(STRESS_ALARM_S);
	for (uint64_t key = 1; key <= KEYS; key++)
		CHECK(!smap_store_u64(s.map, key, multiple(key, 0)), "store");
	stress_run(1 + STORERS, storers_and_a_walker, &s);
	stress_run(4, walk_nested, &s);
	smap_destroy(s.map);
	smap_destroy(s.cleared);
	return 0;
}
