/* SPDX-License-Identifier: MIT */
/*
 * tui_draw_map.c - the screen of one map: figures over time, the histograms, the heatmap of
 * promotions. Model: charts are as wide as the screen and end at the moment that is shown; text
 * of unbounded length (histograms) scrolls.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "names.h"
#include "output_text.h"
#include "tui_draw.h"
#include "words.h"

#define LEFT 1
#define CHART_LEFT 12 /* room for a number */

/* --- overview --------------------------------------------------------------- */

struct chart {
	enum history_figure figure;
	const char *title;
	unsigned style;
	int rows;
	struct tui_number (*number)(double value);
};

static const struct chart charts[] = {
	{HISTORY_misses, "misses/s", CANVAS_MISSES, 3, tui_count},
	{HISTORY_promotions, "promotions/s", CANVAS_PROMOTIONS, 2, tui_count},
	{HISTORY_lock_wait_p99, "lock wait P99", CANVAS_WARNING, 2, tui_time},
	{HISTORY_backlog, "backlog", CANVAS_NOTICE, 2, tui_count},
};

static int draw_chart(const struct tui_scene *scene, size_t map, const struct chart *chart, int row)
{
	struct canvas *canvas = scene->canvas;
	float values[TUI_SERIES_MAX], most = 0, now = NAN;
	int width = canvas->cols - LEFT - CHART_LEFT;
	size_t count;

	if (width < 1)
		return row;
	count = tui_series(scene, map, chart->figure, (size_t)width, values);
	for (size_t i = 0; i < count; i++)
		most = values[i] > most ? values[i] : most;
	if (count > 0)
		now = values[count - 1];
	canvas_printf(canvas, row, LEFT, canvas->cols, CANVAS_BOLD, "%s", chart->title);
	canvas_printf(canvas, row + 1, LEFT, LEFT + CHART_LEFT, CANVAS_NORMAL, " now %s",
		      chart->number(now).text);
	if (chart->rows > 2)
		canvas_printf(canvas, row + 2, LEFT, LEFT + CHART_LEFT, CANVAS_DIM, " top %s",
			      chart->number(most).text);
	canvas_chart(canvas, row + chart->rows - 1, chart->rows, canvas->cols - (int)count,
		     canvas->cols, chart->style, values, count, most);
	return row + chart->rows;
}

static int draw_debt_line(const struct tui_scene *scene, size_t map, int row)
{
	const struct history *history = scene->model->history;
	const struct history_map *from = history_map(history, map);
	struct tui_row figures = {0};
	struct canvas *canvas = scene->canvas;
	double part;
	int col;

	for (int i = 0; i < HISTORY_FIGURE_COUNT; i++)
		figures.figure[i] =
			(float)history_value(history, from, (enum history_figure)i, scene->point);
	part = tui_row_debt(&figures);
	canvas_put(canvas, row, LEFT, canvas->cols, CANVAS_BOLD, "miss debt");
	col = LEFT + CHART_LEFT;
	if (isnan(part))
		canvas_put(canvas, row, col, canvas->cols, CANVAS_DIM, "- nothing waits in dirty");
	else
		canvas_bar(canvas, row, col, col + 20, CANVAS_BAR, part);
	if (!isnan(part))
		canvas_printf(canvas, row, col + 21, canvas->cols, CANVAS_NORMAL,
			      "%s of %s misses to go; then dirty %s joins read %s",
			      tui_count(figures.figure[HISTORY_miss_debt]).text,
			      tui_count(figures.figure[HISTORY_threshold]).text,
			      tui_count(figures.figure[HISTORY_dirty_len]).text,
			      tui_count(figures.figure[HISTORY_read_len]).text);
	canvas_printf(canvas, row + 1, LEFT, canvas->cols, CANVAS_NORMAL,
		      "read %s, dirty %s, backlog %s, cost share %s",
		      tui_count(figures.figure[HISTORY_read_len]).text,
		      tui_count(figures.figure[HISTORY_dirty_len]).text,
		      tui_count(figures.figure[HISTORY_backlog]).text,
		      tui_percent(figures.figure[HISTORY_cost_share]).text);
	return row + 2;
}

static int draw_totals(const struct tui_scene *scene, const struct tui_detail *detail, int row)
{
	struct canvas *canvas = scene->canvas;

	canvas_printf(canvas, row++, LEFT, canvas->cols, CANVAS_BOLD, "%-12s %20s %20s",
		      scene->state->paused ? "newest totals" : "totals", "since attach",
		      "lifetime");
	for (unsigned i = 0; i < ST_COUNTER_COUNT; i++)
		canvas_printf(canvas, row++, LEFT, canvas->cols, CANVAS_NORMAL,
			      "%-12s %20" PRIu64 " %20" PRIu64, counter_names[i], detail->traced[i],
			      detail->total[i]);
	return row;
}

