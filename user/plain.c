/* SPDX-License-Identifier: MIT */
/*
 * plain.c - keep the kernel from making a call of a uprobe.
 *
 * Linux 6.18 on x86-64 replaces the breakpoint on a five-byte nop by a call to a page of
 * its own, at the first hit. That page is not inherited by fork (VM_DONTCOPY) but the call
 * is, so a child that comes to the probe dies of SIGSEGV. A program that uses a map, forks
 * and uses it in the child is just that. The kernel gives a place up for good when the
 * page cannot be put near it in the process that hit it, so a process of ours hits each
 * place once where that fails: with nothing free as far as a call reaches, 2 GiB to either
 * side. It makes a single step, on the nop, and is killed. The 4 GiB are address space only
 * (PROT_NONE): no memory, and no privilege; at address 0, where the kernel refuses too, it
 * would take CAP_SYS_RAWIO.
 *
 * It costs the traced processes the difference between a breakpoint and a call, which is
 * what all older kernels have. Rejected: repairing the code of each child (it cannot be
 * stopped before it runs), and other probe places (nops of other lengths would change
 * the contract of libsmap).
 */
#include "plain.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <elf.h>
#include <unistd.h>
#include "tie.h"

#if defined(__x86_64__)

/* The call goes there; came with it. */
#define SYS_UPROBE 336

bool plain_needed(void)
{
	return syscall(SYS_UPROBE) < 0 && errno != ENOSYS;
}

#define REACH (1UL << 31) /* of a call, to either side */

static void child_run(pid_t parent, int fd, uint64_t page_offset, void *at, size_t page)
{
	sigset_t others;

	tie_to(parent); /* stopped, it would outlive us with all links that we have */
	/* Of a Ctrl-C or a new size of the terminal it would stop before the step. */
	sigfillset(&others);
	sigdelset(&others, SIGTRAP);
	sigprocmask(SIG_SETMASK, &others, NULL);
	if (mmap(at, page, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_FIXED, fd,
		 (off_t)page_offset) != at ||
	    ptrace(PTRACE_TRACEME, 0, NULL, NULL))
		_exit(1);
	raise(SIGSTOP);
	_exit(1);
}

/* The signal at which it stands; 0: it has ended. */
static int wait_stop(pid_t pid)
{
	int status;
	pid_t got;

	do
		got = waitpid(pid, &status, 0);
	while (got < 0 && errno == EINTR);
	return got == pid && WIFSTOPPED(status) ? WSTOPSIG(status) : 0;
}

static int step_at(pid_t pid, uint64_t addr)
{
	struct user_regs_struct regs;
	struct iovec iov = {.iov_base = &regs, .iov_len = sizeof(regs)};

	if (ptrace(PTRACE_GETREGSET, pid, (void *)NT_PRSTATUS, &iov))
		return -errno;
	regs.rip = addr;
	regs.rdi = 0; /* of no map, for whoever else listens there: bpf/hit.bpf.h */
	regs.orig_rax = (unsigned long long)-1; /* no system call to restart */
	if (ptrace(PTRACE_SETREGSET, pid, (void *)NT_PRSTATUS, &iov) ||
	    ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL))
		return -errno;
	return wait_stop(pid) == SIGTRAP ? 0 : -ECHILD;
}

/* `at`: the page of the place goes there. */
static int keep_at(char *at, int fd, uint64_t offset, int (*attach)(void *ctx, pid_t pid),
		   void *ctx)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	const pid_t us = getpid();
	pid_t pid = fork();
	int err;

	if (pid < 0)
		return -errno;
	if (pid == 0)
		child_run(us, fd, offset & ~(uint64_t)(page - 1), at, page);
	if (!wait_stop(pid))
		return -EPERM; /* it may not map that page */
	err = attach(ctx, pid);
	if (!err)
		err = step_at(pid, (uint64_t)(uintptr_t)at + (offset & (page - 1)));
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return err;
}

static int keep_one(int fd, uint64_t offset, int (*attach)(void *ctx, pid_t pid), void *ctx)
{
	const size_t size = 2 * REACH + (1 << 20); /* with room at both ends */
	char *around =
		mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	int err;

	if (around == MAP_FAILED)
		return -errno;
	err = keep_at(around + size / 2, fd, offset, attach, ctx);
	munmap(around, size);
	return err;
}

#else

bool plain_needed(void)
{
	return false;
}

static int keep_one(int fd, uint64_t offset, int (*attach)(void *ctx, pid_t pid), void *ctx)
{
	(void)fd;
	(void)offset;
	(void)attach;
	(void)ctx;
	return -EOPNOTSUPP;
}

#endif

int plain_keep(int file_fd, const uint64_t *offsets, size_t cnt,
	       int (*attach)(void *ctx, pid_t pid), void *ctx)
{
	int err = 0;

	for (size_t i = 0; i < cnt && !err; i++)
		err = keep_one(file_fd, offsets[i], attach, ctx);
	return err;
}
