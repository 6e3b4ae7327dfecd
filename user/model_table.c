/* SPDX-License-Identifier: MIT */
/*
 * model_table.c - the maps of a model, by key and in order of appearance: see
 * model_table.h.
 */
#include "model_table.h"

#include <errno.h>
#include <stdlib.h>

static size_t hash_key(const struct st_key *key)
{
	uint64_t h = key->addr ^ (uint64_t)key->target << 40;

	h = (h ^ key->id * 0x9e3779b97f4a7c15ULL) * 0xff51afd7ed558ccdULL;
	return (size_t)(h ^ h >> 32);
}

static bool same_key(const struct st_key *a, const struct st_key *b)
{
	return a->addr == b->addr && a->id == b->id && a->target == b->target;
}

static struct model_map **bucket_of(const struct model *model, const struct st_key *key)
{
	return &model->buckets[hash_key(key) & (model->bucket_count - 1)];
}

struct model_map *model_map_find(const struct model *model, const struct st_key *key)
{
	struct model_map *map = *bucket_of(model, key);

	while (map && !same_key(&map->info.key, key))
		map = map->next;
	return map;
}

/* Doubles both the order array and the hash; they have the same size. */
static int maps_grow(struct model *model)
{
	size_t count = model->bucket_count * 2;
	struct model_map **buckets = calloc(count, sizeof(struct model_map *));
	struct model_map **maps = realloc(model->maps, count * sizeof(struct model_map *));

	if (maps)
		model->maps = maps;
	if (!buckets || !maps) {
		free(buckets);
		return -ENOMEM;
	}
	free(model->buckets);
	model->buckets = buckets;
	model->bucket_count = count;
	for (size_t i = 0; i < model->map_count; i++) {
		struct model_map **bucket = bucket_of(model, &maps[i]->info.key);

		maps[i]->next = *bucket;
		*bucket = maps[i];
	}
	return 0;
}

void model_map_free(struct model_map *map)
{
	if (map) {
		free(map->hists);
		free(map->sites);
	}
	free(map);
}

void model_map_unlink(struct model *model, const struct model_map *map)
{
	struct model_map **link = bucket_of(model, &map->info.key);

	while (*link != map)
		link = &(*link)->next;
	*link = map->next;
}

int model_map_add(struct model *model, const struct record_map *info)
{
	struct model_map *map = model_map_find(model, &info->key);
	struct model_map **bucket;
	int err;

	if (!model_target(model, info->key.target))
		return -EINVAL;
	if (!map && model->max_maps && model->map_count - model->ended_count >= model->max_maps)
		return -E2BIG;
	if (!map) {
		err = model->map_count == model->bucket_count ? maps_grow(model) : 0;
		if (err)
			return err;
		map = calloc(1, sizeof(*map));
		if (!map)
			return -ENOMEM;
		bucket = bucket_of(model, &info->key);
		map->next = *bucket;
		map->order = model->next_order++;
		map->since_window = model->window_count;
		map->alive = map->in_window = true;
		*bucket = map;
		model->maps[model->map_count++] = map;
		model->maps_seen++;
	}
	map->info = *info;
	map->info.name[SMAP_NAME_LEN - 1] = '\0';
	return 0;
}
