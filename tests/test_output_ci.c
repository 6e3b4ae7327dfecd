/* SPDX-License-Identifier: MIT */
/*
 * What the outputs for CI say beyond their golden files: nothing before the end, a clean
 * run, names that would like to be commands or markup, fingerprints that stay.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "finding_text.h"
#include "output.h"
#include "output_github.h"
#include "scenarios.h"

static const struct output *const at_end[] = {&output_junit, &output_sarif, &output_github,
					      &output_gitlab};

#define AT_END_COUNT (sizeof(at_end) / sizeof(at_end[0]))

static const struct scenario clean = {"clean", 1, 1, "sessions", "respd", false};

static const char hostile_name[] = "a:b,c%\r\n::error::x|<b>@me[y](z){0}`*_#\\";

/* A report of nothing but findings. */
static char *render_findings(const struct output *output, enum report_kind kind,
			     const struct finding *findings, size_t count)
{
	const struct report_target target = {.pid = 1, .comm = "c", .file = "/opt/a b/c%[\xff"};
	const struct report_map map = {.pid = 1, .name = "m", .comm = "c"};
	const struct report report = {
		.kind = kind,
		.meta = &meta,
		.start_ns = START,
		.end_ns = START + SECOND,
		.targets = &target,
		.target_count = 1,
		.maps = &map,
		.map_count = 1,
		.findings = findings,
		.finding_count = count,
	};
	struct sink_memory memory;
	char *text;

	assert_int_equal(sink_memory_open(&memory), 0);
	if (output)
		assert_int_equal(output_report(output, &memory.sink, &report), 0);
	else
		assert_int_equal(github_summary(&memory.sink, &report), 0);
	text = sink_memory_close(&memory, NULL);
	assert_non_null(text);
	return text;
}

static struct finding make_finding(const char *name, int pid, uint64_t addr)
{
	return (struct finding){.trap = "read-diffusion",
				.severity = FINDING_WARNING,
				.pid = pid,
				.addr = addr,
				.name = name,
				.comm = name,
				.remedy = name,
				.since_ns = START};
}

static size_t count_of(const char *text, const char *part)
{
	size_t count = 0;

	for (; (text = strstr(text, part)); text += strlen(part))
		count++;
	return count;
}

static void test_nothing_before_the_end(void **state)
{
	struct finding finding = make_finding("m", 1, 0);

	(void)state;
	for (size_t i = 0; i < AT_END_COUNT; i++) {
		char *text = render_findings(at_end[i], REPORT_WINDOW, &finding, 1);

		assert_string_equal(text, "");
		free(text);
	}
}

static void test_clean(void **state)
{
	char *junit = render(&output_junit, &clean), *sarif = render(&output_sarif, &clean);
	char *github = render(&output_github, &clean), *gitlab = render(&output_gitlab, &clean);

	(void)state;
	assert_non_null(strstr(junit, "tests=\"6\" failures=\"0\" errors=\"0\" time=\"2.000\""));
	assert_null(strstr(junit, "<error"));
	assert_non_null(strstr(sarif, "\"executionSuccessful\": true"));
	assert_non_null(strstr(sarif, "\"results\": []"));
	assert_string_equal(github, "smaptrace: nothing found, maps seen: 1\n");
	assert_string_equal(gitlab, "[]\n");
	free(junit);
	free(sarif);
	free(github);
	free(gitlab);
}

/* A finding that clears and comes again is one failing test, told twice. */
static void test_junit_groups(void **state)
{
	struct finding findings[] = {make_finding("m", 1, 0), make_finding("m", 1, 0),
				     make_finding("m", 1, 0x1000)};
	char *text = render_findings(&output_junit, REPORT_END, findings, 3);

	(void)state;
	assert_non_null(strstr(text, "tests=\"7\" failures=\"2\" errors=\"0\""));
	assert_int_equal(count_of(text, "<testcase "), 7);
	assert_int_equal(count_of(text, "<failure "), 2);
	assert_int_equal(count_of(text, "warning: read-diffusion in m"), 3);
	free(text);
}

static void test_junit_blank(void **state)
{
	struct finding finding = make_finding("  ", 2, 0);
	char *text = render_findings(&output_junit, REPORT_END, &finding, 1);

	(void)state;
	assert_non_null(strstr(text, "<testcase classname=\"unknown\""));
	assert_null(strstr(text, "classname=\"  \""));
	free(text);
}

