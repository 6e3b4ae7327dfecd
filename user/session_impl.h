/* SPDX-License-Identifier: MIT */
/*
 * session_impl.h - what the two parts of a session share: session.c (open, attach,
 * close: everything that happens to processes) and session_poll.c (time and windows).
 */
#ifndef SESSION_IMPL_H
#define SESSION_IMPL_H

#include "session.h"

#include <stddef.h>
#include <time.h>
#include "backend.h"
#include "launch.h"
#include "process.h"

#define SESSION_REFUSED 64

struct session {
	struct session_options opts;
	struct record_sink sink;
	const struct backend *backend;
	void *ctx; /* the backend's */
	struct launch launch;
	struct processes processes;
	uint32_t next_number;
	uint32_t *spare; /* numbers of processes that are forgotten: the next ones get them */
	size_t spare_cnt, spare_room;
	int stop_fd;
	bool attached, detached, stopped;
	uint64_t start_ns, window_ns;
	/* Of all processes: those that are to be looked at. */
	struct session_look {
		pid_t pid;
		uint32_t key;
		bool exec;
	} * looks;
	size_t look_cnt, look_room;
	/* Files that cannot be traced and of which that has been said: the last ones. */
	struct {
		dev_t dev;
		uint64_t ino;
	} refused[SESSION_REFUSED];
	size_t refused_cnt;
	unsigned denied_cnt; /* that may not be looked at */
	bool denied_told;
};

static inline uint64_t session_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static inline int session_emit(const struct session *session, struct record *record, unsigned kind,
			       size_t size)
{
	record->kind = kind;
	record->size = (__u32)(offsetof(struct record, target) + size);
	return session->sink.emit(session->sink.ctx, record);
}

/* Attach to what came since, if anything did: all processes are looked at, or only when
 * the backend saw something. 0 or -errno, logged. */
int session_watch_for_images(struct session *session);
int session_follow_link_map(struct session *session);
/* Emit a TARGET for each image that is new, and attach to it. 0 or -errno. */
int session_attach_images(struct session *session, struct process *process);
/* Of all processes (session_all.c): those that are there; a new one, later; and those. */
int session_look_everywhere(struct session *session);
int session_look_later(void *ctx, pid_t pid, uint32_t key, bool exec);
int session_look_now(struct session *session);
/* A number for an image. */
uint32_t session_take_number(struct session *session);
/* After a window: what ended some windows ago is not spoken of any more. */
void session_forget(struct session *session);
/* Drain, take the samples, say which targets ended, close the window. */
int session_emit_window(struct session *session, bool last);

#endif
