/* SPDX-License-Identifier: MIT */
/*
 * OTLP: a request says what Prometheus's text says, value by value; and whatever a collector
 * does, nobody waits for it, what can be tried again is, and what is lost is counted.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include "collector.h"
#include "json_sink.h"
#include "metrics_otlp.h"
#include "options.h"
#include "otlp.h"
#include "otlp_post.h"
#include "scenarios.h"
#include "until.h"

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

/* --- posting ---------------------------------------------------------------------- */

static struct otlp_post *connect_to(const struct collector *c, struct otlp_post_options opts)
{
	struct otlp_post *post = NULL;
	char url[64];

	snprintf(url, sizeof(url), "http://127.0.0.1:%d", c->port);
	opts.url = url;
	opts.backoff_ms = 1;
	assert_int_equal(otlp_post_create(&post, &opts), 0);
	return post;
}

static void push(struct otlp_post *post, int i)
{
	struct metrics *metrics;
	void *body;
	size_t size;

	assert_int_equal(metrics_create(&metrics, 0), 0);
	assert_int_equal(otlp_request(metrics, &meta, (uint64_t)i, &body, &size), 0);
	metrics_free(metrics);
	assert_int_equal(otlp_post_push(post, body, size), 0);
}

static void wait_requests(struct collector *c, int count)
{
	for (struct until u = until_begin(); collector_requests(c) < count && until_again(&u);)
		;
	assert_true(collector_requests(c) >= count);
}

static bool has_time(const char *body, int i)
{
	char text[64];

	snprintf(text, sizeof(text), "\"timeUnixNano\":\"%d\"", i);
	return strstr(body, text);
}

static void test_sends(void **state)
{
	static const struct collector_answer script[] = {{200, NULL, "{}"}};
	const struct otlp_post_options opts = {.headers = "X-Token=a%20b,X-Other=c"};
	struct otlp_post_stats stats;
	struct otlp_post *post;
	struct collector c;

	(void)state;
	collector_start(&c, script, 1);
	post = connect_to(&c, opts);
	for (int i = 1; i <= 3; i++) {
		push(post, i);
		wait_requests(&c, i);
		assert_true(has_time(c.bodies[i - 1], i));
	}
	otlp_post_close(post, &stats);
	assert_int_equal(stats.sent, 3);
	assert_int_equal(stats.lost, 0);
	assert_int_equal(strncmp(c.heads[0], "POST /v1/metrics HTTP/1.1\r\n", 27), 0);
	assert_non_null(strstr(c.heads[0], "\r\nContent-Type: application/json\r\n"));
	assert_non_null(strstr(c.heads[0], "\r\nUser-Agent: smaptrace/" SMAPTRACE_VERSION "\r\n"));
	assert_non_null(strstr(c.heads[0], "\r\nX-Token: a b\r\nX-Other: c"));
	collector_stop(&c);
}

