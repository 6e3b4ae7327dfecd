/* SPDX-License-Identifier: MIT */
/*
 * symbol_elf.h - names of addresses in one ELF file, by libdw: symbols, inlined calls, source
 * lines.
 *
 * The file is a target's and may be made to harm: libdw was not written for that. Only the
 * worker calls this, a process without privileges (symbol_worker.h).
 */
#ifndef SYMBOL_ELF_H
#define SYMBOL_ELF_H

#include <stdbool.h>
#include <stdint.h>
#include "record.h"

/* One function at an address. */
struct symbol {
	uint32_t inlined;		    /* its code is in the function of the next one */
	uint32_t line;			    /* 0 = not known */
	char function[RECORD_FUNCTION_LEN]; /* "" = no symbol covers the address */
	char file[RECORD_PATH_LEN];	    /* "" = not known */
};

/* Calls inlined at one address, and the function around them. */
#define SYMBOLS_MAX 12

struct symbol_place {
	uint64_t vaddr; /* link-time address */
	uint32_t count; /* the innermost first; at least one */
	uint32_t reserved;
	struct symbol symbol[SYMBOLS_MAX];
};

/* What a file says of itself. */
struct symbol_info {
	uint32_t has_debug; /* DWARF is in the file itself */
	uint32_t crc;	    /* of the debug file that `link` names */
	char build_id[RECORD_BUILD_ID_LEN];
	char link[RECORD_PATH_LEN]; /* .gnu_debuglink; "" = none */
};

/*
 * How to go from a function to its caller: the canonical frame address (CFA) is a register
 * plus an offset; each register of the caller is the same, at an offset from the CFA, or lost.
 */
enum symbol_cfi_rule {
	SYMBOL_CFI_SAME,
	SYMBOL_CFI_UNDEFINED, /* of the pc: there is no caller */
	SYMBOL_CFI_SAVED,     /* in memory at CFA + offset */
	SYMBOL_CFI_VALUE,     /* is CFA + offset */
};

struct symbol_cfi {
	uint32_t cfa_reg;
	uint32_t reserved;
	int64_t cfa_offset;
	uint32_t rule[ST_REGS];
	int64_t offset[ST_REGS];
};

struct symbol_elf;

/* All: 0 or -errno. Takes the descriptor, also when it fails. */
int symbol_elf_open(struct symbol_elf **ret_elf, int fd, struct symbol_info *ret_info);
/* Its debug information is in this file; -ENOEXEC when that is of another program. */
int symbol_elf_debug(struct symbol_elf *elf, int fd);
/* -ENOENT: nothing is loaded from this offset. */
int symbol_elf_find(struct symbol_elf *elf, uint64_t offset, struct symbol_place *ret_place);
/* -ENOENT: the file does not say, or in a way that is not understood. */
int symbol_elf_cfi(struct symbol_elf *elf, uint64_t offset, struct symbol_cfi *ret_cfi);
void symbol_elf_free(struct symbol_elf *elf);

#endif
