/* SPDX-License-Identifier: MIT */
/*
 * yield.h - the library with its threads stopped at every atomic access.
 *
 *	cc -include tests/yield.h -DSMAP_STRESS -c lib/smap.c
 *
 * Included before everything else, it redefines the atomic accesses of <stdatomic.h>
 * and the locks of <pthread.h> so that each calls yield_point() first, and locks and
 * unlocks once more when done. There the thread may, by a seed of its own, give up the processor
 * or spin for a while: windows of a few instructions, which the scheduler would hit
 * once a day, are hit thousands of times a second. A test may also set yield_hook and
 * stop a certain thread at a certain access for as long as it likes: one
 * interleaving, every time (test_smap_race2.c).
 *
 * An access without the order argument would escape; check_order.sh allows none.
 * Orders are passed on as they are: this finds wrong interleavings, not missing
 * barriers, which are for ThreadSanitizer and the models.
 */
#ifndef YIELD_H
#define YIELD_H

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define YIELD_SHARED __attribute__((weak)) /* one of each in the program */

/* Out of 1024 accesses, about so many make the thread wait. 0: none. */
YIELD_SHARED unsigned yield_rate;
YIELD_SHARED uint64_t yield_seed;

/* Called at each access with its function's name and what it is ("load" ...); may be NULL. */
typedef void (*yield_hook_fn)(const char *function, const char *what);
YIELD_SHARED yield_hook_fn yield_hook;

YIELD_SHARED _Thread_local uint64_t yield_rng;

static inline void yield_wait(uint64_t r)
{
	if (r & 3) {
		sched_yield();
		return;
	}
	for (unsigned spins = (unsigned)(r >> 2) % 512; spins; spins--)
		__asm__ volatile("" ::: "memory");
}

static inline void yield_set(unsigned rate, uint64_t seed)
{
	/* relaxed: the reclaimer thread may be running, and may notice when it likes */
	__atomic_store_n(&yield_seed, seed, __ATOMIC_RELAXED);
	__atomic_store_n(&yield_rate, rate, __ATOMIC_RELAXED);
}

static inline void yield_point(const char *function, const char *what)
{
	/* Acquire: pairs with the release of the test that sets it. */
	yield_hook_fn hook = __atomic_load_n(&yield_hook, __ATOMIC_ACQUIRE);
	/* relaxed: as in yield_set() */
	unsigned rate = __atomic_load_n(&yield_rate, __ATOMIC_RELAXED);

	if (hook)
		hook(function, what);
	if (!rate)
		return;
	if (!yield_rng) /* differs by thread: the address does. relaxed: as above */
		yield_rng =
			(__atomic_load_n(&yield_seed, __ATOMIC_RELAXED) ^ (uintptr_t)&yield_rng) *
				0x9e3779b97f4a7c15ULL |
			1;
	yield_rng ^= yield_rng << 13;
	yield_rng ^= yield_rng >> 7;
	yield_rng ^= yield_rng << 17;
	if ((yield_rng >> 40) % 1024 < rate)
		yield_wait(yield_rng >> 20);
}

#define YIELD(what) yield_point(__func__, what)

#undef atomic_load_explicit
#undef atomic_store_explicit
#undef atomic_exchange_explicit
#undef atomic_compare_exchange_strong_explicit
#undef atomic_compare_exchange_weak_explicit
#undef atomic_fetch_add_explicit
#undef atomic_fetch_sub_explicit
#undef atomic_fetch_or_explicit
#undef atomic_fetch_and_explicit

#define atomic_load_explicit(p, order) (YIELD("load"), __atomic_load_n(p, order))
#define atomic_store_explicit(p, v, order) (YIELD("store"), __atomic_store_n(p, v, order))
#define atomic_exchange_explicit(p, v, order) (YIELD("exchange"), __atomic_exchange_n(p, v, order))
#define atomic_compare_exchange_strong_explicit(p, old, v, order, failure)                         \
	(YIELD("cas"), __atomic_compare_exchange_n(p, old, v, 0, order, failure))
#define atomic_compare_exchange_weak_explicit(p, old, v, order, failure)                           \
	(YIELD("cas"), __atomic_compare_exchange_n(p, old, v, 1, order, failure))
#define atomic_fetch_add_explicit(p, v, order) (YIELD("add"), __atomic_fetch_add(p, v, order))
#define atomic_fetch_sub_explicit(p, v, order) (YIELD("sub"), __atomic_fetch_sub(p, v, order))
#define atomic_fetch_or_explicit(p, v, order) (YIELD("or"), __atomic_fetch_or(p, v, order))
#define atomic_fetch_and_explicit(p, v, order) (YIELD("and"), __atomic_fetch_and(p, v, order))

static inline int yield_lock(pthread_mutex_t *mutex, bool try, const char *function)
{
	int err;

	yield_point(function, try ? "trylock" : "lock");
	err = try ? pthread_mutex_trylock(mutex) : pthread_mutex_lock(mutex);
	if (!err)
		yield_point(function, "locked");
	return err;
}

static inline int yield_unlock(pthread_mutex_t *mutex, const char *function)
{
	int err;

	yield_point(function, "unlock");
	err = pthread_mutex_unlock(mutex);
	yield_point(function, "unlocked");
	return err;
}

#define pthread_mutex_lock(mutex) yield_lock(mutex, false, __func__)
#define pthread_mutex_trylock(mutex) yield_lock(mutex, true, __func__)
#define pthread_mutex_unlock(mutex) yield_unlock(mutex, __func__)

#endif
