/* SPDX-License-Identifier: MIT */
/*
 * smap_dirty.c - promotion, rebuild, new keys: what happens under the mutex.
 *
 * The transitions are Go's, over two sets of slot numbers instead of two hash
 * tables of pointers:
 *
 *	miss       Go's missLocked: count; at the threshold, promote
 *	promote    read = dirty, dirty = none; the old read goes to reclamation
 *	rebuild    Go's dirtyLocked: dirty = copy of read's control bytes, then each
 *	           NIL cell becomes EXPUNGED and its slot LIMBO in dirty
 *	unexpunge  the slot is listed again in dirty
 *	insert     a free slot gets the key, and dirty lists it
 *
 * The sweep for NIL cells visits only groups with a bit in table->deleted (V6),
 * so a rebuild costs a byte copy per slot plus work per deleted entry.
 *
 * LIMBO: an expunged slot is listed by the read of its time, and by no later one.
 * At the next promotion that read is retired, and a ticket drawn; a rebuild that
 * finds the ticket over makes the slots free again. There is one ticket per
 * table, and newer LIMBO slots put it off: where promotions come faster than grace
 * periods, they pile up until growth_left is used and the table is moved, which
 * drops them.
 */
#include <errno.h>
#include <stdlib.h>

#include "smap_filter.h"
#include "smap_view.h"

/* All derived figures of the state; after another view or table came. */
void smap_refresh_locked(struct smap *map)
{
	struct smap_state *state = &map->state;
	const struct smap_view *read = smap_read_locked(map);

	state->read_len = read->len;
	state->has_dirty = map->dirty != NULL;
	smap_refresh_dirty_locked(map);
	state->slots = map->table ? (uint64_t)map->table->groups * SMAP_GROUP : 0;
	state->table_bytes = (map->table ? map->table->bytes : 0) +
			     (smap_is_empty_view(read) ? 0 : smap_view_bytes(read)) +
			     (map->dirty ? smap_view_bytes(map->dirty) : 0) + smap_ahead_bytes(map);
}

void smap_promote_locked(struct smap *map, enum smap_reason reason)
{
	struct smap_state *state = &map->state;
	struct smap_view *fresh = map->dirty, *old = smap_read_locked(map);
	uint64_t misses = state->miss_count, now = smap_now_ns();
	uint64_t age = state->dirty_since_ns ? now - state->dirty_since_ns : 0;

	smap_more_drop_locked(map);
	/* Release: pairs with the acquire loads of read in smap.c. Publishes the control bytes
	 * and the keys of the new slots; without it a reader could match garbage (G1). */
	atomic_store_explicit(&map->hot.read, (uintptr_t)fresh, memory_order_release);
	map->dirty = NULL;
	map->dirty_only = 0;
	if (fresh->table->has_limbo && fresh->table->limbo_ticket == SMAP_NO_TICKET)
		fresh->table->limbo_ticket = smap_ticket();
	if (!smap_is_empty_view(old)) {
		old->node.map = map;
		smap_retire_node(&old->node);
	}

	state->counters.promotions++;
	state->epoch++;
	state->miss_count = 0;
	state->dirty_since_ns = 0;
	state->last_promote_ns = now;
	smap_policy_sample(map, now);
	smap_refresh_locked(map);
	smap_fire(promote, (uintptr_t)map, state->epoch, fresh->len, misses, age, reason);
}

/* A miss has reached the threshold, or the end of a narrow counter. */
void smap_miss_promotes_locked(struct smap *map)
{
	struct smap_state *state = &map->state;

	if (smap_miss_wraps(state)) {
		/* The counter wraps to 0 and would never reach a larger threshold. */
		state->counters.overflows++;
		smap_fire(overflow, (uintptr_t)map);
		smap_promote_locked(map, SMAP_REASON_overflow);
	} else {
		smap_promote_locked(map, SMAP_REASON_misses);
	}
}

