/* SPDX-License-Identifier: MIT */
/*
 * guard.c - the guard waits for the end of a pipe, which comes when our end is closed:
 * by guard_stop(), or by the kernel when we are killed.
 *
 * It has a session of its own, so that what ends our process group (Ctrl-C, kill -9 -PGID)
 * leaves it, and no descriptor of ours, so that neither links nor output files live longer.
 */
#include "guard.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static bool is_kept(int fd, const int *keep, size_t keep_cnt)
{
	for (size_t i = 0; i < keep_cnt; i++)
		if (keep[i] == fd)
			return true;
	return false;
}

static void close_others(int pipe_fd, const int *keep, size_t keep_cnt)
{
	int null_fd, last = pipe_fd;

	for (size_t i = 0; i < keep_cnt; i++)
		if (keep[i] > last)
			last = keep[i];
	for (int fd = 0; fd <= last; fd++)
		if (fd != pipe_fd && !is_kept(fd, keep, keep_cnt))
			close(fd);
	(void)syscall(SYS_close_range, last + 1, UINT_MAX, 0);
	/* Nothing that is opened later becomes standard output. */
	do
		null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	while (null_fd >= 0 && null_fd <= STDERR_FILENO);
}

static void guard_run(int pipe_fd, void (*rescue)(void *ctx), void *ctx)
{
	sigset_t all;
	char byte;
	ssize_t n;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	(void)setsid();
	do
		n = read(pipe_fd, &byte, 1);
	while (n > 0 || (n < 0 && errno == EINTR));
	rescue(ctx);
	_exit(0);
}

int guard_start(struct guard *guard, const int *keep, size_t keep_cnt, void (*rescue)(void *ctx),
		void *ctx)
{
	int fds[2], err;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC))
		return -errno;
	pid = fork();
	if (pid == 0) {
		close_others(fds[0], keep, keep_cnt);
		guard_run(fds[0], rescue, ctx);
	}
	err = pid < 0 ? -errno : 0;
	close(fds[0]);
	if (err) {
		close(fds[1]);
		return err;
	}
	*guard = (struct guard){.pid = pid, .pipe = fds[1]};
	return 0;
}

void guard_stop(struct guard *guard)
{
	if (!guard->pid)
		return;
	close(guard->pipe);
	while (waitpid(guard->pid, NULL, 0) < 0 && errno == EINTR)
		;
	*guard = (struct guard){0};
}
