/* SPDX-License-Identifier: MIT */
/*
 * finding_text.h - findings in words, for every output that tells of them. Pure.
 *
 * All text that comes from here is safe already: names went through names.h, so
 * that only '\n' is left of the control characters, and it is valid UTF-8. What the
 * format of an output asks for beyond that (XML, Markdown ...) is that output's.
 */
#ifndef FINDING_TEXT_H
#define FINDING_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include "report.h"

/* Room for a title or a line of evidence: a map's name, a process's, and our words. */
#define FINDING_LINE_MAX 1024

/* Whether both are of one trap in one map. */
bool finding_same(const struct finding *a, const struct finding *b);

/* These five return the bytes written, as snprintf does, cut to dst_size - 1. */
/* "12.5", "123456", "infinite": whole numbers are never shortened. */
size_t finding_number(char *dst, size_t dst_size, double value);
/* ">= 8"; "" if the number is only told. */
size_t finding_limit(char *dst, size_t dst_size, const struct evidence *evidence);
/* "copied_per_new 64 >= 8 entries". */
size_t finding_evidence(char *dst, size_t dst_size, const struct evidence *evidence);
/* "read-diffusion in sessions (respd, pid 4242)". */
size_t finding_title(char *dst, size_t dst_size, const struct finding *finding);
/* "since 22:13:20, 0.5 s into the trace, until 22:13:25": local time. */
size_t finding_since(char *dst, size_t dst_size, const struct finding *finding,
		     const struct report_meta *meta);

/*
 * "busiest stack of misses (700, an estimate): lookup (store.c:42) < serve"; "" if the finding
 * has none.
 */
size_t finding_stack(char *dst, size_t dst_size, const struct finding *finding);

/* Whether the cost share is among the evidence: then it need not be told again. */
bool finding_tells_cost(const struct finding *finding);

/*
 * Shape, evidence, cost share, busiest stack, remedy and link, with `separator` in between. To be
 * freed; NULL = no memory.
 */
char *finding_details(const struct finding *finding, const char *separator);

/* The same for the same trap in a map of the same name, in every run. */
uint64_t finding_hash(const struct finding *finding);

/*
 * The binary that contains libsmap, as a URI below the root directory, without its first
 * slash and percent-encoded; "unknown" if the report has none.
 */
size_t finding_uri(char *dst, size_t dst_size, const struct report *report,
		   const struct finding *finding);

/* "34 lost: ring_full 34"; "" = nothing was. */
size_t losses_text(char *dst, size_t dst_size, const struct report *report);

#endif
