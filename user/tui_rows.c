/* SPDX-License-Identifier: MIT */
/*
 * tui_rows.c - see tui_rows.h. Model: one pass over the maps takes their figures of the moment,
 * one over the findings puts the worst to its map, then what the query does not want is left
 * out and the rest sorted. Equal rows keep the order of the history, so that rows do not dance.
 */
#include "tui_rows.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void tui_rows_free(struct tui_rows *rows)
{
	free(rows->row);
	*rows = (struct tui_rows){0};
}

static bool positive(const struct tui_row *row, enum history_figure figure)
{
	return row->figure[figure] > 0;
}

/* A map that has a figure of this moment lived then. */
static bool fill_row(struct tui_row *row, const struct history *history, size_t map, size_t point)
{
	const struct history_map *from = history_map(history, map);
	bool lived = false;

	*row = (struct tui_row){
		.map = map,
		.pid = from->pid,
		.addr = from->addr,
		.id = from->id,
		.ended = !from->alive,
	};
	for (int figure = 0; figure < HISTORY_FIGURE_COUNT; figure++) {
		row->figure[figure] =
			(float)history_value(history, from, (enum history_figure)figure, point);
		lived |= !isnan(row->figure[figure]);
	}
	/* Further figures: then it lived on. */
	if (row->ended && point + 1 < history_points(history))
		row->ended = isnan(history_value(history, from, HISTORY_misses, point + 1));
	row->active = positive(row, HISTORY_misses) || positive(row, HISTORY_promotions) ||
		      positive(row, HISTORY_copied);
	return lived;
}

/* rows->row[i] is the map i here: nothing has been left out yet. */
static void fill_findings(struct tui_rows *rows, const struct tui_model *model, uint64_t ns)
{
	for (size_t i = 0; i < model->finding_count; i++) {
		const struct finding *finding = model->finding[i];
		struct tui_row *row;
		size_t map;

		if (!finding_holds(finding, ns))
			continue;
		map = tui_model_find(model, finding->pid, finding->addr, finding->id);
		if (map >= rows->count)
			continue;
		row = &rows->row[map];
		if (!row->finding || finding->severity > row->finding->severity)
			row->finding = finding;
	}
}

/* --- filter ----------------------------------------------------------------- */

static bool wanted(const struct tui_row *row, const struct tui_model *model,
		   const struct tui_query *query)
{
	const struct history_map *map = history_map(model->history, row->map);
	char pid[16];

	if (query->only_active && !row->active && !row->finding)
		return false;
	if (query->only_found && !row->finding)
		return false;
	if (!query->filter[0])
		return true;
	snprintf(pid, sizeof(pid), "%d", row->pid);
	return strcasestr(map->name, query->filter) || strcasestr(map->comm, query->filter) ||
	       strcmp(pid, query->filter) == 0 ||
	       (row->finding && strcasestr(row->finding->trap, query->filter));
}

/* --- sort ------------------------------------------------------------------- */

struct order {
	const struct tui_model *model;
	const struct tui_query *query;
};

/* Larger first; unknown last. */
static int larger(double a, double b)
{
	a = isnan(a) ? -1 : a;
	b = isnan(b) ? -1 : b;
	return a > b ? -1 : a < b;
}

static double activity(const struct tui_row *row)
{
	static const enum history_figure parts[] = {HISTORY_misses, HISTORY_promotions,
						    HISTORY_copied};
	double sum = 0;

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		sum += positive(row, parts[i]) ? row->figure[parts[i]] : 0;
	return sum;
}

static int severity(const struct tui_row *row)
{
	return row->finding ? (int)row->finding->severity : 0;
}

static int compare_by(enum tui_sort sort, const struct tui_row *a, const struct tui_row *b,
		      const struct tui_model *model)
{
	switch (sort) {
	case TUI_SORT_PID:
		return a->pid < b->pid ? -1 : a->pid > b->pid;
	case TUI_SORT_NAME:
		return strcmp(history_map(model->history, a->map)->name,
			      history_map(model->history, b->map)->name);
	case TUI_SORT_MISSES:
		return larger(a->figure[HISTORY_misses], b->figure[HISTORY_misses]);
	case TUI_SORT_PROMOTIONS:
		return larger(a->figure[HISTORY_promotions], b->figure[HISTORY_promotions]);
	case TUI_SORT_DEBT:
		return larger(tui_row_debt(a), tui_row_debt(b));
	case TUI_SORT_WAIT:
		return larger(a->figure[HISTORY_lock_wait_p99], b->figure[HISTORY_lock_wait_p99]);
	case TUI_SORT_BACKLOG:
		return larger(a->figure[HISTORY_backlog], b->figure[HISTORY_backlog]);
	case TUI_SORT_COST:
		return larger(a->figure[HISTORY_cost_share], b->figure[HISTORY_cost_share]);
	case TUI_SORT_VERDICT:
	case TUI_SORT_COUNT:
		break;
	}
	if (severity(a) != severity(b))
		return severity(a) > severity(b) ? -1 : 1;
	return larger(activity(a), activity(b));
}

static int compare_rows(const void *left, const void *right, void *ctx)
{
	const struct tui_row *a = left, *b = right;
	const struct order *order = ctx;
	int result = compare_by(order->query->sort, a, b, order->model);

	if (result == 0)
		return a->map < b->map ? -1 : a->map > b->map;
	return order->query->reverse ? -result : result;
}

/* --- all -------------------------------------------------------------------- */

static int make_room(struct tui_rows *rows, size_t count)
{
	struct tui_row *row;

	if (count <= rows->room)
		return 0;
	row = realloc(rows->row, count * sizeof(*row));
	if (!row)
		return -ENOMEM;
	rows->row = row;
	rows->room = count;
	return 0;
}

int tui_rows_make(struct tui_rows *rows, const struct tui_model *model,
		  const struct tui_query *query)
{
	size_t maps = history_map_count(model->history), kept = 0;
	struct order order = {.model = model, .query = query};
	uint64_t ns;

	rows->count = rows->alive = rows->active = 0;
	if (query->point >= history_points(model->history))
		return 0;
	if (make_room(rows, maps))
		return -ENOMEM;
	ns = history_point(model->history, query->point)->end_ns;
	rows->count = maps;
	for (size_t i = 0; i < maps; i++)
		/* A map that did not live is marked by its number. */
		if (!fill_row(&rows->row[i], model->history, i, query->point))
			rows->row[i].map = SIZE_MAX;
	fill_findings(rows, model, ns);
	for (size_t i = 0; i < maps; i++) {
		const struct tui_row *row = &rows->row[i];

		if (row->map == SIZE_MAX)
			continue;
		rows->alive++;
		rows->active += row->active;
		if (wanted(row, model, query))
			rows->row[kept++] = *row;
	}
	rows->count = kept;
	if (kept > 1)
		qsort_r(rows->row, kept, sizeof(*rows->row), compare_rows, &order);
	return 0;
}

const char *tui_row_verdict(const struct tui_row *row)
{
	if (row->finding)
		return row->finding->trap;
	if (row->ended)
		return "ended";
	return row->active ? "ok" : "idle";
}

double tui_row_debt(const struct tui_row *row)
{
	double threshold = row->figure[HISTORY_threshold], debt = row->figure[HISTORY_miss_debt];

	if (!(threshold > 0) || !(row->figure[HISTORY_dirty_len] > 0) || isnan(debt))
		return NAN;
	return 1 - fmin(debt / threshold, 1);
}
