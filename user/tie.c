/* SPDX-License-Identifier: MIT */
/*
 * tie.c - the kernel's signal for children whose parent has died.
 *
 * Rejected: waiting for the end of a pipe or socket, as guard.c does: what is stopped by
 * ptrace, or busy with a file that keeps it so, waits for nothing.
 */
#include "tie.h"

#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

void tie_to(pid_t parent)
{
	/* A parent that died before gave no signal, and the child has another by now. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() != parent)
		_exit(1);
}

void tie_cut(void)
{
	(void)prctl(PR_SET_PDEATHSIG, 0);
}
