/* SPDX-License-Identifier: MIT */
/*
 * once.h - what is measured once per process, not over a window: memory, a rebuild, and the
 * histogram of single operations while a map grows, promotes and rebuilds.
 */
#ifndef ONCE_H
#define ONCE_H

#include "cells.h"

/* Prepare what does not count as the map's: keys and what the values point to. */
PEER_FN void prepare(struct bench *b)
{
	size_t count = 1;

	while (count < b->n)
		count *= 2;
	b->box_mask = count - 1;
	b->boxes = (int *)need_memory(count * sizeof(*b->boxes));
	for (size_t i = 0; i < count; i++)
		b->boxes[i] = 1;
	b->streams.base = keys_in_order(0, b->n);
	if (!b->streams.fresh[0])
		b->streams.fresh[0] = keys_in_order(FRESH_KEYS, 4096);
}

PEER_FN void insert_base(struct bench *b, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++) {
		peer_insert(b->map, key_at(b->streams.base, i), box(b, i));
		if (i % 256 == 0)
			peer_quiescent();
	}
}

PEER_FN void build(struct bench *b, bool variant)
{
	if (!b->streams.base)
		prepare(b);
	b->map = peer_create(b->n, variant);
	insert_base(b, 0, b->n);
	peer_built(b->map);
}

/* --- memory ---------------------------------------------------------------------------- */

PEER_FN uint64_t anonymous_bytes(void)
{
	FILE *file = fopen("/proc/self/status", "r");
	unsigned long long kib = 0;
	char line[256];

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "RssAnon: %llu kB", &kib) == 1)
			break;
	if (file)
		fclose(file);
	return kib * 1024;
}

PEER_FN void run_bytes(struct bench *b, bool variant)
{
	uint64_t before;

	prepare(b);
	before = anonymous_bytes();
	build(b, variant);
	printf(KEY_KIND " %zu bytes %.2f\n", b->n,
	       (double)(anonymous_bytes() - before) / (double)b->n);
}

/* --- a rebuild --------------------------------------------------------------------------- */

/* The first new key after a promotion: it pays for the new dirty. */
PEER_FN void run_rebuild(struct bench *b, bool variant)
{
	build(b, variant);
	for (size_t i = 0; PEER_PROMOTES && i < 9; i++) {
		uint64_t start;

		peer_settle(b->map);
		start = now_ns();
		peer_insert(b->map, key_at(b->streams.fresh[0], i), b->boxes);
		printf(KEY_KIND " %zu rebuild %" PRIu64 "\n", b->n, now_ns() - start);
	}
}

/* --- single operations --------------------------------------------------------------------- */

#define SLOTS 40
#define OUTLIER_NS 20000
#define USUAL_NS 60 /* what is left of an operation that did nothing but wait */

/* X(name, what the writing thread does) */
#define STAGES(X)                                                                                  \
	X(grow)	   /* stores n new keys: the tables grow */                                        \
	X(promote) /* loads all of them: misses; and promotes, if these did not */                 \
	X(rebuild) /* stores new keys: the first pays for a dirty */                               \
	X(quiet)   /* loads again, nothing else happens */

enum stage {
#define STAGE_ENUM(name) STAGE_##name,
	STAGES(STAGE_ENUM)
#undef STAGE_ENUM
		STAGE_COUNT
};

static const char *const stage_names[] = {
#define STAGE_NAME(name) #name,
	STAGES(STAGE_NAME)
#undef STAGE_NAME
};

struct histogram {
	uint64_t slots[SLOTS], most;
};

struct watch {
	struct bench *bench;
	struct histogram stages[STAGE_COUNT];
	uint64_t waited_ns; /* as of the last outlier */
};

static int current_stage; /* STAGE_COUNT: stop */

/*
 * Time spent waiting for a processor is not the map's: it is taken off what is long enough to
 * contain any.
 */
