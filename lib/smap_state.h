/* SPDX-License-Identifier: MIT */
/*
 * smap_state.h - the part of a map that others may read from outside.
 *
 * A tracer, a debugger or a reader of core files sees a process as bytes. This
 * header fixes the bytes that it may rely on: where the list of maps begins
 * (`struct smap_registry`), what stands at the address of each map (`struct
 * smap_state`, always the first member of `struct smap`), and what a
 * `miss_batch` probe points at (`struct smap_batch`). Included by C11, C++17
 * and BPF programs alike, so only fixed-width integers, and no pointers: an
 * address is a uint64_t.
 *
 * Finding it without a symbol table: every binary that contains libsmap
 * carries an allocated ELF note (section .note.smap, owner "smap", type
 * SMAP_NOTE_TYPE) whose descriptor is `struct smap_note`. It survives strip(1).
 *
 * Rules for a reader from outside:
 * - check `magic` and `abi` before anything else; an unknown abi is an error;
 * - `size` may be larger than the struct here: fields are only ever appended;
 * - counters never fall; all but `retired`, `reclaimed`, `leaked` and the stripes
 *   are written under the map's mutex. A counter is raised BEFORE the probe that
 *   reports it fires, so inside a probe the counters include the event itself;
 * - a map can vanish while it is read: the list is only as consistent as two
 *   equal and even values of `smap_registry.generation` around the walk make it.
 */
#ifndef SMAP_STATE_H
#define SMAP_STATE_H

#ifdef __bpf__
#include <linux/types.h>
typedef __u8 smap_u8;
typedef __u16 smap_u16;
typedef __u32 smap_u32;
typedef __u64 smap_u64;
typedef __s64 smap_s64;
#else
#include <stddef.h>
#include <stdint.h>
typedef uint8_t smap_u8;
typedef uint16_t smap_u16;
typedef uint32_t smap_u32;
typedef uint64_t smap_u64;
typedef int64_t smap_s64;
#endif

/* libsmap itself defines this as _Atomic for the fields that several threads write. */
#ifndef SMAP_SHARED
#define SMAP_SHARED
#endif

#ifndef SMAP_ABI_VERSION
#define SMAP_ABI_VERSION 1
#endif

#define SMAP_STATE_MAGIC 0x3170616d73757473ULL	  /* "stusmap1" in memory order */
#define SMAP_REGISTRY_MAGIC 0x3170616d73676572ULL /* "regsmap1" */
#define SMAP_NOTE_NAME "smap"
#define SMAP_NOTE_TYPE 1
#define SMAP_NAME_LEN 64 /* with the terminating NUL; longer names are cut */

/*
 * Lifetime totals. One name each, used as the field here, the JSON key, the
 * Prometheus label and the column heading.
 */
#define SMAP_COUNTERS(X)                                                                           \
	X(misses)     /* operations that went to dirty and count towards promotion */              \
	X(promotions) /* dirty became read, for any reason */                                      \
	X(rebuilds)   /* a dirty was built from read */                                            \
	X(copied)     /* entries that rebuilds carried over */                                     \
	X(expunged)   /* deleted entries that rebuilds left out */                                 \
	X(overflows)  /* wraps of a 16-bit miss counter */                                         \
	X(retired)    /* items handed to deferred reclamation */                                   \
	X(reclaimed)  /* items that came back from it */

struct smap_counters {
	smap_u64 misses;
	smap_u64 promotions;
	smap_u64 rebuilds;
	smap_u64 copied;
	smap_u64 expunged;
	smap_u64 overflows;
	SMAP_SHARED smap_u64 retired;	/* written by whoever runs the reclaimer */
	SMAP_SHARED smap_u64 reclaimed; /* likewise */
};

/*
 * Histograms are base 2: slot 0 counts 0 and 1, slot k counts [2^k, 2^(k+1)),
 * and the last slot everything above.
 */
#define SMAP_HIST_SLOTS 40

/*
 * Misses gathered for one firing of `miss_batch`; filled only while somebody
 * listens. Exact: the slots of each histogram add up to `count`.
 */
struct smap_batch {
	smap_u64 misses_total; /* counters.misses as of the last miss in this batch */
	smap_u64 first_ns;     /* CLOCK_MONOTONIC of the first miss gathered; 0 = empty */
	smap_u64 wait_sum_ns;  /* time waited for the mutex */
	smap_u64 hold_sum_ns;  /* time the mutex was held */
	smap_u32 count;
	smap_u32 by_miss; /* fired in the thread of its last miss: the stack there is that one's */
	smap_u8 wait_hist[SMAP_HIST_SLOTS];
	smap_u8 hold_hist[SMAP_HIST_SLOTS];
};

