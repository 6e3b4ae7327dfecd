/* SPDX-License-Identifier: MIT */
/*
 * smaptrace.h - what the BPF programs and the user side share: keys and values of
 * the BPF maps, ring-buffer records, names of histograms and losses.
 *
 * Fixed-width integers only, explicit padding, sizes asserted. Configuration
 * does not go through here but through read-only globals of the skeleton.
 */
#ifndef SMAPTRACE_H
#define SMAPTRACE_H

#include <linux/types.h>
#include "../lib/smap_probes.h"
#include "../lib/smap_state.h"

/*
 * One name is the join key everywhere: here, in JSON, as Prometheus label and as
 * heading in the docs. X(name, unit, title)
 */
#define ST_HISTS(X)                                                                                \
	X(miss_wait, ns, "wait for the lock on a miss")                                            \
	X(miss_hold, ns, "lock held on a miss")                                                    \
	X(promote_misses, misses, "misses at promotion")                                           \
	X(promote_entries, entries, "entries at promotion")                                        \
	X(promote_interval, ns, "time between promotions")                                         \
	X(rebuild_time, ns, "duration of a rebuild")                                               \
	X(rebuild_copied, entries, "entries copied by a rebuild")                                  \
	X(rebuild_expunged, entries, "entries expunged by a rebuild")                              \
	X(reclaim_backlog, items, "backlog after a reclaim")                                       \
	X(reclaim_age, ns, "age of the oldest item at a reclaim")                                  \
	X(lock_wait, ns, "wait for the lock, any operation")                                       \
	X(offcpu_wait, ns, "off the CPU waiting for the lock")                                     \
	X(offcpu_preempted, ns, "off the CPU holding the lock, preempted")                         \
	X(offcpu_blocked, ns, "off the CPU holding the lock, asleep")

enum st_hist {
#define ST_HIST_ENUM(name, unit, title) ST_HIST_##name,
	ST_HISTS(ST_HIST_ENUM)
#undef ST_HIST_ENUM
		ST_HIST_COUNT
};

/* Index of each of SMAP_COUNTERS in the arrays below. */
enum st_counter {
#define ST_COUNTER_ENUM(name) ST_COUNTER_##name,
	SMAP_COUNTERS(ST_COUNTER_ENUM)
#undef ST_COUNTER_ENUM
		ST_COUNTER_COUNT
};

/* What can get lost on the BPF side; counted in the per-CPU array `losses`. X(name, help) */
#define ST_LOSSES(X)                                                                               \
	X(ring_full, "event records dropped: ring buffer full")                                    \
	X(maps_full, "probe hits not counted: too many maps")                                      \
	X(stats_full, "probe hits not counted: no memory for statistics")                          \
	X(read_failed, "probe hits not counted: the target's memory could not be read")            \
	X(bad_state, "probe hits not counted: the map's state page was not valid")                 \
	X(unmatched, "events that did not fit the ones before (reclaim without retire ...)")       \
	X(offcpu_full, "times off the CPU not counted: too many threads at once")

/*
 * Of what call stacks are taken (docs/stacks.md). A stack of kind `stall` is the reader's
 * that stays inside; it comes from user space. X(name, title)
 */
#define ST_STACKS(X)                                                                               \
	X(miss, "misses")                                                                          \
	X(promote, "promotions")                                                                   \
	X(rebuild, "rebuilds")                                                                     \
	X(lock_wait, "waits for the lock")                                                         \
	X(stall, "readers that stay inside")                                                       \
	X(offcpu_wait, "off the CPU waiting for the lock")                                         \
	X(offcpu_preempted, "off the CPU holding the lock, preempted")                             \
	X(offcpu_blocked, "off the CPU holding the lock, asleep")

enum st_stack_kind {
#define ST_STACK_ENUM(name, title) ST_STACK_##name,
	ST_STACKS(ST_STACK_ENUM)
#undef ST_STACK_ENUM
		ST_STACK_COUNT
};

/*
 * What a thread does at a map's mutex while it is off the CPU (docs/offcpu.md); histograms
 * and stacks have these kinds in this order.
 */
enum st_offcpu_kind {
	ST_OFFCPU_wait,	     /* waits for it */
	ST_OFFCPU_preempted, /* holds it, and would run */
	ST_OFFCPU_blocked,   /* holds it, and sleeps */
	ST_OFFCPU_COUNT
};
_Static_assert(ST_HIST_offcpu_wait + ST_OFFCPU_preempted == ST_HIST_offcpu_preempted &&
		       ST_HIST_offcpu_wait + ST_OFFCPU_blocked == ST_HIST_offcpu_blocked &&
		       ST_STACK_offcpu_wait + ST_OFFCPU_preempted == ST_STACK_offcpu_preempted &&
		       ST_STACK_offcpu_wait + ST_OFFCPU_blocked == ST_STACK_offcpu_blocked,
	       "one order everywhere");

