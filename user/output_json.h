/* SPDX-License-Identifier: MIT */
/*
 * output_json.h - lines of the JSON output, for outputs that embed them.
 */
#ifndef OUTPUT_JSON_H
#define OUTPUT_JSON_H

#include "report.h"
#include "sink.h"

/* A "finding" line for each finding of the report. 0 or -errno. */
int json_findings(struct sink *sink, const struct report *report);

#endif
