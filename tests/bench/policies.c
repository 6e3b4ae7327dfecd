/* SPDX-License-Identifier: MIT */
/*
 * policies - one policy of promotion under one kind of traffic: policies POLICY TRAFFIC [SCALE].
 *
 * The traffic is a fixed number of operations by two threads, a function of the thread, so
 * that each policy gets the same. Printed:
 *	POLICY TRAFFIC OPS SECONDS CPU_SECONDS MISSES PROMOTIONS REBUILDS COPIED REBUILD_SECONDS WAIT_SECONDS
 * CPU_SECONDS are those of the whole process, the reclaimer too: on a machine that has other
 * things to do they differ less from run to run than SECONDS.
 * Without arguments it lists the policies and the traffics.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "smap.h"

#define THREADS 2
#define FIXED_ARG 1000 /* misses, for the policy that takes a number */

struct thread {
	struct smap *map;
	uint64_t random, id, i;
	pthread_t thread;
	void (*step)(struct thread *t);
	uint64_t steps;
};

static uint64_t random_below(struct thread *t, uint64_t n)
{
	t->random ^= t->random << 13;
	t->random ^= t->random >> 7;
	t->random ^= t->random << 17;
	return (uint64_t)(((unsigned __int128)t->random * n) >> 64);
}

static void load(struct thread *t, uint64_t key)
{
	void *value;

	(void)smap_load_u64(t->map, key, &value);
}

static void store(struct thread *t, uint64_t key)
{
	if (smap_store_u64(t->map, key, t)) {
		fprintf(stderr, "policies: out of memory\n");
		exit(1);
	}
}

/* A key that nobody has used. */
static uint64_t new_key(const struct thread *t)
{
	return (t->id + 1) << 40 | t->i;
}

/* --- traffics: a step is a few operations ---------------------------------------------- */

#define LIVE 100000

/* A cache that is warm: 1 new key in 10,000 reads, and one read in 100 asks for a new one. */
static void step_serve(struct thread *t)
{
	for (int i = 0; i < 99; i++)
		load(t, random_below(t, LIVE));
	load(t, (t->id + 1) << 40 | t->i / 100 * 100);
	if (t->i % 100 == 0)
		store(t, new_key(t));
}

/* 90/10: one new key and one delete of an earlier one in 20 operations. */
static void step_churn(struct thread *t)
{
	for (int i = 0; i < 18; i++)
		load(t, random_below(t, LIVE));
	store(t, new_key(t));
	smap_delete_u64(t->map, ((t->id + 1) << 40) + (t->i < 1000 ? 0 : t->i - 1000));
}

/* Reads of keys that are not there, with a new key in every 1,000. */
static void step_absent(struct thread *t)
{
	for (int i = 0; i < 20; i++)
		load(t, LIVE + random_below(t, LIVE));
	if (t->i % 50 == 0)
		store(t, new_key(t));
}

/* What is new is wanted: each new key is read ten times, the rest is old. */
static void step_recent(struct thread *t)
{
	uint64_t key = new_key(t);

	store(t, key);
	for (int i = 0; i < 10; i++) {
		load(t, key - (random_below(t, 16) < t->i ? random_below(t, 16) : 0));
		load(t, random_below(t, LIVE));
	}
}

/* A bulk load, then nothing but reads of all of it. */
static void step_bulk(struct thread *t)
{
	if (t->i * 20 < t->steps) {
		for (uint64_t i = 0; i < 20; i++)
			store(t, (t->id + 1) << 40 | (t->i * 20 + i));
		return;
	}
	for (int i = 0; i < 20; i++)
		load(t, (t->id + 1) << 40 | random_below(t, t->steps));
}

static const struct traffic {
	const char *name;
	void (*step)(struct thread *t);
	uint64_t steps; /* of a thread */
} traffics[] = {
	{"serve", step_serve, 40000},	 {"churn", step_churn, 150000},
	{"absent", step_absent, 100000}, {"recent", step_recent, 100000},
	{"bulk", step_bulk, 200000},
};

#define TRAFFICS (sizeof(traffics) / sizeof(traffics[0]))

static void *thread_main(void *arg)
{
	struct thread *t = arg;

	for (t->i = 0; t->i < t->steps; t->i++)
		t->step(t);
	return NULL;
}

static double seconds(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static bool stop_at_once(uint64_t key, void *value, void *ctx)
{
	(void)key, (void)value, (void)ctx;
	return false;
}

/* A map with LIVE keys in read. */
static struct smap *make_map(uint32_t policy)
{
	struct smap_options opts = {.size = sizeof(opts),
				    .name = "policies",
				    .key_kind = SMAP_KEY_U64,
				    .policy = policy,
				    .policy_arg = policy == SMAP_POLICY_FIXED ? FIXED_ARG : 0};
	struct smap *map;

	if (smap_create(&map, &opts))
		return NULL;
	for (uint64_t key = 0; key < LIVE; key++)
		if (smap_store_u64(map, key, map))
			return NULL;
	smap_range_u64(map, stop_at_once, NULL);
	return map;
}

static int run(uint32_t policy, const struct traffic *traffic, double scale)
{
	struct smap *map = make_map(policy);
	struct thread threads[THREADS];
	struct smap_state before, after;
	double start, cpu;

	if (!map)
		return 1;
	smap_inspect(map, &before);
	start = seconds(CLOCK_MONOTONIC);
	cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
	for (uint64_t i = 0; i < THREADS; i++) {
		threads[i] = (struct thread){.map = map,
					     .random = 88172645463325252ULL + i,
					     .id = i,
					     .step = traffic->step,
					     .steps = (uint64_t)((double)traffic->steps * scale)};
		if (pthread_create(&threads[i].thread, NULL, thread_main, &threads[i]))
			return 1;
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i].thread, NULL);
	start = seconds(CLOCK_MONOTONIC) - start;
	cpu = seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
	smap_inspect(map, &after);
	printf("%s %s %llu %.4f %.4f %llu %llu %llu %llu %.4f %.4f\n", smap_policy_name(policy),
	       traffic->name, (unsigned long long)(threads[0].steps * THREADS), start, cpu,
	       (unsigned long long)(after.counters.misses - before.counters.misses),
	       (unsigned long long)(after.counters.promotions - before.counters.promotions),
	       (unsigned long long)(after.counters.rebuilds - before.counters.rebuilds),
	       (unsigned long long)(after.counters.copied - before.counters.copied),
	       (double)(after.rebuild_ns - before.rebuild_ns) / 1e9,
	       (double)(after.lock_wait_ns - before.lock_wait_ns) / 1e9);
	smap_destroy(map);
	return 0;
}

int main(int argc, char **argv)
{
	uint32_t policy = 0;
	size_t i = 0;

	if (argc < 3) {
		for (; smap_policy_name(policy); policy++)
			printf("policy %s\n", smap_policy_name(policy));
		for (; i < TRAFFICS; i++)
			printf("traffic %s\n", traffics[i].name);
		return 0;
	}
	while (smap_policy_name(policy) && strcmp(smap_policy_name(policy), argv[1]) != 0)
		policy++;
	while (i < TRAFFICS && strcmp(traffics[i].name, argv[2]) != 0)
		i++;
	if (!smap_policy_name(policy) || i == TRAFFICS) {
		fprintf(stderr, "policies: no such policy or traffic\n");
		return 2;
	}
	return run(policy, &traffics[i], argc > 3 ? strtod(argv[3], NULL) : 1);
}
