/* SPDX-License-Identifier: MIT */
/* OTLP: a request says what Prometheus's text says, value by value. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <jansson.h>
#include <math.h>
#include "json_sink.h"
#include "metrics_otlp.h"
#include "scenarios.h"

/* --- the same as the text ------------------------------------------------------- */

static int otlp_report(struct sink *sink, const struct report *report)
{
	struct metrics *metrics;

	if (report->kind != REPORT_END)
		return 0;
	assert_int_equal(metrics_create(&metrics, 0), 0);
	assert_int_equal(metrics_add(metrics, report, report->findings, report->finding_count), 0);
	assert_int_equal(json_put(sink, metrics_otlp(metrics, report->meta, 1700000002 * SECOND),
				  JSON_COMPACT),
			 0);
	metrics_free(metrics);
	return 0;
}

static const struct output as_otlp = {.name = "otlp", .report = otlp_report};

/* From here: what a collector makes of it for Prometheus, "name{labels} value" lines. */

static const char *text_at(json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	assert_non_null(text);
	return text;
}

static void put_attributes(FILE *file, json_t *point, const char *le)
{
	json_t *attributes = json_object_get(point, "attributes"), *a;
	const char *before = "{";
	size_t i;

	json_array_foreach(attributes, i, a)
	{
		json_t *value = json_object_get(a, "value");
		const char *text = json_string_value(json_object_get(value, "stringValue"));

		fprintf(file, "%s%s=\"", before, text_at(a, "key"));
		for (const char *c = text ? text : text_at(value, "intValue"); *c; c++)
			fprintf(file, *c == '\\' || *c == '"' ? "\\%c" : "%c", *c);
		fputs("\"", file);
		before = ",";
	}
	if (le)
		fprintf(file, "%sle=\"%s\"", before, le);
	if (le || i > 0)
		fputs("}", file);
}

static void put_hist(FILE *file, const char *name, json_t *point)
{
	json_t *counts = json_object_get(point, "bucketCounts");
	json_t *bounds = json_object_get(point, "explicitBounds");
	unsigned long long below = 0;

	assert_int_equal(json_array_size(counts), json_array_size(bounds) + 1);
	for (size_t i = 0; i < json_array_size(counts); i++) {
		char le[32] = "+Inf";

		below += strtoull(json_string_value(json_array_get(counts, i)), NULL, 10);
		if (i < json_array_size(bounds))
			snprintf(le, sizeof(le), "%.17g",
				 json_real_value(json_array_get(bounds, i)));
		fprintf(file, "%s_bucket", name);
		put_attributes(file, point, le);
		fprintf(file, " %llu\n", below);
	}
	fprintf(file, "%s_sum", name);
	put_attributes(file, point, NULL);
	fprintf(file, " %.17g\n%s_count", json_real_value(json_object_get(point, "sum")), name);
	put_attributes(file, point, NULL);
	fprintf(file, " %s\n", text_at(point, "count"));
	assert_string_equal(text_at(point, "startTimeUnixNano"), "1700000000000000000");
}

static void put_metric(FILE *file, json_t *metric)
{
	json_t *sum = json_object_get(metric, "sum"), *gauge = json_object_get(metric, "gauge");
	json_t *hist = json_object_get(metric, "histogram"), *point;
	json_t *data = sum ? sum : gauge ? gauge : hist;
	const char *unit = text_at(metric, "unit");
	char name[128];
	size_t i;

	snprintf(name, sizeof(name), "%s%s%s", text_at(metric, "name"),
		 strcmp(unit, "s") == 0	  ? "_seconds"
		 : strcmp(unit, "1") == 0 ? "_ratio"
					  : "",
		 sum ? "_total" : "");
	if (!gauge)
		assert_int_equal(
			json_integer_value(json_object_get(data, "aggregationTemporality")), 2);
	assert_true(!sum || json_is_true(json_object_get(sum, "isMonotonic")));
	assert_true(json_array_size(json_object_get(data, "dataPoints")) > 0);
	json_array_foreach(json_object_get(data, "dataPoints"), i, point)
	{
		json_t *real = json_object_get(point, "asDouble");

		assert_string_equal(text_at(point, "timeUnixNano"), "1700000002000000000");
		if (hist) {
			put_hist(file, name, point);
			continue;
		}
		fputs(name, file);
		put_attributes(file, point, NULL);
		if (real)
			fprintf(file, " %.17g\n", json_real_value(real));
		else
			fprintf(file, " %s\n", text_at(point, "asInt"));
	}
}

