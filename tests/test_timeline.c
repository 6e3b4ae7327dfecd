/* SPDX-License-Identifier: MIT */
/*
 * The timeline (-f trace): whatever is written is what the Trace Event Format asks for,
 * shows each event where it belongs and says what it does not show; and a million events
 * take no more memory than some thousand.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "output.h"
#include "scenarios.h"

#define MAP_TRACKS 4194305

static json_t *parse(const char *text)
{
	json_error_t error;
	json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, &error);

	if (!root)
		fail_msg("%s in line %d of: %s", error.text, error.line, text);
	return root;
}

static const char *string_of(json_t *entry, const char *key)
{
	json_t *value = json_object_get(entry, key);

	if (!json_is_string(value))
		fail_msg("no string '%s'", key);
	return json_string_value(value);
}

static double number_of(json_t *entry, const char *key)
{
	json_t *value = json_object_get(entry, key);

	if (!json_is_number(value))
		fail_msg("no number '%s'", key);
	return json_number_value(value);
}

/* One entry, by the documentation of the format. */
static void check_entry(json_t *entry)
{
	const char *phase = string_of(entry, "ph"), *scope;
	json_t *args = json_object_get(entry, "args"), *value;
	const char *key;

	assert_int_equal(strlen(phase), 1);
	assert_true(strlen(string_of(entry, "name")) > 0 || *phase == 'M');
	assert_true(json_is_integer(json_object_get(entry, "pid")));
	assert_true(json_is_integer(json_object_get(entry, "tid")));
	assert_true(json_is_object(args));
	if (*phase != 'M')
		assert_true(number_of(entry, "ts") >= 0);
	switch (*phase) {
	case 'X':
		assert_true(number_of(entry, "dur") >= 0);
		break;
	case 'i':
		scope = string_of(entry, "s");
		assert_non_null(strchr("tpg", *scope));
		break;
	case 'C': /* every argument is a series */
		assert_true(json_object_size(args) > 0);
		json_object_foreach(args, key, value) assert_true(json_is_number(value));
		break;
	case 'M':
		assert_true(strcmp(string_of(entry, "name"), "process_name") == 0 ||
			    strcmp(string_of(entry, "name"), "thread_name") == 0);
		(void)string_of(args, "name");
		break;
	default:
		fail_msg("phase %s is none that is written", phase);
	}
}

/* Slices of a track nest. The output has few here, so each is compared with each. */
static void check_nesting(json_t *entries)
{
	json_t *a, *b;
	size_t i, j;

	json_array_foreach(entries, i, a)
	{
		if (*string_of(a, "ph") != 'X')
			continue;
		json_array_foreach(entries, j, b)
		{
			double a0 = number_of(a, "ts"), b0, a1, b1;

			if (*string_of(b, "ph") != 'X' ||
			    number_of(a, "tid") != number_of(b, "tid"))
				continue;
			b0 = number_of(b, "ts");
			a1 = a0 + number_of(a, "dur");
			b1 = b0 + number_of(b, "dur");
			assert_false(a0 < b0 && b0 < a1 && a1 < b1);
		}
	}
}

static void test_valid(void **state)
{
	(void)state;
	for (size_t i = 0; i < SCENARIO_COUNT; i++) {
		char *text = render(&output_trace, &scenarios[i]);
		json_t *root = parse(text), *entry;
		json_t *entries = json_object_get(root, "traceEvents");
		const char *unit = string_of(root, "displayTimeUnit");
		size_t j;

		assert_true(strcmp(unit, "ms") == 0 || strcmp(unit, "ns") == 0);
		assert_true(json_is_object(json_object_get(root, "otherData")));
		assert_true(json_array_size(entries) > 0);
		json_array_foreach(entries, j, entry) check_entry(entry);
		check_nesting(entries);
		for (const char *c = text; *c; c++)
			assert_true(*c == '\n' || (unsigned char)*c >= 0x20);
		json_decref(root);
		free(text);
	}
}

