/* SPDX-License-Identifier: MIT */
/*
 * smap_inline.h - the path of a read hit, compiled into the caller. Included by smap.h.
 *
 * smap_load_u64(), and smap_load() with a length that is a constant of at most 16, look at the
 * home group of the key in read. A hit, and most absent keys, need no call; everything else goes
 * to the library. The library's own functions of these names are compiled from this same text;
 * they stay for callers through a pointer, for other languages, and with SMAP_NO_INLINE.
 *
 * ABI. A program compiled with this header knows the layout of struct smap_hot, struct
 * smap_look_view, the filter and the slots. It does so only for maps whose `quick` has one of the
 * two values below, which name this layout, SMAP_READ_LAYOUT: a library with another layout gives
 * its maps other values, and then every inlined load calls the library. What must stay for ever is
 * where `quick` stands, the thread's pointer smap_self (or its being NULL), and the functions.
 *
 * A group is 16 control bytes, one for each slot: EMPTY, LIMBO, or the tag of the key that the view
 * lists there. Each group has an overflow word: a key that found its group full has set one of
 * sixteen bits, by its hash, and went to the next group. So a probe ends where the bit is clear.
 */
#ifndef SMAP_INLINE_H
#define SMAP_INLINE_H

#include <string.h>

#include "smap.h"

/* --- the layout --------------------------------------------------------------------- */

#define SMAP_READ_LAYOUT 2
#define SMAP_QUICK_NONE 0 /* call the function */
#define SMAP_QUICK_U64 (SMAP_READ_LAYOUT * 256 + 1)
#define SMAP_QUICK_BYTES (SMAP_READ_LAYOUT * 256 + 2)

#define SMAP_HOT_OFFSET 1024 /* in struct smap: leaves smap_state room to grow */
#define SMAP_VIEW_CTRL 128   /* the control bytes, in struct smap_view */
#define SMAP_FILTER_WORDS 64 /* the words, in struct smap_filter */
#define SMAP_GROUP 16	     /* slots that one SSE2 comparison covers */
#define SMAP_INLINE_KEY 16   /* bytes of a key that stand in the slot */
#define SMAP_AMENDED ((uintptr_t)1)

#define SMAP_CTRL_EMPTY 0
#define SMAP_CTRL_LIMBO 1
#define SMAP_CTRL_FIRST_TAG 2

/* What a load reads of a map; written by promotions only. */
struct smap_hot {
	SMAP_SHARED uintptr_t read; /* address of the view; lowest bit: dirty has keys it lacks */
	uint64_t seed, multiplier;  /* of the hash */
	uintptr_t marks;	    /* this and the next number are no values but marks */
	uint32_t quick;
	SMAP_SHARED uint32_t gate; /* writers go under the mutex: smap_snapshot.c */
};

/* The beginning of a view. */
struct __attribute__((may_alias)) smap_look_view {
	void *slots;
	uint64_t groups;
	uint16_t *overflow;	      /* a word for each group */
	SMAP_SHARED uintptr_t filter; /* of dirty's keys, or 0 */
};

struct smap_slot_u64 {
	uint64_t key;
	SMAP_SHARED uintptr_t cell;
};

/* Keys of up to 16 bytes stand in the slot, padded with zeros; longer ones behind a pointer. */
struct smap_slot_bytes {
	uint64_t word[2]; /* the key; or its address and its hash */
	uint64_t len;
	SMAP_SHARED uintptr_t cell;
};

/* The calling thread's record; NULL before its first section, and where readers must fence. */
extern __thread struct smap_thread_state *smap_self __attribute__((tls_model("initial-exec")));

/* How a look at read ended that found no value. */
enum smap_look {
	SMAP_LOOK_ABSENT,
	SMAP_LOOK_DIRTY, /* ask dirty, under the mutex */
	SMAP_LOOK_AGAIN, /* not known: look again, the general way */
};

/* Where inlined loads go on; not to be called by hand. look: enum smap_look. NULL: absent. */
void *smap_load_rest(struct smap *map, const void *key, size_t len, int look);
void *smap_load_u64_rest(struct smap *map, uint64_t key, int look);
/* Behind a home group that has overflowed, in the section: the cell, or NULL. */
const SMAP_SHARED uintptr_t *smap_look_on_u64(const void *view, uint64_t group, uint64_t hash,
					      uint64_t key);
