/* SPDX-License-Identifier: MIT */
/*
 * smap_move.c - another table for the same entries: growth, compaction, Clear.
 *
 * Moving changes no set: afterwards read and dirty list the same keys, and the
 * counters of the algorithm have not noticed (G3). Only where cells are has
 * changed, while readers and lock-free writers go on using them. Under mu:
 *
 *	build   copy the keys of all listed slots to the new table; the new views
 *	        list them as the old ones do. Entries of dirty alone are known to
 *	        nobody else, so their values come along at once.
 *	close   old->next = the new read view (release), then for each cell of
 *	        read: copy its value to the new cell, compare-and-swap the old one
 *	        to MOVED; if it changed meanwhile, once more. From that swap on the
 *	        new cell is the cell, for everybody: who holds an old view meets
 *	        MOVED and finds the key through next.
 *	publish read = the new view; the old table waits for its grace period.
 *
 * NIL cells are closed like values: otherwise a store could revive one that
 * nobody will look at again (a lost store). EXPUNGED cells are moved too, so
 * that read keeps its length; they can be revived only under mu, in the new table.
 *
 * Where growth promotes (SMAP_GROW_PROMOTES), the new dirty is published instead of
 * the new read, and EXPUNGED cells stay behind: they mean absent for ever.
 *
 * Clear is a move to an empty table in which the view is published before the
 * cells are closed: who meets MOVED then finds nothing through next, looks at
 * read again, and is after the Clear.
 */
#include <errno.h>
#include <stdlib.h>

#include "smap_filter.h"
#include "smap_view.h"

static bool promotes(const struct smap *map)
{
	return (map->state.flags & SMAP_GROW_PROMOTES) != 0;
}

static struct smap_table *table_of(struct smap_node *node)
{
	return (struct smap_table *)(void *)((char *)node - offsetof(struct smap_table, node));
}

static void table_retired(struct smap *map, struct smap_node *node)
{
	smap_table_free(map, table_of(node));
}

/* The values that a Clear took out. */
static void drain_table(struct smap *map, struct smap_node *node)
{
	struct smap_table *table = table_of(node);

	while (table->value_count)
		map->value_free((void *)table->values[--table->value_count], map->ctx);
}

static void retire_table(struct smap *map, struct smap_table *table, uint64_t items)
{
	table->node = (struct smap_node){
		.drain = drain_table, .free = table_retired, .map = map, .items = items};
	smap_retire_node(&table->node);
}

/* Entries that a new table has to have room for, and one more. */
size_t smap_move_listed(const struct smap *map)
{
	return smap_read_locked(map)->len + map->dirty_only + 1;
}

/* Room for half as many again as are listed; small tables double. After many deletes: less. */
size_t smap_move_entries(const struct smap *map, size_t listed)
{
	size_t wanted = listed < 1024 ? listed * 2 : listed + listed / 2;

#ifdef SMAP_STRESS /* a build that moves as often as it can */
	wanted = listed;
#endif

	return wanted > map->state.initial_dirty ? wanted : map->state.initial_dirty;
}

/* Allocate all that a move needs, to be written now or later. 0 or -ENOMEM. */
int smap_move_alloc(const struct smap *map, size_t entries, bool now, struct smap_move *ret_move)
{
	struct smap_move m = {.table = smap_table_alloc(map, entries)};

	if (!m.table)
		return -ENOMEM;
	m.read = smap_view_alloc(m.table, now);
	m.dirty = smap_view_alloc(m.table, now);
	if (!m.read || !m.dirty) {
		smap_view_free(m.read);
		smap_view_free(m.dirty);
		smap_table_free(NULL, m.table);
		return -ENOMEM;
	}
	if (now)
		smap_block_populate(m.table, m.table->bytes, 0, m.table->bytes);
	*ret_move = m;
	return 0;
}

/* With mu held. 0 or -ENOMEM. */
int smap_move_prepare(struct smap *map, struct smap_move *ret_move)
{
	if (smap_ahead_take_locked(map, ret_move))
		return 0;
	return smap_move_alloc(map, smap_move_entries(map, smap_move_listed(map)), true, ret_move);
}

