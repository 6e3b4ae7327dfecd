/* SPDX-License-Identifier: MIT */
/*
 * html_maps.h - the maps of the HTML report: a table of all, charts and stacks of some.
 */
#ifndef HTML_MAPS_H
#define HTML_MAPS_H

#include "report.h"
#include "sink.h"

/* The maps of a report, the busiest first. */
struct html_page {
	const struct report *report;
	const struct report_map **maps;
	size_t count; /* those that the page is for */
};

void html_maps_table(struct sink *sink, const struct html_page *page);
/* 0 or -ENOMEM. */
int html_maps_details(struct sink *sink, const struct html_page *page);

#endif
