/* SPDX-License-Identifier: MIT */
/*
 * html_timeline.c - see html_timeline.h. Model: time is 0..AXIS from left to right in each
 * drawing, which is stretched to the width of the page (preserveAspectRatio none); text
 * stands outside of the stretched part and keeps its size. A point of the history is
 * drawn as long as it was, so that folded points look as coarse as they are.
 */
#include "html_timeline.h"

#include <inttypes.h>
#include <math.h>
#include "finding_text.h"
#include "history.h"
#include "html_chart.h"
#include "markup.h"

#define AXIS 1000	/* width of a drawing */
#define HEIGHT 100	/* height of a drawing */
#define FINDING_ROWS 50 /* of the timeline; all findings are in their section */
#define HEAT_LEVELS 5

struct axis {
	uint64_t start_ns, end_ns;
};

static struct axis axis_of(const struct report *report)
{
	struct axis axis = {report->start_ns, report->end_ns};

	if (axis.end_ns <= axis.start_ns)
		axis.end_ns = axis.start_ns + 1;
	return axis;
}

static double at(const struct axis *axis, uint64_t ns)
{
	if (ns <= axis->start_ns)
		return 0;
	if (ns >= axis->end_ns)
		return AXIS;
	return AXIS * (double)(ns - axis->start_ns) / (double)(axis->end_ns - axis->start_ns);
}

static double seconds(const struct axis *axis, uint64_t ns)
{
	return ((double)ns - (double)axis->start_ns) / 1e9;
}

static void put_axis(struct sink *sink, const struct report *report)
{
	struct axis axis = axis_of(report);
	double length = seconds(&axis, axis.end_ns);

	sink_printf(sink,
		    "<p class=\"axis\"><span>0 s</span><span>%.4g s</span><span>%.4g s</span></p>",
		    length / 2, length);
}

void html_axis_data(struct sink *sink, const struct report *report)
{
	struct axis axis = axis_of(report);

	if (!report->history || history_points(report->history) == 0)
		return;
	sink_printf(sink, " data-seconds=\"%.3f\" data-starts=\"", seconds(&axis, axis.end_ns));
	for (size_t i = 0; i < history_points(report->history); i++) {
		uint64_t start_ns = history_point(report->history, i)->start_ns;

		sink_printf(sink, "%s%.6g", i > 0 ? " " : "",
			    start_ns > axis.start_ns ? seconds(&axis, start_ns) : 0.0);
	}
	sink_puts(sink, "\"");
}

/* The axis below the charts of a table. */
static void put_table_end(struct sink *sink, const struct report *report)
{
	sink_puts(sink, "</tbody><tfoot><tr><td colspan=\"3\"></td><td>");
	put_axis(sink, report);
	sink_puts(sink, "</td></tr></tfoot></table></div>\n");
}

/* --- findings --------------------------------------------------------------- */

static void put_span(struct sink *sink, const struct axis *axis, const struct finding *finding)
{
	uint64_t until = finding->until_ns ? finding->until_ns : axis->end_ns;
	double from = at(axis, finding->since_ns), to = at(axis, until);

	/* What was too short to see is shown all the same. */
	if (to - from < 3)
		from = to > 3 ? to - 3 : 0;
	sink_printf(sink,
		    "<svg width=\"100%%\" height=\"14\" aria-hidden=\"true\">"
		    "<rect class=\"track\" width=\"100%%\" height=\"14\"/>"
		    "<rect class=\"mark %s\" x=\"%.2f%%\" width=\"%.2f%%\" height=\"14\"/></svg>",
		    report_severity(finding->severity), from / AXIS * 100,
		    (to - from > 3 ? to - from : 3) / AXIS * 100);
}

static void put_finding_row(struct sink *sink, const struct axis *axis, const struct report *report,
			    size_t number)
{
	const struct finding *finding = &report->findings[number];
	const char *severity = report_severity(finding->severity);
	bool linked = report->finding_count <= HTML_FINDINGS_MAX;

	sink_printf(sink,
		    "<tr><th scope=\"row\"><span class=\"%s\"><span class=\"severity\">%s"
		    "</span></span> ",
		    severity, severity);
	if (linked)
		sink_printf(sink, "<a href=\"#finding-%zu\">", number + 1);
	markup_put_name(sink, finding->trap);
	sink_puts(sink, linked ? "</a> in <code>" : " in <code>");
	markup_put_name(sink, finding->name);
	sink_printf(sink, "</code></th><td>%.1f s</td>", seconds(axis, finding->since_ns));
	if (finding->until_ns)
		sink_printf(sink, "<td>%.1f s</td>", seconds(axis, finding->until_ns));
	else
		sink_puts(sink, "<td>holds</td>");
	sink_puts(sink, "<td class=\"chart\">");
	put_span(sink, axis, finding);
	sink_puts(sink, "</td></tr>\n");
}

