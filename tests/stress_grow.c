/* SPDX-License-Identifier: MIT */
/*
 * stress_grow.c - the table moves under readers and writers of the same keys.
 *
 * Growth is the only time when a cell moves, so it is where an update could be
 * lost. Hot keys hold counters that threads raise by compare-and-swap and watch
 * by loads: a watcher must never see a counter fall, and at the end each counter
 * must equal the successes. Meanwhile one thread fills the map and clears away
 * what it filled, through many growths in each round, with deletes and revivals
 * in between so that nil and expunged cells move too.
 */
#include "stress.h"

#include <stdatomic.h>

#define HOT 16
#define ROUNDS 6
#define FILL 6000
#define FIRST 1000

struct shared {
	struct smap *map;
	atomic_bool stop;
	_Atomic uint64_t added[HOT];
	_Atomic uint64_t revived, killed;
};

static uint64_t counter(struct shared *s, uint64_t key)
{
	void *value = NULL;

	CHECK(smap_load_u64(s->map, key, &value), "hot key %lu is lost", key);
	return (uintptr_t)value;
}

static void raise_counters(struct shared *s)
{
	for (uint64_t i = 0; !atomic_load(&s->stop); i++) {
		uint64_t key = i % HOT, now = counter(s, key);
		int ret = smap_compare_and_swap_u64(s->map, key, (void *)(uintptr_t)now,
						    (void *)(uintptr_t)(now + 1));

		CHECK(ret >= 0, "%d", ret);
		s->added[key] += (uint64_t)ret;
	}
}

static void watch_counters(struct shared *s)
{
	uint64_t last[HOT] = {0};

	for (uint64_t i = 0; !atomic_load(&s->stop); i++) {
		uint64_t key = i % HOT, now = counter(s, key);

		CHECK(now >= last[key], "counter %lu fell from %lu to %lu", key, last[key], now);
		last[key] = now;
	}
}

/* Keys HOT..2*HOT-1 come and go: their cells are nil or expunged when tables move. */
static void kill_and_revive(struct shared *s)
{
	for (uint64_t i = 0; !atomic_load(&s->stop); i++) {
		uint64_t key = HOT + i % HOT;
		void *mine = (void *)(uintptr_t)(i + 1), *got = NULL;
		int ret = smap_load_or_store_u64(s->map, key, mine, &got);

		CHECK(ret == 0 && got == mine, "key %lu was there: %p", key, got);
		CHECK(smap_load_u64(s->map, key, &got) && got == mine, "key %lu: %p", key, got);
		CHECK(smap_load_and_delete_u64(s->map, key, &got) && got == mine, "key %lu: %p",
		      key, got);
		CHECK(!smap_load_u64(s->map, key, &got), "key %lu is back", key);
	}
}

static bool go_on(uint64_t key, void *value, void *ctx)
{
	(void)key;
	(void)value;
	(void)ctx;
	return true;
}

static void fill_and_empty(struct shared *s)
{
	void *value;

	for (unsigned round = 0; round < ROUNDS; round++) {
		/* Each round further, so that each round grows. */
		for (uint64_t k = 0; k < (uint64_t)FILL << round; k++) {
			CHECK(!smap_store_u64(s->map, FIRST + k, (void *)(uintptr_t)(k + 1)),
			      "store");
			if (k % 512 == 0)
				smap_range_u64(s->map, go_on, NULL);
			if (k % 3 == 0)
				smap_delete_u64(s->map, FIRST + k / 2);
		}
		for (uint64_t k = 0; k < (uint64_t)FILL << round; k++)
			if (smap_load_and_delete_u64(s->map, FIRST + k, &value))
				CHECK(value == (void *)(uintptr_t)(k + 1), "key %lu", k);
		if ((uint64_t)FILL << round > 20000)
			break;
	}
	atomic_store(&s->stop, true);
}

static void roles(unsigned id, void *ctx)
{
	static void (*const role[])(struct shared *) = {
		fill_and_empty, raise_counters, raise_counters, watch_counters, kill_and_revive};

	role[id](ctx);
}

int main(void)
{
	static const uint32_t flags[] = {0, SMAP_OPTIONS_TUNED};

	alarm(STRESS_ALARM_S);
	for (int i = 0; i < 2; i++) {
		struct smap_options opts = {.key_kind = SMAP_KEY_U64, .flags = flags[i]};
		struct shared s = {.map = stress_map(&opts, "grow")};
		struct smap_state st;

		for (uint64_t key = 0; key < HOT; key++)
			CHECK(!smap_store_u64(s.map, key, (void *)1), "store");
		stress_run(5, roles, &s);
		for (uint64_t key = 0; key < HOT; key++)
			CHECK(counter(&s, key) == s.added[key] + 1, "key %lu: %lu, not %lu", key,
			      counter(&s, key), s.added[key] + 1);
		CHECK(smap_len(s.map) == HOT, "%zu keys left", smap_len(s.map));
		smap_inspect(s.map, &st);
		CHECK(st.growths >= 3, "only %lu growths", st.growths);
		smap_destroy(s.map);
	}
	return 0;
}
