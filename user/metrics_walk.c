/* SPDX-License-Identifier: MIT */
/*
 * metrics_walk.c - see metrics_walk.h. Model: tables of families, and for each the member of
 * a group that holds its value. Names are the join keys, as everywhere; a unit says how
 * the value is to be read, and what a writer adds to the name for it.
 */
#include "metrics_walk.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "trap.h"

/* Slots with a bucket of their own; what is below is in the first, above in +Inf. */
#define NS_FIRST 7 /* to 255 ns */
#define NS_LAST 35 /* to 68 s */
#define COUNT_FIRST 0
#define COUNT_LAST 23 /* to 16,777,215 */

struct walk {
	const struct metrics *metrics;
	const struct metrics_group *const *series;
	size_t count;
	const struct metrics_visitor *visitor;
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

/* X(member of struct model_rates, name, unit, help) */
#define RATES(X)                                                                                   \
	X(new_keys, "new_keys", NUMBER, "Keys that were new to dirty, since the attach.")          \
	X(inserts, "inserts", NUMBER, "Stores to an absent key, since the attach.")                \
	X(replaces, "replaces", NUMBER, "Stores to a present key, since the attach.")              \
	X(deletes, "deletes", NUMBER, "Deletes of a present key, since the attach.")               \
	X(lock_waits, "lock_waits", NUMBER, "Times the mutex was contended, since the attach.")    \
	X(lock_wait_ns, "lock_waited", SECONDS,                                                    \
	  "Time waited for the mutex, all operations, since the attach.")                          \
	X(rebuild_ns, "rebuild", SECONDS, "Time spent in rebuilds, since the attach.")

/* X(member of struct metrics_gauges, name, unit, help) */
#define GAUGES(X)                                                                                  \
	X(maps, "maps", NUMBER, "Living maps of this name.")                                       \
	X(sum.miss_count, "misses_pending", NUMBER, "Misses since the last promotion.")            \
	X(sum.threshold, "threshold", NUMBER, "Misses at which the next promotion comes.")         \
	X(miss_debt, "miss_debt", NUMBER, "Misses until the next promotion.")                      \
	X(sum.read_len, "read_len", NUMBER, "Entries listed in read, deleted ones included.")      \
	X(sum.dirty_len, "dirty_len", NUMBER, "Entries listed in dirty, deleted ones included.")   \
	X(sum.amended, "amended", NUMBER, "Maps whose dirty has keys that read has not.")          \
	X(sum.slots, "slots", NUMBER, "Slots of the tables.")                                      \
	X(sum.table_bytes, "table_bytes", NUMBER, "Memory of the tables.")                         \
	X(sum.backlog, "backlog", NUMBER, "Retired items that wait for a grace period.")           \
	X(sum.leaked, "leaked", NUMBER, "Items given up for lack of memory.")                      \
	X(dirty_age_ns, "dirty_age", SECONDS, "Age of the oldest dirty.")                          \
	X(oldest_retired_ns, "oldest_retired", SECONDS,                                            \
	  "Age of the oldest retired item that waits for a grace period.")

#define FAMILY(called, is_a, counts, says)                                                         \
	{                                                                                          \
		.name = called, .kind = METRICS_##is_a, .unit = METRICS_##counts, .help = says     \
	}

static void begin(const struct walk *walk, const struct metrics_family *family)
{
	walk->visitor->family(walk->visitor->ctx, family);
}

static void put(const struct walk *walk, const struct metrics_family *family,
		const struct metrics_point *point)
{
	walk->visitor->point(walk->visitor->ctx, family, point);
}

static void put_number(const struct walk *walk, const struct metrics_family *family, size_t series,
		       uint64_t number)
{
	const struct metrics_point point = {.series = series, .number = number};

	put(walk, family, &point);
}

static void put_real(const struct walk *walk, const struct metrics_family *family, size_t series,
		     double real)
{
	const struct metrics_point point = {.series = series, .is_real = true, .real = real};

	put(walk, family, &point);
}

/* --- of maps ------------------------------------------------------------------------ */

static void walk_counters(const struct walk *walk)
{
	for (unsigned c = 0; c < ST_COUNTER_COUNT; c++) {
		const struct metrics_family family = {.name = counters[c].name,
						      .kind = METRICS_COUNTER,
						      .help = counters[c].help,
						      .lifetime = true};

		begin(walk, &family);
		for (size_t i = 0; i < walk->count; i++)
			put_number(walk, &family, i,
				   walk->series[i]->ended[c] + walk->series[i]->living[c]);
	}
}

static void walk_rates(const struct walk *walk)
{
#define WALK_RATE(member, name, unit, help)                                                        \
	{                                                                                          \
		const struct metrics_family family = FAMILY(name, COUNTER, unit, help);            \
                                                                                                   \
		begin(walk, &family);                                                              \
		for (size_t i = 0; i < walk->count; i++)                                           \
			put_number(walk, &family, i, walk->series[i]->rate.member);                \
	}
	RATES(WALK_RATE)
#undef WALK_RATE
}

static void walk_gauges(const struct walk *walk)
{
#define WALK_GAUGE(member, name, unit, help)                                                       \
	{                                                                                          \
		const struct metrics_family family = FAMILY(name, GAUGE, unit, help);              \
                                                                                                   \
		begin(walk, &family);                                                              \
		for (size_t i = 0; i < walk->count; i++)                                           \
			put_number(walk, &family, i, walk->series[i]->now.member);                 \
	}
	GAUGES(WALK_GAUGE)
#undef WALK_GAUGE
}

static void walk_real_gauges(const struct walk *walk)
{
	const struct metrics_family coming = FAMILY(
		"promotion_in", GAUGE, SECONDS,
		"Time to the next promotion at the present rate of misses; +Inf: not coming.");
	const struct metrics_family cost =
		FAMILY("cost_share", GAUGE, RATIO,
		       "Part of the process's time that slow paths took in the last window.");

	begin(walk, &coming);
	for (size_t i = 0; i < walk->count; i++) {
		const struct metrics_gauges *now = &walk->series[i]->now;

		if (now->sum.has_dirty)
			put_real(walk, &coming, i,
				 now->promotion_in_s < 0 ? INFINITY : now->promotion_in_s);
	}
	begin(walk, &cost);
	for (size_t i = 0; i < walk->count; i++)
		put_real(walk, &cost, i, walk->series[i]->now.cost_share);
}

void metrics_bounds(enum metrics_unit unit, unsigned *ret_first, unsigned *ret_last)
{
	*ret_first = unit == METRICS_SECONDS ? NS_FIRST : COUNT_FIRST;
	*ret_last = unit == METRICS_SECONDS ? NS_LAST : COUNT_LAST;
}

static void walk_hists(const struct walk *walk)
{
	for (unsigned h = 0; h < ST_HIST_COUNT; h++) {
		bool ns = strcmp(hist_info[h].unit, "ns") == 0;
		const struct metrics_family family = {.name = hist_info[h].name,
						      .kind = METRICS_HISTOGRAM,
						      .unit = ns ? METRICS_SECONDS : METRICS_NUMBER,
						      .help = hist_info[h].title};

		begin(walk, &family);
		for (size_t i = 0; i < walk->count; i++) {
			const struct hist *hists = walk->series[i]->hists;
			const struct metrics_point point = {.series = i,
							    .hist = hists ? &hists[h] : NULL};

			/* One that never had a value has no series yet. */
			if (hists && hist_count(&hists[h]))
				put(walk, &family, &point);
		}
	}
}

static void walk_traps(const struct walk *walk)
{
	const struct metrics_family active =
		FAMILY("trap_active", GAUGE, NUMBER, "1 while the trap holds a map of this name.");

	begin(walk, &active);
	for (unsigned t = 0; trap_table[t] && t < METRICS_TRAPS_MAX; t++)
		for (size_t i = 0; i < walk->count; i++) {
			const struct metrics_point point = {
				.series = i,
				.labels = {{"trap", trap_table[t]->name}},
				.number = walk->series[i]->traps >> t & 1,
			};

			put(walk, &active, &point);
		}
}

/* --- of the trace --------------------------------------------------------------------- */

static void walk_found(const struct walk *walk)
{
	const struct metrics_family found = FAMILY("findings", COUNTER, NUMBER, "Findings so far.");

	begin(walk, &found);
	for (size_t i = 0; i < walk->metrics->found_count; i++) {
		const struct finding_tally *f = &walk->metrics->found[i];
		const struct metrics_point point = {
			.series = METRICS_NO_SERIES,
			.labels = {{"trap", f->trap}, {"severity", report_severity(f->severity)}},
			.number = f->count,
		};

		put(walk, &found, &point);
	}
}

static void walk_losses(const struct walk *walk)
{
	const struct metrics_family losses = FAMILY(
		"losses", COUNTER, NUMBER, "What smaptrace did not get, by kind: docs/json.md.");

	begin(walk, &losses);
	for (size_t i = 0; i < walk->metrics->loss_count; i++) {
		const struct metrics_point point = {
			.series = METRICS_NO_SERIES,
			.labels = {{"loss", walk->metrics->losses[i].name}},
			.number = walk->metrics->losses[i].count,
		};

		put(walk, &losses, &point);
	}
}

static void walk_overhead(const struct walk *walk)
{
	const struct report_overhead *overhead = &walk->metrics->overhead;
	const struct metrics_family share =
		FAMILY("tracing_overhead", GAUGE, RATIO,
		       "What tracing costs, as a part of the CPU time of who pays most.");
	const struct metrics_family shed =
		FAMILY("tracing_shed", GAUGE, NUMBER,
		       "What is not traced all the time because of --max-overhead: 1, or 0 again.");
	const struct metrics_point point = {
		.series = METRICS_NO_SERIES, .is_real = true, .real = overhead->share};

	begin(walk, &share);
	if (overhead->known && overhead->share >= 0)
		put(walk, &share, &point);
	begin(walk, &shed);
	for (size_t i = 0; i < overhead->shed_count; i++) {
		const struct metrics_point step = {
			.series = METRICS_NO_SERIES,
			.labels = {{"step", overhead->shed[i].step}},
			.number = overhead->shed[i].until_ns == 0,
		};

		put(walk, &shed, &step);
	}
}

/* X(member of struct metrics, name, kind, unit, help) */
#define ONES(X)                                                                                    \
	X(processes, "processes", GAUGE, NUMBER, "Processes that are traced.")                     \
	X(slots, "process_slots", GAUGE, NUMBER,                                                   \
	  "Processes for which there is memory, ended ones that are still told of included.")      \
	X(windows, "windows", COUNTER, NUMBER, "Windows so far.")                                  \
	X(shown_count, "series_groups", GAUGE, NUMBER, "Groups of maps with series of their own.") \
	X(other_groups, "series_groups_hidden", GAUGE, NUMBER,                                     \
	  "Groups of maps without: they are summed in name=\"other\".")                            \
	X(moved, "series_groups_displaced", COUNTER, NUMBER,                                       \
	  "Groups that lost their series to a busier one.")                                        \
	X(start_unix_ns, "trace_start_time", GAUGE, SECONDS,                                       \
	  "When the trace began, since the epoch.")

static void walk_exports(const struct walk *walk)
{
	const struct metrics_family sent =
		FAMILY("otlp_sent", COUNTER, NUMBER, "Requests that the collector took.");
	const struct metrics_family lost =
		FAMILY("otlp_lost", COUNTER, NUMBER, "Requests that it did not get.");
	const struct metrics_family rejected =
		FAMILY("otlp_rejected_points", COUNTER, NUMBER,
		       "Data points that it left out of what it took.");
	const struct metrics_exports *exports = &walk->metrics->exports;

	if (!walk->metrics->exporting)
		return;
	begin(walk, &sent);
	put_number(walk, &sent, METRICS_NO_SERIES, exports->sent);
	begin(walk, &lost);
	put_number(walk, &lost, METRICS_NO_SERIES, exports->lost);
	begin(walk, &rejected);
	put_number(walk, &rejected, METRICS_NO_SERIES, exports->rejected);
}

static void walk_tracer(const struct walk *walk)
{
	const struct metrics_family info =
		FAMILY("build_info", GAUGE, NUMBER, "1, with the version of smaptrace.");
	const struct metrics_point one = {
		.series = METRICS_NO_SERIES,
		.labels = {{"version", walk->metrics->version ? walk->metrics->version : ""}},
		.number = 1,
	};

#define WALK_ONE(member, name, kind, unit, help)                                                   \
	{                                                                                          \
		const struct metrics_family family = FAMILY(name, kind, unit, help);               \
                                                                                                   \
		begin(walk, &family);                                                              \
		put_number(walk, &family, METRICS_NO_SERIES, walk->metrics->member);               \
	}
	ONES(WALK_ONE)
#undef WALK_ONE
	begin(walk, &info);
	put(walk, &info, &one);
}

const struct metrics_group **metrics_series(const struct metrics *metrics, size_t *ret_count)
{
	const struct metrics_group **series;
	size_t count = 0;

	series = calloc(metrics->shown_count + 1, sizeof(const struct metrics_group *));
	if (!series)
		return NULL;
	for (size_t i = 0; i < metrics->group_count; i++)
		if (metrics->groups[i]->shown)
			series[count++] = metrics->groups[i];
	if (metrics->other_groups || metrics->moved)
		series[count++] = &metrics->other;
	*ret_count = count;
	return series;
}

void metrics_walk(const struct metrics *metrics, const struct metrics_group *const *series,
		  size_t count, const struct metrics_visitor *visitor)
{
	const struct walk walk = {metrics, series, count, visitor};

	walk_counters(&walk);
	walk_rates(&walk);
	walk_gauges(&walk);
	walk_real_gauges(&walk);
	walk_hists(&walk);
	walk_traps(&walk);
	walk_found(&walk);
	walk_losses(&walk);
	walk_overhead(&walk);
	walk_exports(&walk);
	walk_tracer(&walk);
}
