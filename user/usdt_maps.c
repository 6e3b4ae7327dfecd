/* SPDX-License-Identifier: MIT */
/*
 * usdt_maps.c - what the kernel counted and what the maps say, as records.
 *
 * Maps are found in two ways that cover each other: the registry in the process's
 * memory, also for maps without events, and the kernel's table, also for maps
 * that are gone already.
 *
 * A window: is the process alive? -> registries -> kernel's table -> ring -> one
 * sample per map. Asking for life first makes the last sample complete: after its
 * end a process fires nothing. The ring comes after the table, so that a map that
 * the table calls destroyed has its last event out before it is forgotten.
 */
#include "usdt.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "usdt.skel.h"
#include "usdt_stacks.h"

/* Much longer than a process waits to be looked at (session_poll.c). */
#define STRANGER_NS 10000000000ULL

uint64_t usdt_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

struct usdt_image *usdt_image_of(const struct usdt *usdt, uint32_t key)
{
	for (size_t i = 0; i < usdt->image_cnt; i++)
		if (usdt->image[i].key == key)
			return &usdt->image[i];
	return NULL;
}

/* Records call a target by its number. */
static void renumber(const struct usdt *usdt, __u32 *target)
{
	const struct usdt_image *in = usdt_image_of(usdt, *target);

	if (in)
		*target = in->image->number;
}

int usdt_emit(const struct usdt *usdt, struct record *record, unsigned kind, size_t size)
{
	if (kind == RECORD_MAP)
		renumber(usdt, &record->map.key.target);
	else if (kind == RECORD_SAMPLE)
		renumber(usdt, &record->sample.key.target);
	else if (kind == RECORD_EVENT)
		renumber(usdt, &record->event.target);
	else if (kind == RECORD_MISSING)
		renumber(usdt, &record->missing.key.target);
	else if (kind == RECORD_LOOKS)
		renumber(usdt, &record->looks.target);
	else if (kind == RECORD_STACK)
		renumber(usdt, &record->stack.target);
	else if (kind == RECORD_STACK_COUNT)
		renumber(usdt, &record->stack_count.key.target);
	record->kind = kind;
	record->size = (__u32)(offsetof(struct record, target) + size);
	return usdt->sink.emit(usdt->sink.ctx, record);
}

/* --- finding maps ------------------------------------------------------------------- */

static int announce(struct usdt *usdt, struct livemap *map)
{
	struct record record = {0};

	livemap_record(map, &record.map);
	return usdt_emit(usdt, &record, RECORD_MAP, sizeof(record.map));
}

/* A map that the registry lists. */
static int found_state(struct usdt *usdt, const struct usdt_image *in,
		       const struct target_map *found, bool attaching)
{
	const struct smap_state *state = &found->state;
	const struct st_key key = {.target = in->key, .addr = state->self, .id = state->id};
	struct livemap *map;
	bool is_new;

	map = livemap_get(&usdt->maps, &key, &is_new);
	if (!map)
		return -ENOMEM;
	if (!map->final)
		livemap_saw(map, found);
	map->state_ok = map->listed = true;
	if (!is_new)
		return 0;
	if (attaching || state->created_ns < in->attached_ns)
		livemap_came_late(map);
	map->first_known = true;
	if (attaching && state->pending.count)
		map->stale_batch = state->pending.misses_total;
	return announce(usdt, map);
}

int usdt_walk_registries(struct usdt *usdt, struct usdt_image *in, bool attaching)
{
	int err = 0;

	in->sections = in->reclaimer_runs = 0;
	in->walked = true;
	for (size_t i = 0; i < in->image->registry_cnt && !err; i++) {
		struct target_activity activity = {0};
		struct target_map *maps = NULL;
		size_t cnt = 0;

		(void)target_read_activity(in->target, in->image->registry[i], &activity);
		in->sections += activity.sections;
		in->reclaimer_runs += activity.reclaimer_runs;
		if (target_read_maps(in->target, in->image->registry[i], usdt->max_maps, &maps,
				     &cnt)) {
			in->walked = false;
			continue; /* not relocated yet, or gone: other ways will tell */
		}
		for (size_t j = 0; j < cnt && !err; j++)
			err = found_state(usdt, in, &maps[j], attaching);
		free(maps);
	}
	return err;
}

/*
 * Its process was gone before it could be looked at, or soon will be. While all processes are
 * traced there are ever more of these: those in which nothing happens any more make room.
 */
