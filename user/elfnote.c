/* SPDX-License-Identifier: MIT */
/*
 * elfnote.c - finding libsmap in an ELF file.
 *
 * Two kinds of notes. `.note.smap` is allocated, so it is found through PT_NOTE and
 * survives any stripping: it says "this is libsmap, of this ABI, and there is
 * its registry". `.note.stapsdt` holds the probe sites and is found through the
 * section headers; strip(1) keeps it.
 *
 * Everything here is bounded: a file is read with pread through libelf, never
 * mapped (a file that shrinks would kill us), sizes are checked before they are
 * used, and every loop has a limit of its own. Rejected: libbpf's usdt parser,
 * which parses the file while we hold all privileges and knows nothing of our note.
 */
#include "elfnote.h"

#include <errno.h>
#include <gelf.h>
#include <libelf.h>
#include <string.h>

#define PHDRS_MAX 128
#define SECTIONS_MAX 65536
#define NOTE_BYTES_MAX (1U << 20) /* a libsmap has 12 probes of about 80 bytes */
#define SYMBOLS_MAX (1U << 20)

#define STAPSDT_NAME "stapsdt"
#define STAPSDT_TYPE 3

#if defined(__x86_64__)
#define MACHINE EM_X86_64
static const char *const arg_spec[SMAP_PROBE_MAX_ARGS] = {
	"8@%rdi", "8@%rsi", "8@%rdx", "8@%rcx", "8@%r8", "8@%r9",
};
#elif defined(__aarch64__)
#define MACHINE EM_AARCH64
static const char *const arg_spec[SMAP_PROBE_MAX_ARGS] = {
	"8@x0", "8@x1", "8@x2", "8@x3", "8@x4", "8@x5",
};
#else
#error "the argument registers of this machine are not known"
#endif

static const struct {
	const char *name;
	unsigned arg_cnt;
} probes[SMAP_PROBE_COUNT] = {
#define PROBE_ENTRY(name, cnt, ...) {#name, cnt},
	SMAP_PROBES(PROBE_ENTRY)
#undef PROBE_ENTRY
};

/* State of one parse. */
struct parse {
	Elf *elf;
	struct elfnote *out;
	uint64_t base_addr; /* of .stapsdt.base, where it is now; 0 = there is none */
	uint64_t note_addr; /* address of the notes being parsed; 0 = not allocated */
	int (*found)(struct parse *parse, const GElf_Nhdr *nhdr, const char *name, const char *desc,
		     uint64_t desc_addr);
};

const char *elfnote_probe_name(unsigned probe)
{
	return probe < SMAP_PROBE_COUNT ? probes[probe].name : "?";
}

bool elfnote_is_libsmap(const struct elfnote *note)
{
	return note->has_note;
}

int elfnote_offset(const struct elfnote *note, uint64_t vaddr, uint64_t *ret_offset)
{
	for (uint32_t i = 0; i < note->segment_cnt; i++) {
		const struct elfnote_segment *seg = &note->segment[i];

		if (vaddr >= seg->vaddr && vaddr - seg->vaddr < seg->file_size) {
			*ret_offset = vaddr - seg->vaddr + seg->offset;
			return 0;
		}
	}
	return -ENOENT;
}

int elfnote_mapping_vaddr(const struct elfnote *note, uint64_t offset, uint64_t page_size,
			  uint64_t *ret_vaddr)
{
	for (uint32_t i = 0; i < note->segment_cnt; i++) {
		const struct elfnote_segment *seg = &note->segment[i];
		uint64_t skew = seg->offset % page_size;

		if (seg->exec && offset >= seg->offset - skew &&
		    offset - (seg->offset - skew) < seg->file_size + skew) {
			*ret_vaddr = seg->vaddr - skew + (offset - (seg->offset - skew));
			return 0;
		}
	}
	return -ENOENT;
}

/* Compare "8@%rdi 8@%rsi" with the contract for this many arguments. */
static bool args_match(const char *spec, size_t len, unsigned arg_cnt)
{
	size_t at = 0;

	for (unsigned i = 0; i < arg_cnt; i++) {
		size_t n = strlen(arg_spec[i]);

		if (i && (at >= len || spec[at++] != ' '))
			return false;
		if (len - at < n || memcmp(spec + at, arg_spec[i], n) != 0)
			return false;
		at += n;
	}
	return at == len;
}

static int add_site(struct parse *parse, unsigned index, const uint64_t addr[3], const char *spec,
		    size_t spec_len)
{
	struct elfnote_probe *probe = &parse->out->probe[index];
	uint64_t moved = parse->base_addr ? parse->base_addr - addr[1] : 0;
	uint64_t site, semaphore = 0;

	if (elfnote_offset(parse->out, addr[0] + moved, &site))
		return -ENOEXEC;
	if (addr[2] && elfnote_offset(parse->out, addr[2] + moved, &semaphore))
		return -ENOEXEC;
	if (probe->site_cnt == ELFNOTE_SITES_MAX)
		return -E2BIG;
	/* One semaphore per probe, or a listener would be missed by some of its sites. */
	if (probe->site_cnt && probe->semaphore != semaphore)
		return -EPROTO;
	probe->site[probe->site_cnt++] = site;
	probe->semaphore = semaphore;
	if (!args_match(spec, spec_len, probes[index].arg_cnt))
		probe->bad_args++;
	parse->out->site_cnt++;
	return 0;
}

