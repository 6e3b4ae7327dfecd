/* SPDX-License-Identifier: MIT */
/*
 * test_smap_go_map.h - the second half of test_smap_go.c: after sync/map_test.go.
 * Named after Go's tests; see there for what is elsewhere.
 */
#ifndef TEST_SMAP_GO_MAP_H
#define TEST_SMAP_GO_MAP_H

/*
 * TestIssue40999: a key that is stored and deleted again and again, always a new one, must not
 * stay, nor its value. One entry that remains keeps dirty from being promoted.
 */
#define ISSUE40999_KEYS 1000

static void count_free(void *value, void *ctx)
{
	atomic_uint *freed = ctx;

	free(value);
	atomic_fetch_add(freed, 1);
}

static void test_Issue40999_values_of_deleted_keys_are_freed(void **state)
{
	atomic_uint freed = 0;
	struct smap_options opts = {.size = sizeof(opts),
				    .key_kind = SMAP_KEY_BYTES,
				    .value_free = count_free,
				    .ctx = &freed};
	struct keyspace ks = {.u64 = false};
	struct smap_state st;

	(void)state;
	assert_int_equal(smap_create(&ks.map, &opts), 0);
	assert_int_equal(keyspace_store(&ks, 0, malloc(1)), 0);
	for (size_t k = 1; k <= ISSUE40999_KEYS; k++) {
		assert_int_equal(keyspace_store(&ks, k, malloc(1)), 0);
		assert_true(keyspace_delete(&ks, k));
		smap_inspect(ks.map, &st);
		assert_true(st.dirty_len <= 2);
	}
	for (struct until u = until_begin(); freed < ISSUE40999_KEYS && until_again(&u);)
		;
	assert_int_equal(freed, ISSUE40999_KEYS);
	smap_inspect(ks.map, &st);
	assert_true(st.slots <= 64); /* nor has the table grown with what came and went */
	smap_destroy(ks.map);
	assert_int_equal(freed, ISSUE40999_KEYS + 1);
}

/* --- TestMapRangeNestedCall: the callback may call anything, a Range too --- */

struct nested {
	const struct keyspace *ks;
	unsigned outer, inner;
};

static bool nested_inner(size_t k, void *value, void *ctx)
{
	struct nested *n = ctx;
	void *actual;

	/* Every key that is met has been stored; each is changed, none twice a round. */
	assert_true(value);
	n->inner++;
	assert_int_equal(keyspace_load_or_store(n->ks, k, value_of(k, 5), &actual), 1);
	assert_int_equal(keyspace_store(n->ks, k, value_of(k, 6)), 0);
	expect(n->ks, k, value_of(k, 6));
	return true;
}

static bool nested_outer(size_t k, void *value, void *ctx)
{
	struct nested *n = ctx;
	void *out = NULL;

	(void)value;
	n->outer++;
	keyspace_range(n->ks, nested_inner, n);
	assert_true(keyspace_load_and_delete(n->ks, k, &out));
	assert_ptr_equal(out, value_of(k, 6));
	return true;
}

static void range_nested(const struct keyspace *ks, void *arg)
{
	struct nested n = {.ks = ks};

	(void)arg;
	store_all(ks, 0, 10);
	keyspace_range(ks, nested_outer, &n);
	assert_int_equal(n.outer, 10);
	assert_int_equal(n.inner, 10 + 9 + 8 + 7 + 6 + 5 + 4 + 3 + 2 + 1);
	assert_int_equal(smap_len(ks->map), 0);
}

static void test_MapRangeNestedCall(void **state)
{
	(void)state;
	on_every_map(range_nested, NULL);
}

