/* SPDX-License-Identifier: MIT */
/*
 * procfs.h - what /proc/PID says: mappings, the files behind them, names, times.
 * Pure readers; each returns 0 or -errno and prints nothing.
 */
#ifndef PROCFS_H
#define PROCFS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct procfs_mapping {
	uint64_t start, end, offset;
	dev_t dev;
	uint64_t ino; /* 0 = no file */
	bool exec;
	const char *path; /* valid during the callback */
};

/* fn returns 0 to go on; anything else stops and is returned. */
int procfs_each_mapping(pid_t pid, int (*fn)(const struct procfs_mapping *mapping, void *ctx),
			void *ctx);

/* Open the very file behind a mapping, deleted ones and other mount namespaces included. */
int procfs_open_mapping(pid_t pid, const struct procfs_mapping *mapping);

/* ret_comm has 16 bytes. */
int procfs_stat(pid_t pid, char *ret_comm, uint64_t *ret_start_ticks);

/* How often its threads have left a CPU, those that have ended left out. */
int procfs_switches(pid_t pid, uint64_t *ret_count);

/* A value of the auxiliary vector; -ENOENT when it is not there. */
int procfs_auxv(pid_t pid, uint64_t type, uint64_t *ret_value);

#endif
