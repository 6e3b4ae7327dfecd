/* SPDX-License-Identifier: MIT */
/*
 * smap_snapshot.c - all entries of a map as of one instant.
 *
 * Lock-free writers change cells while others look, so that a walk over them (Range) sees no
 * instant. A snapshot closes the map's gate first: from then on, operations that write go
 * under the mutex, where each does what it would have done without it (smap_op.h). Then
 *
 *	gate closed     a writer that enters its section from now on sees that
 *	grace period    the writers that did not see it have left their sections
 *	mutex           nobody writes: copy every value; this is the instant
 *	gate opened
 *
 * The first two steps are the reclaimer's proof (smap_smr.c), with the gate instead of an
 * unlinked pointer: a writer stores its section word, then loads the gate; the snapshot
 * stores the gate, runs the barrier, then looks at the words. So one of them sees the other.
 * Nobody waits during the grace period. Readers never wait; writers do for the copy.
 *
 * The copy is a table and a view of its own, which nobody changes any more. It does not need
 * the map: `shape` has what the functions on tables ask of one.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "smap_view.h"

struct smap_snapshot {
	struct smap shape; /* kind of key, hash, seed, value_free; no map otherwise */
	struct smap_view *view;
	uint64_t epoch;
	_Atomic(uint64_t) refs;
};

/* The map whose gate this thread holds closed. */
static _Thread_local const struct smap *closed __attribute__((tls_model("initial-exec")));

/* In the child of a fork: who closed the gate is gone, unless it is us (a value_free has forked). */
void smap_snapshot_forked(struct smap *map)
{
	/* relaxed: there is no other thread */
	atomic_store_explicit(&map->hot.gate, map == closed, memory_order_relaxed);
}

/* Wait until all who are inside a section now have left it. */
static void wait_for_grace(struct smap *map)
{
	_Atomic(bool) over = false;
	struct smap_node node = {.map = map, .done = &over};

	smap_retire_node(&node);
	smap_wait_for(&over);
}

static void snapshot_free(struct smap_snapshot *snapshot)
{
	struct smap *shape = &snapshot->shape;
	struct smap_view *view = snapshot->view;

	for (size_t i = 0; shape->value_free && i < (size_t)view->groups * SMAP_GROUP; i++)
		if (smap_is_listed(view->ctrl[i]))
			/* relaxed: nobody changes it */
			shape->value_free(
				(void *)atomic_load_explicit(smap_slot_cell(shape, view->slots, i),
							     memory_order_relaxed),
				shape->ctx);
	view->table->dead = view; /* all its long keys, and itself */
	view->table->free_all = true;
	smap_table_free(shape, view->table);
	free(snapshot);
}

static struct smap_snapshot *snapshot_alloc(const struct smap *map, size_t entries)
{
	struct smap_snapshot *snapshot = aligned_alloc(SMAP_CACHE_LINE, sizeof(*snapshot));
	struct smap_table *table;

	if (!snapshot)
		return NULL;
	memset(snapshot, 0, sizeof(*snapshot));
	snapshot->shape.is_u64 = map->is_u64;
	snapshot->shape.hash = map->hash;
	snapshot->shape.hot.seed = map->hot.seed;
	snapshot->shape.hot.multiplier = map->hot.multiplier;
	snapshot->shape.value_free = map->value_free;
	snapshot->shape.ctx = map->ctx;
	atomic_init(&snapshot->refs, 1);
	table = smap_table_alloc(map, entries);
	snapshot->view = table ? smap_view_alloc(table, true) : NULL;
	if (!snapshot->view) {
		smap_table_free(&snapshot->shape, table);
		free(snapshot);
		return NULL;
	}
	memset(snapshot->view->ctrl, SMAP_CTRL_EMPTY, smap_ctrl_bytes(snapshot->view->groups));
	return snapshot;
}

/* One present entry. 0 or -ENOMEM. */
static int copy_entry(struct smap_snapshot *snapshot, const struct smap_key *key, uintptr_t value,
		      smap_retain_fn retain)
{
	struct smap_view *view = snapshot->view;
	void *copy, *kept = (void *)value;
	size_t index;

	if (smap_slot_copy_key(key, &copy))
		return -ENOMEM;
	if (retain)
		kept = retain((void *)value, snapshot->shape.ctx);
	if (!kept) {
		free(copy);
		return -ENOMEM;
	}
	index = smap_view_take(view, key->hash);
	smap_slot_set_key(&snapshot->shape, view->table, index, key, copy);
	/* relaxed: published with the snapshot, by whoever hands it on */
	atomic_store_explicit(smap_slot_cell(&snapshot->shape, view->slots, index), (uintptr_t)kept,
			      memory_order_relaxed);
	return 0;
}

/*
 * With mu held and the gate closed since a grace period: nothing changes. On -ENOMEM there may be a
 * part of it, to be freed when mu is not held any more: value_free may use maps.
 */
static int snapshot_locked(struct smap *map, smap_retain_fn retain,
			   struct smap_snapshot **ret_snapshot)
{
	const struct smap_view *view = smap_read_locked(map);
	struct smap_snapshot *snapshot;
	int err = 0;

