/* SPDX-License-Identifier: MIT */
/*
 * smap_lock.c - waiting for the mutex, and what a miss tells those who listen.
 *
 * Misses are gathered per map in state.pending and fired 64 at a time: a probe hit costs ten
 * misses. The batch is exact: it counts each miss once, and is fired when it is full, when the
 * one before began over 50 ms ago (so that a miss that is rare is heard in its own thread), when
 * it is older than 50 ms (by the next miss, or by the reclaimer thread when none comes), at a
 * promotion, at the end of the map and at exit(). Full is 61 to 64 misses, by chance: a listener
 * that looks at the last one of each would else always meet the same place of a loop that misses
 * 64 times. When the last listener has gone, what is left stays for a while, so that it can be
 * read from the state page, and is then forgotten.
 */
#include <time.h>

#include "smap_clock.h"

#define FORGET_NS 10000000000ULL /* nobody listens: keep a batch so long for who reads memory */

_Thread_local struct smap_held smap_held;
extern _Thread_local struct smap_held smap_held_again __attribute__((alias("smap_held")));

/* trylock has failed: wait, and say for how long. */
void smap_lock_contended(struct smap *map, struct smap_hold *hold)
{
	uint64_t start = smap_now_ns();

	smap_lock_uncounted(map);
	hold->wait_ns = smap_now_ns() - start;
	map->state.lock_waits++;
	map->state.lock_wait_ns += hold->wait_ns;
	smap_fire(lock_wait, (uintptr_t)map, hold->wait_ns);
}

/* Slot of a base-2 histogram, as smap_state.h defines it. */
static unsigned hist_slot(uint64_t value)
{
	unsigned slot = value ? 63 - (unsigned)__builtin_clzll(value) : 0;

	return slot < SMAP_HIST_SLOTS ? slot : SMAP_HIST_SLOTS - 1;
}

static void set_pending(struct smap *map, bool pending)
{
	/* relaxed: written under mu; a stale look costs the keeper one round */
	atomic_store_explicit(&map->has_pending, pending, memory_order_relaxed);
}

void smap_flush_batch_locked(struct smap *map)
{
	struct smap_batch *batch = &map->state.pending;

	if (!batch->count)
		return;
	/* Else misses went by unheard since, and it is an earlier listener's. */
	if (batch->misses_total == map->state.counters.misses)
		smap_fire(miss_batch, (uintptr_t)map, (uintptr_t)batch);
	*batch = (struct smap_batch){0};
	set_pending(map, false);
}

static void batch_add(struct smap *map, const struct smap_hold *hold, uint64_t now_ticks)
{
	struct smap_batch *batch = &map->state.pending;
	uint64_t held = smap_ticks_between_ns(hold->start_ticks, now_ticks);

	/* Misses went by unheard since: what is left is of an earlier listener. */
	if (batch->count && batch->misses_total + 1 != map->state.counters.misses)
		*batch = (struct smap_batch){0};
	if (!batch->count) {
		batch->first_ns = smap_now_ns();
		map->batch_ticks = now_ticks;
		set_pending(map, true);
		smap_wake_keeper();
	}
	batch->misses_total = map->state.counters.misses;
	batch->wait_sum_ns += hold->wait_ns;
	batch->hold_sum_ns += held;
	batch->wait_hist[hist_slot(hold->wait_ns)]++;
	batch->hold_hist[hist_slot(held)]++;
	batch->count++;
}

uint64_t smap_start_ticks(void)
{
	return smap_ticks() | 1; /* 0 means that nobody listens */
}

/* The same while a batch is being gathered. The upper bits of the product mix all lower ones. */
static uint32_t batch_limit(const struct smap *map)
{
	return SMAP_BATCH_MISSES - (uint32_t)(map->batch_ticks * 0x9e3779b97f4a7c15ULL >> 62);
}

static void gather_miss(struct smap *map, const struct smap_hold *hold, uint64_t now, bool promoted)
{
	struct smap_batch *batch = &map->state.pending;
	uint64_t before = map->batch_ticks;

	if (!smap_listening(miss_batch))
		return;
	batch_add(map, hold, now);
	if (!promoted && batch->count < batch_limit(map) &&
	    smap_ticks_between_ns(before, now) < SMAP_BATCH_AGE_NS)
		return;
	batch->by_miss = 1;
	smap_flush_batch_locked(map);
}

/*
 * Count a miss while somebody listens, or measures. The probe shows what the miss found,
 * before it promoted.
 */
void smap_miss_heard_locked(struct smap *map, const struct smap_hold *hold, uint64_t hash)
{
	const struct smap_state *state = &map->state;
	uint64_t promotions = state->counters.promotions, threshold = state->threshold;
	uint64_t misses = state->miss_count + 1, dirty_len = state->dirty_len, now;

	if (state->policy == SMAP_POLICY_COST)
		smap_policy_missed(map, hold->wait_ns + smap_ticks_between_ns(hold->start_ticks,
									      smap_ticks()));
	smap_miss_locked(map);
	now = smap_ticks(); /* what the probe takes is not the map's */
	smap_fire(miss, (uintptr_t)map, hash, misses, threshold, dirty_len, hold->wait_ns);
	gather_miss(map, hold, now, state->counters.promotions != promotions);
}

/* The last chance of the batch; but whoever calls exit() may hold the mutex. */
static bool lock_at_exit(struct smap *map)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec++;
	return pthread_mutex_clocklock(&map->mu, CLOCK_MONOTONIC, &until) == 0;
}

static bool flush_stale(struct smap *map, void *ctx)
{
	const bool *all = ctx;
	uint64_t age;

	/* relaxed: re-checked under mu by the flush */
	if (!atomic_load_explicit(&map->has_pending, memory_order_relaxed))
		return false;
	if (!(*all ? lock_at_exit(map) : pthread_mutex_trylock(&map->mu) == 0))
		return true; /* in use: the next miss or the next round will do it */
	smap_set_held_here((uintptr_t)map);
	age = smap_now_ns() - map->state.pending.first_ns;
	if (*all || age >= (smap_listening(miss_batch) ? SMAP_BATCH_AGE_NS : FORGET_NS))
		smap_flush_batch_locked(map);
	smap_unlock(map);
	return true;
}

/* Fire batches that are old (or all of them). True if there was any. */
bool smap_flush_stale_batches(bool all)
{
	return smap_registry_any(flush_stale, &all);
}
