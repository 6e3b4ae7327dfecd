/* SPDX-License-Identifier: MIT */
/*
 * usdt_stack_counts.c - what happened at the stacks of usdt_stacks.c. Model: with each round of
 * samples the kernel's counts are read; those that have changed, and whose stack has names
 * or will have none, become records. Several stacks of the kernel's may be one of the stream:
 * so what is new is the difference, and sums are kept for both.
 */
#include "usdt_stacks_impl.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include "usdt.skel.h"

#define LAST_MS 2000 /* how long names may keep the trace from ending */

/* --- counts ------------------------------------------------------------------ */

static int compare_counted(const void *left, const void *right)
{
	const struct counted *a = left, *b = right;

	return memcmp(&a->key, &b->key, sizeof(a->key));
}

static struct counted *counted_of(struct usdt *usdt, const struct st_stack_key *key)
{
	const struct counted like = {.key = *key};
	struct counted *counted;
	bool is_new;

	counted = usdt_stacks_tree_get(&usdt->stacks->counted, &like, sizeof(like), compare_counted,
				       &is_new);
	usdt->stacks->counted_cnt += counted && is_new;
	return counted;
}

/* This much more happened at a stack of the stream, or (NO_STACK) at none. */
static int say(struct usdt *usdt, const struct st_stack_key *key, uint32_t stack,
	       const struct st_stack_value *more)
{
	struct st_stack_key said_key = {.map = key->map, .kind = key->kind, .reserved = 1};
	struct record record = {.stack_count = {.key = key->map, .kind = key->kind}};
	struct counted *said;
	int err = stack == NO_STACK ? usdt_stacks_none(usdt, key->map.target, &stack) : 0;

	if (err)
		return err;
	said_key.id = record.stack_count.stack = stack;
	said = counted_of(usdt, &said_key);
	if (!said)
		return -ENOMEM;
	record.stack_count.count = said->value.count += more->count;
	record.stack_count.ns = said->value.ns += more->ns;
	record.stack_count.samples = said->value.samples += more->samples;
	return usdt_emit(usdt, &record, RECORD_STACK_COUNT, sizeof(record.stack_count));
}

/* Nobody has been told of it: its first round of samples is the next one, and of this, too. */
static bool is_new(const struct usdt *usdt, const struct st_key *map)
{
	struct st_info info;

	return !bpf_map_lookup_elem(bpf_map__fd(usdt->skel->maps.infos), map, &info);
}

static int read_count(struct usdt *usdt, const struct st_stack_key *key,
		      const struct st_stack_value *value)
{
	struct st_stack_value more;
	struct counted *counted;
	struct known *known;
	uint32_t stack;
	bool ended;
	int err;

	if (key->kind >= ST_STACK_COUNT || !value->count)
		return 0;
	if (!usdt_image_of(usdt, key->map.target))
		return 0; /* nobody has looked at its process yet */
	ended = !livemap_find(&usdt->maps, &key->map);
	if (ended && is_new(usdt, &key->map))
		return 0;
	err = usdt_stacks_of(usdt, key, &known, &stack);
	if (err || (known && (known->ip || known->queued) && !usdt->last))
		return err;
	/* Of a map that was sampled for the last time this is what came after its last count. */
	if (ended)
		(void)bpf_map_delete_elem(bpf_map__fd(usdt->skel->maps.stack_counts), key);
	counted = counted_of(usdt, key);
	if (!counted)
		return -ENOMEM;
	if (counted->value.count == value->count)
		return 0;
	more.count = value->count - counted->value.count;
	more.ns = value->ns - counted->value.ns;
	more.samples = value->samples - counted->value.samples;
	counted->value = *value;
	return say(usdt, key, stack, &more);
}

/* --- what is over ------------------------------------------------------------ */

struct dead {
	const struct usdt *usdt;
	struct counted **list;
	size_t cnt;
};

static void collect_dead(const void *node, VISIT visit, void *ctx)
{
	struct counted *counted = *(struct counted *const *)node;
	struct dead *dead = ctx;

	if ((visit == postorder || visit == leaf) &&
	    !livemap_find(&dead->usdt->maps, &counted->key.map))
		dead->list[dead->cnt++] = counted;
}

/* Counts of maps that have ended. */
static void drop_dead(struct usdt *usdt)
{
	struct usdt_stacks *stacks = usdt->stacks;
	struct dead dead = {.usdt = usdt};

	dead.list = calloc(stacks->counted_cnt, sizeof(struct counted *));
	if (!dead.list)
		return;
	twalk_r(stacks->counted, collect_dead, &dead);
	for (size_t i = 0; i < dead.cnt; i++) {
		tdelete(dead.list[i], &stacks->counted, compare_counted);
		free(dead.list[i]);
	}
	free(dead.list);
	stacks->counted_cnt -= dead.cnt;
	stacks->counted_max = 2 * stacks->counted_cnt + STACKS_COUNTED_MIN;
}

int usdt_stacks_sample(struct usdt *usdt)
{
	struct usdt_stacks *stacks = usdt->stacks;
	int fd = bpf_map__fd(usdt->skel->maps.stack_counts), err = 0, end = 0;
	__u32 cursor, cnt;
	bool first = true;

	if (stacks)
		err = usdt_stacks_pump(usdt,
				       usdt->last && !stacks->over ? LAST_MS : STACKS_PATIENCE_MS);
	if (stacks)
		stacks->over = usdt->last;
	while (stacks && !err && !end) {
		cnt = STACKS_BATCH;
		end = bpf_map_lookup_batch(fd, first ? NULL : &cursor, &cursor, stacks->keys,
					   stacks->values, &cnt, NULL);
		if (end && end != -ENOENT)
			break;
		first = false;
		for (__u32 i = 0; i < cnt && !err; i++)
			err = read_count(usdt, &stacks->keys[i], &stacks->values[i]);
	}
	if (stacks && stacks->counted_cnt > stacks->counted_max)
		drop_dead(usdt);
	usdt_stacks_drop_ended(usdt);
	return err ? err : end == -ENOENT ? 0 : end;
}

/* What happened since the last sample of a kind has no stack, and will have none. */
static int end_run(struct usdt *usdt, const struct st_stack_key *key)
{
	int fd = bpf_map__fd(usdt->skel->maps.samplers);
	struct st_sampler run;
	struct st_stack_value more = {0};

	if (bpf_map_lookup_elem(fd, key, &run))
		return 0;
	(void)bpf_map_delete_elem(fd, key);
	more.count = run.run_count;
	more.ns = run.run_ns;
	return more.count ? say(usdt, key, NO_STACK, &more) : 0;
}

int usdt_stacks_end(struct usdt *usdt, const struct st_key *map)
{
	int err = 0;

	for (__u32 kind = 0; usdt->stacks && kind < ST_STACK_COUNT && !err; kind++) {
		const struct st_stack_key key = {.map = *map, .kind = kind};

		err = end_run(usdt, &key);
	}
	return err;
}

void usdt_stacks_count(const struct usdt *usdt, const struct st_stack_key *key, uint64_t ns)
{
	int fd = bpf_map__fd(usdt->skel->maps.stack_counts);
	struct st_stack_key together = *key;
	struct st_stack_value value = {0};

	(void)bpf_map_lookup_elem(fd, key, &value);
	value.count++;
	value.samples++;
	value.ns += ns;
	if (!bpf_map_update_elem(fd, key, &value, BPF_ANY) || !key->id)
		return;
	together.id = 0; /* too many different ones, as in the programs */
	usdt_stacks_count(usdt, &together, ns);
}
