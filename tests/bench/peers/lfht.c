/* SPDX-License-Identifier: MIT */
/*
 * lfht.c - cds_lfht of userspace-rcu, with membarrier RCU or (LFHT_QSBR) quiescent states.
 * Read sides are inlined, as its manual recommends. An overwrite exchanges the value in
 * the node, as its users do; a deleted node is freed by call_rcu(). The variant is
 * presized to the number of keys; the other grows from 64 buckets.
 */
#include "peer.h"

#define _LGPL_SOURCE
#define URCU_API_MAP
#ifdef LFHT_QSBR
#include <urcu/urcu-qsbr.h>
#else
#include <urcu/urcu-memb.h>
#endif
#include <urcu/rculfhash.h>

#define PEER_SHARED 1
#define PEER_PROMOTES 0

struct node {
	struct cds_lfht_node link;
#if KEY_STR
	char key[KEY_BYTES];
#else
	uint64_t key;
#endif
	void *value;
	struct rcu_head rcu;
};

struct peer {
	struct cds_lfht *table;
};

static int match(struct cds_lfht_node *link, const void *key)
{
	const struct node *node = caa_container_of(link, struct node, link);

#if KEY_STR
	return memcmp(node->key, key, KEY_BYTES) == 0;
#else
	return node->key == (uint64_t)(uintptr_t)key;
#endif
}

static void node_free(struct rcu_head *head)
{
	free(caa_container_of(head, struct node, rcu));
}

PEER_FN struct peer *peer_create(size_t n, bool presized)
{
	struct peer *peer = malloc(sizeof(*peer));
	unsigned long buckets = 64;

	while (presized && buckets < n)
		buckets *= 2;
	rcu_register_thread();
	if (peer)
		peer->table = cds_lfht_new(buckets, 64, 0,
					   CDS_LFHT_AUTO_RESIZE | CDS_LFHT_ACCOUNTING, NULL);
	if (!peer || !peer->table)
		die("cds_lfht_new failed");
	return peer;
}

/* Inside a read section. */
PEER_INLINE struct node *find(struct peer *peer, peer_key key)
{
	struct cds_lfht_iter iter;
	struct cds_lfht_node *link;

	cds_lfht_lookup(peer->table, peer_hash(key), match, (const void *)(uintptr_t)key, &iter);
	link = cds_lfht_iter_get_node(&iter);
	return link ? caa_container_of(link, struct node, link) : NULL;
}

PEER_INLINE void *peer_load(struct peer *peer, peer_key key)
{
	struct node *node;
	void *value;

	rcu_read_lock();
	node = find(peer, key);
	value = node ? uatomic_read(&node->value) : NULL;
	rcu_read_unlock();
	return value;
}

PEER_INLINE void peer_store(struct peer *peer, peer_key key, void *value)
{
	struct node *node;

	rcu_read_lock();
	node = find(peer, key);
	if (!node)
		die("lfht lost a key");
	(void)uatomic_xchg(&node->value, value);
	rcu_read_unlock();
}

PEER_INLINE void peer_insert(struct peer *peer, peer_key key, void *value)
{
	struct node *node = malloc(sizeof(*node));

	if (!node)
		die("no memory");
#if KEY_STR
	memcpy(node->key, key, KEY_BYTES);
#else
	node->key = key;
#endif
	node->value = value;
	cds_lfht_node_init(&node->link);
	rcu_read_lock();
	cds_lfht_add_unique(peer->table, peer_hash(key), match, (const void *)(uintptr_t)key,
			    &node->link);
	rcu_read_unlock();
}

PEER_INLINE bool peer_erase(struct peer *peer, peer_key key)
{
	struct node *node;
	bool removed;

	rcu_read_lock();
	node = find(peer, key);
	removed = node && cds_lfht_del(peer->table, &node->link) == 0;
	rcu_read_unlock();
	if (removed)
		call_rcu(&node->rcu, node_free);
	return removed;
}

PEER_FN void peer_thread_begin(void)
{
	rcu_register_thread();
}

PEER_FN void peer_thread_end(void)
{
	rcu_unregister_thread();
}

PEER_INLINE void peer_quiescent(void)
{
#ifdef LFHT_QSBR
	rcu_quiescent_state();
#endif
}

/* The thread that builds only sleeps from here on, so it leaves RCU. */
PEER_FN void peer_built(struct peer *peer)
{
	(void)peer;
	rcu_barrier();
#ifdef LFHT_QSBR
	rcu_thread_offline();
#endif
}

PEER_FN void peer_settle(struct peer *peer)
{
	(void)peer;
}

#include "harness.h"
