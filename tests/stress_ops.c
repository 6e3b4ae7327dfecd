/* SPDX-License-Identifier: MIT */
/*
 * stress_ops.c - all operations from several threads, with sums that must add up.
 *
 * Keys that one thread owns must behave as in a sequential map, whatever the
 * others do to the structure around them. On keys that all share, each operation
 * has a conserved quantity: one LoadOrStore stores, each value that went in by
 * Swap comes out once, each success of CompareAndSwap adds one, and each key is
 * deleted once per time that it was stored.
 */
#include "stress.h"

#include <string.h>

#define THREADS 4
#define KEYS 512

/* Both kinds of keys, long ones too, by number. */
struct shared {
	struct smap *map;
	bool u64;
	unsigned ops;
	_Atomic uint64_t stored[THREADS], deleted[THREADS];
	_Atomic unsigned char came_out[THREADS * 20000 + 1];
	void *actual[THREADS][KEYS];
};

static const void *key_bytes(char buf[32], uint64_t k, size_t *ret_len)
{
	memset(buf, 'k', 32);
	memcpy(buf, &k, sizeof(k));
	*ret_len = k % 2 ? 12 : 29;
	return buf;
}

#define KEYED(s, k, name, ...)                                                                     \
	do {                                                                                       \
		char buf_[32];                                                                     \
		size_t len_;                                                                       \
		const void *key_ = key_bytes(buf_, k, &len_);                                      \
		if ((s)->u64)                                                                      \
			return smap_##name##_u64((s)->map, k, __VA_ARGS__);                        \
		return smap_##name((s)->map, key_, len_, __VA_ARGS__);                             \
	} while (0)

static int store(struct shared *s, uint64_t k, void *value)
{
	KEYED(s, k, store, value);
}

static bool load(struct shared *s, uint64_t k, void **value)
{
	KEYED(s, k, load, value);
}

static int swap(struct shared *s, uint64_t k, void *value, void **previous)
{
	KEYED(s, k, swap, value, previous);
}

static int load_or_store(struct shared *s, uint64_t k, void *value, void **actual)
{
	KEYED(s, k, load_or_store, value, actual);
}

static bool load_and_delete(struct shared *s, uint64_t k, void **value)
{
	KEYED(s, k, load_and_delete, value);
}

static int compare_and_swap(struct shared *s, uint64_t k, void *old, void *value)
{
	KEYED(s, k, compare_and_swap, old, value);
}

static bool compare_and_delete(struct shared *s, uint64_t k, void *old)
{
	KEYED(s, k, compare_and_delete, old);
}

/* --- keys of one's own: exactly sequential --- */

/* One operation on key k, whose value must be `now`; returns the value after it. */
static void *own_operation(struct shared *s, uint64_t k, void *now, uint64_t r)
{
	void *value = (void *)(uintptr_t)(r | 1), *got = NULL;

	switch (r % 8) {
	case 0:
		CHECK(!store(s, k, value), "key %lu", k);
		return value;
	case 1:
		CHECK(swap(s, k, value, &got) == !!now && got == now, "key %lu", k);
		return value;
	case 2:
		CHECK(load_or_store(s, k, value, &got) == !!now, "key %lu", k);
		CHECK(got == (now ? now : value), "key %lu", k);
		return got;
	case 3:
		CHECK(load_and_delete(s, k, &got) == !!now && got == now, "key %lu", k);
		return NULL;
	case 4:
		CHECK(compare_and_swap(s, k, now ? now : value, value) == !!now, "key %lu", k);
		return now ? value : NULL;
	case 5:
		CHECK(compare_and_delete(s, k, now ? now : value) == !!now, "key %lu", k);
		return NULL;
	default:
		CHECK(load(s, k, &got) == !!now && got == now, "key %lu: %p, not %p", k, got, now);
		return now;
	}
}

static void own_keys(unsigned id, void *ctx)
{
	struct shared *s = ctx;
	void *now[KEYS] = {NULL};
	uint64_t rng = stress_seed(id);

	for (unsigned i = 0; i < s->ops; i++) {
		unsigned k = stress_random(&rng) % KEYS;

		now[k] = own_operation(s, k * THREADS + id, now[k], stress_random(&rng));
	}
	for (unsigned k = 0; k < KEYS; k++) {
		void *got = NULL;

		load(s, k * THREADS + id, &got);
		CHECK(got == now[k], "key %u of thread %u", k, id);
		s->stored[id] += now[k] != NULL;
	}
}

/* --- shared keys --- */

static void store_or_load_all(unsigned id, void *ctx)
{
	struct shared *s = ctx;

	for (unsigned i = 0; i < KEYS; i++) {
		unsigned k = (i + id * 3) % KEYS;
		void *mine = (void *)(uintptr_t)(id * KEYS + k + 1);
		int loaded = load_or_store(s, k, mine, &s->actual[id][k]);

		CHECK(loaded >= 0, "key %u: %d", k, loaded);
		CHECK(loaded || s->actual[id][k] == mine, "key %u", k);
		s->stored[id] += !loaded;
	}
}

