/* SPDX-License-Identifier: MIT */
/*
 * serve_http.h - the HTTP side of `smaptrace serve`: who may ask what, and how long.
 *
 *	/          the live page, and its files      /metrics   for Prometheus
 *	/events    server-sent events                /healthz   does the trace go on?
 *	/history   one map over time
 *
 * Only GET and HEAD, only the Host headers of serve_listen.h, a bound on connections, on
 * clients of /events, and on the time that a request may take to arrive.
 */
#ifndef SERVE_HTTP_H
#define SERVE_HTTP_H

#include "serve_stream.h"

#define HTTP_CONNECTIONS_MAX 64
#define HTTP_REQUEST_S 10  /* for a request to arrive, and between two */
#define HTTP_RESPONSE_S 30 /* for a client to take an answer that is not /events */
#define HTTP_MEMORY 16384  /* per connection: requests with longer headers are refused */

struct http;

struct http_options {
	int fd;		      /* listening; ours from now on */
	char *const *hosts;   /* further Host headers, NULL-ended, or NULL */
	unsigned interval_ms; /* between windows: older than a few is not healthy */
	struct stream *stream;
};

/* 0 or -errno. Threads of its own answer from then on. */
int http_start(struct http **ret_http, const struct http_options *opts);
/* Finishes the stream, and gives clients a moment to read the end. */
void http_stop(struct http *http);

#endif
