/* SPDX-License-Identifier: MIT */
/*
 * stackload.c - misses, promotions, rebuilds and waits whose call stacks are known.
 *
 *	stackload [--plugin FILE] [--rounds N] [--hold] [--stall]
 *
 *	main > run > alpha > alpha_inlined     3 misses of 4
 *	main > run > beta                      1 miss of 4
 *	main > run > promoter                  one promotion each round, by Range
 *	main > run > rebuilder                 one rebuild each round
 *	contender (threads) > contend          waits for the lock
 *	main > run > plugin_miss (FILE)        misses of its own map, "plugin"
 *	main > staller                         a read section that stays open, asleep
 *
 * Prints what it did as JSON. Frames are kept, and calls are calls, whatever the flags.
 */
#pragma GCC optimize("no-omit-frame-pointer", "no-optimize-sibling-calls")

#include <dlfcn.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "hold.h"
#include "smap.h"

#define NOINLINE __attribute__((noinline, noclone))
#define THREADS 2
#define KEYS 64

static struct smap *map, *other;
static uint64_t next_key = 1;
static uint64_t done_alpha, done_beta, done_plugin, done_rounds;
static volatile int sink;
static int value_of_all;

/* Keys are absent, and the map is amended: each is a miss. */
static inline __attribute__((always_inline)) void alpha_inlined(uint64_t key)
{
	void *value;

	sink += smap_load_u64(map, 1000000000 + key, &value); /* line of alpha_inlined */
}

static NOINLINE void alpha(unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		alpha_inlined(i);
	done_alpha += n;
}

static NOINLINE void beta(unsigned n)
{
	void *value;

	for (unsigned i = 0; i < n; i++)
		sink += smap_load_u64(map, 2000000000 + i, &value);
	done_beta += n;
}

static bool stop_at_once(uint64_t key, void *value, void *ctx)
{
	(void)key, (void)value, (void)ctx;
	return false;
}

static NOINLINE void promoter(void)
{
	smap_range_u64(map, stop_at_once, NULL);
	sink++;
}

static NOINLINE void rebuilder(void)
{
	sink += smap_store_u64(map, next_key++, &value_of_all);
}

/* 64 in one turn, so that a listener to every 64th miss would always meet the same place. */
static NOINLINE void run(unsigned rounds, void (*plugin)(void *, unsigned), unsigned turns)
{
	for (unsigned i = 0; i < rounds; i++) {
		promoter();
		rebuilder();
		for (unsigned turn = 0; turn < turns; turn++) {
			alpha(48);
			beta(16);
			if (plugin)
				plugin(other, 4);
			done_plugin += plugin ? 4 : 0;
		}
		done_rounds++;
	}
}

static NOINLINE void contend(unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		sink += smap_store_u64(map, (uint64_t)(uintptr_t)&i << 8 | i % 200, &value_of_all);
		sink += smap_delete_u64(map, (uint64_t)(uintptr_t)&i << 8 | i % 200);
	}
}

static void *contender(void *arg)
{
	struct smap_state before, now;

	smap_inspect(map, &before);
	do {
		contend(2000);
		smap_inspect(map, &now);
	} while (now.lock_waits < before.lock_waits + 50);
	return arg;
}

/* Until somebody says go. Another thread deletes, so that memory waits for this one. */
static NOINLINE void staller(void)
{
	smap_read_lock();
	hold_wait("stall");
	smap_read_unlock();
}

static volatile bool deleting;

static void *deleter(void *arg)
{
	const struct timespec pause = {.tv_nsec = 1000000};

	for (uint64_t i = 0; deleting; i++) {
		smap_store_u64(other, i % KEYS, malloc(16));
		smap_delete_u64(other, i % KEYS);
		nanosleep(&pause, NULL);
	}
	return arg;
}

static void free_value(void *value, void *ctx)
{
	(void)ctx;
	free(value);
}

static void stall(void)
{
	pthread_t thread;

	deleting = true;
	pthread_create(&thread, NULL, deleter, NULL);
	staller();
	deleting = false;
	pthread_join(thread, NULL);
}

static struct smap *create(const char *name, bool frees)
{
	struct smap_options opts = {
		.size = sizeof(opts),
		.name = name,
		.key_kind = SMAP_KEY_U64,
		.policy = SMAP_POLICY_FIXED,
		.policy_arg = 1000000000,
		.value_free = frees ? free_value : NULL,
	};
	struct smap *created;

	if (smap_create(&created, &opts))
		exit(1);
	return created;
}

static void (*load_plugin(const char *file))(void *, unsigned)
{
	void *lib = dlopen(file, RTLD_NOW);
	void (*miss)(void *, unsigned) = NULL;
	void (*init)(bool (*)(void *, uint64_t, void **)) = NULL;

	if (!lib) {
		fprintf(stderr, "%s\n", dlerror());
		exit(1);
	}
	*(void **)&init = dlsym(lib, "plugin_init");
	*(void **)&miss = dlsym(lib, "plugin_miss");
	init((bool (*)(void *, uint64_t, void **))smap_load_u64);
	return miss;
}

static void print(const char *name, struct smap *of)
{
	struct smap_state state;

	smap_inspect(of, &state);
	printf("{\"type\":\"map\",\"pid\":%d,\"addr\":\"0x%" PRIxPTR "\",\"name\":\"%s\","
	       "\"misses\":%" PRIu64 ",\"promotions\":%" PRIu64 ",\"rebuilds\":%" PRIu64 "}\n",
	       (int)getpid(), (uintptr_t)of, name, (uint64_t)state.counters.misses,
	       (uint64_t)state.counters.promotions, (uint64_t)state.counters.rebuilds);
}

int main(int argc, char **argv)
{
	void (*plugin)(void *, unsigned) = NULL;
	unsigned rounds = 40, turns = 25;
	bool hold = false, stalls = false, waits = false;
	pthread_t thread[THREADS];

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--plugin") == 0 && i + 1 < argc)
			plugin = load_plugin(argv[++i]);
		else if (strcmp(argv[i], "--rounds") == 0 && i + 1 < argc)
			rounds = (unsigned)atoi(argv[++i]);
		else if (strcmp(argv[i], "--turns") == 0 && i + 1 < argc)
			turns = (unsigned)atoi(argv[++i]);
		else if (strcmp(argv[i], "--hold") == 0)
			hold = true;
		else if (strcmp(argv[i], "--stall") == 0)
			stalls = true;
		else if (strcmp(argv[i], "--contend") == 0)
			waits = true;
		else
			return 2;
	}
	hold_init();
	map = create("known", false);
	other = create("plugin", true);
	smap_store_u64(map, next_key++, &value_of_all);
	smap_store_u64(other, 1, malloc(1));
	if (hold)
		hold_wait("run");
	run(rounds, plugin, turns);
	for (int i = 0; waits && i < THREADS; i++)
		pthread_create(&thread[i], NULL, contender, NULL);
	for (int i = 0; waits && i < THREADS; i++)
		pthread_join(thread[i], NULL);
	if (stalls)
		stall();
	print("known", map);
	print("plugin", other);
	printf("{\"type\":\"run\",\"alpha\":%" PRIu64 ",\"beta\":%" PRIu64 ",\"plugin\":%" PRIu64
	       ",\"rounds\":%" PRIu64 "}\n",
	       done_alpha, done_beta, done_plugin, done_rounds);
	smap_destroy(map);
	smap_destroy(other);
	return 0;
}
