/* SPDX-License-Identifier: MIT */
/*
 * What the screens of the terminal view say, read from the canvas as text: lists, maps, findings,
 * hostile names, and anything in any order.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include "tui_view.h"

/* --- findings --------------------------------------------------------------- */

static const struct evidence evidence[] = {
	{.name = "copied_per_new", .value = 64, .limit = 8, .relation = ">=", .unit = "entries"}};

static struct finding finding_of(uint64_t addr, enum finding_severity severity, uint64_t from_s,
				 uint64_t until_s)
{
	return (struct finding){
		.trap = severity == FINDING_ERROR ? "write-starvation" : "read-diffusion",
		.shape = "promotions cascade",
		.severity = severity,
		.pid = 1,
		.addr = addr,
		.name = "sessions",
		.comm = "respd",
		.since_ns = START + from_s * SECOND,
		.found_ns = START + from_s * SECOND,
		.until_ns = until_s ? START + until_s * SECOND : 0,
		.cost_share = 0.25,
		.evidence = evidence,
		.evidence_count = 1,
		.remedy = "look the key up before you store it, and store new keys together",
		.link = "docs/traps.md#read-diffusion",
	};
}

static void test_findings(void **state)
{
	struct view *view = begin(40, 80);
	struct finding *known = malloc(3 * sizeof(*known));

	(void)state;
	assert_non_null(known);
	known[0] = finding_of(16, FINDING_WARNING, 1, 0);
	known[1] = finding_of(16, FINDING_ERROR, 2, 3);
	known[2] = finding_of(99, FINDING_ERROR, 1, 0); /* of a map that is not there */
	view->feed->report.known = known;
	view->feed->report.known_count = 1;
	three(view, 10);
	assert_string_equal(order(view), "16 17 18");
	view->feed->report.known_count = 3;
	three(view, 10);
	view->feed->report.known_count = 0; /* the report's are gone now: all was copied */
	memset(known, 0xff, 3 * sizeof(*known));
	free(known);
	assert_string_equal(tui_row_verdict(&view->rows.row[0]), "write-starvation");
	SHOWS(view, "!sessions");
	SHOWS(view, " sessions: write-starvation, promotions cascade");
	key(view, ','); /* a second before it was found: the warning only */
	assert_string_equal(tui_row_verdict(&view->rows.row[0]), "read-diffusion");
	SHOWS(view, "*sessions");
	key(view, 'p');
	key(view, TUI_KEY_ENTER);
	key(view, '4');
	SHOWS(view, "!error: write-starvation\n");
	SHOWS(view, "*warning: read-diffusion\n");
	SHOWS(view, "copied_per_new                       64 >= 8 entries\n");
	SHOWS(view, "look the key up before you store it");
	SHOWS(view, "docs/traps.md#read-diffusion");
	key(view, TUI_KEY_ESCAPE);
	key(view, '/');
	type(view, "starv");
	assert_string_equal(order(view), "16");
	end(view);
}

/* --- screens ---------------------------------------------------------------- */

static void test_list(void **state)
{
	struct view *view = begin(24, 80);

	(void)state;
	three(view, 10);
	three(view, 1000);
	SHOWS(view, " smaptrace  respd 1  3 maps, 2 active  every 1 s");
	SHOWS(view, " sessions ");
	SHOWS(view, "6.1us/8.2us");  /* P50/P99 of one value: of its slot */
	SHOWS(view, "\u2582\u2588"); /* 10, then 1000 */
	SHOWS(view, "Lost: nothing   1 process");
	key(view, 'k');
	SHOWS(view, "promotion of 50 entries in 25ms, 25 misses to go");
	HIDES(view, "PID"); /* one process: it is in the title */
	for (const char *line = screen(view); *line; line = strchr(line, '\n') + 1)
		assert_true((int)strcspn(line, "\n") <= 80 * 4);
	end(view);
}

static void test_processes_and_losses(void **state)
{
	const struct report_target targets[] = {{.pid = 1, .comm = "a"},
						{.pid = 1, .comm = "a"},
						{.pid = 2, .comm = "b", .ended = true}};
	const struct record_loss losses[] = {{.name = "ring_full", .count = 0},
					     {.name = "maps_full", .count = 34}};
	struct view *view = begin(24, 80);

	(void)state;
	view->feed->report.targets = targets;
	view->feed->report.target_count = 3;
	view->feed->report.losses = losses;
	view->feed->report.loss_count = 2;
	view->feed->report.lost = 34;
	three(view, 10);
	SHOWS(view, " smaptrace  2 processes  3 maps");
	SHOWS(view, " PID ");
	SHOWS(view, "Lost: maps_full 34");
	SHOWS(view, "2 processes, 1 ended");
	tui_model_message(view->model, "smaptrace: warning: \033[2Jbeware\n", 32);
	SHOWS(view, "smaptrace: warning: \\x1b[2Jbeware");
	key(view, 'j'); /* seen */
	HIDES(view, "beware");
	end(view);
}

