/* SPDX-License-Identifier: MIT */
/*
 * hold.h - stop at a known point until somebody says go: one byte on stdin, or SIGUSR1.
 *
 * A tracer is attached at that point, so nothing has to be timed. End of file on
 * stdin is not a go (a shell gives /dev/null to programs in the background):
 * from then on only the signal counts. hold_init() comes before the first thread,
 * so that every thread has the signal blocked and none is lost.
 */
#ifndef HOLD_H
#define HOLD_H

#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <unistd.h>

static int hold_signal_fd = -1;

static inline bool hold_init(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	if (sigprocmask(SIG_BLOCK, &set, NULL))
		return false;
	hold_signal_fd = signalfd(-1, &set, SFD_CLOEXEC);
	return hold_signal_fd >= 0;
}

/* Prints "ready PID" (where NULL) or "hold PID WHERE", then waits. */
static inline void hold_wait(const char *where)
{
	struct pollfd fds[2] = {{.fd = hold_signal_fd, .events = POLLIN},
				{.fd = STDIN_FILENO, .events = POLLIN}};
	struct signalfd_siginfo info;
	char byte;

	if (where)
		printf("hold %d %s\n", (int)getpid(), where);
	else
		printf("ready %d\n", (int)getpid());
	fflush(stdout);
	for (;;) {
		if (poll(fds, 2, -1) < 0)
			continue;
		if (fds[0].revents && read(hold_signal_fd, &info, sizeof(info)) == sizeof(info))
			return;
		if (fds[1].revents) {
			if (read(STDIN_FILENO, &byte, 1) == 1)
				return;
			fds[1].fd = -1;
		}
	}
}

#endif
