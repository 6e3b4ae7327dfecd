/* SPDX-License-Identifier: MIT */
/* tbb.cc - oneTBB concurrent_hash_map: chained buckets, a reader-writer lock in each node. */
#include "peer.h"

#include <oneapi/tbb/concurrent_hash_map.h>

#define PEER_SHARED 1
#define PEER_PROMOTES 0

struct hash_compare {
	size_t hash(const stored_key &key) const
	{
		return stored_hash()(key);
	}
	bool equal(const stored_key &a, const stored_key &b) const
	{
		return a == b;
	}
};

typedef tbb::concurrent_hash_map<stored_key, void *, hash_compare> tbb_map;

struct peer {
	tbb_map map;
};

PEER_FN struct peer *peer_create(size_t, bool)
{
	return new peer;
}

PEER_INLINE void *peer_load(struct peer *peer, peer_key key)
{
	tbb_map::const_accessor at;

	return peer->map.find(at, stored_key(key)) ? at->second : nullptr;
}

PEER_INLINE void peer_store(struct peer *peer, peer_key key, void *value)
{
	tbb_map::accessor at;

	peer->map.insert(at, stored_key(key));
	at->second = value;
}

PEER_INLINE void peer_insert(struct peer *peer, peer_key key, void *value)
{
	peer->map.emplace(stored_key(key), value);
}

PEER_INLINE bool peer_erase(struct peer *peer, peer_key key)
{
	return peer->map.erase(stored_key(key));
}

PEER_FN void peer_thread_begin() {}
PEER_FN void peer_thread_end() {}
PEER_INLINE void peer_quiescent() {}
PEER_FN void peer_built(struct peer *) {}
PEER_FN void peer_settle(struct peer *) {}

#include "harness.h"
