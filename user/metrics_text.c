/* SPDX-License-Identifier: MIT */
/*
 * metrics_text.c - metrics in Prometheus's text exposition format, version 0.0.4.
 *
 * Names: smap_ and the join key, with _total for counters and the base unit, seconds for
 * what is counted in nanoseconds. `le` is an inclusive bound and a slot of a log2
 * histogram holds [2^k, 2^(k+1)), so the bound of slot k is 2^(k+1) - 1, not 2^(k+1): the
 * values are whole numbers, and so each bucket has exactly what its bound says. Which
 * bounds there are depends on the unit only and never changes.
 *
 * Label values are names made visible (names.h): no control characters, valid UTF-8, and
 * two different names stay different.
 */
#include "metrics.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "metrics_walk.h"

#define LABELS_MAX (64 + 2 * 4 * METRICS_COMM_MAX + 2 * NAME_ESCAPED_MAX)
#define FAMILY_NAME_MAX 64
#define NUMBER_MAX 32
#define LINE_MAX_BYTES (FAMILY_NAME_MAX + LABELS_MAX + 512)

struct labels {
	char text[LABELS_MAX];
};

/* The bounds of a unit's buckets, as text. */
struct bounds {
	unsigned first, last;
	char le[SMAP_HIST_SLOTS][NUMBER_MAX];
};

struct writer {
	struct sink *sink;
	struct labels *labels; /* by series */
	struct bounds number, seconds;
	char name[FAMILY_NAME_MAX]; /* of the family, complete */
};

static void put_seconds(char *dst, uint64_t ns)
{
	snprintf(dst, NUMBER_MAX, "%" PRIu64 ".%09" PRIu64, ns / 1000000000, ns % 1000000000);
}

/* --- labels --------------------------------------------------------------------- */

/* As between the quotes of a label: a backslash, a quote or a newline gets a backslash. */
static size_t put_label(char *dst, size_t room, const char *name, const char *bytes)
{
	char escaped[NAME_ESCAPED_MAX + 1];
	size_t at = (size_t)snprintf(dst, room, "%s=\"", name);

	name_escape(escaped, sizeof(escaped), bytes);
	for (const char *c = escaped; *c && at + 4 < room; c++) {
		if (*c == '\\' || *c == '"')
			dst[at++] = '\\';
		dst[at++] = *c;
	}
	dst[at++] = '"';
	dst[at] = '\0';
	return at;
}

static void set_labels(struct labels *labels, const struct metrics_group *group)
{
	char *dst = labels->text;
	size_t room = sizeof(labels->text), at;

	/* An empty label is none: no map's `name` can be taken for `other`. */
	at = (size_t)(group->pid ? snprintf(dst, room, "pid=\"%d\",", group->pid)
				 : snprintf(dst, room, "pid=\"\","));
	at += put_label(dst + at, room - at, "comm", group->comm);
	dst[at++] = ',';
	put_label(dst + at, room - at, "name", group->name);
}

static size_t append(char *line, size_t at, const char *text)
{
	size_t len = strlen(text);

	if (len > LINE_MAX_BYTES - at)
		len = LINE_MAX_BYTES - at;
	memcpy(line + at, text, len);
	return at + len;
}

/*
 * A line up to its value; with `bucket` up to the bound that is its last label. A scrape has
 * some ten thousand lines, most of which differ from the one before in what follows this.
 */
static size_t begin_line(char *line, const struct writer *writer, const struct metrics_point *point,
			 const char *suffix, bool bucket)
{
	const char *before = "{";
	size_t at = append(line, append(line, 0, writer->name), suffix);

	for (unsigned i = 0; i < METRICS_EXTRA_LABELS && point->labels[i].name; i++) {
		at = append(line, append(line, at, before), point->labels[i].name);
		at = append(line, append(line, at, "=\""), point->labels[i].value);
		at = append(line, at, "\"");
		before = ",";
	}
	if (point->series != METRICS_NO_SERIES) {
		at = append(line, append(line, at, before), writer->labels[point->series].text);
		before = ",";
	}
	if (bucket)
		return append(line, append(line, at, before), "le=\"");
	return append(line, at, *before == ',' ? "} " : " ");
}

static void end_line(const struct writer *writer, char *line, size_t at, const char *value)
{
	at = append(line, append(line, at, value), "\n");
	sink_write(writer->sink, line, at);
}

