/* SPDX-License-Identifier: MIT */
/*
 * metrics_text.c - metrics in Prometheus's text exposition format, version 0.0.4.
 *
 * Names: smap_ and the join key, with _total for counters and the base unit, seconds for
 * what is counted in nanoseconds. `le` is an inclusive bound and a slot of a log2
 * histogram holds [2^k, 2^(k+1)), so the bound of slot k is 2^(k+1) - 1, not 2^(k+1): the
 * values are whole numbers, and so each bucket has exactly what its bound says. Which
 * bounds there are depends on the unit only and never changes.
 *
 * Label values are names made visible (names.h): no control characters, valid UTF-8, and
 * two different names stay different.
 */
#include "metrics.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "finding_text.h"
#include "metrics_group.h"

/* Slots with a bucket of their own; what is below is in the first, above in +Inf. */
#define NS_FIRST 7 /* to 255 ns */
#define NS_LAST 35 /* to 68 s */
#define COUNT_FIRST 0
#define COUNT_LAST 23 /* to 16,777,215 */

#define LABELS_MAX (64 + 2 * 4 * METRICS_COMM_MAX + 2 * NAME_ESCAPED_MAX)
#define NUMBER_MAX 32

struct series {
	const struct metrics_group *group;
	char labels[LABELS_MAX];
};

struct writer {
	const struct metrics *metrics;
	struct sink *sink;
	struct series *series; /* the shown groups, then `other` if it stands for any */
	size_t count;
};

static const struct {
	const char *name, *help;
} counters[ST_COUNTER_COUNT] = {
	[ST_COUNTER_misses] = {"misses", "Operations that went to dirty and count towards "
					 "promotion."},
	[ST_COUNTER_promotions] = {"promotions", "Promotions: dirty became read."},
	[ST_COUNTER_rebuilds] = {"rebuilds", "Rebuilds: a dirty was built from read."},
	[ST_COUNTER_copied] = {"copied", "Entries that rebuilds carried over."},
	[ST_COUNTER_expunged] = {"expunged", "Deleted entries that rebuilds left out."},
	[ST_COUNTER_overflows] = {"overflows", "Wraps of a 16-bit miss counter."},
	[ST_COUNTER_retired] = {"retired", "Items handed to deferred reclamation."},
	[ST_COUNTER_reclaimed] = {"reclaimed", "Items that came back from reclamation."},
};

/* X(member of struct model_rates, name, in nanoseconds, help) */
#define RATES(X)                                                                                   \
	X(new_keys, "new_keys", false, "Keys that were new to dirty, since the attach.")           \
	X(inserts, "inserts", false, "Stores to an absent key, since the attach.")                 \
	X(replaces, "replaces", false, "Stores to a present key, since the attach.")               \
	X(deletes, "deletes", false, "Deletes of a present key, since the attach.")                \
	X(lock_waits, "lock_waits", false, "Times the mutex was contended, since the attach.")     \
	X(lock_wait_ns, "lock_waited_seconds", true,                                               \
	  "Time waited for the mutex, all operations, since the attach.")                          \
	X(rebuild_ns, "rebuild_seconds", true, "Time spent in rebuilds, since the attach.")

/* X(expression of a struct metrics_gauges *now, name, help) */
#define GAUGES(X)                                                                                  \
	X(now->maps, "maps", "Living maps of this name.")                                          \
	X(now->sum.miss_count, "misses_pending", "Misses since the last promotion.")               \
	X(now->sum.threshold, "threshold", "Misses at which the next promotion comes.")            \
	X(now->miss_debt, "miss_debt", "Misses until the next promotion.")                         \
	X(now->sum.read_len, "read_len", "Entries listed in read, deleted ones included.")         \
	X(now->sum.dirty_len, "dirty_len", "Entries listed in dirty, deleted ones included.")      \
	X(now->sum.amended, "amended", "Maps whose dirty has keys that read has not.")             \
	X(now->sum.slots, "slots", "Slots of the tables.")                                         \
	X(now->sum.table_bytes, "table_bytes", "Memory of the tables.")                            \
	X(now->sum.backlog, "backlog", "Retired items that wait for a grace period.")              \
	X(now->sum.leaked, "leaked", "Items given up for lack of memory.")

