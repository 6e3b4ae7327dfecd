/* SPDX-License-Identifier: MIT */
/*
 * tie.h - a child process that does not outlive us, however we end.
 */
#ifndef TIE_H
#define TIE_H

#include <sys/types.h>

/*
 * Call in the child of a fork() by `parent`: it is killed when the thread that forked ends,
 * and ends now if that is over already. A change of user or of capabilities may untie it:
 * call again after that.
 */
void tie_to(pid_t parent);
/* It may live on: for what it becomes by exec. */
void tie_cut(void);

#endif
