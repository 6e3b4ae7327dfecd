/* SPDX-License-Identifier: MIT */
/*
 * trace.c - see trace.h.
 *
 * Records go from the session into the model; each complete window is judged by the
 * traps and becomes a report, each report becomes bytes. Destinations are opened before
 * the session, so that nothing is attached for a file that cannot be written, and the
 * first write error stops the session.
 *
 * A signal stops the session, whose last window and summary follow as usual. One
 * that comes before there is a session is remembered in `stop_asked`.
 */
#include "trace.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include "history.h"
#include "log.h"
#include "model.h"
#include "offcpu.h"
#include "otlp.h"
#include "replay.h"
#include "session.h"
#include "trap.h"

#define POLL_MS 1000 /* a signal ends the wait; this is only how long a lost one may take */

struct trace {
	struct trace_plan *plan;
	struct model *model;
	struct traps *traps;
	struct history *history; /* NULL: no destination wants it */
	struct otlp *otlp;	 /* NULL: no collector */
	struct policy *defaults; /* NULL: the plan has a policy */
	struct report_meta meta;
	struct session *session;
	bool stop; /* a destination or the tap failed: no more is wanted */
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
	static const int signals[] = {SIGINT, SIGTERM, SIGPIPE, SIGHUP};
	struct sigaction action = {.sa_handler = on_signal}, old;

	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		sigaction(signals[i], NULL, &old);
		if (signals[i] != SIGHUP || old.sa_handler != SIG_IGN) /* nohup */
			sigaction(signals[i], &action, NULL);
	}
}

/* --- destinations ----------------------------------------------------------- */

void trace_add_destination(struct trace_plan *plan, const struct output *output, const char *path)
{
	if (plan->dest_count < TRACE_DESTINATIONS_MAX)
		plan->dest[plan->dest_count++] =
			(struct trace_destination){.output = output, .path = path};
}

static int open_destinations(struct trace_plan *plan)
{
	for (size_t i = 0; i < plan->dest_count && plan->replay; i++)
		if (replay_spare(plan->replay, plan->dest[i].path))
			return -EEXIST;
	for (size_t i = 0; i < plan->dest_count; i++) {
		struct trace_destination *dest = &plan->dest[i];
		int err = sink_open(&dest->sink, dest->path);

		if (!err)
			continue;
		log_err(err, "cannot write %s", dest->path);
		log_hint("give a file that you may write; nothing has been attached");
		while (i-- > 0)
			(void)sink_close(&plan->dest[i].sink);
		return err;
	}
	return 0;
}

static void begin_destinations(struct trace *trace)
{
	for (size_t i = 0; i < trace->plan->dest_count; i++) {
		struct trace_destination *dest = &trace->plan->dest[i];

		dest->err = output_begin(dest->output, &dest->sink, &trace->meta);
		trace->stop |= dest->err != 0;
	}
}

static void end_destinations(struct trace *trace)
{
	for (size_t i = 0; i < trace->plan->dest_count; i++) {
		struct trace_destination *dest = &trace->plan->dest[i];

		if (!dest->err)
			dest->err = output_end(dest->output, &dest->sink);
	}
}

/* A closed pipe is how `| head` says that it has enough. */
static int close_destinations(struct trace_plan *plan, int status)
{
	for (size_t i = 0; i < plan->dest_count; i++) {
		struct trace_destination *dest = &plan->dest[i];
		int err = sink_close(&dest->sink);

		err = dest->err ? dest->err : err;
		if (err == 0 || err == -EPIPE)
			continue;
		log_err(err, "cannot write %s", dest->path ? dest->path : "to standard output");
		log_hint("what was written so far is incomplete; nothing else was harmed");
		status = EXIT_CANNOT_TRACE;
	}
	return status;
}

/* --- records and reports ---------------------------------------------------- */

static void put_to_destinations(struct trace *trace, const struct report *report)
{
	for (size_t i = 0; i < trace->plan->dest_count; i++) {
		struct trace_destination *dest = &trace->plan->dest[i];

		if (dest->summary_only && report->kind == REPORT_WINDOW)
			continue;
		if (!dest->err)
			dest->err = output_report(dest->output, &dest->sink, report);
		trace->stop |= dest->err != 0;
	}
}

static void set_terms(const struct trace *trace, struct report *report)
{
	if (trace->plan->fail_on)
		report->fail_on = trace->plan->fail_on;
	report->min_events = trace->plan->opts->min_events;
	report->interrupted = trace->plan->whole && stop_asked;
}

