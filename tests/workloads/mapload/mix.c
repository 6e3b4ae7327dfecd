/* SPDX-License-Identifier: MIT */
/*
 * mix.c - the steps and the table of mixes.
 *
 * Keys: [0, opt.keys) are stored before the run ("old"). A fresh key was never used
 * before in the process; each thread keeps a window of keys/threads of its own fresh
 * ones and deletes the oldest, so that maps stay bounded. An absent key is never
 * stored. Every thread draws from its own generator: one thread and one seed make
 * the same run every time.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include "mix.h"
#include "keytext.h"

#define FRESH_BASE (1ULL << 40)
#define ABSENT_BASE (1ULL << 50)
#define MAX_STEPS 7

struct mix {
	const char *name;
	const char *help;
	struct {
		unsigned weight; /* per thousand */
		void (*run)(struct worker *worker, unsigned map);
	} steps[MAX_STEPS];
};

struct load_options opt = {
	.threads = 1,
	.maps = 1,
	.keys = 1000,
	.ops = 100000,
	.seed = 1,
	.kind = SMAP_KEY_U64,
	.name = "load",
};

struct smap **maps;
_Atomic uint64_t values_freed;

/* --- keys and values -------------------------------------------------------- */

/* The operation for the kind of key of this run. */
#define KEYED(op, map, key, ...)                                                                   \
	(opt.kind == SMAP_KEY_U64 ? op##_u64(map, key, ##__VA_ARGS__)                              \
				  : op(map, key_text(key), KEY_LEN, ##__VA_ARGS__))

/* xorshift64* */
static uint64_t next_random(struct worker *w)
{
	w->rng ^= w->rng >> 12;
	w->rng ^= w->rng << 25;
	w->rng ^= w->rng >> 27;
	return w->rng * 0x2545f4914f6cdd1dULL;
}

static uint64_t old_key(struct worker *w)
{
	return (next_random(w) >> 16) % opt.keys;
}

static uint64_t fresh_key(const struct worker *w, uint64_t serial)
{
	return FRESH_BASE + serial * opt.threads + w->index;
}

void mix_value_free(void *value, void *ctx)
{
	(void)ctx;
	free(value);
	/* Counter. */
	atomic_fetch_add_explicit(&values_freed, 1, memory_order_relaxed);
}

static void *value_new(struct worker *w)
{
	uint64_t *value;

	if (!opt.value_free)
		return (void *)(uintptr_t)(next_random(w) | 1);
	value = malloc(sizeof(*value));
	if (!value) {
		fprintf(stderr, "mapload: error: out of memory for values\n");
		exit(EXIT_FAILURE);
	}
	*value = w->ops;
	w->allocated++;
	return value;
}

/* The map did not take it. */
static void value_drop(struct worker *w, void *value)
{
	if (!opt.value_free)
		return;
	free(value);
	w->allocated--;
}

void must(int err, const char *what)
{
	if (err >= 0)
		return;
	fprintf(stderr, "mapload: error: %s: %s\n", what, strerror(-err));
	exit(EXIT_FAILURE);
}

/* --- steps -------------------------------------------------------------------- */

static void load(struct worker *w, unsigned map, uint64_t key)
{
	void *value;

	w->found += KEYED(smap_load, maps[map], key, &value);
	w->ops++;
}

static void step_load_old(struct worker *w, unsigned map)
{
	load(w, map, old_key(w));
}

static void step_load_absent(struct worker *w, unsigned map)
{
	load(w, map, ABSENT_BASE + (next_random(w) >> 16) % opt.keys);
}

static void step_store_old(struct worker *w, unsigned map)
{
	must(KEYED(smap_store, maps[map], old_key(w), value_new(w)), "store");
	w->ops++;
}

/* Store a key that was never there; delete this thread's oldest one beyond its window. */
static void step_store_fresh(struct worker *w, unsigned map)
{
	uint64_t window = opt.keys / opt.threads + 1;
	uint64_t serial = w->fresh[map]++;

	must(KEYED(smap_store, maps[map], fresh_key(w, serial), value_new(w)), "store");
	w->ops++;
	if (serial < window)
		return;
	KEYED(smap_delete, maps[map], fresh_key(w, serial - window));
	w->ops++;
}

static void step_delete_old(struct worker *w, unsigned map)
{
	w->found += KEYED(smap_load_and_delete, maps[map], old_key(w), NULL);
	w->ops++;
}

static void step_load_or_store(struct worker *w, unsigned map)
{
	void *value = value_new(w);
	void *actual;
	int ret;

	ret = KEYED(smap_load_or_store, maps[map], old_key(w), value, &actual);
	must(ret, "load or store");
	if (ret == 1)
		value_drop(w, value);
	w->ops++;
}

static void step_swap(struct worker *w, unsigned map)
{
	must(KEYED(smap_swap, maps[map], old_key(w), value_new(w), NULL), "swap");
	w->ops++;
}

/* The section keeps `old` from being freed and its address from being used again (ABA). */
static void step_compare_and_swap(struct worker *w, unsigned map)
{
	uint64_t key = old_key(w);
	void *old, *value;
	int ret = 0;

	smap_read_lock();
	w->ops++;
	if (KEYED(smap_load, maps[map], key, &old)) {
		value = value_new(w);
		ret = KEYED(smap_compare_and_swap, maps[map], key, old, value);
		must(ret, "compare and swap");
		if (!ret)
			value_drop(w, value);
		w->ops++;
	}
	smap_read_unlock();
}

static void step_compare_and_delete(struct worker *w, unsigned map)
{
	uint64_t key = old_key(w);
	void *old;

	smap_read_lock();
	w->ops++;
	if (KEYED(smap_load, maps[map], key, &old)) {
		w->found += KEYED(smap_compare_and_delete, maps[map], key, old);
		w->ops++;
	}
	smap_read_unlock();
}

static bool count_bytes(const void *key, size_t len, void *value, void *ctx)
{
	(void)key, (void)len, (void)value;
	++*(uint64_t *)ctx;
	return true;
}

static bool count_u64(uint64_t key, void *value, void *ctx)
{
	(void)key, (void)value;
	++*(uint64_t *)ctx;
	return true;
}

static void range(struct smap *map, uint64_t *found)
{
	if (opt.kind == SMAP_KEY_U64)
		smap_range_u64(map, count_u64, found);
	else
		smap_range(map, count_bytes, found);
}

static void step_range(struct worker *w, unsigned map)
{
	range(maps[map], &w->found);
	w->ops++;
}

static void step_clear(struct worker *w, unsigned map)
{
	must(smap_clear(maps[map]), "clear");
	w->ops++;
}

static const struct mix mixes[] = {
	{"serve",
	 "mostly hits, some absent and new keys: a cache at work",
	 {{978, step_load_old},
	  {8, step_load_absent},
	  {10, step_store_old},
	  {4, step_store_fresh}}},
	{"hit", "loads of keys that are in read: no miss", {{1000, step_load_old}}},
	{"miss",
	 "loads of absent keys while new ones arrive",
	 {{980, step_load_absent}, {20, step_store_fresh}}},
	{"promote",
	 "new keys and misses: promotions and rebuilds (few keys = more)",
	 {{500, step_load_absent}, {300, step_load_old}, {200, step_store_fresh}}},
	{"delete",
	 "deletes and stores of the same keys, some new ones",
	 {{350, step_delete_old},
	  {350, step_store_old},
	  {200, step_load_old},
	  {100, step_store_fresh}}},
	{"churn",
	 "everything: swaps, compare-and-..., deletes, new keys",
	 {{300, step_load_old},
	  {100, step_store_fresh},
	  {150, step_load_or_store},
	  {100, step_swap},
	  {150, step_compare_and_swap},
	  {100, step_compare_and_delete},
	  {100, step_delete_old}}},
	{"range",
	 "Range between stores of new keys",
	 {{5, step_range}, {495, step_load_old}, {500, step_store_fresh}}},
	{"clear",
	 "Clear between stores and loads",
	 {{2, step_clear}, {498, step_load_old}, {300, step_store_old}, {200, step_store_fresh}}},
	{"absent",
	 "loads of absent keys, a new key now and then",
	 {{999, step_load_absent}, {1, step_store_fresh}}},
};

/* --- mixes ---------------------------------------------------------------------- */

const struct mix *mix_find(const char *name)
{
	for (size_t i = 0; i < sizeof(mixes) / sizeof(mixes[0]); i++)
		if (strcmp(name, mixes[i].name) == 0)
			return &mixes[i];
	return NULL;
}

const char *mix_name(const struct mix *mix)
{
	return mix->name;
}

void mix_help(void)
{
	for (size_t i = 0; i < sizeof(mixes) / sizeof(mixes[0]); i++)
		printf("  %-10s %s\n", mixes[i].name, mixes[i].help);
}

void mix_step(struct worker *w)
{
	unsigned map = opt.maps > 1 ? (unsigned)((next_random(w) >> 24) % opt.maps) : 0;
	unsigned pick = (unsigned)((next_random(w) >> 24) % 1000);
	unsigned i = 0;

	while (pick >= opt.mix->steps[i].weight)
		pick -= opt.mix->steps[i++].weight;
	opt.mix->steps[i].run(w, map);
}

void mix_fill(struct worker *w, unsigned map)
{
	for (uint64_t key = 0; key < opt.keys; key++)
		must(KEYED(smap_store, maps[map], key, value_new(w)), "store");
	range(maps[map], &w->found);
}
