/* SPDX-License-Identifier: MIT */
/*
 * launch.c - fork, exec, hold, release.
 *
 * A dynamically linked program cannot be attached to when exec returns: its
 * libraries are not mapped yet. Every dynamic linker calls an empty function,
 * _dl_debug_state, for debuggers: once when it begins to map libraries, once when
 * all are mapped and relocated and no constructor has run. A breakpoint there is
 * what a debugger does, and it is gone again before the program goes on. Static
 * programs are ready when exec returns.
 *
 * Rejected: LD_PRELOAD or LD_AUDIT (seen by the program, not for static ones), and
 * stopping at main (constructors may already use maps).
 */
#include "launch.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>
#include "target.h"
#include "tie.h"

/* struct r_debug of <link.h>: r_state stands after an int, a pointer and an address. */
#define RDEBUG_STATE 24
#define RDEBUG_CONSISTENT 0
/* The linker calls the hook twice; more calls than this are not a linker we know. */
#define HOOK_CALLS_MAX 16

#if defined(__x86_64__)
typedef struct user_regs_struct regs_t;
#define REGS_PC(regs) ((regs)->rip)
#define TRAP_INSN 0xccUL
#define TRAP_MASK 0xffUL
#define TRAP_PC_AFTER 1 /* the pc stands behind the breakpoint */
#elif defined(__aarch64__)
typedef struct user_regs_struct regs_t;
#define REGS_PC(regs) ((regs)->pc)
#define TRAP_INSN 0xd4200000UL
#define TRAP_MASK 0xffffffffUL
#define TRAP_PC_AFTER 0
#else
#error "breakpoints of this machine are not known"
#endif

/* --- starting --------------------------------------------------------------- */

/* Somebody draws on the terminal: what goes there goes to a file, the rest stays as it is. */
static void leave_terminal(int output_fd)
{
	int none = open("/dev/null", O_RDONLY | O_CLOEXEC);

	if (none >= 0 && isatty(STDIN_FILENO))
		dup2(none, STDIN_FILENO);
	for (int fd = STDOUT_FILENO; fd <= STDERR_FILENO; fd++)
		if (isatty(fd))
			dup2(output_fd, fd);
}

static void child_run(pid_t parent, char *const *argv, int report_fd, int output_fd)
{
	int err;

	tie_to(parent); /* until its PTRACE_O_EXITKILL holds */
	if (output_fd > 0)
		leave_terminal(output_fd);
	/* The stop lets the parent set its options before the exec. */
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0) {
		raise(SIGSTOP);
		tie_cut();
		execvp(argv[0], argv);
	}
	err = errno;
	while (write(report_fd, &err, sizeof(err)) < 0 && errno == EINTR)
		;
	_exit(127);
}

