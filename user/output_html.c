/* SPDX-License-Identifier: MIT */
/*
 * output_html.c - the report as one page that opens from disk: verdicts first, each with
 * its evidence, then the maps, their charts, histograms and stacks, how the trace went, where
 * it was measured.
 *
 * Model: everything that is to be read is in the page as it is written here, charts
 * included; the script only sorts, finds and zooms, and where scripts are forbidden (the
 * artefacts of some CI systems) the page says as much. Below it are the lines of `-f json`
 * that it was made of, for programs: header, findings, end.
 *
 * A page is for the busiest PAGE_MAPS maps; it says how many it leaves out.
 */
#include "output.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include "finding_text.h"
#include "gate.h"
#include "html_chart.h"
#include "html_maps.h"
#include "html_page.h"
#include "html_timeline.h"
#include "markup.h"
#include "output_json.h"
#include "overhead_text.h"
#include "words.h"

#define PAGE_MAPS 1000	  /* rows of the table, and maps in the data: about 4 MB */
#define PAGE_PROMOTIONS 8 /* maps whose promotions are in the timeline */

static int compare_busy(const void *left, const void *right)
{
	const struct report_map *a = *(const struct report_map *const *)left;
	const struct report_map *b = *(const struct report_map *const *)right;
	uint64_t x = report_activity(a), y = report_activity(b);

	if (x != y)
		return x > y ? -1 : 1;
	return a < b ? -1 : a > b;
}

static int page_make(struct html_page *page, const struct report *report)
{
	*page = (struct html_page){.report = report};
	page->maps = calloc(report->map_count + 1, sizeof(const struct report_map *));
	if (!page->maps)
		return -ENOMEM;
	for (size_t i = 0; i < report->map_count; i++)
		page->maps[i] = &report->maps[i];
	qsort(page->maps, report->map_count, sizeof(const struct report_map *), compare_busy);
	page->count = report->map_count < PAGE_MAPS ? report->map_count : PAGE_MAPS;
	return 0;
}

static void put_sentence(struct sink *sink, char *text)
{
	text[0] = (char)toupper((unsigned char)text[0]);
	sink_puts(sink, "<p>");
	markup_put(sink, text);
	sink_puts(sink, ".</p>\n");
}

/* --- verdicts --------------------------------------------------------------- */

static void put_summary(struct sink *sink, const struct report *report)
{
	static const char *const words[] = {
		[GATE_CLEAN] = "No trap found",
		[GATE_TRAP] = "Trap found",
		[GATE_INCONCLUSIVE] = "Nothing can be concluded",
	};
	static const char *const classes[] = {"clean", "trap", "inconclusive"};
	struct gate gate = gate_judge(report);
	char text[FINDING_LINE_MAX];

	sink_printf(sink,
		    "<header>\n<p class=\"tool\">smaptrace</p>\n<h1 class=\"%s\">%s</h1>\n<p>",
		    classes[gate.verdict], words[gate.verdict]);
	markup_put(sink, gate.reason);
	sink_printf(sink, ".</p>\n<p>%zu process%s, %zu map%s, %.1f s", report->target_count,
		    report->target_count == 1 ? "" : "es", report->map_count,
		    plural(report->map_count), report_seconds(report));
	sink_puts(sink, report->lost ? ".</p>\n" : ", nothing lost.</p>\n");
	if (overhead_text(text, sizeof(text), report))
		put_sentence(sink, text);
	if (estimates_text(text, sizeof(text), report))
		put_sentence(sink, text);
	sink_puts(sink, "<nav aria-label=\"Sections\"><a href=\"#findings\">Findings</a> "
			"<a href=\"#maps\">Maps</a> <a href=\"#details\">Details</a> "
			"<a href=\"#timeline\">Timeline</a> "
			"<a href=\"#environment\">Environment</a></nav>\n</header>\n<main>\n");
}

static void put_evidence(struct sink *sink, const struct evidence *evidence)
{
	char text[FINDING_LINE_MAX];

	sink_puts(sink, "<tr><th scope=\"row\">");
	markup_put_name(sink, evidence->name);
	finding_number(text, sizeof(text), evidence->value);
	sink_printf(sink, "</th><td>%s</td><td>", text);
	finding_limit(text, sizeof(text), evidence);
	markup_put(sink, text);
	sink_puts(sink, "</td><td class=\"unit\">");
	markup_put_name(sink, evidence->unit);
	sink_puts(sink, "</td><td class=\"chart\">");
	html_meter(sink, evidence);
	sink_puts(sink, "</td></tr>\n");
}