/* The entries with this name on this track; *ret_first is the first of them. */
static size_t find(json_t *root, const char *name, double tid, json_t **ret_first)
{
	json_t *entry, *first = NULL;
	size_t i, count = 0;

	json_array_foreach(json_object_get(root, "traceEvents"), i, entry)
	{
		if (strcmp(string_of(entry, "name"), name) != 0 || number_of(entry, "tid") != tid)
			continue;
		first = first ? first : entry;
		count++;
	}
	if (ret_first)
		*ret_first = first;
	return count;
}

static void test_places(void **state)
{
	char *text = render(&output_trace, &scenarios[2]);
	json_t *root = parse(text), *entry, *args;

	(void)state;
	/* A rebuild is on both tracks, from its begin; times are microseconds. */
	assert_int_equal(find(root, "rebuild", 4243, &entry), 2);
	assert_true(number_of(entry, "ts") == 100e6 + 7000 - 1500.123);
	assert_true(number_of(entry, "dur") == 1500.123);
	assert_int_equal(find(root, "rebuild", MAP_TRACKS, &entry), 2);
	args = json_object_get(entry, "args");
	assert_true(number_of(args, "copied") == 100 && number_of(args, "tid") == 4243);
	assert_string_equal(string_of(args, "map"), "sessions");
	/* Waits overlap, so that a map's track has none. */
	assert_int_equal(find(root, "lock_wait", 4243, &entry), 2);
	assert_true(number_of(entry, "dur") == 2000);
	assert_int_equal(find(root, "lock_wait", MAP_TRACKS, NULL), 0);
	/* Without a thread, on the map's track only; an unknown reason stays a number. */
	assert_int_equal(find(root, "promote", 4244, &entry), 2);
	assert_string_equal(string_of(json_object_get(entry, "args"), "reason"), "range");
	assert_int_equal(find(root, "promote", MAP_TRACKS, NULL), 4);
	assert_int_equal(find(root, "promote", 0, NULL), 0);
	/* A stall is of the thread that stalls, not of the one that told. */
	assert_int_equal(find(root, "stall", 4243, NULL), 2);
	assert_int_equal(find(root, "stall", 4250, NULL), 0);
	assert_int_equal(find(root, "read-diffusion", MAP_TRACKS, &entry), 2);
	assert_string_equal(string_of(entry, "s"), "p");
	assert_int_equal(find(root, "misses sessions", MAP_TRACKS, &entry), 3);
	assert_true(number_of(json_object_get(entry, "args"), "per second") == 1000);
	assert_int_equal(find(root, "miss debt sessions", MAP_TRACKS, &entry), 2);
	assert_true(number_of(json_object_get(entry, "args"), "misses") == 544);
	assert_int_equal(find(root, "thread_name", MAP_TRACKS, NULL), 1);
	assert_int_equal(find(root, "thread_name", MAP_TRACKS + 1, NULL), 1);
	json_decref(root);
	free(text);
}

static void test_tells_what_is_missing(void **state)
{
	char *text = render(&output_trace, &scenarios[2]);
	json_t *root = parse(text), *entry, *absent;

	(void)state;
	assert_int_equal(find(root, "window 2", MAP_TRACKS - 1, &entry), 1);
	absent = json_object_get(json_object_get(entry, "args"), "not_shown");
	/* 2,000 in the window, two of them shown; and the shown wait nobody had counted. */
	assert_true(number_of(absent, "promote") == 2000 - 2);
	assert_true(number_of(absent, "rebuild") == 3000 - 1);
	assert_true(number_of(absent, "lock_wait") == 0);
	assert_true(number_of(absent, "events") == 0);
	assert_true(number_of(json_object_get(entry, "args"), "lost") == 34);
	json_decref(root);
	free(text);
}

