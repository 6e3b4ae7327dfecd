/* SPDX-License-Identifier: MIT */
/*
 * symbol_worker.c - see symbol_worker.h. Model: questions and answers are fixed structs over
 * a socket that keeps messages apart; one question at a time, for whose answer the
 * caller may come back. What comes back is as little
 * trusted as the file: sizes are checked and strings ended before they are used.
 *
 * Rejected: parsing in this process, which has all privileges; a worker per file, whose start
 * costs more than most questions.
 */
#include "symbol_worker.h"

#include <cap-ng.h>
#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <poll.h>
#include <seccomp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "tie.h"

#define WORKER_MEMORY (4ULL << 30) /* files are mapped: this is address space, too */
#define NOBODY 65534

enum question_kind { ASK_OPEN, ASK_DEBUG, ASK_FIND, ASK_CFI };

struct answer {
	int32_t err;
	uint32_t reserved;
	union {
		struct symbol_info info;
		struct symbol_place place;
		struct symbol_cfi cfi;
	};
};

/* --- in the worker ---------------------------------------------------------- */

/* What reading a file that is open, memory and answers take; everything else is refused. */
static int forbid_calls(void)
{
	static const int allowed[] = {
		SCMP_SYS(read),
		SCMP_SYS(pread64),
		SCMP_SYS(lseek),
		SCMP_SYS(fstat),
		SCMP_SYS(newfstatat),
		SCMP_SYS(fcntl),
		SCMP_SYS(close),
		SCMP_SYS(mmap),
		SCMP_SYS(munmap),
		SCMP_SYS(mremap),
		SCMP_SYS(mprotect),
		SCMP_SYS(madvise),
		SCMP_SYS(brk),
		SCMP_SYS(futex),
		SCMP_SYS(recvmsg),
		SCMP_SYS(sendto),
		SCMP_SYS(exit),
		SCMP_SYS(exit_group),
		SCMP_SYS(rt_sigprocmask),
		SCMP_SYS(rt_sigreturn),
		SCMP_SYS(getrandom),
	};
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int err = filter ? 0 : -ENOMEM;

	for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]) && !err; i++)
		err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i], 0);
	if (!err)
		err = seccomp_load(filter);
	seccomp_release(filter);
	return err;
}

/* Give up all that a file that takes us over could use. */
static void confine(pid_t parent, int fd)
{
	const struct rlimit none = {0, 0}, memory = {WORKER_MEMORY, WORKER_MEMORY};

	/*
	 * Out of the terminal's process group. Not a session: that is a scheduling group of its own
	 * (autogroup), which on a busy machine was seen not to run for seconds.
	 */
	(void)setpgid(0, 0);
	if (fd != 3) {
		(void)dup2(fd, 3);
		close(fd);
	}
	for (int i = 0; i < 3; i++)
		close(i);
	(void)syscall(SYS_close_range, 4, UINT_MAX, 0);
	(void)setrlimit(RLIMIT_AS, &memory);
	(void)setrlimit(RLIMIT_CORE, &none);
	(void)setrlimit(RLIMIT_FSIZE, &none);
	capng_clear(CAPNG_SELECT_BOUNDS);
	(void)capng_apply(CAPNG_SELECT_BOUNDS); /* while we still may */
	(void)setgroups(0, NULL);
	/* Refused: then we are nobody special already. */
	if ((setresgid(NOBODY, NOBODY, NOBODY) || setresuid(NOBODY, NOBODY, NOBODY)) && !geteuid())
		_exit(1);
	(void)setrlimit(RLIMIT_NPROC, &none);
	capng_clear(CAPNG_SELECT_ALL);
	(void)capng_apply(CAPNG_SELECT_CAPS);
	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	(void)prctl(PR_SET_DUMPABLE, 0);
	tie_to(parent); /* to be another user unties; a file may keep it from reading the socket */
	(void)forbid_calls(); /* a kernel without seccomp: the rest holds */
}

