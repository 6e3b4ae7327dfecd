/* SPDX-License-Identifier: MIT */
/*
 * metrics.h - reports as Prometheus sees them: counters that never go back, gauges and
 * cumulative histograms, of a bounded number of series.
 *
 *	report --metrics_add()--> groups --metrics_write()--> text exposition format
 *
 * A group is what has one set of labels: the maps of one name in one process, added up.
 * At most `limit` groups, the busiest, are shown with their own series; all others together
 * are the group `other`, which has no process. So the number of series has a bound
 * whatever the processes do, and sums over all series still count everything.
 *
 * Pure. Add either one report of the end to an empty one, or all windows in their order;
 * both give the same.
 */
#ifndef METRICS_H
#define METRICS_H

#include <stdbool.h>
#include <stddef.h>
#include "report.h"
#include "sink.h"

#define METRICS_LIMIT_DEFAULT 50
#define METRICS_LIMIT_MAX 10000

struct metrics;

int metrics_create(struct metrics **ret_metrics, unsigned limit);
void metrics_free(struct metrics *metrics);

/*
 * `findings` are all of the trace so far, not only the new ones of a window: one that has
 * not been cleared makes its trap active. 0 or -ENOMEM, and then it is to be freed.
 */
int metrics_add(struct metrics *metrics, const struct report *report,
		const struct finding *findings, size_t finding_count);
/* Forget the groups of processes that have ended: their series end with them. */
void metrics_drop_ended(struct metrics *metrics, const struct report *report);

/* A copy to be written, of what is shown: nothing can be added to it. 0 or -ENOMEM. */
int metrics_clone(struct metrics **ret_clone, const struct metrics *metrics);

/* For who sends them away: what became of requests so far, as metrics among the others. */
struct metrics_exports {
	uint64_t sent, lost;
	uint64_t rejected; /* data points */
};
void metrics_set_exports(struct metrics *metrics, const struct metrics_exports *exports);

/* The text exposition format, version 0.0.4. */
void metrics_write(const struct metrics *metrics, struct sink *sink);

#endif
