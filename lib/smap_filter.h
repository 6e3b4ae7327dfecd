/* SPDX-License-Identifier: MIT */
/*
 * smap_filter.h - which keys dirty does not have, answered without the lock.
 *
 * In Go, one new key makes every load of an absent key take the mutex until the next
 * promotion (golang/go#21032). With SMAP_ABSENT_FILTER, a view whose `amended` bit is
 * set carries a Bloom filter (Bloom 1970, blocked to one word per key) of the keys
 * that dirty has and read lacks. A reader that does not find a key in read and
 * finds one of its bits clear answers "absent": no lock, and no miss is counted.
 *
 * F1 The bits of a key are set before the operation that inserted it returns.
 * F2 Bits are never cleared; a filter is used up with the view, or replaced by a
 *    larger one, or one without the bits of keys that went, that holds all keys of dirty alone.
 *
 * Why "absent" is right: the reader loaded view and filter inside its operation.
 * If a bit is clear now, by F2 it was clear when the filter was loaded, so by F1 no
 * operation that inserted the key into this dirty had returned by then; and read, as
 * of then, did not list it. The load takes effect at that moment. A view that was
 * replaced meanwhile makes no difference: its filter only gets older.
 */
#ifndef SMAP_FILTER_H
#define SMAP_FILTER_H

#include "smap_internal.h"

/* Readers know this layout: smap_view_excludes() in smap_inline.h. */
struct smap_filter {
	uint64_t words;
	struct smap_node node;
	_Atomic(uint64_t) word[];
};

_Static_assert(offsetof(struct smap_filter, words) == 0 &&
		       offsetof(struct smap_filter, word) == SMAP_FILTER_WORDS,
	       "callers read filters");

SMAP_INLINE bool smap_filter_excludes(const struct smap_view *view, uint64_t hash)
{
	return smap_view_excludes((const struct smap_look_view *)(const void *)view, hash);
}

/* With mu held. Called for each new key of a map with the option, after dirty lists it; never fails. */
void smap_filter_add_locked(struct smap *map, uint64_t hash) SMAP_HIDDEN;
/* The dirty that the filter spoke of is promoted, cleared or destroyed. */
void smap_filter_drop_locked(struct smap *map) SMAP_HIDDEN;

#endif
