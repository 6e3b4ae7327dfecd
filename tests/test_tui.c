/* SPDX-License-Identifier: MIT */
/*
 * The terminal view without a terminal: which rows there are and in which order, what keys do,
 * and what is paused.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include "tui_view.h"

/* --- rows ------------------------------------------------------------------- */

static void test_sort(void **state)
{
	static const struct {
		enum tui_sort sort;
		const char *order, *reversed;
	} cases[] = {
		{TUI_SORT_PID, "16 17 18", "18 16 17"},
		{TUI_SORT_NAME, "18 17 16", "16 17 18"},
		{TUI_SORT_MISSES, "17 16 18", "18 16 17"},
		{TUI_SORT_PROMOTIONS, "17 16 18", "18 16 17"},
		{TUI_SORT_DEBT, "16 17 18", "17 18 16"},
		{TUI_SORT_WAIT, "17 16 18", "16 18 17"},
		{TUI_SORT_BACKLOG, "18 17 16", "16 17 18"},
		{TUI_SORT_COST, "18 16 17", "16 17 18"},
		{TUI_SORT_VERDICT, "17 16 18", "18 16 17"},
	};
	struct view *view = begin(24, 80);

	(void)state;
	assert_int_equal(sizeof(cases) / sizeof(cases[0]), TUI_SORT_COUNT);
	three(view, 10);
	for (size_t i = 0; i < TUI_SORT_COUNT; i++) {
		view->state.sort = cases[i].sort;
		view->state.reverse = false;
		make_rows(view);
		assert_string_equal(order(view), cases[i].order);
		key(view, 'r');
		assert_string_equal(order(view), cases[i].reversed);
	}
	/* Keys come by each, both ways round. */
	for (size_t i = 0; i < TUI_SORT_COUNT; i++)
		key(view, i % 2 ? 's' : TUI_KEY_RIGHT);
	assert_int_equal(view->state.sort, TUI_SORT_VERDICT);
	for (size_t i = 0; i < TUI_SORT_COUNT; i++)
		key(view, i % 2 ? 'S' : TUI_KEY_LEFT);
	assert_int_equal(view->state.sort, TUI_SORT_VERDICT);
	end(view);
}

static void test_filter(void **state)
{
	static const struct {
		const char *text, *order;
	} cases[] = {
		{"", "17 16 18"}, {"S", "17 16 18"}, {"ROUTE", "17"}, {"auth", "18"},
		{"2", "18"},	  {"s e", ""},	     {"3", ""},	      {"sess", "16"},
	};
	struct view *view = begin(24, 80);

	(void)state;
	three(view, 10);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		key(view, '/');
		type(view, cases[i].text);
		assert_string_equal(order(view), cases[i].order);
		key(view, TUI_KEY_ENTER);
		assert_string_equal(order(view), cases[i].order);
		assert_false(view->state.typing);
		key(view, TUI_KEY_ESCAPE);
		assert_string_equal(order(view), "17 16 18");
	}
	/* Letters are no commands while a filter is typed; Escape brings the old one back. */
	key(view, '/');
	type(view, "route");
	key(view, TUI_KEY_ENTER);
	key(view, '/');
	assert_int_equal(key(view, 'q'), TUI_NOTHING);
	SHOWS(view, "filter: routeq");
	key(view, TUI_KEY_BACKSPACE);
	assert_string_equal(order(view), "17");
	key(view, 0xfc); /* u umlaut: two bytes, one character */
	assert_string_equal(view->state.filter, "route\xc3\xbc");
	key(view, 0x7f);
	assert_string_equal(view->state.filter, "route");
	key(view, 'u' & 0x1f);
	assert_string_equal(view->state.filter, "");
	key(view, TUI_KEY_ESCAPE);
	assert_string_equal(order(view), "17");
	SHOWS(view, "1 shown");
	for (size_t i = 0; i < 3; i++)
		key(view, TUI_KEY_ESCAPE);
	key(view, '/');
	for (size_t i = 0; i < 200; i++)
		key(view, 0x1f600); /* longer than there is room */
	assert_int_equal(strlen(view->state.filter), 4 * ((TUI_FILTER_MAX - 1) / 4));
	end(view);
}

static void test_only(void **state)
{
	struct view *view = begin(24, 80);

	(void)state;
	three(view, 10);
	key(view, 'a');
	assert_string_equal(order(view), "17 16");
	key(view, 'a');
	key(view, 'v');
	assert_string_equal(order(view), "");
	SHOWS(view, "No map matches. Esc shows all.");
	assert_int_equal(key(view, TUI_KEY_ENTER), TUI_NOTHING); /* nothing to open */
	assert_int_equal(view->state.screen, TUI_LIST);
	key(view, TUI_KEY_ESCAPE);
	assert_string_equal(order(view), "17 16 18");
	end(view);
}

