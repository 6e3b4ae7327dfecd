/* SPDX-License-Identifier: MIT */
/*
 * usdt_stacks.c - the usdt backend's call stacks: addresses that the kernel saw become
 * frames with names.
 *
 * The kernel tells of each stack once, as soon as it is new. What its addresses lead to is looked
 * up at once, because its process may exit any time; what is mapped in a process was noted when
 * that was met. Names of these places are asked for one after the other, and while the answer is
 * awaited (a large file, or one that is made to take long) the trace goes on. Counts follow:
 * usdt_stack_counts.c.
 *
 * Stacks and frames have dense indices in the stream; each is emitted before it is used.
 */
#include "usdt_stacks_impl.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "usdt.skel.h"

#define COUNTS_MAX 32768   /* (map, kind, stack) in the kernel: 6 MB when all are used */
#define STALLS_MAX 1024	   /* ... where it is of stalled readers only */
#define TOLD_MAX 32768	   /* stacks that the kernel remembers to have told of */
#define SAMPLERS_MAX 65536 /* two for each map */
#define KNOWN_MAX (4 * TOLD_MAX)
#define WAITING_MAX 4096 /* 2 kB each at most */

/* --- trees ------------------------------------------------------------------- */

static int compare_known(const void *left, const void *right)
{
	const struct known *a = left, *b = right;

	return a->id < b->id ? -1 : a->id > b->id;
}

/* By frames; the index and the target do not count. */
static int compare_lists(const void *left, const void *right)
{
	const struct record_stack *a = left, *b = right;

	if (a->flags != b->flags)
		return a->flags < b->flags ? -1 : 1;
	if (a->frame_count != b->frame_count)
		return a->frame_count < b->frame_count ? -1 : 1;
	return memcmp(a->frame, b->frame, a->frame_count * sizeof(a->frame[0]));
}

static void free_known(void *node)
{
	struct known *known = node;

	free(known->ip);
	free(known);
}

/* --- life -------------------------------------------------------------------- */

int usdt_stacks_configure(const struct usdt *usdt)
{
	struct usdt_bpf *skel = usdt->skel;
	int err;

	skel->rodata->stacks = usdt->probe_stacks;
	err = bpf_map__set_max_entries(skel->maps.stack_counts,
				       usdt->want_stacks ? COUNTS_MAX : STALLS_MAX);
	if (!usdt->want_stacks)
		return err ? err : bpf_map__set_max_entries(skel->maps.stack_scratch, 1);
	if (!err)
		err = bpf_map__set_max_entries(skel->maps.stacks_told, TOLD_MAX);
	if (!err)
		err = bpf_map__set_max_entries(skel->maps.samplers, SAMPLERS_MAX);
	return err;
}

void usdt_stacks_free(struct usdt *usdt)
{
	struct usdt_stacks *stacks = usdt->stacks;

	if (!stacks)
		return;
	tdestroy(stacks->places, free);
	tdestroy(stacks->known, free_known);
	tdestroy(stacks->counted, free);
	tdestroy(stacks->lists, free);
	while (stacks->first) {
		struct waiting *waiting = stacks->first;

		stacks->first = waiting->next;
		free(waiting);
	}
	symbols_free(stacks->symbols);
	free(stacks->space);
	free(stacks->keys);
	free(stacks->values);
	free(stacks);
	usdt->stacks = NULL;
}

int usdt_stacks_create(struct usdt *usdt)
{
	struct usdt_stacks *stacks = calloc(1, sizeof(*stacks));

	if (!stacks)
		return -ENOMEM;
	usdt->stacks = stacks;
	stacks->counted_max = STACKS_COUNTED_MIN;
	stacks->last = &stacks->first;
	stacks->keys = calloc(STACKS_BATCH, sizeof(*stacks->keys));
	stacks->values = calloc(STACKS_BATCH, sizeof(*stacks->values));
	if (stacks->keys && stacks->values && !symbols_create(&stacks->symbols))
		return 0;
	usdt_stacks_free(usdt);
	return -ENOMEM;
}

