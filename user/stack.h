/* SPDX-License-Identifier: MIT */
/*
 * stack.h - call stacks as the model keeps them and reports show them: immutable plain
 * data, valid as long as the model. All names are untrusted bytes: use names.h, or the
 * functions below, whose text is safe.
 */
#ifndef STACK_H
#define STACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "../bpf/smaptrace.h"

struct stack_frame {
	uint32_t id;	      /* dense index: the same place is the same frame in all stacks */
	bool inlined;	      /* its code is in the function of the next frame outwards */
	unsigned line;	      /* 0 = not known */
	uint64_t offset;      /* link-time address in the module */
	const char *function; /* "" = no symbol covers the address */
	const char *module;   /* path, or "[...]" */
	const char *file;     /* source; "" = not known */
	const char *build_id; /* hexadecimal; "" = none */
};

struct stack {
	uint32_t id;	    /* dense index */
	uint32_t target;    /* where it was met first */
	bool cut;	    /* further frames on the outside were left out */
	size_t frame_count; /* 0: stands for all stacks that could not be had or kept */
	const struct stack_frame *frame[]; /* the innermost first */
};

/* What happened at one stack, in one map. */
struct stack_cost {
	enum st_stack_kind kind;
	uint64_t count;
	uint64_t ns;   /* 0 = not known of this kind */
	bool estimate; /* of samples that stand for more than themselves */
	const struct stack *stack;
};

/* Join key, and words for people. */
const char *stack_kind_name(enum st_stack_kind kind);
const char *stack_kind_title(enum st_stack_kind kind);

/* The dearer first: time, then number; then always the same order. */
int stack_compare(const struct stack_cost *a, const struct stack_cost *b);

/* Room for any frame as text. */
#define STACK_TEXT_MAX 2560

/* These return the bytes written, as snprintf does, cut to dst_size - 1. */
/* "lookup", "server+0x1f2e": never a control character, always valid UTF-8. */
size_t stack_frame_name(char *dst, size_t dst_size, const struct stack_frame *frame);
/* "lookup (store.c:42)", "lookup (server)", with " inlined". */
size_t stack_frame_text(char *dst, size_t dst_size, const struct stack_frame *frame);
/*
 * "lookup < serve < main": at most so many frames. Frames of the library that stand
 * between the event and its caller are left out.
 */
size_t stack_line(char *dst, size_t dst_size, const struct stack *stack, size_t most);

/* The last part of a path. */
const char *stack_base_name(const char *path);

/* The first frame outside the library; frame_count when there is none. */
size_t stack_caller(const struct stack *stack);

#endif