static void delete_all(unsigned id, void *ctx)
{
	struct shared *s = ctx;

	for (unsigned i = 0; i < KEYS; i++) {
		unsigned k = (i + id * 3) % KEYS;
		void *want = s->actual[id][k], *got = want;
		bool won = id % 2 ? compare_and_delete(s, k, want) : load_and_delete(s, k, &got);

		CHECK(got == want, "key %u", k);
		s->deleted[id] += won;
	}
}

static uint64_t sum(const _Atomic uint64_t *counts)
{
	uint64_t total = 0;

	for (int i = 0; i < THREADS; i++)
		total += counts[i];
	return total;
}

/* Everybody stores and then deletes the same keys: one winner each, every time. */
static void one_winner(struct shared *s, unsigned rounds)
{
	for (unsigned round = 0; round < rounds; round++) {
		memset((void *)s->stored, 0, sizeof(s->stored));
		memset((void *)s->deleted, 0, sizeof(s->deleted));
		stress_run(THREADS, store_or_load_all, s);
		CHECK(sum(s->stored) == KEYS, "%lu stored", sum(s->stored));
		for (int k = 0; k < KEYS; k++)
			for (int t = 1; t < THREADS; t++)
				CHECK(s->actual[t][k] == s->actual[0][k], "key %d", k);
		CHECK(smap_len(s->map) == KEYS, "%zu", smap_len(s->map));
		stress_run(THREADS, delete_all, s);
		CHECK(sum(s->deleted) == KEYS, "%lu deleted", sum(s->deleted));
		CHECK(smap_len(s->map) == 0, "%zu", smap_len(s->map));
	}
}

/* Each token goes in once, by swap; what comes out is marked, and no mark is made twice. */
static void mark(struct shared *s, void *token)
{
	CHECK(!s->came_out[(uintptr_t)token]++, "value %p came out twice", token);
}

static void swap_tokens(unsigned id, void *ctx)
{
	struct shared *s = ctx;
	uint64_t rng = stress_seed(id);

	for (unsigned i = 0; i < 20000; i++) {
		uint64_t k = stress_random(&rng) % 8, filler = 1000 + id * 20000 + i;
		void *token = (void *)(uintptr_t)(id * 20000 + i + 1), *out = NULL;

		if (swap(s, k, token, &out) == 1)
			mark(s, out);
		if (i % 3 == 0 && load_and_delete(s, (k + 1) % 8, &out))
			mark(s, out);
		if (i % 5 == 0 && load(s, (k + 2) % 8, &out) &&
		    compare_and_delete(s, (k + 2) % 8, out))
			mark(s, out);
		if (i % 7 == 0) /* a new key, so that rebuilds expunge */
			CHECK(!store(s, filler, s), "%lu", filler);
		if (i % 14 == 0)
			CHECK(load_and_delete(s, filler, &out), "%lu", filler);
	}
}

static void tokens_are_conserved(struct shared *s)
{
	unsigned out = 0, total = THREADS * 20000;
	void *value;

	memset((void *)s->came_out, 0, sizeof(s->came_out));
	stress_run(THREADS, swap_tokens, s);
	for (uint64_t k = 0; k < 8; k++)
		if (load_and_delete(s, k, &value))
			mark(s, value);
	for (unsigned i = 1; i <= total; i++)
		out += s->came_out[i];
	CHECK(out == total, "%u of %u values came out", out, total);
	CHECK(!smap_clear(s->map), "clear");
}

/* --- Clear (Go's TestConcurrentClear) --- */

static void store_load_or_clear(unsigned id, void *ctx)
{
	struct shared *s = ctx;
	void *value;

	for (uint64_t i = 0; i < s->ops / 8; i++) {
		uint64_t k = i % KEYS;

		if (id % 3 == 0)
			CHECK(!store(s, k, (void *)(uintptr_t)(k + 1)), "store");
		else if (id % 3 == 1 && load(s, k, &value))
			CHECK(value == (void *)(uintptr_t)(k + 1), "key %lu: %p", k, value);
		else if (id % 3 == 2 && i % 64 == 0)
			CHECK(!smap_clear(s->map), "clear");
	}
}

static void concurrent_clear(struct shared *s)
{
	stress_run(9, store_load_or_clear, s);
	CHECK(!smap_clear(s->map), "clear");
	CHECK(smap_len(s->map) == 0, "%zu keys after the last Clear", smap_len(s->map));
}

int main(void)
{
	static struct shared s;

	alarm(STRESS_ALARM_S);
	for (int u64 = 0; u64 < 2; u64++) {
		struct smap_options opts = {.key_kind = u64 ? SMAP_KEY_U64 : SMAP_KEY_BYTES};

		s.map = stress_map(&opts, "ops");
		s.u64 = u64;
		s.ops = 100000;
		memset((void *)s.stored, 0, sizeof(s.stored));
		stress_run(THREADS, own_keys, &s);
		CHECK(smap_len(s.map) == sum(s.stored), "%zu keys", smap_len(s.map));
		CHECK(!smap_clear(s.map), "clear");
		one_winner(&s, 20);
		tokens_are_conserved(&s);
		concurrent_clear(&s);
		smap_destroy(s.map);
	}
	return 0;
}
