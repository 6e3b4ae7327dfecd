/* SPDX-License-Identifier: MIT */
/*
 * smap_filter.c - making and filling the filter of absent keys; see smap_filter.h.
 *
 * Sixteen bits a key, three of them set in one word: about one absent key in a hundred
 * still takes the lock. Without memory there is no filter, or a coarser one, and
 * readers take the lock as in Go.
 *
 * The first one of a dirty is larger than that, up to what a core's cache does not notice: where keys
 * come and go, the bits of all that came since the promotion are set, and each look at a word
 * that finds its first bit set is a mispredicted branch.
 */
#include <stdlib.h>

#include "smap_filter.h"
#include "smap_view.h"

#define KEYS_PER_WORD 4
#ifdef SMAP_STRESS /* a build that replaces filters as often as it can */
#define MIN_CAPACITY KEYS_PER_WORD
#define MAX_FIRST KEYS_PER_WORD
#define GROWTH 1
#else
#define MIN_CAPACITY 256
#define MAX_FIRST 4096 /* 8 KiB */
#define GROWTH 4
#endif

static void filter_free(struct smap *map, struct smap_node *node)
{
	(void)map;
	free((char *)node - offsetof(struct smap_filter, node));
}

static struct smap_filter *filter_alloc(size_t capacity)
{
	size_t words = capacity / KEYS_PER_WORD;
	struct smap_filter *filter;

	if (words > UINT32_MAX)
		return NULL;
	filter = calloc(1, sizeof(*filter) + words * sizeof(filter->word[0]));
	if (!filter)
		return NULL;
	filter->words = words;
	filter->node = (struct smap_node){.free = filter_free, .items = 1};
	return filter;
}

static void set(struct smap_filter *filter, uint64_t hash)
{
	_Atomic(uint64_t) *word = &filter->word[smap_filter_index(filter->words, hash)];
	/* relaxed: written under mu, which we hold: no other store comes in between */
	uint64_t bits = atomic_load_explicit(word, memory_order_relaxed);

	bits |= 1ULL << SMAP_FILTER_BIT_1(hash) | 1ULL << SMAP_FILTER_BIT_2(hash) |
		1ULL << SMAP_FILTER_BIT_3(hash);
	/* Release: pairs with the acquire in smap_view_excludes() (F1). */
	atomic_store_explicit(word, bits, memory_order_release);
}

/* All keys that dirty lists and read does not. */
static void set_all(struct smap *map, const struct smap_view *read, struct smap_filter *filter)
{
	const struct smap_view *dirty = map->dirty;
	bool same_table = read->table == dirty->table;

	for (size_t first = 0; first < (size_t)dirty->groups * SMAP_GROUP; first += SMAP_GROUP) {
		uint32_t mask = smap_group_listed(dirty->ctrl + first);

		if (same_table)
			mask &= ~smap_group_listed(read->ctrl + first);
		for (; mask; mask &= mask - 1) {
			struct smap_key key;

			smap_slot_key(map, dirty->table, first + (unsigned)__builtin_ctz(mask),
				      &key);
			set(filter, key.hash);
		}
	}
}

/* Keys that it is meant for; more only make it coarser. */
static size_t capacity_of(const struct smap_filter *filter)
{
	return (size_t)filter->words * KEYS_PER_WORD;
}

struct smap_filter *smap_filter_of(const struct smap_view *view)
{
	/* relaxed: written under mu, which we hold */
	uintptr_t more = atomic_load_explicit(&view->more, memory_order_relaxed);

	return more == SMAP_MORE_NONE || more == SMAP_MORE_ANY ? NULL : (struct smap_filter *)more;
}

/* Also gives up the filter that the view had. */
static void set_more(struct smap *map, struct smap_view *view, uintptr_t more)
{
	struct smap_filter *old = smap_filter_of(view);

	/* Release: pairs with the acquires in smap_view_excludes() and smap_has_more() (M1, I6). */
	atomic_store_explicit(&view->more, more, memory_order_release);
	if (old) {
		old->node.map = map;
		smap_retire_node(&old->node);
	}
}

/*
 * Keys that come and go leave their bits behind. When so many came that they would fill it, all bits
 * are set anew, unless that would cost more than a look at a group for each of them, or the
 * table is being moved, when it is not known which keys are dirty's alone.
 */
static bool is_stale(const struct smap *map, const struct smap_view *read)
{
	const size_t adds = map->filter_adds;

	return adds >= capacity_of(smap_filter_of(read)) && adds >= map->dirty->groups &&
	       (smap_is_empty_view(read) || read->table == map->dirty->table);
}

/* Of the first filter of a dirty: a word for each slot of a small table, or what the last one held. */
static size_t first_capacity(const struct smap *map)
{
	size_t capacity = (size_t)map->table->groups * SMAP_GROUP * KEYS_PER_WORD;

	if (capacity > MAX_FIRST)
		capacity = MAX_FIRST;
	if (capacity < MIN_CAPACITY)
		capacity = MIN_CAPACITY;
	return map->filter_hint > capacity ? map->filter_hint : capacity;
}

/* As far as there is memory; before readers are told of the first key. */
static void filter_add(struct smap *map, struct smap_view *read, uint64_t hash)
{
	struct smap_filter *filter = smap_filter_of(read), *fresh;
	size_t capacity;

	if (filter) {
		set(filter, hash);
		map->filter_adds++;
		capacity = capacity_of(filter);
		if (map->dirty_only > capacity)
			capacity *= GROWTH;
		else if (!is_stale(map, read))
			return;
	} else {
		capacity = first_capacity(map);
	}
	/* A filter that could not be had for the first key would have to hold the others too. */
	fresh = filter_alloc(capacity);
	if (!fresh)
		return;
	if (map->dirty_only == 1)
		set(fresh, hash);
	else
		set_all(map, read, fresh);
	map->filter_adds = 0;
	set_more(map, read, (uintptr_t)fresh);
}

void smap_more_add_locked(struct smap *map, uint64_t hash)
{
	struct smap_view *read = smap_read_locked(map);

	if (map->state.flags & SMAP_ABSENT_FILTER)
		filter_add(map, read, hash);
	if (!smap_has_more(read))
		set_more(map, read, SMAP_MORE_ANY);
}

void smap_more_drop_locked(struct smap *map)
{
	struct smap_view *read = smap_read_locked(map);

	map->filter_hint = map->dirty_only;
	if (smap_filter_of(read))
		set_more(map, read, SMAP_MORE_ANY); /* NONE would not be true for who holds it */
}

void smap_more_none_locked(struct smap *map)
{
	set_more(map, &map->empty.view, SMAP_MORE_NONE);
}
