/* SPDX-License-Identifier: MIT */
/*
 * record.h - the stream between a backend and the model.
 *
 * A backend (live probes, a recording) turns what it sees into these records and
 * emits them in order; the model folds them and knows nothing of BPF, ELF or
 * /proc. Plain data without pointers, so that a recording is this stream
 * written down, and a test is an array of them.
 *
 * Order: a TARGET before anything of that target; a MAP before its first SAMPLE
 * or EVENT; a FRAME before a STACK that has it, and that before a STACK_COUNT of it; at each
 * interval the SAMPLEs of all maps (ended ones for the last
 * time, with `alive` 0), the LOSSes, then one WINDOW; the last WINDOW has `last`.
 * COMMAND comes after that, if a command was traced and has ended.
 * A PRICE comes before the first WINDOW, LOOKS, SHED, MISSING and AUDIT at any time.
 */
#ifndef RECORD_H
#define RECORD_H

#include "../bpf/smaptrace.h"

enum record_kind {
	RECORD_TARGET,	    /* a process is being traced */
	RECORD_TARGET_END,  /* it has exited, or was given up */
	RECORD_MAP,	    /* a map is known */
	RECORD_SAMPLE,	    /* cumulative figures of one map */
	RECORD_EVENT,	    /* one rare event, with its time */
	RECORD_LOSS,	    /* cumulative count of one kind of loss */
	RECORD_WINDOW,	    /* an interval is complete */
	RECORD_PRICE,	    /* what a probe hit costs here, and what it may cost in all */
	RECORD_SHED,	    /* something is not counted from now on, or counted again */
	RECORD_MISSING,	    /* cumulative, of one map: the audit found a difference */
	RECORD_AUDIT,	    /* cumulative: the kernel's counts were compared with the maps' */
	RECORD_FRAME,	    /* a place in a program, with its name */
	RECORD_STACK,	    /* a call stack, of frames */
	RECORD_STACK_COUNT, /* cumulative: what happened at a stack, in one map */
	RECORD_COMMAND,	    /* the command that was traced has ended */
	RECORD_LOOKS,	    /* cumulative, of one target: what --offcpu takes of it */
};

struct record_target {
	__u32 target; /* index; of one that was forgotten, used again (session_all.c) */
	__u32 pid;
	__u64 start_ns;	  /* CLOCK_MONOTONIC of the attach */
	__u64 cpu_ns;	  /* CPU time that it had used by then */
	__u32 from_start; /* 1: traced since before its main() */
	__u32 reserved;
	char comm[16];
	char file[256]; /* the binary that contains libsmap, as the target sees it */
};

struct record_target_end {
	__u32 target;
	__u32 exit_known; /* 1: `status` is a wait(2) status */
	__s32 status;
	__u32 reserved;
};

struct record_map {
	struct st_key key;
	char name[SMAP_NAME_LEN]; /* as the target wrote it: untrusted bytes */
	__u32 key_kind;
	__u32 policy;
	__u64 policy_arg;
	__u64 initial_dirty;
	__u32 miss_counter_bits;
	__u32 flags;
	__u64 created_ns;
};

/*
 * `total` are lifetime totals; `counted` is what was traced since the attach; hist/sum
 * belong to `counted`; `uncounted` is what the map counted meanwhile while the probe was
 * shed. The figures below `alive` come from the state page and are as of `ts_ns`; state_ok =
 * 0 says that it could not be read.
 */
struct record_sample {
	struct st_key key;
	__u64 ts_ns;
	__u64 total[ST_COUNTER_COUNT];
	__u64 counted[ST_COUNTER_COUNT];
	__u64 uncounted[ST_COUNTER_COUNT];
	__u64 hits[SMAP_PROBE_COUNT];
	__u64 sum[ST_HIST_COUNT];
	__u64 hist[ST_HIST_COUNT][SMAP_HIST_SLOTS];
	__u32 alive;
	__u32 state_ok;
	__u64 epoch;
	__u64 miss_count;
	__u64 threshold;
	__u64 read_len;
	__u64 dirty_len;
	__u32 amended;
	__u32 has_dirty;
	__u64 dirty_age_ns; /* 0 = no new key in dirty */
	__u64 new_keys;
	__u64 inserts, replaces, deletes;
	__u64 lock_waits, lock_wait_ns, rebuild_ns;
	__u64 slots, table_bytes;
	__u64 backlog;		 /* retired - reclaimed */
	__u64 oldest_retired_ns; /* age; 0 = nothing waits */
	__u64 leaked;
	__u64 process_cpu_ns;	/* CPU time the process has used so far */
	__u64 process_sections; /* read sections finished by the process so far */
	__u64 reclaimer_runs;	/* rounds of the process's reclaimer so far */
};

