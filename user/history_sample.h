/* SPDX-License-Identifier: MIT */
/*
 * history_sample.h - one window of one map as figures of history.h, and how two values become
 * one. Pure; private to history.c and its test.
 */
#ifndef HISTORY_SAMPLE_H
#define HISTORY_SAMPLE_H

#include "history.h"

struct history_sample {
	double value[HISTORY_FIGURE_COUNT]; /* NAN = not known */
	struct hist promotions;		    /* by entries */
};

struct history_sample history_sample(const struct report_map *map);

/* `a` over time `a_ns`, then `b` over `b_ns`, as one. */
float history_fold(enum history_folding how, double a, double a_ns, double b, double b_ns);

#endif
