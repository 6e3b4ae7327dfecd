/* SPDX-License-Identifier: MIT */
/*
 * test_smap_options.c - smap_create() and its options: defaults, limits, refusals,
 * names, and callers that were compiled with a shorter struct.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "smap.h"

static char objects[2];
#define A ((void *)&objects[0])
#define UNTOUCHED ((void *)&objects[1])

static struct smap *create(const struct smap_options *opts)
{
	struct smap *map = NULL;

	assert_int_equal(smap_create(&map, opts), 0);
	assert_non_null(map);
	return map;
}

static void test_no_options_means_go(void **state)
{
	struct smap_options zero = {.size = sizeof(zero)};
	struct smap *maps[] = {create(NULL), create(&zero)};
	struct smap_state st;

	(void)state;
	for (int i = 0; i < 2; i++) {
		smap_inspect(maps[i], &st);
		assert_int_equal(st.magic, SMAP_STATE_MAGIC);
		assert_int_equal(st.abi, SMAP_ABI_VERSION);
		assert_int_equal(st.size, sizeof(st));
		assert_string_equal(st.name, "smap");
		assert_int_equal(st.key_kind, SMAP_KEY_BYTES);
		assert_int_equal(st.policy, SMAP_POLICY_GO);
		assert_int_equal(st.flags, 0);
		assert_int_equal(st.miss_counter_bits, 64);
		assert_int_not_equal(st.created_ns, 0);
		smap_destroy(maps[i]);
	}
}

static void test_options_are_checked(void **state)
{
	static const struct smap_options bad[] = {
		{.size = 0},
		{.size = 1},
		{.size = sizeof(size_t) - 1},
		{.size = sizeof(bad[0]), .key_kind = 2},
		{.size = sizeof(bad[0]), .policy = SMAP_POLICY_COUNT},
		{.size = sizeof(bad[0]), .policy = UINT32_MAX},
		{.size = sizeof(bad[0]), .miss_counter_bits = 1},
		{.size = sizeof(bad[0]), .miss_counter_bits = 32},
		{.size = sizeof(bad[0]), .flags = SMAP_OPTIONS_TUNED + 1},
		{.size = sizeof(bad[0]), .flags = 0x80000000u},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct smap *map = UNTOUCHED;

		assert_int_equal(smap_create(&map, &bad[i]), -EINVAL);
		assert_ptr_equal(map, UNTOUCHED);
	}
}

/* A caller from before the last fields existed: what lies behind is not read. */
static void test_options_of_an_older_caller(void **state)
{
	struct smap_options opts = {.size = offsetof(struct smap_options, value_free),
				    .name = "older",
				    .key_kind = SMAP_KEY_U64,
				    .value_free = (void (*)(void *, void *))UNTOUCHED};
	struct smap *map = create(&opts);

	(void)state;
	assert_int_equal(smap_store_u64(map, 1, A), 0);
	assert_true(smap_delete_u64(map, 1));
	smap_destroy(map); /* would call UNTOUCHED */
}

static void test_options_show_in_the_state(void **state)
{
	struct smap_options opts = {.size = sizeof(opts),
				    .name = "shown",
				    .key_kind = SMAP_KEY_U64,
				    .policy = SMAP_POLICY_FIXED,
				    .policy_arg = 12,
				    .initial_dirty = 1000,
				    .miss_counter_bits = 16,
				    .flags = SMAP_OPTIONS_TUNED};
	struct smap *map = create(&opts);
	struct smap_state st;

	(void)state;
	smap_inspect(map, &st);
	assert_string_equal(st.name, "shown");
	assert_int_equal(st.key_kind, SMAP_KEY_U64);
	assert_int_equal(st.policy, SMAP_POLICY_FIXED);
	assert_int_equal(st.policy_arg, 12);
	assert_int_equal(st.initial_dirty, 1000);
	assert_int_equal(st.miss_counter_bits, 16);
	assert_int_equal(st.flags, SMAP_OPTIONS_TUNED);
	for (uint64_t i = 0; i < 1000; i++)
		assert_int_equal(smap_store_u64(map, i, A), 0);
	smap_inspect(map, &st);
	assert_int_equal(st.growths, 0); /* there was room for a thousand */
	smap_destroy(map);
}

static void test_names_are_copied_and_cut(void **state)
{
	char name[101];
	struct smap_options opts = {.size = sizeof(opts), .name = name};
	struct smap_state st;
	struct smap *map;

	(void)state;
	for (size_t len = 62; len <= 100; len += len < 65 ? 1 : 35) {
		memset(name, 'n', sizeof(name));
		name[len] = 0;
		map = create(&opts);
		memset(name, 'z', sizeof(name));
		smap_inspect(map, &st);
		assert_int_equal(strlen(st.name), len < 63 ? len : 63);
		assert_int_equal(strspn(st.name, "n"), len < 63 ? len : 63);
		smap_destroy(map);
	}
	name[0] = 0;
	map = create(&opts);
	smap_inspect(map, &st);
	assert_string_equal(st.name, "");
	smap_destroy(map);
}

static void test_destroy_ignores_null(void **state)
{
	(void)state;
	smap_destroy(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_options_means_go),
		cmocka_unit_test(test_options_are_checked),
		cmocka_unit_test(test_options_of_an_older_caller),
		cmocka_unit_test(test_options_show_in_the_state),
		cmocka_unit_test(test_names_are_copied_and_cut),
		cmocka_unit_test(test_destroy_ignores_null),
	};

	return cmocka_run_group_tests_name("smap_options", tests, NULL, NULL);
}
