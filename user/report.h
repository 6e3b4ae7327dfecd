/* SPDX-License-Identifier: MIT */
/*
 * report.h - the result of a window, or of the whole trace at its end: who was
 * traced, every map, findings, losses. Immutable, and all that an output sees.
 *
 * Borrows histograms and names from the model it was made of: valid until the next
 * record goes into the model, or until report_free().
 */
#ifndef REPORT_H
#define REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "finding.h"
#include "model.h"

#define REPORT_SCHEMA 1 /* version of docs/json.md */

/* The same for all reports of a trace. */
struct report_meta {
	const char *version; /* of smaptrace */
	char kernel[128];    /* release and machine */
	char hostname[65];
	uint64_t start_ns;	/* CLOCK_MONOTONIC */
	uint64_t start_unix_ns; /* the same moment in CLOCK_REALTIME */
	unsigned interval_ms;
	unsigned duration_ms; /* 0 = until the targets end */
	bool exact;
	bool offcpu; /* threads were seen leaving the CPU */
};

struct report_target {
	int pid;
	const char *comm;
	const char *file;
	bool from_start; /* traced since before its main() */
	bool is_new;	 /* this report is the first with it */
	bool ended;
	bool exit_known;
	int status; /* of wait(2), if exit_known */
};

struct report_map {
	int pid;
	const char *comm;
	const char *name; /* untrusted bytes: use names.h */
	uint64_t addr, id;
	unsigned number; /* in the session, from 0: no two maps have the same */
	bool is_new;	 /* this report is the first with it */
	bool alive;
	bool state_ok; /* `now` is of this window */
	const char *key_kind, *policy;
	uint64_t total[ST_COUNTER_COUNT];     /* lifetime */
	uint64_t traced[ST_COUNTER_COUNT];    /* since the attach */
	uint64_t uncounted[ST_COUNTER_COUNT]; /* ... and not traced: the probe was shed */
	uint64_t missing[ST_COUNTER_COUNT];   /* ... and lost, as the audit says */
	uint32_t estimated; /* a bit for each enum st_hist that holds a sample only */
	struct model_gauges now;
	/* What happened: in the window, or since the attach in a REPORT_END. */
	struct model_window window;
	bool active;			 /* something did */
	const struct hist *hists;	 /* of the same time; NULL = all empty. See report_hist() */
	uint32_t hists_empty;		 /* a bit for each that is known to be; look at the rest */
	const uint64_t *packed_hists;	 /* instead of `hists`, in a copy: hist_pack() */
	const struct stack_cost *stacks; /* of the same time; by kind, then the dearest first */
	size_t stack_count;
	uint64_t miss_debt;
	double promotion_in_s; /* -1 = not coming */
	double cost_share;
};

/* What tracing costs the targets, in the window or in all. See overhead.h. */
struct report_overhead {
	bool known;
	double share; /* of the process that pays most; -1: it used no time that is known */
	int pid;      /* that one */
	double hits_per_s, hit_ns; /* of all; the product is the time taken per second */
	/* Of --offcpu, likewise: threads that left their CPU. Both products are what is taken. */
	double switches_per_s, switch_ns;
	double budget; /* a share; 0 = none */
	/* What was shed so far, in the order of the table. */
	struct report_shed {
		const char *step, *what;
		uint64_t since_ns, until_ns; /* 0: it still is */
		uint32_t period;	     /* N: counted for one slice of time in N; 0: not */
	} shed[OVERHEAD_STEP_COUNT];
	size_t shed_count;
};

/* A rare event of the window, with its time and thread. */
struct report_event {
	enum smap_probe kind;
	uint64_t ts_ns; /* CLOCK_MONOTONIC: when it was over */
	int pid;
	uint32_t tid; /* of the thread that fired it, as smaptrace sees it; 0 = unknown */
	unsigned map_number;
	const char *map_name; /* untrusted bytes */
	uint64_t addr, id;
	const __u64 *args; /* as in SMAP_PROBES, after `map` */
};

struct history; /* history.h */

enum report_kind {
	REPORT_WINDOW,
	REPORT_END,
};

struct report {
	enum report_kind kind;
	const struct report_meta *meta;
	uint64_t start_ns, end_ns; /* CLOCK_MONOTONIC: of the window, or of the trace */
	uint64_t window_count;	   /* windows so far, this one included */
	bool last;		   /* the last window */
	size_t target_slots; /* numbers that targets have or had at once: what memory is kept for */
	const struct report_target *targets;
	size_t target_count;
	/*
	 * By pid, address, id. A window has the maps that lived in it, the end has
	 * all.
	 */
	const struct report_map *maps;
	size_t map_count;
	const struct finding *findings; /* new in the window; at the end all */
	size_t finding_count;
	/*
	 * All so far, as they stand now, in the order in which they were raised: for views,
	 * which show what holds. The end has the same twice.
	 */
	const struct finding *known;
	size_t known_count;
	/* Of the windows so far, this one included; NULL = no output asked for it. */
	const struct history *history;
	uint64_t findings_cut; /* others so far, which were not kept */
	/* Of those the ones that were known once. */
	const struct finding_tally *forgotten;
	size_t forgotten_count;
	const struct record_loss *losses; /* every known name, also with count 0 */
	size_t loss_count;
	uint64_t lost; /* sum of all losses */
	/* What the gate asks for (gate.h): by default what is from warning on fails it. */
	enum finding_severity fail_on;
	uint64_t min_events; /* misses, promotions, rebuilds and writes */
	bool interrupted;    /* a signal ended a trace that was to be whole */
	/* Of a window: how many events came, and how many of them report_event() lacks. */
	uint64_t events_seen, events_cut;
	struct report_overhead overhead;
	struct record_audit audit;
	const struct model *model; /* for report_event() */
};

/* Reads clocks and uname(2); the only function here that asks the system. */
void report_meta_now(struct report_meta *ret_meta, const char *version);

/* 0 or -ENOMEM. The model must have a complete window; meta is borrowed. */
int report_create(struct report **ret_report, enum report_kind kind, const struct model *model,
		  const struct report_meta *meta);
/* All findings so far to go with it, borrowed; those from `first_new` on are of the window. */
void report_set_findings(struct report *report, const struct finding *known, size_t count,
			 size_t first_new);
void report_free(struct report *report);

/* For report_create(): of the window or in all, which took so long. 0 or -ENOMEM. */
int report_fill_overhead(struct report_overhead *overhead, const struct model *model, bool whole,
			 double seconds);

/* Of what was lost, what may have hidden a finding: not the maps that ended and are left out. */
uint64_t report_unjudged(const struct report *report);
/*
 * The events of a window, in the order in which they came; the end of a trace has none.
 * False: that one is of a map that nobody knows (any more).
 */
size_t report_event_count(const struct report *report);
bool report_event(const struct report *report, size_t i, struct report_event *ret_event);

/* "off", "notice", "warning", "error". */
const char *report_severity(enum finding_severity severity);
/* Seconds that the report covers; never 0. */
double report_seconds(const struct report *report);
/* A CLOCK_MONOTONIC moment as CLOCK_REALTIME. */
uint64_t report_unix_ns(const struct report_meta *meta, uint64_t ns);
/* A histogram of a map, maybe unpacked into *room; NULL = empty. */
const struct hist *report_hist(const struct report_map *map, enum st_hist which, struct hist *room);
/* How busy a map was, for "busiest first". */
uint64_t report_activity(const struct report_map *map);

#endif