	if (map->dirty) /* has every live entry of read (I3) */
		view = map->dirty;
	*ret_snapshot = snapshot = snapshot_alloc(map, view->len);
	if (!snapshot)
		return -ENOMEM;
	snapshot->epoch = map->state.epoch;
	for (size_t i = 0; !err && i < (size_t)view->groups * SMAP_GROUP; i++) {
		struct smap_key key;
		uintptr_t value;

		if (!smap_is_listed(view->ctrl[i]))
			continue;
		/* Acquire: pairs with the release that stored the value (G2) */
		value = atomic_load_explicit(smap_slot_cell(map, view->slots, i),
					     memory_order_acquire);
		if (!smap_is_value(value))
			continue;
		smap_slot_key(map, view->table, i, &key);
		err = copy_entry(snapshot, &key, value, retain);
	}
	return err;
}

SMAP_PUBLIC int smap_snapshot(struct smap *map, struct smap_snapshot **ret_snapshot,
			      smap_retain_fn retain)
{
	struct smap_snapshot *snapshot;
	struct smap_hold hold;
	int err;

	if (!retain != !map->value_free)
		return -EINVAL;
	if (smap_cannot_wait())
		return -EDEADLK;
	/* seq_cst: before the barrier of the grace period; pairs with gate_is_closed(). */
	atomic_fetch_add_explicit(&map->hot.gate, 1, memory_order_seq_cst);
	closed = map;
	wait_for_grace(map);
	smap_lock(map, &hold);
	err = snapshot_locked(map, retain, &snapshot);
	smap_unlock(map);
	/* Release: who sees the gate open writes after the copy. Pairs with gate_is_closed(). */
	atomic_fetch_sub_explicit(&map->hot.gate, 1, memory_order_release);
	closed = NULL;
	if (err)
		smap_snapshot_unref(snapshot);
	else
		*ret_snapshot = snapshot;
	return err;
}

SMAP_PUBLIC struct smap_snapshot *smap_snapshot_ref(struct smap_snapshot *snapshot)
{
	/* relaxed: the caller has one already */
	atomic_fetch_add_explicit(&snapshot->refs, 1, memory_order_relaxed);
	return snapshot;
}

SMAP_PUBLIC void smap_snapshot_unref(struct smap_snapshot *snapshot)
{
	/* Acquire and release: what others read of it is over when the last one frees it. */
	if (snapshot && atomic_fetch_sub_explicit(&snapshot->refs, 1, memory_order_acq_rel) == 1)
		snapshot_free(snapshot);
}

SMAP_PUBLIC size_t smap_snapshot_len(const struct smap_snapshot *snapshot)
{
	return snapshot->view->len;
}

SMAP_PUBLIC uint64_t smap_snapshot_epoch(const struct smap_snapshot *snapshot)
{
	return snapshot->epoch;
}

static void *value_at(const struct smap_snapshot *snapshot, size_t index)
{
	/* relaxed: nobody changes it */
	return (void *)atomic_load_explicit(
		smap_slot_cell(&snapshot->shape, snapshot->view->slots, index),
		memory_order_relaxed);
}

static bool find(const struct smap_snapshot *snapshot, const struct smap_key *key, void **ret_value)
{
	size_t index = smap_find(&snapshot->shape, snapshot->view, key);

	if (index == SMAP_NOT_FOUND)
		return false;
	*ret_value = value_at(snapshot, index);
	return true;
}

SMAP_PUBLIC bool smap_snapshot_load(const struct smap_snapshot *snapshot, const void *key,
				    size_t len, void **ret_value)
{
	struct smap_key k;

	if (snapshot->shape.is_u64 || len > SMAP_KEY_MAX || (!key && len))
		return false;
	smap_hash_bytes(&snapshot->shape, key, len, &k);
	return find(snapshot, &k, ret_value);
}

SMAP_PUBLIC bool smap_snapshot_load_u64(const struct smap_snapshot *snapshot, uint64_t key,
					void **ret_value)
{
	const struct smap_key k = {.hash = smap_hash_u64(&snapshot->shape, key), .word = {key}};

	return snapshot->shape.is_u64 && find(snapshot, &k, ret_value);
}

SMAP_PUBLIC void smap_snapshot_range(const struct smap_snapshot *snapshot, smap_range_fn fn,
				     void *ctx)
{
	const struct smap_view *view = snapshot->view;

	for (size_t i = 0; i < view->groups * SMAP_GROUP && !snapshot->shape.is_u64; i++) {
		struct smap_key key;

		if (!smap_is_listed(view->ctrl[i]))
			continue;
		smap_slot_key(&snapshot->shape, view->table, i, &key);
		if (!fn(key.bytes, key.len, value_at(snapshot, i), ctx))
			return;
	}
}

SMAP_PUBLIC void smap_snapshot_range_u64(const struct smap_snapshot *snapshot, smap_range_u64_fn fn,
					 void *ctx)
{
	const struct smap_view *view = snapshot->view;
	const struct smap_slot_u64 *slots = view->slots;

	for (size_t i = 0; i < view->groups * SMAP_GROUP && snapshot->shape.is_u64; i++)
		if (smap_is_listed(view->ctrl[i]) && !fn(slots[i].key, value_at(snapshot, i), ctx))
			return;
}
