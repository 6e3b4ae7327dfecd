/* SPDX-License-Identifier: MIT */
/*
 * smap_base.h - what every file of the library includes first: the public header, with
 * the fields that several threads write as _Atomic, and the attributes we use.
 */
#ifndef SMAP_BASE_H
#define SMAP_BASE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SMAP_SHARED _Atomic
#include "smap.h"

#define SMAP_HIDDEN __attribute__((visibility("hidden")))
#define SMAP_PUBLIC __attribute__((visibility("default")))
#define SMAP_INLINE static inline __attribute__((always_inline))
#define smap_likely(x) __builtin_expect(!!(x), 1)
#define smap_unlikely(x) __builtin_expect(!!(x), 0)
#define SMAP_STRINGIFY_(x) #x
#define SMAP_STRINGIFY(x) SMAP_STRINGIFY_(x)
#define SMAP_CACHE_LINE 64

/* Only where both sides are slow paths; TSan does not know fences, and needs none there. */
static inline void smap_full_fence(void)
{
#ifndef __SANITIZE_THREAD__
	atomic_thread_fence(memory_order_seq_cst);
#endif
}

#endif
