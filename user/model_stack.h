/* SPDX-License-Identifier: MIT */
/*
 * model_stack.h - call stacks in the model. Adding is for model.c alone; it returns what
 * model_add() does.
 */
#ifndef MODEL_STACK_H
#define MODEL_STACK_H

#include "model.h"

int model_add_frame(struct model *model, const struct record_frame *record);
int model_add_stack(struct model *model, const struct record_stack *record);
/* map: of record->key; NULL: it has been forgotten, and so is this. */
int model_add_stack_count(const struct model *model, struct model_map *map,
			  const struct record_stack_count *record);
void model_sites_begin_window(struct model_map *map);
void model_stacks_free(struct model *model);

#endif
