/* SPDX-License-Identifier: MIT */
/*
 * trap.h - detectors of the traps of docs/traps.md. Each is one file, trap_<name>.c,
 * and one word in TRAPS. Pure: a detector sees a model whose window is complete,
 * the limits that hold for the map, and what it remembered of that map; it says
 * whether its condition holds in this window, and why. trap.c does the rest:
 * hysteresis, findings, their beginning and end.
 *
 *	model --traps_window()--> verdict per map and trap --hysteresis--> findings
 */
#ifndef TRAP_H
#define TRAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "finding.h"
#include "model.h"
#include "policy.h"

#define TRAPS(X) X(pseudo_expansion) X(read_diffusion) X(write_starvation)

#define TRAP_EVIDENCE_MAX 16
#define TRAP_REMEDY_MAX 512
#define TRAP_RECENT 3 /* windows over which a rate is smoothed */

/* What all detectors may know of the windows before, kept once per map. */
struct trap_past {
	uint64_t windows;	      /* judged before this one */
	uint64_t misses[TRAP_RECENT]; /* of the last windows, this one included, newest first */
	uint64_t ns[TRAP_RECENT];     /* their lengths */
	bool idle;		      /* the window before shows nothing that happened */
	double busy_rate;	      /* the rate as of the last window that was not idle */
	uint64_t promoted_ns;	      /* end of the last window with a promotion before this; 0 */
	uint64_t promote_every_ns;    /* time between the last two; 0 = not known */
	struct model_gauges before;   /* as of the end of the window before */
	uint64_t left;	       /* values that left the map and that the reclaimer has not met */
	double load;	       /* new keys / len(dirty) in the window before */
	double deleted;	       /* entries, since the last promotion, rebuild or Clear */
	double deleted_peak;   /* the most that those have been */
	uint64_t retained;     /* of them, those beyond it that came in this run of windows */
	uint64_t stall_ns;     /* of the last stall event of the process; 0 = none */
	uint64_t stall_age_ns; /* how long that reader had been inside */
	uint64_t stall_thread; /* which one */
};

struct trap_view {
	const struct model *model;
	const struct model_map *map;
	const struct limits *limits;
	const struct trap_past *past;
	double scale; /* nominal / actual length of the window where that is long; else 1 */
};

#define TRAP_STACK(kind) (1U << ST_STACK_##kind)

/* What a detector says of one window. Zeroed before the call. */
struct verdict {
	bool holds;
	unsigned raise, of, clear; /* hysteresis */
	enum finding_severity severity;
	unsigned kind;	   /* which of its conditions: another one begins another count */
	const char *shape; /* static: which form of the trap, a sentence */
	uint64_t since_ns; /* when it began, if the detector knows; 0 = with the window */
	uint32_t stacks;   /* kinds of stacks that explain it: bits of TRAP_STACK() */
	struct evidence evidence[TRAP_EVIDENCE_MAX];
	size_t evidence_count;
	char remedy[TRAP_REMEDY_MAX];
};

struct trap {
	const char *name;    /* join key */
	const char *summary; /* one sentence */
	const char *link;    /* section of the docs */
	void (*judge)(const struct trap_view *view, struct verdict *ret_verdict);
	size_t severity_offset; /* in struct limits: enum finding_severity */
};

extern const struct trap *const trap_table[]; /* NULL-ended */
#define TRAP_DECLARE(name) extern const struct trap trap_##name;
TRAPS(TRAP_DECLARE)
#undef TRAP_DECLARE

const struct trap *trap_find(const char *name); /* NULL = no such */

/* --- for detectors -------------------------------------------------------- */

/* relation NULL: told, no condition. */
void verdict_add(struct verdict *verdict, const char *name, double value, const char *relation,
		 double limit, const char *unit);
void verdict_remedy(struct verdict *verdict, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* 0 when no time has passed. */
double trap_per_second(uint64_t count, uint64_t ns);
/*
 * Misses per second: trap_past_rate(), or what it was before a pause if that is more. In the first
 * window after one the map went on at some moment, so that few misses do not say that the rate is low.
 */
double trap_miss_rate(const struct trap_view *view);
/* The map promotes every few seconds, and the next one is not overdue. */
bool trap_promotes_periodically(const struct trap_view *view);
/* The machine had so little time for us, and so for the process, that rates say nothing of the map. */
bool trap_stretched(const struct trap_view *view);
/* Sum of the time that misses held the lock in this window. */
uint64_t trap_hold_ns(const struct model_map *map);
double trap_cost_share(const struct trap_view *view);
/*
 * The busiest stack of these kinds in the map. A reader that stays inside holds up all maps of
 * its process: its stack may stand with another one.
 */
bool trap_find_stack(const struct trap_view *view, uint32_t kinds, struct stack_cost *ret_stack);

/* --- all traps over all windows ------------------------------------------- */

struct traps;

/*
 * At most so many findings are kept; more are counted in traps_cut(). So that one who looks on
 * for weeks sees what comes, traps_make_room() lets them take the place of those that are over.
 */
#define TRAPS_FINDINGS_MAX 4096

/* only: names of the traps to look for, NULL-ended; NULL = all. policy is borrowed. */
int traps_create(struct traps **ret_traps, const struct policy *policy, unsigned interval_ms,
		 char *const *only);
void traps_free(struct traps *traps);
void traps_make_room(struct traps *traps);
/* The model has a complete window. 0 or -ENOMEM. */
int traps_window(struct traps *traps, const struct model *model);
/* All findings in the order in which they were raised; valid until the next traps_window(). */
const struct finding *traps_findings(const struct traps *traps, size_t *ret_count);
/* The first of them that the last window raised: those from here on are new. */
size_t traps_first_new(const struct traps *traps);
/* Found and not kept: there was no room for them, or they made room. */
uint64_t traps_cut(const struct traps *traps);
/* Those that made room. */
const struct finding_tally *traps_forgotten(const struct traps *traps, size_t *ret_count);

#endif
