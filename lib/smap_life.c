/* SPDX-License-Identifier: MIT */
/*
 * smap_life.c - creating, inspecting and destroying maps.
 *
 * A map's memory goes the way of everything else that readers may hold: destroy
 * hands the map itself to reclamation, after all that its threads retired before
 * (S3), and waits for it unless it is inside a read section.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "smap_filter.h"
#include "smap_view.h"

#define OPTIONS_MIN_SIZE offsetof(struct smap_options, key_kind)
#define KNOWN_FLAGS SMAP_OPTIONS_TUNED

/*
 * A program that links the static library has the operations of each file, or none: what it lacked,
 * a shared library of the same program would have from another copy, which knows no thread of this.
 */
typedef void (*function)(void);
static const function whole[] __attribute__((used)) = {
	(function)smap_load_u64, (function)smap_delete_u64, (function)smap_range_u64};

/* What the caller gave, as far as the caller's struct goes; zero beyond. */
static int read_options(struct smap_options *to, const struct smap_options *from)
{
	*to = (struct smap_options){.size = sizeof(*to)};
	if (!from)
		return 0;
	if (from->size < OPTIONS_MIN_SIZE)
		return -EINVAL;
	memcpy(to, from, from->size < sizeof(*to) ? from->size : sizeof(*to));
	/* A caller from the future may have set what we do not know. */
	for (size_t i = sizeof(*to); i < from->size; i++)
		if (((const char *)from)[i])
			return -EINVAL;
	if (to->key_kind > SMAP_KEY_U64 || to->policy >= SMAP_POLICY_COUNT ||
	    (to->flags & ~KNOWN_FLAGS) ||
	    (to->miss_counter_bits && to->miss_counter_bits != 16 && to->miss_counter_bits != 64))
		return -EINVAL;
	return 0;
}

static void random_seed(struct smap *map)
{
	uint64_t words[2];

	if (getrandom(words, sizeof(words), GRND_NONBLOCK) != (ssize_t)sizeof(words)) {
		words[0] = smap_now_ns() * 0x9e3779b97f4a7c15ULL; /* early boot: better than none */
		words[1] = (uintptr_t)map * 0xd6e8feb86659fd93ULL + words[0];
	}
	map->hot.seed = words[0];
	map->hot.multiplier = words[1] | 1;
	/* A multiplier with few bits would spread badly. */
	if (__builtin_popcountll(map->hot.multiplier) < 16)
		map->hot.multiplier ^= 0x9e3779b97f4a7c14ULL;
}

static void init_state(struct smap *map, const struct smap_options *opts)
{
	struct smap_state *state = &map->state;

	state->magic = SMAP_STATE_MAGIC;
	state->abi = SMAP_ABI_VERSION;
	state->size = sizeof(*state);
	state->self = (uintptr_t)map;
	strncpy(state->name, opts->name ? opts->name : "smap", sizeof(state->name) - 1);
	state->key_kind = opts->key_kind;
	state->policy = opts->policy;
	state->policy_arg = opts->policy_arg;
	state->initial_dirty = opts->initial_dirty;
	state->miss_counter_bits = opts->miss_counter_bits ? opts->miss_counter_bits : 64;
	state->flags = opts->flags | (opts->value_free ? SMAP_STATE_FREES : 0);
	state->created_ns = smap_now_ns();
	state->stripes = (uintptr_t)map->stripes;
	state->stripe_count = SMAP_ALL_STRIPES;
	state->stripe_size = sizeof(struct smap_stripe);
}

SMAP_PUBLIC int smap_create(struct smap **ret_map, const struct smap_options *opts)
{
	struct smap_options o;
	struct smap *map;
	int err;

	err = read_options(&o, opts);
	if (err)
		return err;
	map = aligned_alloc(_Alignof(struct smap), sizeof(*map));
	if (!map)
		return -ENOMEM;
	err = smap_smr_start();
	if (err) {
		free(map);
		return err;
	}
	memset(map, 0, sizeof(*map));
	pthread_mutex_init(&map->mu, NULL);
	map->value_free = o.value_free;
	map->ctx = o.ctx;
	map->is_u64 = o.key_kind == SMAP_KEY_U64;
	map->hash = o.hash;
	map->hot.quick = o.hash ? SMAP_QUICK_NONE : map->is_u64 ? SMAP_QUICK_U64 : SMAP_QUICK_BYTES;
	map->quick_store = o.value_free ? SMAP_QUICK_NONE : map->hot.quick;
	map->hot.marks = SMAP_EXPUNGED;
	/* relaxed: nobody else knows the map yet */
	atomic_store_explicit(&map->hot.read, (uintptr_t)&map->empty.view, memory_order_relaxed);
	smap_empty_init(&map->empty);
	random_seed(map);
	init_state(map, &o);
	smap_policy_sample(map, map->state.created_ns);
	smap_refresh_locked(map);

	smap_registry_add(map);
	pthread_mutex_lock(&map->mu); /* never before the registry's: smap_fork.c has it first */
	smap_fire(map_create, (uintptr_t)map, (uintptr_t)map->state.name);
	pthread_mutex_unlock(&map->mu);
	*ret_map = map;
	return 0;
}

