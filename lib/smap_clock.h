/* SPDX-License-Identifier: MIT */
/*
 * smap_clock.h - the cheapest clock for short durations, for what is measured on
 * every miss while somebody listens: reading it costs 10 ns where clock_gettime
 * costs 25.
 *
 * Ticks are the time stamp counter where the processor says that it runs at a constant
 * rate in all states (x86-64), and nanoseconds of CLOCK_MONOTONIC elsewhere. The
 * rate is measured against CLOCK_MONOTONIC over the time since the library was loaded,
 * so it is the better the longer the process runs; 1 ms gives three digits.
 */
#ifndef SMAP_CLOCK_H
#define SMAP_CLOCK_H

#include "smap_internal.h"

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

extern bool smap_has_tsc SMAP_HIDDEN; /* set once at load */

SMAP_INLINE uint64_t smap_ticks(void)
{
#if defined(__x86_64__)
	if (smap_likely(smap_has_tsc))
		return __rdtsc();
#endif
	return smap_now_ns();
}

/* The nanoseconds from one reading to a later one; 0 if the other CPU's was ahead. */
uint64_t smap_ticks_between_ns(uint64_t from, uint64_t to) SMAP_HIDDEN;

#endif
