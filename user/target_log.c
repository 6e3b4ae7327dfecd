/* SPDX-License-Identifier: MIT */
/* target_log.c - what to say, and what to advise, when a process cannot be traced. */
#include "target_log.h"

#include <errno.h>
#include "log.h"

static void hint_denied(void)
{
	log_hint("processes of others need root, or CAP_SYS_PTRACE and "
		 "CAP_DAC_READ_SEARCH; root in a container, or under a security module, "
		 "may lack them: see `smaptrace doctor`");
}

void target_log_denied(unsigned count)
{
	log_warn("%u process%s may not be looked at", count, count == 1 ? "" : "es");
	hint_denied();
}

int target_open_failed(int err, pid_t pid)
{
	if (err == -ESRCH) {
		log_err(0, "no process %d", (int)pid);
		log_hint("a thread id or a kernel thread is no process that can be traced; "
			 "`smaptrace list` shows those that use libsmap");
	} else if (err == -EACCES || err == -EPERM) {
		err = -EPERM;
		log_err(err, "process %d may not be looked at", (int)pid);
		hint_denied();
	} else {
		log_err(err, "cannot look at process %d", (int)pid);
	}
	return err;
}

int target_image_failed(int err, const struct target *target, const struct target_image *image)
{
	const char *path = image->path;
	int pid = (int)target->pid;

	switch (err) {
	case -EPROTO:
		log_err(0, "%s in process %d has libsmap with ABI version %u, smaptrace knows %u",
			path, pid, image->note.abi, SMAP_ABI_VERSION);
		log_hint("use the smaptrace that was built with that libsmap");
		break;
	case -EOPNOTSUPP:
		log_err(0, "%s in process %d has libsmap, but no probes", path, pid);
		log_hint("it was built with SMAP_NO_PROBES, or its .note.stapsdt section was "
			 "removed: "
			 "rebuild it without; `smaptrace list` works all the same");
		break;
	case -ENODATA:
		log_err(0,
			"the probes of libsmap in %s (process %d) are not as smaptrace knows them",
			path, pid);
		log_hint("use the smaptrace that was built with that libsmap");
		break;
	default:
		log_err(err, "%s in process %d cannot be traced", path, pid);
	}
	return err;
}
