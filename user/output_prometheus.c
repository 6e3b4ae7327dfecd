/* SPDX-License-Identifier: MIT */
/*
 * output_prometheus.c - the end of a trace as metrics, for node_exporter's textfile
 * collector and the like. Model: one exposition is one whole file, so the windows write
 * nothing; `smaptrace serve` gives one at any time.
 */
#include "metrics.h"
#include "output.h"

static int prometheus_report(struct sink *sink, const struct report *report)
{
	struct metrics *metrics;
	int err;

	if (report->kind != REPORT_END)
		return 0;
	err = metrics_create(&metrics, METRICS_LIMIT_DEFAULT);
	if (err)
		return err;
	err = metrics_add(metrics, report, report->findings, report->finding_count);
	if (!err)
		metrics_write(metrics, sink);
	metrics_free(metrics);
	return err;
}

const struct output output_prometheus = {
	.name = "prometheus",
	.help = "Prometheus's text format, at the end (docs/serve.md)",
	.suffix = "prom",
	.report = prometheus_report,
};
