/* SPDX-License-Identifier: MIT */
/*
 * tui_draw.c - see tui_draw.h: the frame around each screen, and what the screens share. Model:
 * a body that scrolls is drawn from a row above the screen on, where the canvas cuts it; the
 * frame is drawn last, over what the body left there.
 */
#include "tui_draw.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include "finding_text.h"
#include "names.h"
#include "output_text.h"

/* --- words ------------------------------------------------------------------ */

struct tui_number tui_count(double value)
{
	struct tui_number n = {"-"};

	if (!isnan(value))
		memcpy(n.text, text_shorten(value).text, sizeof(n.text));
	return n;
}

struct tui_number tui_time(double ns)
{
	static const char *const units[] = {"ns", "us", "ms", "s"};
	struct tui_number n = {"-"};
	size_t unit = 0;

	if (isnan(ns))
		return n;
	while (ns >= 999.5 && unit < 3) {
		ns /= 1000;
		unit++;
	}
	snprintf(n.text, sizeof(n.text), "%.*f%s", ns < 9.95 && unit > 0 ? 1 : 0, ns, units[unit]);
	return n;
}

struct tui_number tui_percent(double part)
{
	struct tui_number n = {"-"};

	if (!isnan(part))
		snprintf(n.text, sizeof(n.text), "%.1f%%", 100 * part);
	return n;
}

unsigned tui_severity_style(enum finding_severity severity)
{
	static const unsigned styles[] = {CANVAS_NORMAL, CANVAS_NOTICE, CANVAS_WARNING,
					  CANVAS_ERROR};

	return styles[severity];
}

char tui_severity_mark(enum finding_severity severity)
{
	return " +*!"[severity];
}

size_t tui_series(const struct tui_scene *scene, size_t map, enum history_figure figure,
		  size_t count, float *ret_values)
{
	const struct history *history = scene->model->history;
	size_t have = scene->point + 1; /* of none 0 */

	count = count < have ? count : have;
	for (size_t i = 0; i < count; i++)
		ret_values[i] = (float)history_value(history, history_map(history, map), figure,
						     have - count + i);
	return count;
}

int tui_wrapped(struct canvas *canvas, int row, int col, int end, unsigned style, const char *safe)
{
	int at = col;

	while (*safe) {
		char word[FINDING_LINE_MAX];
		size_t len = strcspn(safe, " ");

		snprintf(word, sizeof(word), "%.*s", (int)len, safe);
		if (at > col && at + 1 + (int)name_width(word) > end) {
			row++;
			at = col;
		}
		if (at > col)
			at++;
		at = canvas_put(canvas, row, at, end, style, word);
		safe += len + strspn(safe + len, " ");
	}
	return at > col ? row + 1 : row;
}

int tui_draw_span(const struct tui_scene *scene, int row)
{
	const struct tui_state *state = scene->state;
	const char *window = state->paused ? "of the newest window" : "of the last window";

	canvas_printf(scene->canvas, row, 1, scene->canvas->cols, CANVAS_DIM, "%s; t: %s",
		      state->whole ? "since the attach" : window,
		      state->whole ? window : "since the attach");
	return row + 1;
}

/* --- the frame -------------------------------------------------------------- */

static void put_clock(char dst[16], const struct tui_scene *scene)
{
	time_t seconds = (time_t)(report_unix_ns(&scene->model->meta, scene->ns) / 1000000000ULL);
	struct tm tm;

	localtime_r(&seconds, &tm);
	strftime(dst, 16, "%H:%M:%S", &tm);
}

/* Processes, each once: one that has several programs traced is in the list several times. */
static size_t count_processes(const struct tui_model *model, size_t *ret_ended)
{
	size_t count = 0;

	*ret_ended = 0;
	for (size_t i = 0; i < model->target_count; i++) {
		if (i > 0 && model->target[i].pid == model->target[i - 1].pid)
			continue;
		count++;
		*ret_ended += model->target[i].ended;
	}
	return count;
}

static int put_who(const struct tui_scene *scene, int col, int end)
{
	const struct tui_model *model = scene->model;
	size_t ended, count = count_processes(model, &ended);

	if (count == 0)
		return canvas_put(scene->canvas, 0, col, end, CANVAS_TITLE, "waiting");
	if (count > 1)
		return canvas_printf(scene->canvas, 0, col, end, CANVAS_TITLE, "%zu processes",
				     count);
	col = canvas_name(scene->canvas, 0, col, end, CANVAS_TITLE, model->target[0].comm);
	return canvas_printf(scene->canvas, 0, col, end, CANVAS_TITLE, " %d", model->target[0].pid);
}

