/* SPDX-License-Identifier: MIT */
/*
 * otlp.h - metrics of a trace to an OpenTelemetry collector, over HTTP, as the trace goes.
 *
 *	report --metrics_add()--> metrics --metrics_otlp()--> JSON, gzip --> otlp_post.h
 *
 * One request every 10 s and one at the end. As other exporters do it obeys the environment:
 * OTEL_METRIC_EXPORT_INTERVAL and OTEL_EXPORTER_OTLP_TIMEOUT (milliseconds), and
 * OTEL_EXPORTER_OTLP_HEADERS, which is where a token belongs: a command line can be read
 * by everybody.
 */
#ifndef OTLP_H
#define OTLP_H

#include "metrics.h"

struct otlp;

/* 0 or -errno, logged. meta is borrowed. */
int otlp_create(struct otlp **ret_otlp, const char *url, const struct report_meta *meta);
/* Every window. Never waits for the network. 0 or -ENOMEM: what is lost is counted. */
int otlp_add(struct otlp *otlp, const struct report *report);
/* Sends what is left, for a few seconds at most; says what was lost. NULL is legal. */
void otlp_close(struct otlp *otlp);

/* The bytes of a request: gzipped JSON, to be freed. For tests, too. */
int otlp_request(const struct metrics *metrics, const struct report_meta *meta, uint64_t unix_ns,
		 void **ret_body, size_t *ret_size);

#endif