/* --- stacks ------------------------------------------------------------------ */

/* The index of a list of frames, emitted if it is new; NO_STACK: no room for more. */
static int stack_get(struct usdt *usdt, struct record *record, uint32_t target, uint32_t *ret_stack)
{
	struct usdt_stacks *stacks = usdt->stacks;
	size_t size = offsetof(struct record_stack, frame) +
		      record->stack.frame_count * sizeof(record->stack.frame[0]);
	void *const *found = tfind(&record->stack, &stacks->lists, compare_lists);
	struct record_stack *list = found ? *found : NULL;
	bool is_new;

	*ret_stack = list ? list->stack : NO_STACK;
	if (list || stacks->stack_cnt == RECORD_STACKS_MAX)
		return 0;
	*ret_stack = record->stack.stack = stacks->stack_cnt++;
	record->stack.target = target;
	list = usdt_stacks_tree_get(&stacks->lists, &record->stack, size, compare_lists, &is_new);
	return list ? usdt_emit(usdt, record, RECORD_STACK, sizeof(record->stack)) : -ENOMEM;
}

/* Asked for before any other, so there is room. */
int usdt_stacks_none(struct usdt *usdt, uint32_t target, uint32_t *ret_stack)
{
	struct record record = {0};

	return stack_get(usdt, &record, target, ret_stack);
}

static int name_waiting(struct usdt *usdt, const struct waiting *waiting)
{
	const struct known like = {.id = waiting->id};
	struct record record = {0};
	uint32_t stack = NO_STACK;
	void *const *found;
	int err = usdt_stacks_none(usdt, waiting->target, &stack);

	stack = NO_STACK;
	if (!err)
		err = usdt_stacks_name(usdt, waiting->place, waiting->depth, &record.stack);
	if (!err && record.stack.frame_count) /* else no more room for frames */
		err = stack_get(usdt, &record, waiting->target, &stack);
	found = err ? NULL : tfind(&like, &usdt->stacks->known, compare_known);
	if (found) { /* else it has been forgotten */
		((struct known *)*found)->stack = stack;
		((struct known *)*found)->queued = false;
	}
	return err;
}

int usdt_stacks_pump(struct usdt *usdt, int ms)
{
	struct usdt_stacks *stacks = usdt->stacks;
	struct waiting *waiting;
	int err = 0;

	symbols_hurry(stacks->symbols, ms);
	while (!err && (waiting = stacks->first)) {
		err = name_waiting(usdt, waiting);
		if (err)
			break;
		stacks->first = waiting->next;
		stacks->waiting_cnt--;
		free(waiting);
	}
	if (!stacks->first)
		stacks->last = &stacks->first;
	return err == -EAGAIN ? 0 : err;
}

int usdt_stacks_tick(struct usdt *usdt, int *wait_ms)
{
	int err;

	if (!usdt->stacks || !usdt->stacks->first)
		return 0;
	err = usdt_stacks_pump(usdt, STACKS_PATIENCE_MS);
	if (usdt->stacks->first && (*wait_ms < 0 || *wait_ms > STACKS_PATIENCE_MS))
		*wait_ms = STACKS_PATIENCE_MS;
	return err;
}

bool usdt_stacks_wait(const struct usdt *usdt, uint32_t target)
{
	const struct waiting *waiting = usdt->stacks ? usdt->stacks->first : NULL;

	while (waiting && waiting->target != target)
		waiting = waiting->next;
	return waiting;
}

