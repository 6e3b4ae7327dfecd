/* SPDX-License-Identifier: MIT */
/*
 * forked.h - what tests do with the children that they fork: none may hang, all have to succeed.
 */
#ifndef FORKED_H
#define FORKED_H

#include <signal.h>
#include <sys/wait.h>

#include "stress.h"
#include "until.h"

static inline void hung(int signal)
{
	static const char what[] = "the child of a fork waits for what does not come\n";

	(void)signal;
	_exit(write(STDERR_FILENO, what, sizeof(what) - 1) < 0 ? 2 : 1);
}

/* In the child CHECK() is to be used, in the parent cmocka's. */
static inline void child_begins(void)
{
	signal(SIGALRM, hung);
	alarm(UNTIL_DEADLINE_S);
}

/* Ends the program if not: a library whose children hang would hang in each test. */
static inline void expect_success(pid_t pid)
{
	int status;

	CHECK(waitpid(pid, &status, 0) == pid, "waitpid");
	CHECK(WIFEXITED(status) && !WEXITSTATUS(status), "a child ended with %x", status);
}

#endif
