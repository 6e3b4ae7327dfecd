/* SPDX-License-Identifier: MIT */
/*
 * buf.h - a queue of bytes: appended at the end, consumed at the start.
 *
 *	data |... consumed ...|##### used #####|... free ...| cap
 *	                    start             end
 *
 * An append that fails (no memory, or over the limit) sets `failed` and drops the
 * bytes: replies are built without a check after each piece, and the connection is
 * closed at the end, for its stream has a hole.
 */
#ifndef BUF_H
#define BUF_H

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct buf {
	char *data;
	size_t start, end, cap;
	size_t limit; /* most bytes in use; 0 = none */
	bool failed;
};

#define BUF_MIN 4096
#define BUF_KEEP (256 * 1024) /* an empty buffer larger than this is given back */

static inline size_t buf_used(const struct buf *buf)
{
	return buf->end - buf->start;
}

static inline char *buf_head(const struct buf *buf)
{
	return buf->data + buf->start;
}

/* Room for len bytes behind the end. Moves the bytes: pointers into them are void. */
static inline bool buf_reserve(struct buf *buf, size_t len)
{
	size_t used = buf_used(buf);
	size_t cap = buf->cap ? buf->cap : BUF_MIN;
	char *data;

	if (buf->cap - buf->end >= len)
		return true;
	if (buf->limit && (used > buf->limit || len > buf->limit - used)) {
		buf->failed = true;
		return false;
	}
	if (used)
		memmove(buf->data, buf_head(buf), used);
	buf->start = 0;
	buf->end = used;
	while (cap - used < len)
		cap *= 2;
	if (cap == buf->cap)
		return true;
	data = realloc(buf->data, cap);
	if (!data) {
		buf->failed = true;
		return false;
	}
	buf->data = data;
	buf->cap = cap;
	return true;
}

static inline void buf_append(struct buf *buf, const void *bytes, size_t len)
{
	if (buf->failed || !buf_reserve(buf, len))
		return;
	if (len)
		memcpy(buf->data + buf->end, bytes, len);
	buf->end += len;
}

static inline void buf_free(struct buf *buf)
{
	free(buf->data);
	buf->data = NULL;
	buf->start = buf->end = buf->cap = 0;
}

static inline void buf_consume(struct buf *buf, size_t len)
{
	buf->start += len;
	if (buf->start < buf->end)
		return;
	buf->start = buf->end = 0;
	if (buf->cap > BUF_KEEP)
		buf_free(buf);
}

#endif