/* Descriptor: three addresses, then provider, name and arguments, each with its NUL. */
static int found_stapsdt(struct parse *parse, const GElf_Nhdr *nhdr, const char *name,
			 const char *desc, uint64_t desc_addr)
{
	const char *str[3], *at, *end = desc + nhdr->n_descsz;
	uint64_t addr[3];

	(void)desc_addr;
	if (nhdr->n_type != STAPSDT_TYPE || strcmp(name, STAPSDT_NAME) != 0)
		return 0;
	if (nhdr->n_descsz < sizeof(addr) + 3)
		return -ENOEXEC;
	memcpy(addr, desc, sizeof(addr));
	at = desc + sizeof(addr);
	for (int i = 0; i < 3; i++) {
		const char *nul = memchr(at, '\0', end - at);

		if (!nul)
			return -ENOEXEC;
		str[i] = at;
		at = nul + 1;
	}
	if (strcmp(str[0], SMAP_PROVIDER) != 0)
		return 0;
	for (unsigned i = 0; i < SMAP_PROBE_COUNT; i++)
		if (strcmp(str[1], probes[i].name) == 0)
			return add_site(parse, i, addr, str[2], strlen(str[2]));
	parse->out->unknown++;
	return 0;
}

static int found_smap(struct parse *parse, const GElf_Nhdr *nhdr, const char *name,
		      const char *desc, uint64_t desc_addr)
{
	struct smap_note note;
	uint64_t registry;

	if (nhdr->n_type != SMAP_NOTE_TYPE || strcmp(name, SMAP_NOTE_NAME) != 0)
		return 0;
	if (nhdr->n_descsz < sizeof(note))
		return -ENOEXEC;
	memcpy(&note, desc, sizeof(note));
	registry = desc_addr + offsetof(struct smap_note, registry) + (uint64_t)note.registry;
	if (parse->out->has_note &&
	    (parse->out->abi != note.abi || parse->out->registry != registry))
		return -EPROTO;
	parse->out->has_note = 1;
	parse->out->abi = note.abi;
	parse->out->registry = registry;
	return 0;
}

/* Call parse->found for each note whose name is a C string. */
static int each_note(struct parse *parse, Elf_Data *data)
{
	size_t at = 0, next, name_at, desc_at;
	GElf_Nhdr nhdr;
	int err;

	if (!data || !data->d_buf)
		return -ENOEXEC;
	while (at < data->d_size && (next = gelf_getnote(data, at, &nhdr, &name_at, &desc_at))) {
		const char *buf = data->d_buf;

		if (next <= at || next > data->d_size || name_at > data->d_size ||
		    desc_at > data->d_size || nhdr.n_namesz > data->d_size - name_at ||
		    nhdr.n_descsz > data->d_size - desc_at)
			return -ENOEXEC;
		if (nhdr.n_namesz && buf[name_at + nhdr.n_namesz - 1] == '\0') {
			err = parse->found(parse, &nhdr, buf + name_at, buf + desc_at,
					   parse->note_addr + desc_at);
			if (err)
				return err;
		}
		at = next;
	}
	return 0;
}

static int parse_load(struct parse *parse, const GElf_Phdr *phdr)
{
	struct elfnote *out = parse->out;

	if (out->segment_cnt == ELFNOTE_SEGMENTS_MAX)
		return -E2BIG;
	out->segment[out->segment_cnt++] = (struct elfnote_segment){
		.vaddr = phdr->p_vaddr,
		.offset = phdr->p_offset,
		.file_size = phdr->p_filesz,
		.exec = phdr->p_flags & PF_X,
	};
	return 0;
}

static int parse_note_segment(struct parse *parse, const GElf_Phdr *phdr)
{
	Elf_Type type = phdr->p_align == 8 ? ELF_T_NHDR8 : ELF_T_NHDR;

	if (!phdr->p_filesz)
		return 0;
	if (phdr->p_filesz > NOTE_BYTES_MAX)
		return -E2BIG;
	if (phdr->p_offset > INT64_MAX)
		return -ENOEXEC;
	parse->note_addr = phdr->p_vaddr;
	parse->found = found_smap;
	return each_note(parse, elf_getdata_rawchunk(parse->elf, (int64_t)phdr->p_offset,
						     phdr->p_filesz, type));
}

