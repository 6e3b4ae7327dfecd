/* SPDX-License-Identifier: MIT */
/*
 * symbol_elf.c - see symbol_elf.h. Model: one Dwfl session per file with one module at bias 0,
 * so that addresses are those of link time. A name is only given where the file says that it
 * covers the address: a DWARF function by its ranges, a symbol by its size. The nearest one
 * before would be a guess.
 */
#include "symbol_elf.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <elfutils/libdwelf.h>
#include <elfutils/libdwfl.h>
#include <errno.h>
#include <gelf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>
#include "symbol_name.h"

#define SECTIONS_MAX 65536
#define PHDRS_MAX 128
#define BUILD_ID_BYTES 20
#define CRC_STEP 65536

struct symbol_elf {
	Dwfl *dwfl;
	Dwfl_Module *module;
	Elf *elf;
	GElf_Addr bias;
	struct symbol_info info;
	int debug_fd; /* waits to be asked for; -1 = none */
};

static void copy(char *dst, size_t size, const char *src)
{
	snprintf(dst, size, "%s", src ? src : "");
}

static void hex(char *dst, size_t size, const unsigned char *bytes, size_t count)
{
	dst[0] = '\0';
	for (size_t i = 0; i < count && i < BUILD_ID_BYTES && 2 * i + 3 <= size; i++)
		snprintf(dst + 2 * i, 3, "%02x", bytes[i]);
}

/* libdw asks for it when the file itself has no DWARF. */
static int find_debug(Dwfl_Module *module, void **userdata, const char *name, Dwarf_Addr base,
		      const char *file, const char *link, GElf_Word crc, char **ret_name)
{
	struct symbol_elf *elf = *userdata;
	int fd = elf ? elf->debug_fd : -1;

	(void)module, (void)name, (void)base, (void)file, (void)link, (void)crc, (void)ret_name;
	if (elf)
		elf->debug_fd = -1;
	return fd;
}

static int find_elf(Dwfl_Module *module, void **userdata, const char *name, Dwarf_Addr base,
		    char **ret_name, Elf **ret_elf)
{
	(void)module, (void)userdata, (void)name, (void)base, (void)ret_name, (void)ret_elf;
	return -1;
}

static const Dwfl_Callbacks callbacks = {
	.find_elf = find_elf,
	.find_debuginfo = find_debug,
	.section_address = dwfl_offline_section_address,
};

static bool has_debug(Elf *elf)
{
	Elf_Scn *scn = NULL;
	size_t names, i = 0;

	if (elf_getshdrstrndx(elf, &names))
		return false;
	while ((scn = elf_nextscn(elf, scn)) && i++ < SECTIONS_MAX) {
		GElf_Shdr shdr;
		const char *name;

		if (!gelf_getshdr(scn, &shdr) || shdr.sh_type == SHT_NOBITS)
			continue;
		name = elf_strptr(elf, names, shdr.sh_name);
		if (name && (strcmp(name, ".debug_info") == 0 || strcmp(name, ".zdebug_info") == 0))
			return true;
	}
	return false;
}

static void describe(struct symbol_elf *elf)
{
	const unsigned char *bytes;
	GElf_Addr vaddr;
	int count = dwfl_module_build_id(elf->module, &bytes, &vaddr);
	GElf_Word crc = 0;
	const char *link = dwelf_elf_gnu_debuglink(elf->elf, &crc);

	elf->info.has_debug = has_debug(elf->elf);
	if (count > 0)
		hex(elf->info.build_id, sizeof(elf->info.build_id), bytes, (size_t)count);
	copy(elf->info.link, sizeof(elf->info.link), link);
	elf->info.crc = crc;
}

int symbol_elf_open(struct symbol_elf **ret_elf, int fd, struct symbol_info *ret_info)
{
	struct symbol_elf *elf = calloc(1, sizeof(*elf));
	void **userdata;

	if (!elf) {
		close(fd);
		return -ENOMEM;
	}
	elf->debug_fd = -1;
	elf->dwfl = dwfl_begin(&callbacks);
	if (elf->dwfl) {
		dwfl_report_begin(elf->dwfl);
		elf->module = dwfl_report_elf(elf->dwfl, "module", "module", fd, 0, true);
		dwfl_report_end(elf->dwfl, NULL, NULL);
	}
	if (!elf->module)
		close(fd); /* it takes the descriptor only when it succeeds */
	else
		elf->elf = dwfl_module_getelf(elf->module, &elf->bias);
	if (!elf->elf) {
		symbol_elf_free(elf);
		return -ENOEXEC;
	}
	dwfl_module_info(elf->module, &userdata, NULL, NULL, NULL, NULL, NULL, NULL);
	*userdata = elf;
	describe(elf);
	*ret_info = elf->info;
	*ret_elf = elf;
	return 0;
}

void symbol_elf_free(struct symbol_elf *elf)
{
	if (!elf)
		return;
	if (elf->dwfl)
		dwfl_end(elf->dwfl);
	if (elf->debug_fd >= 0)
		close(elf->debug_fd);
	free(elf);
}

