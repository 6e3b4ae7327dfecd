/* SPDX-License-Identifier: MIT */
/*
 * usdt_stack_names.c - from addresses to frames, see usdt_stacks.c. Model: a place, one offset
 * in one module, has its frames once for all stacks and processes.
 */
#include <errno.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "usdt_stacks_impl.h"

void *usdt_stacks_tree_get(void **root, const void *like, size_t size,
			   int (*compare)(const void *, const void *), bool *ret_new)
{
	void *const *found = tfind(like, root, compare);
	void *fresh;

	*ret_new = !found;
	if (found)
		return *found;
	fresh = malloc(size);
	if (!fresh)
		return NULL;
	memcpy(fresh, like, size);
	if (!tsearch(fresh, root, compare)) {
		free(fresh);
		return NULL;
	}
	return fresh;
}

/* --- what is mapped ---------------------------------------------------------- */

static struct process_space *space_of(struct usdt_stacks *stacks, const struct target *target)
{
	struct process_space *grown;
	struct space *space;

	for (size_t i = stacks->space_cnt; i-- > 0;)
		if (stacks->space[i].target == target)
			return &stacks->space[i];
	grown = realloc(stacks->space, (stacks->space_cnt + 1) * sizeof(*grown));
	if (!grown)
		return NULL;
	stacks->space = grown;
	if (space_create(&space, stacks->symbols, target->pid))
		return NULL;
	grown[stacks->space_cnt] = (struct process_space){.target = target, .space = space};
	return &grown[stacks->space_cnt++];
}

static void look(struct process_space *process)
{
	if (target_alive(process->target) && space_update(process->space) == 0)
		process->seen = true;
}

void usdt_stacks_drop_ended(struct usdt *usdt)
{
	struct usdt_stacks *stacks = usdt->stacks;

	for (size_t i = stacks ? stacks->space_cnt : 0; i-- > 0;) {
		struct process_space *process = &stacks->space[i];

		if (target_alive(process->target))
			continue;
		if (!process->ended) {
			process->ended = true;
			continue;
		}
		space_free(process->space);
		*process = stacks->space[--stacks->space_cnt];
	}
}

void usdt_stacks_look(struct usdt *usdt, const struct target *target)
{
	struct process_space *process = usdt->stacks ? space_of(usdt->stacks, target) : NULL;

	if (process)
		look(process);
}

/* --- frames ------------------------------------------------------------------ */

static int compare_places(const void *left, const void *right)
{
	const struct place *a = left, *b = right;

	if (a->module != b->module)
		return a->module < b->module ? -1 : 1;
	return a->offset < b->offset ? -1 : a->offset > b->offset;
}

static int emit_frame(struct usdt *usdt, const struct space_place *where,
		      const struct symbol_place *names, uint32_t i, const char *build_id)
{
	const struct symbol *symbol = &names->symbol[i];
	struct record record = {.frame = {
					.frame = usdt->stacks->frame_cnt++,
					.flags = symbol->inlined ? RECORD_FRAME_INLINED : 0,
					.offset = names->vaddr,
					.line = symbol->line,
				}};

	memcpy(record.frame.function, symbol->function, sizeof(record.frame.function));
	memcpy(record.frame.file, symbol->file, sizeof(record.frame.file));
	snprintf(record.frame.module, sizeof(record.frame.module), "%s", where->name);
	snprintf(record.frame.build_id, sizeof(record.frame.build_id), "%s", build_id);
	return usdt_emit(usdt, &record, RECORD_FRAME, sizeof(record.frame));
}

static int emit_frames(struct usdt *usdt, const struct space_place *where,
		       const struct symbol_place *names, const char *build_id, struct place *place)
{
	struct usdt_stacks *stacks = usdt->stacks;
	int err = 0;

	for (uint32_t i = 0; i < names->count && !err; i++) {
		if (stacks->frame_cnt == RECORD_FRAMES_MAX)
			break;
		place->frame[place->cnt++] = stacks->frame_cnt;
		err = emit_frame(usdt, where, names, i, build_id);
	}
	return err;
}

/* The frames of an address; its names are asked for if it is met for the first time. */
static int place_get(struct usdt *usdt, const struct space_place *where,
		     const struct place **ret_place)
{
	struct usdt_stacks *stacks = usdt->stacks;
	const struct place like = {.module = where->module, .offset = where->offset};
	static const struct place none; /* when there is no room for frames, nor memory to waste */
	static struct symbol_place names;
	void *const *found = tfind(&like, &stacks->places, compare_places);
	struct place *place;
	const char *build_id;
	bool is_new;
	int err;

	*ret_place = found ? *found : &none;
	if (found || stacks->frame_cnt == RECORD_FRAMES_MAX)
		return 0;
	err = symbols_name(stacks->symbols, where, &names, &build_id);
	if (err)
		return err;
	*ret_place = place =
		usdt_stacks_tree_get(&stacks->places, &like, sizeof(like), compare_places, &is_new);
	return place ? emit_frames(usdt, where, &names, build_id, place) : -ENOMEM;
}

/* All but the innermost are return addresses: the call is before them. */
static uint64_t looked_up(const uint64_t *ip, uint32_t i)
{
	return i && ip[i] ? ip[i] - 1 : ip[i];
}

static bool all_mapped(const struct space *space, const uint64_t *ip, uint32_t depth)
{
	struct space_place where;

	for (uint32_t i = 0; i < depth; i++)
		if (!space_find(space, looked_up(ip, i), &where))
			return false;
	return true;
}

static int add_place(struct record_stack *stack, const struct place *place)
{
	for (uint32_t i = 0; i < place->cnt; i++) {
		if (stack->frame_count == RECORD_STACK_FRAMES)
			return 1;
		stack->frame[stack->frame_count++] = place->frame[i];
	}
	return 0;
}

int usdt_stacks_locate(struct usdt *usdt, const struct target *target, const uint64_t *ip,
		       uint32_t *depth, struct space_place *ret_places)
{
	struct process_space *process = space_of(usdt->stacks, target);

	if (!process)
		return -ENOMEM;
	if (!process->seen || !all_mapped(process->space, ip, *depth))
		look(process);
	/* What leads nowhere was no frame pointer, nor is anything further out. */
	for (uint32_t i = 0; i < *depth; i++)
		if (!space_find(process->space, looked_up(ip, i), &ret_places[i]) && i)
			*depth = i;
	return 0;
}

int usdt_stacks_name(struct usdt *usdt, const struct space_place *places, uint32_t depth,
		     struct record_stack *stack)
{
	int err = 0;

	if (depth == ST_STACK_DEPTH)
		stack->flags |= RECORD_STACK_CUT;
	for (uint32_t i = 0; i < depth && !err; i++) {
		const struct place *place;

		err = place_get(usdt, &places[i], &place);
		if (!err && add_place(stack, place)) {
			stack->flags |= RECORD_STACK_CUT;
			break;
		}
	}
	return err;
}

int usdt_stacks_cfi(struct usdt *usdt, const struct target *target, uint64_t addr,
		    struct symbol_cfi *ret_cfi)
{
	struct process_space *process = space_of(usdt->stacks, target);
	struct space_place where;

	if (!process)
		return -ENOMEM;
	if (!process->seen || !space_find(process->space, addr, &where))
		look(process);
	return space_find(process->space, addr, &where)
		       ? symbols_cfi(usdt->stacks->symbols, &where, ret_cfi)
		       : -ENOENT;
}
