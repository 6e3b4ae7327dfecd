/* SPDX-License-Identifier: MIT */
/*
 * model.h - folds the record stream of a backend (record.h) into what is known
 * about each map: lifetime totals, what was traced, the present state, and the
 * changes within the current window. Pure: no /proc, no BPF, no clock, no output.
 *
 *	records --model_add()--> struct model --> traps, report
 *
 * Readers (traps, report) get a `const struct model` and look at the fields.
 * After a RECORD_WINDOW the window is complete and stays readable until the next
 * record comes, which begins the next window.
 *
 * The letters of docs/traps.md, per map and window: M, P, B, C = window.count[misses,
 * promotions, rebuilds, copied]; K, F = count[retired, reclaimed]; N = rate.new_keys;
 * W = model_writes(); D = rate.deletes; R <= rate.process_sections (of the whole process);
 * m, T, len(read), len(dirty), age, G, A = now.miss_count, threshold, read_len,
 * dirty_len, dirty_age_ns, backlog, oldest_retired_ns; cost share = model_cost_share().
 */
#ifndef MODEL_H
#define MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "hist.h"
#include "overhead.h"
#include "record.h"
#include "stack.h"

/* Cumulative figures of a sample that windows show as differences. */
#define MODEL_RATES(X)                                                                             \
	X(new_keys)                                                                                \
	X(inserts)                                                                                 \
	X(replaces)                                                                                \
	X(deletes)                                                                                 \
	X(lock_waits)                                                                              \
	X(lock_wait_ns)                                                                            \
	X(rebuild_ns)                                                                              \
	X(process_cpu_ns)                                                                          \
	X(process_sections)

/* Figures of a sample that hold for one moment. */
#define MODEL_GAUGES(X)                                                                            \
	X(epoch)                                                                                   \
	X(miss_count)                                                                              \
	X(threshold)                                                                               \
	X(read_len)                                                                                \
	X(dirty_len)                                                                               \
	X(amended)                                                                                 \
	X(has_dirty)                                                                               \
	X(dirty_age_ns)                                                                            \
	X(slots)                                                                                   \
	X(table_bytes)                                                                             \
	X(backlog)                                                                                 \
	X(oldest_retired_ns)                                                                       \
	X(leaked)                                                                                  \
	X(reclaimer_runs)

#define MODEL_FIELD(name) uint64_t name;
struct model_rates {
	MODEL_RATES(MODEL_FIELD)
};
struct model_gauges {
	MODEL_GAUGES(MODEL_FIELD)
};
#undef MODEL_FIELD

/* What happened to one map in a stretch of time. */
struct model_window {
	uint64_t ns; /* between the samples that bound it; 0 = no sample came */
	uint64_t count[ST_COUNTER_COUNT];
	uint64_t hits[SMAP_PROBE_COUNT];
	struct model_rates rate;
};

/* Histograms of a map; allocated when the first value comes. */
struct model_hists {
	/* A bit for each of `window` that has anything; the others are cold memory. */
	uint32_t in_window;
	struct hist traced[ST_HIST_COUNT]; /* since the attach */
	struct hist window[ST_HIST_COUNT];
};

/* What happened at one stack, in one map: since the attach, and in the window. */
struct model_cost {
	uint64_t count, ns, samples;
};

struct model_site {
	const struct stack *stack;
	enum st_stack_kind kind;
	struct model_cost whole, window;
};

struct model_map {
	struct record_map info; /* with the key */
	unsigned order;		/* in which maps became known */
	uint64_t since_window;	/* complete windows when it became known */
	uint64_t ended_window;	/* complete windows at its last sample: if it has ended, then */
	bool sampled;		/* the first sample has come */
	bool alive;
	bool in_window;	  /* was alive at some time in the current window */
	bool state_known; /* `now` and rates have been read at least once */
	bool state_ok;	  /* `now` and rates are of the last sample, not older */
	uint64_t ts_ns;	  /* of the last sample */
	uint64_t total[ST_COUNTER_COUNT];
	uint64_t traced[ST_COUNTER_COUNT];
	uint64_t uncounted[ST_COUNTER_COUNT]; /* while the probe was shed */
	uint64_t missing[ST_COUNTER_COUNT];   /* lost, as the audit says */
	/*
	 * A bit for each enum st_hist that holds a sample only, because a probe was shed: what
	 * is made of it is an estimate.
	 */
	uint32_t estimated;
	uint64_t hits[SMAP_PROBE_COUNT];
	struct model_rates life;
	struct model_gauges now;
	struct model_window window; /* the current one */
	struct model_window whole;  /* since the attach or the map's creation */
	struct model_hists *hists;  /* NULL = all empty */
	struct model_site *sites;   /* by stack and kind */
	size_t site_count;
	struct model_map *next; /* in its hash bucket */
};

struct model_target {
	bool known;
	bool ended;
	uint64_t since_window; /* complete windows when it became known */
	uint64_t ended_window; /* likewise when it ended */
	struct record_target info;
	struct record_target_end end;
	/* Of the process, as of the last sample and of the end of the window before. */
	bool sampled;
	uint64_t cpu_ns, cpu_before_ns;
	uint64_t sections, sections_before;
	uint64_t paid_ns, paid_before_ns; /* CPU time likewise, but from the attach on */
	uint64_t hits[SMAP_PROBE_COUNT];  /* of all its maps in the window */
	struct record_looks looks;	  /* as they were told last */
	uint64_t looks_before;		  /* their count, at the end of the window before */
};

