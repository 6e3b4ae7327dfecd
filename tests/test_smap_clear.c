/* SPDX-License-Identifier: MIT */
/*
 * test_smap_clear.c - a Clear, and a load that is under way since before the promotion.
 *
 * R3 with three threads. The view of nothing comes back with each Clear (smap_view.c), and says again
 * then that dirty has no more keys than it. A load that has that view from before must not
 * believe it before the Clear has taken effect for everybody:
 *
 *	key stored        load stopped at its n-th access
 *	promoted
 *	                  Clear stopped at its m-th access
 *	                  load goes on: is the key absent?
 *	loaded again: then it must be absent here, too, and stay so
 *
 * for all n and m. Who wants the mutex of a Clear that is stopped lets it go on. The library must
 * be built with yield.h; else the test is skipped.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <semaphore.h>
#include <string.h>

#include "stress.h"
#include "yield.h"

#define KEY 7
#define VALUE ((void *)42)

/* A thread that does one thing, and is stopped in the midst of it. */
struct actor {
	pthread_t thread;
	void (*act)(struct actor *actor);
	unsigned at, count; /* stop at this access; how many there were */
	unsigned locks;	    /* that it holds */
	bool stopped, gone_on;
	sem_t event, go; /* event: it has stopped, or is done */
	void *found;
};

static struct smap *map;
static struct actor loader, clearer, tester;
static _Thread_local struct actor *self; /* NULL: the reclaimer */
static unsigned hook_calls;

static void go_on(struct actor *actor)
{
	if (!actor->stopped || actor->gone_on)
		return;
	actor->gone_on = true;
	sem_post(&actor->go);
}

/* One thread runs at a time, but for one that was let go on because another wants its mutex. */
static void hook(const char *function, const char *what)
{
	(void)function;
	hook_calls++;
	if (!self)
		return;
	if (!strcmp(what, "lock") && self != &loader && loader.locks)
		go_on(&loader);
	if (!strcmp(what, "lock") && self != &clearer && clearer.locks)
		go_on(&clearer);
	self->locks += !strcmp(what, "locked");
	self->locks -= !strcmp(what, "unlocked");
	if (++self->count != self->at)
		return;
	self->stopped = true;
	sem_post(&self->event);
	sem_wait(&self->go);
}

static void load(struct actor *actor)
{
	if (!(smap_load_u64)(map, KEY, &actor->found))
		actor->found = NULL;
}

static void clear(struct actor *actor)
{
	(void)actor;
	CHECK(!smap_clear(map), "clear");
}

static void *actor_main(void *arg)
{
	struct actor *actor = arg;

	self = actor;
	actor->act(actor);
	self = NULL; /* a thread that ends has accesses too */
	sem_post(&actor->event);
	return NULL;
}

/* Returns when it has stopped or is done. */
static void start(struct actor *actor, void (*act)(struct actor *), unsigned at)
{
	*actor = (struct actor){.act = act, .at = at};
	sem_init(&actor->event, 0, 0);
	sem_init(&actor->go, 0, 0);
	assert_int_equal(pthread_create(&actor->thread, NULL, actor_main, actor), 0);
	sem_wait(&actor->event);
}

static bool found_now(void)
{
	void *value;

	return (smap_load_u64)(map, KEY, &value);
}

static bool visit(uint64_t key, void *value, void *ctx)
{
	(void)key, (void)value, (void)ctx;
	return true;
}

/* False if one of them had no such access. */
static bool run(unsigned n, unsigned m, bool *ret_load_stopped)
{
	bool clear_stopped;

	map = stress_map_u64("clear");
	CHECK(!smap_store_u64(map, KEY, VALUE), "store");
	start(&loader, load, n);
	*ret_load_stopped = loader.stopped;
	smap_range_u64(map, visit, NULL);
	start(&clearer, clear, m);
	clear_stopped = clearer.stopped;
	if (loader.stopped) {
		go_on(&loader);
		sem_wait(&loader.event);
	}
	if (!loader.found) {
		assert_false(found_now());
		assert_false(found_now());
	}
	go_on(&clearer);
	pthread_join(loader.thread, NULL);
	pthread_join(clearer.thread, NULL);
	assert_false(found_now());
	smap_destroy(map);
	return clear_stopped && *ret_load_stopped;
}

static void test_R3_absent_only_after_the_clear(void **state)
{
	unsigned runs = 0;
	bool stopped = true;

	(void)state;
	alarm(STRESS_ALARM_S);
	for (unsigned n = 1; stopped; n++)
		for (unsigned m = 1; run(n, m, &stopped); m++)
			runs++;
	print_message("# %u interruptions\n", runs);
	assert_true(runs > 50);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_R3_absent_only_after_the_clear),
	};

	yield_hook = hook;
	self = &tester;
	smap_destroy(stress_map_u64("hooks"));
	if (!hook_calls) {
		puts("1..1\nok 1 # skip the library was built without yield.h");
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