static void put_evidences(struct sink *sink, const struct finding *finding)
{
	if (finding->evidence_count > 0)
		sink_puts(sink,
			  "<div class=\"scroll\" role=\"region\" tabindex=\"0\" "
			  "aria-label=\"Evidence\"><table class=\"evidence\"><thead><tr>"
			  "<th scope=\"col\">evidence</th><th scope=\"col\">value</th>"
			  "<th scope=\"col\">limit</th><th scope=\"col\">unit</th>"
			  "<th scope=\"col\">value beside its limit</th></tr></thead><tbody>\n");
	for (size_t i = 0; i < finding->evidence_count; i++)
		put_evidence(sink, &finding->evidence[i]);
	if (finding->evidence_count > 0)
		sink_puts(sink, "</tbody></table></div>\n");
	if (!finding_tells_cost(finding))
		sink_printf(sink, "<p>Cost share: %.1f %%.</p>\n", 100 * finding->cost_share);
}

static void put_paragraph(struct sink *sink, const char *class_name, const char *text)
{
	if (!text || !text[0])
		return;
	sink_printf(sink, "<p class=\"%s\">", class_name);
	markup_put_name(sink, text);
	sink_puts(sink, "</p>\n");
}

static void put_finding(struct sink *sink, const struct report *report, size_t number)
{
	const struct finding *finding = &report->findings[number];
	const char *severity = report_severity(finding->severity);
	char text[STACK_TEXT_MAX];

	sink_printf(sink,
		    "<article class=\"finding %s\" id=\"finding-%zu\">\n<h3><span "
		    "class=\"severity\">%s</span> ",
		    severity, number + 1, severity);
	markup_put_name(sink, finding->trap);
	sink_puts(sink, " in <code>");
	markup_put_name(sink, finding->name);
	sink_puts(sink, "</code></h3>\n<p class=\"when\">");
	markup_put_name(sink, finding->comm);
	finding_since(text, sizeof(text), finding, report->meta);
	sink_printf(sink, "%spid %d, ", finding->comm && finding->comm[0] ? ", " : "",
		    finding->pid);
	markup_put(sink, text);
	sink_puts(sink, "</p>\n");
	put_paragraph(sink, "shape", finding->shape);
	put_evidences(sink, finding);
	if (finding_stack(text, sizeof(text), finding) > 0) {
		sink_puts(sink, "<p class=\"stack\">");
		markup_put(sink, text);
		sink_puts(sink, "</p>\n");
	}
	put_paragraph(sink, "remedy", finding->remedy);
	put_paragraph(sink, "link", finding->link);
	sink_puts(sink, "</article>\n");
}

/* The worst first; among equals in the order they came. */
static void put_findings(struct sink *sink, const struct report *report)
{
	size_t count = report->finding_count, shown = 0;

	sink_puts(sink, "<section id=\"findings\">\n<h2>Findings</h2>\n");
	if (count == 0)
		sink_puts(sink, "<p>No detector raised anything.</p>\n");
	for (int severity = FINDING_ERROR; severity >= FINDING_OFF; severity--)
		for (size_t i = 0; i < count && shown < HTML_FINDINGS_MAX; i++)
			if ((int)report->findings[i].severity == severity) {
				put_finding(sink, report, i);
				shown++;
			}
	if (shown < count)
		sink_printf(sink, "<p>%zu more, none of them worse, are in the data below.</p>\n",
			    count - shown);
	sink_puts(sink, "</section>\n");
}

/* --- timeline ---------------------------------------------------------------- */

static void put_timeline(struct sink *sink, const struct html_page *page)
{
	size_t count = page->count < PAGE_PROMOTIONS ? page->count : PAGE_PROMOTIONS;

	sink_puts(sink, "<section id=\"timeline\"");
	html_axis_data(sink, page->report);
	sink_puts(sink, ">\n<h2>Timeline</h2>\n");
	html_findings_timeline(sink, page->report);
	html_promotions_timeline(sink, page->report, page->maps, count);
	if (page->count == 0)
		sink_puts(sink, "<p>Nothing happened.</p>\n");
	sink_puts(sink, "</section>\n");
}

/* --- environment ------------------------------------------------------------ */

static void put_target(struct sink *sink, const struct report_target *target)
{
	sink_puts(sink, "<tr><th scope=\"row\">");
	markup_put_name(sink, target->comm);
	sink_printf(sink, "</th><td>%d</td><td class=\"text\">", target->pid);
	markup_put_name(sink, target->file);
	sink_puts(sink, target->from_start ? "</td><td class=\"text\">from the start</td>"
					   : "</td><td class=\"text\">attached</td>");
	if (!target->ended)
		sink_puts(sink, "<td class=\"text\">still running");
	else if (!target->exit_known)
		sink_puts(sink, "<td class=\"text\">ended");
	else if (WIFSIGNALED(target->status))
		sink_printf(sink, "<td class=\"text\">killed by signal %d",
			    WTERMSIG(target->status));
	else
		sink_printf(sink, "<td class=\"text\">exit status %d", WEXITSTATUS(target->status));
	sink_puts(sink, "</td></tr>\n");
}

