/* SPDX-License-Identifier: MIT */
/*
 * smap_memory.c - memory for tables and views.
 *
 * Small blocks come from malloc. Large ones are mappings of their own: they go back to the system
 * when they are freed, where malloc would keep them (a table that was outgrown is as large as
 * all before it), and they ask for huge pages. A lookup goes to a random place of the table, so with
 * pages of 4 KiB most lookups in a large one would miss the TLB as well as the caches.
 */
#include <stdlib.h>
#include <sys/mman.h>

#include "smap_internal.h"

#define LARGE (256 * 1024)
#define PAGE ((size_t)4096)
#define HUGE ((size_t)2 * 1024 * 1024)
#define MOST_WASTE 8 /* a block grows by at most 1/8 for the sake of huge pages */

static size_t round_up(size_t n, size_t to)
{
	return (n + to - 1) / to * to;
}

/* What a large block takes: whole huge pages if that costs little. */
static size_t mapped_bytes(size_t bytes)
{
	size_t huge = round_up(bytes, HUGE);

	return huge - bytes <= bytes / MOST_WASTE ? huge : round_up(bytes, PAGE);
}

/* A mapping that begins with a huge page. */
static void *map_aligned(size_t bytes)
{
	const int flags = MAP_PRIVATE | MAP_ANONYMOUS;
	char *p = mmap(NULL, bytes + HUGE, PROT_READ | PROT_WRITE, flags, -1, 0);
	size_t before;

	if (p == MAP_FAILED)
		return NULL;
	before = round_up((uintptr_t)p, HUGE) - (uintptr_t)p;
	if (before)
		munmap(p, before);
	if (before < HUGE)
		munmap(p + before + bytes, HUGE - before);
	return p + before;
}

/* Make some bytes of a block present, which else costs a fault for each page; or nothing. */
void smap_block_populate(void *block, size_t bytes, size_t from, size_t to)
{
	if (bytes < LARGE)
		return;
#ifdef MADV_POPULATE_WRITE
	from = from / PAGE * PAGE;
	to = to < bytes ? to / PAGE * PAGE : mapped_bytes(bytes);
	(void)madvise((char *)block + from, to - from, MADV_POPULATE_WRITE); /* Linux 5.14 */
#else
	(void)block, (void)from, (void)to;
#endif
}

/*
 * Aligned to a cache line; not cleared. NULL if there is no memory. whole: all of it will be written
 * at once, which is faster when the pages are there already.
 */
void *smap_block_alloc(size_t bytes, bool whole)
{
	size_t mapped;
	void *p;

	if (bytes < LARGE)
		return aligned_alloc(SMAP_CACHE_LINE, round_up(bytes, SMAP_CACHE_LINE));
	mapped = mapped_bytes(bytes);
	p = map_aligned(mapped);
#ifdef MADV_HUGEPAGE
	if (p && mapped >= HUGE)
		(void)madvise(p, mapped, MADV_HUGEPAGE); /* where refused: small pages */
#endif
	if (p && whole)
		smap_block_populate(p, bytes, 0, bytes);
	return p;
}

void smap_block_free(void *block, size_t bytes)
{
	if (block && bytes >= LARGE)
		munmap(block, mapped_bytes(bytes));
	else
		free(block);
}