/* Expunge the NIL cells of one group; returns how many. */
static size_t sweep_group(struct smap *map, const struct smap_view *read, struct smap_view *dirty,
			  size_t group)
{
	uint32_t mask = smap_group_listed(read->ctrl + group * SMAP_GROUP);
	size_t count = 0;

	for (; mask; mask &= mask - 1) {
		size_t index = group * SMAP_GROUP + (unsigned)__builtin_ctz(mask);
		smap_cell *cell = smap_slot_cell(map, read->slots, index);
		uintptr_t nil = SMAP_NIL;

		/* seq_cst: the look at the cell after taking the bit, see smap_mark_deleted() */
		if (atomic_load_explicit(cell, memory_order_seq_cst) != SMAP_NIL)
			continue;
		/* Acquire/release: pairs with the compare-and-swaps in smap.c. A store that comes
		 * first wins, and the entry is copied (R1). */
		if (!atomic_compare_exchange_strong_explicit(
			    cell, &nil, SMAP_EXPUNGED, memory_order_acq_rel, memory_order_relaxed))
			continue;
		dirty->ctrl[index] = SMAP_CTRL_LIMBO;
		count++;
		if (smap_listening(expunge)) {
			struct smap_key key;

			smap_slot_key(map, read->table, index, &key);
			smap_fire(expunge, (uintptr_t)map, key.hash);
		}
	}
	return count;
}

static size_t sweep(struct smap *map, const struct smap_view *read, struct smap_view *dirty)
{
	struct smap_table *table = read->table;
	size_t count = 0;

	for (size_t w = 0; w < (table->groups + 63) / 64; w++) {
		uint64_t bits;

		/* relaxed: a bit set from now on is found by the next sweep */
		if (!atomic_load_explicit(&table->deleted[w], memory_order_relaxed))
			continue;
		/* seq_cst: pairs with smap_mark_deleted(); see there. */
		bits = atomic_exchange_explicit(&table->deleted[w], 0, memory_order_seq_cst);
		for (; bits; bits &= bits - 1)
			count += sweep_group(map, read, dirty,
					     w * 64 + (unsigned)__builtin_ctzll(bits));
	}
	return count;
}

/* Go's dirtyLocked. `dirty` was allocated by the caller, in alloc_ns: this cannot fail. */
static void rebuild_locked(struct smap *map, struct smap_view *dirty, uint64_t alloc_ns)
{
	struct smap_state *state = &map->state;
	const struct smap_view *read = smap_read_locked(map);
	uint64_t start = smap_now_ns(), copied = 0, expunged = 0;

	if (smap_is_empty_view(read)) {
		memset(dirty->ctrl, SMAP_CTRL_EMPTY, smap_ctrl_bytes(dirty->groups));
	} else {
		memcpy(dirty->ctrl, read->ctrl, smap_ctrl_bytes(dirty->groups));
		if (map->table->has_limbo && smap_ticket_over(map->table->limbo_ticket))
			smap_view_recycle(map, dirty);
		expunged = sweep(map, read, dirty);
		copied = read->len - expunged;
	}
	if (expunged) {
		map->table->has_limbo = true;
		map->table->limbo_ticket = SMAP_NO_TICKET; /* until the promotion */
	}
	dirty->len = copied;
	map->dirty = dirty;
	map->dirty_only = 0;

	start = smap_now_ns() - start;
	state->counters.rebuilds++;
	state->counters.copied += copied;
	state->counters.expunged += expunged;
	state->rebuild_ns += start;
	if (state->policy == SMAP_POLICY_COST)
		smap_policy_rebuilt(map, alloc_ns + start);
	smap_fire(rebuild, (uintptr_t)map, state->epoch, copied, expunged, start);
}

void smap_unexpunge_locked(struct smap *map, size_t index, const struct smap_key *key)
{
	/* Release: pairs with the acquire of whoever stores into the cell next. Only mu's
	 * holder changes EXPUNGED, so a store is enough. */
	atomic_store_explicit(smap_slot_cell(map, map->dirty->slots, index), SMAP_NIL,
			      memory_order_release);
	map->dirty->ctrl[index] = smap_tag(key->hash);
	map->dirty->len++;
}

