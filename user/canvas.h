/* SPDX-License-Identifier: MIT */
/*
 * canvas.h - a screen as plain data: rows of cells, each one character and a style. What draws
 * knows no terminal, and what shows it (tui_term.h) knows no map. Pure.
 *
 * Nothing is ever drawn outside: what does not fit is cut, so that no caller asks how large the
 * screen is before each word. All text must be safe already: canvas_name() makes it so.
 */
#ifndef CANVAS_H
#define CANVAS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a cell means; how that looks is the terminal's. Every meaning is also told by text. */
enum canvas_style {
	CANVAS_NORMAL,
	CANVAS_DIM,
	CANVAS_BOLD,
	CANVAS_TITLE, /* a bar across the screen */
	CANVAS_HEAD,  /* head of a table */
	CANVAS_SORTED,
	CANVAS_KEY,
	CANVAS_GOOD,
	CANVAS_NOTICE,
	CANVAS_WARNING,
	CANVAS_ERROR,
	CANVAS_MISSES,
	CANVAS_PROMOTIONS,
	CANVAS_BAR,
	CANVAS_HEAT1, /* from little ... */
	CANVAS_HEAT2,
	CANVAS_HEAT3,
	CANVAS_HEAT4, /* ... to much */
	CANVAS_STYLES
};

#define CANVAS_SELECTED 0x80 /* added to a style */

#define CANVAS_CELL_MAX 12 /* bytes: a character and what combines with it */

struct canvas_cell {
	char text[CANVAS_CELL_MAX]; /* UTF-8, NUL-ended; "" = covered by a wide one on the left */
	uint8_t style;
};

struct canvas {
	int rows, cols;
	bool ascii; /* the terminal shows nothing else */
	struct canvas_cell *cells;
};

/* Larger terminals are used up to here. */
#define CANVAS_ROWS_MAX 500
#define CANVAS_COLS_MAX 1000

/* 0 or -ENOMEM, and then the canvas is as it was. Clears it. */
int canvas_resize(struct canvas *canvas, int rows, int cols);
void canvas_free(struct canvas *canvas);
void canvas_clear(struct canvas *canvas);

/* All return the column behind what they drew, at most `end`. `end` is the first column not used. */
int canvas_put(struct canvas *canvas, int row, int col, int end, unsigned style, const char *text);
int canvas_printf(struct canvas *canvas, int row, int col, int end, unsigned style, const char *fmt,
		  ...) __attribute__((format(printf, 6, 7)));
/* Flush right within col..end; what does not fit is cut on the right. */
int canvas_right(struct canvas *canvas, int row, int col, int end, unsigned style,
		 const char *text);
/* An untrusted name, shortened with ".." if it does not fit. */
int canvas_name(struct canvas *canvas, int row, int col, int end, unsigned style, const char *name);

/* Give the cells of a row this style, or only add CANVAS_SELECTED. */
void canvas_style(struct canvas *canvas, int row, int col, int end, unsigned style);
void canvas_select(struct canvas *canvas, int row, int col, int end);

/*
 * Figures over time, a column each, from the left: unknown is blank, 0 is the lowest, `most` the
 * highest. `rows` high; the lowest row of it is `row`.
 */
void canvas_chart(struct canvas *canvas, int row, int rows, int col, int end, unsigned style,
		  const float *values, size_t count, double most);
/* A bar of which `part` (0..1) is filled. */
void canvas_bar(struct canvas *canvas, int row, int col, int end, unsigned style, double part);
/* A cell of a heatmap: level 0 (nothing) to 4. */
void canvas_heat(struct canvas *canvas, int row, int col, int level);

const struct canvas_cell *canvas_cell(const struct canvas *canvas, int row, int col);
/* The row as text without blanks at its end, for tests: bytes written as snprintf does. */
size_t canvas_row(const struct canvas *canvas, int row, char *dst, size_t dst_size);

#endif
