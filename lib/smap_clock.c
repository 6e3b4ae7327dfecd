/* SPDX-License-Identifier: MIT */
/* smap_clock.c - the rate of the time stamp counter; see smap_clock.h. */
#include <time.h>

#include "smap_clock.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#define SETTLED_NS 1000000000 /* after that, the rate is kept */
#define SHIFT 32

bool smap_has_tsc;
static uint64_t load_ticks, load_ns;
static _Atomic(uint64_t) kept_rate; /* ns per tick, times 2^SHIFT; 0 = not settled */

uint64_t smap_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static uint64_t rate(void)
{
	/* relaxed: any thread's measurement will do */
	uint64_t r = atomic_load_explicit(&kept_rate, memory_order_relaxed);
	uint64_t ns, ticks;

	if (smap_likely(r))
		return r;
	ns = smap_now_ns() - load_ns;
	ticks = smap_ticks() - load_ticks;
	r = ticks ? (uint64_t)(((unsigned __int128)ns << SHIFT) / ticks) : 0;
	if (ns >= SETTLED_NS)
		/* relaxed: as above */
		atomic_store_explicit(&kept_rate, r, memory_order_relaxed);
	return r;
}

uint64_t smap_ticks_between_ns(uint64_t from, uint64_t to)
{
	if (to <= from)
		return 0;
	if (!smap_has_tsc)
		return to - from;
	return (uint64_t)(((unsigned __int128)(to - from) * rate()) >> SHIFT);
}

#if defined(__x86_64__)
#define INVARIANT_TSC (1U << 8) /* CPUID 0x80000007, EDX */

__attribute__((constructor(101))) static void clock_load(void)
{
	unsigned a, b, c, d;

	smap_has_tsc = __get_cpuid(0x80000007, &a, &b, &c, &d) && (d & INVARIANT_TSC);
	load_ns = smap_now_ns();
	load_ticks = smap_ticks();
}
#endif
