/* SPDX-License-Identifier: MIT */
/*
 * resp.h - the Redis serialization protocol, version 2: requests in, replies out. Pure:
 * bytes in buffers, no sockets.
 */
#ifndef RESP_H
#define RESP_H

#include <stdint.h>
#include "buf.h"

#define RESP_ARGS_MAX (1024 * 1024)    /* as Redis */
#define RESP_LINE_MAX (64 * 1024)      /* as Redis: an inline request, a length */
#define RESP_REQUEST_MAX (256UL << 20) /* one request, all arguments together */

struct resp_arg {
	const char *data;
	size_t len;
};

/*
 * One request being read. Offsets and not pointers, because the buffer moves while more
 * arrives; resp_parse() makes pointers when the request is complete.
 */
struct resp_parser {
	size_t pos;	   /* from the start of the buffer: parsed up to here */
	size_t args_left;  /* of the array */
	size_t bulk_len;   /* of the argument that is being read ... */
	bool in_bulk;	   /* ... if its length is known */
	size_t max_bulk;   /* limit of one argument */
	const char *error; /* after RESP_ERROR */
	struct resp_arg *argv;
	size_t *offsets;
	size_t argc, argv_cap;
};

enum resp_status {
	RESP_MORE,  /* incomplete: come again with more bytes */
	RESP_READY, /* argv/argc stand until resp_next(); argc may be 0 */
	RESP_ERROR, /* the stream makes no sense any more */
};

enum resp_status resp_parse(struct resp_parser *parser, struct buf *in);
/* Consume the request that was READY. */
void resp_next(struct resp_parser *parser, struct buf *in);
void resp_free(struct resp_parser *parser);

/* Replies; failures stay in out->failed. */
void resp_simple(struct buf *out, const char *text);
void resp_error(struct buf *out, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void resp_int(struct buf *out, int64_t number);
void resp_bulk(struct buf *out, const void *data, size_t len);
void resp_text(struct buf *out, const char *text);
void resp_nil(struct buf *out);
void resp_array(struct buf *out, size_t count);

/* A whole decimal int64, as Redis takes them: no blanks, no plus, no leading zero. */
bool resp_parse_int(const char *text, size_t len, int64_t *ret_number);
bool resp_arg_is(const struct resp_arg *arg, const char *word);

#endif
