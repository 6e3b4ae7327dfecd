/* SPDX-License-Identifier: MIT */
/*
 * smap_filter.h - which keys dirty does not have, answered without the lock.
 *
 * Each view has a word, `more`, about the keys that dirty has and the view lacks: there are NONE,
 * there may be ANY, or the address of a filter of them. It is Go's `amended`, but a word of
 * its own, which only readers that do not find their key look at, after that.
 *
 * In Go, one new key makes every load of an absent key take the mutex until the next
 * promotion (golang/go#21032). With SMAP_ABSENT_FILTER, the view carries a Bloom filter (Bloom
 * 1970, blocked to one word per key). A reader that does not find a key in read and
 * finds one of its bits clear answers "absent": no lock, and no miss is counted.
 *
 * M1 `more` of a view says something else than NONE before the operation returns that gave dirty
 *    the first key that the view lacks, and never NONE again; but for the empty view, to which it
 *    comes back when a Clear has published that view.
 * F1 The bits of a key are set before the operation that inserted it returns.
 * F2 Bits are never cleared; a filter is used up with the view, or replaced by a
 *    larger one, or one without the bits of keys that went, that holds all keys of dirty alone.
 *
 * Why "absent" is right: the reader loaded the view, and then `more`, inside its operation. If that
 * is NONE, by M1 it was NONE when the view was loaded, so that no operation that inserted a key
 * that the view lacks had returned by then, and the load takes effect at that moment; or the view
 * is the empty one and was loaded before a Clear, after which it takes effect.
 * If a bit of the filter is clear now, by F2 it was clear when the filter was loaded, so by F1 no
 * operation that inserted the key into this dirty had returned by then; and read, as
 * of then, did not list it. A view that was replaced meanwhile makes no difference: its
 * filter only gets older, and where that is taken from it, it says ANY.
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

/* Has dirty keys that the view lacks? Go's read.amended, if it is the published one. */
SMAP_INLINE bool smap_has_more(const struct smap_view *view)
{
	/* Acquire: pairs with the releases in smap_filter.c:set_more() (M1). */
	return atomic_load_explicit(&view->more, memory_order_acquire) != SMAP_MORE_NONE;
}

SMAP_INLINE bool smap_filter_excludes(const struct smap_view *view, uint64_t hash)
{
	return smap_view_excludes((const struct smap_look_view *)(const void *)view, hash);
}

/* With mu held. Called for each new key, after dirty lists it; never fails. */
void smap_more_add_locked(struct smap *map, uint64_t hash) SMAP_HIDDEN;
/* The dirty that the filter spoke of is about to be promoted or cleared: another view comes. */
void smap_more_drop_locked(struct smap *map) SMAP_HIDDEN;
/* The empty view has been published by a Clear. */
void smap_more_none_locked(struct smap *map) SMAP_HIDDEN;
/* The filter of a view that nobody uses any more, or that only mu's holder changes; or NULL. */
struct smap_filter *smap_filter_of(const struct smap_view *view) SMAP_HIDDEN;

#endif
