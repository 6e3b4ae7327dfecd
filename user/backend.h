/* SPDX-License-Identifier: MIT */
/*
 * backend.h - where events come from: a table of function pointers.
 *
 * The session owns processes and time; a backend owns the ways of seeing into an
 * image and turns what it sees into MAP, EVENT, SAMPLE and LOSS records. A new
 * one is one file user/backend_<name>.c and one line below.
 */
#ifndef BACKEND_H
#define BACKEND_H

#include <stdbool.h>
#include <stdint.h>
#include "record.h"
#include "session.h"
#include "target.h"

/* Who is told of the processes of a command. */
struct backend_watcher {
	/*
	 * Look at this process; it stands still meanwhile. `number` is of its address space:
	 * a new one is a new process, or another program in an old one. 0 or -errno.
	 */
	int (*process)(void *ctx, pid_t pid, uint32_t number);
	/*
	 * Of all processes: this one may have come to use libsmap; look when there is time. `key`
	 * is for number(); `exec`: it is another program now. 0 or -errno.
	 */
	int (*look)(void *ctx, pid_t pid, uint32_t key, bool exec);
	void *ctx;
};

struct backend {
	const char *name;
	const char *help;

	/* 1 it can trace this image, 0 not, -errno: it is its kind, but cannot be traced. */
	int (*match)(const struct target_image *image);

	/* Load. Privileged. Logs. */
	int (*open)(void **ret_ctx, const struct session_options *opts,
		    const struct record_sink *sink);
	/*
	 * Follow a command and all its descendants, from now on; it has not run yet and has
	 * the number 0. Or, with `command` 0, all processes of the machine: none is stopped.
	 * Logs. The watcher is called within drain and sample.
	 */
	int (*follow)(void *ctx, pid_t command, const struct backend_watcher *watcher);
	/*
	 * Of all processes: the number of this one, which gets one if it has none. `key` is its
	 * id as the kernel knows it; 0 = not known. 0 or -errno.
	 */
	int (*number)(void *ctx, uint32_t key, pid_t pid, uint32_t *ret_number);
	/* Does a process of the command live? */
	bool (*tree_lives)(const void *ctx);
	/*
	 * Tell when the process maps or unmaps files: the watcher of a command, others by
	 * changed. -ENOENT: cannot.
	 */
	int (*watch)(void *ctx, const struct target *target);
	/* Attach, then emit a MAP for each map that is there. Both stay until forget(). */
	int (*attach)(void *ctx, const struct target *target, const struct target_image *image);
	/* The process has ended; false: something of it still has to be told. Else it is forgotten. */
	bool (*forget)(void *ctx, const struct target *target);
	unsigned (*probe_count)(const void *ctx);

	/* Readable when drain has something urgent to do. */
	int (*fd)(const void *ctx);
	/* Emit the EVENTs that wait. */
	int (*drain)(void *ctx);
	/* Since the last call: did a watched process map or unmap files? */
	bool (*changed)(void *ctx);
	/*
	 * Emit a SAMPLE of each map and the LOSSes. Maps that ended, with their process
	 * or before it, are sampled for the last time. `last`: the probes are removed, too.
	 */
	int (*sample)(void *ctx, bool last);

	/*
	 * Do what is due between windows; *ret_wait_ms: when to be called again, at the latest;
	 * -1 = not at all. May be called early.
	 */
	int (*tick)(void *ctx, int *ret_wait_ms);

	void (*close)(void *ctx);
};

#define BACKENDS(X) X(usdt)

#define BACKEND_DECLARE(name) extern const struct backend backend_##name;
BACKENDS(BACKEND_DECLARE)
#undef BACKEND_DECLARE

/* The first that matches; NULL and *ret_err = -errno or -ENOEXEC when none does. */
const struct backend *backend_find(const struct target_image *image, int *ret_err);

#endif