#define SMAP_BATCH_MISSES 64	      /* fire when so many are gathered ... */
#define SMAP_BATCH_AGE_NS 50000000ULL /* ... or the first one is this old */

/*
 * Counts of operations: of those that need no lock, spread over cache lines so that threads do not
 * meet, and the last stripe of those under the map's mutex. Sum them all. smap_len() = inserts -
 * deletes.
 */
struct smap_stripe {
	SMAP_SHARED smap_u64 inserts;  /* a key that was absent got a value */
	SMAP_SHARED smap_u64 replaces; /* a present key got another value */
	SMAP_SHARED smap_u64 deletes;  /* a value was taken out */
	smap_u64 reserved[5];
};

#define SMAP_STRIPES 7 /* of threads */
#define SMAP_ALL_STRIPES 8

/* Why a promotion happened; the names are in SMAP_REASONS. */
#define SMAP_REASONS(X)                                                                            \
	X(misses)   /* the policy's threshold was reached */                                       \
	X(range)    /* Range on an amended map */                                                  \
	X(grow)	    /* the table grew, and the option asked for it */                              \
	X(overflow) /* the 16-bit miss counter wrapped */                                          \
	X(forced)   /* somebody asked */

/*
 * When to promote: X(NAME, "name"). The threshold that the misses since the last promotion are
 * compared with, for a dirty of d entries and a read of r:
 */
#define SMAP_POLICIES(X)                                                                           \
	X(GO, "go")		    /* d: exactly Go; the default */                               \
	X(READ_LEN, "read-len")	    /* r, at least 1 */                                            \
	X(HALF_DIRTY, "half-dirty") /* d / 2, at least 1 */                                        \
	X(FIXED, "fixed")	    /* policy_arg, at least 1 */                                   \
	X(RW_RATIO, "rw-ratio")	    /* d times 0.5 .. 2, larger for more reads per write */        \
	X(COST, "cost")		    /* what the misses cost = what a rebuild costs, in ns; <= d */

enum smap_reason {
#define SMAP_REASON_ENUM(name) SMAP_REASON_##name,
	SMAP_REASONS(SMAP_REASON_ENUM)
#undef SMAP_REASON_ENUM
};

/* In `flags`: value_free is set, so each replace and each delete retires a value. */
#define SMAP_STATE_FREES 0x80000000u

struct smap_state {
	/* Identity; the first 96 bytes are what a probe handler reads in one go. */
	smap_u64 magic; /* SMAP_STATE_MAGIC while the map lives, 0 after */
	smap_u32 abi;	/* SMAP_ABI_VERSION */
	smap_u32 size;	/* of this struct, in the library that wrote it */
	smap_u64 id;	/* rises with each map of the process; never used twice in it */
	smap_u64 self;	/* address of this struct */
	struct smap_counters counters;

	char name[SMAP_NAME_LEN];

	/* Options as they took effect. */
	smap_u32 key_kind;
	smap_u32 policy;
	smap_u64 policy_arg;
	smap_u64 initial_dirty;
	smap_u32 miss_counter_bits;
	smap_u32 flags;	     /* of the options, and SMAP_STATE_FREES */
	smap_u64 created_ns; /* CLOCK_MONOTONIC, as every *_ns that is a point in time */

	/* Now. */
	smap_u64 epoch;		     /* raised by every promotion and every Clear */
	smap_u64 miss_count;	     /* misses since the last promotion */
	smap_u64 threshold;	     /* miss_count at which the next promotion comes */
	smap_u64 read_len;	     /* entries listed in read, deleted ones included */
	smap_u64 dirty_len;	     /* entries listed in dirty; 0 without a dirty */
	smap_u32 amended;	     /* dirty holds keys that read lacks */
	smap_u32 has_dirty;	     /* a dirty exists */
	smap_u64 dirty_since_ns;     /* when the first new key went into this dirty; 0 = none */
	smap_u64 last_promote_ns;    /* 0 = never */
	smap_u64 new_keys;	     /* lifetime: keys that went into dirty as new */
	smap_u64 lock_waits;	     /* lifetime: the mutex was contended */
	smap_u64 lock_wait_ns;	     /* lifetime: time spent in those waits */
	smap_u64 rebuild_ns;	     /* lifetime: time spent in rebuilds */
	smap_u64 growths;	     /* lifetime: moves to another table */
	smap_u64 slots;		     /* slots in the current table */
	smap_u64 table_bytes;	     /* bytes of tables and views in use, without retired ones */
	SMAP_SHARED smap_u64 leaked; /* items given up because no memory was left to retire them */
	SMAP_SHARED smap_u64 oldest_retired_ns; /* when the oldest waiting item came; 0 = none */

