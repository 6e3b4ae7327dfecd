/* SPDX-License-Identifier: MIT */
/*
 * What smaptrace starts for itself does not outlive it, however it ends. Each test has a
 * process in smaptrace's place that is killed; its orphans become the test's own children.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "launch.h"
#include "plain.h"
#include "symbol_worker.h"
#include "until.h"

#define ROUNDS 150
#define ROUND_STEP_NS 20000

static int tell_fd; /* the killed one says here whom it leaves */

struct left {
	pid_t pid, helper; /* 0 = none */
};

static void tell(struct left left)
{
	if (write(tell_fd, &left, sizeof(left)) != sizeof(left))
		_exit(1);
}

/* Reaps it. */
static bool killed(pid_t pid)
{
	pid_t got = 0;
	int status;

	for (struct until u = until_begin(); got == 0 && until_again(&u);)
		got = waitpid(pid, &status, WNOHANG);
	if (got == 0) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	return got == pid && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

static int own_file(void)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

/* Runs `work` in a process that tells whom it leaves and gets killed then, or does neither. */
static struct left left_by(void (*work)(void))
{
	struct left left = {0};
	int fds[2];
	pid_t us;

	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	assert_int_equal(pipe(fds), 0);
	us = fork();
	assert_true(us >= 0);
	if (us == 0) {
		tell_fd = fds[1];
		work();
		_exit(1);
	}
	close(fds[1]);
	if (read(fds[0], &left, sizeof(left)) != sizeof(left))
		left = (struct left){0};
	close(fds[0]);
	assert_true(killed(us) || !left.pid);
	return left;
}

/* --- the process that stands at a probe ------------------------------------------------ */

static int die_meanwhile(void *ctx, pid_t pid)
{
	(void)ctx;
	tell((struct left){.pid = pid});
	return kill(getpid(), SIGKILL);
}

static void keep_plain(void)
{
	const uint64_t offset = 0;

	(void)plain_keep(own_file(), &offset, 1, die_meanwhile, NULL);
}

static void test_plain(void **state)
{
	struct left left = left_by(keep_plain);

	(void)state;
	if (!left.pid)
		skip(); /* not on this machine */
	assert_true(killed(left.pid));
}

static int signal_meanwhile(void *ctx, pid_t pid)
{
	(void)ctx;
	return kill(pid, SIGUSR1);
}

#if defined(__x86_64__)
/* What the terminal sends to all of us does not keep it from its step: a store here. */
static void test_plain_signal(void **state)
{
	const uint64_t offset = 0;
	volatile char *stepped = mmap(NULL, 1, PROT_READ | PROT_WRITE,
				      MAP_SHARED | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	uint32_t addr = (uint32_t)(uintptr_t)stepped;
	unsigned char code[] = {0xc6, 0x04, 0x25, 0, 0, 0, 0, 1}; /* movb $1, addr */
	int fd = memfd_create("code", MFD_CLOEXEC);

	(void)state;
	assert_true(fd >= 0 && stepped != MAP_FAILED);
	memcpy(code + 3, &addr, sizeof(addr));
	assert_int_equal(write(fd, code, sizeof(code)), sizeof(code));
	assert_int_equal(plain_keep(fd, &offset, 1, signal_meanwhile, NULL), 0);
	assert_int_equal(*stepped, 1);
	close(fd);
}
#else
static void test_plain_signal(void **state)
{
	(void)state;
	(void)signal_meanwhile;
	skip(); /* not on this machine */
}
#endif

/* --- the parser ------------------------------------------------------------------------ */

static void start_worker(void)
{
	struct symbol_worker worker = {0};
	struct symbol_info info;
	pid_t helper;

	/* Answered: by now it is nobody. */
	if (symbol_worker_open(&worker, 1, own_file(), &info))
		return;
	/* Another process has our end of the socket: it does not close with us. */
	helper = fork();
	if (helper == 0)
		for (;;)
			pause();
	tell((struct left){.pid = worker.pid, .helper = helper});
	kill(getpid(), SIGKILL);
}

static void test_worker(void **state)
{
	struct left left = left_by(start_worker);
	bool ended;

	(void)state;
	assert_true(left.pid > 0);
	ended = killed(left.pid);
	kill(left.helper, SIGKILL);
	assert_true(killed(left.helper));
	assert_true(ended);
}

/* --- a command that is not a command yet ----------------------------------------------- */

static void start_command(void)
{
	char *const argv[] = {(char *)"sleep", (char *)"1000", NULL};
	struct launch launch = {0};

	if (launch_start(&launch, argv, 0) == 0)
		pause();
}

static void test_command(void **state)
{
	(void)state;
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	for (int i = 0; i < ROUNDS; i++) {
		const struct timespec moment = {.tv_nsec = i * ROUND_STEP_NS};
		pid_t us = fork();

		if (us == 0) {
			start_command();
			_exit(1);
		}
		nanosleep(&moment, NULL);
		assert_int_equal(kill(us, SIGKILL), 0);
		assert_true(killed(us));
		for (struct until u = until_begin(); waitpid(-1, NULL, WNOHANG) == 0;)
			assert_true(until_again(&u));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain),
		cmocka_unit_test(test_plain_signal),
		cmocka_unit_test(test_worker),
		cmocka_unit_test(test_command),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
