/* SPDX-License-Identifier: MIT */
/*
 * cells.h - one cell of the table: a mix of operations, on one map, by some threads, for a
 * window of time.
 *
 * Threads run 64 operations at a time until the main thread, which only sleeps, says that the
 * window is over; time is the main thread's. A cell of one thread runs on the last
 * processor, of two threads on the first two, of 64 anywhere. Every answer of the map
 * is checked. How long the threads waited for a processor is reported with the figure, and
 * a window with more than 3 % of that is repeated, up to 4 times: somebody else was at
 * work. Not so for amended and churn, where it may be a thread that the map has for itself.
 */
#ifndef CELLS_H
#define CELLS_H

#include "streams.h"

#include <sched.h>
#include <unistd.h>
#include <time.h>

#define BATCH 64
#define MAX_THREADS 64
#define MAX_WAIT 0.03
#define RETRIES 4

/* X(name, share of overwrites in %, window: usual or long) */
#define MIXES(X)                                                                                   \
	X(hit, 0, false)    /* keys that are there */                                              \
	X(r99, 1, false)    /* 1 % of them overwritten */                                          \
	X(r95, 5, false)    /* 5 % */                                                              \
	X(absent, 0, false) /* keys that are not there, nothing is written */                      \
	X(many, 0, false)   /* hit, 64 keys at once, where the map can do that */                  \
	X(boxed, 5, true)   /* r95 of strings, and the value is looked at */                       \
	X(amended, 0, true) /* absent, while the first thread keeps one new key in the map */      \
	X(churn, 0, true)   /* 5 % new keys, 5 % deletes of them */

enum mix {
#define MIX_ENUM(name, writes, is_long) MIX_##name,
	MIXES(MIX_ENUM)
#undef MIX_ENUM
		MIX_COUNT
};

static const char *const mix_names[] = {
#define MIX_NAME(name, writes, is_long) #name,
	MIXES(MIX_NAME)
#undef MIX_NAME
};

static const bool mix_long[] = {
#define MIX_LONG(name, writes, is_long) is_long,
	MIXES(MIX_LONG)
#undef MIX_LONG
};

enum phase { WARM_UP, TIMED, OVER };

/* Keys that one thread puts in and takes out again; kept from cell to cell. */
struct fresh {
	const char *keys;
	uint64_t in, out, lag;
};

struct bench {
	struct peer *map;
	struct streams streams;
	struct fresh fresh[STREAMS];
	size_t n;
	int *boxes; /* what values point to: 1 each */
	size_t box_mask;
	uint64_t window_ns, long_ns;
	int phase;
	unsigned warm; /* threads that have finished their first operations */
	pthread_barrier_t ready;
};

struct worker {
	struct bench *bench;
	pthread_t thread;
	enum mix mix;
	enum dist dist;
	unsigned id, threads;
	uint64_t ops, right, all_ops, wait_ns;
	size_t at;
	uint64_t until_amend;
} __attribute__((aligned(128)));

PEER_FN uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

PEER_FN void sleep_ns(uint64_t ns)
{
	struct timespec ts = {(time_t)(ns / 1000000000u), (long)(ns % 1000000000u)};

	nanosleep(&ts, NULL);
}

/* How long this thread has waited for a processor; 0 where the kernel does not say. */
PEER_FN uint64_t waited_ns(void)
{
	unsigned long long ran, waited = 0;
	FILE *file = fopen("/proc/thread-self/schedstat", "r");

	if (file && fscanf(file, "%llu %llu", &ran, &waited) != 2)
		waited = 0;
	if (file)
		fclose(file);
	return waited;
}

PEER_INLINE void *box(const struct bench *b, size_t i)
{
	return &b->boxes[i & b->box_mask];
}

/* --- 64 operations; each returns how many had the right answer ----------------------- */

