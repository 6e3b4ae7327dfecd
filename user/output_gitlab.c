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
#include "overhead_text.h"

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

struct print {
	uint64_t hash;
	size_t index;	  /* of the finding */
	unsigned ordinal; /* how many findings before it have the same hash */
};

static int by_hash(const void *left, const void *right)
{
	const struct print *a = left, *b = right;

	if (a->hash != b->hash)
		return a->hash < b->hash ? -1 : 1;
	return a->index < b->index ? -1 : a->index > b->index;
}

static int by_index(const void *left, const void *right)
{
	const struct print *a = left, *b = right;

	return a->index < b->index ? -1 : a->index > b->index;
}

/* A fingerprint for each finding; to be freed, NULL = no memory. */
static struct print *make_prints(const struct report *report)
{
	size_t count = report->finding_count;
	struct print *prints = calloc(count + 1, sizeof(*prints));

	if (!prints)
		return NULL;
	for (size_t i = 0; i < count; i++)
		prints[i] = (struct print){finding_hash(&report->findings[i]), i, 0};
	qsort(prints, count, sizeof(*prints), by_hash);
	for (size_t i = 1; i < count; i++)
		if (prints[i].hash == prints[i - 1].hash)
			prints[i].ordinal = prints[i - 1].ordinal + 1;
	qsort(prints, count, sizeof(*prints), by_index);
	return prints;
}

static json_t *entry_json(const struct report *report, const struct print *print)
{
	const struct finding *finding = &report->findings[print->index];
	char *details = finding_details(finding, "; ");
	char title[FINDING_LINE_MAX], estimates[FINDING_LINE_MAX], fingerprint[40], uri[4096];
	json_t *entry;

	if (!details)
		return NULL;
	finding_title(title, sizeof(title), finding);
	estimates_text(estimates, sizeof(estimates), report);
	finding_uri(uri, sizeof(uri), report, finding);
	snprintf(fingerprint, sizeof(fingerprint), "%016" PRIx64 "%08x", print->hash,
		 print->ordinal);
	entry = json_pack(
		"{s:o, s:o, s:s, s:s, s:{s:s, s:{s:i}}}", "description",
		json_sprintf("%s: %s%s%s", title, details, estimates[0] ? "; " : "", estimates),
		"check_name", json_safe(finding->trap), "fingerprint", fingerprint, "severity",
		severity(finding), "location", "path", uri, "lines", "begin", 1);
	free(details);
	return entry;
}

static json_t *entries_json(const struct report *report, const struct print *prints)
{
	json_t *entries = json_array();

	for (size_t i = 0; i < report->finding_count; i++)
		if (json_array_append_new(entries, entry_json(report, &prints[i])) < 0) {
			json_decref(entries);
			return NULL;
		}
	return entries;
}

static int gitlab_report(struct sink *sink, const struct report *report)
{
	struct print *prints;
	int err;

	if (report->kind != REPORT_END)
		return 0;
	prints = make_prints(report);
	err = json_put(sink, prints ? entries_json(report, prints) : NULL, JSON_INDENT(2));
	sink_puts(sink, "\n");
	free(prints);
	return err;
}

const struct output output_gitlab = {
	.name = "gitlab",
	.help = "GitLab Code Quality at the end",
	.suffix = "gitlab.json",
	.report = gitlab_report,
};
