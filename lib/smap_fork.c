/* SPDX-License-Identifier: MIT */
/*
 * smap_fork.c - fork(): the child goes on with its copy of every map.
 *
 * The child has one thread, the one that forked; the others ended in the midst of what they
 * were doing. So fork() waits until nobody is in the midst of what only a lock makes whole: it
 * takes every lock of the library but those of the threads' bags, forks, and releases them on
 * both sides. They are held for short times only, and no code of the program runs under them (but
 * for the hash and the retain function, which may not fork): fork() waits for no reader, no
 * value_free and no grace period. What is done without locks is in the child as far as it had
 * come:
 *
 *	a section of another thread	ends (smap_threads_forked)
 *	a store, a delete		has happened or not; if it has, smap_len() may not have
 *					counted it, and the old value may not be retired
 *	a batch being freed		the child frees the rest (smap_reclaim.c)
 *	a smap_destroy			finished by the reclaimer, or the map stays
 *	a smap_snapshot			gone; its gate is opened
 *	the reclaimer			is started again by the first item retired
 *
 * The memory of the child is what the parent's was at one instant for each thread of it: a
 * prefix of its stores, because fork copies with all page faults locked out, and flushes
 * the write permissions before it lets go of that.
 *
 * Handlers run in the reverse order of registration before a fork. An allocator that has handlers
 * must be locked after us, since we allocate under our locks: hence the first malloc. The program's
 * own locks come before ours: hence at load, before the program can register anything.
 */
#include <stdlib.h>

#include "smap_internal.h"

bool smap_fork_handled;

static void before_fork(void)
{
	smap_reclaim_fork_lock();
	smap_registry_fork_lock();
	smap_retire_fork_lock();
	smap_keeper_fork_lock();
}

static void after_fork(bool is_child)
{
	smap_keeper_fork_unlock(is_child);
	smap_retire_fork_unlock();
	smap_registry_fork_unlock(is_child);
	smap_reclaim_fork_unlock(is_child);
}

static void after_fork_in_parent(void)
{
	after_fork(false);
}

static void after_fork_in_child(void)
{
	smap_threads_forked();
	after_fork(true);
}

__attribute__((constructor(101))) static void fork_load(void)
{
	void *volatile first = malloc(1);

	free(first);
	smap_fork_handled =
		pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child) == 0;
}