/*
 * As smap_view_take(), by a word for each group that says which slots are taken: its control bytes
 * need not be read while they are written.
 */
SMAP_INLINE size_t take_next(struct smap_view *view, uint16_t *taken, uint64_t hash)
{
	size_t slot = smap_home(view->capacity, hash), index;

	while (smap_unlikely(taken[slot / SMAP_GROUP] == UINT16_MAX)) {
		view->overflow[slot / SMAP_GROUP] |= smap_overflow_bit(hash);
		slot = smap_next_group(view, slot);
	}
	index = smap_nearest(view->table, slot, (uint16_t)~taken[slot / SMAP_GROUP]);
	taken[slot / SMAP_GROUP] |= (uint16_t)(1U << index % SMAP_GROUP);
	return index;
}

/* The hash of the key in a slot: as smap_slot_key(), and quicker for most. */
SMAP_INLINE uint64_t slot_hash(const struct smap *map, size_t index, const bool is_u64)
{
	struct smap_key key;

	if (is_u64)
		return smap_hash_u64(map, ((struct smap_slot_u64 *)map->table->slots)[index].key);
	if (smap_likely(!map->hash)) {
		const struct smap_slot_bytes *slot =
			&((struct smap_slot_bytes *)map->table->slots)[index];

		if (smap_likely(slot->len <= SMAP_INLINE_KEY))
			return smap_hot_hash_words(&map->hot, slot->word, slot->len);
	}
	smap_slot_key(map, map->table, index, &key);
	return key.hash;
}

/* A key as it stands in its slot: a long one's memory belongs to the new slot then. */
SMAP_INLINE void copy_slot_key(const struct smap_table *old, size_t from, struct smap_table *table,
			       size_t to, const bool is_u64)
{
	const struct smap_slot_bytes *source;
	struct smap_slot_bytes *slot;

	if (is_u64) {
		((struct smap_slot_u64 *)table->slots)[to].key =
			((struct smap_slot_u64 *)old->slots)[from].key;
		return;
	}
	source = &((struct smap_slot_bytes *)old->slots)[from];
	slot = &((struct smap_slot_bytes *)table->slots)[to];
	slot->word[0] = source->word[0];
	slot->word[1] = source->word[1];
	slot->len = source->len;
}

/*
 * Carry one listed slot over. `dirty` of the new table decides about places, so every slot is
 * taken there; what dirty does not list becomes LIMBO. The overflow words are dirty's too.
 */
SMAP_INLINE void carry(struct smap *map, struct smap_move *m, size_t from, bool in_read,
		       bool in_dirty, const bool is_u64)
{
	uint64_t hash = slot_hash(map, from, is_u64);
	size_t to = take_next(m->dirty, m->read->overflow, hash);
	uintptr_t value = from; /* until close, the new cell of an entry of read says whence */

	copy_slot_key(map->table, from, m->table, to, is_u64);
	if (in_read)
		m->read->ctrl[to] = smap_tag(hash);
	m->read->len += in_read;
	m->dirty->ctrl[to] = in_dirty ? smap_tag(hash) : SMAP_CTRL_LIMBO;
	m->dirty->len += in_dirty;
	if (!in_read) {
		/* relaxed: an entry of dirty alone, only under mu */
		value = atomic_load_explicit(slot_cell(map->dirty->slots, from, is_u64),
					     memory_order_relaxed);
		if (smap_unlikely(value == SMAP_NIL))
			smap_mark_deleted(m->table, to);
	}
	/* relaxed: published by close() or with the view */
	atomic_store_explicit(slot_cell(m->table->slots, to, is_u64), value, memory_order_relaxed);
}

