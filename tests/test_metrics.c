/* SPDX-License-Identifier: MIT */
/*
 * Metrics: buckets are right at powers of two, no counter ever goes back, and the number
 * of series has a bound while nothing is left out of the sums.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "metrics.h"

#define SECOND 1000000000ULL
#define MAPS_MAX 64

static const struct report_meta meta = {.version = "1", .start_unix_ns = 5 * SECOND};

/* One report by hand. */
struct draft {
	struct report report;
	struct report_target targets[4];
	struct report_map maps[MAPS_MAX];
	struct hist hists[MAPS_MAX][ST_HIST_COUNT];
	char names[MAPS_MAX][SMAP_NAME_LEN];
};

static struct draft *draft_new(enum report_kind kind)
{
	struct draft *d = calloc(1, sizeof(*d));

	assert_non_null(d);
	d->report = (struct report){.kind = kind, .meta = &meta, .end_ns = 10, .window_count = 1};
	d->report.targets = d->targets;
	d->report.maps = d->maps;
	d->targets[0] = (struct report_target){.pid = 42, .comm = "prog"};
	d->report.target_count = 1;
	return d;
}

/* `total` misses so far, of which `recent` in the window. */
static struct report_map *draft_map(struct draft *d, const char *name, uint64_t total,
				    uint64_t recent)
{
	size_t i = d->report.map_count++;
	struct report_map *map = &d->maps[i];

	assert_true(i < MAPS_MAX);
	snprintf(d->names[i], sizeof(d->names[i]), "%s", name);
	*map = (struct report_map){
		.pid = 42, .comm = "prog", .name = d->names[i], .addr = i, .alive = true};
	map->total[ST_COUNTER_misses] = total;
	map->window.count[ST_COUNTER_misses] = recent;
	map->promotion_in_s = -1;
	map->hists = d->hists[i];
	return map;
}

static void add(struct metrics *metrics, struct draft *d)
{
	assert_int_equal(
		metrics_add(metrics, &d->report, d->report.findings, d->report.finding_count), 0);
	free(d);
}

static char *text_of(const struct metrics *metrics)
{
	struct sink_memory memory;
	char *text;

	assert_int_equal(sink_memory_open(&memory), 0);
	metrics_write(metrics, &memory.sink);
	text = sink_memory_close(&memory, NULL);
	assert_non_null(text);
	return text;
}

/* The value of a series as it stands in the text; -1: it is not there. */
static double value_of(const char *text, const char *series)
{
	for (const char *at = strstr(text, series); at; at = strstr(at + 1, series))
		if ((at == text || at[-1] == '\n') && at[strlen(series)] == ' ')
			return strtod(at + strlen(series), NULL);
	return -1;
}

static double now(const struct metrics *metrics, const char *series)
{
	char *text = text_of(metrics);
	double value = value_of(text, series);

	free(text);
	return value;
}

#define MISSES(name) "smap_misses_total{pid=\"42\",comm=\"prog\",name=\"" name "\"}"
#define OTHER "smap_misses_total{pid=\"\",comm=\"\",name=\"other\"}"

/* Every value up to a bound is in its bucket, the first above it is not. */
static void test_bounds_at_powers_of_two(void **state)
{
	(void)state;
	for (unsigned power = 8; power <= 36; power++) {
		struct draft *d = draft_new(REPORT_END);
		struct hist *hist = d->hists[0];
		uint64_t edge = 1ULL << power;
		double seen = -1;
		char *text;
		struct metrics *metrics;

		draft_map(d, "m", 1, 1);
		hist_add(&hist[ST_HIST_miss_wait], edge - 1);
		hist_add(&hist[ST_HIST_miss_wait], edge);
		hist_add(&hist[ST_HIST_miss_wait], edge + 1);
		assert_int_equal(metrics_create(&metrics, 0), 0);
		add(metrics, d);
		text = text_of(metrics);
		for (char *at = strstr(text, "smap_miss_wait_seconds_bucket{"); at;
		     at = strstr(at + 1, "smap_miss_wait_seconds_bucket{")) {
			double le = strtod(strstr(at, "le=\"") + 4, NULL);
			double want = le * 1e9 >= (double)edge + 1    ? 3
				      : le * 1e9 >= (double)edge      ? 2
				      : le * 1e9 > (double)edge - 1.5 ? 1
								      : 0;

			seen = strtod(strstr(at, "\"} ") + 3, NULL);
			if (seen != want)
				fail_msg("edge %llu: le %.12g has %g, not %g",
					 (unsigned long long)edge, le, seen, want);
		}
		assert_true(seen == 3); /* +Inf */
		free(text);
		metrics_free(metrics);
	}
}

