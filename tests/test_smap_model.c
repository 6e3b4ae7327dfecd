/* SPDX-License-Identifier: MIT */
/*
 * test_smap_model.c - random strings of operations, libsmap against gosync.h.
 *
 * After every single operation the result and all counters that smap_inspect()
 * shows must equal the model's (G3, G8), whatever the keys, the size of the key
 * space, the options and the number of growths on the way. Go's own test
 * (TestMapMatchesRWMutex) compares results only, and gives values to Store and
 * LoadOrStore only; here all operations get real values.
 *
 * A failure prints case, seed and number of the operation; SMAP_SEED sets the seed.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "gosync.h"
#include "keyspace.h"

#define VALUES 12 /* few, so that compare-and-swap meets equal ones */

#define OPS(X) X(store) X(load) X(swap) X(los) X(lad) X(del) X(cas) X(cad) X(range) X(clear)

enum op {
#define OP_ENUM(name) OP_##name,
	OPS(OP_ENUM)
#undef OP_ENUM
		OP_COUNT
};

static const char *const op_names[] = {
#define OP_NAME(name) [OP_##name] = #name,
	OPS(OP_NAME)
#undef OP_NAME
};

struct mix {
	unsigned short weight[OP_COUNT];
};

static const struct mix mixes[] = {
	/*   st  ld  sw los lad del cas cad range clear */
	{{20, 30, 10, 10, 8, 5, 8, 8, 1, 0}},	  {{5, 80, 2, 2, 3, 2, 3, 3, 0, 0}},
	{{15, 10, 5, 10, 20, 20, 5, 15, 1, 1}},	  {{30, 5, 10, 30, 2, 2, 10, 10, 0, 0}},
	{{10, 10, 10, 10, 10, 10, 10, 20, 5, 5}},
};

#define MIXES (sizeof(mixes) / sizeof(*mixes))

struct run {
	const char *name;
	size_t universe;
	unsigned ops;
	struct smap_options opts;
};

struct sut {
	const struct run *run;
	struct keyspace ks;
	struct gosync *model;
	uint64_t rng;
	uint64_t seed;
	unsigned step;
	enum op op;
	uint64_t epoch;
	uint64_t left[VALUES], freed[VALUES];
	unsigned char *seen;
};

static uint64_t next_random(struct sut *s)
{
	s->rng ^= s->rng << 13;
	s->rng ^= s->rng >> 7;
	s->rng ^= s->rng << 17;
	return s->rng * 0x2545f4914f6cdd1dULL >> 16;
}

/* Values of all shapes: tiny, odd, aligned, all ones. */
static void *value_at(size_t i)
{
	static char object[VALUES];

	if (i == 0)
		return (void *)1;
	if (i == 1)
		return (void *)-1;
	return i % 2 ? (void *)&object[i] : (void *)(i << 40 | 2);
}

static size_t value_index(const void *value)
{
	for (size_t i = 0; i < VALUES; i++)
		if (value_at(i) == value)
			return i;
	return SIZE_MAX;
}

static void *random_value(struct sut *s)
{
	return value_at(next_random(s) % VALUES);
}

static void fail_at(const struct sut *s, const char *what, uint64_t got, uint64_t want)
{
	fail_msg("%s: seed %llu, operation %u (%s): %s is %llu, Go has %llu", s->run->name,
		 (unsigned long long)s->seed, s->step, op_names[s->op], what,
		 (unsigned long long)got, (unsigned long long)want);
}

static void expect(const struct sut *s, const char *what, uint64_t got, uint64_t want)
{
	if (got != want)
		fail_at(s, what, got, want);
}

/* --- after each operation --- */

