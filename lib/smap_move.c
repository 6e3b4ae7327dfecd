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

static struct smap_view *current_read(const struct smap *map)
{
	/* relaxed: written under mu, which we hold */
	return smap_read_view(atomic_load_explicit(&map->hot.read, memory_order_relaxed));
}

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

/* Room for half as many again as are listed; small tables double. After many deletes: less. */
static size_t wanted_entries(const struct smap *map)
{
	size_t listed = current_read(map)->len + map->dirty_only + 1;
	size_t wanted = listed < 1024 ? listed * 2 : listed + listed / 2;

#ifdef SMAP_STRESS /* a build that moves as often as it can */
	wanted = listed;
#endif

	return wanted > map->state.initial_dirty ? wanted : map->state.initial_dirty;
}

/* Allocate all that a move needs. 0 or -ENOMEM. */
int smap_move_prepare(struct smap *map, struct smap_move *ret_move)
{
	struct smap_move m = {.table = smap_table_alloc(map, wanted_entries(map))};

	if (!m.table)
		return -ENOMEM;
	m.read = smap_view_alloc(m.table);
	m.dirty = smap_view_alloc(m.table);
	if (!m.read || !m.dirty) {
		smap_view_free(m.read);
		smap_view_free(m.dirty);
		smap_table_free(map, m.table);
		return -ENOMEM;
	}
	*ret_move = m;
	return 0;
}

/*
 * Carry one listed slot over. `dirty` of the new table decides about places, so every slot is
 * taken there; what dirty does not list becomes LIMBO. The overflow words are dirty's too.
 */
static void carry(struct smap *map, struct smap_move *m, size_t from, bool in_read, bool in_dirty)
{
	struct smap_table *old = map->table;
	struct smap_key key;
	void *copy = NULL;
	uintptr_t value = from; /* until close, the new cell of an entry of read says whence */
	size_t to;

	smap_slot_key(map, old, from, &key);
	if (key.len > SMAP_INLINE_KEY)
		copy = (void *)(uintptr_t)key.bytes;
	to = smap_view_take(m->dirty, key.hash);
	smap_slot_set_key(map, m->table, to, &key, copy);
	m->read->ctrl[to] = in_read ? smap_tag(key.hash) : SMAP_CTRL_EMPTY;
	m->read->len += in_read;
	if (!in_dirty) {
		m->dirty->ctrl[to] = SMAP_CTRL_LIMBO;
		m->dirty->len--;
		m->table->has_limbo = true;
		m->table->limbo_ticket = SMAP_NO_TICKET;
	}
	if (!in_read) {
		/* relaxed: an entry of dirty alone, only under mu */
		value = atomic_load_explicit(smap_slot_cell(map, old->slots, from),
					     memory_order_relaxed);
		if (value == SMAP_NIL)
			smap_mark_deleted(m->table, to);
	}
	/* relaxed: published by close() or with the view */
	atomic_store_explicit(smap_slot_cell(map, m->table->slots, to), value,
			      memory_order_relaxed);
}

/* Fill the new table and make it the map's dirty; read is still the old one. */
void smap_move_build(struct smap *map, struct smap_move *m)
{
	struct smap_view *read = current_read(map), *dirty = map->dirty;
	size_t slots = (size_t)dirty->groups * SMAP_GROUP;
	bool has_read = !smap_is_empty_view(read);

	memset(m->read->ctrl, SMAP_CTRL_EMPTY, m->read->groups * SMAP_GROUP);
	memset(m->dirty->ctrl, SMAP_CTRL_EMPTY, smap_ctrl_bytes(m->dirty->groups));
	for (size_t i = 0; i < slots; i++) {
		bool in_read = has_read && smap_is_listed(read->ctrl[i]);
		bool in_dirty = smap_is_listed(dirty->ctrl[i]);

		if (in_dirty || (in_read && !promotes(map)))
			carry(map, m, i, in_read, in_dirty);
		/* What stays LIMBO in the old dirty owns a key that goes with the old table. */
		if (in_read && !in_dirty && !promotes(map))
			dirty->ctrl[i] = SMAP_CTRL_EMPTY;
	}
	memcpy(m->read->overflow, m->dirty->overflow, m->read->groups * sizeof(uint16_t));
	m->old = map->table;
	m->old->dead = dirty;
	map->dirty = m->dirty;
	map->table = m->table;
	map->state.growths++;
}

/* Move the cells of read, one by one, from under the hands of those who use them. */
static void close_cells(struct smap *map, const struct smap_view *old_read, struct smap_move *m)
{
	for (size_t to = 0; to < (size_t)m->read->groups * SMAP_GROUP; to++) {
		smap_cell *cell, *old;
		uintptr_t value;

		if (!smap_is_listed(m->read->ctrl[to]))
			continue;
		cell = smap_slot_cell(map, m->table->slots, to);
		/* relaxed: our own mark from carry() */
		old = smap_slot_cell(map, old_read->slots,
				     atomic_load_explicit(cell, memory_order_relaxed));
		/* Acquire: pairs with the stores of values in smap.c (G2 for who finds it here) */
		value = atomic_load_explicit(old, memory_order_acquire);
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
}

/* Close the old table and publish; after the new key was added to the new dirty. */
void smap_move_finish(struct smap *map, struct smap_move *m)
{
	struct smap_view *old_read = current_read(map);
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
		smap_view_free(m->read);
		/* Release: pairs with the acquire loads of read in smap.c (I6). */
		atomic_store_explicit(&map->hot.read, (uintptr_t)old_read | SMAP_AMENDED,
				      memory_order_release);
	} else {
		/* relaxed: the filter, if any, goes with the new view, which is not published yet */
		atomic_store_explicit(&m->read->filter,
				      atomic_load_explicit(&old_read->filter, memory_order_relaxed),
				      memory_order_relaxed);
		/* Release: as above; publishes the new view, the old one goes with its table. */
		atomic_store_explicit(&map->hot.read, (uintptr_t)m->read | SMAP_AMENDED,
				      memory_order_release);
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
	size_t listed = current_read(map)->len + map->dirty_only;

	*c = (struct clearing){0};
	if (map->dirty) {
		c->table = smap_table_alloc(map, map->state.initial_dirty);
		c->dirty = c->table ? smap_view_alloc(c->table) : NULL;
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
	struct smap_view *read = current_read(map);
	struct smap_table *old = map->table;
	struct clearing c;

	if (clear_prepare(map, &c))
		return -ENOMEM;
	smap_filter_drop_locked(map);
	if (old)
		/* Release: pairs with the acquire in smap.c:follow(). */
		atomic_store_explicit(&old->next, &map->empty.view, memory_order_release);
	/* Release: pairs with the acquire loads of read in smap.c; before the cells are closed,
	 * so that who meets MOVED and looks again finds the new view (P1). */
	atomic_store_explicit(&map->hot.read, (uintptr_t)&map->empty.view, memory_order_release);
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
