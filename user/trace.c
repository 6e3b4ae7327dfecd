/* SPDX-License-Identifier: MIT */
/*
 * trace.c - the command `trace`: from a session to an output.
 *
 * Records go from the session into the model; each complete window becomes a
 * report, each report becomes bytes. The output is opened before the session, so
 * that nothing is attached for a file that cannot be written, and the first
 * write error stops the session.
 *
 * A signal stops the session, whose last window and summary follow as usual. One
 * that comes before there is a session is remembered in `stop_asked`.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include "log.h"
#include "model.h"
#include "options.h"
#include "output.h"
#include "session.h"

#define POLL_MS 1000 /* a signal ends the wait; this is only how long a lost one may take */

struct trace {
	const struct options *opts;
	const struct output *output;
	struct sink sink;
	struct model *model;
	struct report_meta meta;
	struct session *session;
	int err; /* the first of the output */
};

/* For the signal handler. */
static struct session *volatile running;
static volatile sig_atomic_t stop_asked;

static void on_signal(int sig)
{
	if (sig == SIGPIPE) /* shows as a write error */
		return;
	stop_asked = 1;
	if (running)
		session_stop(running);
}

/* Handlers, not SIG_IGN: a command that we start must not inherit it. */
static void catch_signals(void)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGPIPE};
	struct sigaction action = {.sa_handler = on_signal};

	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		sigaction(signals[i], &action, NULL);
}

static int put_report(struct trace *trace, enum report_kind kind)
{
	struct report *report = NULL;
	int err = report_create(&report, kind, trace->model, &trace->meta);

	if (!err)
		err = output_report(trace->output, &trace->sink, report);
	report_free(report);
	return err;
}

static int on_record(void *ctx, const struct record *record)
{
	struct trace *trace = ctx;
	int err = model_add(trace->model, record);

	if (err)
		return log_err(err, "cannot follow the trace: record of kind %u", record->kind);
	if (record->kind == RECORD_WINDOW && !trace->err) {
		trace->err = put_report(trace, REPORT_WINDOW);
		if (trace->err && trace->session)
			session_stop(trace->session);
	}
	return 0;
}

/* Attached: windows until the end. 0 or -errno of the session; trace->err is the output's. */
static int follow(struct trace *trace)
{
	size_t targets = trace->opts->cmd ? 1 : trace->opts->pid_count;
	unsigned probes = session_probe_count(trace->session);
	int err = session_drop(trace->session);

	if (err)
		return err;
	log_info("Attached %u probe%s to %zu process%s. Ctrl-C ends.", probes,
		 probes == 1 ? "" : "s", targets, targets == 1 ? "" : "es");
	trace->err = output_begin(trace->output, &trace->sink, &trace->meta);
	while (err == 0 && !trace->err && !stop_asked)
		err = session_poll(trace->session, POLL_MS);
	return err < 0 ? err : 0;
}

static int finish(struct trace *trace)
{
	int err = session_detach(trace->session);

	if (!trace->err)
		trace->err = put_report(trace, REPORT_END);
	if (!trace->err)
		trace->err = output_end(trace->output, &trace->sink);
	return err;
}

/* What went wrong with a command that never ran is told apart, as shells do. */
static int open_status(const struct options *opts, int err)
{
	if (opts->cmd && err == -ENOENT)
		return EXIT_NOT_FOUND;
	if (opts->cmd && err == -EACCES)
		return EXIT_CANNOT_RUN;
	return EXIT_CANNOT_TRACE;
}

static int run_session(struct trace *trace)
{
	const struct options *opts = trace->opts;
	const struct session_options session = {
		.pids = opts->pids,
		.pid_count = opts->pid_count,
		.command = opts->cmd,
		.exact = opts->exact,
		.interval_ms = trace->meta.interval_ms,
		.duration_ms = trace->meta.duration_ms,
		.max_maps = opts->max_maps,
	};
	const struct record_sink sink = {.emit = on_record, .ctx = trace};
	int err = session_open(&trace->session, &session, &sink);

	if (err)
		return open_status(opts, err);
	running = trace->session;
	err = session_attach(trace->session);
	if (!err) {
		err = follow(trace);
		err = finish(trace) < 0 || err < 0 ? -EIO : 0;
	}
	running = NULL;
	session_close(trace->session);
	return err ? EXIT_CANNOT_TRACE : EXIT_CLEAN;
}

/* A closed pipe is how `| head` says that it has enough. */
static int close_output(struct trace *trace, int status)
{
	int err = sink_close(&trace->sink);
	const char *path = trace->opts->output;

	err = trace->err ? trace->err : err;
	if (err == 0 || err == -EPIPE)
		return status;
	log_err(err, "cannot write %s", path ? path : "to standard output");
	log_hint("what was written so far is incomplete; nothing else was harmed");
	return EXIT_CANNOT_TRACE;
}

int command_trace(const struct options *opts)
{
	struct trace trace = {.opts = opts, .output = output_find(opts->format)};
	int status, err;

	report_meta_now(&trace.meta, SMAPTRACE_VERSION);
	trace.meta.interval_ms = (unsigned)(opts->interval * 1000 + 0.5);
	trace.meta.duration_ms = (unsigned)(opts->duration * 1000 + 0.5);
	trace.meta.exact = opts->exact;
	err = sink_open(&trace.sink, opts->output);
	if (err) {
		log_err(err, "cannot write %s", opts->output);
		log_hint("give -o a file that you may write; nothing has been attached");
		return EXIT_CANNOT_TRACE;
	}
	err = model_create(&trace.model);
	if (err) {
		log_err(err, "cannot start");
		status = EXIT_CANNOT_TRACE;
	} else {
		catch_signals();
		status = run_session(&trace);
	}
	status = close_output(&trace, status);
	model_free(trace.model);
	return status;
}
