/* SPDX-License-Identifier: MIT */
/*
 * session_poll.c - time in a session: what it waits for, and its windows.
 *
 * One thread, one poll() over what can happen: stop asked for, a process ended, the
 * backend has something urgent, an interval is over. Windows follow each other
 * without gaps on a fixed grid; a late wake-up makes one long window, not two.
 */
#include "session_impl.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include "log.h"

#define NSEC_PER_MSEC 1000000ULL
/* How long a new process may wait to be looked at: nobody is woken for it (session_all.c). */
#define LOOK_MS 200

/* --- windows ---------------------------------------------------------------- */

static int emit_ends(struct session *session, struct process *process)
{
	const struct launch *launch = &session->launch;
	const struct target *target = process->target;
	bool ours = launch->pid == target->pid && launch->ended && !process->replaced;
	int err = 0;

	process->reported = true;
	for (size_t i = 0; i < process->announced && !err; i++) {
		const struct target_image *image = target->image[i];
		struct record record = {.target_end = {
						.target = image->number,
						.exit_known = ours,
						.status = ours ? launch->status : 0,
					}};

		if (image->numbered)
			err = session_emit(session, &record, RECORD_TARGET_END,
					   sizeof(record.target_end));
	}
	target_release(process->target);
	return err;
}

int session_emit_window(struct session *session, bool last)
{
	struct record record = {.window = {.start_ns = session->window_ns, .last = last}};
	int err;

	err = session->backend->drain(session->ctx);
	if (!err)
		err = session->backend->sample(session->ctx, last);
	for (size_t i = 0; i < session->processes.cnt && !err; i++) {
		struct process *process = &session->processes.list[i];

		if (process->ended && !process->reported)
			err = emit_ends(session, process);
	}
	if (err)
		return err;
	record.window.end_ns = session->window_ns = session_now_ns();
	err = session_emit(session, &record, RECORD_WINDOW, sizeof(record.window));
	if (!err && session->opts.all && session->opts.no_summary)
		session_forget(session);
	return err;
}

/* The next point of the grid after the window began. */
static uint64_t window_end(const struct session *session)
{
	uint64_t interval = session->opts.interval_ms * NSEC_PER_MSEC;
	uint64_t done = (session->window_ns - session->start_ns) / interval;

	return session->start_ns + (done + 1) * interval;
}

static uint64_t deadline(const struct session *session)
{
	uint64_t end = window_end(session), duration = session->opts.duration_ms * NSEC_PER_MSEC;

	if (duration && session->start_ns + duration < end)
		end = session->start_ns + duration;
	return end;
}

/* --- poll ------------------------------------------------------------------- */

static bool all_ended(const struct session *session)
{
	return !session->opts.all && processes_all_ended(&session->processes) &&
	       !session->backend->tree_lives(session->ctx);
}

/* Wait for something to happen. Marks processes that have ended. */
static int wait_for_events(struct session *session, int timeout_ms)
{
	size_t cnt = session->processes.cnt + 2;
	struct pollfd *fds = calloc(cnt, sizeof(*fds));
	int err = 0;

	if (!fds)
		return -ENOMEM;
	processes_fill(&session->processes, fds);
	fds[cnt - 2] = (struct pollfd){.fd = session->stop_fd, .events = POLLIN};
	fds[cnt - 1] = (struct pollfd){.fd = session->backend->fd(session->ctx), .events = POLLIN};
	/* A signal (Ctrl-C) comes with session_stop(), or does not matter. */
	if (poll(fds, cnt, timeout_ms) < 0)
		err = errno == EINTR ? 0 : -errno;
	else
		processes_polled(&session->processes, fds);
	if (!err && fds[cnt - 2].revents)
		session->stopped = true;
	/* Always: behind a record that was not finished yet, another may wait without a signal. */
	if (!err)
		err = session->backend->drain(session->ctx);
	free(fds);
	return err;
}

static int remaining_ms(const struct session *session, int timeout_ms)
{
	uint64_t now = session_now_ns(), end = deadline(session), ms;

	if (session->opts.all && (timeout_ms < 0 || timeout_ms > LOOK_MS))
		timeout_ms = LOOK_MS;
	if (now >= end)
		return 0;
	ms = (end - now + NSEC_PER_MSEC - 1) / NSEC_PER_MSEC;
	return timeout_ms < 0 || ms < (uint64_t)timeout_ms ? (int)ms : timeout_ms;
}

static int end_of_window(struct session *session)
{
	int err = session_watch_for_images(session);

	return err ? err : session_emit_window(session, false);
}

int session_poll(struct session *session, int timeout_ms)
{
	uint64_t now;
	int err, tick_ms;

	if (!session->attached || session->stopped || all_ended(session))
		return 1;
	/* Seen while something else was done: a command may be waiting for us. */
	err = session_follow_link_map(session);
	if (!err)
		err = session->backend->tick(session->ctx, &tick_ms);
	if (!err && tick_ms >= 0 && (timeout_ms < 0 || tick_ms < timeout_ms))
		timeout_ms = tick_ms;
	if (!err)
		err = wait_for_events(session, remaining_ms(session, timeout_ms));
	if (err)
		return log_err(err, "tracing stopped");
	launch_reap(&session->launch);
	if (session->stopped || all_ended(session))
		return 1;
	now = session_now_ns();
	if (session->opts.duration_ms &&
	    now - session->start_ns >= session->opts.duration_ms * NSEC_PER_MSEC)
		return 1;
	err = session_look_now(session);
	if (!err)
		err = session_follow_link_map(session);
	if (!err && now >= window_end(session))
		err = end_of_window(session);
	return err;
}
