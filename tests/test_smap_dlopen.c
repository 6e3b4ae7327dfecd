/* SPDX-License-Identifier: MIT */
/*
 * test_smap_dlopen.c - libsmap.so loaded and unloaded while the process lives.
 *
 * A plugin may bring the library and go again: its threads' state, the exit
 * handlers of threads that outlive it, and the reclaimer thread must not leave
 * anything behind that runs code which is no longer there. The library is the one
 * beside this program in the build tree; functions are found by name, so that the
 * static library is not meant by mistake.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <dlfcn.h>
#include <libgen.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "smap.h"

#define TIMES 50

struct plugin {
	void *handle;
	int (*create)(struct smap **, const struct smap_options *);
	void (*destroy)(struct smap *);
	int (*store)(struct smap *, const void *, size_t, void *);
	bool (*load)(struct smap *, const void *, size_t, void **);
	int (*clear)(struct smap *);
	void (*lock)(void);
	void (*unlock)(void);
	struct smap_registry *registry;
	struct smap *map;
	unsigned freed;
	pthread_barrier_t used, unloaded;
};

static char library[PATH_MAX + 32];

static int find_library(void **state)
{
	char self[PATH_MAX] = "";
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);

	(void)state;
	if (len <= 0)
		return -1;
	snprintf(library, sizeof(library), "%s/../libsmap.so", dirname(self));
	return 0;
}

static void *symbol(const struct plugin *p, const char *name)
{
	void *found = dlsym(p->handle, name);

	if (!found)
		fail_msg("%s: %s", name, dlerror());
	return found;
}

static void load_plugin(struct plugin *p)
{
	p->handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
	if (!p->handle)
		fail_msg("%s", dlerror());
	*(void **)&p->create = symbol(p, "smap_create");
	*(void **)&p->destroy = symbol(p, "smap_destroy");
	*(void **)&p->store = symbol(p, "smap_store");
	*(void **)&p->load = symbol(p, "smap_load");
	*(void **)&p->clear = symbol(p, "smap_clear");
	*(void **)&p->lock = symbol(p, "smap_read_lock");
	*(void **)&p->unlock = symbol(p, "smap_read_unlock");
	p->registry = symbol(p, "smap_registry");
}

static void count_freed(void *value, void *ctx)
{
	(void)value;
	((struct plugin *)ctx)->freed++;
}

static void create_map(struct plugin *p)
{
	struct smap_options opts = {
		.size = sizeof(opts), .name = "plugin", .value_free = count_freed, .ctx = p};

	p->freed = 0;
	assert_int_equal(p->create(&p->map, &opts), 0);
}

static const struct smap_state *state_of(const struct plugin *p)
{
	return (const struct smap_state *)p->map; /* its first member */
}

static void *use_plugin(void *arg)
{
	struct plugin *p = arg;
	void *value;

	p->lock();
	for (int i = 0; i < 100; i++) {
		p->store(p->map, &i, sizeof(i), p);
		p->load(p->map, &i, sizeof(i), &value);
	}
	p->unlock();
	return NULL;
}

static void require_library(void)
{
	if (access(library, R_OK))
		skip();
}

/* Threads that used the library and are gone before it is. */
static void test_load_and_unload_again_and_again(void **state)
{
	struct plugin p;
	pthread_t threads[3];
	uint64_t id = 0;

	(void)state;
	require_library();
	for (int i = 0; i < TIMES; i++) {
		load_plugin(&p);
		create_map(&p);
		/* By which those who look from outside tell it from the last at its address. */
		assert_true(state_of(&p)->id > id);
		id = state_of(&p)->id;
		for (int t = 0; t < 3; t++)
			assert_int_equal(pthread_create(&threads[t], NULL, use_plugin, &p), 0);
		for (int t = 0; t < 3; t++)
			assert_int_equal(pthread_join(threads[t], NULL), 0);
		use_plugin(&p);
		assert_int_equal(p.clear(p.map), 0);
		p.destroy(p.map);
		assert_int_equal(p.freed, 100);
		assert_int_equal(p.registry->map_count, 0);
		assert_int_equal(dlclose(p.handle), 0);
	}
}

static void *outlive_plugin(void *arg)
{
	struct plugin *p = arg;

	use_plugin(p);
	pthread_barrier_wait(&p->used);
	pthread_barrier_wait(&p->unloaded);
	return NULL; /* the thread's exit must not call into the library */
}

static void test_threads_may_outlive_the_library(void **state)
{
	struct plugin p;
	pthread_t threads[3];

	(void)state;
	require_library();
	for (int i = 0; i < TIMES; i++) {
		load_plugin(&p);
		create_map(&p);
		pthread_barrier_init(&p.used, NULL, 4);
		pthread_barrier_init(&p.unloaded, NULL, 4);
		for (int t = 0; t < 3; t++)
			assert_int_equal(pthread_create(&threads[t], NULL, outlive_plugin, &p), 0);
		pthread_barrier_wait(&p.used);
		p.destroy(p.map);
		assert_int_equal(dlclose(p.handle), 0);
		pthread_barrier_wait(&p.unloaded);
		for (int t = 0; t < 3; t++)
			assert_int_equal(pthread_join(threads[t], NULL), 0);
		pthread_barrier_destroy(&p.used);
		pthread_barrier_destroy(&p.unloaded);
	}
}

/* Loaded and never used: no thread was started, nothing to stop. */
static void test_load_without_use(void **state)
{
	struct plugin p;

	(void)state;
	require_library();
	for (int i = 0; i < TIMES; i++) {
		load_plugin(&p);
		assert_int_equal(p.registry->map_count, 0);
		assert_int_equal(dlclose(p.handle), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_load_without_use),
		cmocka_unit_test(test_load_and_unload_again_and_again),
		cmocka_unit_test(test_threads_may_outlive_the_library),
	};

	alarm(120); /* a deadlock must not hang the suite */
	return cmocka_run_group_tests_name("smap_dlopen", tests, find_library, NULL);
}
