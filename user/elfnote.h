/* SPDX-License-Identifier: MIT */
/*
 * elfnote.h - what a binary says about libsmap: its probe sites and its note.
 *
 * The binary belongs to the traced process and is untrusted input. The result is
 * one fixed-size struct without pointers, so that parsing can move into a child
 * without privileges and come back over a pipe. Pure: reads the file, prints
 * nothing.
 */
#ifndef ELFNOTE_H
#define ELFNOTE_H

#include <stdbool.h>
#include <stdint.h>
#include "../lib/smap_probes.h"
#include "../lib/smap_state.h"

/* A probe has one site by contract; inlining or LTO may copy it. */
#define ELFNOTE_SITES_MAX 8
/* Loadable segments kept to turn file offsets into addresses; linkers make 2 to 6. */
#define ELFNOTE_SEGMENTS_MAX 16

struct elfnote_probe {
	uint32_t site_cnt;
	uint32_t bad_args; /* sites whose arguments are not where the contract says */
	uint64_t site[ELFNOTE_SITES_MAX]; /* file offsets */
	uint64_t semaphore;		  /* file offset; 0 = none */
};

struct elfnote_segment {
	uint64_t vaddr;
	uint64_t offset;
	uint64_t file_size;
	uint64_t exec;
};

struct elfnote {
	uint32_t has_note;   /* .note.smap is there: the binary contains libsmap */
	uint32_t abi;	     /* of that note */
	uint64_t registry;   /* link-time address of smap_registry */
	uint32_t site_cnt;   /* all probes of provider smap that we know */
	uint32_t unknown;    /* probes of provider smap that we do not know */
	uint32_t has_interp; /* asks for a dynamic linker */
	uint32_t segment_cnt;
	struct elfnote_segment segment[ELFNOTE_SEGMENTS_MAX];
	struct elfnote_probe probe[SMAP_PROBE_COUNT];
};

/*
 * Parse the file behind fd (its offset does not matter and is not kept). 0 also for a
 * binary without libsmap. -ENOEXEC: not an ELF file of this machine, or broken; -E2BIG:
 * more of something than we take; -EPROTO: two notes that disagree; -ENOMEM.
 */
int elfnote_parse(int fd, struct elfnote *ret_note);

/* Does the binary contain libsmap, with or without probes? Only the note decides. */
bool elfnote_is_libsmap(const struct elfnote *note);

/* The file offset behind a link-time address. -ENOENT when no segment has it. */
int elfnote_offset(const struct elfnote *note, uint64_t vaddr, uint64_t *ret_offset);

/*
 * The link-time address of the first byte of an executable mapping that begins at this
 * file offset. Mappings begin at pages, segments need not. -ENOENT.
 */
int elfnote_mapping_vaddr(const struct elfnote *note, uint64_t offset, uint64_t page_size,
			  uint64_t *ret_vaddr);

/* Value of a dynamic symbol; defined = false asks only for an undefined reference. -ENOENT. */
int elfnote_symbol(int fd, const char *name, bool defined, uint64_t *ret_vaddr);

const char *elfnote_probe_name(unsigned probe);

#endif