/* --- values --------------------------------------------------------------------- */

/* The shortest number that reads back as the same double, as other exporters write it. */
static void shortest(char *dst, double value)
{
	for (int digits = 1; digits <= 17; digits++) {
		snprintf(dst, NUMBER_MAX, "%.*g", digits, value);
		if (strtod(dst, NULL) == value)
			return;
	}
}

static void set_bounds(struct bounds *bounds, enum metrics_unit unit)
{
	metrics_bounds(unit, &bounds->first, &bounds->last);
	for (unsigned i = bounds->first; i <= bounds->last; i++)
		shortest(bounds->le[i], (double)hist_high(i) / (unit == METRICS_SECONDS ? 1e9 : 1));
}

static void put_bucket(const struct writer *writer, char *line, size_t at, const char *le,
		       uint64_t count)
{
	char number[NUMBER_MAX];

	snprintf(number, sizeof(number), "%" PRIu64, count);
	at = append(line, append(line, at, le), "\"} ");
	end_line(writer, line, at, number);
}

static void put_hist(const struct writer *writer, const struct metrics_family *family,
		     const struct metrics_point *point)
{
	bool ns = family->unit == METRICS_SECONDS;
	const struct bounds *bounds = ns ? &writer->seconds : &writer->number;
	uint64_t below = 0, count = hist_count(point->hist);
	char line[LINE_MAX_BYTES], number[NUMBER_MAX];
	size_t at = begin_line(line, writer, point, "_bucket", true);

	for (unsigned i = 0; i <= bounds->last; i++) {
		below += point->hist->slots[i];
		if (i >= bounds->first)
			put_bucket(writer, line, at, bounds->le[i], below);
	}
	put_bucket(writer, line, at, "+Inf", count);
	if (ns)
		put_seconds(number, point->hist->sum);
	else
		snprintf(number, sizeof(number), "%" PRIu64, point->hist->sum);
	end_line(writer, line, begin_line(line, writer, point, "_sum", false), number);
	snprintf(number, sizeof(number), "%" PRIu64, count);
	end_line(writer, line, begin_line(line, writer, point, "_count", false), number);
}

static void on_family(void *ctx, const struct metrics_family *family)
{
	static const char *const types[] = {"counter", "gauge", "histogram"};
	static const char *const units[] = {"", "_seconds", "_ratio"};
	struct writer *writer = ctx;
	bool hist = family->kind == METRICS_HISTOGRAM;

	snprintf(writer->name, sizeof(writer->name), "smap_%s%s%s", family->name,
		 units[family->unit], family->kind == METRICS_COUNTER ? "_total" : "");
	sink_printf(writer->sink, "# HELP %s %s%s%s\n# TYPE %s %s\n", writer->name,
		    hist ? "Histogram: " : "", family->help, hist ? "." : "", writer->name,
		    types[family->kind]);
}

static void on_point(void *ctx, const struct metrics_family *family,
		     const struct metrics_point *point)
{
	const struct writer *writer = ctx;
	char line[LINE_MAX_BYTES], number[NUMBER_MAX];

	if (point->hist) {
		put_hist(writer, family, point);
		return;
	}
	if (point->is_real && isinf(point->real))
		strcpy(number, "+Inf");
	else if (point->is_real)
		snprintf(number, sizeof(number), "%.9g", point->real);
	else if (family->unit == METRICS_SECONDS)
		put_seconds(number, point->number);
	else
		snprintf(number, sizeof(number), "%" PRIu64, point->number);
	end_line(writer, line, begin_line(line, writer, point, "", false), number);
}

void metrics_write(const struct metrics *metrics, struct sink *sink)
{
	struct writer writer = {.sink = sink};
	const struct metrics_visitor visitor = {on_family, on_point, &writer};
	size_t count = 0;
	const struct metrics_group **series = metrics_series(metrics, &count);

	writer.labels = calloc(count + 1, sizeof(*writer.labels));
	if (series && writer.labels) {
		for (size_t i = 0; i < count; i++)
			set_labels(&writer.labels[i], series[i]);
		set_bounds(&writer.number, METRICS_NUMBER);
		set_bounds(&writer.seconds, METRICS_SECONDS);
		metrics_walk(metrics, series, count, &visitor);
	} else {
		sink_puts(sink, "# no memory\n");
	}
	free(writer.labels);
	free(series);
}
