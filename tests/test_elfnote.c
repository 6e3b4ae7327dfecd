/* SPDX-License-Identifier: MIT */
/*
 * Finding libsmap in ELF files: in real ones, and in real ones with damage. A damaged
 * file may be refused or understood, but never crash us, never loop, and never
 * make us leave the bounds that elfnote.h promises.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "elfnote.h"
#include "smap.h"

#define FLIPS 4000

static char *image; /* libsmap.so, whole */
static size_t image_size;
static int memfd = -1;

/* The build tree is beside this program. */
static void build_path(char *path, size_t size, const char *name)
{
	char self[4096] = "";

	assert_true(readlink("/proc/self/exe", self, sizeof(self) - 1) > 0);
	snprintf(path, size, "%s/%s", dirname(dirname(self)), name);
}

static int setup(void **state)
{
	char path[4200];
	struct stat st;
	int fd;

	(void)state;
	build_path(path, sizeof(path), "libsmap.so");
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0 && fstat(fd, &st) == 0);
	image_size = (size_t)st.st_size;
	image = malloc(image_size);
	assert_int_equal(read(fd, image, image_size), image_size);
	close(fd);
	memfd = memfd_create("image", MFD_CLOEXEC);
	assert_true(memfd >= 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	free(image);
	close(memfd);
	return 0;
}

static void put(const void *data, size_t size)
{
	assert_int_equal(ftruncate(memfd, 0), 0);
	assert_int_equal(pwrite(memfd, data, size, 0), size);
}

static void check_bounds(const struct elfnote *note)
{
	assert_true(note->segment_cnt <= ELFNOTE_SEGMENTS_MAX);
	for (unsigned i = 0; i < SMAP_PROBE_COUNT; i++) {
		assert_true(note->probe[i].site_cnt <= ELFNOTE_SITES_MAX);
		assert_true(note->probe[i].bad_args <= note->probe[i].site_cnt);
	}
}

/* 0, or one of the errors of elfnote.h and the result untouched. */
static int parse(struct elfnote *ret_note)
{
	struct elfnote before;
	int err;

	memset(ret_note, 0xa5, sizeof(*ret_note));
	before = *ret_note;
	err = elfnote_parse(memfd, ret_note);
	if (!err) {
		check_bounds(ret_note);
		return 0;
	}
	assert_true(err == -ENOEXEC || err == -E2BIG || err == -EPROTO || err == -ENOMEM);
	assert_memory_equal(&before, ret_note, sizeof(before));
	return err;
}

static void check_libsmap(const struct elfnote *note)
{
	assert_true(elfnote_is_libsmap(note));
	assert_int_equal(note->abi, SMAP_ABI_VERSION);
	assert_int_equal(note->site_cnt, SMAP_PROBE_COUNT);
	assert_int_equal(note->unknown, 0);
	for (unsigned i = 0; i < SMAP_PROBE_COUNT; i++) {
		assert_int_equal(note->probe[i].site_cnt, 1);
		assert_int_equal(note->probe[i].bad_args, 0);
		assert_int_not_equal(note->probe[i].semaphore, 0);
	}
}

static void test_library(void **state)
{
#ifdef __x86_64__
	static const unsigned char nop[] = {0x0f, 0x1f, 0x44, 0x00, 0x00};
#else
	static const unsigned char nop[] = {0x1f, 0x20, 0x03, 0xd5};
#endif
	struct elfnote note;

	(void)state;
	put(image, image_size);
	assert_int_equal(parse(&note), 0);
	check_libsmap(&note);
	assert_false(note.has_interp);
	for (unsigned i = 0; i < SMAP_PROBE_COUNT; i++) {
		assert_memory_equal(image + note.probe[i].site[0], nop, sizeof(nop));
		/* The kernel counts listeners from zero. */
		assert_memory_equal(image + note.probe[i].semaphore, "\0", 2);
		for (unsigned j = 0; j < i; j++)
			assert_int_not_equal(note.probe[i].semaphore, note.probe[j].semaphore);
	}
}

/* The registry that the note leads to is the one that the linker chose. */
static void test_own_program(void **state)
{
	struct elfnote note;
	uint64_t base, registry;
	FILE *maps;
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	struct smap *map;

	(void)state;
	assert_int_equal(smap_create(&map, NULL), 0);
	smap_destroy(map);
	assert_true(fd >= 0);
	assert_int_equal(elfnote_parse(fd, &note), 0);
	close(fd);
	check_libsmap(&note);
	assert_true(note.has_interp);
	maps = fopen("/proc/self/maps", "re");
	assert_int_equal(fscanf(maps, "%lx", &base), 1);
	fclose(maps);
	registry = (uintptr_t)&smap_registry;
	/* Not PIE: absolute; PIE: from the first mapping. */
	assert_true(registry == note.registry || registry == base + note.registry);
}

static void test_offsets(void **state)
{
	const struct elfnote note = {
		.segment_cnt = 2,
		.segment = {{.vaddr = 0, .offset = 0, .file_size = 0x6f0},
			    {.vaddr = 0x16f0, .offset = 0x6f0, .file_size = 0x500, .exec = 1}},
	};
	uint64_t value;

	(void)state;
	assert_int_equal(elfnote_offset(&note, 0x16f0, &value), 0);
	assert_int_equal(value, 0x6f0);
	assert_int_equal(elfnote_offset(&note, 0x1bef, &value), 0);
	assert_int_equal(value, 0xbef);
	assert_int_equal(elfnote_offset(&note, 0x1bf0, &value), -ENOENT);
	assert_int_equal(elfnote_offset(&note, 0x6f0, &value), -ENOENT);
	/* Segments that share a page: the executable one counts, from its page's begin. */
	assert_int_equal(elfnote_mapping_vaddr(&note, 0, 0x1000, &value), 0);
	assert_int_equal(value, 0x1000);
	assert_int_equal(elfnote_mapping_vaddr(&note, 0x2000, 0x1000, &value), -ENOENT);
}

