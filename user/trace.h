/* SPDX-License-Identifier: MIT */
/*
 * trace.h - from a session to outputs: what `trace`, `check` and `record` have in common.
 *
 *	session --records--> model --windows--> traps
 *	    |                  '--reports--> view, destinations
 *	    '--> tap
 *
 * or from a recording, which takes the place of the session.
 */
#ifndef TRACE_H
#define TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include "options.h"
#include "output.h"
#include "policy.h"
#include "report.h"
#include "record.h"

/* Where reports go, in which form. */
struct trace_destination {
	const struct output *output;
	const char *path;  /* NULL = stdout */
	bool summary_only; /* no windows: somebody else shows them */
	struct sink sink;  /* ours */
	int err;	   /* the first; of a pipe that closed, too */
};

#define TRACE_DESTINATIONS_MAX 8

struct trace_plan {
	const struct options *opts;    /* processes or command, interval, duration */
	const struct policy *policy;   /* borrowed; NULL = the defaults */
	const char *replay;	       /* a recording instead of a session, or NULL */
	unsigned interval_ms;	       /* of a recording its own */
	bool make_room;		       /* the latest findings rather than the first */
	bool no_summary;	       /* see model.h */
	bool whole;		       /* a signal before the end leaves a doubt: gate.h */
	enum finding_severity fail_on; /* for the gate; off = the default */
	int command_output_fd;	       /* instead of the terminal; 0 = it shares ours */
	struct trace_destination dest[TRACE_DESTINATIONS_MAX];
	size_t dest_count;
	/*
	 * Each may be NULL. All but the last: 0 or -errno, logged by them, which ends the
	 * trace. on_begin comes before anything is attached, on_attached after it, or before
	 * the first record of a recording. on_report is for views: every window and the end,
	 * before the destinations have it. on_end comes last.
	 */
	int (*on_begin)(void *ctx, const struct report_meta *meta);
	int (*on_attached)(void *ctx, const struct report_meta *meta);
	int (*on_record)(void *ctx, const struct record *record);
	int (*on_report)(void *ctx, const struct report *report);
	void (*on_end)(void *ctx, const struct report *report);
	void *ctx;
	/* Results. */
	bool command_ended;
	int wait_status; /* of wait(2), if it has */
};

void trace_add_destination(struct trace_plan *plan, const struct output *output, const char *path);

/* Trace until the end. An enum exit_status, after logging what went wrong. */
int trace_run(struct trace_plan *plan);

#endif
