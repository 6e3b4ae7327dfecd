/* SPDX-License-Identifier: MIT */
/*
 * smap_delete.c - LoadAndDelete, Delete, CompareAndSwap, CompareAndDelete.
 *
 * The model is in smap.c. A key in read is deleted by making its cell NIL; the slot stays
 * listed until a rebuild expunges it. A key in dirty alone is dropped from dirty at
 * once, under mu, before the miss is counted (len(dirty) is smaller then, and the
 * entry does not stay, Go issue 40999). CompareAndDelete never drops: it only
 * makes the cell NIL, as Go's.
 */
#include "smap_op.h"

/* Make a cell that holds *old NIL. True if a value came out; false: absent, or MOVED. */
SMAP_INLINE bool take_cell(smap_cell *cell, uintptr_t *old)
{
	while (smap_is_value(*old)) {
		/* seq_cst: before the look at the bit in smap_mark_deleted(). It includes the
		 * acquire that pairs with the store of the value (G2). */
		if (atomic_compare_exchange_weak_explicit(cell, old, SMAP_NIL, memory_order_seq_cst,
							  memory_order_acquire))
			return true;
	}
	return false;
}

/* The table that a cell found by find_read() belongs to may have been left by now: mark by slot. */
static void mark_cell(const struct smap *map, const struct smap_table *table, const smap_cell *cell)
{
	size_t offset = (size_t)((const char *)cell - (const char *)table->slots);

	smap_mark_deleted(table, offset / (map->is_u64 ? sizeof(struct smap_slot_u64)
						       : sizeof(struct smap_slot_bytes)));
}

static uintptr_t delete_slow(struct smap *map, const struct smap_key *key)
{
	struct smap_hold hold;
	struct place place;
	uintptr_t old = SMAP_NIL;

	smap_lock(map, &hold);
	place = find_locked(map, key);
	if (is_found(place))
		old = load_cell(place_cell(map, place));
	if (place.in_read) {
		if (take_cell(place_cell(map, place), &old))
			smap_mark_deleted(map->table, place.index);
	} else if (is_found(place)) {
		smap_slot_free_key(map, map->table, place.index);
		smap_view_drop(map->dirty, place.index);
		map->dirty_only--;
		smap_refresh_dirty_locked(map);
	}
	if (smap_is_value(old))
		count_locked(&stripe_locked(map)->deletes);
	else
		old = SMAP_NIL;
	if (!place.in_read && place.amended)
		unlock_missed(map, &hold, key->hash);
	else
		smap_unlock(map);
	return old;
}

SMAP_INLINE bool delete_common(struct smap *map, const struct smap_key *key, const bool is_u64,
			       void **ret_value)
{
	struct smap_table *table;
	uintptr_t old = SMAP_NIL;
	bool amended, taken;
	smap_cell *cell;
	uint64_t seq;
	struct smap_thread *self = smap_enter(&seq);

	(void)retire_begin(map, self, true);
	do {
		cell = find_to_write(map, key, is_u64, &old, &amended, &table);
		taken = cell && take_cell(cell, &old);
	} while (cell && old == SMAP_MOVED);
	if (taken) {
		mark_cell(map, table, cell);
		count(&stripe(map, self)->deletes);
	} else {
		old = !cell && amended ? delete_slow(map, key) : SMAP_NIL;
	}
	retire_commit(map, self, old);
	smap_exit(self, seq);
	if (old != SMAP_NIL && ret_value)
		*ret_value = (void *)old;
	return old != SMAP_NIL;
}

SMAP_PUBLIC bool smap_load_and_delete(struct smap *map, const void *key, size_t len,
				      void **ret_value)
{
	struct smap_key k;

	return key_bytes(map, key, len, &k) && delete_common(map, &k, false, ret_value);
}

SMAP_PUBLIC bool smap_load_and_delete_u64(struct smap *map, uint64_t key, void **ret_value)
{
	struct smap_key k;

	return key_u64(map, key, &k) && delete_common(map, &k, true, ret_value);
}

SMAP_PUBLIC bool smap_delete(struct smap *map, const void *key, size_t len)
{
	return smap_load_and_delete(map, key, len, NULL);
}

SMAP_PUBLIC bool smap_delete_u64(struct smap *map, uint64_t key)
{
	return smap_load_and_delete_u64(map, key, NULL);
}

/* --- CompareAndSwap, CompareAndDelete ------------------------------------------------ */

