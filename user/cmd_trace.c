/* SPDX-License-Identifier: MIT */
/*
 * cmd_trace.c - the commands `trace` and `report`: one trace, or the recording of one, to one
 * destination, with the terminal view where a person sits before it.
 *
 * Model: the view is what somebody wants who types `smaptrace -p PID`; text is what a pipe, a
 * file, -f or -o ask for. A command shares the terminal with us, so it is asked for there
 * (--tui), as it is for a recording.
 */
#include <errno.h>
#include <string.h>
#include "log.h"
#include "trace.h"
#include "tui.h"

/* 1: the view; 0: no view; -1: it was asked for and cannot be shown, which has been logged. */
static int view_wanted(const struct options *opts, bool replay)
{
	const char *unfit = tui_unfit();

	if (opts->tui && unfit) {
		log_err(0, "cannot show the terminal view: %s", unfit);
		log_hint("without --tui the windows come as text");
		return -1;
	}
	if (opts->tui)
		return 1;
	return !unfit && !replay && !opts->cmd && !opts->format_given && !opts->output;
}

static int run(struct trace_plan *plan, bool view)
{
	struct tui *tui = NULL;
	int status,
		err = view ? tui_create(&tui, plan->replay != NULL, plan->opts->cmd != NULL) : 0;

	if (err) {
		log_err(err, "cannot start");
		return EXIT_CANNOT_TRACE;
	}
	if (tui)
		tui_join(tui, plan);
	status = trace_run(plan);
	tui_free(tui);
	return status;
}

static int show(const struct options *opts, const char *replay)
{
	struct trace_plan plan = {.opts = opts,
				  .replay = replay,
				  .make_room = !replay,
				  .interval_ms = (unsigned)(opts->interval * 1000 + 0.5)};
	int view = view_wanted(opts, replay != NULL);

	if (view < 0)
		return EXIT_USAGE;
	trace_add_destination(&plan, output_find(opts->format), opts->output);
	return run(&plan, view);
}

int command_trace(const struct options *opts)
{
	return show(opts, NULL);
}

/* The same with a file. */
int command_report(const struct options *opts)
{
	return show(opts, opts->files[0]);
}
