/* SPDX-License-Identifier: MIT */
/*
 * session.c - the life of a tracing session: processes, time (session_poll.c), and order.
 *
 * A command is followed with all its descendants. The backend says when one of them is
 * new, has become another program or has mapped files (watch_process); it stands still
 * then, so that what it does next is seen. The session ends with the last of them.
 *
 * Privilege. Attaching to a library that is loaded later needs what attaching at the
 * start needed, so session_drop() gives up only what does not serve that: the
 * ability to gain more. Attaching through a small privileged helper process would
 * let everything else go; session_attach_images() is the one place to put the call.
 */
#include "session_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <unistd.h>
#include "log.h"
#include "target.h"
#include "target_log.h"

#define INTERVAL_MS_DEFAULT 1000
#define INTERVAL_MS_MIN 10

/* --- open ------------------------------------------------------------------- */

static int add_process(struct session *session, pid_t pid, struct process **ret_process)
{
	int err = processes_add(&session->processes, pid, 0, ret_process);

	if (err == -ENOMEM)
		return log_err(err, "cannot trace");
	return err ? target_open_failed(err, pid) : 0;
}

/* At least one image that can be traced, or none yet but the means to load one. */
static int check_process(const struct session *session, const struct target *target)
{
	bool traceable = false;
	int err = -ENOEXEC;

	for (size_t i = 0; i < target->image_cnt; i++) {
		if (backend_find(target->image[i], &err))
			traceable = true;
	}
	if (traceable)
		return 0;
	if (target->image_cnt)
		return target_image_failed(err, target, target->image[target->image_cnt - 1]);
	if (session->launch.pid)
		return 0; /* it may start another program, or load a library */
	if (target_may_dlopen(target)) {
		log_warn("process %d (%s) does not use libsmap yet; watching for it to load it",
			 (int)target->pid, target->comm);
		return 0;
	}
	log_err(0, "process %d (%s) does not use libsmap", (int)target->pid, target->comm);
	log_hint("`smaptrace list` shows the processes that do");
	return -ENOEXEC;
}

static int start_command(struct session *session)
{
	const char *name = session->opts.command[0];
	struct process *process;
	int err = launch_start(&session->launch, session->opts.command,
			       session->opts.command_output_fd);

	if (err == -ENOENT) {
		log_err(err, "cannot run %s", name);
		log_hint("check the name and PATH, and of a script the program after #!");
		return err;
	}
	if (err == -EACCES || err == -EPERM || err == -ENOEXEC || err == -EISDIR) {
		log_err(err, "cannot run %s", name);
		log_hint("it must be an executable file of this machine, or begin with #!");
		return -EACCES;
	}
	if (err)
		return log_err(err, "cannot start %s", name);
	if (session->launch.ended)
		return 0;
	err = add_process(session, session->launch.pid, &process);
	return err ? err : check_process(session, process->target);
}

static int open_targets(struct session *session)
{
	const struct session_options *opts = &session->opts;
	int err = 0;

	if (opts->command)
		return start_command(session);
	if (opts->all)
		return 0; /* who is there is found when new ones are not missed any more */
	if (!opts->pid_count)
		return log_err(-EINVAL, "nothing to trace");
	for (size_t i = 0; i < opts->pid_count && !err; i++) {
		struct process *process;

		err = add_process(session, opts->pids[i], &process);
		if (!err)
			err = check_process(session, process->target);
	}
	return err;
}

int session_open(struct session **ret_session, const struct session_options *opts,
		 const struct record_sink *sink)
{
	struct session *session = calloc(1, sizeof(*session));
	int err;

	if (!session)
		return log_err(-ENOMEM, "cannot trace");
	session->opts = *opts;
	session->sink = *sink;
	if (!session->opts.interval_ms)
		session->opts.interval_ms = INTERVAL_MS_DEFAULT;
	if (session->opts.interval_ms < INTERVAL_MS_MIN)
		session->opts.interval_ms = INTERVAL_MS_MIN;
	session->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	err = session->stop_fd < 0 ? log_err(-errno, "cannot trace") : open_targets(session);
	if (err) {
		session_close(session);
		return err;
	}
	*ret_session = session;
	return 0;
}

/* --- attach ----------------------------------------------------------------- */

static int emit_target(struct session *session, const struct target *target,
		       const struct target_image *image)
{
	struct record record = {.target = {
					.target = image->number,
					.pid = (__u32)target->pid,
					.start_ns = session_now_ns(),
					.from_start = session->opts.command != NULL,
				}};

	memcpy(record.target.comm, target->comm, sizeof(record.target.comm));
	memcpy(record.target.file, image->path, sizeof(record.target.file));
	return session_emit(session, &record, RECORD_TARGET, sizeof(record.target));
}