static void draw_title(const struct tui_scene *scene)
{
	struct canvas *canvas = scene->canvas;
	const struct tui_state *state = scene->state;
	const struct tui_rows *rows = scene->rows;
	int end = canvas->cols, col, right;
	char clock[16], text[64];

	put_clock(clock, scene);
	for (int i = 0; i < end; i++)
		canvas_put(canvas, 0, i, end, CANVAS_TITLE, " ");
	snprintf(text, sizeof(text), "%s%s ", state->paused ? "PAUSED " : "", clock);
	right = end - (int)strlen(text);
	canvas_right(canvas, 0, 0, end, CANVAS_TITLE, text);
	col = canvas_put(canvas, 0, 1, right, CANVAS_TITLE, "smaptrace  ");
	col = put_who(scene, col, right);
	col = canvas_printf(canvas, 0, col, right, CANVAS_TITLE, "  %zu map%s, %zu active",
			    rows->alive, rows->alive == 1 ? "" : "s", rows->active);
	if (rows->count < rows->alive)
		col = canvas_printf(canvas, 0, col, right, CANVAS_TITLE, ", %zu shown",
				    rows->count);
	canvas_printf(canvas, 0, col, right, CANVAS_TITLE, "  every %g s",
		      scene->model->meta.interval_ms / 1000.0);
}

static void clear_row(struct canvas *canvas, int row)
{
	for (int col = 0; col < canvas->cols; col++)
		canvas_put(canvas, row, col, canvas->cols, CANVAS_NORMAL, " ");
}

/* The worst that was found of a map, else what its next promotion will be. */
static void draw_about(const struct tui_scene *scene, int row)
{
	const struct tui_rows *rows = scene->rows;
	const struct tui_row *selected;
	struct canvas *canvas = scene->canvas;
	int end = canvas->cols, col = 1;
	double rate, debt;

	clear_row(canvas, row);
	if (scene->state->index >= rows->count)
		return;
	selected = &rows->row[scene->state->index];
	col = canvas_name(canvas, row, col, end / 2, CANVAS_BOLD,
			  history_map(scene->model->history, selected->map)->name);
	col = canvas_put(canvas, row, col, end, CANVAS_NORMAL, ": ");
	if (selected->finding) {
		char shape[FINDING_LINE_MAX];

		name_escape(shape, sizeof(shape),
			    selected->finding->shape ? selected->finding->shape : "");
		col = canvas_put(canvas, row, col, end,
				 tui_severity_style(selected->finding->severity),
				 selected->finding->trap);
		col = canvas_put(canvas, row, col, end, CANVAS_NORMAL, shape[0] ? ", " : "");
		canvas_name(canvas, row, col, end, CANVAS_NORMAL, shape);
		return;
	}
	rate = selected->figure[HISTORY_misses];
	debt = selected->figure[HISTORY_miss_debt];
	if (selected->figure[HISTORY_dirty_len] > 0 && rate > 0 && debt >= 0)
		canvas_printf(canvas, row, col, end, CANVAS_NORMAL,
			      "promotion of %s entries in %s, %s misses to go",
			      tui_count(selected->figure[HISTORY_dirty_len]).text,
			      tui_time(1e9 * debt / rate).text, tui_count(debt).text);
	else
		canvas_printf(canvas, row, col, end, CANVAS_NORMAL, "read %s, dirty %s, cost %s",
			      tui_count(selected->figure[HISTORY_read_len]).text,
			      tui_count(selected->figure[HISTORY_dirty_len]).text,
			      tui_percent(selected->figure[HISTORY_cost_share]).text);
}

static int put_losses(const struct tui_scene *scene, int row, int end)
{
	const struct tui_model *model = scene->model;
	int col = 1;

	if (model->lost == 0)
		return canvas_put(scene->canvas, row, col, end, CANVAS_GOOD, "Lost: nothing");
	col = canvas_put(scene->canvas, row, col, end, CANVAS_ERROR, "Lost:");
	for (size_t i = 0; i < model->loss_count; i++)
		if (model->loss[i].count > 0)
			col = canvas_printf(scene->canvas, row, col, end, CANVAS_ERROR, " %.32s %s",
					    model->loss[i].name,
					    tui_count((double)model->loss[i].count).text);
	return col;
}