static void seconds(char *dst, uint64_t ns)
{
	snprintf(dst, NUMBER_MAX, "%" PRIu64 ".%09" PRIu64, ns / 1000000000, ns % 1000000000);
}

/* --- labels --------------------------------------------------------------------- */

/* As between the quotes of a label: a backslash, a quote or a newline gets a backslash. */
static size_t put_label(char *dst, size_t room, const char *name, const char *bytes)
{
	char escaped[NAME_ESCAPED_MAX + 1];
	size_t at = (size_t)snprintf(dst, room, "%s=\"", name);

	name_escape(escaped, sizeof(escaped), bytes);
	for (const char *c = escaped; *c && at + 4 < room; c++) {
		if (*c == '\\' || *c == '"')
			dst[at++] = '\\';
		dst[at++] = *c;
	}
	dst[at++] = '"';
	dst[at] = '\0';
	return at;
}

static void set_labels(struct series *series)
{
	const struct metrics_group *group = series->group;
	char *dst = series->labels;
	size_t room = sizeof(series->labels), at;

	/* An empty label is none: no map's `name` can be taken for `other`. */
	at = (size_t)(group->pid ? snprintf(dst, room, "pid=\"%d\",", group->pid)
				 : snprintf(dst, room, "pid=\"\","));
	at += put_label(dst + at, room - at, "comm", group->comm);
	dst[at++] = ',';
	put_label(dst + at, room - at, "name", group->name);
}

static int list_series(struct writer *writer)
{
	const struct metrics *metrics = writer->metrics;

	writer->series = calloc(metrics->shown_count + 1, sizeof(*writer->series));
	if (!writer->series)
		return -1;
	for (size_t i = 0; i < metrics->group_count; i++)
		if (metrics->groups[i]->shown)
			writer->series[writer->count++].group = metrics->groups[i];
	if (metrics->other_groups || metrics->moved)
		writer->series[writer->count++].group = &metrics->other;
	for (size_t i = 0; i < writer->count; i++)
		set_labels(&writer->series[i]);
	return 0;
}

/* --- families --------------------------------------------------------------------- */

static void family(const struct writer *writer, const char *name, const char *suffix,
		   const char *type, const char *help)
{
	sink_printf(writer->sink, "# HELP smap_%s%s %s\n# TYPE smap_%s%s %s\n", name, suffix, help,
		    name, suffix, type);
}

static void put_counters(const struct writer *writer)
{
	for (unsigned c = 0; c < ST_COUNTER_COUNT; c++) {
		family(writer, counters[c].name, "_total", "counter", counters[c].help);
		for (size_t i = 0; i < writer->count; i++) {
			const struct metrics_group *group = writer->series[i].group;

			sink_printf(writer->sink, "smap_%s_total{%s} %" PRIu64 "\n",
				    counters[c].name, writer->series[i].labels,
				    group->ended[c] + group->living[c]);
		}
	}
}

static void put_value(const struct writer *writer, const char *name, const char *suffix, size_t i,
		      uint64_t value, bool ns)
{
	char number[NUMBER_MAX];

	if (ns)
		seconds(number, value);
	else
		snprintf(number, sizeof(number), "%" PRIu64, value);
	sink_printf(writer->sink, "smap_%s%s{%s} %s\n", name, suffix, writer->series[i].labels,
		    number);
}

static void put_rates(const struct writer *writer)
{
#define PUT_RATE(member, name, ns, help)                                                           \
	family(writer, name, "_total", "counter", help);                                           \
	for (size_t i = 0; i < writer->count; i++)                                                 \
		put_value(writer, name, "_total", i, writer->series[i].group->rate.member, ns);
	RATES(PUT_RATE)
#undef PUT_RATE
}