/* Ask for its names. Beyond WAITING_MAX it stays without. */
static int enqueue(struct usdt *usdt, struct known *known, const uint64_t *ip, uint32_t depth)
{
	const struct usdt_image *in = usdt_image_of(usdt, known->target);
	struct usdt_stacks *stacks = usdt->stacks;
	struct waiting *waiting;
	int err;

	if (!in)
		return -ESRCH;
	if (stacks->waiting_cnt == WAITING_MAX)
		return 0;
	waiting = malloc(sizeof(*waiting) + depth * sizeof(waiting->place[0]));
	if (!waiting)
		return -ENOMEM;
	*waiting = (struct waiting){.id = known->id, .target = known->target, .depth = depth};
	err = usdt_stacks_locate(usdt, in->target, ip, &waiting->depth, waiting->place);
	if (err) {
		free(waiting);
		return err;
	}
	known->queued = true;
	*stacks->last = waiting;
	stacks->last = &waiting->next;
	stacks->waiting_cnt++;
	return 0;
}

/* Its process has not been looked at yet: keep the addresses until it is. */
static int keep_for_later(struct known *known, const struct st_stack *stack)
{
	size_t size = stack->depth * sizeof(stack->ip[0]);

	known->ip = malloc(size ? size : 1);
	if (!known->ip)
		return -ENOMEM;
	memcpy(known->ip, stack->ip, size);
	known->depth = stack->depth;
	return 0;
}

/* Too many to remember: begin anew. The kernel tells of each again when it is met. */
static void forget_known(struct usdt *usdt)
{
	int fd = bpf_map__fd(usdt->skel->maps.stacks_told);
	__u64 id;

	tdestroy(usdt->stacks->known, free_known);
	usdt->stacks->known = NULL;
	usdt->stacks->known_cnt = 0;
	for (unsigned i = 0; i < TOLD_MAX && !bpf_map_get_next_key(fd, NULL, &id); i++)
		(void)bpf_map_delete_elem(fd, &id);
}

/* A stack is met: ask for its names if it is new. */
static int met(struct usdt *usdt, const struct st_stack *stack)
{
	const struct known like = {.id = stack->id, .target = stack->target, .stack = NO_STACK};
	struct known *known;
	bool is_new;
	int err;

	if (usdt->stacks->known_cnt == KNOWN_MAX)
		forget_known(usdt);
	known = usdt_stacks_tree_get(&usdt->stacks->known, &like, sizeof(like), compare_known,
				     &is_new);
	if (!known)
		return -ENOMEM;
	if (!is_new) /* the kernel had forgotten that it told us */
		return 0;
	usdt->stacks->known_cnt++;
	err = enqueue(usdt, known, (const uint64_t *)stack->ip, stack->depth);
	return err == -ESRCH ? keep_for_later(known, stack) : err;
}

int usdt_stacks_event(struct usdt *usdt, const void *data, size_t size)
{
	struct st_stack stack = {0};
	int err;

	if (!usdt->stacks || size < offsetof(struct st_stack, ip))
		return 0;
	memcpy(&stack, data, size < sizeof(stack) ? size : sizeof(stack));
	if (stack.depth > ST_STACK_DEPTH ||
	    offsetof(struct st_stack, ip) + stack.depth * sizeof(stack.ip[0]) > size)
		return 0;
	err = met(usdt, &stack);
	if (err)
		return err;
	return usdt_stacks_pump(usdt, 0); /* what there is already; usdt_stacks_tick() waits */
}

/* --- for their counts -------------------------------------------------------- */

int usdt_stacks_of(struct usdt *usdt, const struct st_stack_key *key, struct known **ret_known,
		   uint32_t *ret_stack)
{
	const struct known like = {.id = key->id};
	void *const *found = key->id ? tfind(&like, &usdt->stacks->known, compare_known) : NULL;
	struct known *known = found ? *found : NULL;
	int err = 0;

	*ret_known = known;
	*ret_stack = NO_STACK;
	if (!known)
		return 0;
	if (known->ip) {
		err = enqueue(usdt, known, known->ip, known->depth);
		if (!err) {
			free(known->ip);
			known->ip = NULL;
		}
	}
	*ret_stack = known->stack;
	return err == -ESRCH ? 0 : err;
}
