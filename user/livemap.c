/* SPDX-License-Identifier: MIT */
/*
 * livemap.c - a hash table of maps, and the arithmetic of a sample.
 *
 * Once an event of a counter's class was seen, its total is base + counted, both
 * from the kernel, and so free of races with the map that runs on. Before that the
 * state page is right, because a counter without events does not move (misses
 * may: up to a batch of them waits, which is at most what the first event adds).
 * So a total never falls.
 *
 * While a probe is shed the state page stands in, and goes on to until the first event after
 * the return has told the kernel how large the gap was: total = base + counted + uncounted.
 */
#include "livemap.h"

#include <stdlib.h>
#include <string.h>

#define BUCKETS_MIN 64

/* --- table ------------------------------------------------------------------ */

static size_t bucket_of(const struct livemaps *maps, const struct st_key *key)
{
	uint64_t hash = (key->addr >> 4 ^ key->id << 32 ^ key->target) * 0x9e3779b97f4a7c15ULL;

	return hash >> 32 & (maps->bucket_cnt - 1);
}

static bool same_key(const struct st_key *a, const struct st_key *b)
{
	return a->addr == b->addr && a->id == b->id && a->target == b->target;
}

struct livemap *livemap_find(const struct livemaps *maps, const struct st_key *key)
{
	struct livemap *map;

	if (!maps->bucket_cnt)
		return NULL;
	for (map = maps->bucket[bucket_of(maps, key)]; map; map = map->next)
		if (same_key(&map->key, key))
			return map;
	return NULL;
}

static bool grow(struct livemaps *maps)
{
	struct livemaps old = *maps;

	maps->bucket_cnt = old.bucket_cnt ? 2 * old.bucket_cnt : BUCKETS_MIN;
	maps->bucket = calloc(maps->bucket_cnt, sizeof(*maps->bucket));
	if (!maps->bucket) {
		*maps = old;
		return old.bucket_cnt != 0; /* longer chains do, too */
	}
	for (size_t i = 0; i < old.bucket_cnt; i++) {
		for (struct livemap *map = old.bucket[i], *next; map; map = next) {
			size_t to = bucket_of(maps, &map->key);

			next = map->next;
			map->next = maps->bucket[to];
			maps->bucket[to] = map;
		}
	}
	free(old.bucket);
	return true;
}

struct livemap *livemap_get(struct livemaps *maps, const struct st_key *key, bool *ret_new)
{
	struct livemap *map = livemap_find(maps, key);
	size_t to;

	if (ret_new)
		*ret_new = !map;
	if (map)
		return map;
	if (maps->cnt >= maps->bucket_cnt && !grow(maps))
		return NULL;
	map = calloc(1, sizeof(*map));
	if (!map)
		return NULL;
	to = bucket_of(maps, key);
	map->key = *key;
	map->next = maps->bucket[to];
	maps->bucket[to] = map;
	maps->cnt++;
	return map;
}

int livemap_each(struct livemaps *maps, int (*fn)(struct livemap *map, void *ctx), void *ctx)
{
	int err = 0;

	for (size_t i = 0; i < maps->bucket_cnt && !err; i++) {
		struct livemap **at = &maps->bucket[i];

		while (*at && !err) {
			struct livemap *map = *at;

			err = fn(map, ctx);
			if (map->ended) {
				*at = map->next;
				free(map);
				maps->cnt--;
			} else {
				at = &map->next;
			}
		}
	}
	return err;
}

void livemaps_free(struct livemaps *maps)
{
	for (size_t i = 0; i < maps->bucket_cnt; i++) {
		for (struct livemap *map = maps->bucket[i], *next; map; map = next) {
			next = map->next;
			free(map);
		}
	}
	free(maps->bucket);
	*maps = (struct livemaps){0};
}

/* --- records ---------------------------------------------------------------- */

void livemap_record(const struct livemap *map, struct record_map *ret_record)
{
	const struct smap_state *state = &map->state;
	const char *name = state->magic ? state->name : map->info.name;

	*ret_record = (struct record_map){
		.key = map->key,
		.key_kind = state->key_kind,
		.policy = state->policy,
		.policy_arg = state->policy_arg,
		.initial_dirty = state->initial_dirty,
		.miss_counter_bits = state->miss_counter_bits,
		.flags = state->flags,
		.created_ns = state->created_ns,
	};
	memcpy(ret_record->name, name, SMAP_NAME_LEN - 1);
}

static uint64_t state_counter(const struct smap_state *state, unsigned counter)
{
	const uint64_t values[ST_COUNTER_COUNT] = {
#define COUNTER_VALUE(name) [ST_COUNTER_##name] = state->counters.name,
		SMAP_COUNTERS(COUNTER_VALUE)
#undef COUNTER_VALUE
	};

	return values[counter];
}

static bool class_seen(const struct livemap *map, unsigned counter)
{
	return map->has_info && (map->info.base_mask & 1U << counter);
}

static uint64_t age(uint64_t now, uint64_t since)
{
	return since && now > since ? now - since : 0;
}

