/* SPDX-License-Identifier: MIT */
/*
 * output_junit.c - JUnit XML, for CI systems that show tests.
 *
 * Model: every trap that could have been in a map is a test case, named alike in every
 * run, so that "has begun to fail" and "is fixed" mean something. A finding from
 * warning on fails its case; notices are told in system-out. Two cases more ask
 * whether the run was worth anything: was a map seen, and was nothing lost? Their
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
#include "names.h"

/* --- XML ------------------------------------------------------------------ */

/* Text that is safe already, except for XML. */
static void put_xml(struct sink *sink, const char *safe)
{
	static const char special[] = "&<>\"'";
	static const char *const entities[] = {"&amp;", "&lt;", "&gt;", "&quot;", "&apos;"};

	while (*safe) {
		size_t plain = strcspn(safe, special);

		sink_write(sink, safe, plain);
		safe += plain;
		if (*safe)
			sink_puts(sink, entities[strchr(special, *safe++) - special]);
	}
}

static void put_name(struct sink *sink, const char *name)
{
	char safe[FINDING_LINE_MAX];

	name_escape(safe, sizeof(safe), name);
	put_xml(sink, safe);
}

/* --- what is counted ------------------------------------------------------ */

static bool fails(const struct finding *finding)
{
	return finding->severity >= FINDING_WARNING;
}

/* Whether the finding's trap and map have a test case anyway. */
static bool listed(const struct report *report, const struct finding *finding)
{
	const struct trap_text *trap = trap_texts;

	while (trap->name && strcmp(trap->name, finding->trap) != 0)
		trap++;
	for (size_t i = 0; trap->name && i < report->map_count; i++)
		if (finding_in_map(finding, &report->maps[i]))
			return true;
	return false;
}

/* The first of its trap and map; of the failing ones, or of all. */
static bool first(const struct report *report, size_t index, bool failing)
{
	const struct finding *finding = &report->findings[index];

	for (size_t i = 0; i < index; i++)
		if (finding_same(&report->findings[i], finding) &&
		    (!failing || fails(&report->findings[i])))
			return false;
	return true;
}

static size_t count_tests(const struct report *report)
{
	size_t count = 2;

	for (const struct trap_text *trap = trap_texts; trap->name; trap++)
		count += report->map_count;
	for (size_t i = 0; i < report->finding_count; i++)
		count += first(report, i, false) && !listed(report, &report->findings[i]);
	return count;
}

static size_t count_failures(const struct report *report)
{
	size_t count = 0;

	for (size_t i = 0; i < report->finding_count; i++)
		count += fails(&report->findings[i]) && first(report, i, true);
	return count;
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
	put_xml(sink, line);
	sink_puts(sink, "\n");
	finding_since(line, sizeof(line), finding, report->meta);
	put_xml(sink, line);
	sink_puts(sink, "\n");
	put_xml(sink, details);
	sink_puts(sink, "\n");
	free(details);
	return 0;
}

static void open_case(struct sink *sink, const char *class_name, double seconds)
{
	sink_puts(sink, "    <testcase classname=\"");
	put_name(sink, class_name && class_name[0] ? class_name : "unknown");
	sink_printf(sink, "\" time=\"%.3f\" name=\"", seconds);
}

/* The case of a trap in a map; `key` says which. All of its findings are one failure. */
static int put_case(struct sink *sink, const struct report *report, const struct finding *key)
{
	bool failed = false;
	int err = 0;

	open_case(sink, key->comm, 0);
	put_name(sink, key->name);
	sink_puts(sink, ": ");
	put_name(sink, key->trap);
	for (size_t i = 0; i < report->finding_count && !err; i++) {
		const struct finding *finding = &report->findings[i];
		char title[FINDING_LINE_MAX];

		if (!fails(finding) || !finding_same(finding, key))
			continue;
		if (!failed) {
			sink_puts(sink, "\">\n      <failure type=\"");
			put_name(sink, key->trap);
			sink_puts(sink, "\" message=\"");
			finding_title(title, sizeof(title), finding);
			put_xml(sink, title);
			sink_puts(sink, "\">");
		}
		failed = true;
		err = put_details(sink, report, finding);
	}
	sink_puts(sink, failed ? "</failure>\n    </testcase>\n" : "\"/>\n");
	return err;
}

static int put_map(struct sink *sink, const struct report *report, const struct report_map *map)
{
	struct finding key = {.pid = map->pid, .addr = map->addr, .id = map->id};
	int err = 0;

	key.name = map->name;
	key.comm = map->comm;
	for (const struct trap_text *trap = trap_texts; trap->name && !err; trap++) {
		key.trap = trap->name;
		err = put_case(sink, report, &key);
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
	put_xml(sink, doubt);
	sink_puts(sink, "\"/>\n    </testcase>\n");
}

/* --- the document --------------------------------------------------------- */

static void put_head(struct sink *sink, const struct report *report)
{
	time_t seconds = (time_t)(report->meta->start_unix_ns / 1000000000ULL);
	size_t errors = (report->map_count == 0) + (report->lost > 0);
	char date[32];
	struct tm tm;

	gmtime_r(&seconds, &tm);
	strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm);
	sink_puts(sink, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n"
			"  <testsuite name=\"smaptrace\" package=\"smaptrace\" id=\"0\"");
	sink_printf(sink, " tests=\"%zu\" failures=\"%zu\" errors=\"%zu\"", count_tests(report),
		    count_failures(report), errors);
	sink_printf(sink, " time=\"%.3f\" timestamp=\"%s\" hostname=\"", report_seconds(report),
		    date);
	put_name(sink, report->meta->hostname[0] ? report->meta->hostname : "localhost");
	sink_puts(sink, "\">\n    <properties>\n      <property name=\"version\" value=\"");
	put_name(sink, report->meta->version);
	sink_puts(sink, "\"/>\n      <property name=\"kernel\" value=\"");
	put_name(sink, report->meta->kernel);
	sink_puts(sink, "\"/>\n    </properties>\n");
}

static int put_cases(struct sink *sink, const struct report *report)
{
	char losses[FINDING_LINE_MAX];
	int err = 0;

	for (size_t i = 0; i < report->map_count && !err; i++)
		err = put_map(sink, report, &report->maps[i]);
	for (size_t i = 0; i < report->finding_count && !err; i++)
		if (first(report, i, false) && !listed(report, &report->findings[i]))
			err = put_case(sink, report, &report->findings[i]);
	losses_text(losses, sizeof(losses), report);
	put_run_case(sink, "a map was seen", 0, report->map_count == 0 ? "no map was seen" : "");
	put_run_case(sink, "nothing was lost", report_seconds(report), losses);
	return err;
}

static int junit_report(struct sink *sink, const struct report *report)
{
	char doubt[FINDING_LINE_MAX];
	int err;

	if (report->kind != REPORT_END)
		return 0;
	put_head(sink, report);
	err = put_cases(sink, report);
	sink_puts(sink, "    <system-out>");
	for (size_t i = 0; i < report->finding_count && !err; i++)
		if (!fails(&report->findings[i]))
			err = put_details(sink, report, &report->findings[i]);
	sink_puts(sink, "</system-out>\n    <system-err>");
	doubt_text(doubt, sizeof(doubt), report);
	put_xml(sink, doubt);
	sink_puts(sink, "</system-err>\n  </testsuite>\n</testsuites>\n");
	return err;
}

const struct output output_junit = {
	.name = "junit",
	.help = "JUnit XML at the end: a test case per map and trap",
	.suffix = "junit.xml",
	.report = junit_report,
};
