/* SPDX-License-Identifier: MIT */
/* Histograms: the slots are those of bpf/smaptrace.h, arithmetic is exact, print fits 80 columns. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "hist.h"

static void test_slots(void **state)
{
	(void)state;
	assert_int_equal(hist_low(0), 0);
	assert_int_equal(hist_high(0), 1);
	for (unsigned slot = 0; slot < SMAP_HIST_SLOTS; slot++) {
		assert_int_equal(st_slot(hist_low(slot)), slot);
		assert_int_equal(st_slot(hist_high(slot)), slot);
		if (slot > 0)
			assert_true(hist_low(slot) == hist_high(slot - 1) + 1);
	}
	assert_true(hist_high(SMAP_HIST_SLOTS - 1) == UINT64_MAX);
}

/* As a record has them. */
static const __u64 *slots_of(const struct hist *hist)
{
	static __u64 slots[SMAP_HIST_SLOTS];

	for (unsigned i = 0; i < SMAP_HIST_SLOTS; i++)
		slots[i] = hist->slots[i];
	return slots;
}

static void test_arithmetic(void **state)
{
	struct hist a = {0}, b, now, diff = {0};

	(void)state;
	assert_int_equal(hist_used_slots(&a), 0);
	assert_true(hist_empty(&a));
	assert_int_equal(hist_percentile(&a, 99), 0);
	hist_add(&a, 0);
	hist_add(&a, 1);
	hist_add(&a, 1000);
	assert_int_equal(hist_count(&a), 3);
	assert_int_equal(a.sum, 1001);
	assert_int_equal(hist_used_slots(&a), 10);
	b = a;
	hist_add(&b, 5);
	now = a;
	assert_true(hist_advance(&now, b.sum, slots_of(&b), &diff));
	assert_memory_equal(&now, &b, sizeof(b));
	assert_int_equal(hist_count(&diff), 1);
	assert_int_equal(diff.sum, 5);
	assert_int_equal(diff.slots[2], 1);
	assert_false(hist_advance(&now, b.sum, slots_of(&b), &diff));
	assert_false(hist_advance(&now, a.sum, slots_of(&a), &diff)); /* never negative */
	assert_memory_equal(&now, &a, sizeof(a));
	assert_int_equal(hist_count(&diff), 1);
	assert_int_equal(diff.sum, 5);
	b = a; /* a value of 0 changes no sum */
	hist_add(&b, 0);
	assert_true(hist_advance(&now, b.sum, slots_of(&b), &diff));
	assert_int_equal(diff.slots[0], 1);
	b = a;
	hist_add(&b, 5);
	hist_merge(&a, &b);
	assert_int_equal(hist_count(&a), 7);
	assert_int_equal(a.sum, 2007);
}

/* The true percentile and the estimate are in the same slot: a factor of two at most. */
static void test_percentile(void **state)
{
	static const double percents[] = {1, 50, 90, 99, 99.9, 100};
	struct hist hist = {0};

	(void)state;
	for (uint64_t value = 1; value <= 100000; value++)
		hist_add(&hist, value);
	for (size_t i = 0; i < sizeof(percents) / sizeof(percents[0]); i++) {
		uint64_t truth = (uint64_t)(percents[i] * 1000);
		uint64_t estimate = hist_percentile(&hist, percents[i]);

		assert_true(estimate >= truth / 2 && estimate <= truth * 2);
	}
	hist = (struct hist){0};
	hist_add(&hist, UINT64_MAX);
	assert_true(hist_percentile(&hist, 50) >= hist_low(SMAP_HIST_SLOTS - 1));
}

static char *printed(const struct hist *hist, const char *unit)
{
	struct sink_memory memory;
	char *text;

	assert_int_equal(sink_memory_open(&memory), 0);
	hist_print(&memory.sink, hist, unit);
	text = sink_memory_close(&memory, NULL);
	assert_non_null(text);
	return text;
}

