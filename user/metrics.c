/* SPDX-License-Identifier: MIT */
/*
 * metrics.c - see metrics.h. Model: two passes over a report's maps. The first adds the
 * counters and gauges of each map to its group and finds out who is busiest; the
 * second adds the histograms to the groups that are shown, or to `other`, so that what
 * is large is only kept for what is written.
 *
 * No counter goes back. A group's is the sum of its maps' own lifetime totals, those of
 * ended maps included. `other` counts what happens while a map is not shown: when a
 * group comes to be shown later, its series begins with its own total, and `other`
 * keeps what it had. Who is shown changes slowly: a newcomer must be twice as busy as
 * the one that it displaces, and a group with an active trap stays.
 */
#include "metrics.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "metrics_group.h"
#include "trap.h"

#define SCORE_KEPT 0.5	/* of the score of the window before */
#define SCORE_AHEAD 2.0 /* a newcomer must have so many times as much */

int metrics_create(struct metrics **ret_metrics, unsigned limit)
{
	struct metrics *metrics = calloc(1, sizeof(*metrics));

	if (!metrics)
		return -ENOMEM;
	metrics->limit = limit ? limit : METRICS_LIMIT_DEFAULT;
	metrics->other.shown = true;
	strcpy(metrics->other.name, "other");
	*ret_metrics = metrics;
	return 0;
}

void metrics_set_exports(struct metrics *metrics, const struct metrics_exports *exports)
{
	metrics->exporting = true;
	metrics->exports = *exports;
}

void metrics_free(struct metrics *metrics)
{
	if (!metrics)
		return;
	for (size_t i = 0; i < metrics->group_count; i++) {
		free(metrics->groups[i]->hists);
		free(metrics->groups[i]);
	}
	free(metrics->groups);
	free(metrics->index);
	free(metrics->other.hists);
	free(metrics);
}

/* --- counters and gauges ------------------------------------------------------ */

static void begin_gauges(struct metrics_group *group)
{
	group->now = (struct metrics_gauges){.promotion_in_s = -1};
	group->score *= SCORE_KEPT;
	group->traps = 0;
	memset(group->living, 0, sizeof(group->living));
}

static void raise_to(uint64_t *most, uint64_t value)
{
	if (value > *most)
		*most = value;
}

static void add_gauges(struct metrics_gauges *now, const struct report_map *map)
{
	now->cost_share += map->cost_share;
	if (!map->alive)
		return;
	now->maps++;
#define ADD_GAUGE(name) now->sum.name += map->now.name;
	MODEL_GAUGES(ADD_GAUGE)
#undef ADD_GAUGE
	now->miss_debt += map->miss_debt;
	raise_to(&now->dirty_age_ns, map->now.dirty_age_ns);
	raise_to(&now->oldest_retired_ns, map->now.oldest_retired_ns);
	if (map->promotion_in_s >= 0 &&
	    (now->promotion_in_s < 0 || map->promotion_in_s < now->promotion_in_s))
		now->promotion_in_s = map->promotion_in_s;
}

static void add_rates(struct model_rates *rate, const struct report_map *map)
{
#define ADD_RATE(name) rate->name += map->window.rate.name;
	MODEL_RATES(ADD_RATE)
#undef ADD_RATE
}

static void add_map(struct metrics_group *group, const struct report_map *map)
{
	uint64_t *into = map->alive ? group->living : group->ended;

	for (unsigned i = 0; i < ST_COUNTER_COUNT; i++)
		into[i] += map->total[i];
	group->score += (double)report_activity(map);
	add_rates(&group->rate, map);
	add_gauges(&group->now, map);
}

/* --- who is shown ------------------------------------------------------------- */

/* Busiest first; of equals the one that came first. */
static int compare_groups(const void *left, const void *right)
{
	const struct metrics_group *a = *(const struct metrics_group *const *)left;
	const struct metrics_group *b = *(const struct metrics_group *const *)right;

	if (!a->traps != !b->traps)
		return a->traps ? -1 : 1;
	if (a->score != b->score)
		return a->score > b->score ? -1 : 1;
	if (a->pid != b->pid)
		return a->pid < b->pid ? -1 : 1;
	return strcmp(a->name, b->name);
}

