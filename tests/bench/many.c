/* SPDX-License-Identifier: MIT */
/*
 * many - what smap_load_many_u64 gains by overlapping cache misses: many [ENTRIES] (1,000,000).
 *
 * The same random keys of a map, all present, three ways:
 *	one by one  each load waits for the one before, as where a value says what to look up next
 *	loop        loads that do not depend on each other: the processor overlaps some by itself
 *	many        smap_load_many_u64
 * Printed is the best of ROUNDS by processor time of the thread, in ns per key; they take turns.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include "smap.h"

#define LOOKUPS (1U << 20)
#define LARGEST 256
#define ROUNDS 12

static uint64_t keys[LOOKUPS];
static void *values[LARGEST];

static double seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static uint64_t key_of(uint64_t i)
{
	return i * 0x9e3779b97f4a7c15ULL;
}

/* Values are numbers that are never 0, and the same for all keys: 1. */
static size_t one_by_one(struct smap *map, unsigned batch)
{
	uint64_t found = 0, last = 1;
	void *value = NULL;

	(void)batch;
	for (unsigned i = 0; i < LOOKUPS; i++) {
		found += smap_load_u64(map, keys[i] + last - 1, &value);
		last = (uintptr_t)value;
	}
	return found;
}

static size_t loop(struct smap *map, unsigned batch)
{
	size_t found = 0;

	for (unsigned i = 0; i < LOOKUPS; i += batch)
		for (unsigned j = 0; j < batch; j++)
			found += smap_load_u64(map, keys[i + j], &values[j]);
	return found;
}

static size_t many(struct smap *map, unsigned batch)
{
	size_t found = 0;

	for (unsigned i = 0; i < LOOKUPS; i += batch)
		found += smap_load_many_u64(map, &keys[i], batch, values);
	return found;
}

static const struct way {
	const char *name;
	size_t (*look_up)(struct smap *map, unsigned batch);
	unsigned batch;
} ways[] = {
	{"one by one", one_by_one, 1}, {"loop, 16 keys", loop, 16},   {"many, 16 keys", many, 16},
	{"loop, 256 keys", loop, 256}, {"many, 256 keys", many, 256},
};

#define WAYS (sizeof(ways) / sizeof(ways[0]))

static bool ignore(uint64_t key, void *value, void *ctx)
{
	(void)key, (void)value, (void)ctx;
	return false;
}

static struct smap *make_map(uint64_t entries)
{
	struct smap_options opts = {.size = sizeof(opts), .name = "many", .key_kind = SMAP_KEY_U64};
	uint64_t random = 88172645463325252ULL;
	struct smap *map;

	if (smap_create(&map, &opts))
		return NULL;
	for (uint64_t i = 0; i < entries; i++)
		if (smap_store_u64(map, key_of(i), (void *)1))
			return NULL;
	smap_range_u64(map, ignore, NULL); /* promotes */
	for (unsigned i = 0; i < LOOKUPS; i++) {
		random ^= random << 13;
		random ^= random >> 7;
		random ^= random << 17;
		keys[i] = key_of(random % entries);
	}
	return map;
}

int main(int argc, char **argv)
{
	uint64_t entries = argc > 1 ? strtoull(argv[1], NULL, 0) : 1000000;
	struct smap *map = entries ? make_map(entries) : NULL;
	double best[WAYS] = {0};

	if (!map) {
		fprintf(stderr, "many: cannot make a map of %s entries\n", argc > 1 ? argv[1] : "");
		return 1;
	}
	for (unsigned round = 0; round < ROUNDS; round++)
		for (size_t i = 0; i < WAYS; i++) {
			double start = seconds(), took;

			if (ways[i].look_up(map, ways[i].batch) != LOOKUPS)
				return 1;
			took = seconds() - start;
			if (!round || took < best[i])
				best[i] = took;
		}
	for (size_t i = 0; i < WAYS; i++)
		printf("%-16s %6.1f ns per key\n", ways[i].name, best[i] / LOOKUPS * 1e9);
	smap_destroy(map);
	return 0;
}
