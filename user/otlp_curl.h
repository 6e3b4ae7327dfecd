/* SPDX-License-Identifier: MIT */
/*
 * otlp_curl.h - one POST over libcurl. Private to otlp_*.c.
 *
 * libcurl is loaded when it is asked for and not before: it brings thirty libraries along, and
 * who traces without --otlp shall have none of them, nor wait for them.
 */
#ifndef OTLP_CURL_H
#define OTLP_CURL_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include "otlp_post.h"

struct otlp_curl;

enum otlp_verdict {
	OTLP_TAKEN,
	OTLP_AGAIN, /* later */
	OTLP_REFUSED,
};

struct otlp_answer {
	enum otlp_verdict verdict;
	unsigned retry_after_s; /* 0 = the collector does not say */
	uint64_t rejected;	/* data points */
	char reason[256];	/* printable; why not, or what was rejected */
};

int otlp_curl_create(struct otlp_curl **ret_curl, const struct otlp_post_options *opts);
/* *abandon, set by another thread, ends it soon. */
struct otlp_answer otlp_curl_post(struct otlp_curl *curl, const void *body, size_t size,
				  const atomic_bool *abandon);
void otlp_curl_free(struct otlp_curl *curl);

#endif
