/* SPDX-License-Identifier: MIT */
/*
 * check.c - the command `check`: trace a command to its end, and fail when a map of it
 * was in a trap.
 *
 * Model: a trace with more destinations, whose last report goes to the gate. The
 * verdict goes to stderr, after everything else: a CI log ends with it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "gate.h"
#include "log.h"
#include "output_github.h"
#include "recorder.h"
#include "replay.h"
#include "trace.h"

struct check {
	struct trace_plan plan;
	struct gate gate;
	struct recorder recorder;
};

static const char *verdict_name(enum gate_verdict verdict)
{
	static const char *const names[] = {
		[GATE_CLEAN] = "clean",
		[GATE_TRAP] = "trap found",
		[GATE_INCONCLUSIVE] = "inconclusive",
	};

	return names[verdict];
}

/* GitHub names a file to which each step appends Markdown; without it there is no job. */
static void append_summary(const struct report *report)
{
	const char *path = getenv("GITHUB_STEP_SUMMARY");
	struct sink sink;
	FILE *file;
	int err;

	if (!path || !*path)
		return;
	file = fopen(path, "ae");
	if (!file) {
		log_warn("cannot append to GITHUB_STEP_SUMMARY %s: no job summary", path);
		return;
	}
	sink_init(&sink, file);
	err = github_summary(&sink, report);
	err = err ? err : sink_flush(&sink);
	if (fclose(file) != 0 || err)
		log_warn("GITHUB_STEP_SUMMARY %s is incomplete", path);
}

/* A policy is for traces and for recordings of them, whose windows are what they are. */
static void warn_of_interval(const struct check *check, unsigned recorded_ms)
{
	unsigned wanted_ms = policy_interval_ms(check->plan.policy);

	if (check->plan.replay && wanted_ms && wanted_ms != recorded_ms)
		log_warn("the policy's interval is %g s, but the windows of %s are of %g s: they "
			 "are "
			 "judged as they are",
			 wanted_ms / 1e3, check->plan.replay, recorded_ms / 1e3);
}

static int on_begin(void *ctx, const struct report_meta *meta)
{
	struct check *check = ctx;

	if (check->plan.replay && replay_spare(check->plan.replay, check->recorder.path))
		return -EEXIST;
	warn_of_interval(check, meta->interval_ms);
	return recorder_begin(&check->recorder, meta);
}

static int on_record(void *ctx, const struct record *record)
{
	struct check *check = ctx;

	return recorder_add(&check->recorder, record);
}

static void on_end(void *ctx, const struct report *report)
{
	struct check *check = ctx;

	check->gate = gate_judge(report);
	if (check->plan.opts->github)
		append_summary(report);
}

static void add_destinations(struct check *check, const struct options *opts)
{
	const struct {
		const char *output, *path;
	} files[] = {
		{"junit", opts->junit}, {"sarif", opts->sarif}, {"gitlab", opts->gitlab},
		{"html", opts->html},	{"json", opts->report},
	};

	trace_add_destination(&check->plan, output_find(opts->format), opts->output);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		if (files[i].path)
			trace_add_destination(&check->plan, output_find(files[i].output),
					      files[i].path);
	if (opts->github)
		trace_add_destination(&check->plan, output_find("github"), NULL);
}

static enum finding_severity fail_on(const struct options *opts, const struct policy *policy)
{
	for (int i = FINDING_NOTICE; opts->fail_on && i <= FINDING_ERROR; i++)
		if (strcmp(opts->fail_on, report_severity((enum finding_severity)i)) == 0)
			return (enum finding_severity)i;
	return policy_fail_on(policy);
}

static int run(struct check *check)
{
	int status = trace_run(&check->plan);

	if (recorder_close(&check->recorder))
		status = EXIT_CANNOT_TRACE;
	if (status != EXIT_CLEAN)
		return status;
	log_info("smaptrace: %s: %s", verdict_name(check->gate.verdict), check->gate.reason);
	return gate_exit_status(&check->gate,
				check->plan.command_ended ? check->plan.wait_status : 0);
}

int command_check(const struct options *opts)
{
	struct check check = {
		.plan = {.opts = opts,
			 .replay = opts->replay,
			 .whole = true,
			 .interval_ms = (unsigned)(opts->interval * 1000 + 0.5),
			 .on_begin = on_begin,
			 .on_record = on_record,
			 .on_end = on_end},
		.recorder = {.path = opts->record},
	};
	struct policy *policy;
	int status, err;

	if (opts->policy && policy_load(&policy, opts->policy))
		return EXIT_USAGE;
	err = opts->policy ? 0 : policy_create(&policy);
	if (err) {
		log_err(err, "cannot start");
		return EXIT_CANNOT_TRACE;
	}
	if (policy_interval_ms(policy))
		check.plan.interval_ms = policy_interval_ms(policy);
	check.plan.policy = policy;
	check.plan.ctx = &check;
	check.plan.fail_on = fail_on(opts, policy);
	add_destinations(&check, opts);
	status = run(&check);
	policy_free(policy);
	return status;
}