/* TestCompareAndSwap_NonExistingKey: absent in each way that a key can be absent. */
static void swap_non_existing(const struct keyspace *ks, void *arg)
{
	struct iteration it = {.ks = ks};
	void *v = value_of(3, 0), *w = value_of(3, 1);

	(void)arg;
	assert_int_equal(keyspace_compare_and_swap(ks, 3, v, w), 0); /* nothing there */
	assert_int_equal(keyspace_store(ks, 4, value_of(4, 0)), 0);
	assert_int_equal(keyspace_compare_and_swap(ks, 3, v, w), 0); /* amended */
	assert_int_equal(keyspace_store(ks, 3, v), 0);
	assert_true(keyspace_delete(ks, 3));
	assert_int_equal(keyspace_compare_and_swap(ks, 3, v, w), 0); /* was in dirty */
	assert_int_equal(keyspace_store(ks, 3, v), 0);
	keyspace_range(ks, meet, &it);
	assert_true(keyspace_delete(ks, 3));
	assert_int_equal(keyspace_compare_and_swap(ks, 3, v, w), 0); /* nil */
	assert_int_equal(keyspace_store(ks, 5, value_of(5, 0)), 0);
	assert_int_equal(keyspace_compare_and_swap(ks, 3, v, w), 0); /* expunged */
	expect(ks, 3, NULL);
}

static void test_CompareAndSwap_NonExistingKey(void **state)
{
	(void)state;
	on_every_map(swap_non_existing, NULL);
}

/* TestMapRangeNoAllocations: an allocation would be refused, and noticed. */
static void range_without_memory(const struct keyspace *ks, void *arg)
{
	struct iteration it = {.ks = ks};

	(void)arg;
	store_all(ks, 0, KEYS);
	for (int i = 0; i < 2; i++) { /* the first promotes */
		memset(it.met, 0, sizeof(it.met));
		arm(1, true);
		keyspace_range(ks, meet, &it);
		assert_false(disarm());
		for (size_t k = 0; k < KEYS; k++)
			assert_int_equal(it.met[k], 1);
	}
}

static void test_MapRangeNoAllocations(void **state)
{
	(void)state;
	on_every_map(range_without_memory, NULL);
}

/* TestMapDelete: deleted from read and from dirty, with a Range over what is left. */
static bool meet_nothing(size_t k, void *value, void *ctx)
{
	(void)ctx;
	fail_msg("met key %zu with %p", k, value);
	return false;
}

static void delete_all(const struct keyspace *ks, void *arg)
{
	struct iteration it = {.ks = ks};

	(void)arg;
	for (int promoted = 0; promoted < 2; promoted++) {
		store_all(ks, 0, KEYS);
		memset(it.met, 0, sizeof(it.met));
		if (promoted)
			keyspace_range(ks, meet, &it);
		for (size_t k = 0; k < KEYS; k++)
			assert_true(keyspace_delete(ks, k));
		for (size_t k = 0; k < KEYS; k++) {
			assert_false(keyspace_delete(ks, k));
			expect(ks, k, NULL);
		}
		keyspace_range(ks, meet_nothing, NULL);
		assert_int_equal(smap_len(ks->map), 0);
	}
}

static void test_MapDelete(void **state)
{
	(void)state;
	on_every_map(delete_all, NULL);
}

/* TestMapClear: of an empty map, of one in dirty, of one in read; and it can be used after. */
static void clear_all(const struct keyspace *ks, void *arg)
{
	struct iteration it = {.ks = ks};

	(void)arg;
	assert_int_equal(smap_clear(ks->map), 0);
	for (int promoted = 0; promoted < 2; promoted++) {
		store_all(ks, 0, KEYS);
		memset(it.met, 0, sizeof(it.met));
		if (promoted)
			keyspace_range(ks, meet, &it);
		assert_int_equal(smap_clear(ks->map), 0);
		assert_int_equal(smap_len(ks->map), 0);
		keyspace_range(ks, meet_nothing, NULL);
		for (size_t k = 0; k < KEYS; k++)
			expect(ks, k, NULL);
	}
	store_all(ks, 0, KEYS);
	expect(ks, KEYS - 1, value_of(KEYS - 1, 0));
}

static void test_MapClear(void **state)
{
	(void)state;
	on_every_map(clear_all, NULL);
}

#endif