void html_findings_timeline(struct sink *sink, const struct report *report)
{
	size_t rows = report->finding_count < FINDING_ROWS ? report->finding_count : FINDING_ROWS;
	struct axis axis = axis_of(report);

	if (rows == 0)
		return;
	sink_puts(sink, "<div class=\"scroll\" role=\"region\" tabindex=\"0\" "
			"aria-label=\"Findings over time\"><table class=\"time\"><thead><tr>"
			"<th scope=\"col\">finding</th><th scope=\"col\">since</th>"
			"<th scope=\"col\">until</th><th scope=\"col\">over the trace</th></tr>"
			"</thead><tbody>\n");
	for (size_t i = 0; i < rows; i++)
		put_finding_row(sink, &axis, report, i);
	put_table_end(sink, report);
	if (rows < report->finding_count)
		sink_printf(sink, "<p>The first %d of %zu findings.</p>\n", FINDING_ROWS,
			    report->finding_count);
}

/* --- series ----------------------------------------------------------------- */

struct series {
	const struct report *report;
	const struct history_map *map;
	enum history_figure figure;
};

static double value_of(const struct series *series, size_t point)
{
	return history_value(series->report->history, series->map, series->figure, point);
}

/* The area below the values: up at the beginning of each point, flat to its end. */
static void put_area(struct sink *sink, const struct series *series, double peak)
{
	const struct history *history = series->report->history;
	struct axis axis = axis_of(series->report);

	sink_puts(sink, "<path class=\"series\" d=\"");
	for (size_t i = 0; i < history_points(history); i++) {
		const struct history_point *point = history_point(history, i);
		double value = value_of(series, i);

		if (value > 0)
			sink_printf(sink, "M%.1f %dV%.1fH%.1fV%dZ", at(&axis, point->start_ns),
				    HEIGHT, HEIGHT - HEIGHT * value / peak,
				    at(&axis, point->end_ns), HEIGHT);
	}
	sink_puts(sink, "\"/>");
}

/* Where findings of the map held. */
static void put_bands(struct sink *sink, const struct series *series)
{
	struct axis axis = axis_of(series->report);

	for (size_t i = 0; i < series->report->finding_count; i++) {
		const struct finding *finding = &series->report->findings[i];
		double from = at(&axis, finding->since_ns);
		double to = finding->until_ns ? at(&axis, finding->until_ns) : AXIS;

		if (finding->pid != series->map->pid || finding->addr != series->map->addr ||
		    finding->id != series->map->id)
			continue;
		sink_printf(sink, "<rect class=\"band\" x=\"%.1f\" width=\"%.1f\" height=\"%d\"/>",
			    from, to > from ? to - from : 1, HEIGHT);
	}
}

/* Values for the script's pointer: "-" = not known. */
static void put_values(struct sink *sink, const struct series *series)
{
	sink_printf(sink, " data-unit=\"%s\" data-values=\"", history_info[series->figure].unit);
	for (size_t i = 0; i < history_points(series->report->history); i++) {
		double value = value_of(series, i);

		if (isfinite(value))
			sink_printf(sink, "%s%.5g", i > 0 ? " " : "", value);
		else
			sink_puts(sink, i > 0 ? " -" : "-");
	}
	sink_puts(sink, "\"");
}

static void put_drawing(struct sink *sink, const struct series *series, double peak)
{
	sink_printf(sink,
		    "<svg class=\"plot\" width=\"100%%\" height=\"64\" "
		    "viewBox=\"0 0 %d %d\" preserveAspectRatio=\"none\" role=\"img\"",
		    AXIS, HEIGHT);
	put_values(sink, series);
	sink_printf(sink, " aria-label=\"%s over time\">", history_info[series->figure].title);
	put_bands(sink, series);
	put_area(sink, series, peak);
	sink_puts(sink, "</svg>");
}

static void put_series(struct sink *sink, const struct series *series)
{
	const struct history_info *info = &history_info[series->figure];
	double peak = history_peak(series->report->history, series->map, series->figure);
	char text[HTML_QUANTITY_MAX];

	if (!(peak > 0))
		return;
	html_quantity(text, peak, info->unit);
	sink_printf(sink, "<figure class=\"chart\"><figcaption><b>%s</b> highest %s</figcaption>",
		    info->title, text);
	put_drawing(sink, series, peak);
	put_axis(sink, series->report);
	sink_puts(sink, "</figure>\n");
}

/* --- promotions by size ----------------------------------------------------- */

static uint32_t busiest_cell(const struct report *report, const struct history_map *map,
			     unsigned *ret_slots)
{
	uint32_t most = 0;

	*ret_slots = 0;
	for (size_t i = 0; i < history_points(report->history); i++) {
		const uint32_t *sizes = history_sizes(report->history, map, i);

		for (unsigned slot = 0; sizes && slot < HISTORY_SIZE_SLOTS; slot++) {
			most = sizes[slot] > most ? sizes[slot] : most;
			if (sizes[slot] > 0 && slot >= *ret_slots)
				*ret_slots = slot + 1;
		}
	}
	return most;
}

