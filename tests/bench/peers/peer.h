/* SPDX-License-Identifier: MIT */
/*
 * peer.h - what the benchmark asks of a map; included first by each competitor's file.
 *
 * A competitor is one program: its file defines `struct peer` and the functions below, and
 * ends with #include "harness.h", which has main(). So the loops of the harness are
 * compiled with the competitor's own code inlined, headers of templates included, and
 * nobody pays for an indirect call. Each file is compiled twice, with KEY_STR 0 and 1.
 * It must be C11 and C++17.
 */
#ifndef PEER_H
#define PEER_H

#ifndef __STDC_FORMAT_MACROS
#define __STDC_FORMAT_MACROS
#endif
#include <inttypes.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#ifndef KEY_STR
#define KEY_STR 0
#endif

#define PEER_INLINE static inline __attribute__((always_inline, unused))
#define PEER_FN static __attribute__((unused))

#if KEY_STR
#define KEY_KIND "str16"
#define KEY_BYTES 16
typedef const char *peer_key; /* 16 bytes, which stay where they are to the end of the process */
#else
#define KEY_KIND "u64"
#define KEY_BYTES 8
typedef uint64_t peer_key;
#endif

/* The hash of all competitors that take one from outside. */
PEER_INLINE uint64_t peer_mix(uint64_t x)
{
	x ^= x >> 32;
	x *= 0x9e3779b97f4a7c15ULL;
	return x ^ (x >> 32);
}

PEER_INLINE uint64_t peer_hash(peer_key key)
{
#if KEY_STR
	return XXH3_64bits(key, KEY_BYTES);
#else
	return peer_mix(key);
#endif
}

#ifdef __cplusplus
/* The key as a C++ map stores it. */
#if KEY_STR
struct stored_key {
	uint64_t word[2];
	stored_key() = default;
	explicit stored_key(peer_key key)
	{
		memcpy(word, key, KEY_BYTES);
	}
	bool operator==(const stored_key &other) const
	{
		return word[0] == other.word[0] && word[1] == other.word[1];
	}
};
#else
typedef uint64_t stored_key;
#endif

struct stored_hash {
	using is_avalanching = void; /* boost: needs no mixing of its own */
	size_t operator()(const stored_key &key) const
	{
#if KEY_STR
		return XXH3_64bits(key.word, KEY_BYTES);
#else
		return peer_mix(key);
#endif
	}
};
#endif

__attribute__((noreturn, unused)) static void die(const char *what)
{
	fprintf(stderr, "peer: %s\n", what);
	exit(1);
}

/*
 * To be defined by the competitor, all static:
 *
 *	PEER_SHARED	1 if threads may use the map together
 *	PEER_PROMOTES	1 if it has the two views of sync.Map
 *
 *	struct peer *peer_create(size_t n, bool variant)	variant: presized or tuned, by peer
 *	void *peer_load(struct peer *, peer_key)		NULL = absent
 *	void peer_store(struct peer *, peer_key, void *)	the key is there
 *	void peer_insert(struct peer *, peer_key, void *)	the key is not there
 *	bool peer_erase(struct peer *, peer_key)
 *	void peer_thread_begin(void), peer_thread_end(void)
 *	void peer_quiescent(void)	every 256 operations, outside of them
 *	void peer_built(struct peer *)	after the build: wait for what runs behind
 *	void peer_settle(struct peer *)	before each cell: promote; cheap when there is nothing to do
 */
struct peer;

#endif
