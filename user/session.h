/* SPDX-License-Identifier: MIT */
/*
 * session.h - one tracing session, in phases that follow each other:
 *
 *	open    resolve the targets, parse their ELF files (no privilege needed)
 *	attach  load the BPF programs, attach the probes, let a command start (privileged)
 *	drop    give up what is no longer needed
 *	poll    until the targets have gone, the duration is over or session_stop()
 *	detach  remove the probes, take the last figures: emits the last WINDOW
 *	close   free everything
 *
 * What it sees goes to the sink as records (record.h). Killing smaptrace at any
 * moment leaves the targets as they were: links and semaphores go with our file
 * descriptors, and a command that has not started yet goes with us.
 */
#ifndef SESSION_H
#define SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include "record.h"

struct session;

struct session_options {
	const pid_t *pids; /* traced processes, or ... */
	size_t pid_count;
	char *const *command;  /* ... a command to start, NULL-ended; NULL = none */
	int command_output_fd; /* instead of the terminal; 0 = it shares ours */
	bool all;	       /* ... or every process of the machine, as it comes and goes */
	bool exact;	       /* a record of each miss and expunge: attach miss and expunge too */
	bool offcpu;	 /* how long threads are off the CPU at a mutex: see offcpu_possible() */
	bool stacks;	 /* call stacks of misses, promotions, rebuilds and waits */
	bool lock_waits; /* an event for each wait for a lock, at a bounded rate */
	unsigned interval_ms; /* time between windows */
	unsigned duration_ms; /* 0 = until the targets end */
	unsigned max_maps;    /* maps per session; 0 = default (65536) */
	unsigned ring_bytes;  /* ring buffer, rounded up to a power of two; 0 = default */
	double max_overhead;  /* shed probes above this part of the target's CPU time; 0 = never */
	bool audit;	      /* once a second, not only at the end */
	bool no_summary;      /* nobody asks at the end: of `all`, ended processes are forgotten */
};

/*
 * All: 0 or -errno, after logging the error and its remedy. session_open: -ESRCH no
 * such process, -ENOEXEC not a libsmap process, -ENOENT/-EACCES the command
 * cannot be found/run, -EPROTO another ABI version, -EPERM.
 */
int session_open(struct session **ret_session, const struct session_options *opts,
		 const struct record_sink *sink);
int session_attach(struct session *session);
int session_drop(struct session *session);
/* Waits at most timeout_ms; emits what came. 1 = over, 0 = go on, -errno. */
int session_poll(struct session *session, int timeout_ms);
/* Async-signal-safe: the next session_poll returns 1. */
void session_stop(struct session *session);
int session_detach(struct session *session);
void session_close(struct session *session);

/* How many probes are attached, for "Attached N probes ...". */
unsigned session_probe_count(const struct session *session);
/* wait(2) status of the command; false if there is none or it has not ended. */
bool session_command_status(const struct session *session, int *ret_status);

#endif