/* Wait for the next stop; signals that are not ours go through. 0, or -ECHILD: ended. */
static int wait_stop(struct launch *launch, int wanted)
{
	for (;;) {
		int status, sig;

		if (waitpid(launch->pid, &status, 0) < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		if (!WIFSTOPPED(status)) {
			launch->ended = true;
			launch->status = status;
			return -ECHILD;
		}
		sig = WSTOPSIG(status);
		if (sig == wanted || (status >> 8) == (SIGTRAP | PTRACE_EVENT_EXEC << 8))
			return 0;
		if (ptrace(PTRACE_CONT, launch->pid, NULL, (void *)(intptr_t)sig))
			return -errno;
	}
}

static int resume(struct launch *launch, enum __ptrace_request how, int wanted)
{
	if (ptrace(how, launch->pid, NULL, NULL))
		return -errno;
	return wait_stop(launch, wanted);
}

static int hold_after_exec(struct launch *launch, int report_fd)
{
	const uintptr_t options = PTRACE_O_EXITKILL | PTRACE_O_TRACEEXEC;
	int err, exec_err;

	err = wait_stop(launch, SIGSTOP);
	if (!err && ptrace(PTRACE_SETOPTIONS, launch->pid, NULL, (void *)options))
		err = -errno;
	if (!err)
		err = resume(launch, PTRACE_CONT, SIGTRAP);
	/* The pipe closes at the exec, so this does not block. */
	if (err == -ECHILD && read(report_fd, &exec_err, sizeof(exec_err)) == sizeof(exec_err))
		return -exec_err;
	return err;
}

/* --- the breakpoint --------------------------------------------------------- */

static int get_regs(pid_t pid, regs_t *regs)
{
	struct iovec iov = {.iov_base = regs, .iov_len = sizeof(*regs)};

	return ptrace(PTRACE_GETREGSET, pid, (void *)NT_PRSTATUS, &iov) ? -errno : 0;
}

static int set_regs(pid_t pid, regs_t *regs)
{
	struct iovec iov = {.iov_base = regs, .iov_len = sizeof(*regs)};

	return ptrace(PTRACE_SETREGSET, pid, (void *)NT_PRSTATUS, &iov) ? -errno : 0;
}

static int peek(pid_t pid, uint64_t addr, unsigned long *ret_word)
{
	errno = 0;
	*ret_word = (unsigned long)ptrace(PTRACE_PEEKTEXT, pid, (void *)addr, NULL);
	return -errno;
}

static int poke(pid_t pid, uint64_t addr, unsigned long word)
{
	return ptrace(PTRACE_POKETEXT, pid, (void *)addr, (void *)word) ? -errno : 0;
}

/* A breakpoint of the processor at addr; 0 removes it. */
static int hard_break(pid_t pid, uint64_t addr)
{
#if defined(__x86_64__)
	const size_t dr0 = offsetof(struct user, u_debugreg[0]);
	const size_t dr7 = offsetof(struct user, u_debugreg[7]);

	if (ptrace(PTRACE_POKEUSER, pid, (void *)dr7, NULL) ||
	    ptrace(PTRACE_POKEUSER, pid, (void *)dr0, (void *)addr) ||
	    (addr && ptrace(PTRACE_POKEUSER, pid, (void *)dr7, (void *)1UL)))
		return -errno;
	return 0;
#else
	(void)pid;
	(void)addr;
	return -EOPNOTSUPP;
#endif
}

/*
 * Run to addr and stand on it, with the breakpoint gone again. Another smaptrace that
 * follows a command has a uprobe in this place, in all processes, and would take a
 * breakpoint in the code for its own: hence the processor's, where there is one.
 */
static int run_to(struct launch *launch, uint64_t addr)
{
	bool hard = hard_break(launch->pid, addr) == 0;
	unsigned long word = 0;
	regs_t regs;
	int err = 0;

	if (!hard)
		err = peek(launch->pid, addr, &word);
	if (!err && !hard)
		err = poke(launch->pid, addr, (word & ~TRAP_MASK) | TRAP_INSN);
	if (!err)
		err = resume(launch, PTRACE_CONT, SIGTRAP);
	if (err)
		return err;
	err = hard ? hard_break(launch->pid, 0) : poke(launch->pid, addr, word);
	if (!err)
		err = get_regs(launch->pid, &regs);
	if (err)
		return err;
	if (REGS_PC(&regs) - (hard ? 0 : TRAP_PC_AFTER) != addr)
		return -EPROTO;
	REGS_PC(&regs) = addr;
	return set_regs(launch->pid, &regs);
}

static bool libraries_mapped(pid_t pid, const struct target_linker *linker)
{
	unsigned long state;

	if (!linker->rdebug_vaddr)
		return true;
	if (peek(pid, linker->base + linker->rdebug_vaddr + RDEBUG_STATE, &state))
		return true;
	return (uint32_t)state == RDEBUG_CONSISTENT;
}

static int run_to_libraries(struct launch *launch)
{
	struct target_linker linker;
	int err = target_find_linker(launch->pid, &linker);

	/* Static, or a linker without the hook: the watch for dlopen has to do. */
	if (err)
		return 0;
	close(linker.fd);
	for (int i = 0; i < HOOK_CALLS_MAX; i++) {
		err = run_to(launch, linker.base + linker.brk_vaddr);
		if (err || libraries_mapped(launch->pid, &linker))
			break;
		err = resume(launch, PTRACE_SINGLESTEP, SIGTRAP);
		if (err)
			break;
	}
	return err;
}

/* --- for others ------------------------------------------------------------- */

int launch_start(struct launch *launch, char *const *argv, int output_fd)
{
	const pid_t us = getpid();
	int report[2], err;
	pid_t pid;

	if (pipe2(report, O_CLOEXEC))
		return -errno;
	pid = fork();
	if (pid == 0)
		child_run(us, argv, report[1], output_fd);
	err = pid < 0 ? -errno : 0;
	close(report[1]);
	if (!err) {
		*launch = (struct launch){.pid = pid, .held = true};
		err = hold_after_exec(launch, report[0]);
		if (!err)
			err = run_to_libraries(launch);
	}
	close(report[0]);
	/* It ran and ended: that is for the caller to see, not an error of ours. */
	if (err == -ECHILD && launch->ended)
		err = 0;
	if (launch->ended)
		launch->held = false;
	if (err)
		launch_close(launch);
	return err;
}

int launch_release(struct launch *launch)
{
	if (!launch->held)
		return 0;
	launch->held = false;
	return ptrace(PTRACE_DETACH, launch->pid, NULL, NULL) ? -errno : 0;
}

bool launch_reap(struct launch *launch)
{
	int status;

	if (!launch->pid || launch->ended)
		return launch->ended;
	if (waitpid(launch->pid, &status, WNOHANG) != launch->pid ||
	    (!WIFEXITED(status) && !WIFSIGNALED(status)))
		return false;
	launch->ended = true;
	launch->status = status;
	return true;
}

void launch_close(struct launch *launch)
{
	if (launch->pid && launch->held && !launch->ended) {
		kill(launch->pid, SIGKILL);
		while (waitpid(launch->pid, &launch->status, 0) < 0 && errno == EINTR)
			;
		launch->ended = true;
	}
	launch->held = false;
}