static void put_gauges(const struct writer *writer)
{
#define PUT_GAUGE(value, name, help)                                                               \
	family(writer, name, "", "gauge", help);                                                   \
	for (size_t i = 0; i < writer->count; i++) {                                               \
		const struct metrics_gauges *now = &writer->series[i].group->now;                  \
                                                                                                   \
		put_value(writer, name, "", i, value, false);                                      \
	}
	GAUGES(PUT_GAUGE)
#undef PUT_GAUGE
	family(writer, "dirty_age_seconds", "", "gauge", "Age of the oldest dirty.");
	for (size_t i = 0; i < writer->count; i++)
		put_value(writer, "dirty_age_seconds", "", i,
			  writer->series[i].group->now.dirty_age_ns, true);
	family(writer, "oldest_retired_seconds", "", "gauge",
	       "Age of the oldest retired item that waits for a grace period.");
	for (size_t i = 0; i < writer->count; i++)
		put_value(writer, "oldest_retired_seconds", "", i,
			  writer->series[i].group->now.oldest_retired_ns, true);
}

static void put_real_gauges(const struct writer *writer)
{
	family(writer, "promotion_in_seconds", "", "gauge",
	       "Time to the next promotion at the present rate of misses; +Inf: not coming.");
	for (size_t i = 0; i < writer->count; i++) {
		const struct metrics_gauges *now = &writer->series[i].group->now;

		if (!now->sum.has_dirty)
			continue;
		sink_printf(writer->sink, "smap_promotion_in_seconds{%s} ",
			    writer->series[i].labels);
		if (now->promotion_in_s < 0)
			sink_puts(writer->sink, "+Inf\n");
		else
			sink_printf(writer->sink, "%.9g\n", now->promotion_in_s);
	}
	family(writer, "cost_share_ratio", "", "gauge",
	       "Part of the process's time that slow paths took in the last window.");
	for (size_t i = 0; i < writer->count; i++)
		sink_printf(writer->sink, "smap_cost_share_ratio{%s} %.6g\n",
			    writer->series[i].labels, writer->series[i].group->now.cost_share);
}

/* --- histograms -------------------------------------------------------------------- */

struct bounds {
	bool ns;
	unsigned first, last;
	char le[SMAP_HIST_SLOTS][NUMBER_MAX];
};

/* The shortest number that reads back as the same double, as other exporters write it. */
static void shortest(char *dst, double value)
{
	for (int digits = 1; digits <= 17; digits++) {
		snprintf(dst, NUMBER_MAX, "%.*g", digits, value);
		if (strtod(dst, NULL) == value)
			return;
	}
}

static void set_bounds(struct bounds *bounds, const char *unit)
{
	bounds->ns = strcmp(unit, "ns") == 0;
	bounds->first = bounds->ns ? NS_FIRST : COUNT_FIRST;
	bounds->last = bounds->ns ? NS_LAST : COUNT_LAST;
	for (unsigned i = bounds->first; i <= bounds->last; i++)
		shortest(bounds->le[i], (double)hist_high(i) / (bounds->ns ? 1e9 : 1));
}

static void put_hist(const struct writer *writer, const char *name, const struct bounds *bounds,
		     const char *labels, const struct hist *hist)
{
	uint64_t below = 0, count = hist_count(hist);
	char sum[NUMBER_MAX];

	for (unsigned i = 0; i <= bounds->last; i++) {
		below += hist->slots[i];
		if (i >= bounds->first)
			sink_printf(writer->sink, "%s_bucket{%s,le=\"%s\"} %" PRIu64 "\n", name,
				    labels, bounds->le[i], below);
	}
	if (bounds->ns)
		seconds(sum, hist->sum);
	else
		snprintf(sum, sizeof(sum), "%" PRIu64, hist->sum);
	sink_printf(writer->sink,
		    "%s_bucket{%s,le=\"+Inf\"} %" PRIu64 "\n%s_sum{%s} %s\n%s_count{%s} %" PRIu64
		    "\n",
		    name, labels, count, name, labels, sum, name, labels, count);
}

