/* SPDX-License-Identifier: MIT */
/* tui_view.h - a terminal view of windows made by hand, for its tests: keys go in, text comes out. */
#ifndef TUI_VIEW_H
#define TUI_VIEW_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "feed.h"
#include "tui_draw.h"

/* A view of a feed. */
struct view {
	struct feed *feed;
	struct tui_model *model;
	struct tui_state state;
	struct tui_rows rows;
	struct canvas canvas;
	struct report_target target;
	char text[1 << 16];
};

static inline struct view *begin(int rows, int cols)
{
	struct view *view = calloc(1, sizeof(*view));

	assert_non_null(view);
	view->feed = feed_new();
	view->target = (struct report_target){.pid = 1, .comm = "respd", .file = "/bin/respd"};
	view->feed->report.targets = &view->target;
	view->feed->report.target_count = 1;
	assert_int_equal(tui_model_create(&view->model, &meta, false), 0);
	assert_int_equal(canvas_resize(&view->canvas, rows, cols), 0);
	tui_state_init(&view->state);
	return view;
}

static inline void end(struct view *view)
{
	canvas_free(&view->canvas);
	tui_rows_free(&view->rows);
	tui_model_free(view->model);
	feed_free(view->feed);
	free(view);
}

static inline void make_rows(struct view *view)
{
	const struct tui_query query = tui_state_query(&view->state, view->model);

	assert_int_equal(tui_rows_make(&view->rows, view->model, &query), 0);
	tui_state_settle(&view->state, &view->rows);
}

static inline void window(struct view *view)
{
	assert_int_equal(tui_model_add(view->model, feed_window(view->feed, SECOND)), 0);
	view->feed->report.map_count = 0;
	make_rows(view);
}

static inline enum tui_action key(struct view *view, unsigned code)
{
	enum tui_action action;

	make_rows(view);
	action = tui_state_key(&view->state, view->model, &view->rows, code);
	make_rows(view);
	return action;
}

static inline void type(struct view *view, const char *text)
{
	for (; *text; text++)
		key(view, (unsigned char)*text);
}

/* The screen as text, drawn anew; every byte of it can be shown. */
static inline const char *screen(struct view *view)
{
	size_t len = 0;

	make_rows(view);
	tui_draw(&view->canvas, view->model, &view->state, &view->rows);
	for (int row = 0; row < view->canvas.rows; row++) {
		len += canvas_row(&view->canvas, row, view->text + len, sizeof(view->text) - len);
		view->text[len++] = '\n';
	}
	view->text[len] = '\0';
	for (const char *c = view->text; *c; c++) {
		assert_true(*c == '\n' || ((unsigned char)*c >= 0x20 && *c != 0x7f));
		assert_true(!view->canvas.ascii || !(*c & 0x80));
	}
	return view->text;
}

#define SHOWS(view, what)                                                                          \
	do {                                                                                       \
		if (!strstr(screen(view), what))                                                   \
			fail_msg("no '%s' in:\n%s", what, (view)->text);                           \
	} while (0)
#define HIDES(view, what)                                                                          \
	do {                                                                                       \
		if (strstr(screen(view), what))                                                    \
			fail_msg("'%s' in:\n%s", what, (view)->text);                              \
	} while (0)

/* The addresses of all rows, as "16 17 18". */
static inline const char *order(struct view *view)
{
	size_t len = 0;

	view->text[0] = '\0';
	for (size_t i = 0; i < view->rows.count; i++)
		len += (size_t)sprintf(view->text + len, "%s%d", i > 0 ? " " : "",
				       (int)view->rows.row[i].addr);
	return view->text;
}

/* Three maps whose figures have three different orders. */
static inline void three(struct view *view, uint64_t misses16)
{
	struct report_map *map = feed_map(view->feed, 1, 16, 0, misses16);

	map->name = "sessions";
	map->now = (struct model_gauges){
		.threshold = 100, .miss_count = 75, .dirty_len = 50, .read_len = 1000};
	map->miss_debt = 25;
	map->window.count[ST_COUNTER_promotions] = 2;
	map = feed_map(view->feed, 1, 17, 0, 20);
	map->name = "routes";
	map->now.backlog = 5;
	map->window.count[ST_COUNTER_promotions] = 3;
	hist_add(hist_of(view->feed, map, ST_HIST_lock_wait), 5000);
	map = feed_map(view->feed, 2, 18, 0, 0);
	map->name = "Tokens";
	map->comm = "authd";
	map->now.backlog = 9;
	map->cost_share = 0.5;
	window(view);
}

#endif
