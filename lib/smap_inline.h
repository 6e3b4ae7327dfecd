/* SPDX-License-Identifier: MIT */
/*
 * smap_inline.h - the path of a read hit, compiled into the caller. Included by smap.h.
 *
 * smap_load_u64(), and smap_load() with a length that is a constant of at most 16, look at the
 * home group of the key in read. A hit, and most absent keys, need no call; everything else goes
 * to the library, from the beginning: inside a section nothing is called, so that what a hit
 * needs stays in registers. The library's own functions of these names are compiled from this same
 * text; they stay for callers through a pointer, for other languages, and with SMAP_NO_INLINE.
 *
 * ABI. A program compiled with this header knows the layout of struct smap_hot, struct
 * smap_look_view, the filter and the slots. It does so only for maps whose `quick` has one of the
 * two values below, which name this layout, SMAP_READ_LAYOUT: a library with another layout gives
 * its maps other values, and then every inlined load calls the library. What must stay for ever is
 * where `quick` stands, that smap_self points to a section word, and the functions.
 */
#ifndef SMAP_INLINE_H
#define SMAP_INLINE_H

#include <string.h>

#include "smap.h"

/* --- the layout --------------------------------------------------------------------- */

#define SMAP_READ_LAYOUT 3
#define SMAP_QUICK_NONE 0 /* call the function */
#define SMAP_QUICK_U64 (SMAP_READ_LAYOUT * 256 + 1)
#define SMAP_QUICK_BYTES (SMAP_READ_LAYOUT * 256 + 2)

#define SMAP_HOT_OFFSET 1024 /* in struct smap: leaves smap_state room to grow */
#define SMAP_VIEW_CTRL 128   /* the control bytes, in struct smap_view */
#define SMAP_FILTER_WORDS 64 /* the words, in struct smap_filter */
#define SMAP_INLINE_KEY 16   /* bytes of a key that stand in the slot */

/* What a load reads of a map; written by promotions only. */
struct smap_hot {
	SMAP_SHARED uintptr_t read; /* address of the view */
	uint64_t seed, multiplier;  /* of the hash */
	uintptr_t marks;	    /* this and the next number are no values but marks */
	uint32_t quick;
	SMAP_SHARED uint32_t gate; /* writers go under the mutex: smap_snapshot.c */
};

/* The beginning of a view. */
struct __attribute__((may_alias)) smap_look_view {
	void *slots;
	uint64_t capacity;	    /* slots */
	uint16_t *overflow;	    /* a word for each group */
	SMAP_SHARED uintptr_t more; /* which keys dirty has and the view lacks: below */
};

/* What `more` says; anything else is the address of a filter of those keys. */
#define SMAP_MORE_NONE ((uintptr_t)0) /* there are none */
#define SMAP_MORE_ANY ((uintptr_t)1)  /* ask dirty, under the mutex */

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

/*
 * The calling thread's record. Before its first section, and where readers must fence, that of
 * nobody, whose section never ends: no load is inlined in a section, and that goes for it, too.
 */
extern __thread struct smap_thread_state *smap_self __attribute__((tls_model("initial-exec")));

/* How a look at read ended that found no value. */
enum smap_look {
	SMAP_LOOK_ABSENT,
	SMAP_LOOK_DIRTY, /* ask dirty, under the mutex */
	SMAP_LOOK_AGAIN, /* not known: look again, the general way */
};

/* Where inlined loads go on; not to be called by hand. NULL: absent. */
void *smap_load_rest(struct smap *map, const void *key, size_t len, enum smap_look look);
void *smap_load_u64_rest(struct smap *map, uint64_t key, enum smap_look look);

/* --- the code --------------------------------------------------------------------------- */

#if !defined(SMAP_NO_INLINE) || defined(SMAP_BASE_H) /* the library */

#include "smap_match.h"

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
 * In a word that is in memory as eight bytes: bytes that begin at `at`, and a word without its first
 * bytes, moved to the front.
 */
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define smap_place(value, bytes, at) ((uint64_t)(value) << (8 * (at)))
#define smap_drop(word, bytes) ((word) >> (8 * (bytes)))
#else
#define smap_place(value, bytes, at) ((uint64_t)(value) << (8 * (8 - (bytes) - (at))))
#define smap_drop(word, bytes) ((word) << (8 * (bytes)))
#endif