static int put_report(struct trace *trace, enum report_kind kind)
{
	size_t count;
	const struct finding *findings = traps_findings(trace->traps, &count);
	struct report *report = NULL;
	int err = report_create(&report, kind, trace->model, &trace->meta);

	if (err)
		return log_err(err, "cannot report");
	report_set_findings(report, findings, count, traps_first_new(trace->traps));
	set_terms(trace, report);
	report->history = trace->history;
	if (trace->history && history_add(trace->history, report))
		log_warn("no memory for the history of all maps: charts are incomplete");
	report->findings_cut = traps_cut(trace->traps);
	report->forgotten = traps_forgotten(trace->traps, &report->forgotten_count);
	if (trace->otlp && kind == REPORT_WINDOW && otlp_add(trace->otlp, report))
		log_warn("no memory for the metrics of a window: they are not sent");
	/* A view goes first: it gives the terminal back before the summary is printed. */
	if (trace->plan->on_report)
		err = trace->plan->on_report(trace->plan->ctx, report);
	put_to_destinations(trace, report);
	if (kind == REPORT_END && trace->plan->on_end)
		trace->plan->on_end(trace->plan->ctx, report);
	report_free(report);
	return err;
}

static int on_window(struct trace *trace)
{
	uint64_t cut = traps_cut(trace->traps);
	int err = traps_window(trace->traps, trace->model);

	if (err)
		return log_err(err, "cannot judge a window");
	if (!cut && traps_cut(trace->traps))
		log_warn("more than %d findings: %s are not kept", TRAPS_FINDINGS_MAX,
			 trace->plan->make_room ? "the oldest that are over" : "further ones");
	err = trace->stop ? 0 : put_report(trace, REPORT_WINDOW);
	if (trace->stop && trace->session)
		session_stop(trace->session);
	return err;
}

static int on_record(void *ctx, const struct record *record)
{
	struct trace *trace = ctx;
	int err = 0;

	if (trace->plan->on_record)
		err = trace->plan->on_record(trace->plan->ctx, record);
	if (err)
		return err;
	err = model_add(trace->model, record);
	if (err == -E2BIG) /* only of a recording, and the replay explains it */
		return err;
	if (err)
		return log_err(err, "cannot follow the trace: record of kind %u", record->kind);
	return record->kind == RECORD_WINDOW ? on_window(trace) : 0;
}

/* --- the session ------------------------------------------------------------ */

static void say_attached(const struct trace *trace)
{
	const struct options *opts = trace->plan->opts;
	size_t targets = opts->cmd ? 1 : opts->pid_count;
	unsigned probes = session_probe_count(trace->session);

	if (opts->all)
		log_info("Following all processes that use libsmap, %s. Ctrl-C ends.",
			 probes ? "those that are there and those to come" : "none so far");
	else if (!probes && opts->cmd) /* a shell, say: what it starts may have maps */
		log_info("Attached to the command, which has no libsmap yet: any process of it "
			 "that brings a map is traced. Ctrl-C ends.");
	else
		log_info("Attached %u probe%s to %zu process%s. Ctrl-C ends.", probes,
			 probes == 1 ? "" : "s", targets, targets == 1 ? "" : "es");
}

/* Attached: windows until the end. 0 or -errno of the session. */
static int follow(struct trace *trace)
{
	int err = session_drop(trace->session);

	if (err)
		return err;
	say_attached(trace);
	begin_destinations(trace);
	if (trace->plan->on_attached)
		err = trace->plan->on_attached(trace->plan->ctx, &trace->meta);
	while (err == 0 && !trace->stop && !stop_asked)
		err = session_poll(trace->session, POLL_MS);
	return err < 0 ? err : 0;
}

/* How the command ended is part of what was recorded. */
static int note_command(struct trace *trace)
{
	struct record record = {.kind = RECORD_COMMAND,
				.size = offsetof(struct record, target) + sizeof(record.command)};
	int status;

	if (!session_command_status(trace->session, &status))
		return 0;
	record.command.status = status;
	return on_record(trace, &record);
}