/* Which operations count a miss when they went to dirty. */
enum compare_mode { COMPARE_AND_SWAP, COMPARE_AND_DELETE };

/* Replace old by new_value (NIL: delete). *ret_seen is what the cell held otherwise. */
SMAP_INLINE bool compare_cell(smap_cell *cell, uintptr_t old, uintptr_t new_value,
			      uintptr_t *ret_seen)
{
	*ret_seen = old;
	/* seq_cst: release of the new value and acquire of the old one (G2), and for NIL the
	 * order with smap_mark_deleted(). */
	return atomic_compare_exchange_strong_explicit(cell, ret_seen, new_value,
						       memory_order_seq_cst, memory_order_acquire);
}

static bool compare_slow(struct smap *map, const struct smap_key *key, uintptr_t old,
			 uintptr_t new_value, enum compare_mode mode)
{
	struct smap_hold hold;
	struct place place;
	uintptr_t seen;
	bool done, missed;

	smap_lock(map, &hold);
	place = find_locked(map, key);
	done = is_found(place) && compare_cell(place_cell(map, place), old, new_value, &seen);
	if (done && new_value == SMAP_NIL)
		smap_mark_deleted(map->table, place.index);
	/* Go counts a CompareAndSwap only when it found the key, a CompareAndDelete always. */
	missed = !place.in_read && place.amended && (is_found(place) || mode == COMPARE_AND_DELETE);
	if (missed)
		unlock_missed(map, &hold, key->hash);
	else
		smap_unlock(map);
	return done;
}

SMAP_INLINE bool compare_fast(struct smap *map, const struct smap_key *key, const bool is_u64,
			      uintptr_t old, uintptr_t new_value, enum compare_mode mode)
{
	struct smap_table *table;
	uintptr_t seen;
	bool amended, done;
	smap_cell *cell;

	do {
		cell = find_to_write(map, key, is_u64, &seen, &amended, &table);
		done = cell && seen == old && compare_cell(cell, old, new_value, &seen);
	} while (cell && !done && seen == SMAP_MOVED);
	if (done && new_value == SMAP_NIL)
		mark_cell(map, table, cell);
	if (!cell && amended)
		done = compare_slow(map, key, old, new_value, mode);
	return done;
}

SMAP_INLINE int compare_common(struct smap *map, const struct smap_key *key, const bool is_u64,
			       void *old, void *new_value, enum compare_mode mode)
{
	struct smap_thread *self;
	uint64_t seq;
	bool done;
	int err;

	self = smap_enter(&seq);
	err = retire_begin(map, self, mode == COMPARE_AND_DELETE);
	if (smap_unlikely(err)) {
		smap_exit(self, seq);
		return err;
	}
	done = compare_fast(map, key, is_u64, (uintptr_t)old, (uintptr_t)new_value, mode);
	if (done && mode == COMPARE_AND_DELETE)
		count(&stripe(map, self)->deletes);
	else if (done)
		count(&stripe(map, self)->replaces);
	retire_commit(map, self, done && old != new_value ? (uintptr_t)old : SMAP_NIL);
	smap_exit(self, seq);
	return done;
}

SMAP_PUBLIC int smap_compare_and_swap(struct smap *map, const void *key, size_t len, void *old,
				      void *new_value)
{
	struct smap_key k;

	if (!old || !new_value || !key_bytes(map, key, len, &k))
		return -EINVAL;
	return compare_common(map, &k, false, old, new_value, COMPARE_AND_SWAP);
}

SMAP_PUBLIC int smap_compare_and_swap_u64(struct smap *map, uint64_t key, void *old,
					  void *new_value)
{
	struct smap_key k;

	if (!old || !new_value || !key_u64(map, key, &k))
		return -EINVAL;
	return compare_common(map, &k, true, old, new_value, COMPARE_AND_SWAP);
}

SMAP_PUBLIC bool smap_compare_and_delete(struct smap *map, const void *key, size_t len, void *old)
{
	struct smap_key k;

	return old && key_bytes(map, key, len, &k) &&
	       compare_common(map, &k, false, old, NULL, COMPARE_AND_DELETE) > 0;
}

SMAP_PUBLIC bool smap_compare_and_delete_u64(struct smap *map, uint64_t key, void *old)
{
	struct smap_key k;

	return old && key_u64(map, key, &k) &&
	       compare_common(map, &k, true, old, NULL, COMPARE_AND_DELETE) > 0;
}
