/* SPDX-License-Identifier: MIT */
/* JSON that is written as text is what jansson writes, byte for byte. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "json_sink.h"
#include "json_text.h"
#include "names.h"

static struct sink_memory memory;
static struct json_text text;

static void begin(void)
{
	assert_int_equal(sink_memory_open(&memory), 0);
	json_text_begin(&text, &memory.sink);
}

/* Takes the value. */
static void expect(json_t *value)
{
	char *want = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY |
					       JSON_REAL_PRECISION(JSON_TEXT_DIGITS)),
	     *got;

	json_text_end(&text);
	got = sink_memory_close(&memory, NULL);
	assert_non_null(want);
	assert_non_null(got);
	assert_string_equal(got, want);
	free(got);
	free(want);
	json_decref(value);
}

static void test_numbers(void **state)
{
	static const double reals[] = {
		0,    1,    -1,	  0.5,	 1e-5,	-1e-5,	1e-10,	 1e22,
		1e12, 1e11, 1e99, 1e100, 1e300, 5e-324, 1.0 / 3, 123456789012345};
	static const uint64_t numbers[] = {0, 9, 10, 1234567890, INT64_MAX, UINT64_MAX};

	(void)state;
	for (size_t i = 0; i < sizeof(reals) / sizeof(reals[0]); i++) {
		begin();
		json_text_real(&text, NULL, reals[i]);
		expect(json_real(reals[i]));
	}
	begin();
	json_text_real(&text, NULL, JSON_TEXT_NULL);
	expect(json_null());
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		begin();
		json_text_u64(&text, NULL, numbers[i]);
		expect(json_integer(numbers[i] > INT64_MAX ? INT64_MAX : (json_int_t)numbers[i]));
		begin();
		json_text_u64(&text, NULL, numbers[i]);
		expect(json_u64(numbers[i]));
		begin();
		json_text_addr(&text, NULL, numbers[i]);
		expect(json_addr(numbers[i]));
	}
}

/* Each byte between two others: controls, quotes, what is no UTF-8. */
static void test_strings(void **state)
{
	(void)state;
	for (unsigned c = 1; c < 256; c++) {
		const char bytes[] = {'a', (char)c, 'z', '\0'};
		char utf8[64];

		name_utf8(utf8, sizeof(utf8), bytes);
		begin();
		json_text_string(&text, NULL, bytes);
		expect(json_string(utf8));
	}
}

/* Commas, nesting, keys, and more than the buffer holds. */
static void test_structure(void **state)
{
	json_t *all = json_object(), *list = json_array();

	(void)state;
	begin();
	json_text_open(&text, NULL, '{');
	json_text_open(&text, "none", '[');
	json_text_close(&text, ']');
	json_object_set_new(all, "none", json_array());
	json_text_bool(&text, "yes", true);
	json_object_set_new(all, "yes", json_true());
	json_text_open(&text, "list", '[');
	for (uint64_t i = 0; i < 2 * sizeof(text.bytes); i++) {
		json_text_u64(&text, NULL, i);
		json_array_append_new(list, json_integer((json_int_t)i));
	}
	json_text_close(&text, ']');
	json_object_set_new(all, "list", list);
	json_text_value(&text, "value", json_pack("{s:[i]}", "a", 1));
	json_object_set_new(all, "value", json_pack("{s:[i]}", "a", 1));
	json_text_bool(&text, "last", false);
	json_object_set_new(all, "last", json_false());
	json_text_close(&text, '}');
	expect(all);
}

/* A value that found no memory leaves a key without one: that must not pass for JSON. */
static void test_no_memory(void **state)
{
	(void)state;
	begin();
	json_text_open(&text, NULL, '{');
	json_text_value(&text, "stacks", NULL);
	json_text_close(&text, '}');
	json_text_end(&text);
	assert_null(sink_memory_close(&memory, NULL));
	assert_int_equal(memory.sink.err, -ENOMEM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_strings),
		cmocka_unit_test(test_structure),
		cmocka_unit_test(test_no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
