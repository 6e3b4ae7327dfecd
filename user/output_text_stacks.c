/* SPDX-License-Identifier: MIT */
/*
 * output_text_stacks.c - call stacks for people. Model: a paragraph for each kind, in it the
 * dearest stacks with their share of the kind's cost, each from the function that called the
 * map outwards; what the library does inside is left out.
 */
#include "output_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "names.h"

#define COLUMNS 80

/* A text that is safe already, in at most so many columns. */
static void put_cut(struct sink *sink, const char *safe, size_t columns)
{
	char part[STACK_TEXT_MAX];
	size_t len = strlen(safe);

	if (len >= sizeof(part))
		len = sizeof(part) - 1;
	memcpy(part, safe, len);
	part[len] = '\0';
	if (name_width(part) <= columns) {
		sink_puts(sink, part);
		return;
	}
	while (len && name_width(part) > columns - 2) {
		do
			len--;
		while (len && ((unsigned char)part[len] & 0xc0) == 0x80);
		part[len] = '\0';
	}
	sink_puts(sink, part);
	sink_puts(sink, "..");
}

static void put_frames(struct sink *sink, const struct stack *stack, size_t most)
{
	size_t first = stack_caller(stack), i;
	char text[STACK_TEXT_MAX];

	if (!stack->frame_count) {
		sink_puts(sink, "        [none taken, or not to be had]\n");
		return;
	}
	if (first == stack->frame_count)
		first = 0;
	for (i = first; i < stack->frame_count && i < first + most; i++) {
		stack_frame_text(text, sizeof(text), stack->frame[i]);
		sink_puts(sink, "        ");
		put_cut(sink, text, COLUMNS - 8);
		sink_puts(sink, "\n");
	}
	if (i < stack->frame_count)
		sink_printf(sink, "        and %zu more frame%s\n", stack->frame_count - i,
			    stack->frame_count - i == 1 ? "" : "s");
	else if (stack->cut)
		sink_puts(sink, "        and further out, more\n");
}

static void put_time(struct sink *sink, uint64_t ns)
{
	if (ns)
		sink_printf(sink, ", %s ms", text_shorten((double)ns / 1e6).text);
}

static void put_kind(struct sink *sink, const struct stack_cost *costs, size_t count, size_t stacks,
		     size_t frames)
{
	uint64_t events = 0, ns = 0;

	for (size_t i = 0; i < count; i++) {
		events += costs[i].count;
		ns += costs[i].ns;
	}
	sink_printf(sink, "\n  %s: %" PRIu64, stack_kind_title(costs[0].kind), events);
	put_time(sink, ns);
	sink_printf(sink, ", from %zu stack%s\n", count, count == 1 ? "" : "s");
	for (size_t i = 0; i < count && i < stacks; i++) {
		double share = ns ? (double)costs[i].ns / (double)ns
				  : (double)costs[i].count / (double)events;

		sink_printf(sink, "  %5.1f %%  %s%" PRIu64, 100 * share,
			    costs[i].estimate ? "~" : "", costs[i].count);
		put_time(sink, costs[i].ns);
		sink_puts(sink, "\n");
		put_frames(sink, costs[i].stack, frames);
	}
	if (count > stacks)
		sink_printf(sink, "  and %zu more stack%s\n", count - stacks,
			    count - stacks == 1 ? "" : "s");
}

void text_put_stacks(struct sink *sink, const struct report_map *map, size_t stacks, size_t frames)
{
	if (!map->stack_count)
		return;
	sink_puts(sink, "\nstacks of ");
	text_put_name(sink, map->name, 40);
	sink_printf(sink, " (pid %d); ~ is an estimate\n", map->pid);
	for (size_t i = 0; i < map->stack_count;) {
		size_t end = i;

		while (end < map->stack_count && map->stacks[end].kind == map->stacks[i].kind)
			end++;
		put_kind(sink, &map->stacks[i], end - i, stacks, frames);
		i = end;
	}
}