/* Of a file once: a program without probes may be started again and again. */
static void refuse(struct session *session, const struct target *target,
		   const struct target_image *image, int err)
{
	for (size_t i = 0; i < session->refused_cnt && i < SESSION_REFUSED; i++)
		if (session->refused[i].dev == image->dev && session->refused[i].ino == image->ino)
			return;
	session->refused[session->refused_cnt % SESSION_REFUSED].dev = image->dev;
	session->refused[session->refused_cnt++ % SESSION_REFUSED].ino = image->ino;
	(void)target_image_failed(err, target, image);
}

/* Attach to the images of a process that are new since the last call. */
int session_attach_images(struct session *session, struct process *process)
{
	struct target *target = process->target;
	int err = 0;

	while (process->announced < target->image_cnt && !err) {
		struct target_image *image = target->image[process->announced++];
		const struct backend *backend = backend_find(image, &err);

		if (!backend) {
			/* Others of this process can be traced: say it and go on. */
			refuse(session, target, image, err);
			err = 0;
			continue;
		}
		image->number = session_take_number(session);
		image->numbered = true;
		err = emit_target(session, target, image);
		if (!err)
			err = backend->attach(session->ctx, target, image);
	}
	return err;
}

/* A library may have been loaded, or another program started. */
int session_watch_for_images(struct session *session)
{
	for (size_t i = 0; i < session->processes.cnt; i++) {
		struct process *process = &session->processes.list[i];
		int err;

		if (process->ended || target_scan(process->target))
			continue;
		err = session_attach_images(session, process);
		if (err && err != -ESRCH)
			return err;
	}
	return 0;
}

int session_follow_link_map(struct session *session)
{
	return session->backend->changed(session->ctx) ? session_watch_for_images(session) : 0;
}

/* A process of the command waits to be looked at. */
static int watch_process(void *ctx, pid_t pid, uint32_t number)
{
	struct session *session = ctx;
	struct process *process;
	int err = processes_add(&session->processes, pid, number, &process);

	if (err == -ENOMEM)
		return err;
	if (!err)
		err = target_scan(process->target);
	if (err) {
		/* Killed meanwhile. If it had counted anything, the backend notes a loss. */
		log_debug("cannot look at process %d: %s", (int)pid, strerror(-err));
		return 0;
	}
	if (!process->announced) /* -ENOENT and others: found at the next window */
		(void)session->backend->watch(session->ctx, process->target);
	err = session_attach_images(session, process);
	return err == -ESRCH ? 0 : err;
}

int session_attach(struct session *session)
{
	const struct backend_watcher watcher = {
		.process = watch_process, .look = session_look_later, .ctx = session};
	int err;

	session->backend = &backend_usdt;
	err = session->backend->open(&session->ctx, &session->opts, &session->sink);
	if (!err && (session->launch.held || session->opts.all))
		err = session->backend->follow(session->ctx, session->launch.pid, &watcher);
	if (!err && session->opts.all)
		err = session_look_everywhere(session);
	for (size_t i = 0; i < session->processes.cnt && !err; i++) {
		struct process *process = &session->processes.list[i];

		/* -ENOENT and others: new libraries are then found at the next window. */
		(void)session->backend->watch(session->ctx, process->target);
		err = session_attach_images(session, process);
	}
	if (err)
		return err;
	session->attached = true;
	session->start_ns = session->window_ns = session_now_ns();
	err = launch_release(&session->launch);
	return err ? log_err(err, "cannot let %s go on", session->opts.command[0]) : 0;
}

int session_drop(struct session *session)
{
	(void)session;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return log_err(-errno, "cannot give up gaining privileges");
	return 0;
}

unsigned session_probe_count(const struct session *session)
{
	return session->ctx ? session->backend->probe_count(session->ctx) : 0;
}

void session_stop(struct session *session)
{
	uint64_t one = 1;
	int saved = errno;

	if (write(session->stop_fd, &one, sizeof(one)) < 0)
		errno = saved; /* full: it is readable already */
}

int session_detach(struct session *session)
{
	if (!session->ctx || session->detached)
		return 0;
	session->detached = true;
	launch_reap(&session->launch);
	processes_look(&session->processes);
	return session->attached ? session_emit_window(session, true) : 0;
}

void session_close(struct session *session)
{
	if (!session)
		return;
	if (session->ctx)
		session->backend->close(session->ctx);
	launch_close(&session->launch);
	processes_free(&session->processes);
	free(session->looks);
	free(session->spare);
	if (session->stop_fd >= 0)
		close(session->stop_fd);
	free(session);
}

bool session_command_status(const struct session *session, int *ret_status)
{
	if (!session->launch.pid || !session->launch.ended)
		return false;
	*ret_status = session->launch.status;
	return true;
}
