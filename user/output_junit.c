/* SPDX-License-Identifier: MIT */
/*
 * output_junit.c - JUnit XML, for CI systems that show tests.
 *
 * Model: every trap that could have been in a map is a test case, named alike in every
 * run, so that "has begun to fail" and "is fixed" mean something. A finding from
 * warning on fails its case; notices are told in system-out. Three cases more
 * ask whether the run was worth anything: was a map seen, was nothing lost, was it enough? Their
 * answer is an error, not a failure: the code is not to blame.
 * Valid by both schemas in use, Ant's and Jenkins'; tests/fixtures/junit.xsd is what they
 * have in common.
 */
#include "output.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "finding_text.h"
#include "gate.h"
#include "markup.h"
#include "overhead_text.h"
#include "trap.h"

#define RUN_CASES 3 /* about the run itself */

/* --- what is counted ------------------------------------------------------ */

/* Findings by map and trap: those of one test case are a group, next to each other. */
struct view {
	const struct report *report;
	const struct finding **sorted;
	size_t count;
	unsigned *nth; /* by map: how many before it have its name, and its process's */
};

static bool fails(const struct finding *finding)
{
	return finding->severity >= FINDING_WARNING;
}

static int compare_u64(uint64_t a, uint64_t b)
{
	return a < b ? -1 : a > b;
}

static int compare_keys(const struct finding *a, const struct finding *b)
{
	int order = compare_u64((uint64_t)a->pid, (uint64_t)b->pid);

	order = order ? order : compare_u64(a->addr, b->addr);
	order = order ? order : compare_u64(a->id, b->id);
	return order ? order : strcmp(a->trap, b->trap);
}

/* In a group, as they came. */
static int compare_findings(const void *left, const void *right)
{
	const struct finding *a = *(const struct finding *const *)left;
	const struct finding *b = *(const struct finding *const *)right;
	int order = compare_keys(a, b);

	return order ? order : a < b ? -1 : a > b;
}

static int compare_names(const struct report_map *a, const struct report_map *b)
{
	int order = strcmp(a->comm, b->comm);

	return order ? order : strcmp(a->name, b->name);
}

static int compare_named(const void *left, const void *right)
{
	const struct report_map *a = *(const struct report_map *const *)left;
	const struct report_map *b = *(const struct report_map *const *)right;
	int order = compare_names(a, b);

	return order ? order : a < b ? -1 : a > b;
}

/* GitLab shows the first of the cases that have one name, and drops the others. */
static int number_maps(struct view *view)
{
	const struct report *report = view->report;
	const struct report_map **named = calloc(report->map_count + 1, sizeof(*named));

	if (!named)
		return -ENOMEM;
	for (size_t i = 0; i < report->map_count; i++)
		named[i] = &report->maps[i];
	qsort(named, report->map_count, sizeof(*named), compare_named);
	for (size_t i = 1; i < report->map_count; i++)
		if (compare_names(named[i - 1], named[i]) == 0)
			view->nth[named[i] - report->maps] =
				view->nth[named[i - 1] - report->maps] + 1;
	free(named);
	return 0;
}

static void view_free(struct view *view)
{
	free(view->sorted);
	free(view->nth);
}

static int view_make(struct view *view, const struct report *report)
{
	*view = (struct view){.report = report, .count = report->finding_count};
	view->sorted = calloc(view->count + 1, sizeof(*view->sorted));
	view->nth = calloc(report->map_count + 1, sizeof(*view->nth));
	if (!view->sorted || !view->nth || number_maps(view)) {
		view_free(view);
		return -ENOMEM;
	}
	for (size_t i = 0; i < view->count; i++)
		view->sorted[i] = &report->findings[i];
	qsort(view->sorted, view->count, sizeof(*view->sorted), compare_findings);
	return 0;
}

/* The end of the group that begins at `begin`. */
static size_t group_end(const struct view *view, size_t begin)
{
	size_t end = begin + 1;

	while (end < view->count && finding_same(view->sorted[begin], view->sorted[end]))
		end++;
	return end;
}