/* The selection is a map: it moves with its row, and only goes on when the map has gone. */
static void test_selection(void **state)
{
	struct view *view = begin(24, 80);

	(void)state;
	three(view, 10);
	assert_int_equal(view->state.addr, 17);
	key(view, TUI_KEY_DOWN);
	assert_int_equal(view->state.addr, 16);
	three(view, 1000);
	assert_string_equal(order(view), "16 17 18");
	assert_int_equal(view->state.addr, 16);
	assert_int_equal(view->state.index, 0);
	feed_map(view->feed, 1, 17, 0, 1);
	feed_map(view->feed, 2, 18, 0, 0);
	window(view);
	assert_string_equal(order(view), "17 18");
	assert_int_equal(view->state.addr, 17);
	key(view, 'G');
	assert_int_equal(view->state.addr, 18);
	key(view, TUI_KEY_DOWN); /* stays within */
	assert_int_equal(view->state.addr, 18);
	key(view, TUI_KEY_HOME);
	key(view, 'k');
	assert_int_equal(view->state.addr, 17);
	end(view);
}

static void test_many_rows(void **state)
{
	struct view *view = begin(24, 80);

	(void)state;
	for (unsigned i = 0; i < MAPS; i++)
		feed_map(view->feed, 1, 100 + i, 0, MAPS - i);
	window(view);
	screen(view);
	assert_int_equal(view->state.page, 19); /* title, head, about, status, keys */
	for (unsigned i = 0; i < 19; i++)
		key(view, 'j');
	assert_int_equal(view->state.index, 19);
	assert_int_equal(view->state.top, 1);
	key(view, TUI_KEY_PAGE_DOWN);
	assert_int_equal(view->state.index, 37);
	key(view, 'g');
	assert_int_equal(view->state.top, 0);
	key(view, 'G');
	assert_int_equal(view->state.index, MAPS - 1);
	assert_int_equal(view->state.top, MAPS - 19);
	/* A lower screen still shows the selected row. */
	assert_int_equal(canvas_resize(&view->canvas, 10, 80), 0);
	screen(view);
	assert_true(view->state.top + view->state.page > view->state.index);
	end(view);
}

/* --- time ------------------------------------------------------------------- */

static void test_pause(void **state)
{
	struct view *view = begin(24, 80);

	(void)state;
	three(view, 11);
	three(view, 12);
	key(view, 'p');
	three(view, 13);
	SHOWS(view, "PAUSED 22:13:22"); /* two seconds after the start of `meta` */
	assert_true(view->rows.row[1].figure[HISTORY_misses] == 12);
	key(view, ',');
	assert_true(view->rows.row[1].figure[HISTORY_misses] == 11);
	key(view, '<'); /* no further */
	assert_true(view->rows.row[1].figure[HISTORY_misses] == 11);
	key(view, '.');
	key(view, '.');
	assert_true(view->rows.row[1].figure[HISTORY_misses] == 13);
	three(view, 14); /* still paused, at the newest as it was */
	assert_true(view->rows.row[1].figure[HISTORY_misses] == 13);
	key(view, '>');
	assert_true(view->rows.row[1].figure[HISTORY_misses] == 14);
	key(view, ' ');
	three(view, 15);
	assert_true(view->rows.row[1].figure[HISTORY_misses] == 15);
	HIDES(view, "PAUSED");
	/* The moment has fallen off the ring: the oldest that there is. */
	key(view, 'p');
	for (unsigned i = 0; i < HISTORY_POINTS_DEFAULT + 10; i++)
		three(view, 100 + i);
	assert_true(view->rows.row[0].figure[HISTORY_misses] == 110);
	end(view);
}

/* Before the first window no key does harm. */
static void test_nothing_yet(void **state)
{
	static const unsigned keys[] = {'p', ',', '>', TUI_KEY_ENTER, 'j', TUI_KEY_END,	  's',
					'?', 'x', '2', '[',	      't', TUI_KEY_REDRAW};
	struct view *view = begin(24, 80);

	(void)state;
	SHOWS(view, "Attached.");
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		key(view, keys[i]);
		screen(view);
	}
	assert_false(view->state.paused);
	assert_int_equal(key(view, 'q'), TUI_QUIT);
	end(view);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sort),	    cmocka_unit_test(test_filter),
		cmocka_unit_test(test_only),	    cmocka_unit_test(test_selection),
		cmocka_unit_test(test_many_rows),   cmocka_unit_test(test_pause),
		cmocka_unit_test(test_nothing_yet),
	};

	setenv("TZ", "UTC", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