static void test_counts_at_powers_of_two(void **state)
{
	struct draft *d = draft_new(REPORT_END);
	struct metrics *metrics;
	static const struct {
		const char *le;
		double want;
	} cases[] = {{"1", 1}, {"3", 1}, {"7", 2}, {"15", 3}, {"16777215", 3}, {"+Inf", 4}};

	(void)state;
	draft_map(d, "m", 1, 1);
	hist_add(&d->hists[0][ST_HIST_rebuild_copied], 0);
	hist_add(&d->hists[0][ST_HIST_rebuild_copied], 4);
	hist_add(&d->hists[0][ST_HIST_rebuild_copied], 8);
	hist_add(&d->hists[0][ST_HIST_rebuild_copied], 1 << 24);
	assert_int_equal(metrics_create(&metrics, 0), 0);
	add(metrics, d);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char series[160];

		snprintf(
			series, sizeof(series),
			"smap_rebuild_copied_bucket{pid=\"42\",comm=\"prog\",name=\"m\",le=\"%s\"}",
			cases[i].le);
		assert_true(now(metrics, series) == cases[i].want);
	}
	assert_true(now(metrics, "smap_rebuild_copied_sum{pid=\"42\",comm=\"prog\",name=\"m\"}") ==
		    (1 << 24) + 12);
	metrics_free(metrics);
}

/* Maps of one name come and go; their sum only grows. */
static void test_never_back(void **state)
{
	struct metrics *metrics;
	struct draft *d;

	(void)state;
	assert_int_equal(metrics_create(&metrics, 0), 0);
	d = draft_new(REPORT_WINDOW);
	draft_map(d, "m", 100, 100);
	draft_map(d, "m", 50, 50);
	add(metrics, d);
	assert_true(now(metrics, MISSES("m")) == 150);
	d = draft_new(REPORT_WINDOW);
	draft_map(d, "m", 110, 10)->alive = false;
	draft_map(d, "m", 50, 0);
	add(metrics, d);
	assert_true(now(metrics, MISSES("m")) == 160);
	d = draft_new(REPORT_WINDOW);
	draft_map(d, "m", 51, 1);
	add(metrics, d);
	assert_true(now(metrics, MISSES("m")) == 161);
	assert_true(now(metrics, "smap_maps{pid=\"42\",comm=\"prog\",name=\"m\"}") == 1);
	d = draft_new(REPORT_WINDOW);
	draft_map(d, "m", 53, 2)->alive = false; /* the last one; the process lives on */
	add(metrics, d);
	assert_true(now(metrics, MISSES("m")) == 163);
	for (unsigned i = 0; i < 3; i++) {
		add(metrics, draft_new(REPORT_WINDOW));
		assert_true(now(metrics, MISSES("m")) == 163);
	}
	assert_true(now(metrics, "smap_maps{pid=\"42\",comm=\"prog\",name=\"m\"}") == 0);
	metrics_free(metrics);
}

static void test_limit(void **state)
{
	struct metrics *metrics;
	uint64_t total[40] = {0};
	double before = 0;

	(void)state;
	assert_int_equal(metrics_create(&metrics, 3), 0);
	for (unsigned window = 0; window < 20; window++) {
		struct draft *d = draft_new(REPORT_WINDOW);
		double other;
		char *text;
		unsigned lines = 0;

		for (unsigned i = 0; i < 40; i++) {
			/* Another one is the busiest in each half of the time. */
			uint64_t recent = i == (window < 10 ? 5 : 30) ? 10000 : i + 1;
			char name[16];

			snprintf(name, sizeof(name), "m%u", i);
			draft_map(d, name, total[i] += recent, recent);
			hist_add(&d->hists[i][ST_HIST_miss_wait], 1000);
		}
		add(metrics, d);
		text = text_of(metrics);
		for (char *at = strstr(text, "\nsmap_misses_total{"); at;
		     at = strstr(at + 1, "\nsmap_misses_total{"))
			lines++;
		assert_int_equal(lines, 4);
		assert_true(value_of(text, window < 10 ? MISSES("m5") : MISSES("m30")) >= 10000);
		assert_true(value_of(text, "smap_series_groups_hidden") == 37);
		other = value_of(text, OTHER);
		assert_true(other > before);
		before = other;
		free(text);
	}
	assert_true(now(metrics, "smap_series_groups_displaced_total") >= 1);
	metrics_free(metrics);
}

/* Nothing is left out: the sum over all series is what all maps had. */
static void test_sums(void **state)
{
	struct metrics *metrics;
	struct draft *d = draft_new(REPORT_END);
	double sum = 0, want = 0;
	char *text;

	(void)state;
	for (unsigned i = 0; i < 40; i++) {
		char name[16];

		snprintf(name, sizeof(name), "m%u", i % 20);
		draft_map(d, name, 1000 + i, i)->alive = i % 3;
		want += 1000 + i;
	}
	assert_int_equal(metrics_create(&metrics, 7), 0);
	add(metrics, d);
	text = text_of(metrics);
	for (char *at = strstr(text, "\nsmap_misses_total{"); at;
	     at = strstr(at + 1, "\nsmap_misses_total{"))
		sum += strtod(strstr(at, "} ") + 2, NULL);
	assert_true(sum == want);
	free(text);
	metrics_free(metrics);
}

