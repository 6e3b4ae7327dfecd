/* SPDX-License-Identifier: MIT */
/*
 * ck.c - ck_ht of Concurrency Kit: one writer at a time (a mutex), readers without a lock in an
 * epoch section. String keys are pointers to keys that stay where they are. What it
 * outgrew is freed through the epochs.
 */
#include "peer.h"

#include <ck_epoch.h>
#include <ck_ht.h>

#define PEER_SHARED 1
#define PEER_PROMOTES 0

struct peer {
	ck_ht_t table;
	pthread_mutex_t lock;
};

static ck_epoch_t epoch;
static __thread ck_epoch_record_t *record;

struct block {
	ck_epoch_entry_t entry;
	_Alignas(64) char memory[];
};

static void *block_alloc(size_t size)
{
	struct block *block = aligned_alloc(64, (sizeof(*block) + size + 63) / 64 * 64);

	return block ? block->memory : NULL;
}

static void block_free(ck_epoch_entry_t *entry)
{
	free((char *)entry - offsetof(struct block, entry));
}

static void block_release(void *memory, size_t size, bool defer)
{
	struct block *block = (struct block *)((char *)memory - offsetof(struct block, memory));

	(void)size;
	if (defer) {
		ck_epoch_call(record, &block->entry, block_free);
		ck_epoch_poll(record);
	} else {
		free(block);
	}
}

static struct ck_malloc allocator = {.malloc = block_alloc, .free = block_release};

PEER_FN void peer_thread_begin(void)
{
	record = aligned_alloc(64, (sizeof(*record) + 63) / 64 * 64);
	if (!record)
		die("no memory");
	ck_epoch_register(&epoch, record, NULL);
}

PEER_FN void peer_thread_end(void)
{
	ck_epoch_barrier(record);
	ck_epoch_unregister(record);
}

PEER_FN struct peer *peer_create(size_t n, bool variant)
{
	struct peer *peer = calloc(1, sizeof(*peer));
	unsigned int mode = KEY_STR ? CK_HT_MODE_BYTESTRING : CK_HT_MODE_DIRECT;

	(void)n, (void)variant;
	ck_epoch_init(&epoch);
	peer_thread_begin();
	if (!peer ||
	    !ck_ht_init(&peer->table, mode | CK_HT_WORKLOAD_DELETE, NULL, &allocator, 64, 1))
		die("ck_ht_init failed");
	pthread_mutex_init(&peer->lock, NULL);
	return peer;
}

PEER_INLINE ck_ht_hash_t hash_of(peer_key key)
{
	ck_ht_hash_t hash = {peer_hash(key)};

	return hash;
}

PEER_INLINE void set_entry(ck_ht_entry_t *entry, peer_key key, void *value)
{
#if KEY_STR
	ck_ht_entry_set(entry, hash_of(key), key, KEY_BYTES, value);
#else
	ck_ht_entry_set_direct(entry, hash_of(key), key, (uintptr_t)value);
#endif
}

PEER_INLINE void set_key(ck_ht_entry_t *entry, peer_key key)
{
#if KEY_STR
	ck_ht_entry_key_set(entry, key, KEY_BYTES);
#else
	ck_ht_entry_key_set_direct(entry, key);
#endif
}

PEER_INLINE void *peer_load(struct peer *peer, peer_key key)
{
	ck_ht_entry_t entry;
	void *value = NULL;

	set_key(&entry, key);
	ck_epoch_begin(record, NULL);
	if (ck_ht_get_spmc(&peer->table, hash_of(key), &entry))
#if KEY_STR
		value = ck_ht_entry_value(&entry);
#else
		value = (void *)ck_ht_entry_value_direct(&entry);
#endif
	ck_epoch_end(record, NULL);
	return value;
}

PEER_INLINE void peer_store(struct peer *peer, peer_key key, void *value)
{
	ck_ht_entry_t entry;

	set_entry(&entry, key, value);
	pthread_mutex_lock(&peer->lock);
	if (!ck_ht_set_spmc(&peer->table, hash_of(key), &entry))
		die("ck_ht_set_spmc failed");
	pthread_mutex_unlock(&peer->lock);
}

PEER_INLINE void peer_insert(struct peer *peer, peer_key key, void *value)
{
	ck_ht_entry_t entry;

	set_entry(&entry, key, value);
	pthread_mutex_lock(&peer->lock);
	if (!ck_ht_put_spmc(&peer->table, hash_of(key), &entry))
		die("ck_ht_put_spmc failed");
	pthread_mutex_unlock(&peer->lock);
}

PEER_INLINE bool peer_erase(struct peer *peer, peer_key key)
{
	ck_ht_entry_t entry;
	bool removed;

	set_key(&entry, key);
	pthread_mutex_lock(&peer->lock);
	removed = ck_ht_remove_spmc(&peer->table, hash_of(key), &entry);
	pthread_mutex_unlock(&peer->lock);
	return removed;
}

PEER_INLINE void peer_quiescent(void)
{
}

PEER_FN void peer_built(struct peer *peer)
{
	(void)peer;
	ck_epoch_barrier(record);
}

PEER_FN void peer_settle(struct peer *peer)
{
	(void)peer;
}

#include "harness.h"
