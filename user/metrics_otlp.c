/* SPDX-License-Identifier: MIT */
/*
 * metrics_otlp.c - see metrics_otlp.h. Model: a visitor of the metrics that appends each
 * family, and to its data points each point. 64-bit integers are strings, as protobuf's
 * JSON has them; temporality is cumulative (2) throughout, as the counters are.
 *
 * Lifetime totals began before the trace, nobody knows when: they have no start time.
 * A family without a point is left out: some collectors take one for an error.
 */
#include "metrics_otlp.h"

#include <inttypes.h>
#include <math.h>
#include "json_sink.h"
#include "metrics_walk.h"

#define CUMULATIVE 2

struct writer {
	const struct metrics_group *const *series;
	uint64_t start_unix_ns, unix_ns;
	json_t *metrics; /* all families */
	json_t *family;	 /* the present one, until it has a point and is among them */
	json_t *points;	 /* its points; borrowed */
};

static json_t *integer(uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, value);
	return json_string(text);
}

static void add_attribute(json_t *attributes, const char *key, json_t *value)
{
	json_array_append_new(attributes, json_pack("{s:s, s:o}", "key", key, "value", value));
}

static void add_text(json_t *attributes, const char *key, const char *bytes)
{
	if (bytes && bytes[0])
		add_attribute(attributes, key, json_pack("{s:o}", "stringValue", json_safe(bytes)));
}

static json_t *attributes_of(const struct writer *writer, const struct metrics_point *point)
{
	json_t *attributes = json_array();

	for (unsigned i = 0; i < METRICS_EXTRA_LABELS && point->labels[i].name; i++)
		add_text(attributes, point->labels[i].name, point->labels[i].value);
	if (point->series != METRICS_NO_SERIES) {
		const struct metrics_group *group = writer->series[point->series];

		if (group->pid)
			add_attribute(
				attributes, "pid",
				json_pack("{s:o}", "intValue", integer((uint64_t)group->pid)));
		add_text(attributes, "comm", group->comm);
		add_text(attributes, "name", group->name);
	}
	return attributes;
}

/* --- families ----------------------------------------------------------------- */

static void on_family(void *ctx, const struct metrics_family *family)
{
	static const char *const units[] = {"", "s", "1"};
	struct writer *writer = ctx;
	json_t *data = json_object(), *metric = json_object();
	char name[64];

	writer->points = json_array();
	if (family->kind != METRICS_GAUGE)
		json_object_set_new(data, "aggregationTemporality", json_integer(CUMULATIVE));
	if (family->kind == METRICS_COUNTER)
		json_object_set_new(data, "isMonotonic", json_true());
	json_object_set_new(data, "dataPoints", writer->points);
	snprintf(name, sizeof(name), "smap_%s", family->name);
	json_object_set_new(metric, "name", json_string(name));
	json_object_set_new(metric, "description", json_string(family->help));
	json_object_set_new(metric, "unit", json_string(units[family->unit]));
	json_object_set_new(metric,
			    family->kind == METRICS_COUNTER ? "sum"
			    : family->kind == METRICS_GAUGE ? "gauge"
							    : "histogram",
			    data);
	json_decref(writer->family);
	writer->family = metric;
}

static double in_unit(const struct metrics_family *family, uint64_t value)
{
	return family->unit == METRICS_SECONDS ? (double)value / 1e9 : (double)value;
}

static void set_hist(json_t *point, const struct metrics_family *family, const struct hist *hist)
{
	json_t *counts = json_array(), *bounds = json_array();
	uint64_t below = 0, count = hist_count(hist), rest = count;
	unsigned first, last;

	metrics_bounds(family->unit, &first, &last);
	for (unsigned i = 0; i <= last; i++) {
		below += hist->slots[i];
		if (i < first)
			continue;
		json_array_append_new(counts, integer(below));
		json_array_append_new(bounds, json_real(in_unit(family, hist_high(i))));
		rest -= below;
		below = 0;
	}
	json_array_append_new(counts, integer(rest));
	json_object_set_new(point, "count", integer(count));
	json_object_set_new(point, "sum", json_real(in_unit(family, hist->sum)));
	json_object_set_new(point, "bucketCounts", counts);
	json_object_set_new(point, "explicitBounds", bounds);
}

/* It is signed there, and one that is beyond has all of the request refused. */
static json_t *signed_integer(uint64_t value)
{
	return integer(value <= INT64_MAX ? value : INT64_MAX);
}

static void set_value(json_t *object, const struct metrics_family *family,
		      const struct metrics_point *point)
{
	if (point->hist)
		set_hist(object, family, point->hist);
	else if (point->is_real)
		json_object_set_new(object, "asDouble", json_real(point->real));
	else if (family->unit == METRICS_SECONDS)
		json_object_set_new(object, "asDouble", json_real(in_unit(family, point->number)));
	else
		json_object_set_new(object, "asInt", signed_integer(point->number));
}

static void on_point(void *ctx, const struct metrics_family *family,
		     const struct metrics_point *point)
{
	struct writer *writer = ctx;
	json_t *object;

	if (point->is_real && !isfinite(point->real))
		return;
	if (writer->family)
		json_array_append_new(writer->metrics, writer->family);
	writer->family = NULL;
	object = json_object();
	json_object_set_new(object, "attributes", attributes_of(writer, point));
	if (family->kind != METRICS_GAUGE && !family->lifetime)
		json_object_set_new(object, "startTimeUnixNano", integer(writer->start_unix_ns));
	json_object_set_new(object, "timeUnixNano", integer(writer->unix_ns));
	set_value(object, family, point);
	json_array_append_new(writer->points, object);
}

/* --- the request ----------------------------------------------------------------- */

static json_t *resource_of(const struct report_meta *meta)
{
	json_t *attributes = json_array();

	add_text(attributes, "service.name", "smaptrace");
	add_text(attributes, "service.version", meta->version);
	add_text(attributes, "service.instance.id", meta->hostname);
	add_text(attributes, "host.name", meta->hostname);
	add_text(attributes, "os.description", meta->kernel);
	return json_pack("{s:o}", "attributes", attributes);
}

json_t *metrics_otlp(const struct metrics *metrics, const struct report_meta *meta,
		     uint64_t unix_ns)
{
	struct writer writer = {.start_unix_ns = meta->start_unix_ns, .unix_ns = unix_ns};
	const struct metrics_visitor visitor = {on_family, on_point, &writer};
	size_t count = 0;
	const struct metrics_group **series = metrics_series(metrics, &count);

	if (!series)
		return NULL;
	writer.series = series;
	writer.metrics = json_array();
	metrics_walk(metrics, series, count, &visitor);
	json_decref(writer.family);
	free(series);
	return json_pack("{s:[{s:o, s:[{s:{s:s, s:s}, s:o}]}]}", "resourceMetrics", "resource",
			 resource_of(meta), "scopeMetrics", "scope", "name", "smaptrace", "version",
			 meta->version ? meta->version : "", "metrics", writer.metrics);
}
