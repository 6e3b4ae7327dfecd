/* SPDX-License-Identifier: MIT */
/*
 * smap_view.c - tables and views as memory: allocating, taking and giving back
 * slots, freeing with the keys that belong to them.
 *
 * Ownership of long keys: a slot owns its key from smap_slot_set_key() until it
 * is dropped (dirty only: at once), recycled (LIMBO -> DELETED, after its grace
 * period), moved to another table (the new slot owns it), or its table is
 * freed. smap_table.dead says which slots of a closed table still own one.
 */
#include <errno.h>
#include <stdlib.h>

#include "smap_internal.h"
#include "smap_view.h"

const char smap_marks[2] = {0, 0};

/*
 * The view of nothing is a part of the map and comes back with each Clear. Who holds it from
 * before and meets the `more` of a later time is right to answer "absent": the Clear
 * came in between (M1).
 */
void smap_empty_init(struct smap_empty *empty)
{
	empty->view.groups = 1;
	empty->view.capacity = SMAP_GROUP;
	empty->view.overflow = empty->overflow;
	memset(empty->ctrl, SMAP_CTRL_EMPTY, sizeof(empty->ctrl));
}

static size_t round_up(size_t n, size_t to)
{
	return (n + to - 1) / to * to;
}

size_t smap_view_bytes(const struct smap_view *view)
{
	return round_up(sizeof(*view) + smap_ctrl_bytes(view->groups), SMAP_CACHE_LINE);
}

void smap_view_free(struct smap_view *view)
{
	if (view)
		smap_block_free(view, smap_view_bytes(view));
}

static void view_retired(struct smap *map, struct smap_node *node)
{
	(void)map;
	smap_view_free(
		(struct smap_view *)(void *)((char *)node - offsetof(struct smap_view, node)));
}

/*
 * A view of the table; its control bytes and overflow words are for the caller to fill, now or
 * later.
 */
struct smap_view *smap_view_alloc(struct smap_table *table, bool now)
{
	struct smap_view shape = {.groups = table->groups};
	struct smap_view *view = smap_block_alloc(smap_view_bytes(&shape), now);

	if (!view)
		return NULL;
	*view = (struct smap_view){
		.slots = table->slots,
		.capacity = (uint64_t)table->groups * SMAP_GROUP,
		.groups = table->groups,
		.overflow = (void *)(view->ctrl + (size_t)table->groups * SMAP_GROUP),
		.table = table,
		.node = {.free = view_retired, .items = 1},
	};
	return view;
}

/* A table with room for so many entries, all free. */
struct smap_table *smap_table_alloc(const struct smap *map, size_t entries)
{
	size_t slot = map->is_u64 ? sizeof(struct smap_slot_u64) : sizeof(struct smap_slot_bytes);
	size_t groups = entries / SMAP_LOAD(SMAP_GROUP) + (entries % SMAP_LOAD(SMAP_GROUP) != 0);
	size_t words, bytes;
	struct smap_table *table;

	if (groups < SMAP_MIN_GROUPS)
		groups = SMAP_MIN_GROUPS;
	if (groups > UINT32_MAX / SMAP_GROUP)
		return NULL;
	words = (groups + 63) / 64;
	bytes = round_up(sizeof(*table), SMAP_CACHE_LINE) +
		round_up(words * sizeof(uint64_t), SMAP_CACHE_LINE) + groups * SMAP_GROUP * slot;
	table = smap_block_alloc(bytes, false);
	if (!table)
		return NULL;
	memset(table, 0,
	       round_up(sizeof(*table), SMAP_CACHE_LINE) +
		       round_up(words * sizeof(uint64_t), SMAP_CACHE_LINE));
	table->groups = (uint32_t)groups;
	table->slots_of_line = (uint8_t)(SMAP_CACHE_LINE / slot);
	table->growth_left = SMAP_LOAD(groups * SMAP_GROUP);
	table->ahead_at = bytes < SMAP_AHEAD_BYTES ? 0 : table->growth_left / SMAP_AHEAD_PART;
	table->bytes = bytes;
	table->deleted = (void *)((char *)table + round_up(sizeof(*table), SMAP_CACHE_LINE));
	table->slots = (char *)table->deleted + round_up(words * sizeof(uint64_t), SMAP_CACHE_LINE);
	return table;
}

