/* SPDX-License-Identifier: MIT */
/*
 * metrics_walk.h - what the metrics are: each family with its points, in order, for whoever
 * writes them down (metrics_text.c, metrics_otlp.c). The only list of families there is.
 */
#ifndef METRICS_WALK_H
#define METRICS_WALK_H

#include "metrics_group.h"

enum metrics_kind {
	METRICS_COUNTER,
	METRICS_GAUGE,
	METRICS_HISTOGRAM,
};

enum metrics_unit {
	METRICS_NUMBER,
	METRICS_SECONDS, /* and values are in nanoseconds, unless real */
	METRICS_RATIO,
};

struct metrics_family {
	const char *name; /* without smap_, unit and _total */
	enum metrics_kind kind;
	enum metrics_unit unit;
	const char *help;
	bool lifetime; /* counts from before the trace */
};

#define METRICS_EXTRA_LABELS 2
#define METRICS_NO_SERIES ((size_t)-1)

struct metrics_point {
	size_t series; /* which group's labels it has; METRICS_NO_SERIES: none's */
	struct {
		const char *name, *value; /* the value is ours: safe */
	} labels[METRICS_EXTRA_LABELS];	  /* besides; NULL-ended if fewer */
	bool is_real;
	uint64_t number;	 /* of a histogram: unused */
	double real;		 /* if is_real; may be infinite */
	const struct hist *hist; /* of a histogram */
};

struct metrics_visitor {
	void (*family)(void *ctx, const struct metrics_family *family);
	void (*point)(void *ctx, const struct metrics_family *family,
		      const struct metrics_point *point);
	void *ctx;
};

/* The groups that have series of their own, by their index in points; to be freed. */
const struct metrics_group **metrics_series(const struct metrics *metrics, size_t *ret_count);

/* Every family once, even without a point, and after it its points. */
void metrics_walk(const struct metrics *metrics, const struct metrics_group *const *series,
		  size_t count, const struct metrics_visitor *visitor);

/* The slots of a histogram of this unit that have a bound of their own. */
void metrics_bounds(enum metrics_unit unit, unsigned *ret_first, unsigned *ret_last);

#endif
