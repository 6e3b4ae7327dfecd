/* SPDX-License-Identifier: MIT */
/*
 * canvas.c - see canvas.h. Model: text is cut into characters once, here; a wide character
 * takes two cells of which the second is empty, one without width joins the cell before.
 * Blocks of Unicode have a substitute each for terminals that only know ASCII.
 */
#include "canvas.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "names.h"

/* Eighths of a cell from the bottom, and from the left. */
static const char *const levels[] = {" ",      "\u2581", "\u2582", "\u2583", "\u2584",
				     "\u2585", "\u2586", "\u2587", "\u2588"};
static const char *const ascii_levels[] = {" ", "_", ".", ":", "-", "=", "+", "*", "#"};
static const char *const parts[] = {" ",      "\u258f", "\u258e", "\u258d", "\u258c",
				    "\u258b", "\u258a", "\u2589", "\u2588"};
static const char *const shades[] = {" ", "\u2591", "\u2592", "\u2593", "\u2588"};
static const char *const ascii_shades[] = {" ", ".", "+", "*", "#"};

int canvas_resize(struct canvas *canvas, int rows, int cols)
{
	struct canvas_cell *cells;

	rows = rows < 1 ? 1 : rows > CANVAS_ROWS_MAX ? CANVAS_ROWS_MAX : rows;
	cols = cols < 1 ? 1 : cols > CANVAS_COLS_MAX ? CANVAS_COLS_MAX : cols;
	cells = calloc((size_t)rows * (size_t)cols, sizeof(*cells));
	if (!cells)
		return -ENOMEM;
	free(canvas->cells);
	canvas->cells = cells;
	canvas->rows = rows;
	canvas->cols = cols;
	canvas_clear(canvas);
	return 0;
}

void canvas_free(struct canvas *canvas)
{
	free(canvas->cells);
	canvas->cells = NULL;
	canvas->rows = canvas->cols = 0;
}

static struct canvas_cell *at(struct canvas *canvas, int row, int col)
{
	return &canvas->cells[(size_t)row * (size_t)canvas->cols + (size_t)col];
}

static void set(struct canvas_cell *cell, unsigned style, const char *text, size_t len)
{
	memcpy(cell->text, text, len);
	cell->text[len] = '\0';
	cell->style = (uint8_t)style;
}

void canvas_clear(struct canvas *canvas)
{
	for (int row = 0; row < canvas->rows; row++)
		for (int col = 0; col < canvas->cols; col++)
			set(at(canvas, row, col), CANVAS_NORMAL, " ", 1);
}

/* The first column that may not be used, within the canvas; 0 = none may. */
static int limit(const struct canvas *canvas, int row, int col, int end)
{
	if (row < 0 || row >= canvas->rows || col < 0)
		return 0;
	return end < canvas->cols ? end : canvas->cols;
}

static size_t char_bytes(const char *text)
{
	size_t len = 1;

	while (((unsigned char)text[len] & 0xc0) == 0x80)
		len++;
	return len;
}

/* What combines with the character before it. */
static void join(struct canvas_cell *cell, const char *text, size_t len)
{
	size_t used = strlen(cell->text);

	if (used > 0 && used + len < CANVAS_CELL_MAX) {
		memcpy(cell->text + used, text, len);
		cell->text[used + len] = '\0';
	}
}

int canvas_put(struct canvas *canvas, int row, int col, int end, unsigned style, const char *text)
{
	int start = col;

	end = limit(canvas, row, col, end);
	while (*text && col <= end) {
		char one[CANVAS_CELL_MAX];
		size_t len = char_bytes(text);
		int width;

		if (len >= sizeof(one)) /* no character is that long */
			break;
		memcpy(one, text, len);
		one[len] = '\0';
		width = (int)name_width(one);
		text += len;
		if (width == 0) {
			if (col > start)
				join(at(canvas, row, col - 1), one, len);
			continue;
		}
		if (col + width > end)
			break;
		set(at(canvas, row, col), style, one, len);
		if (width == 2)
			set(at(canvas, row, col + 1), style, "", 0);
		col += width;
	}
	return col;
}

int canvas_printf(struct canvas *canvas, int row, int col, int end, unsigned style, const char *fmt,
		  ...)
{
	char text[CANVAS_COLS_MAX];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	return canvas_put(canvas, row, col, end, style, text);
}

int canvas_right(struct canvas *canvas, int row, int col, int end, unsigned style, const char *text)
{
	int width = (int)name_width(text);

	end = limit(canvas, row, col, end);
	if (end - width > col)
		col = end - width;
	return canvas_put(canvas, row, col, end, style, text);
}

