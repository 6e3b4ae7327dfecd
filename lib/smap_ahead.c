/* SPDX-License-Identifier: MIT */
/*
 * smap_ahead.c - memory for the next table, before it is needed.
 *
 * What is longest in a move to a larger table is not moving: it is the kernel's clearing of
 * pages when they are first written, which takes up to ten times as long, and would all be under the
 * mutex, in one operation. So when only a part of a large table's slots is free, the next one
 * is allocated, and from then on each new key has the kernel make some more of it present,
 * at the pace at which the slots are used up. A map that stops growing there has taken
 * no more than that. The move finds its memory ready, or as much of it as there was time for.
 *
 * Nobody but the holder of mu knows of it: it has no keys, and can be dropped at any time. Where there
 * is no memory, the move asks again, and is the first to fail.
 */
#include "smap_internal.h"

#define STEP ((size_t)512 * 1024) /* made present at a time */

static size_t move_bytes(const struct smap_move *move)
{
	return move->table->bytes + smap_view_bytes(move->read) + smap_view_bytes(move->dirty);
}

size_t smap_ahead_bytes(const struct smap *map)
{
	return map->ahead.move.table ? map->ahead.total : 0;
}

void smap_ahead_drop(struct smap *map)
{
	struct smap_ahead *ahead = &map->ahead;

	if (!ahead->move.table)
		return;
	smap_view_free(ahead->move.read);
	smap_view_free(ahead->move.dirty);
	smap_table_free(map, ahead->move.table);
	*ahead = (struct smap_ahead){0};
}

/* Make bytes [from, to) of the blocks present, counted from the first one's beginning. */
static void populate(const struct smap_move *move, size_t from, size_t to)
{
	const struct {
		void *block;
		size_t bytes;
	} blocks[] = {{move->table, move->table->bytes},
		      {move->read, smap_view_bytes(move->read)},
		      {move->dirty, smap_view_bytes(move->dirty)}};

	for (size_t i = 0, begin = 0; i < 3; begin += blocks[i++].bytes) {
		size_t end = begin + blocks[i].bytes;

		if (from < end && to > begin)
			smap_block_populate(blocks[i].block, blocks[i].bytes,
					    from > begin ? from - begin : 0,
					    to < end ? to - begin : blocks[i].bytes);
	}
}

static bool begin(struct smap *map)
{
	struct smap_ahead *ahead = &map->ahead;
	size_t listed = smap_move_listed(map) + map->table->growth_left;

	if (smap_move_alloc(map, smap_move_entries(map, listed), false, &ahead->move)) {
		map->table->ahead_at = 0; /* not for this table */
		return false;
	}
	ahead->growth_left = map->table->growth_left;
	ahead->total = move_bytes(&ahead->move);
	ahead->done = 0;
	smap_refresh_locked(map);
	return true;
}

/* For a new key, when growth_left has come to table->ahead_at. */
void smap_ahead_step_locked(struct smap *map)
{
	struct smap_ahead *ahead = &map->ahead;
	size_t left = map->table->growth_left, due;

	if (!left || (!ahead->move.table && !begin(map))) /* 0: the move is now */
		return;
	if (left >= ahead->growth_left) /* keys went */
		return;
	due = (ahead->growth_left - left) * (ahead->total / ahead->growth_left + 1);
	if (due > ahead->total)
		due = ahead->total;
	while (ahead->done < due) {
		size_t to = ahead->done + STEP < ahead->total ? ahead->done + STEP : ahead->total;

		populate(&ahead->move, ahead->done, to);
		ahead->done = to;
	}
}

/* True with the memory for a move, if there is some that suits. */
bool smap_ahead_take_locked(struct smap *map, struct smap_move *ret_move)
{
	struct smap_ahead *ahead = &map->ahead;
	size_t listed = smap_move_listed(map), room;

	if (!ahead->move.table)
		return false;
	room = ahead->move.table->growth_left;
	/* Much was deleted meanwhile, or nothing and slots became free besides. */
	if (room < listed || room / 2 > smap_move_entries(map, listed)) {
		smap_ahead_drop(map);
		smap_refresh_locked(map); /* the move may fail */
		return false;
	}
	populate(&ahead->move, ahead->done, ahead->total);
	*ret_move = ahead->move;
	*ahead = (struct smap_ahead){0};
	return true;
}