/* By the logarithm, so that one promotion is seen beside thousands. */
static unsigned heat(uint32_t count, uint32_t most)
{
	double level = most > 1 ? log((double)count) / log((double)most) : 1;

	return 1 + (unsigned)(level * (HEAT_LEVELS - 1));
}

static void put_heat(struct sink *sink, const struct report *report, const struct history_map *map,
		     unsigned level, uint32_t most, unsigned slots)
{
	struct axis axis = axis_of(report);

	sink_printf(sink, "<path class=\"heat%u\" d=\"", level);
	for (size_t i = 0; i < history_points(report->history); i++) {
		const struct history_point *point = history_point(report->history, i);
		const uint32_t *sizes = history_sizes(report->history, map, i);

		for (unsigned slot = 0; sizes && slot < slots; slot++)
			if (sizes[slot] > 0 && heat(sizes[slot], most) == level)
				sink_printf(sink, "M%.1f %uH%.1fv1H%.1fZ",
					    at(&axis, point->start_ns), slots - 1 - slot,
					    at(&axis, point->end_ns), at(&axis, point->start_ns));
	}
	sink_puts(sink, "\"/>");
}

static void put_heatmap(struct sink *sink, const struct report *report,
			const struct history_map *map)
{
	unsigned slots;
	uint32_t most = busiest_cell(report, map, &slots);

	if (most == 0)
		return;
	sink_printf(sink,
		    "<figure class=\"chart\"><figcaption><b>promotions by size</b> "
		    "bottom 0 or 1, top %" PRIu64 " entries and more; most in a cell %" PRIu32
		    "</figcaption><svg class=\"plot\" width=\"100%%\" height=\"%u\" "
		    "viewBox=\"0 0 %d %u\" preserveAspectRatio=\"none\" role=\"img\" "
		    "aria-label=\"promotions by time and size\">",
		    hist_low(slots - 1), most, slots * 8, AXIS, slots);
	for (unsigned level = 1; level <= HEAT_LEVELS; level++)
		put_heat(sink, report, map, level, most, slots);
	sink_puts(sink, "</svg>");
	put_axis(sink, report);
	sink_puts(sink, "</figure>\n");
}

/* --- maps ------------------------------------------------------------------- */

static const struct history_map *find(const struct report *report, const struct report_map *map)
{
	return report->history ? history_find(report->history, map->pid, map->addr, map->id) : NULL;
}

static void put_promotions_row(struct sink *sink, const struct series *series)
{
	double peak = history_peak(series->report->history, series->map, series->figure);

	sink_puts(sink, "<tr><th scope=\"row\"><code>");
	markup_put_name(sink, series->map->name);
	sink_printf(sink, "</code></th><td>%d</td><td>%.4g</td><td class=\"chart\">",
		    series->map->pid, peak > 0 ? peak : 0);
	if (peak > 0)
		put_drawing(sink, series, peak);
	sink_puts(sink, "</td></tr>\n");
}

void html_promotions_timeline(struct sink *sink, const struct report *report,
			      const struct report_map *const *maps, size_t count)
{
	if (!report->history || count == 0)
		return;
	sink_puts(sink, "<div class=\"scroll\" role=\"region\" tabindex=\"0\" "
			"aria-label=\"Promotions over time\"><table class=\"time\"><thead><tr>"
			"<th scope=\"col\">map</th><th scope=\"col\">pid</th>"
			"<th scope=\"col\">highest/s</th>"
			"<th scope=\"col\">promotions per second over the trace</th></tr></thead>"
			"<tbody>\n");
	for (size_t i = 0; i < count; i++) {
		struct series series = {report, find(report, maps[i]), HISTORY_promotions};

		if (series.map)
			put_promotions_row(sink, &series);
	}
	put_table_end(sink, report);
}

void html_map_charts(struct sink *sink, const struct report *report, const struct report_map *map)
{
	static const enum history_figure figures[] = {
		HISTORY_misses,	   HISTORY_promotions,	  HISTORY_copied,  HISTORY_cost_share,
		HISTORY_miss_debt, HISTORY_lock_wait_p99, HISTORY_backlog,
	};
	struct series series = {.report = report, .map = find(report, map)};

	if (!series.map)
		return;
	sink_puts(sink, "<div class=\"charts\">\n");
	for (size_t i = 0; i < sizeof(figures) / sizeof(figures[0]); i++) {
		series.figure = figures[i];
		put_series(sink, &series);
	}
	put_heatmap(sink, report, series.map);
	sink_puts(sink, "</div>\n");
}