static void test_symbols(void **state)
{
	uint64_t value;

	(void)state;
	put(image, image_size);
	assert_int_equal(elfnote_symbol(memfd, "smap_create", true, &value), 0);
	assert_int_not_equal(value, 0);
	assert_int_equal(elfnote_symbol(memfd, "smap_create", false, &value), -ENOENT);
	assert_int_equal(elfnote_symbol(memfd, "pthread_create", false, &value), 0);
	assert_int_equal(elfnote_symbol(memfd, "no_such_symbol", true, &value), -ENOENT);
}

static void test_not_elf(void **state)
{
	struct elfnote note;

	(void)state;
	put("", 0);
	assert_int_equal(parse(&note), -ENOEXEC);
	put("#!/bin/sh\n", 10);
	assert_int_equal(parse(&note), -ENOEXEC);
	put("\177ELF", 4);
	assert_int_equal(parse(&note), -ENOEXEC);
}

static void test_without_sections(void **state)
{
	Elf64_Ehdr ehdr;
	struct elfnote note;

	(void)state;
	memcpy(&ehdr, image, sizeof(ehdr));
	ehdr.e_shoff = 0;
	ehdr.e_shnum = ehdr.e_shstrndx = 0;
	put(image, image_size);
	assert_int_equal(pwrite(memfd, &ehdr, sizeof(ehdr), 0), sizeof(ehdr));
	assert_int_equal(parse(&note), 0);
	assert_true(elfnote_is_libsmap(&note));
	assert_int_equal(note.abi, SMAP_ABI_VERSION);
	assert_int_equal(note.site_cnt, 0);
}

static void test_other_machine(void **state)
{
	Elf64_Ehdr ehdr;
	struct elfnote note;

	(void)state;
	memcpy(&ehdr, image, sizeof(ehdr));
	ehdr.e_machine = EM_S390;
	put(image, image_size);
	assert_int_equal(pwrite(memfd, &ehdr, sizeof(ehdr), 0), sizeof(ehdr));
	assert_int_equal(parse(&note), -ENOEXEC);
}

/* Arguments elsewhere than the contract says are found out. */
static void test_other_registers(void **state)
{
#ifdef __x86_64__
	static const char there[] = "smap\0promote\0008@%rdi", elsewhere[] = "8@%rbx";
#else
	static const char there[] = "smap\0promote\0008@x0 ", elsewhere[] = "8@x9 ";
#endif
	char *copy = malloc(image_size), *at;
	struct elfnote note;

	(void)state;
	memcpy(copy, image, image_size);
	at = memmem(copy, image_size, there, sizeof(there) - 1);
	assert_non_null(at);
	memcpy(at + sizeof(there) - sizeof(elsewhere), elsewhere, sizeof(elsewhere) - 1);
	put(copy, image_size);
	free(copy);
	assert_int_equal(parse(&note), 0);
	assert_int_equal(note.probe[SMAP_PROBE_promote].bad_args, 1);
	assert_int_equal(note.probe[SMAP_PROBE_rebuild].bad_args, 0);
}

static void test_truncated(void **state)
{
	struct elfnote note;
	uint64_t value;
	size_t size = image_size;

	(void)state;
	put(image, image_size);
	while (size > 64) {
		size = (size - 1) / 64 * 64;
		assert_int_equal(ftruncate(memfd, (off_t)size), 0);
		if (parse(&note) == 0)
			assert_true(note.site_cnt == 0 || note.site_cnt == SMAP_PROBE_COUNT);
		(void)elfnote_symbol(memfd, "smap_create", true, &value);
	}
}

static void test_flipped(void **state)
{
	const char *given = getenv("SEED");
	unsigned seed = given ? (unsigned)strtoul(given, NULL, 0) : (unsigned)time(NULL);
	unsigned understood = 0;

	(void)state;
	print_message("seed %u (set SEED to repeat)\n", seed);
	srand(seed);
	put(image, image_size);
	for (unsigned i = 0; i < FLIPS; i++) {
		/* Half of the damage goes to the headers, where it matters most. */
		size_t span = rand() % 2 ? 1024 : image_size, at[8];
		unsigned cnt = 1 + (unsigned)rand() % 8;
		struct elfnote note;
		uint64_t value;

		for (unsigned j = 0; j < cnt; j++) {
			char byte = (char)rand();

			at[j] = ((size_t)rand() * 32768 + (size_t)rand()) % span;
			assert_int_equal(pwrite(memfd, &byte, 1, (off_t)at[j]), 1);
		}
		understood += parse(&note) == 0;
		(void)elfnote_symbol(memfd, "smap_create", true, &value);
		for (unsigned j = 0; j < cnt; j++)
			assert_int_equal(pwrite(memfd, image + at[j], 1, (off_t)at[j]), 1);
	}
	assert_true(understood > 0 && understood < FLIPS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_library),	      cmocka_unit_test(test_own_program),
		cmocka_unit_test(test_offsets),	      cmocka_unit_test(test_symbols),
		cmocka_unit_test(test_not_elf),	      cmocka_unit_test(test_without_sections),
		cmocka_unit_test(test_other_machine), cmocka_unit_test(test_other_registers),
		cmocka_unit_test(test_truncated),     cmocka_unit_test(test_flipped),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
