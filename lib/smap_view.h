/* SPDX-License-Identifier: MIT */
/*
 * smap_view.h - hashing, matching control bytes, probing.
 *
 * Probing goes group by group: the home group comes from the hash by multiplication (so
 * a table may have any number of groups and grow by less than a factor of 2), the tag from the
 * lowest eight bits, then the next group and so on, until a group's overflow word, asked
 * for the four bits above the tag, says that no such key went further. The last idea is Joaquin M
 * Lopez Munoz's, in boost::unordered_flat_map. What the readers' path needs of this is in
 * smap_inline.h.
 */
#ifndef SMAP_VIEW_H
#define SMAP_VIEW_H

#include <string.h>
#include "smap_internal.h"
#include "smap_hash.h"

/* The control bytes and the overflow words behind them. */
SMAP_INLINE size_t smap_ctrl_bytes(size_t groups)
{
	return groups * (SMAP_GROUP + sizeof(uint16_t));
}

/* Slots that are listed. */
SMAP_INLINE uint32_t smap_group_listed(const uint8_t *group)
{
	return ~(smap_group_match(group, SMAP_CTRL_EMPTY) |
		 smap_group_match(group, SMAP_CTRL_LIMBO)) &
	       0xffff;
}

/* What smap_overflowed() asks for. */
SMAP_INLINE uint16_t smap_overflow_bit(uint64_t hash)
{
	return (uint16_t)(1U << (hash >> 8 & 15));
}

SMAP_INLINE uint8_t smap_tag(uint64_t hash)
{
	uint8_t byte = (uint8_t)hash;

	return byte < SMAP_CTRL_FIRST_TAG ? SMAP_CTRL_FIRST_TAG : byte;
}

SMAP_INLINE bool smap_slot_equal(const void *slots, size_t index, const struct smap_key *key,
				 const bool is_u64)
{
	const struct smap_slot_bytes *slot;

	if (is_u64)
		return ((const struct smap_slot_u64 *)slots)[index].key == key->word[0];
	slot = &((const struct smap_slot_bytes *)slots)[index];
	if (slot->len != key->len)
		return false;
	if (smap_likely(key->len <= SMAP_INLINE_KEY))
		return slot->word[0] == key->word[0] && slot->word[1] == key->word[1];
	return slot->word[1] == key->hash &&
	       memcmp((const void *)(uintptr_t)slot->word[0], key->bytes, key->len) == 0;
}

/* The slot that holds the key in the group of a slot, which is likely to be near, or SMAP_NOT_FOUND. */
SMAP_INLINE size_t smap_group_find(const struct smap_view *view, size_t slot,
				   const struct smap_key *key, const bool is_u64)
{
	size_t first = smap_group_first(slot);
	uint32_t mask = smap_group_tagged(view->ctrl + first, key->hash);

	if (mask)
		__builtin_prefetch((const char *)view->slots +
				   slot * (is_u64 ? sizeof(struct smap_slot_u64)
						  : sizeof(struct smap_slot_bytes)));
	for (; mask; mask &= mask - 1) {
		size_t index = first + (unsigned)__builtin_ctz(mask);

		if (smap_likely(smap_slot_equal(view->slots, index, key, is_u64)))
			return index;
	}
	return SMAP_NOT_FOUND;
}

/*
 * The slot that the view lists for the key, or SMAP_NOT_FOUND. Few probes leave their home group;
 * the rest is out of line, by value, so that the key of a hit never has to be in memory.
 */
SMAP_INLINE size_t smap_view_find(const struct smap_view *view, const struct smap_key *key,
				  const bool is_u64)
{
	size_t home = smap_home(view->capacity, key->hash), group = home / SMAP_GROUP;
	size_t index = smap_group_find(view, home, key, is_u64);

	if (smap_likely(index != SMAP_NOT_FOUND))
		return index;
	if (smap_likely(!smap_overflowed(view->overflow, group, key->hash)))
		return SMAP_NOT_FOUND;
	return is_u64 ? smap_find_on_u64(view, group, key->hash, key->word[0])
		      : smap_find_on_bytes(view, group, key->hash, key->word[0], key->word[1],
					   key->len, key->bytes);
}

