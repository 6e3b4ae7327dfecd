/* SPDX-License-Identifier: MIT */
/*
 * tui_draw_heat.c - promotions of one map over time, by how many entries became read. Model: a
 * column is a point of the history, a row a power of two; how dark a cell is, the logarithm
 * of how many promotions fell there. Small promotions that never end (a cascade), and one large
 * one now and then, look different at a glance.
 */
#include <math.h>
#include <stdio.h>
#include "hist.h"
#include "tui_draw.h"

#define LABELS 14 /* columns for the sizes */

struct heat {
	size_t first, count; /* points */
	unsigned low, high;  /* slots in use, the second not included */
	uint32_t most;
	uint64_t promotions;
};

static struct heat measure(const struct tui_scene *scene, const struct history_map *map, int width)
{
	struct heat heat = {.low = HISTORY_SIZE_SLOTS};

	heat.count = scene->point + 1;
	if (heat.count > (size_t)width)
		heat.count = (size_t)width;
	heat.first = scene->point + 1 - heat.count;
	for (size_t i = 0; i < heat.count; i++) {
		const uint32_t *sizes = history_sizes(scene->model->history, map, heat.first + i);

		for (unsigned slot = 0; sizes && slot < HISTORY_SIZE_SLOTS; slot++) {
			if (sizes[slot] == 0)
				continue;
			heat.promotions += sizes[slot];
			heat.most = sizes[slot] > heat.most ? sizes[slot] : heat.most;
			heat.low = slot < heat.low ? slot : heat.low;
			heat.high = slot + 1 > heat.high ? slot + 1 : heat.high;
		}
	}
	return heat;
}

static int level(uint32_t count, uint32_t most)
{
	if (count == 0)
		return 0;
	if (most <= 1)
		return 4;
	return 1 + (int)(3 * log((double)count) / log((double)most) + 0.5);
}

static void draw_label(struct canvas *canvas, int row, unsigned slot)
{
	char text[40];

	if (slot == HISTORY_SIZE_SLOTS - 1)
		snprintf(text, sizeof(text), "%s ..", tui_count((double)hist_low(slot)).text);
	else
		snprintf(text, sizeof(text), "%s..%s", tui_count((double)hist_low(slot)).text,
			 tui_count((double)hist_high(slot)).text);
	canvas_right(canvas, row, 1, LABELS - 1, CANVAS_NORMAL, text);
}

static void draw_cells(const struct tui_scene *scene, const struct history_map *map,
		       const struct heat *heat, unsigned slot, int row)
{
	int col = scene->canvas->cols - (int)heat->count;

	for (size_t i = 0; i < heat->count; i++) {
		const uint32_t *sizes = history_sizes(scene->model->history, map, heat->first + i);

		if (sizes)
			canvas_heat(scene->canvas, row, col + (int)i,
				    level(sizes[slot], heat->most));
	}
}

static int draw_legend(const struct tui_scene *scene, const struct heat *heat, int row)
{
	struct canvas *canvas = scene->canvas;
	const struct history *history = scene->model->history;
	uint64_t ns = history_point(history, scene->point)->end_ns -
		      history_point(history, heat->first)->start_ns;
	int col = LABELS;

	canvas_printf(canvas, row, canvas->cols - (int)heat->count, canvas->cols, CANVAS_DIM, "-%s",
		      tui_time((double)ns).text);
	canvas_right(canvas, row, canvas->cols - 4, canvas->cols, CANVAS_DIM, "now");
	row++;
	col = canvas_printf(canvas, row, 1, canvas->cols, CANVAS_NORMAL, "per cell: ");
	for (int i = 1; i <= 4; i++) {
		double from = i == 1 ? 1 : pow(heat->most, (i - 1.5) / 3);

		canvas_heat(canvas, row, col, i);
		col = canvas_printf(canvas, row, col + 1, canvas->cols, CANVAS_NORMAL, " %s%s  ",
				    tui_count(floor(from + 0.5)).text, i == 4 ? " and more" : "");
	}
	return row + 1;
}

int tui_draw_heatmap(const struct tui_scene *scene, size_t map, int row, int rows)
{
	const struct history_map *from = history_map(scene->model->history, map);
	struct canvas *canvas = scene->canvas;
	int width = canvas->cols - LABELS;
	struct heat heat;

	if (width < 1)
		return row;
	heat = measure(scene, from, width);
	canvas_printf(canvas, row++, 1, canvas->cols, CANVAS_BOLD,
		      "promotions by size (entries), over time");
	if (heat.promotions == 0) {
		canvas_put(canvas, row++, 1, canvas->cols, CANVAS_NORMAL,
			   "No promotion in this time.");
		return row;
	}
	/* Empty sizes around those in use, when there is room: they say that nothing was there. */
	while (rows > 4 && (int)(heat.high - heat.low) < rows - 4 &&
	       (heat.high < HISTORY_SIZE_SLOTS || heat.low > 0)) {
		if (heat.high < HISTORY_SIZE_SLOTS)
			heat.high++;
		if (heat.low > 0 && (int)(heat.high - heat.low) < rows - 4)
			heat.low--;
	}
	for (unsigned slot = heat.high; slot-- > heat.low;) {
		draw_label(canvas, row, slot);
		draw_cells(scene, from, &heat, slot, row++);
	}
	return draw_legend(scene, &heat, row);
}