const SMAP_SHARED uintptr_t *smap_look_on(const void *view, uint64_t group, uint64_t hash,
					  uint64_t word0, uint64_t word1, uint64_t len);

/* --- the code --------------------------------------------------------------------------- */

#if !defined(SMAP_NO_INLINE) || defined(SMAP_BASE_H) /* the library */

#if defined(__SSE2__) && !defined(SMAP_PORTABLE)
#include <emmintrin.h>
#define SMAP_SSE2 1
#endif

#define SMAP_QUICK static __inline__ __attribute__((always_inline, unused))
#define smap_usual(x) __builtin_expect(!!(x), 1)
#define smap_rare(x) __builtin_expect(!!(x), 0)

/* _Atomic in the library and under tests/yield.h, which counts on it; C++ has no such type. */
#if defined(SMAP_BASE_H) || defined(YIELD_H)
#define smap_get(pointer, order) atomic_load_explicit(pointer, memory_order_##order)
#define smap_set(pointer, value, order) atomic_store_explicit(pointer, value, memory_order_##order)
#else
#define smap_acquire __ATOMIC_ACQUIRE
#define smap_release __ATOMIC_RELEASE
#define smap_relaxed __ATOMIC_RELAXED
#define smap_get(pointer, order) __atomic_load_n(pointer, smap_##order) /* says the caller */
#define smap_set(pointer, value, order) __atomic_store_n(pointer, value, smap_##order) /* too */
#endif

__extension__ typedef unsigned __int128 smap_u128;

