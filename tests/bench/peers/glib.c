/* SPDX-License-Identifier: MIT */
/*
 * glib.c - GHashTable behind a GRWLock, the usual way to share one. Integers are stored in the
 * pointer; strings are pointers to keys that stay where they are.
 */
#include "peer.h"

#include <glib.h>

#define PEER_SHARED 1
#define PEER_PROMOTES 0

struct peer {
	GRWLock lock;
	GHashTable *table;
};

PEER_INLINE gpointer as_pointer(peer_key key)
{
	return (gpointer)(uintptr_t)key;
}

static guint hash(gconstpointer key)
{
	return (guint)peer_hash((peer_key)(uintptr_t)key);
}

#if KEY_STR
static gboolean equal(gconstpointer a, gconstpointer b)
{
	return memcmp(a, b, KEY_BYTES) == 0;
}
#endif

PEER_FN struct peer *peer_create(size_t n, bool variant)
{
	struct peer *peer = g_new0(struct peer, 1);

	(void)n, (void)variant;
	g_rw_lock_init(&peer->lock);
#if KEY_STR
	peer->table = g_hash_table_new(hash, equal);
#else
	peer->table = g_hash_table_new(hash, NULL);
#endif
	return peer;
}

PEER_INLINE void *peer_load(struct peer *peer, peer_key key)
{
	void *value;

	g_rw_lock_reader_lock(&peer->lock);
	value = g_hash_table_lookup(peer->table, as_pointer(key));
	g_rw_lock_reader_unlock(&peer->lock);
	return value;
}

PEER_INLINE void peer_store(struct peer *peer, peer_key key, void *value)
{
	g_rw_lock_writer_lock(&peer->lock);
	g_hash_table_insert(peer->table, as_pointer(key), value);
	g_rw_lock_writer_unlock(&peer->lock);
}

PEER_INLINE void peer_insert(struct peer *peer, peer_key key, void *value)
{
	peer_store(peer, key, value);
}

PEER_INLINE bool peer_erase(struct peer *peer, peer_key key)
{
	bool removed;

	g_rw_lock_writer_lock(&peer->lock);
	removed = g_hash_table_remove(peer->table, as_pointer(key));
	g_rw_lock_writer_unlock(&peer->lock);
	return removed;
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