/* What tracing costs, and what was given up for it. */
static int put_overhead(const struct tui_scene *scene, int row, int col, int end)
{
	const struct report_overhead *overhead = &scene->model->overhead;
	struct canvas *canvas = scene->canvas;

	if (!overhead->known || overhead->share < 0)
		return col;
	col = canvas_printf(canvas, row, col, end,
			    overhead->budget > 0 && overhead->share > overhead->budget
				    ? CANVAS_WARNING
				    : CANVAS_NORMAL,
			    "   overhead %s", tui_percent(overhead->share).text);
	for (size_t i = 0; i < overhead->shed_count; i++) {
		if (overhead->shed[i].until_ns)
			continue;
		col = canvas_printf(canvas, row, col, end, CANVAS_WARNING,
				    overhead->shed[i].period ? ", %s 1 in %u" : ", no %s",
				    overhead->shed[i].step, overhead->shed[i].period);
	}
	return col;
}

static void draw_status(const struct tui_scene *scene, int row)
{
	const struct tui_model *model = scene->model;
	struct canvas *canvas = scene->canvas;
	size_t ended, processes = count_processes(model, &ended);
	int end = canvas->cols, col;

	clear_row(canvas, row);
	if (model->messages > scene->state->seen) {
		const char *message = model->message[(model->messages - 1) % TUI_MESSAGES];

		canvas_name(canvas, row, 1, end, CANVAS_WARNING, message);
		return;
	}
	col = put_losses(scene, row, end);
	col = canvas_printf(canvas, row, col, end, CANVAS_NORMAL, "   %zu process%s", processes,
			    processes == 1 ? "" : "es");
	if (ended)
		col = canvas_printf(canvas, row, col, end, CANVAS_NORMAL, ", %zu ended", ended);
	col = put_overhead(scene, row, col, end);
	if (history_cut(model->history))
		canvas_put(canvas, row, col, end, CANVAS_WARNING, "   too many maps for the view");
}

static int put_key(struct canvas *canvas, int row, int col, const char *key, const char *what)
{
	int end = canvas->cols;

	if (col + (int)name_width(key) + 1 + (int)strlen(what) > end)
		return end;
	col = canvas_put(canvas, row, col, end, CANVAS_KEY, key);
	col = canvas_put(canvas, row, col, end, CANVAS_NORMAL, " ");
	return canvas_put(canvas, row, col, end, CANVAS_NORMAL, what) + 2;
}

static void draw_keys(const struct tui_scene *scene, int row)
{
	static const char *const keys[][12] = {
		[TUI_LIST] = {"?", "help", "q", "quit", "Enter", "open", "s", "sort", "/", "filter",
			      "p"},
		[TUI_MAP] = {"?", "help", "q", "quit", "Esc", "back", "Tab", "next", "[ ]", "map",
			     "p"},
		[TUI_HELP] = {"any key", "back"},
	};
	const struct tui_state *state = scene->state;
	const char *const *key = keys[state->screen];
	int col = 1;

	clear_row(scene->canvas, row);
	if (state->typing) {
		col = canvas_put(scene->canvas, row, col, scene->canvas->cols, CANVAS_KEY,
				 "filter: ");
		col = canvas_name(scene->canvas, row, col, scene->canvas->cols, CANVAS_NORMAL,
				  state->filter);
		canvas_put(scene->canvas, row, col, scene->canvas->cols, CANVAS_TITLE, " ");
		return;
	}
	for (; key[0] && key[1]; key += 2)
		col = put_key(scene->canvas, row, col, key[0], key[1]);
	if (key[0])
		col = put_key(scene->canvas, row, col, key[0], state->paused ? "go on" : "pause");
	if (key[0])
		col = put_key(scene->canvas, row, col, ", .", "in time");
	if (state->screen == TUI_MAP &&
	    (state->tab == TUI_TAB_HISTOGRAMS || state->tab == TUI_TAB_STACKS))
		put_key(scene->canvas, row, col, "t", state->whole ? "window" : "all time");
	if (state->screen == TUI_LIST && state->filter[0])
		canvas_name(scene->canvas, row,
			    canvas_put(scene->canvas, row, col, scene->canvas->cols, CANVAS_KEY,
				       "filter: "),
			    scene->canvas->cols, CANVAS_WARNING, state->filter);
}

/* --- screens ---------------------------------------------------------------- */