static void put_targets(struct sink *sink, const struct report *report)
{
	if (report->target_count == 0)
		return;
	sink_puts(sink, "<h3>Processes</h3>\n<div class=\"scroll\" role=\"region\" tabindex=\"0\" "
			"aria-label=\"Processes\"><table><thead><tr><th scope=\"col\">process</th>"
			"<th scope=\"col\">pid</th><th scope=\"col\">library in</th>"
			"<th scope=\"col\">traced</th><th scope=\"col\">end</th></tr></thead>"
			"<tbody>\n");
	for (size_t i = 0; i < report->target_count; i++)
		put_target(sink, &report->targets[i]);
	sink_puts(sink, "</tbody></table></div>\n");
}

static void put_losses(struct sink *sink, const struct report *report)
{
	sink_puts(sink, "<h3>Lost</h3>\n");
	if (report->lost == 0) {
		sink_puts(sink, "<p>Nothing.</p>\n");
		return;
	}
	sink_puts(sink, "<ul>\n");
	for (size_t i = 0; i < report->loss_count; i++) {
		const struct record_loss *loss = &report->losses[i];

		if (loss->count == 0)
			continue;
		sink_printf(sink, "<li>%" PRIu64 " ", (uint64_t)loss->count);
		markup_put_name(sink, loss->name);
		sink_puts(sink, ": ");
		markup_put_name(sink, loss->help);
		sink_puts(sink, "</li>\n");
	}
	sink_puts(sink, "</ul>\n");
}

static void put_fact(struct sink *sink, const char *name, const char *value)
{
	if (!value[0])
		return;
	sink_printf(sink, "<dt>%s</dt><dd>", name);
	markup_put_name(sink, value);
	sink_puts(sink, "</dd>\n");
}

static void put_environment(struct sink *sink, const struct report *report)
{
	const struct report_meta *meta = report->meta;
	time_t seconds = (time_t)(meta->start_unix_ns / 1000000000ULL);
	char text[64];
	struct tm tm;

	localtime_r(&seconds, &tm);
	strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S %z", &tm);
	sink_puts(sink, "<section id=\"environment\">\n<h2>Environment</h2>\n<dl>\n");
	put_fact(sink, "begun", text);
	snprintf(text, sizeof(text), "%.2f s, %" PRIu64 " window%s of %.3g s",
		 report_seconds(report), report->window_count, plural(report->window_count),
		 meta->interval_ms / 1000.0);
	put_fact(sink, "length", text);
	put_fact(sink, "host", meta->hostname);
	put_fact(sink, "kernel", meta->kernel);
	put_fact(sink, "smaptrace", meta->version);
	put_fact(sink, "misses", meta->exact ? "an event each" : "in batches, exact");
	sink_puts(sink, "</dl>\n");
	put_targets(sink, report);
	put_losses(sink, report);
	sink_puts(sink, "</section>\n</main>\n");
}

/* --- data ------------------------------------------------------------------- */

/* The chosen maps, in the order of the report. */
static struct report_map *chosen_maps(const struct html_page *page)
{
	struct report_map *maps = calloc(page->count + 1, sizeof(*maps));
	const struct report_map *first = page->report->maps;
	unsigned char *wanted = calloc(page->report->map_count + 1, 1);
	size_t count = 0;

	for (size_t i = 0; maps && wanted && i < page->count; i++)
		wanted[page->maps[i] - first] = 1;
	for (size_t i = 0; maps && wanted && i < page->report->map_count; i++)
		if (wanted[i])
			maps[count++] = first[i];
	if (!wanted) {
		free(maps);
		maps = NULL;
	}
	free(wanted);
	return maps;
}

static int write_lines(struct sink *sink, const struct report *report)
{
	int err = output_begin(&output_json, sink, report->meta);

	if (!err)
		err = json_findings(sink, report);
	return err ? err : output_report(&output_json, sink, report);
}

static int put_data(struct sink *sink, const struct html_page *page)
{
	struct report copy = *page->report;
	struct report_map *maps = chosen_maps(page);
	struct sink_memory memory;
	char *json = NULL;
	size_t len;
	int err = maps ? sink_memory_open(&memory) : -ENOMEM;

	copy.maps = maps;
	copy.map_count = page->count;
	if (!err) {
		err = write_lines(&memory.sink, &copy);
		json = sink_memory_close(&memory, &len);
	}
	if (!err && json)
		html_data(sink, json, len);
	else if (!err)
		err = memory.sink.err;
	free(json);
	free(maps);
	return err;
}

static int html_report(struct sink *sink, const struct report *report)
{
	struct html_page page;
	int err;

	if (report->kind != REPORT_END)
		return 0;
	err = page_make(&page, report);
	if (err)
		return err;
	html_begin(sink, "smaptrace report");
	put_summary(sink, report);
	put_findings(sink, report);
	html_maps_table(sink, &page);
	err = html_maps_details(sink, &page);
	put_timeline(sink, &page);
	put_environment(sink, report);
	if (!err)
		err = put_data(sink, &page);
	html_end(sink);
	free(page.maps);
	return err;
}

const struct output output_html = {
	.name = "html",
	.help = "one page at the end, with charts; needs nothing else",
	.suffix = "html",
	.history = true,
	.stacks = true,
	.report = html_report,
};
