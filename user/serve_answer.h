/* SPDX-License-Identifier: MIT */
/*
 * serve_answer.h - what the server says: one function per resource, of snapshots and
 * files only. The headers that make it safe in a browser are on every answer.
 */
#ifndef SERVE_ANSWER_H
#define SERVE_ANSWER_H

#include <microhttpd.h>
#include <stdint.h>
#include "serve_stream.h"

struct http_counts {
	uint64_t refused; /* method, host, body, other site */
	uint64_t late;	  /* connections closed because they took too long */
};

struct answer {
	unsigned status;
	struct MHD_Response *response; /* NULL: no memory, the connection ends */
};

/* `text` outlives the answer. */
void answer_static(struct answer *answer, unsigned status, const char *type, const char *text);
void answer_header(struct answer *answer, const char *name, const char *value);

void answer_file(struct answer *answer, const char *path); /* or 404 */
void answer_metrics(struct answer *answer, struct stream *stream, const struct http_counts *counts);
void answer_health(struct answer *answer, struct stream *stream, unsigned interval_ms);
/* ?pid=N&addr=0xN&id=N */
void answer_history(struct answer *answer, struct stream *stream, struct MHD_Connection *mhd);

/* Frees the answer. */
enum MHD_Result answer_send(struct answer *answer, struct MHD_Connection *mhd);

#endif
