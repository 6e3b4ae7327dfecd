/* SPDX-License-Identifier: MIT */
/*
 * smap_hash.h - the hash functions, keyed with 128 random bits per map that never leave
 * the process: not in the state page, not in a probe.
 *
 * Integers: one 64x64 multiplication by a secret odd number, folded. Byte strings that fit into a
 * slot (16 bytes): one such multiplication of their two words, each masked with a secret
 * word; as in wyhash (Wang Yi). Both are in smap_inline.h, where callers have them too.
 * Longer ones: XXH3 with the seed, from libxxhash's header.
 * None is a defence against somebody who can time single lookups; see docs/design.md.
 */
#ifndef SMAP_HASH_H
#define SMAP_HASH_H

#include <string.h>

#include "smap_internal.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

SMAP_INLINE uint64_t smap_hash_u64(const struct smap *map, uint64_t key)
{
	if (smap_unlikely(map->hash != NULL))
		return map->hash(&key, sizeof(key), map->hot.seed);
	return smap_hot_hash_u64(&map->hot, key);
}

/* A key of up to 16 bytes, for a map without the option. */
SMAP_INLINE void smap_hash_short(const struct smap *map, const void *bytes, size_t len,
				 struct smap_key *ret_key)
{
	ret_key->len = len;
	ret_key->bytes = bytes;
	smap_load_words(bytes, len, ret_key->word);
	ret_key->hash = smap_hot_hash_words(&map->hot, ret_key->word, len);
}

SMAP_INLINE void smap_hash_bytes(const struct smap *map, const void *bytes, size_t len,
				 struct smap_key *ret_key)
{
	if (smap_likely(len <= SMAP_INLINE_KEY)) {
		smap_hash_short(map, bytes, len, ret_key);
	} else {
		ret_key->len = len;
		ret_key->bytes = bytes;
		ret_key->hash = XXH3_64bits_withSeed(bytes, len, map->hot.seed);
	}
	if (smap_unlikely(map->hash != NULL))
		ret_key->hash = map->hash(bytes, len, map->hot.seed);
}

#endif
