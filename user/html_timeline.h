/* SPDX-License-Identifier: MIT */
/*
 * html_timeline.h - the report's time axis: when findings held, and what each map did.
 * Every chart has the same axis, from the beginning of the trace to its end.
 */
#ifndef HTML_TIMELINE_H
#define HTML_TIMELINE_H

#include "report.h"
#include "sink.h"

/* Attributes that tell the script where the points of all charts begin. */
void html_axis_data(struct sink *sink, const struct report *report);

/* Findings with an article of their own, #finding-N; with more, nothing points to them. */
#define HTML_FINDINGS_MAX 200

/* A row per finding: from when to when it held. */
void html_findings_timeline(struct sink *sink, const struct report *report);

/* A row per map, its promotions; the busiest `count` of maps. */
void html_promotions_timeline(struct sink *sink, const struct report *report,
			      const struct report_map *const *maps, size_t count);

/* The charts of one map; nothing without a history of it. */
void html_map_charts(struct sink *sink, const struct report *report, const struct report_map *map);

#endif
