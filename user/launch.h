/* SPDX-License-Identifier: MIT */
/*
 * launch.h - start a command so that it can be traced from its first instruction.
 *
 * The command stands still when all libraries that it needs are mapped and no code of
 * them has run, constructors included. Until it is released it dies with us.
 */
#ifndef LAUNCH_H
#define LAUNCH_H

#include <stdbool.h>
#include <sys/types.h>

struct launch {
	pid_t pid; /* 0 = nothing launched */
	bool held; /* stopped by us, not yet released */
	bool ended;
	int status; /* wait(2) status once ended */
};

/*
 * output_fd: takes what the command would write to the terminal, and then it reads nothing from
 * there either; 0 = it shares ours.
 *
 * 0 also when the command ended before it could be held (`ended`): its loader found
 * something missing, and has said so. -ENOENT: no such command; other errors of
 * execvp() and fork().
 */
int launch_start(struct launch *launch, char *const *argv, int output_fd);
int launch_release(struct launch *launch);
/* Has it ended? Never blocks. */
bool launch_reap(struct launch *launch);
/* Kills the command if it was never released. */
void launch_close(struct launch *launch);

#endif