/* All that one group of the old table lists. */
SMAP_INLINE void carry_group(struct smap *map, struct smap_move *m, const struct smap_view *read,
			     size_t first, const bool is_u64)
{
	struct smap_view *dirty = map->dirty;
	uint32_t in_dirty = smap_group_listed(dirty->ctrl + first);
	uint32_t in_read = read ? smap_group_listed(read->ctrl + first) : 0;
	uint32_t expunged = promotes(map) ? 0 : in_read & ~in_dirty;

	for (uint32_t mask = in_dirty | expunged; mask; mask &= mask - 1) {
		unsigned i = (unsigned)__builtin_ctz(mask);

		carry(map, m, first + i, in_read >> i & 1, in_dirty >> i & 1, is_u64);
		m->table->growth_left--;
	}
	if (smap_likely(!expunged))
		return;
	m->table->has_limbo = true;
	m->table->limbo_ticket = SMAP_NO_TICKET;
	/* What stays LIMBO in the old dirty owns a key that goes with the old table. */
	for (; expunged; expunged &= expunged - 1)
		dirty->ctrl[first + (unsigned)__builtin_ctz(expunged)] = SMAP_CTRL_EMPTY;
}

/* Fill the new table and make it the map's dirty; read is still the old one. */
void smap_move_build(struct smap *map, struct smap_move *m)
{
	struct smap_view *read = smap_read_locked(map), *dirty = map->dirty;
	size_t slots = (size_t)dirty->groups * SMAP_GROUP;

	memset(m->read->ctrl, SMAP_CTRL_EMPTY, smap_ctrl_bytes(m->read->groups));
	memset(m->dirty->ctrl, SMAP_CTRL_EMPTY, smap_ctrl_bytes(m->dirty->groups));
	m->table->long_keys = map->table->long_keys;
	if (smap_is_empty_view(read))
		read = NULL;
	for (size_t first = 0; first < slots; first += SMAP_GROUP)
		if (map->is_u64)
			carry_group(map, m, read, first, true);
		else
			carry_group(map, m, read, first, false);
	memcpy(m->read->overflow, m->dirty->overflow, m->read->groups * sizeof(uint16_t));
	m->old = map->table;
	m->old->dead = dirty;
	map->dirty = m->dirty;
	map->table = m->table;
	map->state.growths++;
}

/* Move one cell of read from under the hands of those who use it. */
SMAP_INLINE void close_cell(const struct smap_view *old_read, struct smap_move *m, size_t to,
			    const bool is_u64)
{
	smap_cell *cell = slot_cell(m->table->slots, to, is_u64);
	/* relaxed: our own mark from carry() */
	smap_cell *old = slot_cell(old_read->slots,
				   atomic_load_explicit(cell, memory_order_relaxed), is_u64);
	/* Acquire: pairs with the stores of values in smap.c (G2 for who finds it here) */
	uintptr_t value = atomic_load_explicit(old, memory_order_acquire);

	do {
		/* relaxed: published by the compare-and-swap */
		atomic_store_explicit(cell, value, memory_order_relaxed);
		/* Release: pairs with the acquire loads that meet MOVED in smap.c; who sees
		 * it sees the value in the new cell. Acquire: as above. */
	} while (!atomic_compare_exchange_strong_explicit(
		old, &value, SMAP_MOVED, memory_order_acq_rel, memory_order_acquire));
	if (value == SMAP_NIL)
		smap_mark_deleted(m->table, to);
}

static void close_cells(const struct smap *map, const struct smap_view *old_read,
			struct smap_move *m)
{
	for (size_t first = 0; first < (size_t)m->read->groups * SMAP_GROUP; first += SMAP_GROUP) {
		uint32_t mask = smap_group_listed(m->read->ctrl + first);

		for (; mask; mask &= mask - 1) {
			size_t to = first + (unsigned)__builtin_ctz(mask);

			if (map->is_u64)
				close_cell(old_read, m, to, true);
			else
				close_cell(old_read, m, to, false);
		}
	}
}

/* Close the old table and publish; after the new key was added to the new dirty. */
void smap_move_finish(struct smap *map, struct smap_move *m)
{
	struct smap_view *old_read = smap_read_locked(map);
	struct smap_view *next = promotes(map) ? m->dirty : m->read;
	struct smap_table *old = m->old;

	if (!smap_is_empty_view(old_read)) {
		/* Release: pairs with the acquire in smap.c:follow(). Publishes the new views. */
		atomic_store_explicit(&old->next, next, memory_order_release);
		close_cells(map, old_read, m);
	}
	if (promotes(map)) {
		smap_view_free(m->read);
		smap_flush_batch_locked(map);
		smap_promote_locked(map, SMAP_REASON_grow);
	} else if (smap_is_empty_view(old_read)) {
		smap_view_free(m->read); /* readers have been sent to dirty already */
	} else {
		/* relaxed: a filter goes with the new view, which is not published yet */
		atomic_store_explicit(&m->read->more,
				      atomic_load_explicit(&old_read->more, memory_order_relaxed),
				      memory_order_relaxed);
		/* Release: pairs with the acquire loads of read in smap.c (I6). Publishes the new
		 * view, the old one goes with its table. */
		atomic_store_explicit(&map->hot.read, (uintptr_t)m->read, memory_order_release);
		old->read = old_read;
	}
	retire_table(map, old, 1);
}