static char *as_prometheus(const char *json)
{
	json_t *root = json_loads(json, JSON_REJECT_DUPLICATES, NULL), *metric, *list;
	char *text = NULL;
	size_t len, i;
	FILE *file = open_memstream(&text, &len);

	assert_non_null(root);
	list = json_array_get(json_object_get(root, "resourceMetrics"), 0);
	list = json_array_get(json_object_get(list, "scopeMetrics"), 0);
	list = json_object_get(list, "metrics");
	assert_true(json_array_size(list) > 5);
	json_array_foreach(list, i, metric) put_metric(file, metric);
	fclose(file);
	json_decref(root);
	return text;
}

/* A line without its number, and without the digits of a bound: those are compared as such. */
static double split(char *line)
{
	char *value = strrchr(line, ' '), *le = strstr(line, "le=\"");
	double number = strtod(value + 1, NULL);

	*value = '\0';
	if (le) {
		number += 1e3 * strtod(le + 4, NULL);
		*le = '\0';
	}
	return number;
}

static bool is_value(const char *line)
{
	return line && line[0] != '#' && !strstr(line, "} +Inf");
}

/* For check_otlp.sh, which has other readers of both. */
static void keep(const char *scenario, const char *suffix, const char *text)
{
	const char *folder = getenv("OTLP_TO");
	char path[512];
	FILE *file;

	if (!folder)
		return;
	snprintf(path, sizeof(path), "%s/%s%s", folder, scenario, suffix);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static void test_says_what_text_says(void **state)
{
	(void)state;
	for (size_t i = 0; i < SCENARIO_COUNT; i++) {
		char *want = render(output_find("prometheus"), &scenarios[i]), *save1, *save2;
		char *json = render(&as_otlp, &scenarios[i]), *got = as_prometheus(json);
		char *a, *b;
		size_t compared = 0;

		keep(scenarios[i].name, ".prom", want);
		keep(scenarios[i].name, ".json", json);
		a = strtok_r(want, "\n", &save1);
		b = strtok_r(got, "\n", &save2);
		while (a) {
			double x, y;

			if (!is_value(a)) {
				a = strtok_r(NULL, "\n", &save1);
				continue;
			}
			assert_non_null(b);
			x = split(a);
			y = split(b);
			assert_string_equal(a, b);
			if (fabs(x - y) > 1e-8 * fabs(x) + 1e-12)
				fail_msg("%s: %.17g is not %.17g", a, y, x);
			compared++;
			a = strtok_r(NULL, "\n", &save1);
			b = strtok_r(NULL, "\n", &save2);
		}
		assert_null(b);
		assert_true(compared > (scenarios[i].maps ? 300 : 5));
		free(want);
		free(json);
		free(got);
	}
}

/* Whole numbers are signed there: one that is not, and a collector refuses all of the request. */
static void test_whole_numbers(void **state)
{
	struct metrics *metrics;
	json_t *root, *list, *metric;
	size_t i, seen = 0;

	(void)state;
	assert_int_equal(metrics_create(&metrics, 0), 0);
	metrics_set_exports(metrics, &(struct metrics_exports){.sent = UINT64_MAX});
	root = metrics_otlp(metrics, &meta, SECOND);
	list = json_array_get(json_object_get(root, "resourceMetrics"), 0);
	list = json_array_get(json_object_get(list, "scopeMetrics"), 0);
	json_array_foreach(json_object_get(list, "metrics"), i, metric)
	{
		json_t *points = json_object_get(json_object_get(metric, "sum"), "dataPoints");

		if (strcmp(text_at(metric, "name"), "smap_otlp_sent") != 0)
			continue;
		assert_string_equal(text_at(json_array_get(points, 0), "asInt"),
				    "9223372036854775807");
		seen++;
	}
	assert_int_equal(seen, 1);
	json_decref(root);
	metrics_free(metrics);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_says_what_text_says),
		cmocka_unit_test(test_whole_numbers),
	};

	return cmocka_run_group_tests_name("otlp", tests, NULL, NULL);
}
