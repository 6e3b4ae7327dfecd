/* SPDX-License-Identifier: MIT */
/*
 * plain.h - keep a uprobe what it is, a breakpoint.
 */
#ifndef PLAIN_H
#define PLAIN_H

#include <stddef.h>
#include <stdint.h>

/*
 * The places of this file that have a uprobe, for all processes, stay breakpoints as long
 * as it is there. 0 or -errno; -EOPNOTSUPP where kernels do nothing else.
 */
int plain_keep(int file_fd, const uint64_t *offsets, size_t cnt);

#endif
