/* SPDX-License-Identifier: MIT */
/*
 * serve_snapshot.h - a window of a trace, kept beyond its moment.
 *
 * A report borrows from the model and ends with the next record. A snapshot is a deep
 * copy that never changes, so that other threads can make bytes of it while the
 * trace goes on. Only the frames of call stacks are borrowed from the model, which never changes
 * them: all snapshots end before it. Reference counted; get and put may be called by any thread.
 */
#ifndef SERVE_SNAPSHOT_H
#define SERVE_SNAPSHOT_H

#include "metrics.h"
#include "report.h"

/* So many of the latest findings are kept, and all that hold. */
#define SNAPSHOT_FINDINGS_MAX 200

struct snapshot {
	struct report report; /* a REPORT_WINDOW */
	struct metrics *metrics;
};

/* `metrics` as of this report, copied. 0 or -ENOMEM. One reference. */
int snapshot_create(struct snapshot **ret_snapshot, const struct report *report,
		    const struct metrics *metrics);
struct snapshot *snapshot_get(struct snapshot *snapshot);
void snapshot_put(struct snapshot *snapshot); /* NULL is fine */

#endif
