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

#endif
