/* SPDX-License-Identifier: MIT */
/*
 * session_all.c - a session of every process that uses libsmap, as it starts and ends.
 *
 * Those that are there are found in /proc, once. Of new ones the backend tells: after an
 * exec, when the dynamic linker has mapped files, and at the first probe hit of a program
 * whose file is known. The first two are only noted, and looked at a little later: most
 * programs do not use libsmap, and many have ended by then. Nobody is stopped. The price:
 * what the first process of a file does before it was looked at is in its lifetime
 * totals only; of all later ones of that file nothing is missed.
 *
 * A process without libsmap leaves no trace here, only its dynamic linker is watched. One that
 * has ended leaves none after some windows, where nobody asks for a summary: its numbers are
 * given to others, so that nothing grows with the number of processes that there ever were.
 */
#include "session_impl.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "log.h"
#include "model.h"
#include "target_log.h"

/* Windows for which an ended process is kept: longer than anything about its maps comes late. */
#define KEPT_WINDOWS (2 * MODEL_ENDED_WINDOWS)
#define LOOKS_MAX 65536 /* that wait; more processes do not start in a window */

/* What may happen to a process while one looks at it, and is no reason to stop. */
static bool is_of_the_process(int err)
{
	return err == -ESRCH || err == -EACCES || err == -EPERM || err == -ENOENT || err == -EAGAIN;
}

/* Not in the list yet. */
static int begin_process(struct session *session, struct target *target, uint32_t key)
{
	struct process *process;
	int err = session->backend->number(session->ctx, key, target->pid, &target->number);

	if (!err)
		err = processes_take(&session->processes, target, &process);
	if (err) {
		target_free(target);
		return err;
	}
	return session_attach_images(session, process);
}

/*
 * It has run another program since we know it. Not if we met the new one already: its first
 * hit is told at once, and what is to be looked at comes later.
 */
static bool is_replaced(struct session *session, const struct process *process, uint32_t key)
{
	const struct target *target = process->target;
	uint32_t number;

	return !session->backend->number(session->ctx, key, target->pid, &number) &&
	       number != target->number;
}

static int look(struct session *session, pid_t pid, uint32_t key, bool exec)
{
	struct process *process = processes_find(&session->processes, pid);
	struct target *target;
	int err;

	if (process && exec && is_replaced(session, process, key)) {
		processes_replace(process);
		process = NULL;
	}
	if (process) {
		err = target_scan(process->target);
		return err ? err : session_attach_images(session, process);
	}
	err = target_open(&target, pid);
	if (err)
		return err;
	err = target_scan(target);
	if (!err) /* -ENOENT and others: libraries of it that come later are not seen */
		(void)session->backend->watch(session->ctx, target);
	if (err || !target->image_cnt) {
		target_free(target);
		return err;
	}
	return begin_process(session, target, key);
}

static int look_at(struct session *session, pid_t pid, uint32_t key, bool exec)
{
	int err = look(session, pid, key, exec);

	if (!is_of_the_process(err))
		return err;
	if (err == -EACCES || err == -EPERM)
		session->denied_cnt++;
	log_debug("cannot look at process %d: %s", (int)pid, strerror(-err));
	return 0;
}

/* Once: or a service without the rights to see anybody looks like one with nothing to see. */
static void tell_denied(struct session *session)
{
	if (session->denied_cnt == 0 || session->denied_told)
		return;
	session->denied_told = true;
	target_log_denied(session->denied_cnt);
}

int session_look_everywhere(struct session *session)
{
	DIR *proc = opendir("/proc");
	const struct dirent *entry;
	int err = 0;

	if (!proc)
		return log_err(-errno, "cannot read /proc");
	while (!err && (entry = readdir(proc))) {
		char *end;
		long pid = strtol(entry->d_name, &end, 10);

		if (!*end && pid > 0 && pid != getpid())
			err = look_at(session, (pid_t)pid, 0, false);
	}
	closedir(proc);
	tell_denied(session);
	return err;
}

int session_look_later(void *ctx, pid_t pid, uint32_t key, bool exec)
{
	struct session *session = ctx;

	/* An exec, and then the linker twice: once is enough. */
	for (size_t i = session->look_cnt; i-- > 0;) {
		if (session->looks[i].pid != pid)
			continue;
		session->looks[i].exec |= exec;
		return 0;
	}
	if (session->look_cnt == session->look_room) {
		size_t room = session->look_room ? 2 * session->look_room : 64;
		struct session_look *grown;

		if (session->look_cnt >= LOOKS_MAX)
			return 0;
		grown = realloc(session->looks, room * sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		session->looks = grown;
		session->look_room = room;
	}
	session->looks[session->look_cnt++] =
		(struct session_look){.pid = pid, .key = key, .exec = exec};
	return 0;
}

int session_look_now(struct session *session)
{
	int err = 0;

	/* Looking at one may bring others. */
	for (size_t i = 0; i < session->look_cnt && !err; i++) {
		const struct session_look at = session->looks[i];

		err = look_at(session, at.pid, at.key, at.exec);
	}
	session->look_cnt = 0;
	tell_denied(session);
	return err;
}

/* --- what has ended ------------------------------------------------------------------ */

uint32_t session_take_number(struct session *session)
{
	return session->spare_cnt ? session->spare[--session->spare_cnt] : session->next_number++;
}

/* Without memory for it the number is not given again. */
static void give_back(struct session *session, uint32_t number)
{
	if (session->spare_cnt == session->spare_room) {
		size_t room = session->spare_room ? 2 * session->spare_room : 64;
		uint32_t *grown = realloc(session->spare, room * sizeof(*grown));

		if (!grown)
			return;
		session->spare = grown;
		session->spare_room = room;
	}
	session->spare[session->spare_cnt++] = number;
}

static bool may_go(struct process *process, void *ctx)
{
	struct session *session = ctx;
	const struct target *target = process->target;

	if (!process->reported || process->since++ < KEPT_WINDOWS ||
	    !session->backend->forget(session->ctx, target))
		return false;
	for (size_t i = 0; i < target->image_cnt; i++)
		if (target->image[i]->numbered)
			give_back(session, target->image[i]->number);
	return true;
}

void session_forget(struct session *session)
{
	processes_remove(&session->processes, may_go, session);
}
