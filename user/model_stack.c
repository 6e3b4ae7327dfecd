/* SPDX-License-Identifier: MIT */
/*
 * model_stack.c - the part of the model that keeps call stacks. Model: frames and stacks
 * are tables by dense index that only grow, so that pointers into them stay good as long as
 * the model; each map has its sites, sorted by stack and kind, with cumulative figures and
 * those of the window.
 */
#include "model_stack.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Room for one more in a table of pointers. */
static int grow(void *table, size_t count)
{
	void ***pointers = table, **grown;

	if (count & (count - 1) || (count && count < 16))
		return 0;
	grown = realloc(*pointers, (count ? 2 * count : 16) * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	*pointers = grown;
	return 0;
}

/* Copies a string of a record, which need not end, to *at and moves on. */
static const char *keep(char **at, const char *text, size_t size)
{
	size_t len = strnlen(text, size - 1);
	char *kept = *at;

	memcpy(kept, text, len);
	kept[len] = '\0';
	*at += len + 1;
	return kept;
}

int model_add_frame(struct model *model, const struct record_frame *record)
{
	struct stack_frame *frame;
	size_t size;
	char *at;

	if (record->frame != model->frame_count || model->frame_count >= RECORD_FRAMES_MAX)
		return -EINVAL;
	if (grow(&model->frames, model->frame_count))
		return -ENOMEM;
	size = strnlen(record->function, sizeof(record->function)) +
	       strnlen(record->module, sizeof(record->module)) +
	       strnlen(record->file, sizeof(record->file)) +
	       strnlen(record->build_id, sizeof(record->build_id)) + 4;
	frame = malloc(sizeof(*frame) + size);
	if (!frame)
		return -ENOMEM;
	at = (char *)(frame + 1);
	frame->id = record->frame;
	frame->inlined = record->flags & RECORD_FRAME_INLINED;
	frame->line = record->line;
	frame->offset = record->offset;
	frame->function = keep(&at, record->function, sizeof(record->function));
	frame->module = keep(&at, record->module, sizeof(record->module));
	frame->file = keep(&at, record->file, sizeof(record->file));
	frame->build_id = keep(&at, record->build_id, sizeof(record->build_id));
	model->frames[model->frame_count++] = frame;
	return 0;
}

int model_add_stack(struct model *model, const struct record_stack *record)
{
	struct stack *stack;

	if (record->stack != model->stack_count || model->stack_count >= RECORD_STACKS_MAX ||
	    record->frame_count > RECORD_STACK_FRAMES || !model_target(model, record->target))
		return -EINVAL;
	for (__u32 i = 0; i < record->frame_count; i++)
		if (record->frame[i] >= model->frame_count)
			return -EINVAL;
	if (grow(&model->stacks, model->stack_count))
		return -ENOMEM;
	stack = malloc(sizeof(*stack) + record->frame_count * sizeof(stack->frame[0]));
	if (!stack)
		return -ENOMEM;
	stack->id = record->stack;
	stack->target = record->target;
	stack->cut = record->flags & RECORD_STACK_CUT;
	stack->frame_count = record->frame_count;
	for (__u32 i = 0; i < record->frame_count; i++)
		stack->frame[i] = model->frames[record->frame[i]];
	model->stacks[model->stack_count++] = stack;
	return 0;
}

/* --- sites ------------------------------------------------------------------ */

static int compare_site(const struct model_site *site, const struct record_stack_count *record)
{
	if (site->stack->id != record->stack)
		return site->stack->id < record->stack ? -1 : 1;
	return (__u32)site->kind < record->kind ? -1 : (__u32)site->kind > record->kind;
}

/* Where it is, or should go: the usual one is new and the last. */
static size_t place_of(const struct model_map *map, const struct record_stack_count *record)
{
	size_t low = 0, high = map->site_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare_site(&map->sites[middle], record) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct model_site *site_get(const struct model *model, struct model_map *map,
				   const struct record_stack_count *record)
{
	size_t at = place_of(map, record);
	struct model_site *grown;

	if (at < map->site_count && compare_site(&map->sites[at], record) == 0)
		return &map->sites[at];
	grown = realloc(map->sites, (map->site_count + 1) * sizeof(*grown));
	if (!grown)
		return NULL;
	map->sites = grown;
	memmove(&grown[at + 1], &grown[at], (map->site_count - at) * sizeof(*grown));
	map->site_count++;
	grown[at] = (struct model_site){.stack = model->stacks[record->stack],
					.kind = (enum st_stack_kind)record->kind};
	return &grown[at];
}

static void advance(uint64_t *total, uint64_t *window, uint64_t now)
{
	if (now <= *total)
		return;
	*window += now - *total;
	*total = now;
}

int model_add_stack_count(const struct model *model, struct model_map *map,
			  const struct record_stack_count *record)
{
	struct model_site *site;

	if (record->kind >= ST_STACK_COUNT || record->stack >= model->stack_count)
		return -EINVAL;
	if (!map) /* it ended long ago, and has been forgotten */
		return 0;
	site = site_get(model, map, record);
	if (!site)
		return -ENOMEM;
	advance(&site->whole.count, &site->window.count, record->count);
	advance(&site->whole.ns, &site->window.ns, record->ns);
	advance(&site->whole.samples, &site->window.samples, record->samples);
	return 0;
}

void model_sites_begin_window(struct model_map *map)
{
	for (size_t i = 0; i < map->site_count; i++)
		map->sites[i].window = (struct model_cost){0};
}

void model_stacks_free(struct model *model)
{
	for (size_t i = 0; i < model->stack_count; i++)
		free(model->stacks[i]);
	for (size_t i = 0; i < model->frame_count; i++)
		free(model->frames[i]);
	free(model->stacks);
	free(model->frames);
}

bool model_site_cost(const struct model_site *site, bool whole, struct stack_cost *ret_cost)
{
	const struct model_cost *cost = whole ? &site->whole : &site->window;

	if (!cost->count)
		return false;
	*ret_cost = (struct stack_cost){.kind = site->kind,
					.count = cost->count,
					.ns = cost->ns,
					.estimate = cost->samples < cost->count,
					.stack = site->stack};
	return true;
}

bool model_busiest(const struct model_map *map, uint32_t kinds, struct stack_cost *ret_cost)
{
	bool found = false;

	for (int whole = 0; whole <= 1 && !found; whole++) {
		for (size_t i = 0; i < map->site_count; i++) {
			const struct model_site *site = &map->sites[i];
			struct stack_cost cost;

			if (!(kinds >> site->kind & 1) || !site->stack->frame_count ||
			    !model_site_cost(site, whole, &cost))
				continue;
			if (!found || stack_compare(&cost, ret_cost) < 0)
				*ret_cost = cost;
			found = true;
		}
	}
	return found;
}
