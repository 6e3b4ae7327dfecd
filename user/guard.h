/* SPDX-License-Identifier: MIT */
/*
 * guard.h - a child process that does one last thing when we die, however we die.
 */
#ifndef GUARD_H
#define GUARD_H

#include <stddef.h>
#include <sys/types.h>

struct guard {
	pid_t pid; /* 0 = none */
	int pipe;  /* its end with us */
};

/*
 * rescue(ctx) runs in the guard, with memory as of now and, of all descriptors, only `keep`.
 * Call while there is one thread. 0 or -errno.
 */
int guard_start(struct guard *guard, const int *keep, size_t keep_cnt, void (*rescue)(void *ctx),
		void *ctx);
/* The rescue runs, then the guard ends. Legal for a zero-initialised one. */
void guard_stop(struct guard *guard);

#endif