static void test_github_hostile(void **state)
{
	struct finding finding = make_finding(hostile_name, 1, 0);
	char *text = render_findings(&output_github, REPORT_END, &finding, 1), *end;

	(void)state;
	assert_int_equal(count_of(text, "\n"), 1);
	assert_null(strchr(text, '\r'));
	assert_int_equal(strncmp(text, "::warning title=", 16), 0);
	end = strstr(text + 16, "::");
	assert_non_null(end);
	assert_int_equal(strncmp(end + 2, "since ", 6), 0); /* the title has no :: of its own */
	*end = '\0';
	assert_int_equal(strcspn(text + 16, ":,\r\n"), strlen(text + 16));
	assert_non_null(strstr(text, "a%3Ab%2Cc%25\\x0d\\x0a%3A%3Aerror%3A%3Ax"));
	free(text);
}

static void test_summary_hostile(void **state)
{
	struct finding finding = make_finding(hostile_name, 1, 0);
	char *text = render_findings(NULL, REPORT_END, &finding, 1), *row = strstr(text, "\n| w");

	(void)state;
	assert_non_null(row);
	assert_int_equal(count_of(row + 1, "\n"), 2); /* the row and the end */
	assert_int_equal(count_of(row, "|"), 7);
	assert_int_equal(count_of(row, "<"), 1); /* one <br>, ours */
	assert_int_equal(strcspn(row, "@[](){}`*_\\%"), strlen(row));
	assert_non_null(strstr(row, "a&#58;b&#44;c&#37;&#92;x0d"));
	free(text);
}

static void test_summary_is_bounded(void **state)
{
	struct finding findings[300];
	char *text;

	(void)state;
	for (int i = 0; i < 300; i++)
		findings[i] = make_finding("m", 1, (uint64_t)i);
	text = render_findings(NULL, REPORT_END, findings, 300);
	assert_int_equal(count_of(text, "| warning |"), 200);
	assert_non_null(strstr(text, "\nand 100 more\n"));
	free(text);
}

static void test_sarif_hostile(void **state)
{
	struct finding finding = make_finding(hostile_name, 1, 0);
	char *text = render_findings(&output_sarif, REPORT_END, &finding, 1);

	(void)state;
	assert_non_null(strstr(text, "\"opt/a%20b/c%25%5B%FF\""));
	assert_non_null(strstr(text, "@me\\\\[y\\\\](z){{0}}"));
	free(text);
}

static void test_fingerprints(void **state)
{
	struct finding findings[] = {make_finding("m", 1, 1), make_finding("m", 2, 9),
				     make_finding("n", 1, 1)};
	char *text = render_findings(&output_gitlab, REPORT_END, findings, 3);
	json_t *list = json_loads(text, 0, NULL);
	const char *marks[3];

	(void)state;

	assert_true(finding_hash(&findings[0]) == finding_hash(&findings[1]));
	findings[1].trap = "pseudo-expansion";
	assert_false(finding_hash(&findings[0]) == finding_hash(&findings[1]));
	for (size_t i = 0; i < 3; i++)
		marks[i] =
			json_string_value(json_object_get(json_array_get(list, i), "fingerprint"));
	assert_string_not_equal(marks[0], marks[1]);
	assert_int_equal(strncmp(marks[0], marks[1], 16), 0);
	assert_int_not_equal(strncmp(marks[0], marks[2], 16), 0);
	json_decref(list);
	free(text);
}

static void test_numbers(void **state)
{
	static const struct {
		double value;
		const char *text;
	} cases[] = {
		{0, "0"},
		{123456789, "123456789"},
		{0.25, "0.25"},
		{-3, "-3"},
		{1.0 / 3, "0.3333"},
		{1234567.5, "1234568"},
		{INFINITY, "infinite"},
		{NAN, "unknown"},
		{-INFINITY, "-infinite"},
	};
	char text[32], small[4];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		finding_number(text, sizeof(text), cases[i].value);
		assert_string_equal(text, cases[i].text);
	}
	assert_int_equal(finding_number(small, sizeof(small), 123456), 3);
	assert_string_equal(small, "123");
	assert_int_equal(finding_number(small, 0, 123456), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_before_the_end),
		cmocka_unit_test(test_clean),
		cmocka_unit_test(test_junit_groups),
		cmocka_unit_test(test_junit_blank),
		cmocka_unit_test(test_github_hostile),
		cmocka_unit_test(test_summary_hostile),
		cmocka_unit_test(test_summary_is_bounded),
		cmocka_unit_test(test_sarif_hostile),
		cmocka_unit_test(test_fingerprints),
		cmocka_unit_test(test_numbers),
	};

	setenv("TZ", "UTC", 1);
	tzset();
	return cmocka_run_group_tests_name("output_ci", tests, NULL, NULL);
}