void smap_slot_free_key(const struct smap *map, struct smap_table *table, size_t index)
{
	struct smap_slot_bytes *slot;

	if (map->is_u64 || !table->long_keys)
		return;
	slot = &((struct smap_slot_bytes *)table->slots)[index];
	if (slot->len > SMAP_INLINE_KEY)
		free((void *)(uintptr_t)slot->word[0]);
}

static void free_dead_keys(struct smap *map, struct smap_table *table)
{
	const struct smap_view *dead = table->dead;

	if (!dead || map->is_u64 || !table->long_keys)
		return;
	for (size_t i = 0; i < (size_t)dead->groups * SMAP_GROUP; i++)
		if (dead->ctrl[i] == SMAP_CTRL_LIMBO ||
		    (table->free_all && smap_is_listed(dead->ctrl[i])))
			smap_slot_free_key(map, table, i);
}

/* After the grace period (or for a map that nobody uses): everything that the table leads to. */
void smap_table_free(struct smap *map, struct smap_table *table)
{
	if (!table)
		return;
	free_dead_keys(map, table);
	free(table->values);
	if (table->read && !smap_is_empty_view(table->read) && table->read != table->dead)
		smap_view_free(table->read);
	smap_view_free(table->dead);
	smap_block_free(table, table->bytes);
}

/*
 * Go on with a probe behind its home group. Once around at most: where a great many keys came
 * and went, all groups may have the bit.
 */
SMAP_INLINE size_t find_on(const struct smap_view *view, size_t group, const struct smap_key *key,
			   const bool is_u64)
{
	for (size_t left = view->groups - 1; left; left--) {
		size_t index;

		if (++group == view->groups)
			group = 0;
		index = smap_group_find(view, group * SMAP_GROUP, key, is_u64);
		if (index != SMAP_NOT_FOUND)
			return index;
		if (!smap_overflowed(view->overflow, group, key->hash))
			break;
	}
	return SMAP_NOT_FOUND;
}

size_t smap_find_on_u64(const struct smap_view *view, size_t group, uint64_t hash, uint64_t word)
{
	const struct smap_key key = {.hash = hash, .word = {word}};

	return find_on(view, group, &key, true);
}

size_t smap_find_on_bytes(const struct smap_view *view, size_t group, uint64_t hash, uint64_t word0,
			  uint64_t word1, size_t len, const void *bytes)
{
	const struct smap_key key = {
		.hash = hash, .word = {word0, word1}, .len = len, .bytes = bytes};

	return find_on(view, group, &key, false);
}

/* In a fresh copy: LIMBO slots whose grace period is over are free again. */
void smap_view_recycle(const struct smap *map, struct smap_view *view)
{
	for (size_t g = 0; g < view->groups; g++) {
		uint32_t mask = smap_group_match(view->ctrl + g * SMAP_GROUP, SMAP_CTRL_LIMBO);

		for (; mask; mask &= mask - 1) {
			size_t index = g * SMAP_GROUP + (unsigned)__builtin_ctz(mask);

			smap_slot_free_key(map, view->table, index);
			smap_view_give_back(view, index);
		}
	}
	view->table->has_limbo = false;
}

/* The bytes of a long key, copied; NULL for one that fits into the slot. */
int smap_slot_copy_key(const struct smap_key *key, void **ret_copy)
{
	void *copy = NULL;

	if (key->len > SMAP_INLINE_KEY) {
		copy = malloc(key->len);
		if (!copy)
			return -ENOMEM;
		memcpy(copy, key->bytes, key->len);
	}
	*ret_copy = copy;
	return 0;
}

/* The key of a listed slot, with its hash. */
void smap_slot_key(const struct smap *map, const struct smap_table *table, size_t index,
		   struct smap_key *ret_key)
{
	const struct smap_slot_bytes *slot;

	if (map->is_u64) {
		uint64_t key = ((struct smap_slot_u64 *)table->slots)[index].key;

		*ret_key = (struct smap_key){.hash = smap_hash_u64(map, key), .word = {key}};
		return;
	}
	slot = &((struct smap_slot_bytes *)table->slots)[index];
	if (slot->len > SMAP_INLINE_KEY)
		*ret_key = (struct smap_key){.hash = slot->word[1],
					     .word = {slot->word[0], slot->word[1]},
					     .len = slot->len,
					     .bytes = (const void *)(uintptr_t)slot->word[0]};
	else
		smap_hash_bytes(map, slot->word, slot->len, ret_key);
}
