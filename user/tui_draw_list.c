/* SPDX-License-Identifier: MIT */
/*
 * tui_draw_list.c - the list of maps. Model: a table of columns, each with the least width that
 * makes sense, a good one, and the most it can use. Those that do not fit even at their least are
 * left out, the least important first; what is left of the screen makes the others wider, a cell
 * each in turn. Only rows on the screen are drawn.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "tui_draw.h"

struct cell {
	const struct tui_scene *scene;
	const struct tui_row *row;
	int at, col, end; /* row of the canvas, columns */
};

struct column {
	enum tui_sort sort;
	const char *head;
	int least, good, most;
	int rank; /* the highest goes first */
	void (*draw)(const struct cell *cell);
};

#define GAP 1
#define GUTTER 1       /* for the mark of a finding */
#define NUMBER_WIDTH 5 /* what text_shorten() needs */
#define RANK_EXTRA 8

static void draw_pid(const struct cell *cell)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", cell->row->pid);
	canvas_right(cell->scene->canvas, cell->at, cell->col, cell->end, CANVAS_NORMAL, text);
}

static void draw_name(const struct cell *cell)
{
	canvas_name(cell->scene->canvas, cell->at, cell->col, cell->end,
		    cell->row->finding ? CANVAS_BOLD : CANVAS_NORMAL,
		    history_map(cell->scene->model->history, cell->row->map)->name);
}

static void draw_rate(const struct cell *cell, enum history_figure figure, unsigned style)
{
	float values[TUI_SERIES_MAX], most = 0;
	int from = cell->col + NUMBER_WIDTH + GAP, width = cell->end - from;
	size_t count;

	canvas_right(cell->scene->canvas, cell->at, cell->col, cell->col + NUMBER_WIDTH,
		     CANVAS_NORMAL, tui_count(cell->row->figure[figure]).text);
	if (width <= 0)
		return;
	count = tui_series(cell->scene, cell->row->map, figure, (size_t)width, values);
	for (size_t i = 0; i < count; i++)
		most = values[i] > most ? values[i] : most;
	canvas_chart(cell->scene->canvas, cell->at, 1, cell->end - (int)count, cell->end, style,
		     values, count, most);
}

static void draw_misses(const struct cell *cell)
{
	draw_rate(cell, HISTORY_misses, CANVAS_MISSES);
}

static void draw_promotions(const struct cell *cell)
{
	draw_rate(cell, HISTORY_promotions, CANVAS_PROMOTIONS);
}

static void draw_debt(const struct cell *cell)
{
	double part = tui_row_debt(cell->row);

	if (isnan(part))
		canvas_put(cell->scene->canvas, cell->at, cell->col, cell->end, CANVAS_DIM, "-");
	else
		canvas_bar(cell->scene->canvas, cell->at, cell->col, cell->end, CANVAS_BAR, part);
}

static void draw_wait(const struct cell *cell)
{
	const float *figure = cell->row->figure;
	char text[40];

	if (isnan(figure[HISTORY_lock_wait_p50])) {
		canvas_right(cell->scene->canvas, cell->at, cell->col, cell->end, CANVAS_DIM, "-");
		return;
	}
	snprintf(text, sizeof(text), "%s/%s", tui_time(figure[HISTORY_lock_wait_p50]).text,
		 tui_time(figure[HISTORY_lock_wait_p99]).text);
	canvas_right(cell->scene->canvas, cell->at, cell->col, cell->end, CANVAS_NORMAL, text);
}

static void draw_backlog(const struct cell *cell)
{
	canvas_right(cell->scene->canvas, cell->at, cell->col, cell->end, CANVAS_NORMAL,
		     tui_count(cell->row->figure[HISTORY_backlog]).text);
}

static void draw_cost(const struct cell *cell)
{
	canvas_right(cell->scene->canvas, cell->at, cell->col, cell->end, CANVAS_NORMAL,
		     tui_percent(cell->row->figure[HISTORY_cost_share]).text);
}

static void draw_verdict(const struct cell *cell)
{
	const struct finding *finding = cell->row->finding;
	unsigned style = finding	     ? tui_severity_style(finding->severity)
			 : cell->row->active ? CANVAS_GOOD
					     : CANVAS_DIM;

	canvas_name(cell->scene->canvas, cell->at, cell->col, cell->end, style,
		    tui_row_verdict(cell->row));
}

static const struct column columns[] = {
	{TUI_SORT_PID, "PID", 7, 7, 7, 6, draw_pid},
	{TUI_SORT_NAME, "MAP", 8, 11, 40, 0, draw_name},
	{TUI_SORT_MISSES, "MISS/s", 6, 12, 46, 1, draw_misses},
	{TUI_SORT_PROMOTIONS, "PROM/s", 6, 11, 36, 3, draw_promotions},
	{TUI_SORT_DEBT, "DEBT", 5, 7, 20, 7, draw_debt},
	{TUI_SORT_WAIT, "WAIT P50/99", 11, 11, 11, 4, draw_wait},
	{TUI_SORT_BACKLOG, "BACKLG", 6, 6, 7, 5, draw_backlog},
	{TUI_SORT_COST, "COST", 6, 6, 6, RANK_EXTRA, draw_cost},
	{TUI_SORT_VERDICT, "VERDICT", 10, 16, 16, 2, draw_verdict},
};

#define COLUMN_COUNT (sizeof(columns) / sizeof(columns[0]))

/* --- widths ----------------------------------------------------------------- */

