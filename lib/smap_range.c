/* SPDX-License-Identifier: MIT */
/*
 * smap_range.c - Range and Clear.
 *
 * Range looks at one published view from beginning to end, promoting dirty first
 * if it has new keys. A view lists no key twice (G4). Cells are read as they are at
 * that moment; one that has MOVED is looked up by its key like in any load. The
 * whole walk is one read section, so that keys and values stay valid; fn runs
 * without a lock.
 */
#include "smap_op.h"

/* The view to walk: read, after a promotion if there are new keys in dirty. */
static const struct smap_view *view_to_walk(struct smap *map)
{
	const struct smap_view *view = load_read(map);
	struct smap_hold hold;

	if (!smap_has_more(view))
		return view;
	smap_lock(map, &hold);
	if (smap_has_more(smap_read_locked(map))) {
		smap_flush_batch_locked(map);
		smap_promote_locked(map, SMAP_REASON_range);
	}
	view = smap_read_locked(map);
	smap_unlock(map);
	return view;
}

/* The value of a listed slot now; NULL if the key is absent. */
static void *value_now(struct smap *map, const struct smap_view *view, size_t index,
		       const struct smap_key *key)
{
	uintptr_t value = load_cell(smap_slot_cell(map, view->slots, index));
	struct smap_table *table;
	bool amended;

	if (smap_unlikely(value == SMAP_MOVED)) {
		const struct smap_view *next = follow(view);

		index = smap_find(map, next, key);
		if (index == SMAP_NOT_FOUND)
			return NULL; /* cleared */
		value = load_cell(smap_slot_cell(map, next->slots, index));
		if (value == SMAP_MOVED &&
		    !(map->is_u64 ? find_read(map, key, true, &value, &amended, &table)
				  : find_read(map, key, false, &value, &amended, &table)))
			return NULL;
	}
	return smap_is_value(value) ? (void *)value : NULL;
}

struct walk {
	smap_range_fn bytes;
	smap_range_u64_fn u64;
	void *ctx;
};

static bool visit(struct smap *map, const struct smap_view *view, size_t index,
		  const struct walk *walk)
{
	struct smap_key key;
	void *value;

	smap_slot_key(map, view->table, index, &key);
	value = value_now(map, view, index, &key);
	if (!value)
		return true;
	if (walk->u64)
		return walk->u64(key.word[0], value, walk->ctx);
	/* A short key's bytes are in the slot, not in our copy: they outlive this call. */
	return walk->bytes(key.bytes, key.len, value, walk->ctx);
}

static void range_common(struct smap *map, const struct walk *walk)
{
	const struct smap_view *view;
	uint64_t seq;
	struct smap_thread *self = smap_enter(&seq);

	view = view_to_walk(map);
	for (size_t g = 0; g < view->groups; g++) {
		uint32_t mask = smap_group_listed(view->ctrl + g * SMAP_GROUP);

		for (; mask; mask &= mask - 1)
			if (!visit(map, view, g * SMAP_GROUP + (unsigned)__builtin_ctz(mask), walk))
				goto out;
	}
out:
	smap_exit(self, seq);
}

SMAP_PUBLIC void smap_range(struct smap *map, smap_range_fn fn, void *ctx)
{
	const struct walk walk = {.bytes = fn, .ctx = ctx};

	if (!map->is_u64)
		range_common(map, &walk);
}

SMAP_PUBLIC void smap_range_u64(struct smap *map, smap_range_u64_fn fn, void *ctx)
{
	const struct walk walk = {.u64 = fn, .ctx = ctx};

	if (map->is_u64)
		range_common(map, &walk);
}

SMAP_PUBLIC int smap_clear(struct smap *map)
{
	struct smap_thread *self;
	struct smap_hold hold;
	size_t deleted = 0;
	const struct smap_view *view;
	uint64_t seq;
	int err;

	self = smap_enter(&seq); /* for the look at the view */
	view = load_read(map);
	if (!view->len && !smap_has_more(view)) {
		smap_exit(self, seq);
		return 0;
	}
	smap_lock(map, &hold);
	err = smap_clear_locked(map, &deleted);
	/* relaxed: counter; under mu, so that the child of a fork has it */
	atomic_fetch_add_explicit(&stripe(map, self)->deletes, deleted, memory_order_relaxed);
	smap_unlock(map);
	smap_exit(self, seq);
	return err;
}
