/* SPDX-License-Identifier: MIT */
/* Call stacks in the model: tables that only grow, cumulative counts, windows, the busiest. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "report.h"

static const struct st_key key = {.addr = 0x1000, .id = 1};
static struct model *model;

static int add_record(struct record *record, unsigned kind)
{
	record->kind = kind;
	return model_add(model, record);
}

static int add_frame(uint32_t index, const char *function)
{
	struct record r = {.frame = {.frame = index}};

	memset(r.frame.module, 'm', sizeof(r.frame.module)); /* does not end */
	snprintf(r.frame.function, sizeof(r.frame.function), "%s", function);
	return add_record(&r, RECORD_FRAME);
}

static int add_stack(uint32_t index, uint32_t target, uint32_t frames, uint32_t first)
{
	struct record r = {.stack = {.stack = index, .target = target, .frame_count = frames}};

	for (uint32_t i = 0; i < frames && i < RECORD_STACK_FRAMES; i++)
		r.stack.frame[i] = first;
	return add_record(&r, RECORD_STACK);
}

static int add_count(uint32_t stack, uint32_t kind, uint64_t count, uint64_t ns, uint64_t samples)
{
	struct record r = {.stack_count = {.key = key,
					   .stack = stack,
					   .kind = kind,
					   .count = count,
					   .ns = ns,
					   .samples = samples}};

	return add_record(&r, RECORD_STACK_COUNT);
}

static void end_window(uint64_t n)
{
	struct record r = {.window = {.start_ns = n, .end_ns = n + 1}};

	assert_int_equal(add_record(&r, RECORD_WINDOW), 0);
}