static void add_with_finding(struct metrics *metrics, uint64_t until_ns, uint64_t gone_ns)
{
	struct draft *d = draft_new(REPORT_WINDOW);
	const struct finding finding = {.trap = "read-diffusion",
					.severity = FINDING_WARNING,
					.pid = 42,
					.comm = "prog",
					.name = "quiet",
					.until_ns = until_ns,
					.gone_ns = gone_ns};

	draft_map(d, "busy", 1000, 1000);
	draft_map(d, "busier", 2000, 1000);
	draft_map(d, "quiet", 1, 0);
	d->report.findings = &finding;
	d->report.finding_count = 1;
	add(metrics, d);
}

/* What is in a trap is shown, however little it does. */
static void test_traps(void **state)
{
#define ACTIVE "smap_trap_active{trap=\"read-diffusion\",pid=\"42\",comm=\"prog\",name=\"quiet\"}"
	struct metrics *metrics;

	(void)state;
	assert_int_equal(metrics_create(&metrics, 1), 0);
	add_with_finding(metrics, 0, 0);
	assert_true(now(metrics, ACTIVE) == 1);
	assert_true(now(metrics, MISSES("quiet")) == 1);
	assert_true(now(metrics, "smap_findings_total{trap=\"read-diffusion\",severity="
				 "\"warning\"}") == 1);
	add_with_finding(metrics, 7, 0);
	assert_true(now(metrics, ACTIVE) <= 0);
	metrics_free(metrics);
	assert_int_equal(metrics_create(&metrics, 10), 0);
	add_with_finding(metrics, 0, 0);
	assert_true(now(metrics, ACTIVE) == 1);
	add_with_finding(metrics, 7, 0);
	assert_true(now(metrics, ACTIVE) == 0);
	assert_true(now(metrics, "smap_trap_active{trap=\"write-starvation\",pid=\"42\","
				 "comm=\"prog\",name=\"busy\"}") == 0);
	add_with_finding(metrics, 0, 0);
	assert_true(now(metrics, ACTIVE) == 1);
	add_with_finding(metrics, 0, 7); /* its map is gone */
	assert_true(now(metrics, ACTIVE) == 0);
	metrics_free(metrics);
}

/* Findings that made room are counted all the same. */
static void test_findings_never_back(void **state)
{
	const struct finding_tally forgotten[] = {{"read-diffusion", FINDING_WARNING, 5},
						  {"budget-x", FINDING_ERROR, 2}};
	struct draft *d = draft_new(REPORT_WINDOW);
	struct metrics *metrics;

	(void)state;
	assert_int_equal(metrics_create(&metrics, 0), 0);
	add_with_finding(metrics, 7, 0);
	d->report.forgotten = forgotten;
	d->report.forgotten_count = 2;
	add(metrics, d);
	assert_true(now(metrics, "smap_findings_total{trap=\"read-diffusion\",severity="
				 "\"warning\"}") == 5);
	assert_true(now(metrics, "smap_findings_total{trap=\"budget\",severity=\"error\"}") == 2);
	metrics_free(metrics);
}

static void test_ended_process(void **state)
{
	struct metrics *metrics;
	struct draft *d = draft_new(REPORT_WINDOW);

	(void)state;
	assert_int_equal(metrics_create(&metrics, 0), 0);
	draft_map(d, "m", 3, 3);
	assert_int_equal(metrics_add(metrics, &d->report, NULL, 0), 0);
	metrics_drop_ended(metrics, &d->report);
	assert_true(now(metrics, MISSES("m")) == 3);
	d->targets[0].ended = true;
	metrics_drop_ended(metrics, &d->report);
	assert_true(now(metrics, MISSES("m")) == -1);
	assert_true(now(metrics, "smap_series_groups") == 0);
	free(d);
	metrics_free(metrics);
}

static void test_labels(void **state)
{
	struct metrics *metrics;
	struct draft *d = draft_new(REPORT_END);

	(void)state;
	draft_map(d, "a\"b\\c\nd", 3, 3);
	draft_map(d, "other", 4, 4);
	draft_map(d, "", 5, 5);
	assert_int_equal(metrics_create(&metrics, 0), 0);
	add(metrics, d);
	assert_true(now(metrics, MISSES("a\\\"b\\\\x5cc\\\\x0ad")) == 3);
	assert_true(now(metrics, MISSES("other")) == 4);
	assert_true(now(metrics, MISSES("")) == 5);
	assert_true(now(metrics, OTHER) == -1);
	metrics_free(metrics);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bounds_at_powers_of_two),
		cmocka_unit_test(test_counts_at_powers_of_two),
		cmocka_unit_test(test_never_back),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_sums),
		cmocka_unit_test(test_traps),
		cmocka_unit_test(test_findings_never_back),
		cmocka_unit_test(test_ended_process),
		cmocka_unit_test(test_labels),
	};

	return cmocka_run_group_tests_name("metrics", tests, NULL, NULL);
}
