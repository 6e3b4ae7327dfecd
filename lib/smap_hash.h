/* SPDX-License-Identifier: MIT */
/*
 * smap_hash.h - the hash functions, keyed with 128 random bits per map that never leave
 * the process: not in the state page, not in a probe.
 *
 * Integers: one 64x64 multiplication by a secret odd number, folded.
 * Byte strings that fit into a slot (16 bytes): two such multiplications, the second
 * of the halves of the first, as wyhash's last step (Wang Yi). The words are needed
 * for the comparison anyway.
 * Longer ones: XXH3 with the seed, from libxxhash's header.
 * None is a defence against somebody who can time single lookups; see docs/design.md.
 */
#ifndef SMAP_HASH_H
#define SMAP_HASH_H

#include <string.h>

#include "smap_internal.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

/* The library's own, for a map without the option. */
SMAP_INLINE uint64_t smap_mix_u64(const struct smap *map, uint64_t key)
{
	unsigned __int128 product = (unsigned __int128)(key ^ map->seed) * map->multiplier;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

SMAP_INLINE uint64_t smap_load64(const uint8_t *bytes)
{
	uint64_t word;

	memcpy(&word, bytes, sizeof(word));
	return word;
}

SMAP_INLINE uint64_t smap_load32(const uint8_t *bytes)
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
SMAP_INLINE void smap_load_words(const uint8_t *bytes, size_t len, uint64_t word[2])
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

SMAP_INLINE uint64_t smap_mix_words(const struct smap *map, const uint64_t word[2], size_t len)
{
	unsigned __int128 a =
		(unsigned __int128)(word[0] ^ map->seed) * (word[1] ^ map->multiplier);
	unsigned __int128 b = (unsigned __int128)((uint64_t)a ^ map->multiplier ^ len) *
			      ((uint64_t)(a >> 64) ^ map->seed);

	return (uint64_t)b ^ (uint64_t)(b >> 64);
}

/* The hash and the words of a key of up to 16 bytes, for a map without the option. */
SMAP_INLINE void smap_mix_short(const struct smap *map, const void *bytes, size_t len,
				struct smap_key *ret_key)
{
	ret_key->len = len;
	ret_key->bytes = bytes;
	smap_load_words(bytes, len, ret_key->word);
	ret_key->hash = smap_mix_words(map, ret_key->word, len);
}

SMAP_INLINE uint64_t smap_hash_u64(const struct smap *map, uint64_t key)
{
	if (smap_unlikely(map->hash != NULL))
		return map->hash(&key, sizeof(key), map->seed);
	return smap_mix_u64(map, key);
}

SMAP_INLINE void smap_hash_bytes(const struct smap *map, const void *bytes, size_t len,
				 struct smap_key *ret_key)
{
	if (smap_likely(len <= SMAP_INLINE_KEY)) {
		smap_mix_short(map, bytes, len, ret_key);
	} else {
		ret_key->len = len;
		ret_key->bytes = bytes;
		ret_key->hash = XXH3_64bits_withSeed(bytes, len, map->seed);
	}
	if (smap_unlikely(map->hash != NULL))
		ret_key->hash = map->hash(bytes, len, map->seed);
}

#endif
