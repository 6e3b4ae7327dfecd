/* SPDX-License-Identifier: MIT */
/*
 * smap_view.h - hashing, matching control bytes, probing.
 *
 * Probing goes group by group: the home group comes from the upper 32 bits of the
 * hash by multiplication (so a table may have any number of groups and grow by
 * less than a factor of 2), the tag from the lowest seven bits, then the next
 * group and so on, until a group with an EMPTY byte ends it. At 7/8 load few
 * probes leave their home group.
 *
 * The portable matcher works on two 64-bit words and is exact, like SSE2's.
 */
#ifndef SMAP_VIEW_H
#define SMAP_VIEW_H

#include <string.h>
#include "smap_internal.h"
#include "smap_hash.h"

#if defined(__SSE2__) && !defined(SMAP_PORTABLE)
#include <emmintrin.h>
#define SMAP_SSE2 1
#endif

#ifdef SMAP_SSE2

SMAP_INLINE uint32_t smap_group_match(const uint8_t *group, uint8_t byte)
{
	__m128i ctrl = _mm_load_si128((const __m128i *)(const void *)group);

	return (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(ctrl, _mm_set1_epi8((char)byte)));
}

/* Slots that are listed: the sign bit is clear. */
SMAP_INLINE uint32_t smap_group_listed(const uint8_t *group)
{
	__m128i ctrl = _mm_load_si128((const __m128i *)(const void *)group);

	return ~(uint32_t)_mm_movemask_epi8(ctrl) & 0xffff;
}

#else

#define SMAP_ONES 0x0101010101010101ULL
#define SMAP_HIGHS 0x8080808080808080ULL

/* Gather the top bits of eight bytes into eight bits, lowest byte first. */
SMAP_INLINE uint32_t smap_gather(uint64_t highs)
{
	return (uint32_t)(((highs >> 7) * 0x0102040810204080ULL) >> 56);
}

SMAP_INLINE uint64_t smap_word(const uint8_t *bytes)
{
	uint64_t word;

	memcpy(&word, bytes, sizeof(word));
	return word;
}

SMAP_INLINE uint32_t smap_word_match(uint64_t word, uint8_t byte)
{
	uint64_t diff = word ^ (SMAP_ONES * byte);

	/* Exact zero-byte test: a byte of diff is zero iff its top bit survives. */
	return smap_gather(~(((diff & ~SMAP_HIGHS) + ~SMAP_HIGHS) | diff) & SMAP_HIGHS);
}

SMAP_INLINE uint32_t smap_group_match(const uint8_t *group, uint8_t byte)
{
	return smap_word_match(smap_word(group), byte) | smap_word_match(smap_word(group + 8), byte)
								 << 8;
}

SMAP_INLINE uint32_t smap_group_listed(const uint8_t *group)
{
	return smap_gather(~smap_word(group) & SMAP_HIGHS) |
	       smap_gather(~smap_word(group + 8) & SMAP_HIGHS) << 8;
}

#endif

SMAP_INLINE uint32_t smap_home(uint32_t groups, uint64_t hash)
{
	return (uint32_t)(((hash >> 32) * groups) >> 32);
}

SMAP_INLINE uint8_t smap_tag(uint64_t hash)
{
	return hash & 0x7f;
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

/* The slot of one group that holds the key, or SMAP_NOT_FOUND. */
SMAP_INLINE size_t smap_group_find(const struct smap_view *view, size_t first,
				   const struct smap_key *key, const bool is_u64)
{
	uint32_t mask = smap_group_match(view->ctrl + first, smap_tag(key->hash));

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
	size_t first = (size_t)smap_home(view->groups, key->hash) * SMAP_GROUP;
	size_t index = smap_group_find(view, first, key, is_u64);

	if (smap_likely(index != SMAP_NOT_FOUND))
		return index;
	if (smap_likely(smap_group_match(view->ctrl + first, SMAP_CTRL_EMPTY)))
		return SMAP_NOT_FOUND;
	return is_u64 ? smap_find_on_u64(view, first, key->hash, key->word[0])
		      : smap_find_on_bytes(view, first, key->hash, key->word[0], key->word[1],
					   key->len, key->bytes);
}

SMAP_INLINE size_t smap_find(const struct smap *map, const struct smap_view *view,
			     const struct smap_key *key)
{
	return map->is_u64 ? smap_view_find(view, key, true) : smap_view_find(view, key, false);
}

SMAP_INLINE bool smap_is_listed(uint8_t ctrl)
{
	return ctrl < 0x80;
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
