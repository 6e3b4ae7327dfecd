/* SPDX-License-Identifier: MIT */
/* target_log.h - errors of target.h, told apart for people; err is returned (-EACCES: -EPERM). */
#ifndef TARGET_LOG_H
#define TARGET_LOG_H

#include <sys/types.h>
#include "target.h"

int target_open_failed(int err, pid_t pid);
int target_image_failed(int err, const struct target *target, const struct target_image *image);
/* Among all processes there were so many that may not be looked at: no error, but said. */
void target_log_denied(unsigned count);

#endif