/*
 * Up to 16 bytes as two words, which are the bytes in memory, padded with zeros, without reading
 * past the end: loads that overlap where the length is no power of two. All sizes are constants,
 * so the words stay in registers.
 */
SMAP_QUICK void smap_load_words(const uint8_t *bytes, size_t len, uint64_t word[2])
{
	if (len >= 8) {
		word[0] = smap_load64(bytes);
		word[1] = len == 8 ? 0 : smap_drop(smap_load64(bytes + len - 8), 16 - len);
		return;
	}
	word[1] = 0;
	if (len >= 4)
		word[0] = smap_place(smap_load32(bytes), 4, 0) |
			  smap_place(smap_load32(bytes + len - 4), 4, len - 4);
	else if (len)
		word[0] = smap_place(bytes[0], 1, 0) | smap_place(bytes[len / 2], 1, len / 2) |
			  smap_place(bytes[len - 1], 1, len - 1);
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

/* The outermost leaves: even becomes the next even number; an inner one leaves the word odd. */
SMAP_QUICK void smap_leave_state(struct smap_thread_state *self, uint64_t seq)
{
	/*
	 * Release: pairs with the acquire loads in smap_reclaim.c:start_batch() and :passed().
	 * Everything read in the section happens before the memory is reused.
	 */
	smap_set(&self->seq, 2 * (seq | 1) - seq, release);
}

/*
 * The same two for a section that is the outermost: what is loaded, and stored last, is one
 * addition apart, and so is this section from the next. False, and nothing has happened, inside
 * another section, which nobody's record always is.
 */
SMAP_QUICK bool smap_enter_outermost(struct smap_thread_state *self, uint64_t *ret_seq)
{
	uint64_t seq = smap_get(&self->seq, relaxed); /* relaxed: owner-only */

	if (smap_rare(seq & 1))
		return false;
	/* relaxed: as in smap_enter_state() */
	smap_set(&self->seq, seq + 1, relaxed);
	__atomic_signal_fence(__ATOMIC_SEQ_CST); /* likewise */
	*ret_seq = seq;
	return true;
}

SMAP_QUICK void smap_leave_outermost(struct smap_thread_state *self, uint64_t seq)
{
	smap_set(&self->seq, seq + 2, release); /* release: as in smap_leave_state() */
}

struct smap_quick_key {
	uint64_t hash, word[2], len;
};

/* The cell of a slot if it holds the key; NULL if not. */
SMAP_QUICK const SMAP_SHARED uintptr_t *
smap_quick_cell(const void *address, const struct smap_quick_key *key, const bool is_u64)
{
	if (is_u64) {
		const struct smap_slot_u64 *slot = (const struct smap_slot_u64 *)address;

		return smap_usual(slot->key == key->word[0]) ? &slot->cell : NULL;
	} else {
		const struct smap_slot_bytes *slot = (const struct smap_slot_bytes *)address;

		return smap_usual(slot->word[0] == key->word[0] && slot->word[1] == key->word[1] &&
				  slot->len == key->len)
			       ? &slot->cell
			       : NULL;
	}
}

/* The key's cell in its home group, or NULL. */
SMAP_QUICK const SMAP_SHARED uintptr_t *smap_quick_find(const struct smap_look_view *view,
							uint64_t home,
							const struct smap_quick_key *key,
							const bool is_u64)
{
	const uint32_t size =
		is_u64 ? sizeof(struct smap_slot_u64) : sizeof(struct smap_slot_bytes);
	const char *slots = (const char *)view->slots, *group;
	uint64_t first = smap_group_first(home);
	uint32_t mask =
		smap_group_tagged((const uint8_t *)view + SMAP_VIEW_CTRL + first, key->hash);

	if (!smap_usual(mask))
		return NULL;
	/* Here and not before: who asks for keys that are absent fetches no slots. */
	__builtin_prefetch(slots + home * size);
	group = slots + first * size;
	do { /* the offset has 32 bits, which need not be extended */
		const SMAP_SHARED uintptr_t *cell =
			smap_quick_cell(group + (uint32_t)__builtin_ctz(mask) * size, key, is_u64);

		if (smap_usual(cell != NULL))
			return cell;
		mask &= mask - 1;
	} while (smap_rare(mask));
	return NULL;
}

/*
 * True: dirty has no such key for certain. For a view that does not list it; smap_filter.h says
 * why. Most words have few bits set, so that the first one asked for ends it.
 */
SMAP_QUICK bool smap_view_excludes(const struct smap_look_view *view, uint64_t hash)
{
	/* Acquire: pairs with the releases in smap_filter.c:set_more() (M1): the bits are in memory. */
	uintptr_t more = smap_get(&view->more, acquire);
	const SMAP_SHARED uint64_t *words;
	uint64_t count, word;

	if (smap_usual(more == SMAP_MORE_NONE))
		return true;
	if (smap_usual(more == SMAP_MORE_ANY))
		return false;
	count = *(const uint64_t *)more; /* struct smap_filter begins with it; a constant */
	words = (const SMAP_SHARED uint64_t *)(more + SMAP_FILTER_WORDS);
	/* Acquire: pairs with the release in smap_filter.c:set() (F1). */
	word = smap_get(&words[smap_filter_index(count, hash)], acquire);
	return smap_usual(!(word >> SMAP_FILTER_BIT_1(hash) & 1)) ||
	       !(word >> SMAP_FILTER_BIT_2(hash) & 1) || !(word >> SMAP_FILTER_BIT_3(hash) & 1);
}

/*
 * What a cell holds: a value, or NULL and how it ended. Marks have the highest bit, as no pointer
 * has: one comparison with 0 tells the values of most programs.
 */
SMAP_QUICK void *smap_quick_value(const struct smap_hot *hot, const SMAP_SHARED uintptr_t *cell,
				  enum smap_look *ret_look)
{
	/* Acquire: pairs with the releases that store values (G2) and MOVED */
	uintptr_t value = smap_get(cell, acquire);

	*ret_look = SMAP_LOOK_ABSENT;
	if (smap_usual((intptr_t)value > 0))
		return (void *)value;
	if (!value || value == hot->marks) /* NIL; EXPUNGED */
		return NULL;
	if (value - hot->marks != 1)
		return (void *)value;
	*ret_look = SMAP_LOOK_AGAIN; /* MOVED */
	return NULL;
}

/*
 * One look at read, in a read section: the value, or NULL and how it ended. Values are handed on in
 * registers, through no pointer: a caller's variable need not be in memory.
 */
SMAP_QUICK void *smap_quick_look(const struct smap_hot *hot, const struct smap_quick_key *key,
				 const bool is_u64, enum smap_look *ret_look)
{
	/* Acquire: pairs with the release stores of read in smap_dirty.c and smap_move.c */
	uintptr_t read = smap_get(&hot->read, acquire);
	const struct smap_look_view *view = (const struct smap_look_view *)read;
	uint64_t home = smap_home(view->capacity, key->hash);
	const SMAP_SHARED uintptr_t *cell = smap_quick_find(view, home, key, is_u64);

	if (smap_usual(cell != NULL))
		return smap_quick_value(hot, cell, ret_look);
	if (smap_rare(smap_overflowed(view->overflow, home / SMAP_GROUP, key->hash)))
		*ret_look = SMAP_LOOK_AGAIN; /* in the groups behind */
	else if (smap_view_excludes(view, key->hash))
		*ret_look = SMAP_LOOK_ABSENT;
	else
		*ret_look = SMAP_LOOK_DIRTY;
	return NULL;
}

SMAP_QUICK bool smap_quick_load_u64(struct smap *map, uint64_t key, void **ret_value)
{
	const struct smap_hot *hot = smap_hot_of(map);
	struct smap_thread_state *self = smap_self;
	enum smap_look look = SMAP_LOOK_AGAIN;
	void *value = NULL;
	uint64_t seq;

	if (smap_usual(hot->quick == SMAP_QUICK_U64) &&
	    smap_usual(smap_enter_outermost(self, &seq))) {
		const struct smap_quick_key k = {smap_hot_hash_u64(hot, key), {key, 0}, 0};

		value = smap_quick_look(hot, &k, true, &look);
		smap_leave_outermost(self, seq);
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
	uint64_t seq;

	if (smap_usual(hot->quick == SMAP_QUICK_BYTES) &&
	    smap_usual(smap_enter_outermost(self, &seq))) {
		struct smap_quick_key k;

		smap_load_words((const uint8_t *)key, len, k.word);
		k.len = len;
		k.hash = smap_hot_hash_words(hot, k.word, len);
		value = smap_quick_look(hot, &k, false, &look);
		smap_leave_outermost(self, seq);
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