/* A target, a map that was sampled, frames 0 and 1, stack 0 of both and stack 1 of none. */
static int set_up(void **state)
{
	struct record target = {0}, map = {.map = {.key = key}};
	struct record sample = {.sample = {.key = key, .alive = 1}};

	(void)state;
	assert_int_equal(model_create(&model), 0);
	assert_int_equal(add_record(&target, RECORD_TARGET), 0);
	assert_int_equal(add_record(&map, RECORD_MAP), 0);
	assert_int_equal(add_record(&sample, RECORD_SAMPLE), 0);
	assert_int_equal(add_frame(0, "inner"), 0);
	assert_int_equal(add_frame(1, "outer"), 0);
	assert_int_equal(add_stack(0, 0, 2, 1), 0);
	assert_int_equal(add_stack(1, 0, 0, 0), 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	model_free(model);
	return 0;
}

static void test_refused(void **state)
{
	(void)state;
	assert_int_equal(add_frame(3, "not the next"), -EINVAL);
	assert_int_equal(add_frame(1, "again"), -EINVAL);
	assert_int_equal(add_stack(3, 0, 1, 0), -EINVAL);
	assert_int_equal(add_stack(2, 1, 1, 0), -EINVAL); /* no such target */
	assert_int_equal(add_stack(2, 0, 1, 2), -EINVAL); /* no such frame */
	assert_int_equal(add_stack(2, 0, RECORD_STACK_FRAMES + 1, 0), -EINVAL);
	assert_int_equal(add_count(2, ST_STACK_miss, 1, 1, 1), -EINVAL);
	assert_int_equal(add_count(0, ST_STACK_COUNT, 1, 1, 1), -EINVAL);
	assert_int_equal(add_stack(2, 0, RECORD_STACK_FRAMES, 0), 0);
	assert_int_equal(model->stack_count, 3);
	assert_string_equal(model->frames[1]->function, "outer");
	assert_int_equal(strlen(model->frames[0]->module), RECORD_PATH_LEN - 1);
}

static void test_windows(void **state)
{
	const struct report_meta meta = {.version = "1"};
	struct report *report;
	const struct stack_cost *stacks;

	(void)state;
	assert_int_equal(add_count(0, ST_STACK_rebuild, 3, 300, 3), 0);
	assert_int_equal(add_count(0, ST_STACK_miss, 64, 10, 1), 0);
	assert_int_equal(add_count(1, ST_STACK_miss, 5, 20, 0), 0);
	end_window(1);
	assert_int_equal(add_count(0, ST_STACK_rebuild, 5, 700, 5), 0);
	assert_int_equal(add_count(0, ST_STACK_miss, 63, 9, 1), 0); /* never goes down */
	end_window(2);
	assert_int_equal(report_create(&report, REPORT_WINDOW, model, &meta), 0);
	assert_int_equal(report->map_count, 1);
	assert_int_equal(report->maps[0].stack_count, 1);
	stacks = report->maps[0].stacks;
	assert_int_equal(stacks[0].kind, ST_STACK_rebuild);
	assert_int_equal(stacks[0].count, 2);
	assert_int_equal(stacks[0].ns, 400);
	assert_false(stacks[0].estimate);
	report_free(report);
	assert_int_equal(report_create(&report, REPORT_END, model, &meta), 0);
	stacks = report->maps[0].stacks;
	assert_int_equal(report->maps[0].stack_count, 3);
	/* By kind, then the dearest first. */
	assert_int_equal(stacks[0].kind, ST_STACK_miss);
	assert_int_equal(stacks[0].ns, 20);
	assert_int_equal(stacks[0].stack->frame_count, 0);
	assert_int_equal(stacks[1].count, 64);
	assert_true(stacks[1].estimate);
	assert_int_equal(stacks[2].ns, 700);
	report_free(report);
}

static void test_busiest(void **state)
{
	const struct model_map *map = model_find(model, &key);
	struct stack_cost cost;

	(void)state;
	assert_false(model_busiest(map, ~0U, &cost));
	assert_int_equal(add_count(1, ST_STACK_miss, 1000, 9999, 0), 0);
	assert_int_equal(add_count(0, ST_STACK_miss, 100, 10, 1), 0);
	assert_int_equal(add_count(0, ST_STACK_rebuild, 1, 50, 1), 0);
	/* One without frames explains nothing. */
	assert_true(model_busiest(map, 1U << ST_STACK_miss, &cost));
	assert_int_equal(cost.count, 100);
	assert_true(model_busiest(map, ~0U, &cost));
	assert_int_equal(cost.kind, ST_STACK_rebuild);
	assert_false(model_busiest(map, 1U << ST_STACK_stall, &cost));
	end_window(1);
	/* Nothing in this window: since the attach. In the next: of that. */
	assert_int_equal(add_frame(2, "more"), 0);
	assert_true(model_busiest(map, ~0U, &cost));
	assert_int_equal(cost.ns, 50);
	assert_int_equal(add_count(0, ST_STACK_miss, 101, 11, 2), 0);
	assert_true(model_busiest(map, ~0U, &cost));
	assert_int_equal(cost.kind, ST_STACK_miss);
	assert_int_equal(cost.ns, 1);
}

/* Of a map that was forgotten. */
static void test_late_count(void **state)
{
	struct record r = {.stack_count = {.key = {.addr = 0x2000, .id = 9}, .count = 1}};

	(void)state;
	assert_int_equal(add_record(&r, RECORD_STACK_COUNT), 0);
}

static void test_text(void **state)
{
	const struct stack_frame frames[] = {
		{.function = "smap_probe_miss", .module = "/bin/a", .file = ""},
		{.function = "load_slow", .module = "/bin/a", .file = "lib/smap.c", .line = 3},
		{.function = "a\nb",
		 .module = "/bin/a",
		 .file = "/x/a.c",
		 .line = 7,
		 .inlined = true},
		{.function = "", .module = "/lib/b.so", .file = "", .offset = 0x1f},
	};
	struct stack *stack = calloc(1, sizeof(*stack) + 4 * sizeof(stack->frame[0]));
	char text[STACK_TEXT_MAX];
	size_t len;

	(void)state;
	assert_non_null(stack);
	stack->frame_count = 4;
	for (size_t i = 0; i < 4; i++)
		stack->frame[i] = &frames[i];
	assert_int_equal(stack_caller(stack), 2);
	len = stack_line(text, sizeof(text), stack, 5);
	assert_int_equal(len, strlen(text));
	assert_string_equal(text, "a\\x0ab inlined (a.c:7) < b.so+0x1f");
	stack_line(text, sizeof(text), stack, 1);
	assert_string_equal(text, "a\\x0ab inlined (a.c:7)");
	/* Cut between frames, never within one. */
	stack_line(text, 30, stack, 5);
	assert_string_equal(text, "a\\x0ab inlined (a.c:7)");
	stack_frame_name(text, sizeof(text), &frames[3]);
	assert_string_equal(text, "b.so+0x1f");
	free(stack);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_windows, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_busiest, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_late_count, set_up, tear_down),
		cmocka_unit_test(test_text),
	};

	return cmocka_run_group_tests_name("model_stack", tests, NULL, NULL);
}
