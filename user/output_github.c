/* SPDX-License-Identifier: MIT */
/*
 * output_github.c - GitHub's workflow commands, a line per finding that becomes an
 * annotation, and a job summary in Markdown.
 *
 * Model: a command is `::level title=PROPERTY::DATA` on one line. % CR LF are escaped in
 * both parts, : and , in properties too, so that no name ends a line or a property.
 * In Markdown every punctuation mark of a name becomes a character reference: those
 * are never markup, a table's bar and a mention included.
 */
#include "output_github.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "finding_text.h"
#include "gate.h"
#include "names.h"
#include "output.h"
#include "overhead_text.h"

#define SUMMARY_ROWS 200 /* GitHub takes 1 MiB of summary for a step; a row is below 5 KiB */

/* --- workflow commands ---------------------------------------------------- */

static void put_escaped(struct sink *sink, const char *text, const char *special)
{
	while (*text) {
		size_t plain = strcspn(text, special);

		sink_write(sink, text, plain);
		text += plain;
		if (*text)
			sink_printf(sink, "%%%02X", (unsigned char)*text++);
	}
}

static void put_command(struct sink *sink, const char *level, const char *title, const char *data)
{
	sink_printf(sink, "::%s title=", level);
	put_escaped(sink, title, "%\r\n:,");
	sink_puts(sink, "::");
	put_escaped(sink, data, "%\r\n");
	sink_puts(sink, "\n");
}

static int put_finding(struct sink *sink, const struct report *report,
		       const struct finding *finding)
{
	char *details = finding_details(finding, "\n"), *data = NULL;
	char title[FINDING_LINE_MAX], since[FINDING_LINE_MAX];

	finding_title(title, sizeof(title), finding);
	finding_since(since, sizeof(since), finding, report->meta);
	if (!details || asprintf(&data, "%s\n%s", since, details) < 0) {
		free(details);
		return -ENOMEM;
	}
	/* Severities have the names of GitHub's levels. */
	put_command(sink, report_severity(finding->severity), title, data);
	free(data);
	free(details);
	return 0;
}

static int github_report(struct sink *sink, const struct report *report)
{
	char doubt[FINDING_LINE_MAX];
	int err = 0;

	if (report->kind != REPORT_END)
		return 0;
	for (size_t i = 0; i < report->finding_count && !err; i++)
		err = put_finding(sink, report, &report->findings[i]);
	if (estimates_text(doubt, sizeof(doubt), report) > 0)
		put_command(sink, "notice", "smaptrace estimates", doubt);
	if (gate_doubt(doubt, sizeof(doubt), report) > 0)
		put_command(sink, "error", "smaptrace is inconclusive", doubt);
	else if (report->finding_count == 0)
		sink_printf(sink, "smaptrace: nothing found, maps seen: %zu\n", report->map_count);
	return err;
}

/* --- summary -------------------------------------------------------------- */

static void put_markdown(struct sink *sink, const char *safe)
{
	for (; *safe; safe++)
		if (ispunct((unsigned char)*safe) && (unsigned char)*safe < 0x80)
			sink_printf(sink, "&#%d;", *safe);
		else
			sink_write(sink, safe, 1);
}

static void put_cell(struct sink *sink, const char *text)
{
	char safe[FINDING_LINE_MAX];

	name_escape(safe, sizeof(safe), text ? text : "");
	put_markdown(sink, safe);
	sink_puts(sink, " | ");
}

static void put_row(struct sink *sink, const struct report *report, const struct finding *finding)
{
	char line[FINDING_LINE_MAX];

	sink_printf(sink, "| %s | ", report_severity(finding->severity));
	put_cell(sink, finding->trap);
	put_cell(sink, finding->name);
	put_cell(sink, finding->comm);
	finding_since(line, sizeof(line), finding, report->meta);
	put_markdown(sink, line);
	for (size_t i = 0; i < finding->evidence_count; i++) {
		finding_evidence(line, sizeof(line), &finding->evidence[i]);
		sink_puts(sink, "<br>");
		put_markdown(sink, line);
	}
	if (!finding_tells_cost(finding))
		sink_printf(sink, "<br>cost share %.1f &#37;", 100 * finding->cost_share);
	sink_puts(sink, " | ");
	put_cell(sink, finding->remedy);
	sink_puts(sink, "\n");
}

int github_summary(struct sink *sink, const struct report *report)
{
	size_t count = report->finding_count;
	char doubt[FINDING_LINE_MAX];

	sink_printf(sink, "### smaptrace: %zu finding%s, maps seen: %zu\n\n", count,
		    count == 1 ? "" : "s", report->map_count);
	if (gate_doubt(doubt, sizeof(doubt), report) > 0) {
		sink_puts(sink, "**Inconclusive:** ");
		put_markdown(sink, doubt);
		sink_puts(sink, "\n\n");
	}
	if (estimates_text(doubt, sizeof(doubt), report) > 0) {
		put_markdown(sink, doubt);
		sink_puts(sink, "\n\n");
	}
	if (count > 0)
		sink_puts(sink, "| Severity | Trap | Map | Process | Evidence | Remedy |\n"
				"|---|---|---|---|---|---|\n");
	for (size_t i = 0; i < count && i < SUMMARY_ROWS; i++)
		put_row(sink, report, &report->findings[i]);
	if (count > SUMMARY_ROWS)
		sink_printf(sink, "\nand %zu more\n", count - SUMMARY_ROWS);
	sink_puts(sink, "\n");
	return sink_flush(sink);
}

const struct output output_github = {
	.name = "github",
	.help = "GitHub workflow commands at the end",
	.suffix = "github",
	.report = github_report,
};
