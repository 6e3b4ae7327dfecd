/* SPDX-License-Identifier: MIT */
/*
 * smap_match.h - control bytes, sixteen at a time. A part of smap_inline.h.
 *
 * A group is 16 control bytes, one for each slot: EMPTY, LIMBO, or the tag of the key that the view
 * lists there. Each group has an overflow word: a key that found its group full has set one of
 * sixteen bits, by its hash, and went to the next group. So a probe ends where the bit is clear.
 *
 * The hash names a slot, its home, of which the group's number is the upper part. Which slot of the
 * group a key gets does not matter for finding it, but most get one in the cache line of their home:
 * a look asks for that line at once, and does not wait for the control bytes to say which it is.
 */
#ifndef SMAP_MATCH_H
#define SMAP_MATCH_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#if defined(__SSE2__) && !defined(SMAP_PORTABLE)
#include <emmintrin.h>
#define SMAP_SSE2 1
#endif

#define SMAP_QUICK static __inline__ __attribute__((always_inline, unused))
#define smap_usual(x) __builtin_expect(!!(x), 1)
#define smap_rare(x) __builtin_expect(!!(x), 0)

#define SMAP_GROUP 16 /* slots that one SSE2 comparison covers */

#define SMAP_CTRL_EMPTY 0
#define SMAP_CTRL_LIMBO 1
#define SMAP_CTRL_FIRST_TAG 2

__extension__ typedef unsigned __int128 smap_u128;

SMAP_QUICK uint64_t smap_fold(uint64_t a, uint64_t b)
{
	smap_u128 product = (smap_u128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* The slot that the hash names, as a fraction of all; a probe begins in its group. */
SMAP_QUICK uint64_t smap_home(uint64_t capacity, uint64_t hash)
{
	return (uint64_t)(((smap_u128)hash * capacity) >> 64);
}

/* The first slot of its group. */
SMAP_QUICK uint64_t smap_group_first(uint64_t slot)
{
	return slot & ~(uint64_t)(SMAP_GROUP - 1);
}

#ifdef SMAP_SSE2

SMAP_QUICK uint32_t smap_match_bytes(const uint8_t *group, __m128i bytes)
{
	__m128i ctrl = _mm_load_si128((const __m128i *)(const void *)group);

	return (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(ctrl, bytes));
}

SMAP_QUICK uint32_t smap_group_match(const uint8_t *group, uint8_t byte)
{
	return smap_match_bytes(group, _mm_set1_epi8((char)byte));
}

/* The slots whose tag is that of the hash. The two bytes that are no tags share their neighbour. */
SMAP_QUICK uint32_t smap_group_tagged(const uint8_t *group, uint64_t hash)
{
	return smap_match_bytes(
		group, _mm_max_epu8(_mm_set1_epi8((char)hash), _mm_set1_epi8(SMAP_CTRL_FIRST_TAG)));
}

#else

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define smap_little(word) (word)
#else
#define smap_little(word) __builtin_bswap64(word)
#endif
#define SMAP_ONES 0x0101010101010101ULL
#define SMAP_HIGHS 0x8080808080808080ULL

/* Gather the top bits of eight bytes into eight bits, lowest byte first. */
SMAP_QUICK uint32_t smap_gather(uint64_t highs)
{
	return (uint32_t)(((highs >> 7) * 0x0102040810204080ULL) >> 56);
}

SMAP_QUICK uint64_t smap_word(const uint8_t *bytes)
{
	uint64_t word;

	memcpy(&word, bytes, sizeof(word));
	return smap_little(word); /* slot 0 is to be the lowest bit of a match */
}

/* The bytes that are zero, exactly: the top bit of one that is not survives. */
SMAP_QUICK uint32_t smap_zero_bytes(uint64_t word)
{
	return smap_gather(~(((word & ~SMAP_HIGHS) + ~SMAP_HIGHS) | word) & SMAP_HIGHS);
}

SMAP_QUICK uint32_t smap_group_match(const uint8_t *group, uint8_t byte)
{
	return smap_zero_bytes(smap_word(group) ^ (SMAP_ONES * byte)) |
	       smap_zero_bytes(smap_word(group + 8) ^ (SMAP_ONES * byte)) << 8;
}

SMAP_QUICK uint32_t smap_group_tagged(const uint8_t *group, uint64_t hash)
{
	uint8_t byte = (uint8_t)hash;

	return smap_group_match(group, byte < SMAP_CTRL_FIRST_TAG ? SMAP_CTRL_FIRST_TAG : byte);
}

#endif

/* May a key with this hash be in the groups behind this one? */
SMAP_QUICK bool smap_overflowed(const uint16_t *overflow, uint64_t group, uint64_t hash)
{
	return overflow[group] >> (hash >> 8 & 15) & 1;
}

#endif