static void compare_state(struct sut *s)
{
	const struct gosync *g = s->model;
	struct smap_state st;

	expect(s, "smap_len", smap_len(s->ks.map), g->len);
	if (s->run->opts.flags) /* better than Go: results are all that must be equal */
		return;
	smap_inspect(s->ks.map, &st);
	expect(s, "misses", st.counters.misses, g->count.misses);
	expect(s, "promotions", st.counters.promotions, g->count.promotions);
	expect(s, "rebuilds", st.counters.rebuilds, g->count.rebuilds);
	expect(s, "copied", st.counters.copied, g->count.copied);
	expect(s, "expunged", st.counters.expunged, g->count.expunged);
	expect(s, "overflows", st.counters.overflows, g->count.overflows);
	expect(s, "miss_count", st.miss_count, g->misses);
	expect(s, "read_len", st.read_len, g->read_len);
	expect(s, "dirty_len", st.dirty_len, g->dirty_len);
	expect(s, "amended", st.amended, g->amended);
	expect(s, "has_dirty", st.has_dirty, g->has_dirty);
	expect(s, "new_keys", st.new_keys, g->new_keys);
	if (st.amended)
		expect(s, "threshold", st.threshold, gosync_threshold(g));
	if (st.epoch < s->epoch)
		fail_at(s, "epoch", st.epoch, s->epoch);
	s->epoch = st.epoch;
}

static bool visit(size_t i, void *value, void *ctx)
{
	struct sut *s = ctx;

	if (i >= s->run->universe)
		fail_at(s, "a key in Range", i, KEYSPACE_NONE);
	expect(s, "how often Range met a key before", s->seen[i], 0);
	expect(s, "a value in Range", (uintptr_t)value, (uintptr_t)gosync_peek(s->model, i));
	s->seen[i] = 1;
	return true;
}

static void do_range(struct sut *s)
{
	memset(s->seen, 0, s->run->universe);
	keyspace_range(&s->ks, visit, s);
	gosync_range(s->model);
	for (size_t i = 0; i < s->run->universe; i++)
		expect(s, "met by Range", s->seen[i], gosync_peek(s->model, i) != NULL);
}

/* --- the operations on both --- */

static void do_store(struct sut *s, size_t key)
{
	void *value = random_value(s), *unused;

	expect(s, "store", (uint64_t)keyspace_store(&s->ks, key, value), 0);
	gosync_swap(s->model, key, value, &unused);
}

static void do_swap(struct sut *s, size_t key)
{
	void *value = random_value(s), *got = &got, *want;
	int ret = keyspace_swap(&s->ks, key, value, &got);

	expect(s, "swap", (uint64_t)ret, (uint64_t)gosync_swap(s->model, key, value, &want));
	expect(s, "previous", (uintptr_t)got, (uintptr_t)want);
}

static void do_los(struct sut *s, size_t key)
{
	void *value = random_value(s), *got = NULL, *want;
	int ret = keyspace_load_or_store(&s->ks, key, value, &got);
	int should = gosync_load_or_store(s->model, key, value, &want);

	expect(s, "load_or_store", (uint64_t)ret, (uint64_t)should);
	expect(s, "actual", (uintptr_t)got, (uintptr_t)want);
}

static void do_load(struct sut *s, size_t key)
{
	void *got = NULL, *want = NULL;
	bool ret = keyspace_load(&s->ks, key, &got);

	expect(s, "load", ret, gosync_load(s->model, key, &want));
	expect(s, "value", (uintptr_t)got, (uintptr_t)want);
}

static void do_lad(struct sut *s, size_t key)
{
	void *got = NULL, *want = NULL;
	bool ret = keyspace_load_and_delete(&s->ks, key, &got);

	expect(s, "load_and_delete", ret, gosync_load_and_delete(s->model, key, &want));
	expect(s, "removed value", (uintptr_t)got, (uintptr_t)want);
}

static void do_del(struct sut *s, size_t key)
{
	bool ret = keyspace_delete(&s->ks, key);
	void *unused;

	expect(s, "delete", ret, gosync_load_and_delete(s->model, key, &unused));
}

/* Half of the time the value that is there, so that it succeeds. */
static void *random_old(struct sut *s, size_t key)
{
	void *present = gosync_peek(s->model, key);

	return present && next_random(s) % 2 ? present : random_value(s);
}

static void do_cas(struct sut *s, size_t key)
{
	void *old = random_old(s, key), *value = random_value(s);
	int ret = keyspace_compare_and_swap(&s->ks, key, old, value);

	expect(s, "compare_and_swap", (uint64_t)ret,
	       (uint64_t)gosync_compare_and_swap(s->model, key, old, value));
}

