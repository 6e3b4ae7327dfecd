/* SPDX-License-Identifier: MIT */
/* Names from targets are bytes of an enemy: what is shown must be safe, cut right, unique. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "names.h"

struct pair {
	const char *raw, *want;
};

static void test_escape(void **state)
{
	static const struct pair pairs[] = {
		{"", ""},
		{"sessions", "sessions"},
		{"a\033[31mb", "a\\x1b[31mb"},
		{"tab\tnl\ncr\r", "tab\\x09nl\\x0acr\\x0d"},
		{"del\x7f", "del\\x7f"},
		{"c1\xc2\x9b", "c1\\xc2\\x9b"},
		{"back\\slash", "back\\x5cslash"},
		{"gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f"},
		{"\xe4\xb8\xad", "\xe4\xb8\xad"},
		{"\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80"},
		{"rtl\xe2\x80\xae", "rtl\\xe2\\x80\\xae"},
		{"\xef\xbf\xbe\xef\xbf\xbd", "\\xef\\xbf\\xbe\xef\xbf\xbd"},
		{"iso\xe2\x81\xa6", "iso\\xe2\\x81\\xa6"},
		{"alm\xd8\x9c", "alm\\xd8\\x9c"},
		{"zw\xe2\x80\x8b", "zw\\xe2\\x80\\x8b"},
		{"lone\xff", "lone\\xff"},
		{"cut\xe2\x82", "cut\\xe2\\x82"},
		{"overlong\xc0\xaf", "overlong\\xc0\\xaf"},
		{"surrogate\xed\xa0\x80", "surrogate\\xed\\xa0\\x80"},
		{"high\xf4\x90\x80\x80", "high\\xf4\\x90\\x80\\x80"},
	};
	char got[NAME_ESCAPED_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		assert_int_equal(name_escape(got, sizeof(got), pairs[i].raw),
				 strlen(pairs[i].want));
		assert_string_equal(got, pairs[i].want);
	}
}

static void test_utf8(void **state)
{
	static const struct pair pairs[] = {
		{"plain \"quoted\"", "plain \"quoted\""},
		{"ctl\x01", "ctl\x01"},
		{"gr\xc3\xbc", "gr\xc3\xbc"},
		{"\xff", "\xef\xbf\xbd"},
		{"a\xe2\x82z", "a\xef\xbf\xbd\xef\xbf\xbdz"},
		{"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
	};
	char got[64];

	(void)state;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		assert_int_equal(name_utf8(got, sizeof(got), pairs[i].raw), strlen(pairs[i].want));
		assert_string_equal(got, pairs[i].want);
	}
}

/* Every size of buffer: ended, within bounds, only whole units. */
static void test_cut(void **state)
{
	const char *raw = "\033\xc3\xbc\xff";
	char got[16];

	(void)state;
	for (size_t size = 0; size <= 12; size++) {
		size_t len;

		memset(got, '#', sizeof(got));
		len = name_escape(got, size, raw);
		if (size > 0) {
			assert_true(len < size);
			assert_int_equal(got[len], '\0');
			assert_int_equal(strlen(got), len);
		}
		for (size_t i = size; i < sizeof(got); i++)
			assert_int_equal(got[i], '#');
		assert_true(len == 0 || len == 4 || len == 6 || len == 10);

		memset(got, '#', sizeof(got));
		len = name_utf8(got, size, raw);
		assert_true(len == 0 || len == 1 || len == 3 || len == 6);
		assert_int_equal(got[size], '#');
	}
}

static void test_fit(void **state)
{
	char got[64];

	(void)state;
	name_fit(got, sizeof(got), "exactly10!", 10);
	assert_string_equal(got, "exactly10!");
	name_fit(got, sizeof(got), "eleven chars", 11);
	assert_string_equal(got, "eleven ch..");
	name_fit(got, sizeof(got), "ab\033cdef", 6);
	assert_string_equal(got, "ab..");
	name_fit(got, sizeof(got), "\xe4\xb8\xad\xe6\x96\x87\xe5\xad\x97", 5);
	assert_int_equal(name_width(got), 4);
	assert_int_equal(name_fit(got, 0, "x", 5), 0);
}

static void test_width(void **state)
{
	(void)state;
	assert_int_equal(name_width("abc"), 3);
	assert_int_equal(name_width("\xc3\xbc"), 1);
	assert_int_equal(name_width("\xe4\xb8\xad"), 2);
	assert_int_equal(name_width("e\xcc\x81"), 1);
}

/* Two different names never look alike: every byte pair against every other is too many; these
 * are the ones where an escape could be mistaken for text. */
static void test_unique(void **state)
{
	char a[32], b[32];

	(void)state;
	name_escape(a, sizeof(a), "\\x1b");
	name_escape(b, sizeof(b), "\x1b");
	assert_string_not_equal(a, b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_escape), cmocka_unit_test(test_utf8),
		cmocka_unit_test(test_cut),    cmocka_unit_test(test_fit),
		cmocka_unit_test(test_width),  cmocka_unit_test(test_unique),
	};

	return cmocka_run_group_tests_name("names", tests, NULL, NULL);
}
