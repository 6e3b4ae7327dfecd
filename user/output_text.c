/* SPDX-License-Identifier: MIT */
/*
 * output_text.c - for people at a terminal of 80 columns.
 *
 * Model: a window is a line with the time, a table of the busiest maps and the
 * window's histograms: those of the busiest map, and those of all others added
 * up. The end gives exact totals: a block for each of the busiest maps, a line for
 * each of the rest, histograms likewise, and always what was lost. Each finding is
 * a block that begins with its verdict, in colour where a person reads along.
 * Tables shorten numbers (12.3k); blocks and histograms never do.
 */
#include "output.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include "finding_text.h"
#include "output_text.h"
#include "overhead_text.h"
#include "words.h"

#define WINDOW_ROWS 10	   /* maps in the table of a window: leaves room for a histogram */
#define WINDOW_DEBTS 3	   /* maps whose next promotion is told, in a window */
#define WINDOW_HIST_MAPS 1 /* maps with histograms of their own, in a window */
#define END_BLOCKS 20	   /* maps with exact totals at the end */
#define END_HIST_MAPS 3	   /* maps with histograms of their own, at the end */
#define WINDOW_STACKS 1	   /* of each kind, of maps with histograms; and frames of each */
#define WINDOW_FRAMES 4
#define END_STACKS 5
#define END_FRAMES 16

/* --- small parts ---------------------------------------------------------- */

struct ranked {
	const struct report_map *map;
	uint64_t activity;
};

static int compare_ranked(const void *left, const void *right)
{
	const struct ranked *a = left, *b = right;

	if (a->activity != b->activity)
		return a->activity > b->activity ? -1 : 1;
	return a->map < b->map ? -1 : a->map > b->map;
}

/* Maps by activity, the busiest first; all of them or the active ones. NULL = no memory. */
static struct ranked *rank(const struct report *report, bool all, size_t *ret_count)
{
	struct ranked *ranked = calloc(report->map_count + 1, sizeof(*ranked));
	size_t count = 0;

	if (!ranked)
		return NULL;
	for (size_t i = 0; i < report->map_count; i++)
		if (all || report->maps[i].active)
			ranked[count++] = (struct ranked){&report->maps[i],
							  report_activity(&report->maps[i])};
	qsort(ranked, count, sizeof(*ranked), compare_ranked);
	*ret_count = count;
	return ranked;
}

/* --- histograms ----------------------------------------------------------- */

static void put_hists(struct sink *sink, const struct report_map *map)
{
	struct hist room;

	for (unsigned i = 0; i < ST_HIST_COUNT; i++) {
		const struct hist *hist = report_hist(map, i, &room);
		uint64_t count = hist ? hist_count(hist) : 0;

		if (count == 0)
			continue;
		sink_printf(sink, "\n  %s (%s)%s\n", hist_info[i].title, hist_info[i].unit,
			    map->estimated & 1U << i ? ", a sample" : "");
		sink_printf(sink, "  %" PRIu64 " value%s, average %s, P50 ~%s, P99 ~%s\n", count,
			    plural(count), text_shorten((double)hist->sum / (double)count).text,
			    text_shorten((double)hist_percentile(hist, 50)).text,
			    text_shorten((double)hist_percentile(hist, 99)).text);
		hist_print(sink, hist, hist_info[i].unit);
	}
}

/* `own` maps each with its own histograms, all others added up. */
static void put_all_hists(struct sink *sink, const struct ranked *maps, size_t count, size_t own)
{
	struct hist sum[ST_HIST_COUNT] = {0}, room;
	struct report_map rest = {.hists = sum};
	size_t others = 0;

	for (size_t i = 0; i < count; i++) {
		const struct report_map *map = maps[i].map;

		if (!map->hists && !map->packed_hists)
			continue;
		if (i < own) {
			sink_puts(sink, "\nhistograms of ");
			text_put_name(sink, map->name, 40);
			sink_printf(sink, " (pid %d)\n", map->pid);
			put_hists(sink, map);
			continue;
		}
		others++;
		rest.estimated |= map->estimated;
		for (unsigned h = 0; h < ST_HIST_COUNT; h++) {
			const struct hist *hist = report_hist(map, h, &room);

			if (hist)
				hist_merge(&sum[h], hist);
		}
	}
	if (others == 0)
		return;
	sink_printf(sink, "\nhistograms of %zu other map%s, added up\n", others, plural(others));
	put_hists(sink, &rest);
}

/* --- cost and losses -------------------------------------------------------------- */

static void put_cost(struct sink *sink, const struct report *report)
{
	char text[FINDING_LINE_MAX];

	if (overhead_text(text, sizeof(text), report))
		sink_printf(sink, "  %s\n", text);
	if (estimates_text(text, sizeof(text), report))
		text_put_wrapped(sink, text);
}