/* What tracing costs, and what it does without. */
struct model_step {
	uint64_t since_ns; /* first shed; 0 = never: nothing is an estimate for lack of it */
	uint64_t until_ns; /* counted again since; 0 = it is not */
	uint32_t period;   /* now: 0 not counted; N: for one slice of time in N */
};

struct model_overhead {
	bool known; /* there is a price */
	struct record_price price;
	struct model_step step[OVERHEAD_STEP_COUNT];
	struct record_audit audit;
};

/*
 * The most recent events of a window are kept, 5 MB of them; older ones make room and are
 * counted. A timeline shows what is kept: with 50,000 events a second all of them.
 */
#define MODEL_EVENTS_MAX 65536

/*
 * Ended maps are kept for the summary. Beyond this many the oldest go, their
 * figures with them; counted as the loss "ended_maps". 4,096 maps with histograms
 * are about 32 MB.
 */
#define MODEL_ENDED_MAX 4096
#define MODEL_LOSS_ENDED "ended_maps"
/* Without a summary they stay for so many windows: late records of them may come. */
#define MODEL_ENDED_WINDOWS 4

/* Target indices are dense; this only stops a broken stream from allocating without end. */
#define MODEL_TARGETS_MAX (1u << 20)

/* Losses by name; as many as any backend has, with room. */
#define MODEL_LOSSES_MAX 64

struct model {
	struct model_target *targets; /* by index */
	size_t target_count;
	struct model_map **maps; /* in order of appearance; no holes */
	size_t map_count;
	size_t ended_count;
	size_t max_maps; /* that may live at a time; 0 = no limit */
	bool no_summary; /* nobody wants to know of ended maps: they go soon, uncounted */
	unsigned next_order;
	struct model_map **buckets; /* by struct st_key; a power of two */
	size_t bucket_count;
	struct record_loss losses[MODEL_LOSSES_MAX];
	size_t loss_count;
	uint64_t maps_seen;
	struct stack_frame **frames; /* by index, as all stacks; they stay where they are */
	size_t frame_count;
	struct stack **stacks;
	size_t stack_count;
	/* The window. */
	struct record_window window;
	bool complete; /* a RECORD_WINDOW came and nothing since */
	uint64_t window_count;
	struct st_event *events; /* ring of MODEL_EVENTS_MAX */
	uint64_t events_seen;	 /* in this window */
	struct model_overhead overhead;
	/* The command that was traced, if there was one and it has ended. */
	bool command_ended;
	int command_status; /* of wait(2) */
};

int model_create(struct model **ret_model);
void model_free(struct model *model);

/* 0; -EINVAL for a record that breaks the rules of record.h; -E2BIG for max_maps; -ENOMEM. */
int model_add(struct model *model, const struct record *record);

const struct model_map *model_find(const struct model *model, const struct st_key *key);
/* NULL when the index was never announced. */
const struct model_target *model_target(const struct model *model, uint32_t target);

/* Something happened to the map in this stretch of time. */
bool model_active(const struct model_window *window);
/* Stores and deletes that took effect. */
uint64_t model_writes(const struct model_window *window);
/* Misses until the next promotion; 0 = it comes with the next miss, or nothing is waiting. */
uint64_t model_miss_debt(const struct model_gauges *now);
/*
 * Seconds until the next promotion at the window's rate of misses; -1: it is not coming, or
 * nothing waits for one. It is of dirty_len entries then.
 */
double model_promotion_in_s(const struct model_gauges *now, const struct model_window *window);
/* In the window, or in all; NULL = empty, or never was anything in any. */
const struct hist *model_hist(const struct model_map *map, enum st_hist which, bool whole);
/*
 * The part of the process's time that the map's slow paths took, 0..1: (lock wait + hold on
 * misses + rebuild) / (CPU time + lock wait); in the window, or in all. The time that a thread
 * lost the CPU while it held the lock is not counted, as far as it shows (hist_steady_sum()),
 * nor is the time that our probes took (record_price).
 */
double model_cost_share(const struct model *model, const struct model_map *map, bool whole);

/* -EINVAL: no such target. */
int model_looks(struct model *model, const struct record_looks *looks);
/* -EINVAL: no such map. */
int model_missing(struct model *model, const struct record_missing *missing);
/* A step of overhead.h was shed, or came back. Of an unknown one nothing is noted. */
void model_shed(struct model *model, const struct record_shed *shed);
/* For model_map.estimated: which of its histograms are samples, as of now. */
uint32_t model_estimated(const struct model *model, const struct model_map *map);
/* How long misses held the lock, in the window or in all; of a sample scaled up to all misses. */
uint64_t model_hold_ns(const struct model_map *map, bool whole);
/* What a stack cost since the attach, or in the window; false: nothing happened there. */
bool model_site_cost(const struct model_site *site, bool whole, struct stack_cost *ret_cost);
/*
 * The dearest stack of these kinds (bits 1 << enum st_stack_kind) in the window; if there is
 * none, since the attach. False: none at all.
 */
bool model_busiest(const struct model_map *map, uint32_t kinds, struct stack_cost *ret_cost);

/* Events kept of the window: at most MODEL_EVENTS_MAX, 0 = the oldest. */
size_t model_event_count(const struct model *model);
const struct st_event *model_event(const struct model *model, size_t i);
uint64_t model_events_cut(const struct model *model);

#endif