int tui_draw_map(const struct tui_scene *scene, size_t map, int row)
{
	const struct history_map *from = history_map(scene->model->history, map);
	const struct tui_detail *detail = scene->model->detail[map];
	struct canvas *canvas = scene->canvas;
	int col;

	col = canvas_name(canvas, row, LEFT, canvas->cols, CANVAS_NORMAL, from->comm);
	canvas_printf(canvas, row++, col, canvas->cols, CANVAS_NORMAL,
		      " %d, map 0x%" PRIx64 ", %s keys, policy %s%s", from->pid, from->addr,
		      detail->key_kind ? detail->key_kind : "?",
		      detail->policy ? detail->policy : "?", from->alive ? "" : ", ended");
	row = draw_debt_line(scene, map, row);
	for (size_t i = 0; i < sizeof(charts) / sizeof(charts[0]); i++)
		row = draw_chart(scene, map, &charts[i], row);
	return draw_totals(scene, detail, row + 1);
}

/* --- histograms ------------------------------------------------------------- */

static int draw_slot(struct canvas *canvas, int row, const struct hist *hist, unsigned slot,
		     uint64_t most, bool time)
{
	char high[24] = "...", range[64];
	uint64_t count = hist->slots[slot];
	int bar = LEFT + 38;

	if (time) {
		if (slot < SMAP_HIST_SLOTS - 1)
			snprintf(high, sizeof(high), "%s",
				 tui_time((double)hist_high(slot) + 1).text);
		snprintf(range, sizeof(range), "%8s .. %-8s", tui_time((double)hist_low(slot)).text,
			 high);
	} else {
		if (slot < SMAP_HIST_SLOTS - 1)
			snprintf(high, sizeof(high), "%" PRIu64, hist_high(slot));
		snprintf(range, sizeof(range), "%8" PRIu64 " .. %-8s", hist_low(slot), high);
	}
	canvas_printf(canvas, row, LEFT, canvas->cols, CANVAS_NORMAL, " %s %12" PRIu64, range,
		      count);
	if (count > 0 && canvas->cols > bar) {
		int width = canvas->cols - bar - 1;
		int fill = (int)((double)count / (double)most * width + 0.999);

		canvas_bar(canvas, row, bar, bar + fill, CANVAS_BAR,
			   (double)count / (double)most * width / fill);
	}
	return row + 1;
}

static int draw_hist(const struct tui_scene *scene, unsigned which, const struct hist *hist,
		     bool sample, int row)
{
	unsigned first = 0, used = hist_used_slots(hist);
	uint64_t count = hist_count(hist), most = 0;
	bool time = strcmp(hist_info[which].unit, "ns") == 0;
	struct tui_number (*number)(double) = time ? tui_time : tui_count;
	struct canvas *canvas = scene->canvas;

	for (unsigned i = 0; i < used; i++)
		most = hist->slots[i] > most ? hist->slots[i] : most;
	while (hist->slots[first] == 0)
		first++;
	canvas_printf(canvas, row++, LEFT, canvas->cols, CANVAS_BOLD, "%s (%s)",
		      hist_info[which].title, hist_info[which].unit);
	canvas_printf(canvas, row++, LEFT, canvas->cols, CANVAS_NORMAL,
		      " %" PRIu64 " value%s%s, average %s, P50 ~%s, P99 ~%s", count,
		      count == 1 ? "" : "s", sample ? ", a sample" : "",
		      number((double)hist->sum / (double)count).text,
		      number((double)hist_percentile(hist, 50)).text,
		      number((double)hist_percentile(hist, 99)).text);
	for (unsigned i = first; i < used; i++)
		row = draw_slot(canvas, row, hist, i, most, time);
	return row + 1;
}

int tui_draw_histograms(const struct tui_scene *scene, size_t map, int row)
{
	const struct tui_detail *detail = scene->model->detail[map];
	const struct tui_state *state = scene->state;
	struct canvas *canvas = scene->canvas;
	bool any = false;

	row = tui_draw_span(scene, row);
	for (unsigned i = 0; detail->window && i < ST_HIST_COUNT; i++) {
		const struct hist *hist = &detail->window[state->whole ? ST_HIST_COUNT + i : i];

		if (hist_used_slots(hist) == 0)
			continue;
		row = draw_hist(scene, i, hist, detail->estimated & 1U << i, row);
		any = true;
	}
	if (!any)
		canvas_put(canvas, row++, LEFT, canvas->cols, CANVAS_NORMAL,
			   state->whole ? "Nothing has been measured so far."
					: "Nothing was measured in this window.");
	return row;
}
