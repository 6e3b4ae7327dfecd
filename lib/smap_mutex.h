/* SPDX-License-Identifier: MIT */
/*
 * smap_mutex.h - the mutex of a map: one word, and a futex for who has to wait.
 *
 * The same as the C library's normal mutex, but for what a map does not need: a call, a kind that
 * is asked for, an owner that is kept. Those were a third of what a miss costs. 0 is free, 1 is
 * held, 2 is held and somebody may wait: who unlocks that wakes one, who then takes it as 2
 * again, since it does not know whether it was the last.
 *
 * Acquire and release: what the last holder did is seen by the next. Not recursive, not robust; held
 * over fork() by smap_fork.c.
 */
#ifndef SMAP_MUTEX_H
#define SMAP_MUTEX_H

#include "smap_base.h"

struct timespec;

struct smap_mutex {
	_Atomic(uint32_t) word;
};

#ifdef YIELD_H /* tests/yield.h: threads change places here, as at the C library's mutexes */
#define smap_mutex_seen(what) yield_point(__func__, what)
#else
#define smap_mutex_seen(what) ((void)0)
#endif

/* Wait for it, until a time of CLOCK_MONOTONIC or for ever (NULL). True: it is taken. */
bool smap_mutex_wait(struct smap_mutex *mutex, const struct timespec *until) SMAP_HIDDEN;
void smap_mutex_wake(struct smap_mutex *mutex) SMAP_HIDDEN;

SMAP_INLINE bool smap_mutex_try(struct smap_mutex *mutex)
{
	uint32_t word = 0;
	bool taken;

	smap_mutex_seen("trylock");
	/* Acquire: pairs with the release of the unlock. */
	taken = atomic_compare_exchange_strong_explicit(&mutex->word, &word, 1,
							memory_order_acquire, memory_order_relaxed);
	if (taken)
		smap_mutex_seen("locked");
	return taken;
}

SMAP_INLINE void smap_mutex_lock(struct smap_mutex *mutex)
{
	if (smap_unlikely(!smap_mutex_try(mutex)))
		(void)smap_mutex_wait(mutex, NULL);
}

SMAP_INLINE void smap_mutex_unlock(struct smap_mutex *mutex)
{
	smap_mutex_seen("unlock");
	/* Release: pairs with the acquires of the next holder. */
	if (smap_unlikely(atomic_exchange_explicit(&mutex->word, 0, memory_order_release) == 2))
		smap_mutex_wake(mutex);
	smap_mutex_seen("unlocked");
}

#endif
