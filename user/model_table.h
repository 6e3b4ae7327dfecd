/* SPDX-License-Identifier: MIT */
/*
 * model_table.h - private to the model: its maps, each in exactly one bucket of the
 * hash and in `maps`, which is in order of appearance.
 */
#ifndef MODEL_TABLE_H
#define MODEL_TABLE_H

#include "model.h"

/* NULL = no such map. */
struct model_map *model_map_find(const struct model *model, const struct st_key *key);
/* Also what a map that is there already is like. 0, -ENOMEM, or -EINVAL: no such target. */
int model_map_add(struct model *model, const struct record_map *info);
/* Take it out of its bucket; the caller takes it out of `maps` and frees it. */
void model_map_unlink(struct model *model, const struct model_map *map);
void model_map_free(struct model_map *map);

#endif
