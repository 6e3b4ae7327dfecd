/* SPDX-License-Identifier: MIT */
/*
 * smap_probes.c - the probe sites and their semaphores.
 *
 * Each site is a function of its own, aligned to 64 bytes, its nop in the first 59:
 * it cannot cross a page. tests/check_probes.sh looks. The arguments are pinned to the registers in
 * which they arrived: the note then reads "8@%rdi 8@%rsi ..." whatever the
 * compiler and its flags, which is what the contract promises to tracers.
 */
#include "smap_internal.h"

#ifndef SMAP_NO_PROBES

#define _SDT_HAS_SEMAPHORES 1
#include <sys/sdt.h>
#if defined(__x86_64__) /* elsewhere an instruction has four bytes, and one is right */
#undef _SDT_NOP
#define _SDT_NOP .nops 5
#endif

/* Written by the kernel (uprobe reference counters), hence volatile; two bytes each. */
#define SMAP_SEMAPHORE(name)                                                                       \
	".globl smap_" name "_semaphore\n.hidden smap_" name "_semaphore\n"                        \
	".type smap_" name "_semaphore, %object\n.size smap_" name "_semaphore, 2\n"               \
	"smap_" name "_semaphore: .2byte 0\n"

__asm__(".pushsection .probes,\"aw\",%progbits\n"
	".balign 4\n"
	".globl smap_miss_listeners\n.hidden smap_miss_listeners\n"
	"smap_miss_listeners:\n" SMAP_SEMAPHORE("miss") SMAP_SEMAPHORE("miss_batch")
		SMAP_SEMAPHORE("map_create") SMAP_SEMAPHORE("map_destroy") SMAP_SEMAPHORE("promote")
			SMAP_SEMAPHORE("rebuild") SMAP_SEMAPHORE("expunge")
				SMAP_SEMAPHORE("overflow") SMAP_SEMAPHORE("lock_wait")
					SMAP_SEMAPHORE("retire") SMAP_SEMAPHORE("reclaim")
						SMAP_SEMAPHORE("stall") ".popsection\n");

#if defined(__x86_64__)
#define ARG1 "rdi"
#define ARG2 "rsi"
#define ARG3 "rdx"
#define ARG4 "rcx"
#define ARG5 "r8"
#define ARG6 "r9"
#elif defined(__aarch64__)
#define ARG1 "x0"
#define ARG2 "x1"
#define ARG3 "x2"
#define ARG4 "x3"
#define ARG5 "x4"
#define ARG6 "x5"
#else
#error "name the argument registers of this architecture, or build with -DSMAP_NO_PROBES"
#endif

#define SITE __attribute__((noinline, noclone, cold, aligned(64), no_sanitize("thread", "address")))
/* A stack that is taken at the nop then has the caller, too: without it the compiler omits it. */
#define FRAME() __asm__ volatile("" : : "r"(__builtin_frame_address(0)))
#define PIN(n) register uint64_t r##n __asm__(ARG##n) = a##n

#define SITE_1(probe)                                                                              \
	SITE void smap_probe_##probe(uint64_t a1)                                                  \
	{                                                                                          \
		FRAME();                                                                           \
		PIN(1);                                                                            \
		DTRACE_PROBE1(smap, probe, r1);                                                    \
	}
#define SITE_2(probe)                                                                              \
	SITE void smap_probe_##probe(uint64_t a1, uint64_t a2)                                     \
	{                                                                                          \
		FRAME();                                                                           \
		PIN(1);                                                                            \
		PIN(2);                                                                            \
		DTRACE_PROBE2(smap, probe, r1, r2);                                                \
	}
#define SITE_3(probe)                                                                              \
	SITE void smap_probe_##probe(uint64_t a1, uint64_t a2, uint64_t a3)                        \
	{                                                                                          \
		FRAME();                                                                           \
		PIN(1);                                                                            \
		PIN(2);                                                                            \
		PIN(3);                                                                            \
		DTRACE_PROBE3(smap, probe, r1, r2, r3);                                            \
	}
#define SITE_4(probe)                                                                              \
	SITE void smap_probe_##probe(uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4)           \
	{                                                                                          \
		FRAME();                                                                           \
		PIN(1);                                                                            \
		PIN(2);                                                                            \
		PIN(3);                                                                            \
		PIN(4);                                                                            \
		DTRACE_PROBE4(smap, probe, r1, r2, r3, r4);                                        \
	}
#define SITE_5(probe)                                                                              \
	SITE void smap_probe_##probe(uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4,           \
				     uint64_t a5)                                                  \
	{                                                                                          \
		FRAME();                                                                           \
		PIN(1);                                                                            \
		PIN(2);                                                                            \
		PIN(3);                                                                            \
		PIN(4);                                                                            \
		PIN(5);                                                                            \
		DTRACE_PROBE5(smap, probe, r1, r2, r3, r4, r5);                                    \
	}
#define SITE_6(probe)                                                                              \
	SITE void smap_probe_##probe(uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4,           \
				     uint64_t a5, uint64_t a6)                                     \
	{                                                                                          \
		FRAME();                                                                           \
		PIN(1);                                                                            \
		PIN(2);                                                                            \
		PIN(3);                                                                            \
		PIN(4);                                                                            \
		PIN(5);                                                                            \
		PIN(6);                                                                            \
		DTRACE_PROBE6(smap, probe, r1, r2, r3, r4, r5, r6);                                \
	}
#define SMAP_PROBE_SITE(probe, count, ...) SITE_##count(probe)

SMAP_PROBES(SMAP_PROBE_SITE)

#endif
