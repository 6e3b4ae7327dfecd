/* SPDX-License-Identifier: MIT */
/*
 * smap_op.h - the pieces that all operations are made of: keys, the lock-free look
 * at read, the look under the mutex, counting, retiring. See smap.c for the model.
 */
#ifndef SMAP_OP_H
#define SMAP_OP_H

#include <errno.h>

#include "smap_filter.h"
#include "smap_view.h"

/* --- keys ----------------------------------------------------------------- */

SMAP_INLINE bool key_u64(const struct smap *map, uint64_t value, struct smap_key *ret_key)
{
	ret_key->hash = smap_hash_u64(map, value);
	ret_key->word[0] = value;
	ret_key->len = 0; /* nothing behind a pointer */
	return smap_likely(map->is_u64);
}

SMAP_INLINE bool key_bytes(const struct smap *map, const void *bytes, size_t len,
			   struct smap_key *ret_key)
{
	if (smap_unlikely(map->is_u64 || len > SMAP_KEY_MAX || (!bytes && len)))
		return false;
	smap_hash_bytes(map, bytes, len, ret_key);
	return true;
}

/* --- the lock-free part ------------------------------------------------------- */

SMAP_INLINE const struct smap_view *load_read(const struct smap *map)
{
	/* Acquire: pairs with the release stores of read in smap_dirty.c and smap_move.c */
	return smap_read_view(atomic_load_explicit(&map->hot.read, memory_order_acquire));
}

SMAP_INLINE uintptr_t load_cell(const smap_cell *cell)
{
	/* Acquire: pairs with the releases that store values (G2) and MOVED (smap_move.c) */
	return atomic_load_explicit(cell, memory_order_acquire);
}

/* After MOVED: the view of the table that the cells went to. */
SMAP_INLINE const struct smap_view *follow(const struct smap_view *view)
{
	/* Acquire: pairs with the release in smap_move.c */
	return atomic_load_explicit(&view->table->next, memory_order_acquire);
}

/*
 * The cell of a key in read, and what was in it: never MOVED. NULL if read does not list the
 * key; *ret_amended says then whether dirty may list it. *ret_table is the table of the cell.
 */
SMAP_INLINE smap_cell *find_read(const struct smap *map, const struct smap_key *key,
				 const bool is_u64, uintptr_t *ret_value, bool *ret_amended,
				 struct smap_table **ret_table)
{
	const struct smap_view *view = load_read(map);
	bool followed = false;

	for (;;) {
		size_t index = smap_view_find(view, key, is_u64);
		smap_cell *cell;

		if (index == SMAP_NOT_FOUND && !followed) {
			*ret_amended = !smap_filter_excludes(view, key->hash);
			return NULL;
		}
		if (index == SMAP_NOT_FOUND) { /* cleared meanwhile: read is new already */
			view = load_read(map);
			followed = false;
			continue;
		}
		cell = is_u64 ? &((struct smap_slot_u64 *)view->slots)[index].cell
			      : &((struct smap_slot_bytes *)view->slots)[index].cell;
		*ret_value = load_cell(cell);
		if (smap_likely(*ret_value != SMAP_MOVED)) {
			*ret_table = view->table;
			*ret_amended = false;
			return cell;
		}
		view = follow(view);
		followed = true;
	}
}

/* Is a snapshot being taken? Asked in the section, by whoever writes without the mutex. */
SMAP_INLINE bool gate_is_closed(const struct smap *map)
{
	/* Acquire: pairs with both changes in smap_snapshot.c; the order after the section word is
	 * the barrier's of the grace period. */
	return smap_unlikely(atomic_load_explicit(&map->hot.gate, memory_order_acquire) != 0);
}

/*
 * As find_read(), for a write: behind a closed gate a cell is not to be had, and the operation goes
 * on under the mutex. What is absent for certain is so all the same: nothing is written.
 */
SMAP_INLINE smap_cell *find_to_write(const struct smap *map, const struct smap_key *key,
				     const bool is_u64, uintptr_t *ret_value, bool *ret_amended,
				     struct smap_table **ret_table)
{
	smap_cell *cell = find_read(map, key, is_u64, ret_value, ret_amended, ret_table);