/* A message and maybe a descriptor; false: the other side has gone. */
static bool receive(int sock, void *data, size_t size, int *ret_fd)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct iovec iov = {.iov_base = data, .iov_len = size};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = &control,
			     .msg_controllen = sizeof(control)};
	ssize_t n;
	struct cmsghdr *head;

	do
		n = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	*ret_fd = -1;
	head = CMSG_FIRSTHDR(&msg);
	if (n > 0 && head && head->cmsg_type == SCM_RIGHTS &&
	    head->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(ret_fd, CMSG_DATA(head), sizeof(int));
	return n == (ssize_t)size;
}

static int32_t reply(struct symbol_elf **files, const struct symbol_question *question, int fd,
		     struct answer *answer)
{
	struct symbol_elf **file = &files[question->file];

	switch ((enum question_kind)question->kind) {
	case ASK_OPEN:
		if (*file || fd < 0)
			return -EINVAL;
		return symbol_elf_open(file, fd, &answer->info);
	case ASK_DEBUG:
		if (!*file || fd < 0)
			return -EINVAL;
		return symbol_elf_debug(*file, fd);
	case ASK_FIND:
		return *file ? symbol_elf_find(*file, question->offset, &answer->place) : -EINVAL;
	case ASK_CFI:
		return *file ? symbol_elf_cfi(*file, question->offset, &answer->cfi) : -EINVAL;
	}
	return -EINVAL;
}

static void work(int sock)
{
	static struct symbol_elf *files[WORKER_FILES_MAX];
	static struct answer answer;
	struct symbol_question question;
	int fd;

	while (receive(sock, &question, sizeof(question), &fd)) {
		memset(&answer, 0, sizeof(answer));
		answer.err = question.file < WORKER_FILES_MAX ? reply(files, &question, fd, &answer)
							      : -EINVAL;
		if (send(sock, &answer, sizeof(answer), MSG_NOSIGNAL) < 0)
			break;
	}
}

/* --- starting and ending ---------------------------------------------------- */

static void run_worker(pid_t parent, int sock)
{
	static const int defaults[] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL, SIGPIPE};
	sigset_t all;

	sigfillset(&all);
	for (size_t i = 0; i < sizeof(defaults) / sizeof(defaults[0]); i++) {
		signal(defaults[i], SIG_DFL);
		sigdelset(&all, defaults[i]);
	}
	/* Ctrl-C is for our parent. */
	sigprocmask(SIG_SETMASK, &all, NULL);
	/* Not the network, whatever the environment says. */
	unsetenv("DEBUGINFOD_URLS");
	confine(parent, sock);
	work(3);
	_exit(0);
}

int symbol_worker_start(struct symbol_worker *worker)
{
	int socks[2];
	const pid_t us = getpid();
	pid_t pid;

	if (worker->pid)
		return 0;
	if (worker->started >= WORKER_LIVES)
		return -EPIPE;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, socks))
		return -errno;
	pid = fork();
	if (pid == 0) {
		close(socks[0]);
		run_worker(us, socks[1]);
	}
	close(socks[1]);
	if (pid < 0) {
		int err = -errno;

		close(socks[0]);
		return err;
	}
	worker->pid = pid;
	worker->fd = socks[0];
	worker->started++;
	return 0;
}

void symbol_worker_stop(struct symbol_worker *worker)
{
	if (!worker->pid)
		return;
	close(worker->fd);
	(void)kill(worker->pid, SIGKILL);
	while (waitpid(worker->pid, NULL, 0) < 0 && errno == EINTR)
		;
	worker->pid = 0;
	worker->waiting = false;
}

/* --- questions -------------------------------------------------------------- */

