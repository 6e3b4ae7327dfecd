/* SPDX-License-Identifier: MIT */
/*
 * symbols.h - from an address in a process to names.
 *
 * A `space` remembers what was mapped where in one process, with the mapped files open, so
 * that its addresses have names after it has exited, too. The files are parsed by a worker
 * without privileges, each file once for all processes.
 */
#ifndef SYMBOLS_H
#define SYMBOLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "symbol_elf.h"

struct symbols;
struct space;

/* 0 or -ENOMEM. */
int symbols_create(struct symbols **ret_symbols);
void symbols_free(struct symbols *symbols);

/* 0 or -ENOMEM. Those that are left are freed with symbols. */
int space_create(struct space **ret_space, struct symbols *symbols, pid_t pid);
void space_free(struct space *space);
/*
 * Look at what is mapped now; what was unmapped and not replaced stays known. 0, -ENOMEM, or
 * -errno of /proc: the process has gone, say.
 */
int space_update(struct space *space);

/* Where an address is: one place of a file. */
struct space_place {
	uint32_t module;  /* index among all of symbols; the key with `offset` */
	uint64_t offset;  /* in the file, or from the mapping's start */
	const char *name; /* path as the target sees it, "[vdso]", "[anonymous]" or "[unmapped]" */
	bool file;
};

/* False: not mapped as far as known; *ret_place is of "[unmapped]" then. */
bool space_find(const struct space *space, uint64_t addr, struct space_place *ret_place);

/*
 * From now on questions wait for so long in all, and return -EAGAIN when that is used up: what
 * was asked has to be asked again, before anything else. Negative: for each as long as it takes,
 * which is bounded. So it is at first.
 */
void symbols_hurry(struct symbols *symbols, int ms);
/*
 * Names of a place: always at least one symbol, which may have no name. *ret_build_id is ""
 * or hexadecimal, valid as long as symbols. 0 or -EAGAIN.
 */
int symbols_name(struct symbols *symbols, const struct space_place *place,
		 struct symbol_place *ret_names, const char **ret_build_id);
/*
 * How to unwind from a place. 0, -EAGAIN: not asked because another answer is awaited; another
 * -errno: not known.
 */
int symbols_cfi(struct symbols *symbols, const struct space_place *place,
		struct symbol_cfi *ret_cfi);

#endif