static int finish(struct trace *trace)
{
	int err = session_detach(trace->session);

	if (!err)
		err = note_command(trace);
	if (put_report(trace, REPORT_END) && !err)
		err = -EIO;
	end_destinations(trace);
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

static bool any_wants_lock_waits(const struct trace_plan *plan)
{
	for (size_t i = 0; i < plan->dest_count; i++)
		if (plan->dest[i].output->lock_waits)
			return true;
	return false;
}

static bool any_wants_stacks(const struct trace_plan *plan)
{
	for (size_t i = 0; i < plan->dest_count; i++)
		if (plan->dest[i].output->stacks)
			return true;
	return false;
}

static int run_session(struct trace *trace)
{
	const struct options *opts = trace->plan->opts;
	const struct session_options session = {
		.pids = opts->pids,
		.pid_count = opts->pid_count,
		.all = opts->all,
		.command = opts->cmd,
		.command_output_fd = trace->plan->command_output_fd,
		.exact = opts->exact,
		.stacks = opts->stacks || any_wants_stacks(trace->plan),
		.offcpu = trace->meta.offcpu,
		.lock_waits = opts->lock_waits || any_wants_lock_waits(trace->plan),
		.interval_ms = trace->meta.interval_ms,
		.duration_ms = trace->meta.duration_ms,
		.max_maps = opts->max_maps,
		.no_summary = trace->plan->no_summary,
		.max_overhead = opts->max_overhead / 100,
		.audit = opts->audit,
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

static int on_replayed(void *ctx, const struct record *record)
{
	struct trace *trace = ctx;

	return trace->stop ? -ECANCELED : on_record(trace, record);
}

/* What was readable of a damaged recording is reported like the rest. */
static int run_replay(struct trace *trace)
{
	const struct record_sink sink = {.emit = on_replayed, .ctx = trace};
	int err;

	begin_destinations(trace);
	if (trace->plan->on_attached && trace->plan->on_attached(trace->plan->ctx, &trace->meta))
		return EXIT_CANNOT_TRACE;
	err = replay_run(trace->plan->replay, &sink);
	if (trace->model->window_count > 0 && put_report(trace, REPORT_END) && !err)
		err = -EIO;
	end_destinations(trace);
	return err ? EXIT_CANNOT_TRACE : EXIT_CLEAN;
}

/* The whole trace, in as much memory as one of an hour. */
static int keep_history(struct trace *trace)
{
	const struct history_options opts = {.decimate = true, .sizes = true};

	for (size_t i = 0; i < trace->plan->dest_count; i++)
		if (trace->plan->dest[i].output->history)
			return history_create(&trace->history, &opts);
	return 0;
}

static int run(struct trace *trace)
{
	struct trace_plan *plan = trace->plan;
	int err = model_create(&trace->model);

	if (!err)
		trace->model->no_summary = plan->no_summary;
	if (!err && plan->replay)
		trace->model->max_maps = replay_max_maps(plan->opts->max_maps);
	if (!err)
		err = keep_history(trace);
	if (!err && !plan->policy)
		err = policy_create(&trace->defaults);
	if (!err)
		err = traps_create(&trace->traps, plan->policy ? plan->policy : trace->defaults,
				   plan->interval_ms, plan->opts->traps);
	if (err) {
		log_err(err, "cannot start");
		return EXIT_CANNOT_TRACE;
	}
	if (plan->make_room)
		traps_make_room(trace->traps);
	if (plan->on_begin && plan->on_begin(plan->ctx, &trace->meta))
		return EXIT_CANNOT_TRACE;
	if (plan->replay)
		return run_replay(trace);
	catch_signals();
	return run_session(trace);
}

/* Who and when: of a recording what it says. The version is ours, as the reports are. */
static int set_meta(struct trace *trace)
{
	struct trace_plan *plan = trace->plan;
	struct recording_meta recorded;

	if (plan->replay) {
		if (replay_meta(plan->replay, &recorded))
			return -EIO;
		trace->meta = recorded.report;
		trace->meta.version = SMAPTRACE_VERSION;
		plan->interval_ms = trace->meta.interval_ms;
		return 0;
	}
	report_meta_now(&trace->meta, SMAPTRACE_VERSION);
	trace->meta.interval_ms = plan->interval_ms;
	trace->meta.duration_ms = (unsigned)(plan->opts->duration * 1000 + 0.5);
	trace->meta.exact = plan->opts->exact;
	trace->meta.offcpu = plan->opts->offcpu && offcpu_possible();
	return 0;
}

int trace_run(struct trace_plan *plan)
{
	struct trace trace = {.plan = plan};
	int status;

	if (set_meta(&trace))
		return EXIT_CANNOT_TRACE;
	if (plan->opts->otlp) {
		int err = otlp_create(&trace.otlp, plan->opts->otlp, &trace.meta);

		if (err)
			return err == -EINVAL ? EXIT_USAGE : EXIT_CANNOT_TRACE;
	}
	if (open_destinations(plan)) {
		otlp_close(trace.otlp);
		return EXIT_CANNOT_TRACE;
	}
	status = close_destinations(plan, run(&trace));
	otlp_close(trace.otlp);
	history_free(trace.history);
	if (trace.model && trace.model->command_ended) {
		plan->command_ended = true;
		plan->wait_status = trace.model->command_status;
	}
	traps_free(trace.traps);
	policy_free(trace.defaults);
	model_free(trace.model);
	return status;
}