static void hide(struct metrics *metrics, struct metrics_group *group)
{
	group->shown = false;
	free(group->hists);
	group->hists = NULL;
	metrics->shown_count--;
	metrics->moved++;
}

static void show(struct metrics *metrics, struct metrics_group *group)
{
	group->shown = true;
	metrics->shown_count++;
}

static bool displaces(const struct metrics_group *hidden, const struct metrics_group *shown)
{
	if (shown->traps)
		return false;
	return hidden->traps || hidden->score > SCORE_AHEAD * shown->score;
}

/* `sorted` has room for all groups. */
static void choose(struct metrics *metrics, struct metrics_group **sorted)
{
	size_t count = metrics->group_count, last = count;

	memcpy(sorted, metrics->groups, count * sizeof(struct metrics_group *));
	if (count > metrics->limit)
		qsort(sorted, count, sizeof(struct metrics_group *), compare_groups);
	for (size_t i = 0; i < count; i++) {
		if (sorted[i]->shown)
			continue;
		if (metrics->shown_count < metrics->limit) {
			show(metrics, sorted[i]);
			continue;
		}
		/* The least busy that is shown and comes behind. */
		while (last > i && !sorted[last - 1]->shown)
			last--;
		if (last <= i || !displaces(sorted[i], sorted[last - 1]))
			break;
		hide(metrics, sorted[last - 1]);
		show(metrics, sorted[i]);
	}
	metrics->other_groups = count - metrics->shown_count;
}

/* --- histograms, and what is in no group of its own ----------------------------- */

static int add_hists(struct metrics_group *group, const struct report_map *map)
{
	struct hist room;

	for (unsigned i = 0; i < ST_HIST_COUNT; i++) {
		const struct hist *hist = report_hist(map, i, &room);

		if (!hist)
			continue;
		if (!group->hists)
			group->hists = calloc(ST_HIST_COUNT, sizeof(*group->hists));
		if (!group->hists)
			return -ENOMEM;
		hist_merge(&group->hists[i], hist);
	}
	return 0;
}

static void add_other(struct metrics *metrics, const struct report_map *map)
{
	const uint64_t *count = metrics->begun ? map->window.count : map->total;
	struct metrics_group *other = &metrics->other;

	for (unsigned i = 0; i < ST_COUNTER_COUNT; i++)
		other->ended[i] += count[i];
	add_rates(&other->rate, map);
	add_gauges(&other->now, map);
}

static bool unused(const struct metrics_group *group, void *ctx)
{
	(void)ctx;
	return !group->shown && !group->now.maps;
}

/* --- findings and the rest ------------------------------------------------------ */

static int trap_bit(const char *trap)
{
	for (int i = 0; trap_table[i] && i < METRICS_TRAPS_MAX; i++)
		if (strcmp(trap_table[i]->name, trap) == 0)
			return i;
	return -1;
}

static void count_findings(struct metrics *metrics, const struct finding_tally *more)
{
	int bit = trap_bit(more->trap);
	const char *trap = bit < 0 ? "budget" : trap_table[bit]->name;

	for (size_t i = 0; i < metrics->found_count; i++) {
		struct finding_tally *found = &metrics->found[i];

		if (strcmp(found->trap, trap) == 0 && found->severity == more->severity) {
			found->count += more->count;
			return;
		}
	}
	if (metrics->found_count < sizeof(metrics->found) / sizeof(metrics->found[0]))
		metrics->found[metrics->found_count++] = (struct finding_tally){
			.trap = trap, .severity = more->severity, .count = more->count};
}

