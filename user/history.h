/* SPDX-License-Identifier: MIT */
/*
 * history.h - what reports said over time: a series of figures per map, for everything that
 * draws: the terminal view, the live page, the HTML report. Pure.
 *
 * All maps share one axis of time. A point of it is one window, or several that were folded
 * into one; a map has a value for each figure and point, NAN where it did not live or the
 * figure was not known. Memory is bounded: `points` times `max_maps`, in one of two ways:
 *
 *	ring       the newest points, each one window            (live views)
 *	decimate   the whole trace: when all points are used, neighbours are folded and each
 *	           point holds twice as many windows from then on (charts of a whole trace)
 *
 * Rates and shares keep their integral when they are folded (time without the map counts
 * as 0); of others the highest, or the last, stays: see HISTORY_FIGURES.
 */
#ifndef HISTORY_H
#define HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "report.h"

/* X(name, unit, fold, title). The name is the join key, as everywhere. */
#define HISTORY_FIGURES(X)                                                                         \
	X(misses, "1/s", MEAN, "misses per second")                                                \
	X(promotions, "1/s", MEAN, "promotions per second")                                        \
	X(rebuilds, "1/s", MEAN, "rebuilds per second")                                            \
	X(copied, "1/s", MEAN, "entries copied by rebuilds per second")                            \
	X(cost_share, "", MEAN, "part of the process's time, 0..1")                                \
	X(miss_debt, "misses", LAST, "misses until the next promotion")                            \
	X(threshold, "misses", LAST, "misses at which dirty is promoted")                          \
	X(read_len, "entries", LAST, "entries in read")                                            \
	X(dirty_len, "entries", LAST, "entries in dirty")                                          \
	X(backlog, "items", PEAK, "retired, not yet reclaimed")                                    \
	X(lock_wait_p50, "ns", PEAK, "wait for the lock, P50 of a window") /* of any operation, */ \
	X(lock_wait_p99, "ns", PEAK, "wait for the lock, P99 of a window") /* or of misses only */ \
	X(promotion_size, "entries", PEAK, "average size of a window's promotions")

enum history_figure {
#define HISTORY_ENUM(name, ...) HISTORY_##name,
	HISTORY_FIGURES(HISTORY_ENUM)
#undef HISTORY_ENUM
		HISTORY_FIGURE_COUNT
};

enum history_folding {
	HISTORY_FOLD_MEAN, /* over time */
	HISTORY_FOLD_PEAK,
	HISTORY_FOLD_LAST,
};

struct history_info {
	const char *name, *unit, *title;
	enum history_folding fold;
};
extern const struct history_info history_info[HISTORY_FIGURE_COUNT];

/* Promotions by log2 of their entries, as in hist.h; the last slot takes all above. */
#define HISTORY_SIZE_SLOTS 24

#define HISTORY_POINTS_DEFAULT 240
#define HISTORY_MAPS_DEFAULT 2048 /* with 240 points 25 MB, twice that if all promote */

struct history_options {
	size_t points;	 /* rounded up to an even number; 0 = default */
	size_t max_maps; /* 0 = default; further ones are counted as cut */
	bool decimate;
	bool sizes; /* keep promotions by size */
};

struct history_point {
	uint64_t start_ns, end_ns; /* CLOCK_MONOTONIC */
	unsigned windows;	   /* folded into it */
};

/* Reached through history_map() and history_find(). */
struct history_map {
	int pid;
	uint64_t addr, id;
	char name[SMAP_NAME_LEN + 1]; /* untrusted bytes: use names.h */
	char comm[17];		      /* these, too */
	bool alive;		      /* at the newest point */
	uint64_t last_seen;	      /* number of the window, from 1 */
	float *values;		      /* by slot, then figure */
	uint32_t *sizes;	      /* by slot; NULL = no promotion yet, or not wanted */
};

struct history;

int history_create(struct history **ret_history, const struct history_options *opts);
void history_free(struct history *history);

/*
 * A REPORT_WINDOW; a REPORT_END adds nothing. 0 or -ENOMEM, and then the maps of this window
 * may be incomplete, nothing else.
 */
int history_add(struct history *history, const struct report *report);

size_t history_points(const struct history *history); /* so far; 0 = the oldest */
const struct history_point *history_point(const struct history *history, size_t point);

/* By pid, address, id, as in a report. Valid until the next history_add(). */
size_t history_map_count(const struct history *history);
const struct history_map *history_map(const struct history *history, size_t i);
const struct history_map *history_find(const struct history *history, int pid, uint64_t addr,
				       uint64_t id);
uint64_t history_cut(const struct history *history); /* maps that found no room, per window */

/* NAN = not known. */
double history_value(const struct history *history, const struct history_map *map,
		     enum history_figure figure, size_t point);
/* The highest known value of all points; NAN = none. */
double history_peak(const struct history *history, const struct history_map *map,
		    enum history_figure figure);
/* HISTORY_SIZE_SLOTS counts; NULL = no promotion in all points. */
const uint32_t *history_sizes(const struct history *history, const struct history_map *map,
			      size_t point);

#endif
