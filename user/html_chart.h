/* SPDX-License-Identifier: MIT */
/*
 * html_chart.h - charts of the HTML report: SVG inside of tables that say the same in
 * numbers. Widths are percentages, so that text keeps its size on a phone and on paper.
 */
#ifndef HTML_CHART_H
#define HTML_CHART_H

#include "finding.h"
#include "hist.h"
#include "sink.h"

/* Room for a quantity. */
#define HTML_QUANTITY_MAX 40

/* "1.05 ms", "123456 entries", "12.3": ns become the unit that reads best. */
void html_quantity(char dst[HTML_QUANTITY_MAX], double value, const char *unit);

/* "54,739,113". */
void html_count(struct sink *sink, uint64_t count);

/* A bar of `share` (0..1) of the width; label is what it says, safe text; NULL = decoration. */
void html_bar(struct sink *sink, double share, const char *label);
/* A number beside what it was compared with. Nothing where there is nothing to compare. */
void html_meter(struct sink *sink, const struct evidence *evidence);
/* Figure with title, figures and a row per slot; empty: nothing. */
void html_hist(struct sink *sink, const struct hist *hist, unsigned which);

#endif
