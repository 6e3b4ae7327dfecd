/* SPDX-License-Identifier: MIT */
/*
 * smap_probes.h - the probe contract: provider `smap`, the only list of probes.
 *
 * Each probe is one site in a binary: a function of its own, out of line and
 * cold, that holds a five-byte nop. Callers test the probe's semaphore first,
 * and only ever on slow paths; a read hit meets no probe. Out of line, the
 * arguments stand where the calling convention puts them, and the USDT note
 * says so: argument i is in the i-th integer argument register of the C ABI
 * (x86-64: rdi rsi rdx rcx r8 r9; arm64: x0..x5), 8 bytes wide, unsigned. A
 * tracer needs no interpreter for argument strings, only a check of the note.
 *
 * Why five bytes: kernels from 6.18 turn a uprobe on nop5 into a call; older
 * ones emulate it. Sites are aligned so that the nop never crosses a page.
 *
 * All probes but retire, reclaim and stall fire with the map's mutex held: the
 * counters of the map (smap_state.h) and the arguments agree, and the events of
 * one map come in order. retire, reclaim and stall fire one at a time from
 * whoever runs the reclaimer.
 *
 * X(name, argument count, argument names...)
 */
#ifndef SMAP_PROBES_H
#define SMAP_PROBES_H

#define SMAP_PROVIDER "smap"
#define SMAP_PROBE_MAX_ARGS 6

#define SMAP_PROBES(X)                                                                             \
	X(map_create, 2, map, name)                                                                \
	X(map_destroy, 1, map)                                                                     \
	X(miss, 6, map, key_hash, misses, threshold, dirty_len, lock_wait_ns)                      \
	X(miss_batch, 2, map, batch)                                                               \
	X(promote, 6, map, epoch, read_len, misses, dirty_age_ns, reason)                          \
	X(rebuild, 5, map, epoch, copied, expunged, duration_ns)                                   \
	X(expunge, 2, map, key_hash)                                                               \
	X(overflow, 1, map)                                                                        \
	X(lock_wait, 2, map, wait_ns)                                                              \
	X(retire, 3, map, count, backlog)                                                          \
	X(reclaim, 4, map, count, backlog, oldest_age_ns)                                          \
	X(stall, 3, map, thread, age_ns)

enum smap_probe {
#define SMAP_PROBE_ENUM(name, ...) SMAP_PROBE_##name,
	SMAP_PROBES(SMAP_PROBE_ENUM)
#undef SMAP_PROBE_ENUM
		SMAP_PROBE_COUNT
};

/*
 * The library's side: how a probe is tested for listeners and fired. `smap_miss`
 * and `smap_miss_batch` have neighbouring semaphores, so that one comparison
 * on the miss path asks for both.
 */
#ifdef SMAP_INTERNAL_H
#ifdef SMAP_NO_PROBES

#define smap_listening(probe) false
#define smap_listening_miss() false
#define smap_fire(probe, ...)                                                                      \
	do {                                                                                       \
		if (0) /* the arguments are checked and then forgotten */                          \
			smap_unheard(0, __VA_ARGS__);                                              \
	} while (0)

static inline void smap_unheard(int first, ...)
{
	(void)first;
}

#else

#define SMAP_PROBE_DECLARE(probe, count, ...)                                                      \
	extern volatile uint16_t smap_##probe##_semaphore SMAP_HIDDEN;                             \
	void smap_probe_##probe(SMAP_PROBE_PARAMS_##count) SMAP_HIDDEN;
#define SMAP_PROBE_PARAMS_1 uint64_t
#define SMAP_PROBE_PARAMS_2 SMAP_PROBE_PARAMS_1, uint64_t
#define SMAP_PROBE_PARAMS_3 SMAP_PROBE_PARAMS_2, uint64_t
#define SMAP_PROBE_PARAMS_4 SMAP_PROBE_PARAMS_3, uint64_t
#define SMAP_PROBE_PARAMS_5 SMAP_PROBE_PARAMS_4, uint64_t
#define SMAP_PROBE_PARAMS_6 SMAP_PROBE_PARAMS_5, uint64_t
SMAP_PROBES(SMAP_PROBE_DECLARE)
#undef SMAP_PROBE_DECLARE

extern volatile uint32_t smap_miss_listeners SMAP_HIDDEN; /* both semaphores as one word */

#define smap_listening(probe) smap_unlikely(smap_##probe##_semaphore != 0)
#define smap_listening_miss() smap_unlikely(smap_miss_listeners != 0)
#define smap_fire(probe, ...)                                                                      \
	do {                                                                                       \
		if (smap_listening(probe))                                                         \
			smap_probe_##probe(__VA_ARGS__);                                           \
	} while (0)

#endif
#endif

#endif