static void do_cad(struct sut *s, size_t key)
{
	void *old = random_old(s, key);
	bool ret = keyspace_compare_and_delete(&s->ks, key, old);

	expect(s, "compare_and_delete", ret, gosync_compare_and_delete(s->model, key, old));
}

static void do_clear(struct sut *s)
{
	expect(s, "clear", (uint64_t)smap_clear(s->ks.map), 0);
	gosync_clear(s->model);
}

static enum op random_op(struct sut *s, const struct mix *mix)
{
	unsigned sum = 0, at;

	for (int i = 0; i < OP_COUNT; i++)
		sum += mix->weight[i];
	at = next_random(s) % sum;
	for (int i = 0; i < OP_COUNT; i++) {
		if (at < mix->weight[i])
			return i;
		at -= mix->weight[i];
	}
	return OP_load;
}

/* Half of the keys come from a small hot part of the space. */
static size_t random_key(struct sut *s)
{
	size_t n = s->run->universe;

	return next_random(s) % 2 ? next_random(s) % (n / 8 + 1) : next_random(s) % n;
}

static void one_operation(struct sut *s, const struct mix *mix)
{
	static void (*const keyed[OP_COUNT])(struct sut *, size_t) = {
		[OP_store] = do_store, [OP_load] = do_load, [OP_swap] = do_swap, [OP_los] = do_los,
		[OP_lad] = do_lad,     [OP_del] = do_del,   [OP_cas] = do_cas,	 [OP_cad] = do_cad,
	};
	size_t key = random_key(s);

	s->op = random_op(s, mix);
	/* In a large space, Range and Clear would be nearly all that happens. */
	if (s->op >= OP_range && s->run->universe > 1000 && next_random(s) % 64)
		s->op = OP_load;
	if (s->op == OP_range)
		do_range(s);
	else if (s->op == OP_clear)
		do_clear(s);
	else
		keyed[s->op](s, key);
	compare_state(s);
}

/* --- one run --- */

static void count_freed(void *value, void *ctx)
{
	struct sut *s = ctx;
	size_t i = value_index(value);

	if (i < VALUES) /* one reclaimer at a time, and destroy waits for it */
		s->freed[i]++;
}

static void count_left(void *value, void *ctx)
{
	struct sut *s = ctx;

	s->left[value_index(value)]++;
}

static void run_model(const struct run *run, bool u64, bool freeing, uint64_t seed)
{
	struct sut s = {.run = run, .ks.u64 = u64, .seed = seed, .rng = seed * 2 + 1};
	struct smap_options opts = run->opts;

	opts.size = sizeof(opts);
	opts.name = run->name;
	opts.key_kind = u64 ? SMAP_KEY_U64 : SMAP_KEY_BYTES;
	opts.value_free = freeing ? count_freed : NULL;
	opts.ctx = &s;
	assert_int_equal(smap_create(&s.ks.map, &opts), 0);
	s.model = gosync_new(run->universe);
	s.model->policy = opts.policy;
	s.model->policy_arg = opts.policy_arg;
	s.model->miss_counter_bits = opts.miss_counter_bits;
	s.model->left = count_left;
	s.model->ctx = &s;
	s.seen = calloc(1, run->universe);

	compare_state(&s);
	for (s.step = 0; s.step < run->ops; s.step++)
		/* Each mix for a while, so that maps fill, settle and empty. */
		one_operation(&s, &mixes[(s.step * 20 / run->ops + seed) % MIXES]);
	s.op = OP_range;
	do_range(&s);
	compare_state(&s);

	gosync_clear(s.model); /* what destroy frees */
	smap_destroy(s.ks.map);
	for (size_t i = 0; freeing && i < VALUES; i++)
		expect(&s, "frees of a value", s.freed[i], s.left[i]);
	gosync_free(s.model);
	free(s.seen);
}

static uint64_t first_seed(void)
{
	const char *env = getenv("SMAP_SEED");

	return env ? strtoull(env, NULL, 0) : 1;
}

/* Both key kinds, with and without value_free, n seeds. */
static void run_all(const struct run *run, unsigned seeds)
{
	for (uint64_t seed = first_seed(); seeds--; seed++)
		for (int variant = 0; variant < 4; variant++)
			run_model(run, variant & 1, variant & 2, seed);
}

