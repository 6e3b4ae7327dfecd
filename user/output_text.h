/* SPDX-License-Identifier: MIT */
/*
 * output_text.h - what the parts of the text output share: output_text.c (windows
 * and the end), output_text_finding.c (verdicts, and how numbers and names look) and
 * output_text_stacks.c (call stacks).
 */
#ifndef OUTPUT_TEXT_H
#define OUTPUT_TEXT_H

#include "report.h"
#include "sink.h"

struct text_number {
	char text[16];
};

/* At most five characters: 0.25 1.5 12 9999 12.3k 456k 1.23M. */
struct text_number text_shorten(double value);
/* An untrusted name in at most so many columns; padded: in exactly so many. */
void text_put_name(struct sink *sink, const char *name, size_t columns);
void text_put_padded(struct sink *sink, const char *name, size_t columns);
/* A block for each finding of the report, which begins with its verdict. */
/* A safe text, four columns in, broken between words at column 80. */
void text_put_wrapped(struct sink *sink, const char *safe);
void text_put_findings(struct sink *sink, const struct report *report);
/* The dearest stacks of a map, by kind; nothing when it has none. */
void text_put_stacks(struct sink *sink, const struct report_map *map, size_t stacks, size_t frames);

#endif
