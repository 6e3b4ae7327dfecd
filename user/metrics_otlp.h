/* SPDX-License-Identifier: MIT */
/*
 * metrics_otlp.h - metrics as an OTLP request in JSON (ExportMetricsServiceRequest), for a
 * collector's /v1/metrics. Pure.
 *
 * JSON and not protobuf: the specification has both and collectors take both, jansson is
 * here already, and a schema compiler and generated code are not. It is gzipped on the way.
 */
#ifndef METRICS_OTLP_H
#define METRICS_OTLP_H

#include <jansson.h>
#include "metrics.h"

/*
 * Names and units are such that a collector that writes Prometheus's names writes those of
 * metrics_write(). What is infinite has no point. To be freed; NULL = no memory.
 */
json_t *metrics_otlp(const struct metrics *metrics, const struct report_meta *meta,
		     uint64_t unix_ns);

#endif
