/* SPDX-License-Identifier: MIT */
/* smap_mutex.c - waiting for a map's mutex, and waking who waits; see smap_mutex.h. */
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "smap_mutex.h"

/* Sleep while the word is 2. False when the time is over. */
static bool futex_wait(struct smap_mutex *mutex, const struct timespec *until)
{
	/* With a bitset the time is absolute. */
	return syscall(SYS_futex, &mutex->word, FUTEX_WAIT_BITSET_PRIVATE, 2, until, NULL,
		       FUTEX_BITSET_MATCH_ANY) == 0 ||
	       errno != ETIMEDOUT;
}

bool smap_mutex_wait(struct smap_mutex *mutex, const struct timespec *until)
{
	int err = errno;
	bool taken;

	smap_mutex_seen("lock");
	for (;;) {
		/* Acquire: pairs with the release of the unlock. */
		taken = atomic_exchange_explicit(&mutex->word, 2, memory_order_acquire) == 0;
		if (taken || !futex_wait(mutex, until))
			break;
	}
	errno = err;
	if (taken)
		smap_mutex_seen("locked");
	return taken;
}

void smap_mutex_wake(struct smap_mutex *mutex)
{
	int err = errno;

	(void)syscall(SYS_futex, &mutex->word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
	errno = err;
}