/* What a forged recording may hold: times before the beginning, threads that cannot be. */
static void test_forged(void **state)
{
	struct scenario scenario = scenarios[2];
	struct record r = {.kind = RECORD_EVENT};
	struct model *model = NULL;
	char *text = NULL;
	size_t len = 0;
	FILE *file = open_memstream(&text, &len);
	struct sink sink;
	json_t *root, *entry;
	size_t i;

	(void)state;
	assert_int_equal(model_create(&model), 0);
	add_target(model, &scenario, 0);
	add_maps(model, &scenario, 1);
	r.event = (struct st_event){.kind = SMAP_PROBE_rebuild,
				    .size = sizeof(r.event),
				    .ts_ns = 5,
				    .addr = 0x7f0000001000,
				    .id = 1,
				    .tid = 1,
				    .args = {UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX}};
	add(model, &r);
	r.event.kind = SMAP_PROBE_stall;
	add(model, &r);
	r.event.id = 77; /* of a map that nobody knows */
	add(model, &r);
	add_window(model, 1, true);
	sink_init(&sink, file);
	assert_int_equal(output_begin(&output_trace, &sink, &meta), 0);
	assert_int_equal(put(&output_trace, &sink, model, REPORT_WINDOW, &scenario), 0);
	assert_int_equal(output_end(&output_trace, &sink), 0);
	fclose(file);
	root = parse(text);
	json_array_foreach(json_object_get(root, "traceEvents"), i, entry) check_entry(entry);
	assert_int_equal(find(root, "rebuild", 1, &entry), 1);
	assert_true(number_of(entry, "ts") == 0 && number_of(entry, "dur") == 0.005);
	assert_int_equal(find(root, "stall", MAP_TRACKS, NULL), 1);
	json_decref(root);
	free(text);
	model_free(model);
}

/* --- memory --------------------------------------------------------------- */

static long peak_kb(void)
{
	FILE *file = fopen("/proc/self/status", "r");
	char line[256];
	long kb = -1;

	assert_non_null(file);
	while (fgets(line, sizeof(line), file))
		(void)sscanf(line, "VmHWM: %ld", &kb);
	fclose(file);
	assert_true(kb > 0);
	return kb;
}

/* A window with this many events, written out. */
static void stream_window(struct model *model, struct sink *sink, unsigned window, unsigned events)
{
	struct record r = {.kind = RECORD_EVENT};
	struct report *report = NULL;

	r.event = (struct st_event){.kind = SMAP_PROBE_lock_wait,
				    .size = sizeof(r.event),
				    .addr = 0x7f0000001000,
				    .id = 1,
				    .args = {100}};
	for (unsigned i = 0; i < events; i++) {
		r.event.ts_ns = START + i * 1000;
		r.event.tid = 4243 + i % 8;
		add(model, &r);
	}
	add_window(model, window, false);
	assert_int_equal(report_create(&report, REPORT_WINDOW, model, &meta), 0);
	assert_int_equal(report->events_cut,
			 events > MODEL_EVENTS_MAX ? events - MODEL_EVENTS_MAX : 0);
	assert_int_equal(output_report(&output_trace, sink, report), 0);
	report_free(report);
}

static void test_million(void **state)
{
	struct scenario scenario = scenarios[2];
	struct model *model = NULL;
	struct sink sink;
	long before;

	(void)state;
	assert_int_equal(model_create(&model), 0);
	add_target(model, &scenario, 0);
	add_maps(model, &scenario, 1);
	assert_int_equal(sink_open(&sink, "/dev/null"), 0);
	assert_int_equal(output_begin(&output_trace, &sink, &meta), 0);
	stream_window(model, &sink, 1, MODEL_EVENTS_MAX + 1);
	before = peak_kb();
	for (unsigned window = 2; window <= 21; window++)
		stream_window(model, &sink, window, 50000);
	/* Not a page more; half a megabyte is room for what the C library does. */
	assert_in_range(peak_kb() - before, 0, 512);
	assert_int_equal(output_end(&output_trace, &sink), 0);
	assert_int_equal(sink_close(&sink), 0);
	model_free(model);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_million), /* first: the others have not grown the heap */
		cmocka_unit_test(test_valid),
		cmocka_unit_test(test_places),
		cmocka_unit_test(test_tells_what_is_missing),
		cmocka_unit_test(test_forged),
	};

	return cmocka_run_group_tests_name("timeline", tests, NULL, NULL);
}