static void test_map_screen(void **state)
{
	struct view *view = begin(30, 80);
	struct report_map *map;

	(void)state;
	map = feed_map(view->feed, 1, 16, 0, 10);
	map->key_kind = "u64";
	map->policy = "go";
	map->total[ST_COUNTER_misses] = 12345678;
	for (unsigned i = 0; i < 100; i++)
		hist_add(hist_of(view->feed, map, ST_HIST_promote_entries), 10);
	hist_add(hist_of(view->feed, map, ST_HIST_promote_entries), 5000);
	hist_add(hist_of(view->feed, map, ST_HIST_miss_wait), 5000);
	window(view);
	key(view, TUI_KEY_ENTER);
	SHOWS(view, "[1 Overview]");
	SHOWS(view, "respd 1, map 0x10, u64 keys, policy go");
	SHOWS(view, "12345678");
	SHOWS(view, "nothing waits in dirty");
	key(view, TUI_KEY_TAB);
	SHOWS(view, "[2 Histograms]");
	SHOWS(view, "entries at promotion (entries)\n");
	SHOWS(view, "       8 .. 15                100");
	SHOWS(view, "   4.1us .. 8.2us");
	key(view, TUI_KEY_RIGHT);
	SHOWS(view, "promotions by size");
	SHOWS(view, "4096..8191");
	SHOWS(view, "\u2588"); /* 100 promotions in a cell */
	SHOWS(view, "\u2591"); /* and one */
	key(view, TUI_KEY_LEFT);
	feed_map(view->feed, 1, 16, 0, 10);
	window(view);
	SHOWS(view, "Nothing was measured in this window.");
	key(view, 't');
	SHOWS(view, "       8 .. 15                100");
	key(view, '1');
	assert_int_equal(view->state.tab, TUI_TAB_OVERVIEW);
	key(view, TUI_KEY_BACK_TAB);
	SHOWS(view, "No stacks: --stacks takes them.");
	key(view, '4');
	SHOWS(view, "Nothing was found in this map.");
	window(view); /* it ends: its screen stays, with what was seen */
	SHOWS(view, "Nothing was found in this map.");
	key(view, TUI_KEY_ESCAPE);
	SHOWS(view, "No map yet");
	end(view);
}

static void test_stacks(void **state)
{
	const struct stack_frame inner = {
		.function = "smap_load", .module = "/lib/libsmap.so.0", .file = "", .build_id = ""};
	const struct stack_frame frame = {
		.function = "look\033up", .module = "/bin/respd", .file = "", .build_id = ""};
	struct stack *stack = calloc(1, sizeof(*stack) + 2 * sizeof(stack->frame[0]));
	struct stack_cost cost = {.kind = ST_STACK_miss, .count = 7, .ns = 1500, .stack = stack};
	struct view *view = begin(24, 80);
	struct report_map *map;

	(void)state;
	assert_non_null(stack);
	stack->frame_count = 2;
	stack->frame[0] = &inner; /* of the library: left out */
	stack->frame[1] = &frame;
	for (unsigned i = 0; i < 2; i++) {
		map = feed_map(view->feed, 1, 16, 0, 10);
		map->stacks = &cost;
		map->stack_count = 1;
		window(view);
	}
	free(stack); /* the view has its own */
	key(view, TUI_KEY_ENTER);
	key(view, '5');
	SHOWS(view, " misses\n      7 1.5us  look\\x1bup (respd)\n");
	key(view, 't');
	SHOWS(view, "     14 3.0us  look");
	key(view, 't');
	feed_map(view->feed, 1, 16, 0, 10);
	window(view);
	SHOWS(view, "No stack in this window.");
	end(view);
}

static void test_overhead(void **state)
{
	struct view *view = begin(24, 80);
	struct report_overhead *overhead = &view->feed->report.overhead;

	(void)state;
	three(view, 10);
	HIDES(view, "overhead");
	*overhead = (struct report_overhead){.known = true, .share = 0.0123, .shed_count = 3};
	overhead->shed[0].step = "stacks";
	overhead->shed[1].step = "reclaim";
	overhead->shed[1].until_ns = 1; /* not any more */
	overhead->shed[2].step = "misses";
	overhead->shed[2].period = 8;
	three(view, 10);
	SHOWS(view, "Lost: nothing   1 process   overhead 1.2%, no stacks, misses 1 in 8\n");
	end(view);
}