SMAP_INLINE size_t smap_find(const struct smap *map, const struct smap_view *view,
			     const struct smap_key *key)
{
	return map->is_u64 ? smap_view_find(view, key, true) : smap_view_find(view, key, false);
}

SMAP_INLINE bool smap_is_listed(uint8_t ctrl)
{
	return ctrl >= SMAP_CTRL_FIRST_TAG;
}

/* The first free slot from the cache line of this one on, once around the group. mask: not 0. */
SMAP_INLINE size_t smap_nearest(const struct smap_table *table, size_t slot, uint32_t mask)
{
	unsigned line = (unsigned)(slot % SMAP_GROUP) & ~(table->slots_of_line - 1U);
	uint32_t turned = (mask | mask << SMAP_GROUP) >> line;

	return smap_group_first(slot) + (line + (unsigned)__builtin_ctz(turned)) % SMAP_GROUP;
}

/* The same place in the group that a probe looks at next. */
SMAP_INLINE size_t smap_next_group(const struct smap_view *view, size_t slot)
{
	slot += SMAP_GROUP;
	return slot < view->capacity ? slot : slot - view->capacity;
}

/*
 * Take a free slot for a key with this hash; the caller has checked growth_left, so there is one.
 * A group that has none is told that the probe goes on. dirty only, under mu.
 */
SMAP_INLINE size_t smap_view_take(struct smap_view *view, uint64_t hash)
{
	size_t slot = smap_home(view->capacity, hash);

	for (;;) {
		size_t first = smap_group_first(slot);
		uint32_t mask = smap_group_match(view->ctrl + first, SMAP_CTRL_EMPTY);

		if (mask) {
			size_t index = smap_nearest(view->table, slot, mask);

			view->table->growth_left--;
			view->ctrl[index] = smap_tag(hash);
			view->len++;
			return index;
		}
		view->overflow[first / SMAP_GROUP] |= smap_overflow_bit(hash);
		slot = smap_next_group(view, slot);
	}
}

/* A slot is free again. */
SMAP_INLINE void smap_view_give_back(struct smap_view *view, size_t index)
{
	view->ctrl[index] = SMAP_CTRL_EMPTY;
	view->table->growth_left++;
	view->table->passed_by += view->overflow[index / SMAP_GROUP] != 0;
}

/* Remove a slot that only dirty lists. */
SMAP_INLINE void smap_view_drop(struct smap_view *view, size_t index)
{
	smap_view_give_back(view, index);
	view->len--;
}

/*
 * Overflow bits stay when the keys go that set them (V4), and make probes for absent keys
 * longer. When so many slots were given back that it may matter, the table is to be moved.
 */
SMAP_INLINE bool smap_table_is_stale(const struct smap_table *table)
{
	return table->passed_by / SMAP_GROUP > table->groups / 2;
}

SMAP_INLINE void smap_slot_set_key(const struct smap *map, struct smap_table *table, size_t index,
				   const struct smap_key *key, void *copy)
{
	struct smap_slot_bytes *slot;

	if (map->is_u64) {
		((struct smap_slot_u64 *)table->slots)[index].key = key->word[0];
		return;
	}
	slot = &((struct smap_slot_bytes *)table->slots)[index];
	slot->len = key->len;
	slot->word[0] = copy ? (uintptr_t)copy : key->word[0];
	slot->word[1] = copy ? key->hash : key->word[1];
	if (copy)
		table->long_keys = true;
}

/* Mark the group of a slot as one that may hold NIL cells (V6). */
SMAP_INLINE void smap_mark_deleted(const struct smap_table *table, size_t index)
{
	size_t group = index / SMAP_GROUP;
	_Atomic(uint64_t) *word = &table->deleted[group / 64];
	uint64_t bit = 1ULL << (group % 64);

	/*
	 * seq_cst: pairs with the seq_cst exchange in smap_dirty.c:sweep(). The caller made
	 * the cell NIL (seq_cst) before, the sweep looks at the cell after: if we still
	 * see the bit, the sweep that clears it sees the NIL. Without the common order both
	 * could miss each other and the cell would never be expunged.
	 */
	if (atomic_load_explicit(word, memory_order_seq_cst) & bit)
		return;
	/* Release: pairs with the same exchange; whoever takes the bit sees the NIL. */
	atomic_fetch_or_explicit(word, bit, memory_order_release);
}

#endif
