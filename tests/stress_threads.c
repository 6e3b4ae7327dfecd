/* SPDX-License-Identifier: MIT */
/*
 * stress_threads.c - threads and maps that come and go, and fork.
 *
 * Ten thousand threads live for a few operations each, with no registration: their
 * read sections' state must be reused and their last section must end. Maps are
 * created and destroyed by several threads while another walks the registry as a
 * tracer would. A child of fork that only execs must not be disturbed by what the
 * parent's threads and reclaimer were doing.
 */
#include "stress.h"

#include <stdatomic.h>
#include <string.h>
#include <sys/uio.h>
#include <sys/wait.h>

#define BATCH 20
#ifdef __SANITIZE_THREAD__
#define BATCHES 100 /* starting a thread is slow there */
#else
#define BATCHES 500
#endif
#define MAPS 400
#define MAX_MAPS (1 + 3 * 4)

struct shared {
	struct smap *map;
	atomic_bool stop;
	_Atomic uint64_t values;
	unsigned batch;
};

static void drop(void *value, void *ctx)
{
	struct shared *s = ctx;

	s->values--;
	free(value);
}

static void live_shortly(unsigned id, void *ctx)
{
	struct shared *s = ctx;
	uint64_t key = (s->batch * BATCH + id) % 100;
	int *value = malloc(sizeof(*value));
	void *got;

	CHECK(value, "no memory");
	*value = 42;
	s->values++;
	CHECK(!smap_store_u64(s->map, key, value), "store");
	smap_read_lock();
	if (smap_load_u64(s->map, (key + 1) % 100, &got))
		CHECK(*(int *)got == 42, "key %lu", key + 1);
	if (id % 2) /* some threads end in an operation, some right after a section */
		smap_delete_u64(s->map, (key + 50) % 100);
	smap_read_unlock();
	if (id % 3 == 0)
		smap_load_u64(s->map, key, &got);
}

static unsigned count_states(void)
{
	unsigned states = 0;

	for (uint64_t at = smap_registry.threads; at; states++)
		at = ((const struct smap_thread_state *)(uintptr_t)at)->next;
	return states;
}

/* No more thread states than the first two batches needed, however many follow. */
static void short_threads(struct shared *s)
{
	unsigned states = 0;

	for (s->batch = 0; s->batch < BATCHES; s->batch++) {
		stress_run(BATCH, live_shortly, s);
		if (s->batch == 1)
			states = count_states();
	}
	CHECK(count_states() <= states, "%u thread states, %u at first", count_states(), states);
}

/* --- maps that come and go --- */

static void create_and_destroy(unsigned id)
{
	struct smap *maps[4] = {NULL};

	for (unsigned i = 0; i < MAPS; i++) {
		struct smap **map = &maps[i % 4];

		smap_destroy(*map);
		*map = stress_map_u64("comes and goes");
		for (uint64_t k = 0; k < 40; k++)
			CHECK(!smap_store_u64(*map, k, map), "store in thread %u", id);
		CHECK(smap_len(*map) == 40, "%zu", smap_len(*map));
	}
	for (int i = 0; i < 4; i++)
		smap_destroy(maps[i]);
}

/* Memory as another process would read it: what is gone is an error, no crash. */
static bool peek(uint64_t address, void *ret_copy, size_t size)
{
	struct iovec local = {.iov_base = ret_copy, .iov_len = size};
	struct iovec remote = {.iov_base = (void *)(uintptr_t)address, .iov_len = size};

	return process_vm_readv(getpid(), &local, 1, &remote, 1, 0) == (ssize_t)size;
}

/* The names of all maps in the chain; false when something on the way was gone. */
static bool walk_chain(uint64_t at, unsigned *ret_maps)
{
	struct smap_state st;

	for (*ret_maps = 0; at; at = st.next) {
		if (!peek(at, &st, sizeof(st)) || st.magic != SMAP_STATE_MAGIC || st.self != at)
			return false;
		if (strcmp(st.name, "comes and goes") && strcmp(st.name, "threads"))
			return false;
		if (++*ret_maps > MAX_MAPS)
			return false;
	}
	return true;
}

/* A walk between two equal generations must have been sound. */
static void watch_registry(struct shared *s)
{
	struct smap_registry before, after;
	uint64_t last = 0;
	unsigned maps, sound = 0;

	while (!atomic_load(&s->stop) || !sound) {
		bool ok;

		CHECK(peek((uintptr_t)&smap_registry, &before, sizeof(before)), "registry");
		ok = walk_chain(before.first, &maps);
		CHECK(peek((uintptr_t)&smap_registry, &after, sizeof(after)), "registry");
		CHECK(before.generation >= last, "generation fell to %lu", before.generation);
		last = after.generation;
		if (before.generation != after.generation || before.generation % 2)
			continue;
		CHECK(ok, "the chain is broken after %u maps", maps);
		CHECK(maps == before.map_count, "%u maps, not %lu", maps, before.map_count);
		sound++;
	}
}

static void maps_and_a_watcher(unsigned id, void *ctx)
{
	struct shared *s = ctx;

	if (id == 3) {
		watch_registry(s);
		return;
	}
	create_and_destroy(id);
	if (id == 0)
		atomic_store(&s->stop, true);
}

/* --- fork, then exec in the child --- */

static void run_child(void)
{
	int status;
	pid_t pid = fork();

	CHECK(pid >= 0, "fork");
	if (pid == 0) {
		execl("/bin/true", "true", (char *)NULL);
		_exit(127);
	}
	CHECK(waitpid(pid, &status, 0) == pid, "waitpid");
	CHECK(WIFEXITED(status) && !WEXITSTATUS(status), "the child ended with %x", status);
}

static void fork_or_write(unsigned id, void *ctx)
{
	struct shared *s = ctx;

	if (id == 0) {
		for (int i = 0; i < 20; i++)
			run_child();
		atomic_store(&s->stop, true);
		return;
	}
	while (!atomic_load(&s->stop))
		live_shortly(id, s);
}

int main(void)
{
	static struct shared s;
	struct smap_options opts = {.key_kind = SMAP_KEY_U64, .value_free = drop, .ctx = &s};

	alarm(STRESS_ALARM_S);
	s.map = stress_map(&opts, "threads");
	short_threads(&s);
	stress_run(4, maps_and_a_watcher, &s);
	atomic_store(&s.stop, false);
	stress_run(3, fork_or_write, &s);
	smap_destroy(s.map);
	CHECK(s.values == 0, "%lu values are left", s.values);
	CHECK(smap_registry.map_count == 0, "%lu maps are left", smap_registry.map_count);
	return 0;
}
