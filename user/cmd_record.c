/* SPDX-License-Identifier: MIT */
/*
 * cmd_record.c - the command `record`: a trace without destinations, whose tap writes
 * the records to a file. What they mean is for whoever reads it.
 */
#include "log.h"
#include "recorder.h"
#include "trace.h"

static int on_begin(void *ctx, const struct report_meta *meta)
{
	return recorder_begin(ctx, meta);
}

static int on_record(void *ctx, const struct record *record)
{
	return recorder_add(ctx, record);
}

static int run(struct recorder *recorder, struct trace_plan *plan)
{
	int status = trace_run(plan);

	return recorder_close(recorder) ? EXIT_CANNOT_TRACE : status;
}

int command_record(const struct options *opts)
{
	struct recorder recorder = {.path = opts->output};
	struct trace_plan plan = {
		.opts = opts,
		.interval_ms = (unsigned)(opts->interval * 1000 + 0.5),
		.on_begin = on_begin,
		.on_record = on_record,
		.ctx = &recorder,
	};

	if (!opts->output) {
		log_err(0, "record needs a file to write: -o FILE");
		log_hint("'smaptrace report FILE' shows it afterwards");
		return EXIT_USAGE;
	}
	return run(&recorder, &plan);
}
