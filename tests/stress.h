/* SPDX-License-Identifier: MIT */
/*
 * stress.h - what the stress programs share.
 *
 * A stress program runs threads against one library built with a sanitizer, for
 * a fixed number of operations, and checks sums that hold for every schedule. It
 * exits with 0, or says what did not hold and exits with 1; the sanitizer adds
 * its own verdict. Nothing here depends on time.
 */
#ifndef STRESS_H
#define STRESS_H

#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "smap.h"

#define STRESS_ALARM_S 300 /* a deadlock must not hang the suite */

#define CHECK(cond, ...)                                                                           \
	do {                                                                                       \
		if (!(cond))                                                                       \
			stress_fail(__FILE__, __LINE__, #cond, __VA_ARGS__);                       \
	} while (0)

__attribute__((noreturn, format(printf, 4, 5))) static inline void
stress_fail(const char *file, int line, const char *cond, const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "%s:%d: %s does not hold: ", file, line, cond);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	_exit(1);
}

static inline uint64_t stress_random(uint64_t *rng)
{
	*rng ^= *rng << 13;
	*rng ^= *rng >> 7;
	*rng ^= *rng << 17;
	return *rng * 0x2545f4914f6cdd1dULL >> 16;
}

static inline uint64_t stress_seed(unsigned id)
{
	return (id + 1) * 0x9e3779b97f4a7c15ULL;
}

static inline struct smap *stress_map(const struct smap_options *base, const char *name)
{
	struct smap_options opts = base ? *base : (struct smap_options){0};
	struct smap *map = NULL;

	opts.size = sizeof(opts);
	opts.name = name;
	CHECK(smap_create(&map, &opts) == 0, "cannot create map %s", name);
	return map;
}

static inline struct smap *stress_map_u64(const char *name)
{
	struct smap_options opts = {.key_kind = SMAP_KEY_U64};

	return stress_map(&opts, name);
}

typedef void (*stress_fn)(unsigned id, void *ctx);

struct stress_thread {
	pthread_t thread;
	pthread_barrier_t *start;
	stress_fn fn;
	void *ctx;
	unsigned id;
};

static inline void *stress_thread_main(void *arg)
{
	struct stress_thread *t = arg;

	pthread_barrier_wait(t->start);
	t->fn(t->id, t->ctx);
	return NULL;
}

#define STRESS_MAX_THREADS 64

/* Run fn(id, ctx) in n threads that begin together; returns when all are done. */
static inline void stress_run(unsigned n, stress_fn fn, void *ctx)
{
	struct stress_thread t[STRESS_MAX_THREADS];
	pthread_barrier_t start;

	CHECK(n <= STRESS_MAX_THREADS, "%u threads", n);
	pthread_barrier_init(&start, NULL, n);
	for (unsigned i = 0; i < n; i++) {
		t[i] = (struct stress_thread){.start = &start, .fn = fn, .ctx = ctx, .id = i};
		CHECK(!pthread_create(&t[i].thread, NULL, stress_thread_main, &t[i]), "thread %u",
		      i);
	}
	for (unsigned i = 0; i < n; i++)
		pthread_join(t[i].thread, NULL);
	pthread_barrier_destroy(&start);
}

#endif