static void found_stranger(struct usdt *usdt, const struct st_key *key, const struct st_info *info)
{
	if (!usdt->all || !info || info->last_ns + STRANGER_NS > usdt->now) {
		usdt->strangers++;
		return;
	}
	usdt->state_unread++;
	usdt_forget_key(usdt, key);
}

/*
 * A map that the kernel has counted for, perhaps gone by now. NULL without an error: the
 * session has not looked at its process yet, and cannot when that is gone already.
 */
struct livemap *usdt_found_key(struct usdt *usdt, const struct st_key *key,
			       const struct st_info *info, int *ret_err)
{
	const struct usdt_image *in = usdt_image_of(usdt, key->target);
	struct smap_state state;
	struct livemap *map;
	bool is_new;

	*ret_err = 0;
	if (!in) {
		found_stranger(usdt, key, info);
		return NULL;
	}
	map = livemap_get(&usdt->maps, key, &is_new);
	if (!map) {
		*ret_err = -ENOMEM;
		return NULL;
	}
	if (info) {
		map->info = *info;
		map->has_info = true;
	}
	if (!is_new)
		return map;
	if (target_read_state(in->target, key->addr, &state) == 0 && state.id == key->id) {
		map->state = state;
		map->first_known = state.created_ns >= in->attached_ns;
	}
	*ret_err = announce(usdt, map);
	return map;
}

/* The map of an event, announced if it was not known; NULL: reported as ended already. */
static struct livemap *map_of_event(struct usdt *usdt, const struct st_event *event, int *ret_err)
{
	const struct st_key key = {.target = event->target, .addr = event->addr, .id = event->id};
	struct livemap *map = livemap_find(&usdt->maps, &key);
	struct st_info info;

	*ret_err = 0;
	if (map)
		return map;
	if (bpf_map_lookup_elem(bpf_map__fd(usdt->skel->maps.infos), &key, &info))
		return NULL;
	return usdt_found_key(usdt, &key, &info, ret_err);
}

/* The record of map_destroy carries the map's last state. */
static void keep_final(const struct usdt *usdt, struct livemap *map, const void *data, size_t size)
{
	const struct usdt_image *in = usdt_image_of(usdt, map->key.target);
	struct st_final final;

	if (size < sizeof(final))
		return;
	memcpy(&final, data, sizeof(final));
	if (final.state.magic != SMAP_STATE_MAGIC || final.state.id != map->key.id)
		return;
	map->final = true;
	map->first_known |= in && final.state.created_ns >= in->attached_ns;
	map->state = final.state;
	map->stripes = (struct target_stripes){final.inserts, final.replaces, final.deletes};
}

int usdt_event(void *ctx, void *data, size_t size)
{
	struct usdt *usdt = ctx;
	struct record record; /* 5 kB, and these come by the thousand: set is what is emitted */
	struct livemap *map;
	int err;

	if (size >= offsetof(struct st_event, ts_ns) &&
	    ((const struct st_event *)data)->target == ST_COOKIE_COST)
		return 0; /* our own, made to find out what it costs */
	if (size >= sizeof(record.event.kind) && *(const __u16 *)data == ST_EVENT_STACK)
		return usdt_stacks_event(usdt, data, size);
	if (size < sizeof(record.event))
		return 0;
	memcpy(&record.event, data, sizeof(record.event));
	if (record.event.kind == ST_EVENT_LINK_MAP) {
		usdt->changed = true;
		return 0;
	}
	if (record.event.kind == ST_EVENT_PROCESS)
		return usdt_process_event(usdt, &record.event);
	if (record.event.kind == ST_EVENT_LOOK)
		return usdt_look_event(usdt, &record.event);
	if (record.event.kind >= SMAP_PROBE_COUNT)
		return 0;
	map = map_of_event(usdt, &record.event, &err);
	if (!map || err)
		return err;
	if (record.event.kind == SMAP_PROBE_map_destroy)
		keep_final(usdt, map, data, size);
	if (record.event.kind == SMAP_PROBE_stall) {
		err = usdt_stall(usdt, &record.event);
		if (err)
			return err;
	}
	record.event.size = sizeof(record.event);
	return usdt_emit(usdt, &record, RECORD_EVENT, sizeof(record.event));
}

int usdt_drain(void *ctx)
{
	struct usdt *usdt = ctx;
	int n = ring_buffer__consume(usdt->ring);

	return n < 0 ? n : 0;
}
