/* SPDX-License-Identifier: MIT */
/*
 * fault_alloc.h - memory and threads that run out on demand.
 *
 * The one program that includes this gets its own malloc family and its own
 * pthread_create(). They forward to glibc, count the blocks that are out, and
 * between arm(n, and_on) and disarm() let the n-th allocation of the calling
 * thread fail, and with and_on all after it. Other threads are not touched.
 */
#ifndef FAULT_ALLOC_H
#define FAULT_ALLOC_H

#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

/* glibc's own, under the names that it keeps for this. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);
void *__libc_memalign(size_t align, size_t size);
void __libc_free(void *p);

static _Thread_local unsigned fail_at; /* 0 = never, n = the n-th from now */
static _Thread_local bool fail_on;     /* and all after it */
static _Thread_local bool failed;
static _Atomic long blocks;

static bool refuse(void)
{
	if (!fail_at || --fail_at)
		return false;
	fail_at = fail_on;
	failed = true;
	errno = ENOMEM;
	return true;
}

static void *count(void *p)
{
	blocks += p != NULL;
	return p;
}

void *malloc(size_t size)
{
	return refuse() ? NULL : count(__libc_malloc(size));
}

void *calloc(size_t n, size_t size)
{
	return refuse() ? NULL : count(__libc_calloc(n, size));
}

void *realloc(void *p, size_t size)
{
	void *q = refuse() ? NULL : __libc_realloc(p, size);

	blocks += q && !p;
	return q;
}

void *aligned_alloc(size_t align, size_t size)
{
	return refuse() ? NULL : count(__libc_memalign(align, size));
}

void *memalign(size_t align, size_t size)
{
	return aligned_alloc(align, size);
}

int posix_memalign(void **ret_p, size_t align, size_t size)
{
	void *p = aligned_alloc(align, size);

	if (!p)
		return ENOMEM;
	*ret_p = p;
	return 0;
}

void free(void *p)
{
	blocks -= p != NULL;
	__libc_free(p);
}

static inline void arm(unsigned n, bool and_on)
{
	failed = false;
	fail_on = and_on;
	fail_at = n;
}

static inline bool disarm(void)
{
	fail_at = 0;
	return failed;
}

/* --- threads --- */

static int (*real_pthread_create)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
static _Thread_local bool refuse_threads;

int pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*fn)(void *), void *arg)
{
	if (refuse_threads)
		return EAGAIN;
	if (!real_pthread_create)
		*(void **)&real_pthread_create = dlsym(RTLD_NEXT, "pthread_create");
	return real_pthread_create(thread, attr, fn, arg);
}

#endif