/* --- Clear -------------------------------------------------------------------- */

struct clearing {
	struct smap_table *table; /* for the emptied dirty, if there is one */
	struct smap_view *dirty;
	uintptr_t *values; /* to be freed, with value_free */
	size_t value_count, deleted;
};

static int clear_prepare(struct smap *map, struct clearing *c)
{
	size_t listed = smap_read_locked(map)->len + map->dirty_only;

	*c = (struct clearing){0};
	if (map->dirty) {
		c->table = smap_table_alloc(map, map->state.initial_dirty);
		c->dirty = c->table ? smap_view_alloc(c->table, true) : NULL;
		if (!c->dirty)
			goto nomem;
		memset(c->dirty->ctrl, SMAP_CTRL_EMPTY, smap_ctrl_bytes(c->dirty->groups));
	}
	if (map->value_free && listed) {
		c->values = malloc(listed * sizeof(*c->values));
		if (!c->values)
			goto nomem;
	}
	return 0;
nomem:
	smap_view_free(c->dirty);
	smap_table_free(map, c->table);
	return -ENOMEM;
}

/* Take the value out of each listed cell; from then on the cell says MOVED. */
static void clear_cells(struct smap *map, const struct smap_view *read,
			const struct smap_view *dirty, struct clearing *c)
{
	const struct smap_view *shape = dirty ? dirty : read;

	for (size_t i = 0; i < (size_t)shape->groups * SMAP_GROUP; i++) {
		uintptr_t value;

		if (!(!smap_is_empty_view(read) && smap_is_listed(read->ctrl[i])) &&
		    !(dirty && smap_is_listed(dirty->ctrl[i])))
			continue;
		/* Acquire/release: pairs with the compare-and-swaps in smap.c: a store that comes
		 * first is cleared, one that comes later is after the Clear (G5, R3). */
		value = atomic_exchange_explicit(smap_slot_cell(map, shape->slots, i), SMAP_MOVED,
						 memory_order_acq_rel);
		if (!smap_is_value(value))
			continue;
		c->deleted++;
		if (c->values)
			c->values[c->value_count++] = value;
	}
}

int smap_clear_locked(struct smap *map, size_t *ret_deleted)
{
	struct smap_view *read = smap_read_locked(map);
	struct smap_table *old = map->table;
	struct clearing c;

	if (clear_prepare(map, &c))
		return -ENOMEM;
	smap_more_drop_locked(map);
	smap_ahead_drop(map);
	if (old)
		/* Release: pairs with the acquire in smap.c:follow(). */
		atomic_store_explicit(&old->next, &map->empty.view, memory_order_release);
	/* Release: pairs with the acquire loads of read in smap.c; before the cells are closed,
	 * so that who meets MOVED and looks again finds the new view (P1). */
	atomic_store_explicit(&map->hot.read, (uintptr_t)&map->empty.view, memory_order_release);
	smap_more_none_locked(map); /* after that: M1 */
	if (old) {
		clear_cells(map, read, map->dirty, &c);
		old->values = c.values;
		old->value_count = c.value_count;
		old->read = read;
		old->dead = map->dirty ? map->dirty : read;
		old->free_all = true;
		retire_table(map, old, 1 + c.value_count);
	}
	map->table = c.table;
	map->dirty = c.dirty;
	map->dirty_only = 0;
	map->state.miss_count = 0;
	map->state.dirty_since_ns = 0;
	map->state.epoch++;
	smap_refresh_locked(map);
	*ret_deleted = c.deleted;
	return 0;
}
