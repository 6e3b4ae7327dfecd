/* SPDX-License-Identifier: MIT */
/*
 * experiment.c - the article's two experiments that need no trace: a miss counter of 16 bits
 * at its wrap, and the size that the first dirty is given room for.
 */
#include <inttypes.h>
#include <stdio.h>
#include "shape.h"

#define WRAP 65536
#define OLD_KEYS 70000 /* more than the counter can count: a promotion never comes by misses */
#define ROUNDS 200
#define ARTICLE_QPS 8500
#define ARTICLE_RECORD 128

static struct smap *create(const char *name, uint32_t bits, uint64_t initial_dirty)
{
	struct smap_options opts = {.size = sizeof(opts),
				    .name = name,
				    .key_kind = SMAP_KEY_U64,
				    .miss_counter_bits = bits,
				    .initial_dirty = initial_dirty};
	struct smap *map;

	shape_must(smap_create(&map, &opts), "smap_create");
	return map;
}

static void fill(struct smap *map, uint64_t keys)
{
	for (uint64_t key = 0; key < keys; key++)
		shape_must(smap_store_u64(map, key, map), "store");
}

static void miss(struct smap *map, uint64_t times)
{
	void *value;

	for (uint64_t i = 0; i < times; i++)
		smap_load_u64(map, UINT64_MAX, &value);
}

static void counter_line(uint32_t bits, uint64_t misses, struct smap *map)
{
	struct smap_state s;

	smap_inspect(map, &s);
	printf("{\"type\":\"counter\",\"bits\":%u,\"misses\":%" PRIu64 ",\"dirty_len\":%" PRIu64
	       ",\"miss_count\":%" PRIu64 ",\"overflows\":%" PRIu64 ",\"promotions\":%" PRIu64
	       "}\n",
	       bits, misses, (uint64_t)s.dirty_len, (uint64_t)s.miss_count,
	       (uint64_t)s.counters.overflows, (uint64_t)s.counters.promotions);
}

void experiment_counter(void)
{
	for (uint32_t bits = 16; bits <= 64; bits += 48) {
		struct smap *map = create("counter", bits, 0);

		fill(map, OLD_KEYS);
		miss(map, WRAP - 1);
		counter_line(bits, WRAP - 1, map);
		miss(map, 1);
		counter_line(bits, WRAP, map);
		smap_destroy(map);
	}
}

/* A second of the article's traffic into a new map: how often it grows, and how long it takes. */
void experiment_prealloc(void)
{
	uint64_t sizes[] = {
		0,	    64, 272, 1024, smap_estimate_initial_dirty(ARTICLE_QPS, ARTICLE_RECORD),
		ARTICLE_QPS};
	const char *names[] = {"none", "64", "272", "1024", "estimate", "all keys"};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		uint64_t best = UINT64_MAX;
		struct smap_state s = {0};

		for (unsigned round = 0; round < ROUNDS; round++) {
			struct smap *map = create("prealloc", 0, sizes[i]);
			uint64_t start = shape_now_ns(), took;

			fill(map, ARTICLE_QPS);
			took = shape_now_ns() - start;
			best = took < best ? took : best;
			smap_inspect(map, &s);
			smap_destroy(map);
		}
		printf("{\"type\":\"prealloc\",\"size\":\"%s\",\"initial_dirty\":%" PRIu64
		       ",\"keys\":%u,\"growths\":%" PRIu64 ",\"table_bytes\":%" PRIu64
		       ",\"best_ns_per_key\":%.1f}\n",
		       names[i], sizes[i], ARTICLE_QPS, (uint64_t)s.growths,
		       (uint64_t)s.table_bytes, (double)best / ARTICLE_QPS);
	}
}