static bool many_processes(const struct tui_model *model)
{
	for (size_t i = 1; i < model->target_count; i++)
		if (model->target[i].pid != model->target[0].pid)
			return true;
	return false;
}

static int sum(const int width[COLUMN_COUNT])
{
	int total = GUTTER;

	for (size_t i = 0; i < COLUMN_COUNT; i++)
		total += width[i] ? width[i] + GAP : 0;
	return total - GAP;
}

/* The shown column with the highest rank, to be left out. */
static size_t least_important(const int width[COLUMN_COUNT])
{
	size_t found = 0;
	int rank = -1;

	for (size_t i = 0; i < COLUMN_COUNT; i++) {
		if (width[i] && columns[i].rank > rank) {
			rank = columns[i].rank;
			found = i;
		}
	}
	return found;
}

/* A cell more for each column in turn, up to its good or its greatest width. */
static void widen(int width[COLUMN_COUNT], int cols, bool good)
{
	bool any = true;

	while (any && sum(width) < cols) {
		any = false;
		for (size_t i = 0; i < COLUMN_COUNT && sum(width) < cols; i++) {
			int to = good ? columns[i].good : columns[i].most;

			if (width[i] && width[i] < to) {
				width[i]++;
				any = true;
			}
		}
	}
}

/* 0 = the column is not shown. */
static void fit(int width[COLUMN_COUNT], int cols, bool pids)
{
	for (size_t i = 0; i < COLUMN_COUNT; i++)
		width[i] = columns[i].good;
	if (!pids)
		width[0] = 0;
	/* What can be had on the screen of a map is not shown at the cost of the others. */
	for (size_t i = 0; i < COLUMN_COUNT; i++)
		if (width[i] && columns[i].rank == RANK_EXTRA && sum(width) > cols)
			width[i] = 0;
	for (size_t i = 0; i < COLUMN_COUNT; i++)
		width[i] = width[i] ? columns[i].least : 0;
	while (sum(width) > cols && least_important(width) != 1) /* the name stays */
		width[least_important(width)] = 0;
	widen(width, cols, true);
	widen(width, cols, false);
}

/* --- the table -------------------------------------------------------------- */

static void draw_head(const struct tui_scene *scene, int at, const int width[COLUMN_COUNT])
{
	struct canvas *canvas = scene->canvas;
	bool reverse = scene->state->reverse;
	int col = GUTTER;

	for (int i = 0; i < canvas->cols; i++)
		canvas_put(canvas, at, i, canvas->cols, CANVAS_HEAD, " ");
	for (size_t i = 0; i < COLUMN_COUNT; i++) {
		bool sorted = columns[i].sort == scene->state->sort;
		unsigned style = sorted ? CANVAS_SORTED : CANVAS_HEAD;
		bool right = columns[i].least == columns[i].good && i > 0; /* as its cells */
		int end = col + width[i];

		if (!width[i])
			continue;
		if (sorted)
			canvas_style(canvas, at, col, end, style);
		if (right)
			canvas_right(canvas, at, col, end, style, columns[i].head);
		else
			canvas_put(canvas, at, col, end, style, columns[i].head);
		if (sorted && (int)strlen(columns[i].head) < width[i])
			canvas_put(canvas, at, right ? col : end - 1, end, style,
				   canvas->ascii ? (reverse ? "^" : "v")
						 : (reverse ? "\u25b2" : "\u25bc"));
		col = end + GAP;
	}
}

static void draw_row(const struct tui_scene *scene, int at, const int width[COLUMN_COUNT],
		     const struct tui_row *row)
{
	int col = GUTTER;
	char mark[2] = "";

	if (row->finding) {
		mark[0] = tui_severity_mark(row->finding->severity);
		canvas_put(scene->canvas, at, 0, GUTTER, tui_severity_style(row->finding->severity),
			   mark);
	}
	for (size_t i = 0; i < COLUMN_COUNT; i++) {
		struct cell cell = {scene, row, at, col, col + width[i]};

		if (!width[i])
			continue;
		columns[i].draw(&cell);
		col = cell.end + GAP;
	}
}

static void draw_nothing(const struct tui_scene *scene, int at)
{
	const char *why = "No map matches. Esc shows all.";

	if (scene->point == SIZE_MAX)
		why = "Attached. The first window comes when its interval is over.";
	else if (scene->rows->alive == 0)
		why = "No map yet: no traced process has a libsmap map.";
	tui_wrapped(scene->canvas, at, 1, scene->canvas->cols, CANVAS_NORMAL, why);
}

void tui_draw_list(const struct tui_scene *scene, int row, int end_row)
{
	const struct tui_rows *rows = scene->rows;
	struct tui_state *state = scene->state;
	size_t page = end_row - row > 1 ? (size_t)(end_row - row - 1) : 0;
	int width[COLUMN_COUNT];

	state->page = page ? page : 1;
	fit(width, scene->canvas->cols, many_processes(scene->model));
	draw_head(scene, row, width);
	if (rows->count == 0)
		draw_nothing(scene, row + 2);
	/* The screen may have become lower than when the rows were settled. */
	if (state->index >= state->top + state->page)
		state->top = state->index + 1 - state->page;
	for (size_t i = 0; i < page && state->top + i < rows->count; i++) {
		int at = row + 1 + (int)i;

		draw_row(scene, at, width, &rows->row[state->top + i]);
		if (state->top + i == state->index)
			canvas_select(scene->canvas, at, 0, scene->canvas->cols);
	}
}
