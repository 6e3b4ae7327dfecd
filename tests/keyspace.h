/* SPDX-License-Identifier: MIT */
/*
 * keyspace.h - keys by number, so that one test runs on both kinds of keys.
 *
 * Key i of a map of bytes or of integers, chosen to be awkward: the empty key,
 * lone and embedded NULs, keys that differ only in length, lengths on both sides
 * of every power of two up to 300; 0, all ones and multiples of a large odd
 * number. Each call hands the library a copy of the key that is overwritten
 * afterwards, so that a library that keeps the caller's pointer fails.
 */
#ifndef KEYSPACE_H
#define KEYSPACE_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "smap.h"

#define KEYSPACE_MAX_LEN 304
#define KEYSPACE_ODD 0x9e3779b97f4a7c15ULL
#define KEYSPACE_NONE SIZE_MAX

struct keyspace {
	struct smap *map;
	bool u64;
};

struct keyspace_key {
	unsigned char bytes[KEYSPACE_MAX_LEN];
	size_t len;
};

static inline uint64_t keyspace_u64(size_t i)
{
	return i == 1 ? UINT64_MAX : i * KEYSPACE_ODD;
}

/* The number of a u64 key: the odd factor has an inverse modulo 2^64 (Newton). */
static inline size_t keyspace_index_u64(uint64_t key)
{
	uint64_t inverse = KEYSPACE_ODD;

	for (int i = 0; i < 6; i++)
		inverse *= 2 - KEYSPACE_ODD * inverse;
	return key == UINT64_MAX ? 1 : (size_t)(key * inverse);
}

/* Keys 0..3 are short; the rest begin with three bytes of their number. */
static inline void keyspace_bytes(size_t i, struct keyspace_key *ret_key)
{
	static const unsigned short lens[] = {3, 4, 7, 8, 9, 15, 16, 17, 31, 32, 33, 64, 300};

	memset(ret_key->bytes, i % 3 ? 'x' : 0, sizeof(ret_key->bytes));
	if (i < 4) { /* "", "\0", "\0\0" and "a" */
		memset(ret_key->bytes, i == 3 ? 'a' : 0, 4);
		ret_key->len = i < 3 ? i : 1;
		return;
	}
	ret_key->bytes[0] = i & 0xff;
	ret_key->bytes[1] = i >> 8 & 0xff;
	ret_key->bytes[2] = i >> 16 & 0xff;
	ret_key->len = lens[i / 2 % (sizeof(lens) / sizeof(*lens))];
}

/* The number of a byte key, KEYSPACE_NONE if it is no key of ours. */
static inline size_t keyspace_index(const void *key, size_t len)
{
	const unsigned char *b = key;
	struct keyspace_key want;
	size_t i = len;

	if (len == 1 && b[0] == 'a')
		i = 3;
	else if (len >= 3)
		i = b[0] | (size_t)b[1] << 8 | (size_t)b[2] << 16;
	keyspace_bytes(i, &want);
	if (want.len != len || (len && memcmp(want.bytes, key, len)))
		return KEYSPACE_NONE;
	return i;
}

/* Fill in a key, and make it worthless after the call. */
#define KEYSPACE_CALL(type, ks, i, name, ...)                                                      \
	do {                                                                                       \
		struct keyspace_key key_;                                                          \
		type ret_;                                                                         \
		if ((ks)->u64)                                                                     \
			return smap_##name##_u64((ks)->map, keyspace_u64(i), ##__VA_ARGS__);       \
		keyspace_bytes(i, &key_);                                                          \
		ret_ = smap_##name((ks)->map, key_.bytes, key_.len, ##__VA_ARGS__);                \
		memset(&key_, 0xa5, sizeof(key_));                                                 \
		__asm__ volatile("" ::"r"(&key_) : "memory");                                      \
		return ret_;                                                                       \
	} while (0)

static inline int keyspace_store(const struct keyspace *ks, size_t i, void *value)
{
	KEYSPACE_CALL(int, ks, i, store, value);
}

static inline bool keyspace_load(const struct keyspace *ks, size_t i, void **ret_value)
{
	KEYSPACE_CALL(bool, ks, i, load, ret_value);
}

static inline int keyspace_swap(const struct keyspace *ks, size_t i, void *value, void **ret_prev)
{
	KEYSPACE_CALL(int, ks, i, swap, value, ret_prev);
}

static inline int keyspace_load_or_store(const struct keyspace *ks, size_t i, void *value,
					 void **ret_actual)
{
	KEYSPACE_CALL(int, ks, i, load_or_store, value, ret_actual);
}

static inline bool keyspace_load_and_delete(const struct keyspace *ks, size_t i, void **ret_value)
{
	KEYSPACE_CALL(bool, ks, i, load_and_delete, ret_value);
}

static inline bool keyspace_delete(const struct keyspace *ks, size_t i)
{
	KEYSPACE_CALL(bool, ks, i, delete);
}

static inline int keyspace_compare_and_swap(const struct keyspace *ks, size_t i, void *old,
					    void *new_value)
{
	KEYSPACE_CALL(int, ks, i, compare_and_swap, old, new_value);
}

static inline bool keyspace_compare_and_delete(const struct keyspace *ks, size_t i, void *old)
{
	KEYSPACE_CALL(bool, ks, i, compare_and_delete, old);
}

/* Range by number: fn(i, value, ctx), where i is KEYSPACE_NONE for a foreign key. */
typedef bool (*keyspace_fn)(size_t i, void *value, void *ctx);

struct keyspace_range {
	keyspace_fn fn;
	void *ctx;
};

static inline bool keyspace_range_bytes(const void *key, size_t len, void *value, void *ctx)
{
	const struct keyspace_range *r = ctx;

	return r->fn(keyspace_index(key, len), value, r->ctx);
}

static inline bool keyspace_range_u64(uint64_t key, void *value, void *ctx)
{
	const struct keyspace_range *r = ctx;

	return r->fn(keyspace_index_u64(key), value, r->ctx);
}

static inline void keyspace_range(const struct keyspace *ks, keyspace_fn fn, void *ctx)
{
	struct keyspace_range r = {.fn = fn, .ctx = ctx};

	if (ks->u64)
		smap_range_u64(ks->map, keyspace_range_u64, &r);
	else
		smap_range(ks->map, keyspace_range_bytes, &r);
}

#endif
