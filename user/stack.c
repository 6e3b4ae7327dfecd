/* SPDX-License-Identifier: MIT */
/*
 * stack.c - see stack.h. Model: text of frames is made here and nowhere else, so that every
 * output calls the same place the same; names go through names.h.
 */
#include "stack.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "names.h"

static const struct {
	const char *name, *title;
} kinds[ST_STACK_COUNT] = {
#define KIND_ENTRY(name, title) {#name, title},
	ST_STACKS(KIND_ENTRY)
#undef KIND_ENTRY
};

const char *stack_kind_name(enum st_stack_kind kind)
{
	return (unsigned)kind < ST_STACK_COUNT ? kinds[kind].name : "unknown";
}

const char *stack_kind_title(enum st_stack_kind kind)
{
	return (unsigned)kind < ST_STACK_COUNT ? kinds[kind].title : "unknown";
}

int stack_compare(const struct stack_cost *a, const struct stack_cost *b)
{
	if (a->ns != b->ns)
		return a->ns > b->ns ? -1 : 1;
	if (a->count != b->count)
		return a->count > b->count ? -1 : 1;
	if (a->kind != b->kind)
		return a->kind < b->kind ? -1 : 1;
	return a->stack->id < b->stack->id ? -1 : a->stack->id > b->stack->id;
}

const char *stack_base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash[1] ? slash + 1 : path;
}

static size_t cut(int len, size_t dst_size)
{
	return len < 0 ? 0 : (size_t)len < dst_size ? (size_t)len : dst_size ? dst_size - 1 : 0;
}

size_t stack_frame_name(char *dst, size_t dst_size, const struct stack_frame *frame)
{
	char module[STACK_TEXT_MAX / 2];

	if (frame->function[0])
		return name_escape(dst, dst_size, frame->function);
	name_escape(module, sizeof(module), stack_base_name(frame->module));
	return cut(snprintf(dst, dst_size, "%s+0x%" PRIx64, module, frame->offset), dst_size);
}

size_t stack_frame_text(char *dst, size_t dst_size, const struct stack_frame *frame)
{
	char where[STACK_TEXT_MAX / 2], line[16] = "";
	const char *inlined = frame->inlined ? " inlined" : "";
	size_t len = stack_frame_name(dst, dst_size, frame);

	if (!frame->function[0])
		return len;
	if (frame->file[0] && frame->line)
		snprintf(line, sizeof(line), ":%u", frame->line);
	name_escape(where, sizeof(where),
		    stack_base_name(frame->file[0] ? frame->file : frame->module));
	return len + cut(snprintf(dst + len, dst_size - len, "%s (%s%s)", inlined, where, line),
			 dst_size - len);
}

static bool begins(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* By function, source file or shared object: whichever is known. */
static bool of_library(const struct stack_frame *frame)
{
	const char *file = stack_base_name(frame->file);

	return begins(frame->function, "smap_") || begins(file, "smap_") ||
	       strcmp(file, "smap.c") == 0 || begins(stack_base_name(frame->module), "libsmap.so");
}

size_t stack_caller(const struct stack *stack)
{
	size_t i = 0;

	while (i < stack->frame_count && of_library(stack->frame[i]))
		i++;
	return i;
}

size_t stack_line(char *dst, size_t dst_size, const struct stack *stack, size_t most)
{
	size_t first = stack_caller(stack), len = 0;

	if (dst_size)
		dst[0] = '\0';
	if (first >= stack->frame_count)
		first = 0;
	for (size_t i = first; i < stack->frame_count && i < first + most; i++) {
		char text[STACK_TEXT_MAX];

		stack_frame_text(text, sizeof(text), stack->frame[i]);
		if (len + strlen(text) + 4 > dst_size)
			break;
		len += cut(
			snprintf(dst + len, dst_size - len, "%s%s", i > first ? " < " : "", text),
			dst_size - len);
	}
	return len;
}
