/* SPDX-License-Identifier: MIT */
/*
 * metrics_group.h - private to metrics*.c: what is known of the maps of one name in one
 * process, and how it is kept.
 */
#ifndef METRICS_GROUP_H
#define METRICS_GROUP_H

#include "metrics.h"
#include "names.h"

#define METRICS_COMM_MAX 16
#define METRICS_TRAPS_MAX 8 /* bits of `traps` */

/* Figures of the present, over the living maps of a group. */
struct metrics_gauges {
	uint64_t maps;
	struct model_gauges sum;
	uint64_t miss_debt;
	uint64_t dirty_age_ns, oldest_retired_ns; /* the largest */
	double promotion_in_s;			  /* the smallest; -1: none is coming */
	double cost_share;
};

struct metrics_group {
	int pid; /* 0 = `other` */
	char comm[METRICS_COMM_MAX];
	char name[SMAP_NAME_LEN];
	bool shown;
	double score;	/* how busy of late */
	unsigned traps; /* bit per trap_table[]: active */
	/* Lifetime totals: of maps that have ended, and of the living. */
	uint64_t ended[ST_COUNTER_COUNT];
	uint64_t living[ST_COUNTER_COUNT];
	struct model_rates rate; /* since the attach */
	struct hist *hists;	 /* since it is shown; NULL = all empty */
	struct metrics_gauges now;
};

struct metrics_loss {
	char name[sizeof(((struct record_loss *)0)->name)];
	uint64_t count;
};

struct metrics {
	unsigned limit;
	bool begun;
	struct metrics_group **groups; /* in order of appearance */
	size_t group_count, group_room;
	uint32_t *index;   /* hash: 1 + position in groups, 0 = free */
	size_t index_size; /* a power of two */
	unsigned shown_count;
	struct metrics_group other;
	uint64_t other_groups; /* that `other` stands for */
	uint64_t moved;	       /* groups that others have displaced */
	bool exporting;
	struct metrics_exports exports;
	/* Of the last report. */
	const char *version;
	uint64_t start_unix_ns, windows, processes, slots, events_seen;
	struct metrics_loss losses[MODEL_LOSSES_MAX];
	size_t loss_count;
	struct report_overhead overhead;
	struct finding_tally found[4 * METRICS_TRAPS_MAX]; /* of trap_table[], or "budget" */
	size_t found_count;
};

/* NULL = not there. */
struct metrics_group *metrics_find(const struct metrics *metrics, int pid, const char *comm,
				   const char *name);
/* Found or new; NULL = no memory. */
struct metrics_group *metrics_get(struct metrics *metrics, int pid, const char *comm,
				  const char *name);
/* Frees those for which `gone` is true. */
void metrics_remove(struct metrics *metrics,
		    bool (*gone)(const struct metrics_group *group, void *ctx), void *ctx);

#endif
