/* SPDX-License-Identifier: MIT */
/* cuckoo.cc - libcuckoo: bucketised cuckoo hashing under striped spin locks. */
#include "peer.h"

#include <libcuckoo/cuckoohash_map.hh>

#define PEER_SHARED 1
#define PEER_PROMOTES 0

struct peer {
	libcuckoo::cuckoohash_map<stored_key, void *, stored_hash> map;
};

PEER_FN struct peer *peer_create(size_t, bool)
{
	return new peer;
}

PEER_INLINE void *peer_load(struct peer *peer, peer_key key)
{
	void *value;

	return peer->map.find(stored_key(key), value) ? value : nullptr;
}

PEER_INLINE void peer_store(struct peer *peer, peer_key key, void *value)
{
	peer->map.insert_or_assign(stored_key(key), value);
}

PEER_INLINE void peer_insert(struct peer *peer, peer_key key, void *value)
{
	peer->map.insert(stored_key(key), value);
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