/* The view that lists all entries, when nobody uses the map any more. */
static struct smap_view *last_view(const struct smap *map)
{
	return map->dirty ? map->dirty : smap_read_locked(map);
}

/* Give the values that are still present to value_free. */
static void drain_map(struct smap *map, struct smap_node *node)
{
	const struct smap_view *view = last_view(map);

	(void)node;
	if (!map->value_free || !map->table)
		return;
	for (size_t i = 0; i < (size_t)view->groups * SMAP_GROUP; i++) {
		uintptr_t value;

		if (!smap_is_listed(view->ctrl[i]))
			continue;
		/* relaxed: nobody uses the map any more, by contract */
		value = atomic_exchange_explicit(smap_slot_cell(map, view->slots, i), SMAP_NIL,
						 memory_order_relaxed);
		if (smap_is_value(value))
			map->value_free((void *)value, map->ctx);
	}
}

/* By the reclaimer, when no reader can hold anything of the map. */
static void map_free(struct smap *map, struct smap_node *node)
{
	struct smap_view *read = smap_read_locked(map);
	struct smap_view *view = last_view(map);

	(void)node;
	pthread_mutex_lock(&map->mu);
	smap_flush_batch_locked(map);
	smap_fire(map_destroy, (uintptr_t)map);
	pthread_mutex_unlock(&map->mu);
	free(smap_filter_of(read));
	smap_registry_remove(map);
	*(volatile smap_u64 *)&map->state.magic = 0; /* for who reads us from outside */
	smap_ahead_drop(map);
	if (map->table) {
		map->table->read = read;
		map->table->dead = view;
		map->table->free_all = true;
		smap_table_free(map, map->table);
	}
	pthread_mutex_destroy(&map->mu);
	free(map);
}

SMAP_PUBLIC void smap_destroy(struct smap *map)
{
	bool wait = !smap_cannot_wait();
	_Atomic(bool) destroyed;

	if (!map)
		return;
	atomic_init(&destroyed, false);
	map->node = (struct smap_node){
		.drain = drain_map, .free = map_free, .map = map, .done = wait ? &destroyed : NULL};
	smap_retire_node(&map->node);
	if (wait)
		smap_wait_for(&destroyed);
}

SMAP_PUBLIC size_t smap_len(struct smap *map)
{
	uint64_t inserts = 0, deletes = 0;

	for (unsigned i = 0; i < SMAP_ALL_STRIPES; i++) {
		/* relaxed: counters; exact when quiet */
		deletes += atomic_load_explicit(&map->stripes[i].deletes, memory_order_relaxed);
	}
	for (unsigned i = 0; i < SMAP_ALL_STRIPES; i++)
		/* relaxed: counters, as above */
		inserts += atomic_load_explicit(&map->stripes[i].inserts, memory_order_relaxed);
	return inserts > deletes ? inserts - deletes : 0;
}

/* Copy the fields from begin up to end that only mu's holder writes. */
static void copy_part(struct smap_state *to, const struct smap_state *from, size_t begin,
		      size_t end)
{
	memcpy((char *)to + begin, (const char *)from + begin, end - begin);
}

static void copy_shared(_Atomic smap_u64 *to, const _Atomic smap_u64 *from)
{
	/* relaxed: counters and figures of other threads */
	uint64_t value = atomic_load_explicit(from, memory_order_relaxed);

	/* relaxed: the caller's own copy */
	atomic_store_explicit(to, value, memory_order_relaxed);
}

SMAP_PUBLIC void smap_inspect(struct smap *map, struct smap_state *ret_state)
{
	const size_t retired = offsetof(struct smap_state, counters.retired);
	const size_t leaked = offsetof(struct smap_state, leaked);
	const size_t next = offsetof(struct smap_state, next);
	const struct smap_state *from = &map->state;

	smap_collect_retired(); /* what threads have retired until now is counted (G8) */
	smap_lock_uncounted(map);
	copy_part(ret_state, from, 0, retired);
	copy_shared(&ret_state->counters.retired, &from->counters.retired);
	copy_shared(&ret_state->counters.reclaimed, &from->counters.reclaimed);
	copy_part(ret_state, from, offsetof(struct smap_state, name), leaked);
	copy_shared(&ret_state->leaked, &from->leaked);
	copy_shared(&ret_state->oldest_retired_ns, &from->oldest_retired_ns);
	copy_part(ret_state, from, offsetof(struct smap_state, pending), next);
	copy_shared(&ret_state->next, &from->next);
	smap_unlock(map);
}