/* --- the debug file --------------------------------------------------------- */

static bool same_build_id(const struct symbol_elf *elf, int fd)
{
	char id[RECORD_BUILD_ID_LEN] = "";
	const void *bytes;
	ssize_t count;
	Elf *other = elf_begin(fd, ELF_C_READ, NULL);

	if (!other)
		return false;
	count = dwelf_elf_gnu_build_id(other, &bytes);
	if (count > 0)
		hex(id, sizeof(id), bytes, (size_t)count);
	elf_end(other);
	return strcmp(id, elf->info.build_id) == 0;
}

static bool same_crc(const struct symbol_elf *elf, int fd)
{
	static unsigned char bytes[CRC_STEP];
	uLong crc = crc32(0, NULL, 0);
	off_t at = 0;
	ssize_t n;

	while ((n = pread(fd, bytes, sizeof(bytes), at)) > 0) {
		crc = crc32(crc, bytes, (uInt)n);
		at += n;
	}
	return n == 0 && crc == elf->info.crc;
}

int symbol_elf_debug(struct symbol_elf *elf, int fd)
{
	bool same = elf->info.build_id[0] ? same_build_id(elf, fd) : same_crc(elf, fd);

	if (!same || elf->debug_fd >= 0) {
		close(fd);
		return same ? -EEXIST : -ENOEXEC;
	}
	elf->debug_fd = fd;
	return 0;
}

/* --- addresses -------------------------------------------------------------- */

static int vaddr_of(const struct symbol_elf *elf, uint64_t offset, uint64_t *ret_vaddr)
{
	size_t count;

	if (elf_getphdrnum(elf->elf, &count) || count > PHDRS_MAX)
		return -ENOEXEC;
	for (size_t i = 0; i < count; i++) {
		GElf_Phdr phdr;

		if (!gelf_getphdr(elf->elf, (int)i, &phdr) || phdr.p_type != PT_LOAD)
			continue;
		if (offset >= phdr.p_offset && offset - phdr.p_offset < phdr.p_filesz) {
			*ret_vaddr = offset - phdr.p_offset + phdr.p_vaddr;
			return 0;
		}
	}
	return -ENOENT;
}

/* A symbol that covers the address. */
static const char *symbol_at(const struct symbol_elf *elf, uint64_t addr)
{
	GElf_Off within;
	GElf_Sym sym;
	const char *name = dwfl_module_addrinfo(elf->module, addr, &within, &sym, NULL, NULL, NULL);
	unsigned type = name ? GELF_ST_TYPE(sym.st_info) : STT_OBJECT;

	if (type != STT_FUNC && type != STT_GNU_IFUNC && type != STT_NOTYPE)
		return NULL;
	return within < sym.st_size ? name : NULL;
}

struct where {
	const char *file;
	int line;
};

/* Of a mangled name as it is written; of a C++ function DWARF alone has no scope. */
static void copy_name(char dst[RECORD_FUNCTION_LEN], const char *name)
{
	if (!name || !symbol_demangle(dst, RECORD_FUNCTION_LEN, name))
		copy(dst, RECORD_FUNCTION_LEN, name);
}

static const char *name_of(Dwarf_Die *die)
{
	Dwarf_Attribute attr;
	const char *linkage =
		dwarf_formstring(dwarf_attr_integrate(die, DW_AT_linkage_name, &attr));

	return linkage ? linkage : dwarf_diename(die);
}

static struct symbol *add(struct symbol_place *place, const char *function,
			  const struct where *where, bool inlined)
{
	struct symbol *symbol = &place->symbol[place->count++];

	memset(symbol, 0, sizeof(*symbol));
	copy_name(symbol->function, function);
	copy(symbol->file, sizeof(symbol->file), where->file);
	symbol->line = where->line > 0 ? (uint32_t)where->line : 0;
	symbol->inlined = inlined;
	return symbol;
}

/* Where an inlined call stands in the source. */
static struct where call_of(Dwarf_Die *cu, Dwarf_Die *die)
{
	struct where where = {0};
	Dwarf_Attribute attr;
	Dwarf_Word value;
	Dwarf_Files *files;
	size_t count;

	if (!dwarf_formudata(dwarf_attr(die, DW_AT_call_line, &attr), &value) && value <= INT32_MAX)
		where.line = (int)value;
	if (dwarf_getsrcfiles(cu, &files, &count) == 0 &&
	    !dwarf_formudata(dwarf_attr(die, DW_AT_call_file, &attr), &value) && value < count)
		where.file = dwarf_filesrc(files, value, NULL, NULL);
	return where;
}

static struct where line_of(Dwarf_Die *cu, Dwarf_Addr addr)
{
	struct where where = {0};
	Dwarf_Line *line = dwarf_getsrc_die(cu, addr);

	if (!line)
		return where;
	where.file = dwarf_linesrc(line, NULL, NULL);
	if (!where.file || dwarf_lineno(line, &where.line))
		where.line = 0;
	return where;
}