static void put_hists(const struct writer *writer)
{
	for (unsigned h = 0; h < ST_HIST_COUNT; h++) {
		struct bounds bounds;
		char name[64];

		set_bounds(&bounds, hist_info[h].unit);
		snprintf(name, sizeof(name), "smap_%s%s", hist_info[h].name,
			 bounds.ns ? "_seconds" : "");
		sink_printf(writer->sink, "# HELP %s Histogram: %s.\n# TYPE %s histogram\n", name,
			    hist_info[h].title, name);
		for (size_t i = 0; i < writer->count; i++) {
			const struct metrics_group *group = writer->series[i].group;

			/* One that never had a value has no series yet. */
			if (group->hists && hist_count(&group->hists[h]))
				put_hist(writer, name, &bounds, writer->series[i].labels,
					 &group->hists[h]);
		}
	}
}

/* --- findings, and smaptrace itself --------------------------------------------------- */

static void put_traps(const struct writer *writer)
{
	const struct metrics *metrics = writer->metrics;

	family(writer, "trap_active", "", "gauge", "1 while the trap holds a map of this name.");
	for (unsigned t = 0; trap_texts[t].name && t < METRICS_TRAPS_MAX; t++)
		for (size_t i = 0; i < writer->count; i++)
			sink_printf(writer->sink, "smap_trap_active{trap=\"%s\",%s} %u\n",
				    trap_texts[t].name, writer->series[i].labels,
				    writer->series[i].group->traps >> t & 1);
	family(writer, "findings_total", "", "counter", "Findings so far.");
	for (size_t i = 0; i < metrics->found_count; i++)
		sink_printf(writer->sink,
			    "smap_findings_total{trap=\"%s\",severity=\"%s\"} %" PRIu64 "\n",
			    metrics->found[i].trap, report_severity(metrics->found[i].severity),
			    metrics->found[i].count);
}

static void put_one(const struct writer *writer, const char *name, const char *type,
		    const char *help, uint64_t value)
{
	family(writer, name, "", type, help);
	sink_printf(writer->sink, "smap_%s %" PRIu64 "\n", name, value);
}

static void put_tracer(const struct writer *writer)
{
	const struct metrics *metrics = writer->metrics;

	family(writer, "losses_total", "", "counter",
	       "What smaptrace did not get, by kind: docs/json.md.");
	for (size_t i = 0; i < metrics->loss_count; i++)
		sink_printf(writer->sink, "smap_losses_total{loss=\"%s\"} %" PRIu64 "\n",
			    metrics->losses[i].name, metrics->losses[i].count);
	put_one(writer, "processes", "gauge", "Processes that are traced.", metrics->processes);
	put_one(writer, "windows_total", "counter", "Windows so far.", metrics->windows);
	put_one(writer, "series_groups", "gauge", "Groups of maps with series of their own.",
		metrics->shown_count);
	put_one(writer, "series_groups_hidden", "gauge",
		"Groups of maps without: they are summed in name=\"other\".",
		metrics->other_groups);
	put_one(writer, "series_groups_displaced_total", "counter",
		"Groups that lost their series to a busier one.", metrics->moved);
	family(writer, "trace_start_time_seconds", "", "gauge",
	       "When the trace began, since the epoch.");
	sink_printf(writer->sink, "smap_trace_start_time_seconds %" PRIu64 ".%03" PRIu64 "\n",
		    metrics->start_unix_ns / 1000000000, metrics->start_unix_ns / 1000000 % 1000);
	family(writer, "build_info", "", "gauge", "1, with the version of smaptrace.");
	sink_printf(writer->sink, "smap_build_info{version=\"%s\"} 1\n",
		    metrics->version ? metrics->version : "");
}

void metrics_write(const struct metrics *metrics, struct sink *sink)
{
	struct writer writer = {.metrics = metrics, .sink = sink};

	if (list_series(&writer)) {
		sink_puts(sink, "# no memory\n");
		return;
	}
	put_counters(&writer);
	put_rates(&writer);
	put_gauges(&writer);
	put_real_gauges(&writer);
	put_hists(&writer);
	put_traps(&writer);
	put_tracer(&writer);
	free(writer.series);
}