SMAP_QUICK uint64_t smap_fold(uint64_t a, uint64_t b)
{
	smap_u128 product = (smap_u128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* The group in which a probe begins: the hash as a fraction of the number of groups. */
SMAP_QUICK uint64_t smap_home(uint64_t groups, uint64_t hash)
{
	return (uint64_t)(((smap_u128)hash * groups) >> 64);
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
	return word;
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

/* In which of a filter's words a key with this hash has its bits; and below, which they are. */
SMAP_QUICK uint64_t smap_filter_index(uint64_t words, uint64_t hash)
{
	return ((hash & UINT32_MAX) * words) >> 32;
}

#define SMAP_FILTER_BIT_1(hash) ((hash) >> 32 & 63)
#define SMAP_FILTER_BIT_2(hash) ((hash) >> 38 & 63)
#define SMAP_FILTER_BIT_3(hash) ((hash) >> 44 & 63)

/* --- keys ------------------------------------------------------------------------------- */

SMAP_QUICK uint64_t smap_load64(const uint8_t *bytes)
{
	uint64_t word;

	memcpy(&word, bytes, sizeof(word));
	return word;
}

SMAP_QUICK uint64_t smap_load32(const uint8_t *bytes)
{
	uint32_t word;

	memcpy(&word, bytes, sizeof(word));
	return word;
}

/*
 * Up to 16 bytes as two words, padded with zeros, without reading past the end: loads that
 * overlap where the length is no power of two. All sizes are constants, so the words stay in
 * registers.
 */
SMAP_QUICK void smap_load_words(const uint8_t *bytes, size_t len, uint64_t word[2])
{
	if (len >= 8) {
		word[0] = smap_load64(bytes);
		word[1] = len == 8 ? 0 : smap_load64(bytes + len - 8) >> (8 * (16 - len));
		return;
	}
	word[1] = 0;
	if (len >= 4)
		word[0] = smap_load32(bytes) | smap_load32(bytes + len - 4) << (8 * (len - 4));
	else if (len)
		word[0] = bytes[0] | (uint64_t)bytes[len / 2] << (8 * (len / 2)) |
			  (uint64_t)bytes[len - 1] << (8 * (len - 1));
	else
		word[0] = 0;
}

SMAP_QUICK uint64_t smap_hot_hash_u64(const struct smap_hot *hot, uint64_t key)
{
	return smap_fold(key ^ hot->seed, hot->multiplier);
}

SMAP_QUICK uint64_t smap_hot_hash_words(const struct smap_hot *hot, const uint64_t word[2],
					uint64_t len)
{
	return smap_fold(word[0] ^ hot->seed, word[1] ^ (hot->multiplier + len));
}

/* --- the look --------------------------------------------------------------------------- */

SMAP_QUICK const struct smap_hot *smap_hot_of(const struct smap *map)
{
	return (const struct smap_hot *)(const void *)((const char *)map + SMAP_HOT_OFFSET);
}

/*
 * Enter a read section: the section word becomes odd. Returns what smap_leave() needs; nests.
 * The signal fence keeps the compiler from moving loads of shared pointers above the
 * store; the processor is kept from it by the reclaimer's membarrier(2).
 */
SMAP_QUICK uint64_t smap_enter_state(struct smap_thread_state *self)
{
	uint64_t seq = smap_get(&self->seq, relaxed); /* relaxed: owner-only */

	/* relaxed: ordered by the membarrier in smap_reclaim.c:start_batch() */
	smap_set(&self->seq, seq | 1, relaxed);
	__atomic_signal_fence(__ATOMIC_SEQ_CST); /* see above */
	return seq;
}

/*
 * The outermost leaves: even becomes the next even number; an inner one leaves the word odd.
 * Arithmetic and no branch, which is two instructions more for no time.
 */
SMAP_QUICK void smap_leave_state(struct smap_thread_state *self, uint64_t seq)
{
	/*
	 * Release: pairs with the acquire loads in smap_reclaim.c:start_batch() and :passed().
	 * Everything read in the section happens before the memory is reused.
	 */
	smap_set(&self->seq, 2 * (seq | 1) - seq, release);
}

struct smap_quick_key {
	uint64_t hash, word[2], len;
};

/* The cell of a slot if it holds the key; NULL if not. */
SMAP_QUICK const SMAP_SHARED uintptr_t *smap_quick_cell(const void *slots, uint64_t index,
							const struct smap_quick_key *key,
							const bool is_u64)
{
	if (is_u64) {
		const struct smap_slot_u64 *slot = (const struct smap_slot_u64 *)slots + index;

		return smap_usual(slot->key == key->word[0]) ? &slot->cell : NULL;
	} else {
		const struct smap_slot_bytes *slot = (const struct smap_slot_bytes *)slots + index;

		return smap_usual(slot->word[0] == key->word[0] && slot->word[1] == key->word[1] &&
				  slot->len == key->len)
			       ? &slot->cell
			       : NULL;
	}
}

/*
 * True: dirty has no such key for certain. For a view that does not list it; smap_filter.h says
 * why. Most words have few bits set, so that the first one asked for ends it.
 */
SMAP_QUICK bool smap_view_excludes(const struct smap_look_view *view, uint64_t hash)
{
	/* Acquire: pairs with the release in smap_filter.c:install(): the bits are in memory. */
	uintptr_t filter = smap_get(&view->filter, acquire);
	const SMAP_SHARED uint64_t *words;
	uint64_t count, word;

	if (smap_rare(!filter))
		return false;
	count = *(const uint64_t *)filter; /* struct smap_filter begins with it; a constant */
	words = (const SMAP_SHARED uint64_t *)(filter + SMAP_FILTER_WORDS);
	/* Acquire: pairs with the release in smap_filter.c:set() (F1). */
	word = smap_get(&words[smap_filter_index(count, hash)], acquire);
	return smap_usual(!(word >> SMAP_FILTER_BIT_1(hash) & 1)) ||
	       !(word >> SMAP_FILTER_BIT_2(hash) & 1) || !(word >> SMAP_FILTER_BIT_3(hash) & 1);
}

/* Not in its home group: the cell elsewhere, or NULL. */
SMAP_QUICK const SMAP_SHARED uintptr_t *smap_quick_further(const struct smap_look_view *view,
							   uint64_t group,
							   const struct smap_quick_key *key,
							   const bool is_u64)
{
	if (smap_usual(!smap_overflowed(view->overflow, group, key->hash)))
		return NULL;
	return is_u64 ? smap_look_on_u64(view, group, key->hash, key->word[0])
		      : smap_look_on(view, group, key->hash, key->word[0], key->word[1], key->len);
}

/* What a cell holds: a value, or 0 and how it ended. */
SMAP_QUICK uintptr_t smap_quick_value(const struct smap_hot *hot, const SMAP_SHARED uintptr_t *cell,
				      enum smap_look *ret_look)
{
	/* Acquire: pairs with the releases that store values (G2) and MOVED */
	uintptr_t value = smap_get(cell, acquire);

	*ret_look = SMAP_LOOK_ABSENT;
	if (smap_usual(value - hot->marks >= 2))
		return value; /* NIL is 0 */
	if (value != hot->marks)
		*ret_look = SMAP_LOOK_AGAIN;
	return 0;
}

/*
 * One look at read, in a read section: the value, or 0 and how it ended. Values are handed on in
 * registers, through no pointer: a caller's variable need not be in memory.
 */
SMAP_QUICK uintptr_t smap_quick_look(const struct smap_hot *hot, const struct smap_quick_key *key,
				     const bool is_u64, enum smap_look *ret_look)
{
	/* Acquire: pairs with the release stores of read in smap_dirty.c and smap_move.c */
	uintptr_t read = smap_get(&hot->read, acquire);
	const char *address = (const char *)(read & ~SMAP_AMENDED);
	const struct smap_look_view *view = (const struct smap_look_view *)(const void *)address;
	uint64_t group = smap_home(view->groups, key->hash), first = group * SMAP_GROUP;
	uint32_t mask =
		smap_group_tagged((const uint8_t *)address + SMAP_VIEW_CTRL + first, key->hash);
	const SMAP_SHARED uintptr_t *cell;

	for (; smap_usual(mask); mask &= mask - 1) {
		uint64_t index = first + (unsigned)__builtin_ctz(mask);

		cell = smap_quick_cell(view->slots, index, key, is_u64);
		if (smap_usual(cell != NULL))
			return smap_quick_value(hot, cell, ret_look);
	}
	cell = smap_quick_further(view, group, key, is_u64);
	if (smap_rare(cell != NULL))
		return smap_quick_value(hot, cell, ret_look);
	*ret_look = !(read & SMAP_AMENDED) || smap_view_excludes(view, key->hash) ? SMAP_LOOK_ABSENT
										  : SMAP_LOOK_DIRTY;
	return 0;
}

SMAP_QUICK bool smap_quick_load_u64(struct smap *map, uint64_t key, void **ret_value)
{
	const struct smap_hot *hot = smap_hot_of(map);
	struct smap_thread_state *self = smap_self;
	enum smap_look look = SMAP_LOOK_AGAIN;
	void *value = NULL;

	if (smap_usual(hot->quick == SMAP_QUICK_U64 && self)) {
		const struct smap_quick_key k = {smap_hot_hash_u64(hot, key), {key, 0}, 0};
		uint64_t seq = smap_enter_state(self);

		value = (void *)smap_quick_look(hot, &k, true, &look);
		smap_leave_state(self, seq);
	}
	if (smap_rare(!value)) {
		if (smap_usual(look == SMAP_LOOK_ABSENT))
			return false;
		value = smap_load_u64_rest(map, key, look);
		if (!value)
			return false;
	}
	*ret_value = value;
	return true;
}

/* len is at most SMAP_INLINE_KEY. */
SMAP_QUICK bool smap_quick_load(struct smap *map, const void *key, size_t len, void **ret_value)
{
	const struct smap_hot *hot = smap_hot_of(map);
	struct smap_thread_state *self = smap_self;
	enum smap_look look = SMAP_LOOK_AGAIN;
	void *value = NULL;

	if (smap_usual(hot->quick == SMAP_QUICK_BYTES && self)) {
		struct smap_quick_key k;
		uint64_t seq;

		smap_load_words((const uint8_t *)key, len, k.word);
		k.len = len;
		k.hash = smap_hot_hash_words(hot, k.word, len);
		seq = smap_enter_state(self);
		value = (void *)smap_quick_look(hot, &k, false, &look);
		smap_leave_state(self, seq);
	}
	if (smap_rare(!value)) {
		if (smap_usual(look == SMAP_LOOK_ABSENT))
			return false;
		value = smap_load_rest(map, key, len, look);
		if (!value)
			return false;
	}
	*ret_value = value;
	return true;
}

#endif

/* --- instead of the functions ------------------------------------------------------------- */

/*
 * Calls by name are inlined; (smap_load)(...), and a pointer to it, are the library's function.
 * Without optimisation, which would make the inlined code slower than the call, too.
 */
#if !defined(SMAP_NO_INLINE) && !defined(SMAP_BASE_H) && defined(__OPTIMIZE__)

SMAP_QUICK bool smap_quick_load_any(struct smap *map, const void *key, size_t len, void **ret_value)
{
	if (__builtin_constant_p(len) && len <= SMAP_INLINE_KEY && (key || !len))
		return smap_quick_load(map, key, len, ret_value);
	return smap_load(map, key, len, ret_value);
}

#define smap_load(map, key, len, ret_value) smap_quick_load_any(map, key, len, ret_value)
#define smap_load_u64(map, key, ret_value) smap_quick_load_u64(map, key, ret_value)

#endif

#endif
