/* SPDX-License-Identifier: MIT */
/*
 * output_brief.c - for a log that somebody reads when it went wrong: each finding as it comes, and
 * three lines at the end. What `check` prints unless it is told otherwise; tables and
 * histograms are in the text output.
 */
#include "output.h"

#include <ctype.h>
#include <inttypes.h>
#include "finding_text.h"
#include "gate.h"
#include "output_text.h"
#include "overhead_text.h"
#include "words.h"

static int put_end(struct sink *sink, const struct report *report)
{
	char losses[FINDING_LINE_MAX], doubt[FINDING_LINE_MAX];

	sink_printf(
		sink, "\nSummary: %.2f s, %zu process%s with libsmap, %zu map%s; %zu finding%s.\n",
		(double)(report->end_ns - report->start_ns) / 1e9, report->target_count,
		report->target_count == 1 ? "" : "es", report->map_count, plural(report->map_count),
		report->finding_count, plural(report->finding_count));
	if (report->findings_cut)
		sink_printf(sink, "%" PRIu64 " further finding%s not kept.\n", report->findings_cut,
			    report->findings_cut == 1 ? " was" : "s were");
	if (overhead_text(doubt, sizeof(doubt), report))
		sink_printf(sink, "%c%s.\n", toupper((unsigned char)doubt[0]), doubt + 1);
	if (estimates_text(doubt, sizeof(doubt), report))
		sink_printf(sink, "%c%s.\n", toupper((unsigned char)doubt[0]), doubt + 1);
	if (losses_text(losses, sizeof(losses), report))
		sink_printf(sink, "%s\n", losses);
	else
		sink_puts(sink, "Lost: nothing.\n");
	if (!report->finding_count && gate_doubt(doubt, sizeof(doubt), report))
		sink_printf(sink, "%s\n", doubt);
	return 0;
}

static int brief_report(struct sink *sink, const struct report *report)
{
	if (report->kind == REPORT_END)
		return put_end(sink, report);
	text_put_findings(sink, report);
	return 0;
}

const struct output output_brief = {
	.name = "brief",
	.help = "findings and a summary: the default of check",
	.suffix = "brief",
	.report = brief_report,
};