struct reserve {
	void *copy;		  /* of a long key */
	struct smap_table *table; /* the very first */
	struct smap_view *dirty;
	uint64_t alloc_ns; /* what it took to get dirty */
	struct smap_move move;
	bool moves;
};

/* Everything that the insertion needs, before anything is changed (G7). */
static int reserve(struct smap *map, const struct smap_key *key, struct reserve *r)
{
	struct smap_table *table = map->table;

	if (smap_slot_copy_key(key, &r->copy))
		return -ENOMEM;
	if (!table) {
		size_t entries =
			map->state.initial_dirty ? map->state.initial_dirty : SMAP_LOAD(SMAP_GROUP);

		table = r->table = smap_table_alloc(map, entries);
		if (!table)
			return -ENOMEM;
	}
	if (!map->dirty) {
		r->alloc_ns = smap_now_ns();
		r->dirty = smap_view_alloc(table, true);
		if (!r->dirty)
			return -ENOMEM;
		r->alloc_ns = smap_now_ns() - r->alloc_ns;
	}
	r->moves = table->growth_left == 0 || smap_table_is_stale(table);
	return r->moves ? smap_move_prepare(map, &r->move) : 0;
}

/* Is there a dirty, a free slot for the key, and nothing to allocate or to make ready? */
static bool has_room(const struct smap *map, const struct smap_key *key)
{
	return map->dirty && map->table->growth_left > map->table->ahead_at &&
	       key->len <= SMAP_INLINE_KEY && !smap_table_is_stale(map->table);
}

SMAP_INLINE void add_key(struct smap *map, const struct smap_key *key, void *copy, void *value)
{
	size_t index = smap_view_take(map->dirty, key->hash);

	smap_slot_set_key(map, map->table, index, key, copy);
	/* relaxed: published with the slot by the next promotion, or read under mu */
	atomic_store_explicit(smap_slot_cell(map, map->dirty->slots, index), (uintptr_t)value,
			      memory_order_relaxed);
	map->dirty_only++;
	map->state.new_keys++;
	if (smap_unlikely(!map->state.dirty_since_ns))
		map->state.dirty_since_ns = smap_now_ns();
	if ((map->state.flags & SMAP_ABSENT_FILTER) || !smap_has_more(smap_read_locked(map)))
		smap_more_add_locked(map, key->hash); /* before mu is released (I6) */
}

/* The same where something has to be allocated or moved for it. */
static __attribute__((noinline)) int insert_reserved(struct smap *map, const struct smap_key *key,
						     void *value)
{
	struct reserve r = {0};

	if (map->dirty && map->table->growth_left <= map->table->ahead_at)
		smap_ahead_step_locked(map);
	if (reserve(map, key, &r)) {
		free(r.copy);
		smap_view_free(r.dirty);
		smap_table_free(map, r.table);
		return -ENOMEM;
	}
	if (r.table)
		map->table = r.table;
	if (r.dirty)
		rebuild_locked(map, r.dirty, r.alloc_ns);
	if (r.moves)
		smap_move_build(map, &r.move);
	add_key(map, key, r.copy, value);
	if (r.moves)
		smap_move_finish(map, &r.move);
	if (r.table || r.dirty || r.moves)
		smap_refresh_locked(map);
	else
		smap_refresh_dirty_locked(map);
	return 0;
}

/* Add a key that neither read nor dirty lists. 0 or -ENOMEM, and then nothing has changed. */
int smap_insert_locked(struct smap *map, const struct smap_key *key, void *value)
{
	if (smap_unlikely(!has_room(map, key)))
		return insert_reserved(map, key, value);
	add_key(map, key, NULL, value);
	smap_refresh_dirty_locked(map);
	return 0;
}
