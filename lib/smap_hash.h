/* SPDX-License-Identifier: MIT */
/*
 * smap_hash.h - the two hash functions. Both are keyed with a random seed per map,
 * which never leaves the process: not in the state page, not in a probe.
 *
 * Integers: one 64x64 multiplication, folded. It spreads any set of keys that was
 * not chosen against the seed; it is no defence against somebody who can time
 * lookups.
 * Byte strings: XXH3 with the seed, from libxxhash's header, inlined.
 */
#ifndef SMAP_HASH_H
#define SMAP_HASH_H

#include "smap_internal.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

/* The library's own, for a map without the option. */
SMAP_INLINE uint64_t smap_mix_u64(const struct smap *map, uint64_t key)
{
	unsigned __int128 product = (unsigned __int128)(key ^ map->seed) * map->multiplier;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

SMAP_INLINE uint64_t smap_mix_bytes(const struct smap *map, const void *bytes, size_t len)
{
	return XXH3_64bits_withSeed(bytes, len, map->seed);
}

SMAP_INLINE uint64_t smap_hash_u64(const struct smap *map, uint64_t key)
{
	if (smap_unlikely(map->hash != NULL))
		return map->hash(&key, sizeof(key), map->seed);
	return smap_mix_u64(map, key);
}

SMAP_INLINE uint64_t smap_hash_bytes(const struct smap *map, const void *bytes, size_t len)
{
	if (smap_unlikely(map->hash != NULL))
		return map->hash(bytes, len, map->seed);
	return smap_mix_bytes(map, bytes, len);
}

#endif