static int parse_segments(struct parse *parse)
{
	size_t cnt;
	GElf_Phdr phdr;
	int err = 0;

	if (elf_getphdrnum(parse->elf, &cnt))
		return -ENOEXEC;
	if (cnt > PHDRS_MAX)
		return -E2BIG;
	for (size_t i = 0; i < cnt && !err; i++) {
		if (!gelf_getphdr(parse->elf, (int)i, &phdr))
			return -ENOEXEC;
		if (phdr.p_type == PT_LOAD)
			err = parse_load(parse, &phdr);
		else if (phdr.p_type == PT_NOTE)
			err = parse_note_segment(parse, &phdr);
		else if (phdr.p_type == PT_INTERP)
			parse->out->has_interp = 1;
	}
	return err;
}

/* The first section of this name; *ret_scn NULL = there is none. */
static int find_section(Elf *elf, const char *name, Elf_Scn **ret_scn, GElf_Shdr *ret_shdr)
{
	Elf_Scn *scn = NULL;
	size_t strings, seen = 0;

	*ret_scn = NULL;
	if (elf_getshdrstrndx(elf, &strings))
		return -ENOEXEC;
	while ((scn = elf_nextscn(elf, scn)) && seen++ < SECTIONS_MAX) {
		const char *found;

		if (!gelf_getshdr(scn, ret_shdr))
			return -ENOEXEC;
		found = elf_strptr(elf, strings, ret_shdr->sh_name);
		if (found && strcmp(found, name) == 0) {
			*ret_scn = scn;
			return 0;
		}
	}
	return 0;
}

static int parse_sections(struct parse *parse)
{
	Elf_Scn *scn;
	GElf_Shdr shdr;
	int err;

	err = find_section(parse->elf, ".stapsdt.base", &scn, &shdr);
	if (err)
		return err;
	if (scn)
		parse->base_addr = shdr.sh_addr;
	err = find_section(parse->elf, ".note.stapsdt", &scn, &shdr);
	if (err || !scn)
		return err;
	if (shdr.sh_type != SHT_NOTE)
		return -ENOEXEC;
	if (shdr.sh_size > NOTE_BYTES_MAX)
		return -E2BIG;
	parse->note_addr = 0;
	parse->found = found_stapsdt;
	return each_note(parse, elf_getdata(scn, NULL));
}

static int open_elf(int fd, Elf **ret_elf)
{
	Elf *elf;
	GElf_Ehdr ehdr;

	if (elf_version(EV_CURRENT) == EV_NONE)
		return -ENOSYS;
	elf = elf_begin(fd, ELF_C_READ, NULL);
	if (!elf)
		return -ENOEXEC;
	if (elf_kind(elf) != ELF_K_ELF || !gelf_getehdr(elf, &ehdr) ||
	    gelf_getclass(elf) != ELFCLASS64 || ehdr.e_ident[EI_DATA] != ELFDATA2LSB ||
	    ehdr.e_machine != MACHINE) {
		elf_end(elf);
		return -ENOEXEC;
	}
	*ret_elf = elf;
	return 0;
}

int elfnote_parse(int fd, struct elfnote *ret_note)
{
	struct elfnote out = {0};
	struct parse parse = {.out = &out};
	size_t strings;
	int err;

	err = open_elf(fd, &parse.elf);
	if (err)
		return err;
	err = parse_segments(&parse);
	/* The sites of others do not matter; without section headers there is only the note. */
	if (!err && out.has_note && elf_getshdrstrndx(parse.elf, &strings) == 0 && strings)
		err = parse_sections(&parse);
	elf_end(parse.elf);
	if (!err)
		*ret_note = out;
	return err;
}

static int search_symbols(Elf *elf, Elf_Scn *scn, const GElf_Shdr *shdr, const char *name,
			  bool defined, uint64_t *ret_vaddr)
{
	Elf_Data *data = elf_getdata(scn, NULL);
	size_t cnt;

	if (!data || !shdr->sh_entsize)
		return -ENOEXEC;
	cnt = data->d_size / shdr->sh_entsize;
	for (size_t i = 0; i < cnt && i < SYMBOLS_MAX; i++) {
		const char *found;
		GElf_Sym sym;

		if (!gelf_getsym(data, (int)i, &sym))
			return -ENOEXEC;
		if ((sym.st_shndx != SHN_UNDEF) != defined)
			continue;
		found = elf_strptr(elf, shdr->sh_link, sym.st_name);
		if (found && strcmp(found, name) == 0) {
			*ret_vaddr = sym.st_value;
			return 0;
		}
	}
	return -ENOENT;
}

int elfnote_symbol(int fd, const char *name, bool defined, uint64_t *ret_vaddr)
{
	Elf *elf;
	Elf_Scn *scn;
	GElf_Shdr shdr;
	int err;

	err = open_elf(fd, &elf);
	if (err)
		return err;
	err = find_section(elf, ".dynsym", &scn, &shdr);
	if (!err)
		err = scn ? search_symbols(elf, scn, &shdr, name, defined, ret_vaddr) : -ENOENT;
	elf_end(elf);
	return err;
}
