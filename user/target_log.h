/* SPDX-License-Identifier: MIT */
/* target_log.h - errors of target.h, told apart for people. Both return err (-EACCES: -EPERM). */
#ifndef TARGET_LOG_H
#define TARGET_LOG_H

#include <sys/types.h>
#include "target.h"

int target_open_failed(int err, pid_t pid);
int target_image_failed(int err, const struct target *target, const struct target_image *image);

#endif
