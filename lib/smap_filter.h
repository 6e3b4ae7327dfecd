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
 *    larger one that holds all keys of dirty alone, and retired.
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

struct smap_filter {
	uint32_t words;
	size_t capacity; /* keys that it is meant for; more only make it coarser */
	struct smap_node node;
	_Atomic(uint64_t) word[];
};

SMAP_INLINE uint32_t smap_filter_index(const struct smap_filter *filter, uint64_t hash)
{
	return (uint32_t)(((hash & UINT32_MAX) * filter->words) >> 32);
}

SMAP_INLINE uint64_t smap_filter_bits(uint64_t hash)
{
	return 1ULL << (hash >> 32 & 63) | 1ULL << (hash >> 38 & 63) | 1ULL << (hash >> 44 & 63) |
	       1ULL << (hash >> 50 & 63);
}

/* True: dirty has no such key for certain. For a view that does not list it. */
SMAP_INLINE bool smap_filter_excludes(const struct smap_view *view, uint64_t hash)
{
	/* Acquire: pairs with the release in smap_filter.c:install(): the bits are in memory. */
	const struct smap_filter *filter =
		atomic_load_explicit(&view->filter, memory_order_acquire);
	uint64_t bits = smap_filter_bits(hash);

	if (smap_likely(!filter))
		return false;
	/* Acquire: pairs with the release in smap_filter.c:set(); see above. */
	return (atomic_load_explicit(&filter->word[smap_filter_index(filter, hash)],
				     memory_order_acquire) &
		bits) != bits;
}

/* With mu held. Called for each new key, after dirty lists it; never fails. */
void smap_filter_add_locked(struct smap *map, uint64_t hash) SMAP_HIDDEN;
/* The dirty that the filter spoke of is promoted, cleared or destroyed. */
void smap_filter_drop_locked(struct smap *map) SMAP_HIDDEN;

#endif