PEER_INLINE unsigned batch_present(struct worker *w, const unsigned writes, const bool look)
{
	struct bench *b = w->bench;
	const char *keys = b->streams.hit[w->dist][w->id % STREAMS] + w->at * KEY_BYTES;
	const uint8_t *dice = b->streams.dice[w->id % STREAMS] + w->at;
	unsigned right = 0;

	for (unsigned j = 0; j < BATCH; j++) {
		if (writes && dice[j] < writes) {
			peer_store(b->map, key_at(keys, j), box(b, w->at + j));
			right++;
		} else {
			int *value = (int *)peer_load(b->map, key_at(keys, j));

			right += look ? (unsigned)(value ? *value : 0) : value != NULL;
		}
	}
	return right;
}

PEER_INLINE unsigned batch_absent(struct worker *w)
{
	struct bench *b = w->bench;
	const char *keys = b->streams.absent[w->dist][w->id % STREAMS] + w->at * KEY_BYTES;
	unsigned right = 0;

	for (unsigned j = 0; j < BATCH; j++)
		right += peer_load(b->map, key_at(keys, j)) == NULL;
	return right;
}

PEER_INLINE unsigned batch_many(struct worker *w)
{
#if defined(PEER_LOAD_MANY) && PEER_LOAD_MANY
	struct bench *b = w->bench;
	const char *keys = b->streams.hit[w->dist][w->id % STREAMS] + w->at * KEY_BYTES;
	void *values[BATCH];

	return (unsigned)peer_load_many(b->map, (const uint64_t *)(const void *)keys, BATCH,
					values);
#else
	(void)w;
	return 0;
#endif
}

PEER_INLINE void fresh_in(struct bench *b, struct fresh *f)
{
	peer_insert(b->map, key_at(f->keys, f->in % STREAM_OPS), box(b, (size_t)f->in));
	f->in++;
}

PEER_INLINE bool fresh_out(struct bench *b, struct fresh *f)
{
	return peer_erase(b->map, key_at(f->keys, f->out++ % STREAM_OPS));
}

/*
 * A new key now and then, and the one before goes: dirty always has a key that read lacks, but
 * for the few operations after a promotion. Every sixteenth of the misses that promote.
 */
PEER_INLINE unsigned batch_amended(struct worker *w)
{
	struct bench *b = w->bench;
	struct fresh *f = &b->fresh[0];

	if (w->id == 0 && w->until_amend < BATCH) {
		w->until_amend = b->n / 16 < BATCH ? BATCH : b->n / 16;
		fresh_in(b, f);
		if (f->in - f->out > 1 && !fresh_out(b, f))
			die("a key got lost");
	}
	w->until_amend -= BATCH;
	return batch_absent(w);
}

/* What goes out came in `lag` or more insertions ago; dice that would drift are turned. */
PEER_INLINE unsigned batch_churn(struct worker *w)
{
	struct bench *b = w->bench;
	const char *keys = b->streams.hit[w->dist][w->id % STREAMS] + w->at * KEY_BYTES;
	const uint8_t *dice = b->streams.dice[w->id % STREAMS] + w->at;
	struct fresh *f = &b->fresh[w->id % STREAMS];
	unsigned right = 0;

	for (unsigned j = 0; j < BATCH; j++) {
		if (dice[j] >= 10) {
			right += peer_load(b->map, key_at(keys, j)) != NULL;
		} else if (dice[j] < 5 ? f->in - f->out < 2 * f->lag : f->in == f->out) {
			fresh_in(b, f);
			right++;
		} else {
			right += fresh_out(b, f);
		}
	}
	return right;
}

/* --- threads ------------------------------------------------------------------------- */

PEER_FN void pin(const struct worker *w)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	cpu_set_t set;

	if (w->threads > STREAMS)
		return;
	CPU_ZERO(&set);
	CPU_SET((size_t)(w->threads == 1 ? cpus - 1 : w->id % cpus), &set);
	sched_setaffinity(0, sizeof(set), &set); /* refused in some containers: then anywhere */
}