static void put_audit(struct sink *sink, const struct report *report)
{
	const struct record_audit *audit = &report->audit;

	if (audit->rounds)
		sink_printf(sink,
			    "\nAudit: %" PRIu64 " counter%s compared with the maps' own in %" PRIu64
			    " round%s, %" PRIu64 " event%s missing.\n",
			    (uint64_t)audit->compared, plural(audit->compared),
			    (uint64_t)audit->rounds, plural(audit->rounds),
			    (uint64_t)audit->missing, plural(audit->missing));
}

static void put_losses(struct sink *sink, const struct report *report)
{
	if (report->lost == 0) {
		sink_puts(sink, "\nLost: nothing.\n");
		return;
	}
	sink_puts(sink, "\nLost:\n");
	for (size_t i = 0; i < report->loss_count; i++) {
		const struct record_loss *loss = &report->losses[i];

		if (loss->count > 0)
			sink_printf(sink, "  %s %" PRIu64 "\n      %s\n", loss->name,
				    (uint64_t)loss->count, loss->help);
	}
}

/* --- a window ------------------------------------------------------------- */

static void put_window_row(struct sink *sink, const struct report_map *map)
{
	const uint64_t *count = map->window.count;
	double seconds = map->window.ns > 0 ? (double)map->window.ns / 1e9 : 1.0;
	char debt[40];

	snprintf(debt, sizeof(debt), "%s/%s", text_shorten((double)map->now.miss_count).text,
		 text_shorten((double)map->now.threshold).text);
	sink_printf(sink, "%7d ", map->pid);
	text_put_padded(sink, map->name, 14);
	sink_printf(sink, " %7s %6s %6s %6s %6s %11s %7s\n",
		    text_shorten((double)count[ST_COUNTER_misses] / seconds).text,
		    text_shorten((double)count[ST_COUNTER_promotions] / seconds).text,
		    text_shorten((double)count[ST_COUNTER_rebuilds] / seconds).text,
		    text_shorten((double)map->now.read_len).text,
		    text_shorten((double)map->now.dirty_len).text, debt,
		    text_shorten((double)map->now.backlog).text);
}

static void put_window_head(struct sink *sink, const struct report *report, size_t active)
{
	time_t seconds = (time_t)(report_unix_ns(report->meta, report->end_ns) / 1000000000ULL);
	char clock[16];
	struct tm tm;

	localtime_r(&seconds, &tm);
	strftime(clock, sizeof(clock), "%H:%M:%S", &tm);
	sink_printf(sink, "\n%s  window %" PRIu64 " (%.2f s): ", clock, report->window_count,
		    report_seconds(report));
	if (report->map_count == 0)
		sink_puts(sink, "no map seen so far\n");
	else
		sink_printf(sink, "%zu of %zu map%s active\n", active, report->map_count,
			    plural(report->map_count));
}

/* What the next promotion will be, of the busiest maps that wait for one. */
static void put_debts(struct sink *sink, const struct ranked *maps, size_t count)
{
	for (size_t i = 0, told = 0; i < count && told < WINDOW_DEBTS; i++) {
		const struct report_map *map = maps[i].map;

		if (map->promotion_in_s < 0)
			continue;
		told++;
		sink_puts(sink, "  promotion of ");
		text_put_name(sink, map->name, 20);
		sink_printf(sink, " in %s s: %s misses to go, %s entries\n",
			    text_shorten(map->promotion_in_s).text,
			    text_shorten((double)map->miss_debt).text,
			    text_shorten((double)map->now.dirty_len).text);
	}
}

static int put_window(struct sink *sink, const struct report *report)
{
	size_t count;
	struct ranked *maps = rank(report, false, &count);

	if (!maps)
		return -ENOMEM;
	put_window_head(sink, report, count);
	put_cost(sink, report);
	if (count > 0)
		sink_puts(sink, "    PID MAP             MISS/s PROM/s REBL/s   READ  DIRTY"
				"  MISSES/THR BACKLOG\n");
	for (size_t i = 0; i < count && i < WINDOW_ROWS; i++)
		put_window_row(sink, maps[i].map);
	if (count > WINDOW_ROWS)
		sink_printf(sink, "        and %zu more\n", count - WINDOW_ROWS);
	put_debts(sink, maps, count);
	text_put_findings(sink, report);
	put_all_hists(sink, maps, count, WINDOW_HIST_MAPS);
	for (size_t i = 0; i < count && i < WINDOW_HIST_MAPS; i++)
		text_put_stacks(sink, maps[i].map, WINDOW_STACKS, WINDOW_FRAMES);
	free(maps);
	return 0;
}

/* --- the end -------------------------------------------------------------- */

static void put_target(struct sink *sink, const struct report_target *target)
{
	sink_printf(sink, "process %d ", target->pid);
	text_put_name(sink, target->comm, 30);
	if (!target->ended)
		sink_puts(sink, ": still running\n");
	else if (!target->exit_known)
		sink_puts(sink, ": ended\n");
	else if (WIFSIGNALED(target->status))
		sink_printf(sink, ": killed by signal %d\n", WTERMSIG(target->status));
	else
		sink_printf(sink, ": exited with status %d\n", WEXITSTATUS(target->status));
}

