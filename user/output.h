/* SPDX-License-Identifier: MIT */
/*
 * output.h - outputs turn reports into bytes. Each is one file, output_<name>.c, and
 * one word in OUTPUTS; nothing else names them.
 *
 * An output sees only a `const struct report` and writes to a sink. It keeps no state between
 * calls: one that draws the whole trace asks for its history. Every name in a report that came
 * out of a target is untrusted: names.h makes it safe for the format.
 */
#ifndef OUTPUT_H
#define OUTPUT_H

#include "report.h"
#include "sink.h"

#define OUTPUTS(X)                                                                                 \
	X(text)                                                                                    \
	X(json)                                                                                    \
	X(junit)                                                                                   \
	X(sarif) X(github) X(gitlab) X(prometheus) X(html) X(trace) X(brief) X(folded) X(pprof)

/* All return 0 or -errno; a write error may also just stay in the sink. */
struct output {
	const char *name; /* argument of -f */
	const char *help;
	const char *suffix; /* of files */
	bool lock_waits;    /* wants an event for each wait for a lock, as far as they go */
	bool history;	    /* wants report->history */
	bool stacks;	    /* wants call stacks */
	int (*begin)(struct sink *sink, const struct report_meta *meta); /* may be NULL */
	int (*report)(struct sink *sink, const struct report *report);	 /* windows, then the end */
	int (*end)(struct sink *sink);					 /* may be NULL */
};

extern const struct output *const outputs[]; /* NULL-ended; the first is the default */

#define OUTPUT_DECLARE(name) extern const struct output output_##name;
OUTPUTS(OUTPUT_DECLARE)
#undef OUTPUT_DECLARE

const struct output *output_find(const char *name); /* NULL = no such */

/* Call the output if it has the function, and flush: 0 or the first error. */
int output_begin(const struct output *output, struct sink *sink, const struct report_meta *meta);
int output_report(const struct output *output, struct sink *sink, const struct report *report);
int output_end(const struct output *output, struct sink *sink);

#endif
