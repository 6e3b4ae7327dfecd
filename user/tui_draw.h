/* SPDX-License-Identifier: MIT */
/*
 * tui_draw.h - the terminal view on a canvas. Pure: a screen is a function of model, state and
 * rows, and a test reads it as text.
 *
 *	title     who is traced, how many maps, the moment
 *	body      of the list, of a map's screen, or of help
 *	about     the selected map in words
 *	status    what was lost, processes; or the latest message
 *	keys
 */
#ifndef TUI_DRAW_H
#define TUI_DRAW_H

#include "canvas.h"
#include "tui_model.h"
#include "tui_rows.h"
#include "tui_state.h"

/* Draws it all. Tells the state how much fits (page, scroll_max). */
void tui_draw(struct canvas *canvas, const struct tui_model *model, struct tui_state *state,
	      const struct tui_rows *rows);

/* --- what the parts share ----------------------------------------------------- */

/* One drawing. */
struct tui_scene {
	struct canvas *canvas;
	const struct tui_model *model;
	struct tui_state *state;
	const struct tui_rows *rows;
	size_t point; /* the moment; SIZE_MAX = nothing yet */
	uint64_t ns;  /* its end */
};

struct tui_number {
	char text[16];
};

struct tui_number tui_count(double value);  /* "-" if not known, else as text_shorten() */
struct tui_number tui_time(double ns);	    /* at most five characters: 12ns 1.2us 345ms 12s */
struct tui_number tui_percent(double part); /* "12.3%" */
unsigned tui_severity_style(enum finding_severity severity);
char tui_severity_mark(enum finding_severity severity); /* says without colour what it is */

/* The figures of the last `count` points up to the moment, the newest last: how many there are. */
#define TUI_SERIES_MAX CANVAS_COLS_MAX
size_t tui_series(const struct tui_scene *scene, size_t map, enum history_figure figure,
		  size_t count, float *ret_values);

/* Words of a safe text from `col` on, broken between words; returns the next free row. */
int tui_wrapped(struct canvas *canvas, int row, int col, int end, unsigned style, const char *safe);

/* Of which time histograms and stacks are, and how to change that; returns the next row. */
int tui_draw_span(const struct tui_scene *scene, int row);

/* Bodies. Those that scroll draw from `row` on, also above the screen, and return the next row. */
void tui_draw_list(const struct tui_scene *scene, int row, int end_row);
int tui_draw_map(const struct tui_scene *scene, size_t map, int row);
int tui_draw_findings(const struct tui_scene *scene, size_t map, int row);
int tui_draw_heatmap(const struct tui_scene *scene, size_t map, int row, int rows);
int tui_draw_histograms(const struct tui_scene *scene, size_t map, int row);
int tui_draw_stacks(const struct tui_scene *scene, size_t map, int row);
int tui_draw_help(const struct tui_scene *scene, int row);

#endif