static void test_few_keys(void **state)
{
	static const struct run one = {.name = "one key", .universe = 1, .ops = 3000};
	static const struct run three = {.name = "three keys", .universe = 3, .ops = 3000};

	(void)state;
	run_all(&one, 20);
	run_all(&three, 40);
}

static void test_small_maps(void **state)
{
	static const struct run run = {.name = "small map", .universe = 24, .ops = 6000};

	(void)state;
	run_all(&run, 20);
}

static void test_maps_that_grow(void **state)
{
	static const struct run run = {.name = "growing map", .universe = 700, .ops = 20000};

	(void)state;
	run_all(&run, 4);
}

static void test_large_maps(void **state)
{
	static const struct run run = {.name = "large map", .universe = 40000, .ops = 150000};

	(void)state;
	run_all(&run, 1);
}

/* Room from the start changes when tables grow, and nothing else. */
static void test_initial_dirty(void **state)
{
	static const uint64_t sizes[] = {1, 16, 17, 300, 5000};

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		const struct run run = {.name = "initial_dirty",
					.universe = 300,
					.ops = 4000,
					.opts.initial_dirty = sizes[i]};

		run_all(&run, 1);
	}
}

static void test_policies(void **state)
{
	static const struct smap_options policies[] = {
		{.policy = SMAP_POLICY_READ_LEN},
		{.policy = SMAP_POLICY_HALF_DIRTY},
		{.policy = SMAP_POLICY_FIXED},
		{.policy = SMAP_POLICY_FIXED, .policy_arg = 1},
		{.policy = SMAP_POLICY_FIXED, .policy_arg = 37},
		{.policy = SMAP_POLICY_FIXED, .policy_arg = UINT64_MAX},
		{.policy = SMAP_POLICY_GO, .miss_counter_bits = 64},
		{.policy = SMAP_POLICY_GO, .miss_counter_bits = 16},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(policies) / sizeof(*policies); i++) {
		const struct run run = {
			.name = "policies", .universe = 60, .ops = 5000, .opts = policies[i]};

		run_all(&run, 2);
	}
}

/* Hashes that collide, as in Go's tests of its later map: in all, or in the place. */
static uint64_t bad_hash(const void *key, size_t len, uint64_t seed)
{
	(void)key;
	(void)len;
	return seed;
}

static uint64_t truncated_hash(const void *key, size_t len, uint64_t seed)
{
	return seed ^ (len ? *(const unsigned char *)key & 3 : 9) * 0x0101010101010101ULL;
}

static void test_hashes_that_collide(void **state)
{
	const struct run bad = {
		.name = "bad hash", .universe = 80, .ops = 5000, .opts.hash = bad_hash};
	const struct run truncated = {.name = "truncated hash",
				      .universe = 300,
				      .ops = 5000,
				      .opts.hash = truncated_hash};

	(void)state;
	run_all(&bad, 3);
	run_all(&truncated, 3);
}

/* What the flags change are counters, never results. */
static void test_flags_change_no_result(void **state)
{
	static const uint32_t flags[] = {SMAP_GROW_PROMOTES, SMAP_ABSENT_FILTER,
					 SMAP_OPTIONS_TUNED};

	(void)state;
	for (size_t i = 0; i < sizeof(flags) / sizeof(*flags); i++) {
		const struct run small = {
			.name = "flags", .universe = 24, .ops = 5000, .opts.flags = flags[i]};
		const struct run growing = {
			.name = "flags", .universe = 700, .ops = 20000, .opts.flags = flags[i]};

		run_all(&small, 4);
		run_all(&growing, 2);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_few_keys),
					   cmocka_unit_test(test_small_maps),
					   cmocka_unit_test(test_maps_that_grow),
					   cmocka_unit_test(test_large_maps),
					   cmocka_unit_test(test_initial_dirty),
					   cmocka_unit_test(test_policies),
					   cmocka_unit_test(test_hashes_that_collide),
					   cmocka_unit_test(test_flags_change_no_result)};

	return cmocka_run_group_tests_name("smap_model", tests, NULL, NULL);
}
