/* SPDX-License-Identifier: MIT */
/*
 * json_stack.c - see json_stack.h. Model: what is not known is left out, so that a reader
 * need not tell "" from a name.
 */
#include "json_stack.h"

#include "json_sink.h"
#include "names.h"
#include "record.h"

static void set_text(json_t *object, const char *key, const char *bytes)
{
	char text[3 * RECORD_PATH_LEN];

	if (!bytes[0])
		return;
	name_utf8(text, sizeof(text), bytes);
	json_object_set_new(object, key, json_string(text));
}

static json_t *frame_json(const struct stack_frame *frame)
{
	json_t *object = json_object();

	set_text(object, "function", frame->function);
	set_text(object, "module", frame->module);
	json_object_set_new(object, "offset", json_addr(frame->offset));
	set_text(object, "build_id", frame->build_id);
	set_text(object, "file", frame->file);
	if (frame->line)
		json_object_set_new(object, "line", json_integer(frame->line));
	if (frame->inlined)
		json_object_set_new(object, "inlined", json_true());
	return object;
}

json_t *json_stack(const struct stack_cost *cost)
{
	json_t *object = json_object(), *frames = json_array();

	json_object_set_new(object, "kind", json_string(stack_kind_name(cost->kind)));
	json_object_set_new(object, "count", json_u64(cost->count));
	json_object_set_new(object, "ns", json_u64(cost->ns));
	json_object_set_new(object, "estimate", json_boolean(cost->estimate));
	if (cost->stack->cut)
		json_object_set_new(object, "cut", json_true());
	for (size_t i = 0; i < cost->stack->frame_count; i++)
		json_array_append_new(frames, frame_json(cost->stack->frame[i]));
	json_object_set_new(object, "frames", frames);
	return object;
}

json_t *json_stacks(const struct stack_cost *costs, size_t count, size_t most_of_kind)
{
	json_t *array = json_array();

	for (size_t i = 0, of_kind = 0; i < count; i++) {
		of_kind = i && costs[i].kind == costs[i - 1].kind ? of_kind + 1 : 0;
		if (of_kind < most_of_kind)
			json_array_append_new(array, json_stack(&costs[i]));
	}
	return array;
}