/* Value of the BPF hash `holders`, by process: where its threads' words are found. */
#define ST_HOLDERS 4 /* copies of libsmap in a process */
struct st_holder {
	__u64 registry;
	__s64 offset; /* smap_registry.held_offset; 0 = not read yet */
	__u32 target; /* of st_key */
	__u32 reserved;
};

struct st_holders {
	__u32 count;
	__u32 reserved;
	__u64 looks; /* at threads that left their CPU; atomic, never set back */
	struct st_holder holder[ST_HOLDERS];
};

#define ST_STACK_DEPTH 64 /* addresses; what lies further out is cut off */

/* What the user side of a backend adds. */
#define ST_USER_LOSSES(X)                                                                          \
	X(state_unread, "state pages of live maps that could not be read")                         \
	X(audit, "events that the maps counted and smaptrace did not see")

enum st_loss {
#define ST_LOSS_ENUM(name, help) ST_LOSS_##name,
	ST_LOSSES(ST_LOSS_ENUM)
#undef ST_LOSS_ENUM
		ST_LOSS_COUNT
};

/*
 * Which map of which process. `target` is the cookie that the user side attached
 * with, so that pid namespaces do not matter; `id` tells two maps apart that
 * lived at one address.
 */
struct st_key {
	__u32 target;
	__u32 reserved;
	__u64 addr;
	__u64 id;
};

/* Value of the BPF hash `offcpu`, by thread as the kernel knows it: it is off the CPU. */
struct st_offcpu {
	struct st_key map;
	__u64 start_ns;
	__u64 ran_ns; /* how long it had run in all */
	__u64 stack;  /* id; 0 = none */
	__u32 kind;   /* enum st_offcpu_kind */
	__u32 reserved;
	__u64 ending; /* 1: it is being added to the statistics */
};

/*
 * Value of the BPF hash `processes`: a process of a followed command. The target of its
 * maps is then `number` << ST_FILE_BITS | the cookie, which is the file's index.
 */
#define ST_FILE_BITS 12
#define ST_NUMBER_MAX ((1U << (32 - ST_FILE_BITS)) - 1)
/* A cookie: this hit is none, only made to be there. */
#define ST_COOKIE_NONE 0xffffffff
/* ... and this one is counted, but only made to find out what a hit costs. */
#define ST_COOKIE_COST 0xfffffffe

struct st_process {
	__u32 number;	 /* of its address space; a new one is valid when announced */
	__u32 announced; /* user space has been told of this number */
	__u32 stops;	 /* how often it was stopped for user space */
	__u32 pid;	 /* as user space knows it; 0 = not known yet */
};

/* Value of the BPF hash `infos`: one per map, shared by all CPUs. */
struct st_info {
	/*
	 * Lifetime totals just before the first event of each counter's class was
	 * seen, so that base + what was counted = lifetime total, without a race.
	 * base_mask has a bit per enum st_counter; unset = no event of it yet.
	 */
	__u64 base[ST_COUNTER_COUNT];
	__u64 stamp[ST_COUNTER_COUNT]; /* the map's own totals at the last event of the class */
	/*
	 * What the map counted while nobody listened, because the probe was shed; and the
	 * generation of the class (see `generation` in the BPF programs) as of its last event.
	 */
	__u64 uncounted[ST_COUNTER_COUNT];
	__u32 generation[ST_COUNTER_COUNT];
	__u64 first_ns; /* bpf_ktime_get_ns() of the first event */
	__u64 last_ns;
	__u64 last_promote_ns;
	__u32 base_mask;
	__u32 destroyed; /* map_destroy was seen: fold, then delete this entry */
	char name[SMAP_NAME_LEN];
};

/* Value of the BPF hash `stats`: what was counted since the attach. */
struct st_stats {
	__u64 counted[ST_COUNTER_COUNT];
	__u64 hits[SMAP_PROBE_COUNT]; /* probe firings, by enum smap_probe */
	__u64 sum[ST_HIST_COUNT];
	__u64 hist[ST_HIST_COUNT][SMAP_HIST_SLOTS];
};

/*
 * What the programs did so far, all maps together, as one of these for each CPU: a look at
 * it costs nothing, so it can be had often. A count may be lost to preemption.
 */
#define ST_CPUS 64 /* CPUs beyond that share */