static bool send_question(int sock, const struct symbol_question *question, int fd)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct symbol_question copy = *question;
	struct iovec iov = {.iov_base = &copy, .iov_len = sizeof(copy)};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	struct cmsghdr *head;

	if (fd >= 0) {
		msg.msg_control = &control;
		msg.msg_controllen = sizeof(control);
		head = CMSG_FIRSTHDR(&msg);
		head->cmsg_level = SOL_SOCKET;
		head->cmsg_type = SCM_RIGHTS;
		head->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(head), &fd, sizeof(int));
	}
	return sendmsg(sock, &msg, MSG_NOSIGNAL) == (ssize_t)sizeof(copy);
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* 0, -EAGAIN, or -EPIPE: it died, or has taken too long. */
static int await(struct symbol_worker *worker, struct answer *answer)
{
	struct pollfd pfd = {.fd = worker->fd, .events = POLLIN};
	uint64_t start = now_ms(), took = start - worker->asked_ms, waited;
	int most = took < WORKER_TIMEOUT_MS ? (int)(WORKER_TIMEOUT_MS - took) : 0;
	bool hurried = worker->hurried && worker->left_ms < (unsigned)most;
	int n;

	do
		n = poll(&pfd, 1, hurried ? (int)worker->left_ms : most);
	while (n < 0 && errno == EINTR);
	waited = now_ms() - start;
	worker->left_ms -= waited < worker->left_ms ? (unsigned)waited : worker->left_ms;
	if (n == 0 && hurried)
		return -EAGAIN;
	return n == 1 && recv(worker->fd, answer, sizeof(*answer), 0) == (ssize_t)sizeof(*answer)
		       ? 0
		       : -EPIPE;
}

static int send_new(struct symbol_worker *worker, const struct symbol_question *question, int fd)
{
	if (symbol_worker_start(worker) || !send_question(worker->fd, question, fd))
		return -EPIPE;
	worker->waiting = true;
	worker->asked = *question;
	worker->asked_ms = now_ms();
	return 0;
}

static int ask(struct symbol_worker *worker, const struct symbol_question *question, int fd,
	       struct answer *answer)
{
	int err = 0;

	if (worker->waiting && memcmp(&worker->asked, question, sizeof(*question)) != 0)
		return -EAGAIN;
	if (!worker->waiting)
		err = send_new(worker, question, fd);
	if (!err)
		err = await(worker, answer);
	if (err == -EAGAIN)
		return err;
	worker->waiting = false;
	if (!err)
		return answer->err <= 0 && answer->err != -EAGAIN ? answer->err : -EINVAL;
	symbol_worker_stop(worker);
	return err;
}

int symbol_worker_open(struct symbol_worker *worker, uint32_t file, int fd,
		       struct symbol_info *ret_info)
{
	const struct symbol_question question = {.kind = ASK_OPEN, .file = file};
	static struct answer answer;
	int err = ask(worker, &question, fd, &answer);

	if (err)
		return err;
	*ret_info = answer.info;
	ret_info->build_id[sizeof(ret_info->build_id) - 1] = '\0';
	ret_info->link[sizeof(ret_info->link) - 1] = '\0';
	return 0;
}

int symbol_worker_debug(struct symbol_worker *worker, uint32_t file, int fd, uint64_t number)
{
	const struct symbol_question question = {.kind = ASK_DEBUG, .file = file, .offset = number};
	static struct answer answer;

	return ask(worker, &question, fd, &answer);
}

int symbol_worker_find(struct symbol_worker *worker, uint32_t file, uint64_t offset,
		       struct symbol_place *ret_place)
{
	const struct symbol_question question = {.kind = ASK_FIND, .file = file, .offset = offset};
	static struct answer answer;
	int err = ask(worker, &question, -1, &answer);

	if (err)
		return err;
	if (answer.place.count < 1 || answer.place.count > SYMBOLS_MAX)
		return -EBADMSG;
	*ret_place = answer.place;
	for (uint32_t i = 0; i < ret_place->count; i++) {
		struct symbol *symbol = &ret_place->symbol[i];

		symbol->function[sizeof(symbol->function) - 1] = '\0';
		symbol->file[sizeof(symbol->file) - 1] = '\0';
	}
	return 0;
}

int symbol_worker_cfi(struct symbol_worker *worker, uint32_t file, uint64_t offset,
		      struct symbol_cfi *ret_cfi)
{
	const struct symbol_question question = {.kind = ASK_CFI, .file = file, .offset = offset};
	static struct answer answer;
	int err = ask(worker, &question, -1, &answer);

	if (!err)
		*ret_cfi = answer.cfi;
	return err;
}
