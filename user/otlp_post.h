/* SPDX-License-Identifier: MIT */
/*
 * otlp_post.h - requests to a collector, one after the other, by a thread of their own. Whoever
 * traces never waits for the network.
 *
 * At most OTLP_QUEUE_MAX requests wait; when another comes the oldest goes. What can be tried
 * again (no connection, 429, 502, 503, 504) is, later and later, as the collector's
 * Retry-After or ours says; what cannot is lost. Everything is counted.
 */
#ifndef OTLP_POST_H
#define OTLP_POST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Cumulative metrics: one request says all that lost ones would have, but for the moment. */
#define OTLP_QUEUE_MAX 8

struct otlp_post_options {
	const char *url;     /* http or https; without a path it gets /v1/metrics */
	const char *headers; /* "name=value,name=value", percent-encoded; NULL = none */
	unsigned timeout_ms; /* of one attempt; 0 = 10 s */
	unsigned backoff_ms; /* before the second attempt; doubles; 0 = 1 s */
	unsigned finish_ms;  /* how long closing waits for what is queued; 0 = 5 s */
};

/* Requests, but for `attempts` and `rejected`. */
struct otlp_post_stats {
	uint64_t sent;	   /* the collector took them */
	uint64_t lost;	   /* refused, pushed out of the queue, or left at the end */
	uint64_t attempts; /* the first ones included */
	uint64_t rejected; /* data points that the collector left out of what it took */
	size_t queued;	   /* waiting, the present one included */
};

struct otlp_post;

/* 0; -EINVAL the URL or the headers, -ENOENT no libcurl, -ENOMEM: logged. */
int otlp_post_create(struct otlp_post **ret_post, const struct otlp_post_options *opts);
/* Takes the body (malloc), also if it fails. Never waits. The first call starts the thread. */
int otlp_post_push(struct otlp_post *post, void *body, size_t size);
struct otlp_post_stats otlp_post_stats(struct otlp_post *post);
/* A wait of about that long, another one each time. */
uint64_t otlp_post_jitter(uint64_t ms);
/* Sends what it can in time; *ret_stats may be NULL. NULL is legal. */
void otlp_post_close(struct otlp_post *post, struct otlp_post_stats *ret_stats);

#endif