struct st_load {
	__u64 hits[SMAP_PROBE_COUNT];
	__u64 misses; /* in batches: measured by the map because we listen */
	__u64 stacks;
	__u64 looks;	 /* of --offcpu: threads of the targets that left their CPU ... */
	__u64 intervals; /* ... at a mutex */
};
_Static_assert(sizeof(struct st_load) % 64 == 0, "CPUs do not meet in a cache line");

/* Ring-buffer record: the rare events, with their time. args as in SMAP_PROBES, after `map`. */
#define ST_EVENT_LINK_MAP 0x100 /* a target mapped or unmapped files; never leaves the backend */
/* Nor does this one: look at a process. args: number, pid, key in `processes`, stops so far. */
#define ST_EVENT_PROCESS 0x101
/* Nor this: look whether a process uses libsmap. args: pid, key in `processes`, 1 = after an exec. */
#define ST_EVENT_LOOK 0x103

struct st_event {
	__u16 kind; /* enum smap_probe, or ST_EVENT_... */
	__u16 size; /* of this record: skip what you do not know */
	__u32 target;
	__u64 ts_ns; /* bpf_ktime_get_ns() = CLOCK_MONOTONIC */
	__u64 addr;
	__u64 id;
	__u32 tid; /* as smaptrace knows it; 0 unknown */
	__u32 reserved;
	__u64 args[SMAP_PROBE_MAX_ARGS - 1];
};

/*
 * The record of map_destroy goes on behind its st_event: the last look at the map, which
 * nobody can take later.
 */
struct st_final {
	struct st_event event;
	struct smap_state state;
	__u64 inserts, replaces, deletes; /* sums of the stripes */
};

/* Ring-buffer record: a call stack that is new to the programs. Never leaves the backend. */
#define ST_EVENT_STACK 0x102

struct st_stack {
	__u16 kind; /* ST_EVENT_STACK; this and the next three as in st_event */
	__u16 size; /* of this record: the frames end there */
	__u32 target;
	__u64 ts_ns;
	__u64 id;		  /* hash of target and addresses; never 0 */
	__u32 depth;		  /* addresses */
	__u32 reserved;		  /* 0 */
	__u64 ip[ST_STACK_DEPTH]; /* the innermost first; all but it are return addresses */
};

/* Key and value of the BPF hash `stack_counts`: what happened at a stack, in one map. */
struct st_stack_key {
	struct st_key map;
	__u64 id;   /* of st_stack; 0 = the stack could not be had or kept */
	__u32 kind; /* enum st_stack_kind */
	__u32 reserved;
};

struct st_stack_value {
	__u64 count;   /* events */
	__u64 ns;      /* what they cost; 0 = not known of this kind */
	__u64 samples; /* stacks taken; fewer than count: an estimate */
};

/*
 * Value of the BPF hash `samplers`, by st_stack_key with id 0; written under the map's mutex.
 * Stacks of frequent events are sampled. `run` is what happened since the last sample, and
 * what the next one stands for; it comes when `left` more events have gone by, a random
 * number around `every`.
 */
struct st_sampler {
	__u64 last_ns;
	__u64 run_count;
	__u64 run_ns;
	__u32 left;
	__u32 every;
};

/* What the iterator over tasks says of a thread: registers by DWARF's numbers, the pc last. */
#if defined(__TARGET_ARCH_arm64) || defined(__aarch64__)
#define ST_REGS 33
#else
#define ST_REGS 17
#endif

struct st_regs {
	__u64 switches; /* context switches so far */
	__u64 running;	/* not 0: the registers are old */
	__u64 reg[ST_REGS];
};

_Static_assert(sizeof(struct st_key) == 24, "st_key is a map key: no holes");
_Static_assert(sizeof(struct st_event) == 80, "st_event is a wire format");
_Static_assert(sizeof(struct st_info) == 28 * ST_COUNTER_COUNT + 32 + SMAP_NAME_LEN, "no holes");
_Static_assert(sizeof(struct st_stack_key) == 40, "st_stack_key is a map key: no holes");
_Static_assert(sizeof(struct st_stack) == 32 + 8 * ST_STACK_DEPTH, "st_stack is a wire format");

/* 2^slot <= value, clamped; the one definition of a slot for both sides. */
static inline __u32 st_slot(__u64 value)
{
	__u32 slot = 0;

	if (value >> 32) {
		value >>= 32;
		slot += 32;
	}
	if (value >> 16) {
		value >>= 16;
		slot += 16;
	}
	if (value >> 8) {
		value >>= 8;
		slot += 8;
	}
	if (value >> 4) {
		value >>= 4;
		slot += 4;
	}
	if (value >> 2) {
		value >>= 2;
		slot += 2;
	}
	slot += value >> 1 & 1;
	return slot < SMAP_HIST_SLOTS ? slot : SMAP_HIST_SLOTS - 1;
}

#endif