	if (!cell || !gate_is_closed(map))
		return cell;
	*ret_amended = true;
	return NULL;
}

/* --- under the mutex ---------------------------------------------------------- */

/* Where a key is, and what read says; returned in registers. */
struct place {
	size_t index; /* its slot, or SMAP_NOT_FOUND */
	bool in_read; /* read lists it, not dirty alone */
	bool amended;
};

/*
 * With mu held: the look at read again, and at dirty. Both have one table (V2), so a slot that dirty
 * lists is in read if that lists the same slot. What read lists and dirty does not is
 * expunged, and a LIMBO slot of dirty: where there are none, dirty's answer is enough.
 */
SMAP_INLINE struct place find_locked(const struct smap *map, const struct smap_key *key)
{
	const struct smap_view *read = smap_read_locked(map), *dirty = map->dirty;
	struct place place = {SMAP_NOT_FOUND, false, smap_has_more(read)};

	if (smap_likely(dirty)) {
		place.index = smap_find(map, dirty, key);
		if (place.index != SMAP_NOT_FOUND) {
			place.in_read = !smap_is_empty_view(read) &&
					smap_is_listed(read->ctrl[place.index]);
			return place;
		}
		if (smap_likely(!map->table->has_limbo))
			return place;
	}
	place.index = smap_find(map, read, key);
	place.in_read = place.index != SMAP_NOT_FOUND;
	return place;
}

SMAP_INLINE bool is_found(struct place place)
{
	return place.index != SMAP_NOT_FOUND;
}

/* Of a key that was found. */
SMAP_INLINE smap_cell *place_cell(const struct smap *map, struct place place)
{
	return smap_slot_cell(map, map->table->slots, place.index);
}

/* Count a miss, tell listeners, unlock. */
static inline void unlock_missed(struct smap *map, const struct smap_hold *hold, uint64_t hash)
{
	if (smap_unlikely(hold->start_ticks))
		smap_miss_heard_locked(map, hold, hash);
	else
		smap_miss_locked(map);
	smap_unlock(map);
}

/* --- counting ------------------------------------------------------------------ */

SMAP_INLINE void count(_Atomic smap_u64 *counter)
{
	/* relaxed: counter */
	atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

SMAP_INLINE struct smap_stripe *stripe(struct smap *map, const struct smap_thread *self)
{
	return &map->stripes[self->stripe];
}

/* A value went into the cell that held old. */
SMAP_INLINE void count_store(struct smap *map, const struct smap_thread *self, uintptr_t old)
{
	if (old == SMAP_NIL)
		count(&stripe(map, self)->inserts);
	else
		count(&stripe(map, self)->replaces);
}

/* With mu held, which the last stripe belongs to: no other store comes in between. */
SMAP_INLINE struct smap_stripe *stripe_locked(struct smap *map)
{
	return &map->stripes[SMAP_STRIPES];
}

SMAP_INLINE void count_locked(_Atomic smap_u64 *counter)
{
	/* relaxed: counter */
	uint64_t n = atomic_load_explicit(counter, memory_order_relaxed);

	/* relaxed: counter */
	atomic_store_explicit(counter, n + 1, memory_order_relaxed);
}

SMAP_INLINE void count_store_locked(struct smap *map, uintptr_t old)
{
	if (old == SMAP_NIL)
		count_locked(&stripe_locked(map)->inserts);
	else
		count_locked(&stripe_locked(map)->replaces);
}

/* --- retiring values ------------------------------------------------------------- */

SMAP_INLINE int retire_begin(const struct smap *map, struct smap_thread *self, bool must)
{
	return map->value_free ? smap_retire_begin(self, must) : 0;
}

SMAP_INLINE void retire_commit(struct smap *map, struct smap_thread *self, uintptr_t value)
{
	if (map->value_free)
		smap_retire_commit(self, map, (void *)value);
}

#endif
