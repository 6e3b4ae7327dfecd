/* SPDX-License-Identifier: MIT */
/*
 * flat.cc - the limit: a flat map for one thread, without any concurrency.
 * absl::flat_hash_map, or with FLAT_BOOST boost::unordered_flat_map. Not presized.
 */
#include "peer.h"

#ifdef FLAT_BOOST
#include <boost/unordered/unordered_flat_map.hpp>
typedef boost::unordered_flat_map<stored_key, void *, stored_hash> flat_map;
#else
#include <absl/container/flat_hash_map.h>
typedef absl::flat_hash_map<stored_key, void *, stored_hash, std::equal_to<stored_key>> flat_map;
#endif

#define PEER_SHARED 0
#define PEER_PROMOTES 0

struct peer {
	flat_map map;
};

PEER_FN struct peer *peer_create(size_t, bool)
{
	return new peer;
}

PEER_INLINE void *peer_load(struct peer *peer, peer_key key)
{
	auto it = peer->map.find(stored_key(key));

	return it == peer->map.end() ? nullptr : it->second;
}

PEER_INLINE void peer_store(struct peer *peer, peer_key key, void *value)
{
	peer->map.insert_or_assign(stored_key(key), value);
}

PEER_INLINE void peer_insert(struct peer *peer, peer_key key, void *value)
{
	peer->map.emplace(stored_key(key), value);
}

PEER_INLINE bool peer_erase(struct peer *peer, peer_key key)
{
	return peer->map.erase(stored_key(key)) == 1;
}

PEER_FN void peer_thread_begin() {}
PEER_FN void peer_thread_end() {}
PEER_INLINE void peer_quiescent() {}
PEER_FN void peer_built(struct peer *) {}
PEER_FN void peer_settle(struct peer *) {}

#include "harness.h"