/* Where the group of `key` begins, or would. */
static size_t group_begin(const struct view *view, const struct finding *key)
{
	size_t low = 0, high = view->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare_keys(view->sorted[middle], key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static int compare_map(const void *key, const void *element)
{
	const struct finding *finding = key;
	const struct report_map *map = element;
	int order = compare_u64((uint64_t)finding->pid, (uint64_t)map->pid);

	order = order ? order : compare_u64(finding->addr, map->addr);
	return order ? order : compare_u64(finding->id, map->id);
}

/* NULL: it is left out of the summary. Maps are in order. */
static const struct report_map *map_of(const struct report *report, const struct finding *finding)
{
	return report->map_count > 0 ? bsearch(finding, report->maps, report->map_count,
					       sizeof(report->maps[0]), compare_map)
				     : NULL;
}

/* Whether the finding's trap and map have a test case anyway. */
static bool listed(const struct report *report, const struct finding *finding)
{
	return trap_find(finding->trap) && map_of(report, finding);
}

static void count_cases(const struct view *view, size_t *ret_tests, size_t *ret_failures)
{
	size_t tests = RUN_CASES, failures = 0, end;

	for (size_t i = 0; trap_table[i]; i++)
		tests += view->report->map_count;
	for (size_t begin = 0; begin < view->count; begin = end) {
		bool failed = false;

		end = group_end(view, begin);
		for (size_t i = begin; i < end; i++)
			failed |= fails(view->sorted[i]);
		failures += failed;
		tests += !listed(view->report, view->sorted[begin]);
	}
	*ret_tests = tests;
	*ret_failures = failures;
}

/* --- test cases ----------------------------------------------------------- */

/* Title, time and details of a finding, as lines. */
static int put_details(struct sink *sink, const struct report *report,
		       const struct finding *finding)
{
	char *details = finding_details(finding, "\n"), line[FINDING_LINE_MAX];

	if (!details)
		return -ENOMEM;
	sink_printf(sink, "%s: ", report_severity(finding->severity));
	finding_title(line, sizeof(line), finding);
	markup_put(sink, line);
	sink_puts(sink, "\n");
	finding_since(line, sizeof(line), finding, report->meta);
	markup_put(sink, line);
	sink_puts(sink, "\n");
	markup_put(sink, details);
	sink_puts(sink, "\n");
	free(details);
	return 0;
}

/* A class of blanks is none: XML drops them. */
static void open_case(struct sink *sink, const char *class_name, double seconds)
{
	sink_puts(sink, "    <testcase classname=\"");
	markup_put_name(sink,
			class_name && class_name[strspn(class_name, " ")] ? class_name : "unknown");
	sink_printf(sink, "\" time=\"%.3f\" name=\"", seconds);
}

static void open_failure(struct sink *sink, const struct finding *finding)
{
	char title[FINDING_LINE_MAX];

	sink_puts(sink, "\">\n      <failure type=\"");
	markup_put_name(sink, finding->trap);
	sink_puts(sink, "\" message=\"");
	finding_title(title, sizeof(title), finding);
	markup_put(sink, title);
	sink_puts(sink, "\">");
}

/* The case of a trap in a map; `key` says which. All of its findings are one failure. */
static int put_case(struct sink *sink, const struct view *view, const struct finding *key)
{
	const struct report_map *map = map_of(view->report, key);
	unsigned nth = map ? view->nth[map - view->report->maps] : 0;
	bool failed = false;
	int err = 0;

	open_case(sink, key->comm, 0);
	markup_put_name(sink, key->name);
	if (nth)
		sink_printf(sink, " #%u", nth + 1);
	sink_puts(sink, ": ");
	markup_put_name(sink, key->trap);
	for (size_t i = group_begin(view, key); i < view->count && !err; i++) {
		const struct finding *finding = view->sorted[i];

		if (!finding_same(finding, key))
			break;
		if (!fails(finding))
			continue;
		if (!failed)
			open_failure(sink, finding);
		failed = true;
		err = put_details(sink, view->report, finding);
	}
	sink_puts(sink, failed ? "</failure>\n    </testcase>\n" : "\"/>\n");
	return err;
}

static int put_map(struct sink *sink, const struct view *view, const struct report_map *map)
{
	struct finding key = {.pid = map->pid, .addr = map->addr, .id = map->id};
	int err = 0;

	key.name = map->name;
	key.comm = map->comm;
	for (size_t i = 0; trap_table[i] && !err; i++) {
		key.trap = trap_table[i]->name;
		err = put_case(sink, view, &key);
	}
	return err;
}

/* A case about the run itself; a doubt makes it an error. */
static void put_run_case(struct sink *sink, const char *name, double seconds, const char *doubt)
{
	open_case(sink, "smaptrace", seconds);
	sink_puts(sink, name);
	if (!doubt[0]) {
		sink_puts(sink, "\"/>\n");
		return;
	}
	sink_puts(sink, "\">\n      <error type=\"inconclusive\" message=\"");
	markup_put(sink, doubt);
	sink_puts(sink, "\"/>\n    </testcase>\n");
}

/* --- the document --------------------------------------------------------- */

static void put_property(struct sink *sink, const char *name, const char *value)
{
	if (!value[0])
		return;
	sink_printf(sink, "      <property name=\"%s\" value=\"", name);
	markup_put(sink, value);
	sink_puts(sink, "\"/>\n");
}

static void put_head(struct sink *sink, const struct view *view)
{
	const struct report *report = view->report;
	time_t seconds = (time_t)(report->meta->start_unix_ns / 1000000000ULL);
	size_t tests, failures, errors = (report->map_count == 0) + (report_unjudged(report) > 0);
	char date[32], text[FINDING_LINE_MAX];
	struct tm tm;

	count_cases(view, &tests, &failures);
	errors += gate_shortfall(text, sizeof(text), report) > 0;
	gmtime_r(&seconds, &tm);
	strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm);
	sink_puts(sink, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n"
			"  <testsuite name=\"smaptrace\" package=\"smaptrace\" id=\"0\"");
	sink_printf(sink, " tests=\"%zu\" failures=\"%zu\" errors=\"%zu\"", tests, failures,
		    errors);
	sink_printf(sink, " time=\"%.3f\" timestamp=\"%s\" hostname=\"", report_seconds(report),
		    date);
	markup_put_name(sink, report->meta->hostname[0] ? report->meta->hostname : "localhost");
	sink_puts(sink, "\">\n    <properties>\n      <property name=\"version\" value=\"");
	markup_put_name(sink, report->meta->version);
	sink_puts(sink, "\"/>\n      <property name=\"kernel\" value=\"");
	markup_put_name(sink, report->meta->kernel);
	sink_puts(sink, "\"/>\n");
	put_property(sink, "overhead", overhead_text(text, sizeof(text), report) ? text : "");
	put_property(sink, "estimates", estimates_text(text, sizeof(text), report) ? text : "");
	sink_puts(sink, "    </properties>\n");
}

static int put_cases(struct sink *sink, const struct view *view)
{
	const struct report *report = view->report;
	char losses[FINDING_LINE_MAX], shortfall[FINDING_LINE_MAX];
	int err = 0;

	for (size_t i = 0; i < report->map_count && !err; i++)
		err = put_map(sink, view, &report->maps[i]);
	for (size_t i = 0; i < view->count && !err; i = group_end(view, i))
		if (!listed(report, view->sorted[i]))
			err = put_case(sink, view, view->sorted[i]);
	losses_text(losses, sizeof(losses), report);
	put_run_case(sink, "a map was seen", 0, report->map_count == 0 ? "no map was seen" : "");
	put_run_case(sink, "nothing was lost", report_seconds(report),
		     report_unjudged(report) > 0 ? losses : "");
	gate_shortfall(shortfall, sizeof(shortfall), report);
	put_run_case(sink, "enough was seen", 0, shortfall);
	return err;
}

static int put_suite(struct sink *sink, const struct view *view)
{
	const struct report *report = view->report;
	char doubt[FINDING_LINE_MAX];
	int err;

	put_head(sink, view);
	err = put_cases(sink, view);
	sink_puts(sink, "    <system-out>");
	for (size_t i = 0; i < report->finding_count && !err; i++)
		if (!fails(&report->findings[i]))
			err = put_details(sink, report, &report->findings[i]);
	sink_puts(sink, "</system-out>\n    <system-err>");
	gate_doubt(doubt, sizeof(doubt), report);
	markup_put(sink, doubt);
	sink_puts(sink, "</system-err>\n  </testsuite>\n</testsuites>\n");
	return err;
}

static int junit_report(struct sink *sink, const struct report *report)
{
	struct view view;
	int err;

	if (report->kind != REPORT_END)
		return 0;
	err = view_make(&view, report);
	if (err)
		return err;
	err = put_suite(sink, &view);
	view_free(&view);
	return err;
}

const struct output output_junit = {
	.name = "junit",
	.help = "JUnit XML at the end: a test case per map and trap",
	.suffix = "junit.xml",
	.report = junit_report,
};
