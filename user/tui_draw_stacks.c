/* SPDX-License-Identifier: MIT */
/*
 * tui_draw_stacks.c - the call stacks of a map: by kind, the dearest first, each as a line of
 * its frames, the innermost first. Model: few per map (TUI_STACKS_MAX), so they are put in
 * order while they are drawn.
 */
#include "tui_draw.h"

#define TEXT_LEFT 15

/* Time, then number. */
static bool dearer(const struct tui_stack *a, const struct tui_stack *b, bool whole)
{
	uint64_t a_ns = whole ? a->sum_ns : a->ns, b_ns = whole ? b->sum_ns : b->ns;

	if (a_ns != b_ns)
		return a_ns > b_ns;
	return whole ? a->sum_count > b->sum_count : a->count > b->count;
}

static int draw_stack(const struct tui_scene *scene, const struct tui_stack *stack, int row)
{
	bool whole = scene->state->whole;
	uint64_t ns = whole ? stack->sum_ns : stack->ns;
	struct canvas *canvas = scene->canvas;

	canvas_printf(canvas, row, 1, canvas->cols, CANVAS_NORMAL, "%s%5s %5s",
		      stack->estimate ? "~" : " ",
		      tui_count((double)(whole ? stack->sum_count : stack->count)).text,
		      ns ? tui_time((double)ns).text : "");
	return tui_wrapped(canvas, row, TEXT_LEFT, canvas->cols - 1, CANVAS_NORMAL, stack->text);
}

static int draw_kind(const struct tui_scene *scene, const struct tui_detail *detail,
		     enum st_stack_kind kind, int row)
{
	const struct tui_stack *order[TUI_STACKS_MAX];
	bool whole = scene->state->whole;
	size_t count = 0;

	for (size_t i = 0; i < detail->stack_count; i++) {
		const struct tui_stack *stack = &detail->stack[i];
		size_t at = count;

		if (stack->kind != kind || (!whole && stack->count == 0))
			continue;
		for (; at > 0 && dearer(stack, order[at - 1], whole); at--)
			order[at] = order[at - 1];
		order[at] = stack;
		count++;
	}
	if (count == 0)
		return row;
	canvas_put(scene->canvas, row++, 1, scene->canvas->cols, CANVAS_BOLD,
		   stack_kind_title(kind));
	for (size_t i = 0; i < count; i++)
		row = draw_stack(scene, order[i], row);
	return row + 1;
}

int tui_draw_stacks(const struct tui_scene *scene, size_t map, int row)
{
	const struct tui_detail *detail = scene->model->detail[map];
	struct canvas *canvas = scene->canvas;
	int first;

	row = tui_draw_span(scene, row);
	first = row;
	for (int kind = 0; kind < ST_STACK_COUNT; kind++)
		row = draw_kind(scene, detail, (enum st_stack_kind)kind, row);
	if (row > first)
		return row;
	return tui_wrapped(canvas, row, 1, canvas->cols, CANVAS_NORMAL,
			   detail->stack_count ? "No stack in this window."
					       : "No stacks: --stacks takes them.");
}
