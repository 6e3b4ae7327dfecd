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

struct backend {
	const char *name;
	const char *help;

	/* 1 it can trace this image, 0 not, -errno: it is its kind, but cannot be traced. */
	int (*match)(const struct target_image *image);

	/* Load. Privileged. Logs. */
	int (*open)(void **ret_ctx, const struct session_options *opts,
		    const struct record_sink *sink);
	/*
	 * Tell when the process maps or unmaps files (see changed). hold: it is stopped then, and
	 * when it has become another program, by SIGSTOP, and the caller lets it go on when it
	 * has looked. -ENOENT: cannot.
	 */
	int (*watch)(void *ctx, const struct target *target, bool hold);
	/* Attach, then emit a MAP for each map that is there. Both must outlive the ctx. */
	int (*attach)(void *ctx, const struct target *target, const struct target_image *image);
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

	void (*close)(void *ctx);
};

#define BACKENDS(X) X(usdt)

#define BACKEND_DECLARE(name) extern const struct backend backend_##name;
BACKENDS(BACKEND_DECLARE)
#undef BACKEND_DECLARE

/* The first that matches; NULL and *ret_err = -errno or -ENOEXEC when none does. */
const struct backend *backend_find(const struct target_image *image, int *ret_err);

#endif