/* Title above, three lines below; of a very low terminal only the body is left. */
struct frame {
	int first, end; /* rows of the body */
	bool all;
};

static struct frame frame_of(const struct canvas *canvas)
{
	if (canvas->rows < 8)
		return (struct frame){0, canvas->rows, false};
	return (struct frame){1, canvas->rows - 3, true};
}

static void draw_frame(const struct tui_scene *scene, const struct frame *frame)
{
	if (!frame->all)
		return;
	draw_title(scene);
	draw_about(scene, frame->end);
	draw_status(scene, frame->end + 1);
	draw_keys(scene, frame->end + 2);
}

static void draw_tabs(const struct tui_scene *scene, size_t map, int row)
{
	static const char *const titles[] = {
#define TAB_TITLE(id, title) title,
		TUI_TABS(TAB_TITLE)
#undef TAB_TITLE
	};
	struct canvas *canvas = scene->canvas;
	int end = canvas->cols, col;

	clear_row(canvas, row);
	col = canvas_name(canvas, row, 1, end / 2, CANVAS_BOLD,
			  history_map(scene->model->history, map)->name);
	for (int tab = 0; tab < TUI_TAB_COUNT; tab++)
		col = canvas_printf(canvas, row, col + 2, end,
				    tab == (int)scene->state->tab ? CANVAS_SORTED : CANVAS_NORMAL,
				    tab == (int)scene->state->tab ? "[%d %s]" : " %d %s ", tab + 1,
				    titles[tab]);
	clear_row(canvas, row + 1);
}

static int draw_tab(const struct tui_scene *scene, size_t map, int row, int rows)
{
	switch (scene->state->tab) {
	case TUI_TAB_OVERVIEW:
		return tui_draw_map(scene, map, row);
	case TUI_TAB_HISTOGRAMS:
		return tui_draw_histograms(scene, map, row);
	case TUI_TAB_HEATMAP:
		return tui_draw_heatmap(scene, map, row, rows);
	case TUI_TAB_FINDINGS:
		return tui_draw_findings(scene, map, row);
	case TUI_TAB_STACKS:
		return tui_draw_stacks(scene, map, row);
	case TUI_TAB_COUNT:
		break;
	}
	return row;
}

/* Draws the body from above the screen on, and tells how much further it goes. */
static void draw_scrolled(const struct tui_scene *scene, size_t map, int first, int end)
{
	struct tui_state *state = scene->state;
	int start = first - (int)state->scroll, height, rows = end - first;

	if (state->screen == TUI_HELP)
		height = tui_draw_help(scene, start) - start;
	else
		height = draw_tab(scene, map, start, rows) - start;
	state->page = rows > 1 ? (size_t)rows : 1;
	state->scroll_max = height > rows ? (size_t)(height - rows) : 0;
	if (state->scroll > state->scroll_max)
		state->scroll = state->scroll_max;
}

static void draw_map_screen(const struct tui_scene *scene, const struct frame *frame)
{
	const struct tui_state *state = scene->state;
	size_t map = tui_model_find(scene->model, state->pid, state->addr, state->id);
	int head = frame->all ? 2 : 0;

	if (map == SIZE_MAX || scene->point == SIZE_MAX) {
		canvas_put(scene->canvas, frame->first, 1, scene->canvas->cols, CANVAS_NORMAL,
			   "This map has gone. Esc: back to the list.");
		return;
	}
	draw_scrolled(scene, map, frame->first + head, frame->end);
	if (head)
		draw_tabs(scene, map, frame->first);
}

void tui_draw(struct canvas *canvas, const struct tui_model *model, struct tui_state *state,
	      const struct tui_rows *rows)
{
	const struct tui_query query = tui_state_query(state, model);
	const struct frame frame = frame_of(canvas);
	struct tui_scene scene = {.canvas = canvas,
				  .model = model,
				  .state = state,
				  .rows = rows,
				  .point = query.point,
				  .ns = model->end_ns};

	if (query.point != SIZE_MAX)
		scene.ns = history_point(model->history, query.point)->end_ns;
	canvas_clear(canvas);
	if (state->screen == TUI_LIST)
		tui_draw_list(&scene, frame.first, frame.end);
	else if (state->screen == TUI_MAP)
		draw_map_screen(&scene, &frame);
	else
		draw_scrolled(&scene, 0, frame.first, frame.end);
	draw_frame(&scene, &frame);
}
