/* SPDX-License-Identifier: MIT */
/*
 * common.bpf.h - what every way of attaching shares: the BPF maps and the losses.
 */
#ifndef COMMON_BPF_H
#define COMMON_BPF_H

#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include "smaptrace.h"

#ifndef EEXIST
#define EEXIST 17
#define ENOMEM 12
#define E2BIG 7
#define ENOSPC 28
#endif

/* Sizes are set from user space before the load. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, struct st_key);
	__type(value, struct st_info);
} infos SEC(".maps");

/*
 * Set when an info says more than that there was one more event: it is new, it has another base,
 * a gap was added, its map has gone. While it is not, user space need not read them all.
 */
__u32 infos_changed = 0;

/*
 * What was counted, by map. One value for all CPUs: hit.bpf.h says who writes what, and its
 * writers hold the map's mutex anyway. Rejected: one for each CPU, which is as many times 5 kB
 * a map, to be kept and to be read in every window, as the machine can have CPUs.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, struct st_key);
	__type(value, struct st_stats);
} stats SEC(".maps");

/* Never written: the first value of a new entry, too large for the stack. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct st_stats);
} zero SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, ST_LOSS_COUNT);
	__type(key, __u32);
	__type(value, __u64);
} losses SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} events SEC(".maps");

/*
 * `miss` is attached and counts misses one by one: miss_batch adds how long the lock was
 * held, and those misses that `miss` has left out.
 */
__u32 each_miss = 0;
/*
 * Of each counter: raised by user space before its probe is attached again. The first event
 * then knows that the gap before it was meant.
 */
__u32 generation[ST_COUNTER_COUNT] = {};
struct st_load load[ST_CPUS] __attribute__((aligned(64))) = {};
/* An event for each wait for a lock: all that took long, of the others a bounded number. */
const volatile __u32 lock_waits = 0;
/* Wake the reader only when so much waits; below that it comes by itself. */
const volatile __u64 wakeup_bytes = 0;

/*
 * For tests, set from user space before the load: of the hits of this probe every so manieth
 * is dropped, as if it had never come. 0 = none, and the loader leaves the code out.
 */
const volatile __u32 fault_every = 0, fault_probe = 0;
__u32 fault_hits;

static __always_inline bool fault(__u32 probe)
{
	return fault_every && probe == fault_probe &&
	       (__sync_fetch_and_add(&fault_hits, 1) + 1) % fault_every == 0;
}

static __always_inline void lose(__u32 what)
{
	__u64 *count = bpf_map_lookup_elem(&losses, &what);

	if (count)
		__sync_fetch_and_add(count, 1);
}

#endif
