/* SPDX-License-Identifier: MIT */
/*
 * forkmap - a program that makes a map, forks without exec, and both use the map.
 *
 * After the fork parent and child each have a map at the same address with the same id:
 * ones that a tracer must not take for one. Each process prints its map's counters as mapload
 * does.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include "cli.h"
#include "hold.h"
#include "mapjson.h"

static struct {
	uint64_t children, depth, rounds;
	bool before, busy, hold;
	bool no_destroy;
} opt = {.children = 1, .depth = 1, .rounds = 20};

static const struct cli_option options[] = {
	{"children", "N", "children of each process (1)", CLI_U64, &opt.children, 0, 100, NULL},
	{"depth", "N", "generations (1)", CLI_U64, &opt.depth, 0, 4, NULL},
	{"rounds", "N", "promotions to cause in each process (20)", CLI_U64, &opt.rounds, 1, 10000,
	 NULL},
	{"before", NULL, "use the map before the fork, too", CLI_FLAG, &opt.before, 0, 0, NULL},
	{"busy", NULL, "hold, but for a thread that uses the map all the time", CLI_FLAG, &opt.busy,
	 0, 0, NULL},
	{"hold", NULL, "hold before all", CLI_FLAG, &opt.hold, 0, 0, NULL},
	{"no-destroy", NULL, "exit without smap_destroy", CLI_FLAG, &opt.no_destroy, 0, 0, NULL},
};

static const struct cli cli = {
	.program = "forkmap",
	.summary = "Makes a map, forks, and uses the map in all processes.",
	.options = options,
	.option_count = sizeof(options) / sizeof(options[0]),
	.notes = "Each process prints its map's counters. Holding ends by a byte on stdin or by "
		 "SIGUSR1.",
};

static uint64_t next_key;

/* New keys, then misses until they are promoted. */
static int use(struct smap *map, uint64_t rounds)
{
	void *value;

	for (uint64_t round = 0; round < rounds; round++) {
		int err = smap_store_u64(map, ++next_key, map);

		if (err)
			return err;
		for (uint64_t miss = 0; miss < next_key; miss++)
			smap_load_u64(map, UINT64_MAX, &value);
	}
	return 0;
}

static bool wait_for_children(void)
{
	bool ok = true;
	int status;

	while (wait(&status) > 0)
		ok &= WIFEXITED(status) && WEXITSTATUS(status) == 0;
	return ok;
}

/* Fork, and in each process use the map. 0, or -1. */
static int fork_tree(uint64_t depth)
{
	for (uint64_t i = 0; depth && i < opt.children; i++) {
		pid_t pid = fork();

		if (pid < 0)
			return -1;
		if (pid == 0)
			return fork_tree(depth - 1);
	}
	return 0;
}

static atomic_bool go;

static void *use_until_go(void *map)
{
	int err = 0;

	/* Relaxed: a flag alone. */
	while (!err && !atomic_load_explicit(&go, memory_order_relaxed))
		err = use(map, 1);
	return err ? map : NULL;
}

/* Somebody may attach meanwhile to probes that are hit at that moment. */
static int hold_busy(struct smap *map)
{
	pthread_t thread;
	void *failed;
	int err = pthread_create(&thread, NULL, use_until_go, map);

	if (err)
		return -err;
	hold_wait(NULL);
	/* Relaxed: as above. */
	atomic_store_explicit(&go, true, memory_order_relaxed);
	pthread_join(thread, &failed);
	return failed ? -ENOMEM : 0;
}

int main(int argc, char **argv)
{
	struct smap_options opts = {
		.size = sizeof(opts), .name = "forkmap", .key_kind = SMAP_KEY_U64};
	struct smap_state state;
	struct smap *map;
	int status, err;

	if (!cli_parse(&cli, argc, argv, &status))
		return status;
	if (!hold_init()) {
		perror("forkmap: error: signalfd");
		return CLI_FAILED;
	}
	if (opt.hold)
		hold_wait(NULL);
	err = smap_create(&map, &opts);
	if (!err && opt.busy)
		err = hold_busy(map);
	if (!err && opt.before)
		err = use(map, opt.rounds);
	if (!err && fork_tree(opt.depth))
		err = -errno;
	if (!err)
		err = use(map, opt.rounds);
	if (err) {
		fprintf(stderr, "forkmap: error: %s\n", strerror(-err));
		return CLI_FAILED;
	}
	smap_inspect(map, &state);
	map_json(stdout, &state, smap_len(map));
	fflush(stdout);
	if (!wait_for_children())
		return CLI_FAILED;
	if (!opt.no_destroy)
		smap_destroy(map);
	return CLI_OK;
}
