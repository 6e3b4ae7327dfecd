/* SPDX-License-Identifier: MIT */
/*
 * array.c - the floor: an array of pointers, read at a place computed from the key by one
 * multiplication. What two threads gain over one here is what the machine gives.
 */
#include "peer.h"

#define PEER_SHARED 1
#define PEER_PROMOTES 0

struct peer {
	size_t n;
	void *values[];
};

PEER_FN struct peer *peer_create(size_t n, bool variant)
{
	struct peer *peer = malloc(sizeof(*peer) + n * sizeof(void *));

	(void)variant;
	if (!peer)
		die("no memory");
	peer->n = n;
	for (size_t i = 0; i < n; i++)
		peer->values[i] = peer;
	return peer;
}

PEER_INLINE void *peer_load(struct peer *peer, peer_key key)
{
	uint64_t word;

#if KEY_STR
	memcpy(&word, key + 8, 8); /* digits: their low bits are random enough after a multiply */
	word *= 0x9e3779b97f4a7c15ULL;
#else
	word = key;
#endif
	return peer->values[(size_t)(((unsigned __int128)word * peer->n) >> 64)];
}

PEER_INLINE void peer_store(struct peer *peer, peer_key key, void *value)
{
	(void)peer, (void)key, (void)value;
}

PEER_INLINE void peer_insert(struct peer *peer, peer_key key, void *value)
{
	(void)peer, (void)key, (void)value;
}

PEER_INLINE bool peer_erase(struct peer *peer, peer_key key)
{
	(void)peer, (void)key;
	return true;
}

PEER_FN void peer_thread_begin(void)
{
}

PEER_FN void peer_thread_end(void)
{
}

PEER_INLINE void peer_quiescent(void)
{
}

PEER_FN void peer_built(struct peer *peer)
{
	(void)peer;
}

PEER_FN void peer_settle(struct peer *peer)
{
	(void)peer;
}

#include "harness.h"
