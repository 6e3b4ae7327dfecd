/* SPDX-License-Identifier: MIT */
/*
 * cover.h - what test_smap_cover.c and test_smap_refused.c share: small maps, listeners
 * without a tracer, waiting for the reclaimer. CHECK works in any thread and process.
 */
#ifndef COVER_H
#define COVER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "smap_internal.h"
#include "until.h"

#define CHECK(cond)                                                                                \
	do {                                                                                       \
		if (!(cond)) {                                                                     \
			fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #cond);   \
			_exit(1);                                                                  \
		}                                                                                  \
	} while (0)

static char objects[4];
#define A ((void *)&objects[0])
#define B ((void *)&objects[1])

static inline void count_freed(void *value, void *ctx)
{
	(void)value;
	atomic_fetch_add((atomic_uint *)ctx, 1);
}

static inline struct smap *create(struct smap_options opts)
{
	struct smap *map = NULL;

	opts.size = sizeof(opts);
	opts.key_kind = SMAP_KEY_U64;
	CHECK(!smap_create(&map, &opts));
	return map;
}

static inline void fill(struct smap *map, uint64_t from, uint64_t to)
{
	for (uint64_t k = from; k < to; k++)
		CHECK(!smap_store_u64(map, k, A));
}

static inline bool next(uint64_t key, void *value, void *ctx)
{
	(void)key;
	(void)value;
	(void)ctx;
	return true;
}

static inline void promote(struct smap *map)
{
	smap_range_u64(map, next, NULL);
}

static inline void until_freed(atomic_uint *freed, unsigned want)
{
	for (struct until u = until_begin(); *freed < want && until_again(&u);)
		;
	CHECK(*freed == want);
}

#ifdef SMAP_NO_PROBES /* compiles; what listens then hears nothing, and fails */
#define UNHEARD(probe, ...)                                                                        \
	static volatile uint16_t smap_##probe##_semaphore __attribute__((unused));
SMAP_PROBES(UNHEARD)
#undef UNHEARD
#endif

/* What the kernel does for a tracer: raise all semaphores, or lower them. */
static inline void listen_to_all(int by)
{
#define LISTEN(probe, ...) smap_##probe##_semaphore = (uint16_t)(smap_##probe##_semaphore + by);
	SMAP_PROBES(LISTEN)
#undef LISTEN
}

static inline void miss(struct smap *map, unsigned n)
{
	void *got;

	for (unsigned i = 0; i < n; i++)
		CHECK(!smap_load_u64(map, 1ULL << 40, &got));
}

static inline uint64_t rounds(void)
{
	/* relaxed: counter */
	return atomic_load_explicit(&smap_registry.reclaimer_runs, memory_order_relaxed);
}

/* Until the reclaimer takes no more steps: 200 looks are many of its naps. */
static inline void until_asleep(void)
{
	unsigned quiet = 0;
	uint64_t last = rounds();

	for (struct until u = until_begin(); quiet < 200 && until_again(&u);) {
		quiet = rounds() == last ? quiet + 1 : 0;
		last = rounds();
	}
	CHECK(quiet >= 200);
}

#endif
