/* SPDX-License-Identifier: MIT */
/*
 * plain.h - keep a uprobe what it is, a breakpoint.
 */
#ifndef PLAIN_H
#define PLAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Does this kernel make something else of it? */
bool plain_needed(void);

/*
 * The uprobes on these places of the file stay breakpoints, as long as there is one. The
 * process that hits them is another for each place: attach(ctx, pid) is called with it
 * before. 0 or -errno.
 */
int plain_keep(int file_fd, const uint64_t *offsets, size_t cnt,
	       int (*attach)(void *ctx, pid_t pid), void *ctx);

#endif
