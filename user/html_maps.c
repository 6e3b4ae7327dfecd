/* SPDX-License-Identifier: MIT */
/*
 * html_maps.c - see html_maps.h. Model: a row for each map of the page; for the busiest a
 * section that can be folded away, with figures, charts over time, stacks and histograms.
 */
#include "html_maps.h"

#include <inttypes.h>
#include "html_chart.h"
#include "html_flame.h"
#include "html_timeline.h"
#include "markup.h"
#include "words.h"

#define PAGE_DETAILS 20 /* maps with histograms and charts of their own */
#define PAGE_OPEN 3	/* of those, shown without being asked */

static void put_count(struct sink *sink, uint64_t count)
{
	sink_puts(sink, "<td>");
	html_count(sink, count);
	sink_puts(sink, "</td>");
}

static void put_row(struct sink *sink, const struct report_map *map)
{
	sink_puts(sink, "<tr><th scope=\"row\"><code>");
	markup_put_name(sink, map->name);
	sink_puts(sink, "</code></th><td class=\"text\">");
	markup_put_name(sink, map->comm);
	sink_printf(sink, "</td><td>%d</td>", map->pid);
	for (unsigned i = 0; i < ST_COUNTER_COUNT; i++)
		put_count(sink, map->traced[i]);
	put_count(sink, map->now.read_len);
	put_count(sink, map->now.dirty_len);
	put_count(sink, map->now.backlog);
	sink_printf(sink, "<td>%.2f %%</td></tr>\n", 100 * map->cost_share);
}

void html_maps_table(struct sink *sink, const struct html_page *page)
{
	size_t rest = page->report->map_count - page->count;

	sink_puts(sink, "<section id=\"maps\">\n<h2>Maps</h2>\n");
	if (page->count == 0) {
		sink_puts(sink, "<p>No traced process had a map of libsmap in this time.</p>\n"
				"</section>\n");
		return;
	}
	sink_puts(sink, "<p>What was traced, the busiest first; lengths and backlog as they are "
			"now.</p>\n<div class=\"scroll\" role=\"region\" tabindex=\"0\" "
			"aria-label=\"Maps\"><table class=\"maps\"><thead><tr>"
			"<th scope=\"col\">map</th><th scope=\"col\">process</th>"
			"<th scope=\"col\">pid</th>");
	for (unsigned i = 0; i < ST_COUNTER_COUNT; i++)
		sink_printf(sink, "<th scope=\"col\">%s</th>", counter_names[i]);
	sink_puts(sink, "<th scope=\"col\">read</th><th scope=\"col\">dirty</th>"
			"<th scope=\"col\">backlog</th><th scope=\"col\">cost share</th></tr>"
			"</thead><tbody>\n");
	for (size_t i = 0; i < page->count; i++)
		put_row(sink, page->maps[i]);
	sink_puts(sink, "</tbody></table></div>\n");
	if (rest > 0)
		sink_printf(sink, "<p>%zu less busy map%s not shown.</p>\n", rest, plural(rest));
	sink_puts(sink, "</section>\n");
}

static void put_figures(struct sink *sink, const struct report_map *map)
{
	sink_printf(sink,
		    "<p>pid %d, 0x%" PRIx64 ", %s keys, policy %s%s. read %" PRIu64
		    ", dirty %" PRIu64 ", misses %" PRIu64 " of %" PRIu64 ", backlog %" PRIu64
		    "%s.</p>\n",
		    map->pid, map->addr, map->key_kind, map->policy,
		    map->alive ? "" : ", destroyed or ended", map->now.read_len, map->now.dirty_len,
		    map->now.miss_count, map->now.threshold, map->now.backlog,
		    map->state_ok ? "" : " (last known)");
	sink_puts(sink, "<div class=\"scroll\" role=\"region\" tabindex=\"0\" "
			"aria-label=\"Totals\"><table><thead><tr><td></td>");
	for (unsigned i = 0; i < ST_COUNTER_COUNT; i++)
		sink_printf(sink, "<th scope=\"col\">%s</th>", counter_names[i]);
	sink_puts(sink, "</tr></thead><tbody>\n<tr><th scope=\"row\">since attach</th>");
	for (unsigned i = 0; i < ST_COUNTER_COUNT; i++)
		put_count(sink, map->traced[i]);
	sink_puts(sink, "</tr>\n<tr><th scope=\"row\">lifetime</th>");
	for (unsigned i = 0; i < ST_COUNTER_COUNT; i++)
		put_count(sink, map->total[i]);
	sink_puts(sink, "</tr>\n</tbody></table></div>\n");
}

static int put_detail(struct sink *sink, const struct report *report, const struct report_map *map,
		      bool open)
{
	const struct hist *hist;
	struct hist room;
	int err;

	sink_printf(sink, "<details%s><summary><code>", open ? " open=\"open\"" : "");
	markup_put_name(sink, map->name);
	sink_puts(sink, "</code> of ");
	markup_put_name(sink, map->comm);
	sink_printf(sink, " (pid %d)</summary>\n", map->pid);
	put_figures(sink, map);
	html_map_charts(sink, report, map);
	err = html_flames(sink, map);
	sink_puts(sink, "<div class=\"hists\">\n");
	for (unsigned i = 0; i < ST_HIST_COUNT; i++)
		if ((hist = report_hist(map, i, &room)))
			html_hist(sink, hist, i);
	sink_puts(sink, "</div></details>\n");
	return err;
}

int html_maps_details(struct sink *sink, const struct html_page *page)
{
	size_t count = page->count < PAGE_DETAILS ? page->count : PAGE_DETAILS;
	int err = 0;

	sink_puts(sink, "<section id=\"details\">\n<h2>Details</h2>\n");
	if (count < page->report->map_count)
		sink_printf(sink, "<p>Of the %zu busiest maps.</p>\n", count);
	for (size_t i = 0; i < count && !err; i++)
		err = put_detail(sink, page->report, page->maps[i], i < PAGE_OPEN);
	sink_puts(sink, "</section>\n");
	return err;
}