struct record_loss {
	char name[32]; /* join key, e.g. "ring_full" */
	char help[96];
	__u64 count; /* since the start of the session */
};

struct record_window {
	__u64 start_ns;
	__u64 end_ns;
	__u32 last;
	__u32 reserved;
};

/* Nanoseconds of the target's time (overhead.h). */
struct record_price {
	__u64 ts_ns;
	__u64 hit_ns[SMAP_PROBE_COUNT];
	__u64 miss_ns;
	__u64 stack_ns;
	__u64 budget_ppm; /* of the target's CPU time; 0 = no budget */
};

/* Only with --offcpu. Of a process that left a CPU so often, the program looked so often. */
struct record_looks {
	__u32 target;
	__u32 reserved;
	__u64 count;
	__u64 look_ns;	   /* price of one, like those of record_price ... */
	__u64 interval_ns; /* ... and of a time off the CPU at a mutex besides */
};

struct record_shed {
	__u64 ts_ns;
	char step[16]; /* of OVERHEAD_STEPS */
	__u32 period;  /* 0 not counted; 1 counted again; N: for one slice of time in N */
	__u32 reserved;
	__u64 cost_ppm; /* what tracing would cost otherwise */
};

/* What a map counted and we should have: a loss. */
struct record_missing {
	struct st_key key;
	__u64 count[ST_COUNTER_COUNT];
};

struct record_audit {
	__u64 rounds;
	__u64 compared; /* counters of maps, in all rounds */
	__u64 missing;	/* as the loss "audit" */
};

/*
 * One function at one address. Symbols are resolved while the process lives, so that the
 * stream needs nothing else to be read. All strings end, and are untrusted bytes.
 */
#define RECORD_FUNCTION_LEN 256
#define RECORD_PATH_LEN 256
#define RECORD_BUILD_ID_LEN 44 /* hexadecimal, of at most 20 bytes */
#define RECORD_FRAME_INLINED 1 /* its code is in the function of the next frame outwards */

struct record_frame {
	__u32 frame;  /* index, dense from 0 */
	__u32 flags;  /* RECORD_FRAME_... */
	__u64 offset; /* link-time address in the module; of an anonymous mapping: from its start */
	__u32 line;   /* 0 = not known */
	__u32 reserved;
	char function[RECORD_FUNCTION_LEN]; /* "" = no symbol covers the address */
	char module[RECORD_PATH_LEN];	    /* the mapped file as the target sees it, or "[...]" */
	char file[RECORD_PATH_LEN];	    /* source; "" = not known */
	char build_id[RECORD_BUILD_ID_LEN]; /* "" = none */
	__u32 reserved2;
};

/* Frames, those of inlined calls included: room for twice the addresses. */
#define RECORD_STACK_FRAMES (2 * ST_STACK_DEPTH)
#define RECORD_STACK_CUT 1 /* further frames on the outside were left out */

struct record_stack {
	__u32 stack;	   /* index, dense from 0 */
	__u32 target;	   /* where it was met first; others may share it */
	__u32 flags;	   /* RECORD_STACK_... */
	__u32 frame_count; /* 0: stands for all stacks that could not be had or kept */
	__u32 frame[RECORD_STACK_FRAMES]; /* indices; the innermost first */
};

/* So many indices there are at most; a backend that has used them up counts at frame_count 0. */
#define RECORD_FRAMES_MAX (1U << 17)
#define RECORD_STACKS_MAX (1U << 16)

struct record_stack_count {
	struct st_key key;
	__u32 stack;
	__u32 kind;		  /* enum st_stack_kind */
	__u64 count, ns, samples; /* as in struct st_stack_value; since the attach */
};

struct record_command {
	__s32 status; /* of wait(2) */
	__u32 reserved;
};

struct record {
	__u32 kind; /* enum record_kind */
	__u32 size; /* of the used part, this header included */
	union {
		struct record_target target;
		struct record_target_end target_end;
		struct record_map map;
		struct record_sample sample;
		struct st_event event;
		struct record_loss loss;
		struct record_window window;
		struct record_price price;
		struct record_shed shed;
		struct record_missing missing;
		struct record_audit audit;
		struct record_frame frame;
		struct record_stack stack;
		struct record_stack_count stack_count;
		struct record_command command;
		struct record_looks looks;
	};
};

/* Where a backend puts its records: 0 or -errno, which stops the session. */
struct record_sink {
	int (*emit)(void *ctx, const struct record *record);
	void *ctx;
};

#endif