/* 503, 429 and a broken connection are tried again; 500 and 400 are not. */
static void test_tries_again(void **state)
{
	static const struct collector_answer script[] = {
		{503, NULL, NULL},
		{429, NULL, NULL},
		{0, NULL, NULL},
		{502, NULL, NULL},
		{504, NULL, NULL},
		{200, NULL, "{}"},
		{500, NULL, "no"},
		{400, NULL, NULL},
		{200, NULL,
		 "{\"partialSuccess\":{\"rejectedDataPoints\":\"7\","
		 "\"errorMessage\":\"\\u001b[2J\"}}"},
	};
	struct otlp_post_stats stats;
	struct otlp_post *post;
	struct collector c;

	(void)state;
	collector_start(&c, script, sizeof(script) / sizeof(script[0]));
	post = connect_to(&c, (struct otlp_post_options){0});
	push(post, 1);
	wait_requests(&c, 6);
	for (int i = 0; i < 6; i++)
		assert_true(has_time(c.bodies[i], 1));
	for (int i = 2; i <= 4; i++)
		push(post, i);
	wait_requests(&c, 9);
	otlp_post_close(post, &stats);
	assert_int_equal(stats.sent, 2);
	assert_int_equal(stats.lost, 2);
	/* libcurl tries a connection that broke once more by itself. */
	assert_true(stats.attempts == 8 || stats.attempts == 9);
	assert_int_equal(stats.rejected, 7);
	collector_stop(&c);
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* As long as the collector says, where our own wait would be a millisecond. */
static void test_waits_as_told(void **state)
{
	static const struct collector_answer script[] = {{429, "Retry-After: 1\r\n", NULL},
							 {200, NULL, "{}"}};
	struct otlp_post_stats stats;
	struct otlp_post *post;
	struct collector c;
	uint64_t begun;

	(void)state;
	collector_start(&c, script, 2);
	post = connect_to(&c, (struct otlp_post_options){0});
	begun = now_ms();
	push(post, 1);
	wait_requests(&c, 2);
	assert_true(now_ms() - begun >= 1000);
	otlp_post_close(post, &stats);
	assert_int_equal(stats.sent, 1);
	collector_stop(&c);
}

static void test_waits_differ(void **state)
{
	uint64_t least = UINT64_MAX, most = 0;

	(void)state;
	for (int i = 0; i < 1000; i++) {
		uint64_t ms = otlp_post_jitter(1000);

		least = ms < least ? ms : least;
		most = ms > most ? ms : most;
	}
	assert_true(least >= 500 && least < 700);
	assert_true(most <= 1500 && most > 1300);
}

/* A redirect is followed nowhere; an endless answer is cut; less than none is none. */
static void test_trusts_no_answer(void **state)
{
	static char endless[200000];
	const struct collector_answer script[] = {
		{200, NULL, "{\"partialSuccess\":{\"rejectedDataPoints\":\"-1\"}}"},
		{307, "Location: http://127.0.0.1:1/\r\n", NULL},
		{200, NULL, endless}};
	struct otlp_post_stats stats;
	struct otlp_post *post;
	struct collector c;

	(void)state;
	memset(endless, 'x', sizeof(endless) - 1);
	collector_start(&c, script, 3);
	post = connect_to(&c, (struct otlp_post_options){.finish_ms = 50});
	push(post, 1);
	push(post, 2);
	push(post, 3);
	wait_requests(&c, 3);
	otlp_post_close(post, &stats);
	assert_int_equal(stats.sent, 1);
	assert_int_equal(stats.lost, 2);
	assert_int_equal(stats.rejected, 0);
	collector_stop(&c);
}

/* One that never answers: the queue has a bound, the oldest go, and closing does not hang. */
static void test_bounded(void **state)
{
	static const struct collector_answer script[] = {{-1, NULL, NULL}};
	struct otlp_post_stats stats;
	struct otlp_post *post;
	struct collector c;

	(void)state;
	collector_start(&c, script, 1);
	post = connect_to(&c, (struct otlp_post_options){.finish_ms = 20});
	push(post, 0);
	wait_requests(&c, 1); /* in hand: no longer in the ring */
	for (int i = 1; i <= OTLP_QUEUE_MAX + 5; i++)
		push(post, i);
	stats = otlp_post_stats(post);
	assert_int_equal(stats.lost, 5);
	assert_int_equal(stats.queued, 1 + OTLP_QUEUE_MAX);
	otlp_post_close(post, &stats);
	assert_int_equal(stats.sent, 0);
	assert_int_equal(stats.lost, OTLP_QUEUE_MAX + 6);
	collector_stop(&c);
}

/* Slow ones run into the time of one attempt, and are tried again. */
static void test_times_out(void **state)
{
	static const struct collector_answer script[] = {{-1, NULL, NULL}, {200, NULL, "{}"}};
	struct otlp_post_stats stats;
	struct otlp_post *post;
	struct collector c;

	(void)state;
	collector_start(&c, script, 2);
	post = connect_to(&c, (struct otlp_post_options){.timeout_ms = 300});
	push(post, 1);
	wait_requests(&c, 2);
	assert_true(has_time(c.bodies[1], 1));
	otlp_post_close(post, &stats);
	assert_int_equal(stats.sent, 1);
	assert_int_equal(stats.lost, 0);
	collector_stop(&c);
}

static void test_refuses(void **state)
{
	static const char *const urls[] = {
		"",	"127.0.0.1:4318",     "ftp://x/",   "file:///etc/x",
		"http", "http://127.0.0.1:x", "http://a b/"};
	static const char *const headers[] = {"x", "=y", "a=b%0d%0aX: c", "a=b,c"};
	struct otlp_post *post = NULL;

	(void)state;
	for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
		const struct otlp_post_options opts = {.url = urls[i]};

		if (otlp_post_create(&post, &opts) != -EINVAL)
			fail_msg("'%s' was taken", urls[i]);
	}
	for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
		const struct otlp_post_options opts = {.url = "http://127.0.0.1:9",
						       .headers = headers[i]};

		if (otlp_post_create(&post, &opts) != -EINVAL)
			fail_msg("'%s' was taken", headers[i]);
	}
	assert_null(post);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_says_what_text_says),
		cmocka_unit_test(test_whole_numbers),
		cmocka_unit_test(test_sends),
		cmocka_unit_test(test_tries_again),
		cmocka_unit_test(test_waits_as_told),
		cmocka_unit_test(test_waits_differ),
		cmocka_unit_test(test_trusts_no_answer),
		cmocka_unit_test(test_bounded),
		cmocka_unit_test(test_times_out),
		cmocka_unit_test(test_refuses),
	};

	unsetenv("http_proxy");
	return cmocka_run_group_tests_name("otlp", tests, NULL, NULL);
}