PEER_INLINE void loop(struct worker *w, const enum mix mix, const unsigned writes)
{
	int seen = WARM_UP;

	for (unsigned n = 1;; n++) {
		/* relaxed: only says what to count, main reads the counts after the join */
		int phase = __atomic_load_n(&w->bench->phase, __ATOMIC_RELAXED);
		unsigned right;

		if (phase != seen) {
			w->wait_ns = waited_ns() - w->wait_ns;
			if (phase == TIMED || seen == WARM_UP)
				w->ops = 0;
			if (phase == OVER)
				return;
			seen = phase;
		}
		right = mix == MIX_absent    ? batch_absent(w)
			: mix == MIX_many    ? batch_many(w)
			: mix == MIX_amended ? batch_amended(w)
			: mix == MIX_churn   ? batch_churn(w)
					     : batch_present(w, writes, mix == MIX_boxed);
		w->right += right;
		w->ops += BATCH;
		w->all_ops += BATCH;
		w->at = (w->at + BATCH) % STREAM_OPS;
		if (n % 4 == 0)
			peer_quiescent();
		if (n == 1)
			__atomic_fetch_add(&w->bench->warm, 1,
					   __ATOMIC_RELAXED); /* relaxed: counter */
	}
}

static void *worker_main(void *arg)
{
	struct worker *w = (struct worker *)arg;

	pin(w);
	pthread_barrier_wait(&w->bench->ready);
	peer_thread_begin();
	switch (w->mix) {
#define MIX_LOOP(name, writes, is_long)                                                            \
	case MIX_##name:                                                                           \
		loop(w, MIX_##name, writes);                                                       \
		break;
		MIXES(MIX_LOOP)
#undef MIX_LOOP
	case MIX_COUNT:
		break;
	}
	peer_thread_end();
	return NULL;
}

/* --- a cell --------------------------------------------------------------------------- */

struct figure {
	double ns, wait; /* of one operation of one thread; share of the window */
};

PEER_FN void set_phase(struct bench *b, enum phase phase)
{
	__atomic_store_n(&b->phase, phase, __ATOMIC_RELAXED); /* relaxed: see loop() */
}

/* A rebuild that the first operations set off is over before the window begins. */
PEER_FN uint64_t let_run(struct bench *b, uint64_t window_ns, unsigned threads)
{
	uint64_t start;

	pthread_barrier_wait(&b->ready);
	do
		sleep_ns(window_ns / 8);
	while (threads <= STREAMS && __atomic_load_n(&b->warm, __ATOMIC_RELAXED) < threads);
	start = now_ns();
	set_phase(b, TIMED);
	sleep_ns(window_ns);
	set_phase(b, OVER);
	return now_ns() - start;
}

PEER_FN struct figure run_window(struct bench *b, enum mix mix, enum dist dist, unsigned threads)
{
	static struct worker workers[MAX_THREADS];
	uint64_t ns, ops = 0, wait = 0;
	struct figure figure;

	peer_settle(b->map);
	set_phase(b, WARM_UP);
	b->warm = 0;
	memset(workers, 0, sizeof(workers));
	pthread_barrier_init(&b->ready, NULL, threads + 1);
	for (unsigned i = 0; i < threads; i++) {
		struct worker *w = &workers[i];

		w->bench = b;
		w->mix = mix;
		w->dist = dist;
		w->id = i;
		w->threads = threads;
		w->at = (size_t)(i / STREAMS) * (STREAM_OPS / (MAX_THREADS / STREAMS));
		if (pthread_create(&w->thread, NULL, worker_main, w))
			die("cannot start a thread");
	}
	ns = let_run(b, mix_long[mix] ? b->long_ns : b->window_ns, threads);
	for (unsigned i = 0; i < threads; i++) {
		pthread_join(workers[i].thread, NULL);
		if (workers[i].right != workers[i].all_ops)
			die("wrong answers");
		ops += workers[i].ops;
		wait += workers[i].wait_ns;
	}
	pthread_barrier_destroy(&b->ready);
	figure.ns = (double)ns * threads / (double)(ops ? ops : 1);
	figure.wait = (double)wait / threads / (double)ns;
	return figure;
}

PEER_FN struct figure run_cell(struct bench *b, enum mix mix, enum dist dist, unsigned threads)
{
	struct figure best = run_window(b, mix, dist, threads), next;
	bool again = threads <= STREAMS && mix != MIX_churn && mix != MIX_amended;

	for (int i = 1; again && i < RETRIES && best.wait > MAX_WAIT; i++) {
		next = run_window(b, mix, dist, threads);
		if (next.wait < best.wait)
			best = next;
	}
	return best;
}

#endif