/* Safe text for a terminal that knows no UTF-8: its other bytes as \xNN. */
static void only_ascii(char *dst, size_t dst_size, const char *src)
{
	size_t out = 0;

	for (; *src && out + 5 <= dst_size; src++) {
		if ((unsigned char)*src < 0x80)
			dst[out++] = *src;
		else
			out += (size_t)snprintf(dst + out, 5, "\\x%02x", (unsigned char)*src);
	}
	dst[out] = '\0';
}

int canvas_name(struct canvas *canvas, int row, int col, int end, unsigned style, const char *name)
{
	char text[2 * NAME_ESCAPED_MAX], ascii[4 * sizeof(text)];
	int room = limit(canvas, row, col, end) - col;

	if (room <= 0)
		return col;
	if (!canvas->ascii) {
		name_fit(text, sizeof(text), name, (size_t)room);
		return canvas_put(canvas, row, col, end, style, text);
	}
	name_escape(text, sizeof(text), name);
	only_ascii(ascii, sizeof(ascii), text);
	if (strlen(ascii) > (size_t)room && room >= 2)
		memcpy(ascii + room - 2, "..", 3);
	return canvas_put(canvas, row, col, end, style, ascii);
}

void canvas_style(struct canvas *canvas, int row, int col, int end, unsigned style)
{
	end = limit(canvas, row, col, end);
	for (; col < end; col++)
		at(canvas, row, col)->style = (uint8_t)style;
}

void canvas_select(struct canvas *canvas, int row, int col, int end)
{
	end = limit(canvas, row, col, end);
	for (; col < end; col++)
		at(canvas, row, col)->style |= CANVAS_SELECTED;
}

/* --- pictures --------------------------------------------------------------- */

/* Eighths of `value` in a chart of `rows`: what is not 0 shows, and so does 0. */
static int eighths(double value, double most, int rows)
{
	double part = most > 0 ? value / most : 0;
	int all = 8 * rows, high;

	if (part > 1)
		part = 1;
	high = (int)(part * all + 0.5);
	return value > 0 && high < 2 ? 2 : high < 1 ? 1 : high;
}

void canvas_chart(struct canvas *canvas, int row, int rows, int col, int end, unsigned style,
		  const float *values, size_t count, double most)
{
	const char *const *blocks = canvas->ascii ? ascii_levels : levels;

	for (size_t i = 0; i < count && col < end; i++, col++) {
		int high = isnan(values[i]) ? 0 : eighths(values[i], most, rows);
		unsigned look = values[i] > 0 ? style : CANVAS_DIM;

		for (int up = 0; up < rows && high > 0; up++, high -= 8)
			canvas_put(canvas, row - up, col, end, look, blocks[high < 8 ? high : 8]);
	}
}

void canvas_bar(struct canvas *canvas, int row, int col, int end, unsigned style, double part)
{
	int width = limit(canvas, row, col, end) - col, fill;

	if (width <= 0)
		return;
	part = part < 0 || isnan(part) ? 0 : part > 1 ? 1 : part;
	fill = (int)(part * width * 8 + 0.5);
	for (int i = 0; i < width; i++, fill -= 8) {
		int here = fill < 0 ? 0 : fill > 8 ? 8 : fill;

		if (here == 0)
			canvas_put(canvas, row, col + i, end, CANVAS_DIM,
				   canvas->ascii ? "." : "\u00b7");
		else
			canvas_put(canvas, row, col + i, end, style,
				   canvas->ascii ? "#" : parts[here]);
	}
}

void canvas_heat(struct canvas *canvas, int row, int col, int level)
{
	const char *const *marks = canvas->ascii ? ascii_shades : shades;

	if (level > 4)
		level = 4;
	if (level > 0)
		canvas_put(canvas, row, col, col + 1, CANVAS_HEAT1 + (unsigned)level - 1,
			   marks[level]);
}

/* --- reading ---------------------------------------------------------------- */

const struct canvas_cell *canvas_cell(const struct canvas *canvas, int row, int col)
{
	return &canvas->cells[(size_t)row * (size_t)canvas->cols + (size_t)col];
}

size_t canvas_row(const struct canvas *canvas, int row, char *dst, size_t dst_size)
{
	size_t out = 0;

	for (int col = 0; col < canvas->cols; col++) {
		const char *text = canvas_cell(canvas, row, col)->text;
		size_t len = strlen(text);

		if (out + len >= dst_size)
			break;
		memcpy(dst + out, text, len);
		out += len;
	}
	while (out > 0 && dst[out - 1] == ' ')
		out--;
	dst[out] = '\0';
	return out;
}