PEER_FN void record_ns(struct watch *watch, enum stage stage, uint64_t ns)
{
	struct histogram *h = &watch->stages[stage];

	if (ns > OUTLIER_NS) {
		uint64_t waited = waited_ns(), since = waited - watch->waited_ns;

		watch->waited_ns = waited;
		ns = ns > since + USUAL_NS ? ns - since : USUAL_NS;
	}
	h->slots[ns > 1 ? 63 - __builtin_clzll(ns) : 0]++;
	if (ns > h->most)
		h->most = ns;
}

PEER_FN void timed_load(struct watch *watch, enum stage stage, size_t i)
{
	struct bench *b = watch->bench;
	uint64_t start = now_ns();
	void *value = peer_load(b->map, key_at(b->streams.base, i));

	record_ns(watch, stage, now_ns() - start);
	if (!value)
		die("a key got lost");
}

PEER_FN void timed_insert(struct watch *watch, enum stage stage, peer_key key)
{
	uint64_t start = now_ns();

	peer_insert(watch->bench->map, key, watch->bench->boxes);
	record_ns(watch, stage, now_ns() - start);
}

PEER_FN void timed_settle(struct watch *watch, enum stage stage)
{
	uint64_t start = now_ns();

	peer_settle(watch->bench->map);
	record_ns(watch, stage, now_ns() - start);
}

/* Reads keys that are in read from the start, whatever the other thread does. */
static void *watch_reads(void *arg)
{
	struct watch *watch = (struct watch *)arg;
	uint64_t random = 1;
	int stage;

	peer_thread_begin();
	watch->waited_ns = waited_ns();
	/* relaxed: only says where to count */
	while ((stage = __atomic_load_n(&current_stage, __ATOMIC_RELAXED)) != STAGE_COUNT) {
		random = peer_mix(random + 0x9e3779b97f4a7c15ULL);
		timed_load(watch, (enum stage)stage, random % 1000);
		peer_quiescent();
	}
	peer_thread_end();
	return NULL;
}

PEER_FN void watch_writes(struct watch *watch)
{
	struct bench *b = watch->bench;

	for (int stage = 0; stage < STAGE_COUNT; stage++) {
		/* relaxed: only says where to count */
		__atomic_store_n(&current_stage, stage, __ATOMIC_RELAXED);
		if (stage == STAGE_grow)
			for (size_t i = 1000; i < b->n; i++)
				timed_insert(watch, STAGE_grow, key_at(b->streams.base, i));
		else if (stage == STAGE_rebuild)
			for (size_t i = 0; i < 4096; i++)
				timed_insert(watch, STAGE_rebuild, key_at(b->streams.fresh[0], i));
		else
			for (size_t i = 0; i < b->n; i++)
				timed_load(watch, (enum stage)stage, i);
		/* The misses were fewer than the keys, which is what Go's threshold is. */
		if (stage == STAGE_promote)
			timed_settle(watch, STAGE_promote);
	}
	__atomic_store_n(&current_stage, STAGE_COUNT, __ATOMIC_RELAXED); /* relaxed: as above */
}

PEER_FN void print_histograms(const char *who, const struct watch *watch)
{
	for (int stage = 0; stage < STAGE_COUNT; stage++) {
		const struct histogram *h = &watch->stages[stage];

		for (int i = 0; i < SLOTS; i++)
			if (h->slots[i])
				printf(KEY_KIND " latency %s %s %d %" PRIu64 "\n", who,
				       stage_names[stage], i, h->slots[i]);
		printf(KEY_KIND " longest %s %s %" PRIu64 "\n", who, stage_names[stage], h->most);
	}
}

PEER_FN void run_latency(struct bench *b, bool variant)
{
	static struct watch reads, writes;
	pthread_t reader;

	if (b->n < 2000)
		die("latency needs a size of 2000 or more");
	prepare(b);
	b->map = peer_create(b->n, variant);
	insert_base(b, 0, 1000);
	peer_built(b->map);
	reads.bench = writes.bench = b;
	writes.waited_ns = waited_ns();
	if (pthread_create(&reader, NULL, watch_reads, &reads))
		die("cannot start a thread");
	watch_writes(&writes);
	pthread_join(reader, NULL);
	print_histograms("reader", &reads);
	print_histograms("writer", &writes);
}

#endif
