/* SPDX-License-Identifier: MIT */
/*
 * offcpu.h - can threads be seen leaving the CPU here? For `--offcpu` and `doctor`.
 */
#ifndef OFFCPU_H
#define OFFCPU_H

#include <stdbool.h>

/*
 * Tries it: 0, or -errno with the reason and what to do (constant texts). Needs the
 * privileges of tracing.
 */
int offcpu_check(const char **ret_why, const char **ret_remedy);
/* The same, and a warning when it cannot be. */
bool offcpu_possible(void);

#endif
