/* SPDX-License-Identifier: MIT */
/*
 * output_folded.c - collapsed stacks: one line for each, for flame graphs.
 *
 *	process;map;kind;outermost frame;...;innermost frame number
 *
 * Only the end is written. The number is of events; time is in the other formats. What readers
 * of the format split at, and control characters, are escaped in names.
 */
#include "output.h"

#include <inttypes.h>
#include <string.h>
#include "names.h"

/* A text that is safe but for the separator. */
static void put_safe(struct sink *sink, const char *safe)
{
	for (const char *at = safe; *at; at++) {
		if (*at == ';')
			sink_puts(sink, "\\x3b");
		else
			sink_write(sink, at, 1);
	}
}

static void put_name(struct sink *sink, const char *name)
{
	char safe[NAME_ESCAPED_MAX];

	name_escape(safe, sizeof(safe), name[0] ? name : "-");
	put_safe(sink, safe);
	sink_puts(sink, ";");
}

static void put_stack(struct sink *sink, const struct report_map *map,
		      const struct stack_cost *cost)
{
	const struct stack *stack = cost->stack;

	put_name(sink, map->comm);
	put_name(sink, map->name);
	sink_puts(sink, stack_kind_name(cost->kind));
	if (!stack->frame_count)
		sink_puts(sink, ";[no stack]");
	if (stack->cut)
		sink_puts(sink, ";[cut]");
	for (size_t i = stack->frame_count; i-- > 0;) {
		char text[STACK_TEXT_MAX];

		stack_frame_name(text, sizeof(text), stack->frame[i]);
		sink_puts(sink, ";");
		put_safe(sink, text);
	}
	sink_printf(sink, " %" PRIu64 "\n", cost->count);
}

static int folded_report(struct sink *sink, const struct report *report)
{
	for (size_t i = 0; report->kind == REPORT_END && i < report->map_count; i++)
		for (size_t s = 0; s < report->maps[i].stack_count; s++)
			put_stack(sink, &report->maps[i], &report->maps[i].stacks[s]);
	return 0;
}

const struct output output_folded = {
	.name = "folded",
	.help = "collapsed stacks, for flame graphs",
	.suffix = "folded",
	.stacks = true,
	.report = folded_report,
};