static void sample_state(const struct smap_state *state, uint64_t now, struct record_sample *out)
{
	out->epoch = state->epoch;
	out->miss_count = state->miss_count;
	out->threshold = state->threshold;
	out->read_len = state->read_len;
	out->dirty_len = state->dirty_len;
	out->amended = state->amended;
	out->has_dirty = state->has_dirty;
	out->dirty_age_ns = age(now, state->dirty_since_ns);
	out->new_keys = state->new_keys;
	out->lock_waits = state->lock_waits;
	out->lock_wait_ns = state->lock_wait_ns;
	out->rebuild_ns = state->rebuild_ns;
	out->slots = state->slots;
	out->table_bytes = state->table_bytes;
	out->oldest_retired_ns = age(now, state->oldest_retired_ns);
	out->leaked = state->leaked;
}

void livemap_saw(struct livemap *map, const struct target_map *found)
{
	map->state = found->state;
	if (found->has_stripes)
		map->stripes = found->stripes;
}

void livemap_came_late(struct livemap *map)
{
	for (unsigned c = 0; c < ST_COUNTER_COUNT; c++)
		map->first[c] = state_counter(&map->state, c);
}

bool livemap_listens(const struct livemap *map, const struct livemap_shed *shed, unsigned counter)
{
	return !(shed->off & 1U << counter) &&
	       (!class_seen(map, counter) ||
		map->info.generation[counter] == shed->generation[counter]);
}

static uint64_t above(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

/* Events after the base was taken that have not been counted are behind `known`. */
static void sample_counter(const struct livemap *map, const struct livemap_shed *shed, unsigned c,
			   uint64_t counted, struct record_sample *out)
{
	const struct st_info *info = &map->info;
	uint64_t state = state_counter(&map->state, c), known, base = map->first[c];
	bool off = shed->off & 1U << c;

	out->counted[c] = counted;
	if (!class_seen(map, c)) {
		out->total[c] = state;
		out->uncounted[c] = off || shed->generation[c] ? above(state, base) : 0;
		return;
	}
	known = info->base[c] + counted + info->uncounted[c];
	out->total[c] = known;
	out->uncounted[c] = info->uncounted[c];
	if (shed->generation[c])
		out->uncounted[c] += above(info->base[c], base); /* shed before it was seen */
	if (off || info->generation[c] != shed->generation[c]) {
		out->total[c] = state > known ? state : known;
		out->uncounted[c] += above(state, known);
	}
}

void livemap_sample(const struct livemap *map, const struct st_stats *counted,
		    const struct livemap_shed *shed, uint64_t now, struct record_sample *ret_sample)
{
	struct record_sample *out = ret_sample;

	*out = (struct record_sample){.key = map->key, .ts_ns = now};
	for (unsigned c = 0; c < ST_COUNTER_COUNT; c++)
		sample_counter(map, shed, c, counted->counted[c], out);
	memcpy(out->hits, counted->hits, sizeof(out->hits));
	memcpy(out->sum, counted->sum, sizeof(out->sum));
	memcpy(out->hist, counted->hist, sizeof(out->hist));
	out->alive = !map->ended;
	out->state_ok = map->state_ok;
	/* The last that was known is better than nothing; state_ok says what it is. */
	sample_state(&map->state, now, out);
	if (out->total[ST_COUNTER_retired] > out->total[ST_COUNTER_reclaimed])
		out->backlog = out->total[ST_COUNTER_retired] - out->total[ST_COUNTER_reclaimed];
}

static uint64_t slots_sum(const uint8_t *slots)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < SMAP_HIST_SLOTS; i++)
		sum += slots[i];
	return sum;
}

static uint64_t hist_sum(const __u64 *hist)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < SMAP_HIST_SLOTS; i++)
		sum += hist[i];
	return sum;
}

static void add_slots(__u64 *hist, const uint8_t *slots)
{
	for (unsigned i = 0; i < SMAP_HIST_SLOTS; i++)
		hist[i] += slots[i];
}

static void add_hold(const struct smap_batch *batch, struct record_sample *sample)
{
	sample->sum[ST_HIST_miss_hold] += batch->hold_sum_ns;
	add_slots(sample->hist[ST_HIST_miss_hold], batch->hold_hist);
}

bool livemap_add_pending(const struct livemap *map, bool exact, struct record_sample *sample)
{
	const struct smap_batch *batch = &map->state.pending;
	const unsigned c = ST_COUNTER_misses;
	uint64_t fresh = batch->count; /* not counted one by one */

	if (slots_sum(batch->wait_hist) != batch->count ||
	    slots_sum(batch->hold_hist) != batch->count)
		return false;
	if (class_seen(map, c)) {
		fresh = map->state.counters.misses - sample->total[c];
		if (map->state.counters.misses < sample->total[c] || fresh > batch->count ||
		    hist_sum(sample->hist[ST_HIST_miss_hold]) + batch->count !=
			    sample->counted[c] + fresh)
			return false;
		sample->total[c] += fresh;
	} else if (exact || !batch->count || batch->misses_total <= map->stale_batch) {
		return true; /* no miss since the attach, or none that was counted */
	}
	sample->counted[c] += fresh;
	if (fresh == batch->count) {
		sample->sum[ST_HIST_miss_wait] += batch->wait_sum_ns;
		add_slots(sample->hist[ST_HIST_miss_wait], batch->wait_hist);
	}
	add_hold(batch, sample);
	return true;
}
