/* SPDX-License-Identifier: MIT */
/*
 * html_chart.c - see html_chart.h. Model: a chart is a column of a table. Without styles,
 * without colours, read aloud, the table still says everything.
 */
#include "html_chart.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>
#include "finding_text.h"
#include "markup.h"

void html_quantity(char dst[HTML_QUANTITY_MAX], double value, const char *unit)
{
	static const char *const times[] = {"ns", "\xc2\xb5s", "ms", "s"};
	unsigned i = 0;

	if (strcmp(unit, "ns") != 0) {
		finding_number(dst, HTML_QUANTITY_MAX - 10, value);
		snprintf(dst + strlen(dst), 10, "%s%.8s", *unit ? " " : "", unit);
		return;
	}
	while (value >= 1000 && i < 3) {
		value /= 1000;
		i++;
	}
	snprintf(dst, HTML_QUANTITY_MAX, "%.3g %s", value, times[i]);
	if (value >= 1000) /* %.3g would write 1.2e+03 */
		snprintf(dst, HTML_QUANTITY_MAX, "%.0f %s", value, times[i]);
}

void html_count(struct sink *sink, uint64_t count)
{
	char digits[24];
	int len = snprintf(digits, sizeof(digits), "%" PRIu64, count);

	for (int i = 0; i < len; i++) {
		if (i > 0 && (len - i) % 3 == 0)
			sink_puts(sink, ",");
		sink_write(sink, &digits[i], 1);
	}
}

static double percent(double share)
{
	return !(share > 0) ? 0 : share > 1 ? 100 : 100 * share;
}

static void svg_begin(struct sink *sink, const char *class_name, const char *label)
{
	sink_printf(sink, "<svg class=\"%s\" width=\"100%%\" height=\"12\" ", class_name);
	if (!label) {
		sink_puts(sink, "aria-hidden=\"true\">");
		return;
	}
	sink_puts(sink, "role=\"img\" aria-label=\"");
	markup_put(sink, label);
	sink_puts(sink, "\">");
}

void html_bar(struct sink *sink, double share, const char *label)
{
	svg_begin(sink, "bar", label);
	sink_printf(sink, "<rect class=\"series\" width=\"%.2f%%\" height=\"12\"/></svg>",
		    percent(share));
}

/* From 0 to the larger of both; what has no end fills the width. */
void html_meter(struct sink *sink, const struct evidence *evidence)
{
	double value = evidence->value, limit = evidence->limit;
	double end = isfinite(value) && value > limit ? value : limit;
	char line[FINDING_LINE_MAX];

	if (!evidence->relation || !(end > 0))
		return;
	if (isinf(value))
		end = 2 * limit;
	finding_evidence(line, sizeof(line), evidence);
	svg_begin(sink, "meter", line);
	sink_printf(sink,
		    "<rect class=\"track\" width=\"100%%\" height=\"12\"/>"
		    "<rect class=\"series\" y=\"2\" width=\"%.2f%%\" height=\"8\"/>"
		    "<line class=\"limit\" x1=\"%.2f%%\" x2=\"%.2f%%\" y2=\"12\"/></svg>",
		    percent(value / end), percent(limit / end), percent(limit / end));
}

/* --- histograms ------------------------------------------------------------- */

static void put_figures(struct sink *sink, const struct hist *hist, const char *unit)
{
	uint64_t count = hist_count(hist);
	char average[HTML_QUANTITY_MAX], p50[HTML_QUANTITY_MAX], p99[HTML_QUANTITY_MAX];

	html_quantity(average, (double)hist->sum / (double)count, unit);
	html_quantity(p50, (double)hist_percentile(hist, 50), unit);
	html_quantity(p99, (double)hist_percentile(hist, 99), unit);
	html_count(sink, count);
	sink_printf(sink, " value%s, average %s, P50 ~%s, P99 ~%s", count == 1 ? "" : "s", average,
		    p50, p99);
}

static void put_slot(struct sink *sink, const struct hist *hist, unsigned slot, uint64_t most,
		     const char *unit)
{
	char low[HTML_QUANTITY_MAX];

	html_quantity(low, (double)hist_low(slot), unit);
	sink_printf(sink, "<tr><th scope=\"row\">%s</th><td>", low);
	html_count(sink, hist->slots[slot]);
	sink_puts(sink, "</td><td>");
	html_bar(sink, (double)hist->slots[slot] / (double)most, NULL);
	sink_puts(sink, "</td></tr>\n");
}

void html_hist(struct sink *sink, const struct hist *hist, unsigned which)
{
	unsigned first = 0, used = hist_used_slots(hist);
	const char *unit = hist_info[which].unit;
	uint64_t most = 1;

	if (used == 0)
		return;
	while (hist->slots[first] == 0)
		first++;
	for (unsigned slot = first; slot < used; slot++)
		most = hist->slots[slot] > most ? hist->slots[slot] : most;
	sink_printf(sink, "<figure class=\"hist\"><figcaption><b>%s</b><br/>",
		    hist_info[which].title);
	put_figures(sink, hist, unit);
	sink_puts(sink, "</figcaption>\n<table><thead><tr><th scope=\"col\">from</th>"
			"<th scope=\"col\">values</th><th scope=\"col\">share</th></tr></thead>"
			"<tbody>\n");
	for (unsigned slot = first; slot < used; slot++)
		put_slot(sink, hist, slot, most, unit);
	sink_puts(sink, "</tbody></table></figure>\n");
}
