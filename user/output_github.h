/* SPDX-License-Identifier: MIT */
/*
 * output_github.h - the part of GitHub's output that is not a stream of its own: the
 * Markdown that a job appends to the file named by GITHUB_STEP_SUMMARY.
 */
#ifndef OUTPUT_GITHUB_H
#define OUTPUT_GITHUB_H

#include "report.h"
#include "sink.h"

/* Of a REPORT_END. 0 or -errno. */
int github_summary(struct sink *sink, const struct report *report);

#endif