/* By DWARF: inlined calls, then the function itself. */
static void find_dwarf(const struct symbol_elf *elf, uint64_t addr, struct symbol_place *place)
{
	Dwarf_Addr bias;
	Dwarf_Die *cu = dwfl_module_addrdie(elf->module, addr, &bias), *scopes = NULL,
		  *chain = NULL;
	struct where where;
	int count;

	if (!cu)
		return;
	where = line_of(cu, addr - bias);
	count = dwarf_getscopes(cu, addr - bias, &scopes);
	if (count > 0)
		count = dwarf_getscopes_die(&scopes[0], &chain);
	for (int i = 0; i < count && place->count < SYMBOLS_MAX - 1; i++) {
		int tag = dwarf_tag(&chain[i]);

		if (tag == DW_TAG_inlined_subroutine) {
			add(place, name_of(&chain[i]), &where, true);
			where = call_of(cu, &chain[i]);
		} else if (tag == DW_TAG_subprogram) {
			const char *name = name_of(&chain[i]);

			add(place, name ? name : symbol_at(elf, addr), &where, false);
			break;
		}
	}
	free(chain);
	free(scopes);
	if (!place->count && where.file)
		add(place, symbol_at(elf, addr), &where, false);
}

int symbol_elf_find(struct symbol_elf *elf, uint64_t offset, struct symbol_place *ret_place)
{
	const struct where nowhere = {0};
	int err;

	memset(ret_place, 0, offsetof(struct symbol_place, symbol));
	err = vaddr_of(elf, offset, &ret_place->vaddr);
	if (err)
		return err;
	find_dwarf(elf, ret_place->vaddr + elf->bias, ret_place);
	/* Nothing, or a chain that does not end in a function. */
	if (!ret_place->count || ret_place->symbol[ret_place->count - 1].inlined)
		add(ret_place, symbol_at(elf, ret_place->vaddr + elf->bias), &nowhere, false);
	return 0;
}

/* --- call frames ------------------------------------------------------------ */

static bool cfa_of(Dwarf_Frame *frame, struct symbol_cfi *cfi)
{
	Dwarf_Op *ops;
	size_t count;

	if (dwarf_frame_cfa(frame, &ops, &count) || count != 1)
		return false;
	if (ops[0].atom == DW_OP_bregx) {
		cfi->cfa_reg = (uint32_t)ops[0].number;
		cfi->cfa_offset = (int64_t)ops[0].number2;
		return true;
	}
	cfi->cfa_reg = ops[0].atom - DW_OP_breg0;
	cfi->cfa_offset = (int64_t)ops[0].number;
	return ops[0].atom >= DW_OP_breg0 && ops[0].atom <= DW_OP_breg31;
}

/* False: a rule that is not understood. */
static bool rule_of(Dwarf_Frame *frame, unsigned reg, uint32_t *ret_rule, int64_t *ret_offset)
{
	Dwarf_Op room[3], *ops;
	size_t count;
	bool value;

	*ret_offset = 0;
	if (dwarf_frame_register(frame, (int)reg, room, &ops, &count))
		return false;
	if (!count) {
		*ret_rule = ops ? SYMBOL_CFI_UNDEFINED : SYMBOL_CFI_SAME;
		return true;
	}
	value = ops[count - 1].atom == DW_OP_stack_value;
	count -= value;
	if (!count || count > 2 || ops[0].atom != DW_OP_call_frame_cfa ||
	    (count == 2 && ops[1].atom != DW_OP_plus_uconst))
		return false;
	if (count == 2)
		*ret_offset = (int64_t)ops[1].number;
	*ret_rule = value ? SYMBOL_CFI_VALUE : SYMBOL_CFI_SAVED;
	return true;
}

int symbol_elf_cfi(struct symbol_elf *elf, uint64_t offset, struct symbol_cfi *ret_cfi)
{
	Dwarf_Frame *frame = NULL;
	Dwarf_Addr bias;
	Dwarf_CFI *table;
	uint64_t vaddr;
	bool signal;
	int pc, err = vaddr_of(elf, offset, &vaddr);

	if (err)
		return err;
	table = dwfl_module_eh_cfi(elf->module, &bias);
	if (!table)
		table = dwfl_module_dwarf_cfi(elf->module, &bias);
	if (!table || dwarf_cfi_addrframe(table, vaddr + elf->bias - bias, &frame))
		return -ENOENT;
	memset(ret_cfi, 0, sizeof(*ret_cfi));
	pc = dwarf_frame_info(frame, NULL, NULL, &signal);
	if (pc < 0 || pc >= ST_REGS || !cfa_of(frame, ret_cfi))
		err = -ENOENT;
	for (unsigned i = 0; i < ST_REGS - 1 && !err; i++)
		if (!rule_of(frame, i, &ret_cfi->rule[i], &ret_cfi->offset[i]))
			err = -ENOENT;
	/* The return address, which is no register of its own everywhere, is the caller's pc. */
	if (!err && !rule_of(frame, (unsigned)pc, &ret_cfi->rule[ST_REGS - 1],
			     &ret_cfi->offset[ST_REGS - 1]))
		err = -ENOENT;
	free(frame);
	return err;
}
