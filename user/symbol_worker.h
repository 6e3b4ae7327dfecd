/* SPDX-License-Identifier: MIT */
/*
 * symbol_worker.h - the process that parses targets' files for names (symbol_elf.h).
 *
 * It has no privileges, no descriptors but those that it is sent, bounded memory, and may call
 * of the kernel only what reading and answering take; one
 * question takes at most WORKER_TIMEOUT_MS. A file that crashes it or keeps it longer is not
 * asked about again; a new worker takes its place, a few times.
 *
 * Who asks need not wait so long: see `hurried`.
 */
#ifndef SYMBOL_WORKER_H
#define SYMBOL_WORKER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "symbol_elf.h"

#define WORKER_TIMEOUT_MS 5000
#define WORKER_LIVES 8 /* so many are started in a session */

/* Files that one worker knows, by number. */
#define WORKER_FILES_MAX 4096

struct symbol_question {
	uint32_t kind;
	uint32_t file;
	uint64_t offset; /* or, of a debug file, a number that tells it from others */
};

struct symbol_worker {
	pid_t pid; /* 0 = none runs */
	int fd;
	unsigned started; /* workers so far: a new one knows no file */
	/*
	 * Written by the caller. Hurried: all questions together wait for `left_ms` only, from
	 * which what they waited is taken; then they return -EAGAIN. The one that was asked is
	 * worked on, and has to be asked again until it is answered: any other gets -EAGAIN.
	 */
	bool hurried;
	unsigned left_ms;
	bool waiting; /* for the answer to `asked` */
	struct symbol_question asked;
	uint64_t asked_ms;
};

/*
 * Each: 0; -EAGAIN see above; -EPIPE the worker died of the question or took too long, or none can be had any
 * more; another -errno is the file's. Descriptors stay the caller's.
 */
int symbol_worker_open(struct symbol_worker *worker, uint32_t file, int fd,
		       struct symbol_info *ret_info);
int symbol_worker_debug(struct symbol_worker *worker, uint32_t file, int fd, uint64_t number);
int symbol_worker_find(struct symbol_worker *worker, uint32_t file, uint64_t offset,
		       struct symbol_place *ret_place);
int symbol_worker_cfi(struct symbol_worker *worker, uint32_t file, uint64_t offset,
		      struct symbol_cfi *ret_cfi);
/* Start one now, if none runs: best before there are threads and secrets. */
int symbol_worker_start(struct symbol_worker *worker);
void symbol_worker_stop(struct symbol_worker *worker);

#endif