static void test_print(void **state)
{
	struct hist hist = {0};
	char *text;

	(void)state;
	for (int i = 0; i < 4; i++)
		hist_add(&hist, 100);
	hist_add(&hist, 600);
	text = printed(&hist, "ns");
	assert_string_equal(
		text,
		"     ns                  : count    distribution\n"
		"        64 -> 127        : 4        |****************************************|\n"
		"       128 -> 255        : 0        |                                        |\n"
		"       256 -> 511        : 0        |                                        |\n"
		"       512 -> 1023       : 1        |**********                              |\n");
	free(text);
	hist = (struct hist){0};
	text = printed(&hist, "ns");
	assert_string_equal(text, "");
	free(text);
}

static void test_width(void **state)
{
	static const uint64_t counts[] = {1, 999999, 9999999999ULL, UINT64_MAX / 2};

	(void)state;
	for (unsigned slot = 0; slot < SMAP_HIST_SLOTS; slot++) {
		for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
			struct hist hist = {0};
			char *text, *line, *save = NULL;

			hist.slots[0] = 1;
			hist.slots[slot] = counts[i];
			text = printed(&hist, "entries");
			for (line = strtok_r(text, "\n", &save); line;
			     line = strtok_r(NULL, "\n", &save))
				assert_true(strlen(line) <= 80);
			free(text);
		}
	}
}

/* The join keys of everything downstream. */
static void test_steady_sum(void **state)
{
	struct hist hist = {0};

	(void)state;
	assert_int_equal(hist_steady_sum(&hist), 0);
	for (unsigned i = 0; i < 100; i++)
		hist_add(&hist, 20 + i);
	hist_add(&hist, 600);
	assert_true(hist_steady_sum(&hist) == hist.sum); /* alike: exact */
	hist_add(&hist, 5000000); /* counts as 2047: the median is in 64 .. 127 */
	assert_true(hist_steady_sum(&hist) > 5000 && hist_steady_sum(&hist) < 15000);
	hist = (struct hist){0};
	hist_add(&hist, UINT64_MAX);
	assert_true(hist_steady_sum(&hist) == UINT64_MAX);
}

/* All that goes in comes out: empty ones, the first and the last slot, all of them full. */
static void test_packed(void **state)
{
	struct hist set[ST_HIST_COUNT] = {0}, got;
	uint64_t words[HIST_PACKED_MAX];

	(void)state;
	assert_int_equal(hist_pack(set, 0, words), 1);
	hist_add(&set[0], 0);
	hist_add(&set[2], 5);
	hist_add(&set[2], 300);
	set[3].sum = 7; /* of what has not ended */
	hist_add(&set[ST_HIST_COUNT - 1], UINT64_MAX);
	assert_int_equal(hist_pack(set, 0, words), 1 + 2 + 1 + 2 + 7 + 2 + 2 + 1);
	for (int full = 0; full < 2; full++) {
		for (unsigned i = 0; i < ST_HIST_COUNT; i++) {
			bool any = hist_unpack(words, i, &got);

			assert_int_equal(any, !hist_empty(&set[i]));
			if (any)
				assert_memory_equal(&got, &set[i], sizeof(got));
		}
		memset(set, 0xa5, sizeof(set));
		assert_int_equal(hist_pack(set, 0, words), HIST_PACKED_MAX);
	}
}

static void test_names(void **state)
{
	(void)state;
	assert_string_equal(hist_info[ST_HIST_miss_wait].name, "miss_wait");
	assert_string_equal(hist_info[ST_HIST_miss_wait].unit, "ns");
	for (unsigned i = 0; i < ST_HIST_COUNT; i++) {
		assert_non_null(hist_info[i].name);
		assert_true(strlen(hist_info[i].title) <= 50);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_slots),	   cmocka_unit_test(test_arithmetic),
		cmocka_unit_test(test_percentile), cmocka_unit_test(test_print),
		cmocka_unit_test(test_width),	   cmocka_unit_test(test_names),
		cmocka_unit_test(test_steady_sum), cmocka_unit_test(test_packed),
	};

	return cmocka_run_group_tests_name("hist", tests, NULL, NULL);
}
