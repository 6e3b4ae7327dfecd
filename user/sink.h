/* SPDX-License-Identifier: MIT */
/*
 * sink.h - where an output puts its bytes. Remembers the first write error and
 * writes nothing after it, so that outputs need no error handling of their own
 * and no error is lost: ask sink_flush() or sink_close() once, at the end.
 */
#ifndef SINK_H
#define SINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct sink {
	FILE *file;
	int err;    /* first error, -errno; 0 = none */
	bool owned; /* close the file with the sink */
};

/* path NULL or "-" is stdout. A new file is readable by its owner only. 0 or -errno. */
int sink_open(struct sink *sink, const char *path);
/* On a stream of the caller's, which stays open. */
void sink_init(struct sink *sink, FILE *file);

/* Into memory, which grows: a text that has to be had whole. */
struct sink_memory {
	struct sink sink; /* write here */
	char *text;
	size_t len;
};
int sink_memory_open(struct sink_memory *memory); /* 0 or -errno */
/*
 * The text, ended by a 0 that is not in *ret_len (which may be NULL), to be freed; or NULL, and
 * sink.err says why.
 */
char *sink_memory_close(struct sink_memory *memory, size_t *ret_len);

void sink_write(struct sink *sink, const void *data, size_t len);
void sink_puts(struct sink *sink, const char *text);
void sink_printf(struct sink *sink, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* `count` times `c`. */
void sink_fill(struct sink *sink, char c, size_t count);

/* Whether a person reads along. */
bool sink_is_terminal(const struct sink *sink);

/* Both return the first error of the sink's life, or 0. */
int sink_flush(struct sink *sink);
int sink_close(struct sink *sink);

#endif
