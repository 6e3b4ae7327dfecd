/* SPDX-License-Identifier: MIT */
/*
 * output_gitlab.c - GitLab's Code Quality report: an array with an object per finding.
 *
 * Model: GitLab compares two reports by fingerprint, and shows of two entries with
 * one fingerprint only the first. So it is of trap and map name, which stay the same
 * from run to run, and of a number that tells apart several maps of one name. A
 * finding that was over before the end counts one step less.
 */
#include "output.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include "finding_text.h"
#include "json_sink.h"

static const char *severity(const struct finding *finding)
{
	switch (finding->severity) {
	case FINDING_ERROR:
		return finding->until_ns > 0 ? "major" : "critical";
	case FINDING_WARNING:
		return finding->until_ns > 0 ? "minor" : "major";
	default:
		return "info";
	}
}

/* How many before it have the same hash. */
static unsigned ordinal(const struct report *report, size_t index, uint64_t hash)
{
	unsigned count = 0;

	for (size_t i = 0; i < index; i++)
		count += finding_hash(&report->findings[i]) == hash;
	return count;
}

static json_t *entry_json(const struct report *report, size_t index)
{
	const struct finding *finding = &report->findings[index];
	uint64_t hash = finding_hash(finding);
	char *details = finding_details(finding, "; ");
	char title[FINDING_LINE_MAX], fingerprint[40], uri[4096];
	json_t *entry;

	if (!details)
		return NULL;
	finding_title(title, sizeof(title), finding);
	finding_uri(uri, sizeof(uri), report, finding);
	snprintf(fingerprint, sizeof(fingerprint), "%016" PRIx64 "%08x", hash,
		 ordinal(report, index, hash));
	entry = json_pack("{s:o, s:o, s:s, s:s, s:{s:s, s:{s:i}}}", "description",
			  json_sprintf("%s: %s", title, details), "check_name",
			  json_safe(finding->trap), "fingerprint", fingerprint, "severity",
			  severity(finding), "location", "path", uri, "lines", "begin", 1);
	free(details);
	return entry;
}

static int gitlab_report(struct sink *sink, const struct report *report)
{
	json_t *entries;

	if (report->kind != REPORT_END)
		return 0;
	entries = json_array();
	for (size_t i = 0; i < report->finding_count; i++)
		if (json_array_append_new(entries, entry_json(report, i)) < 0) {
			json_decref(entries);
			return -ENOMEM;
		}
	if (json_put(sink, entries, JSON_INDENT(2)) < 0)
		return sink->err ? sink->err : -ENOMEM;
	sink_puts(sink, "\n");
	return 0;
}

const struct output output_gitlab = {
	.name = "gitlab",
	.help = "GitLab Code Quality at the end",
	.suffix = "gitlab.json",
	.report = gitlab_report,
};