	struct smap_batch pending; /* misses not yet fired */

	/* Where the rest is. */
	smap_u64 stripes; /* address of struct smap_stripe[stripe_count] */
	smap_u32 stripe_count;
	smap_u32 stripe_size;
	SMAP_SHARED smap_u64 next; /* address of the next map's state; 0 = last */
};

/* One per thread that ever entered a read section; chained from the registry, never unmapped. */
struct smap_thread_state {
	SMAP_SHARED smap_u64 seq;  /* odd inside a read section; seq / 2 = sections finished */
	SMAP_SHARED smap_u64 next; /* address of the next thread state */
	SMAP_SHARED smap_u32 tid;  /* kernel thread id; 0 = free */
	smap_u32 reserved;
};

struct smap_registry {
	smap_u64 magic;
	smap_u32 abi;
	smap_u32 size;
	SMAP_SHARED smap_u64 generation; /* raised twice when a map comes or goes; odd between */
	SMAP_SHARED smap_u64 first;	 /* address of the first map's state */
	SMAP_SHARED smap_u64 map_count;
	SMAP_SHARED smap_u64 threads;	     /* address of the first smap_thread_state */
	smap_u32 state_size;		     /* sizeof(struct smap_state) */
	smap_u32 has_probes;		     /* 0 when built with SMAP_NO_PROBES */
	SMAP_SHARED smap_u64 backlog;	     /* retired and not yet reclaimed, all maps */
	SMAP_SHARED smap_u64 reclaimer_runs; /* rounds of the reclaimer: does it get CPU? */
	/*
	 * Where a thread says which map's mutex it is at: a struct smap_held at this distance
	 * from the thread pointer, in every thread. 0 until the library is initialised.
	 */
	smap_s64 held_offset;
};

/*
 * `map` is set just after the mutex was taken and cleared just before it is given back: the
 * address of the map's state, with SMAP_HELD_WAITS while the thread still waits for it.
 * `frame` is valid while `map` is not 0: the frame of the function that took it, where a frame
 * pointer and a return address lead on to its callers.
 */
#define SMAP_HELD_WAITS 1
struct smap_held {
	SMAP_SHARED smap_u64 map;
	smap_u64 frame;
};

/* Descriptor of the ELF note. */
struct smap_note {
	smap_u32 abi;
	smap_u32 reserved;
	smap_s64 registry; /* address of smap_registry minus the address of this field */
};

#ifndef __cplusplus
#define SMAP_LAYOUT(type, field, off)                                                              \
	_Static_assert(__builtin_offsetof(struct type, field) == (off), #type "." #field " moved")
_Static_assert(sizeof(struct smap_counters) == 64, "smap_counters is part of the ABI");
_Static_assert(sizeof(struct smap_batch) == 120, "smap_batch is part of the ABI");
_Static_assert(sizeof(struct smap_stripe) == 64, "one stripe, one cache line");
_Static_assert(sizeof(struct smap_note) == 16, "smap_note is part of the ABI");
SMAP_LAYOUT(smap_state, id, 16);
SMAP_LAYOUT(smap_state, counters, 32);
SMAP_LAYOUT(smap_state, name, 96);
SMAP_LAYOUT(smap_state, created_ns, 192);
SMAP_LAYOUT(smap_state, epoch, 200);
SMAP_LAYOUT(smap_state, pending, 336);
SMAP_LAYOUT(smap_state, stripes, 456);
SMAP_LAYOUT(smap_state, next, 472);
SMAP_LAYOUT(smap_registry, generation, 16);
SMAP_LAYOUT(smap_registry, first, 24);
SMAP_LAYOUT(smap_registry, threads, 40);
SMAP_LAYOUT(smap_registry, held_offset, 72);
SMAP_LAYOUT(smap_thread_state, tid, 16);
#undef SMAP_LAYOUT
#endif

#endif