static void test_next_map(void **state)
{
	struct view *view = begin(30, 80);

	(void)state;
	three(view, 10);
	key(view, TUI_KEY_ENTER);
	assert_int_equal(view->state.addr, 17);
	key(view, ']');
	assert_int_equal(view->state.addr, 16);
	SHOWS(view, " sessions  [1 Overview]");
	key(view, '[');
	key(view, '[');
	assert_int_equal(view->state.addr, 17);
	end(view);
}

static void test_help_scrolls(void **state)
{
	struct view *view = begin(12, 80);

	(void)state;
	three(view, 10);
	key(view, '?');
	SHOWS(view, "Everywhere");
	HIDES(view, "docs/traps.md");
	for (unsigned i = 0; i < 100; i++)
		key(view, 'j');
	SHOWS(view, "docs/traps.md");
	HIDES(view, "Everywhere");
	assert_int_equal(key(view, 'q'), TUI_NOTHING); /* closes help first */
	assert_int_equal(view->state.screen, TUI_LIST);
	assert_int_equal(key(view, 'q'), TUI_QUIT);
	end(view);
}

/* Names come from targets. */
static void test_hostile(void **state)
{
	struct view *view = begin(24, 80);

	(void)state;
	view->target.comm = "a\tb\xfe\033";
	feed_map(view->feed, 1, 16, 0, 10)->name =
		"\033[2J\"q\"\\<b>&'\r\n\xff\xc3\xbc\xe2\x80\xae`$(x)";
	window(view);
	SHOWS(view, "\\x1b[2J\"q.."); /* screen() looks at every byte */
	SHOWS(view, "a\\x09b\\xfe\\x1b");
	for (unsigned tab = '1'; tab <= '4'; tab++) {
		key(view, TUI_KEY_ENTER);
		key(view, tab);
		screen(view);
	}
	view->canvas.ascii = true;
	for (unsigned tab = '1'; tab <= '4'; tab++) {
		key(view, tab);
		screen(view);
	}
	key(view, TUI_KEY_ESCAPE);
	SHOWS(view, "\\x1b[2J\"q..");
	end(view);
}

/* Any keys, windows, and sizes in any order. */
static void test_random(void **state)
{
	static const unsigned keys[] = {TUI_KEY_UP,
					TUI_KEY_DOWN,
					TUI_KEY_LEFT,
					TUI_KEY_RIGHT,
					TUI_KEY_PAGE_UP,
					TUI_KEY_PAGE_DOWN,
					TUI_KEY_HOME,
					TUI_KEY_END,
					TUI_KEY_ENTER,
					TUI_KEY_ESCAPE,
					TUI_KEY_TAB,
					TUI_KEY_BACK_TAB,
					TUI_KEY_BACKSPACE,
					'?',
					'p',
					',',
					'<',
					'.',
					'>',
					's',
					'r',
					'/',
					'a',
					'v',
					'1',
					'2',
					'3',
					'4',
					'[',
					']',
					't',
					'x',
					0x1f600,
					0xfc,
					'e'};
	struct view *view = begin(24, 80);
	uint32_t random = 7;

	(void)state;
	for (unsigned i = 0; i < 3000; i++) {
		random = random * 1103515245 + 12345;
		if (random >> 16 & 1) {
			key(view, keys[(random >> 17) % (sizeof(keys) / sizeof(keys[0]))]);
		} else if (random >> 18 & 1) {
			for (unsigned m = 0; m < (random >> 20) % MAPS; m++) {
				struct report_map *map = feed_map(view->feed, 1 + m / 9, m * 8, 0,
								  random >> (m % 30));

				hist_add(
					hist_of(view->feed, map, (enum st_hist)(m % ST_HIST_COUNT)),
					(uint64_t)random << (m % 32));
				map->now.threshold = random >> 20;
				map->now.dirty_len = m;
			}
			window(view);
		} else if (random >> 19 & 1) {
			assert_int_equal(canvas_resize(&view->canvas, (int)(random >> 20) % 60,
						       (int)(random >> 22) % 200),
					 0);
			view->canvas.ascii = random >> 30 & 1;
		}
		screen(view);
		assert_true(view->rows.count == 0 || view->state.index < view->rows.count ||
			    view->state.screen != TUI_LIST);
	}
	end(view);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_findings),
		cmocka_unit_test(test_list),
		cmocka_unit_test(test_processes_and_losses),
		cmocka_unit_test(test_map_screen),
		cmocka_unit_test(test_stacks),
		cmocka_unit_test(test_overhead),
		cmocka_unit_test(test_next_map),
		cmocka_unit_test(test_help_scrolls),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_random),
	};

	setenv("TZ", "UTC", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
