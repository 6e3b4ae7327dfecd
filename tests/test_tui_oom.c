/* SPDX-License-Identifier: MIT */
/*
 * The terminal view and the history behind it when memory runs out at each allocation in turn:
 * nothing is lost but what could not be had, the next window shows everything again, and no
 * block stays behind.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <time.h>
#include "fault_alloc.h"
#include "tui_view.h"

#define ROUNDS 400 /* more than one window has allocations; a test looks that it is enough */

/* Two maps that promote, one of them new in this window, and a finding. */
static void fill(struct view *view, unsigned round)
{
	static struct finding known = {.trap = "read-diffusion", .pid = 1, .addr = 16, .link = "x"};
	struct report_map *map = feed_map(view->feed, 1, 16, 0, 10);

	hist_add(hist_of(view->feed, map, ST_HIST_promote_entries), 10);
	map = feed_map(view->feed, 1, 17, round, 10);
	hist_add(hist_of(view->feed, map, ST_HIST_promote_entries), 10);
	view->feed->report.known = &known;
	view->feed->report.known_count = 1;
}

static void test_windows(void **state)
{
	unsigned refused = 0;

	(void)state;
	for (unsigned n = 1; n < ROUNDS; n++) {
		long before = blocks;
		struct view *view = begin(24, 80);
		const struct report *report;
		bool hit;
		int err;

		fill(view, 0);
		report = feed_window(view->feed, SECOND);
		arm(n, n % 2);
		err = tui_model_add(view->model, report);
		hit = disarm();
		refused += hit;
		/* realloc() of something that is there already may also just be smaller. */
		assert_true(err == 0 || err == -ENOMEM);
		assert_true(hit || err == 0);
		view->feed->report.map_count = 0;
		make_rows(view); /* with what there is */
		screen(view);
		key(view, TUI_KEY_ENTER);
		screen(view);
		key(view, TUI_KEY_ESCAPE);
		fill(view, 1);
		window(view);
		assert_int_equal(view->rows.count, 2);
		assert_string_equal(tui_row_verdict(&view->rows.row[0]), "read-diffusion");
		end(view);
		assert_int_equal(blocks, before);
		if (!hit)
			break; /* there is no n-th allocation: all have failed once */
	}
	assert_true(refused > 5 && refused < ROUNDS - 1);
}

static void test_rows_and_canvas(void **state)
{
	struct view *view = begin(24, 80);
	struct tui_query query;

	(void)state;
	fill(view, 0);
	window(view);
	tui_rows_free(&view->rows);
	query = tui_state_query(&view->state, view->model);
	arm(1, true);
	assert_int_equal(tui_rows_make(&view->rows, view->model, &query), -ENOMEM);
	assert_int_equal(canvas_resize(&view->canvas, 30, 100), -ENOMEM);
	assert_true(disarm());
	assert_int_equal(view->canvas.rows, 24); /* as it was */
	assert_int_equal(view->rows.count, 0);
	make_rows(view);
	SHOWS(view, "2 maps");
	end(view);
}

static void test_create(void **state)
{
	(void)state;
	for (unsigned n = 1; n < 10; n++) {
		struct tui_model *model = NULL;
		long before = blocks;
		int err;

		arm(n, false);
		err = tui_model_create(&model, &meta, n % 2);
		if (!disarm()) {
			assert_int_equal(err, 0);
			tui_model_free(model);
			assert_true(n > 2);
			return;
		}
		assert_int_equal(err, -ENOMEM);
		assert_null(model);
		assert_int_equal(blocks, before);
	}
	fail();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_windows),
		cmocka_unit_test(test_rows_and_canvas),
		cmocka_unit_test(test_create),
	};

	tzset(); /* what the C library keeps for ever is none of ours */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