static void add_finding(struct metrics *metrics, const struct finding *finding, uint64_t now)
{
	const struct finding_tally one = {finding->trap, finding->severity, 1};
	int bit = trap_bit(finding->trap);
	struct metrics_group *group =
		finding->name && finding->comm
			? metrics_find(metrics, finding->pid, finding->comm, finding->name)
			: NULL;

	count_findings(metrics, &one);
	if (bit >= 0 && group && finding_holds(finding, now))
		group->traps |= 1U << bit;
}

static void add_traps_of_other(struct metrics *metrics)
{
	for (size_t i = 0; i < metrics->group_count; i++)
		if (!metrics->groups[i]->shown)
			metrics->other.traps |= metrics->groups[i]->traps;
}

static void set_rest(struct metrics *metrics, const struct report *report)
{
	metrics->version = report->meta->version;
	metrics->start_unix_ns = report->meta->start_unix_ns;
	metrics->windows = report->window_count;
	metrics->events_seen += report->events_seen;
	metrics->processes = 0;
	metrics->slots = report->target_slots;
	for (size_t i = 0; i < report->target_count; i++)
		metrics->processes += !report->targets[i].ended;
	metrics->overhead = report->overhead;
	metrics->loss_count = report->loss_count;
	for (size_t i = 0; i < report->loss_count; i++) {
		memcpy(metrics->losses[i].name, report->losses[i].name,
		       sizeof(metrics->losses[i].name));
		metrics->losses[i].count = report->losses[i].count;
	}
}

/* --- adding a report ------------------------------------------------------------ */

static int first_pass(struct metrics *metrics, const struct report *report,
		      struct metrics_group **of_map)
{
	begin_gauges(&metrics->other);
	for (size_t i = 0; i < metrics->group_count; i++)
		begin_gauges(metrics->groups[i]);
	for (size_t i = 0; i < report->map_count; i++) {
		const struct report_map *map = &report->maps[i];

		of_map[i] = metrics_get(metrics, map->pid, map->comm, map->name);
		if (!of_map[i])
			return -ENOMEM;
		add_map(of_map[i], map);
	}
	return 0;
}

static int second_pass(struct metrics *metrics, const struct report *report,
		       struct metrics_group **of_map)
{
	int err = 0;

	for (size_t i = 0; i < report->map_count && !err; i++) {
		const struct report_map *map = &report->maps[i];
		bool shown = of_map[i]->shown;

		if (!shown)
			add_other(metrics, map);
		err = add_hists(shown ? of_map[i] : &metrics->other, map);
	}
	return err;
}

int metrics_add(struct metrics *metrics, const struct report *report,
		const struct finding *findings, size_t finding_count)
{
	/* One more than needed: malloc(0) may be NULL. The second half is for choose(). */
	size_t room = report->map_count + metrics->group_count + 1;
	struct metrics_group **groups = calloc(2 * room, sizeof(struct metrics_group *));
	int err;

	if (!groups)
		return -ENOMEM;
	err = first_pass(metrics, report, groups);
	metrics->found_count = 0;
	for (size_t i = 0; i < report->forgotten_count; i++)
		count_findings(metrics, &report->forgotten[i]);
	for (size_t i = 0; i < finding_count; i++)
		add_finding(metrics, &findings[i], report->end_ns);
	if (!err) {
		choose(metrics, groups + room);
		err = second_pass(metrics, report, groups);
	}
	add_traps_of_other(metrics);
	set_rest(metrics, report);
	metrics->begun = true;
	metrics_remove(metrics, unused, NULL);
	free(groups);
	return err;
}

static bool process_has_ended(const struct metrics_group *group, void *ctx)
{
	const struct report *report = ctx;

	/* The latest first: there may be many that have ended. */
	for (size_t i = report->target_count; i-- > 0;)
		if (report->targets[i].pid == group->pid && !report->targets[i].ended &&
		    strncmp(report->targets[i].comm, group->comm, METRICS_COMM_MAX) == 0)
			return false;
	return true;
}

void metrics_drop_ended(struct metrics *metrics, const struct report *report)
{
	metrics_remove(metrics, process_has_ended, (void *)(uintptr_t)report);
}