static void put_counts(struct sink *sink, const char *what, const uint64_t counts[ST_COUNTER_COUNT])
{
	bool any = false;

	for (unsigned i = 0; i < ST_COUNTER_COUNT; i++) {
		if (!counts[i])
			continue;
		if (!any)
			sink_printf(sink, "  %s\n", what);
		any = true;
		sink_printf(sink, "  %-12s %20" PRIu64 "\n", counter_names[i], counts[i]);
	}
}

static void put_block(struct sink *sink, const struct report_map *map)
{
	sink_puts(sink, "\nmap ");
	text_put_name(sink, map->name, 60);
	sink_printf(sink, "\n  pid %d, 0x%" PRIx64 ", %s keys, policy %s%s\n", map->pid, map->addr,
		    map->key_kind, map->policy, map->alive ? "" : ", destroyed or ended");
	sink_printf(sink, "  %-12s %20s %20s\n", "", "since attach", "lifetime");
	for (unsigned i = 0; i < ST_COUNTER_COUNT; i++)
		sink_printf(sink, "  %-12s %20" PRIu64 " %20" PRIu64 "\n", counter_names[i],
			    map->traced[i], map->total[i]);
	sink_printf(sink, "  read %s, dirty %s, misses %s of %s, backlog %s%s\n",
		    text_shorten((double)map->now.read_len).text,
		    text_shorten((double)map->now.dirty_len).text,
		    text_shorten((double)map->now.miss_count).text,
		    text_shorten((double)map->now.threshold).text,
		    text_shorten((double)map->now.backlog).text,
		    map->state_ok ? "" : " (last known)");
	put_counts(sink, "not traced, but counted by the map:", map->uncounted);
	put_counts(sink, "MISSED, but counted by the map:", map->missing);
}

/* Lifetime totals of the maps that have no block of their own, a line each. */
static void put_rest(struct sink *sink, const struct ranked *maps, size_t count)
{
	sink_printf(sink, "\n%zu more map%s, lifetime totals\n    PID MAP          ", count,
		    plural(count));
	for (unsigned i = 0; i < ST_COUNTER_COUNT; i++)
		sink_printf(sink, " %6.6s", counter_names[i]);
	sink_puts(sink, "\n");
	for (size_t i = 0; i < count; i++) {
		const struct report_map *map = maps[i].map;

		sink_printf(sink, "%7d ", map->pid);
		text_put_padded(sink, map->name, 13);
		for (unsigned k = 0; k < ST_COUNTER_COUNT; k++)
			sink_printf(sink, " %6s", text_shorten((double)map->total[k]).text);
		sink_puts(sink, "\n");
	}
}

static int put_end(struct sink *sink, const struct report *report)
{
	size_t count, blocks;
	struct ranked *maps = rank(report, true, &count);

	if (!maps)
		return -ENOMEM;
	blocks = count < END_BLOCKS ? count : END_BLOCKS;
	sink_printf(sink, "\nSummary: %.2f s, %zu process%s, %zu map%s.\n",
		    (double)(report->end_ns - report->start_ns) / 1e9, report->target_count,
		    report->target_count == 1 ? "" : "es", count, plural(count));
	for (size_t i = 0; i < report->target_count; i++)
		put_target(sink, &report->targets[i]);
	put_cost(sink, report);
	if (count == 0)
		sink_puts(sink,
			  "\nNo map seen: no traced process had a libsmap map in this time.\n");
	for (size_t i = 0; i < blocks; i++)
		put_block(sink, maps[i].map);
	if (count > blocks)
		put_rest(sink, maps + blocks, count - blocks);
	put_all_hists(sink, maps, count, END_HIST_MAPS);
	for (size_t i = 0; i < count && i < END_HIST_MAPS; i++)
		text_put_stacks(sink, maps[i].map, END_STACKS, END_FRAMES);
	text_put_findings(sink, report);
	if (report->findings_cut)
		sink_printf(sink, "\n%" PRIu64 " further finding%s not kept.\n",
			    report->findings_cut, report->findings_cut == 1 ? " was" : "s were");
	put_audit(sink, report);
	put_losses(sink, report);
	free(maps);
	return 0;
}

/* The last window often is a moment long: only shown if something happened in it. */
static bool worth_showing(const struct report *report)
{
	for (size_t i = 0; i < report->map_count; i++)
		if (report->maps[i].active)
			return true;
	return !report->last || report->finding_count > 0;
}

static int text_report(struct sink *sink, const struct report *report)
{
	if (report->kind == REPORT_END)
		return put_end(sink, report);
	return worth_showing(report) ? put_window(sink, report) : 0;
}

const struct output output_text = {
	.name = "text",
	.help = "tables and histograms within 80 columns",
	.suffix = "txt",
	.report = text_report,
};
