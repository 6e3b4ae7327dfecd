/* SPDX-License-Identifier: MIT */
/* C++ names: known ones, and such that are made to harm. A name without bounds never ends here. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include "symbol_name.h"

static void test_known(void **state)
{
	static const char *const pairs[][2] = {
		{"_ZN5Cache3getEm", "Cache::get"},
		{"_ZN12_GLOBAL__N_15alphaEj", "(anonymous namespace)::alpha"},
		{"_ZNSt6vectorIiSaIiEE9push_backERKi",
		 "std::vector<int, std::allocator<int> >::push_back"},
		{"_ZN5CachecvbEv", "Cache::operator bool"},
		{"_ZZ4mainENKUliE_clEi", "main::{lambda(int)#1}::operator()"},
		{"_ZL4betaj.constprop.0", "beta"},
		{"_Z3foov", "foo"},
	};
	char text[256];

	(void)state;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		assert_true(symbol_demangle(text, sizeof(text), pairs[i][0]));
		assert_string_equal(text, pairs[i][1]);
	}
}

static void test_no_names(void **state)
{
	static const char *const names[] = {"",	     "_",	"_Z",	   "main", "Z3foov",
					    "_Z3fo", "_Z99foo", "_R4main", "_Z\n"};
	char text[8] = "same";

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		assert_false(symbol_demangle(text, sizeof(text), names[i]));
		assert_string_equal(text, "same");
	}
	assert_false(symbol_demangle(text, 0, "_Z3foov"));
}

static void test_cut(void **state)
{
	char text[6] = "", tiny[1] = {'x'};

	(void)state;
	assert_true(symbol_demangle(text, sizeof(text), "_ZN5Cache3getEm"));
	assert_string_equal(text, "Cache");
	assert_true(symbol_demangle(tiny, sizeof(tiny), "_Z3foov"));
	assert_string_equal(tiny, "");
}

/* A substitution of libstdc++'s numbers: "S_", "S0_", ... */
static size_t put_number(char *at, unsigned n)
{
	static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";

	return (size_t)(n ? sprintf(at, "S%c_", digits[n - 1]) : sprintf(at, "S_"));
}

/* Template arguments that are each twice the one before: 2^30 words. */
static void test_doubling(void **state)
{
	char name[1024] = "_Z1fI1aIiiE", text[256] = "same";
	size_t len = strlen(name);

	(void)state;
	for (unsigned i = 1; i < 31; i++) {
		len += (size_t)sprintf(name + len, "S_I");
		len += put_number(name + len, i);
		len += put_number(name + len, i);
		len += (size_t)sprintf(name + len, "E");
	}
	strcpy(name + len, "EvT_");
	assert_false(symbol_demangle(text, sizeof(text), name));
	assert_string_equal(text, "same");
}

/* Deep, and long: whatever comes of it, it comes. */
static void test_deep(void **state)
{
	static const char *const repeated[] = {"P",  "N",  "I",	 "F",  "X",   "L",  "1a", "1aI",
					       "S_", "dt", "cv", "Dp", "UlP", "T_", "_Z"};
	static char name[70000];
	char text[256];

	(void)state;
	for (size_t i = 0; i < sizeof(repeated) / sizeof(repeated[0]); i++) {
		for (size_t length = 64; length < sizeof(name) - 8; length *= 2) {
			size_t len = (size_t)sprintf(name, "_Z1f");

			while (len < length)
				len += (size_t)sprintf(name + len, "%s", repeated[i]);
			(void)symbol_demangle(text, sizeof(text), name);
			if (symbol_demangle(text, sizeof(text), name))
				assert_true(strlen(text) < sizeof(text));
		}
	}
}

/* Names that are right but for a byte or two, from a fixed seed. */
static void test_spoilt(void **state)
{
	static const char right[] = "_ZNSt8functionIFvRKSt6vectorIiSaIiEEEEC2IZ4mainEUlvE_vvEEOT_";
	static const char bytes[] = "_ZNSIETFLXUCDJKPRO0129aQ";
	uint64_t random = 20261125;
	char name[sizeof(right)], text[256];

	(void)state;
	for (unsigned i = 0; i < 200000; i++) {
		memcpy(name, right, sizeof(right));
		for (unsigned j = 0; j <= i % 4; j++) {
			random = random * 6364136223846793005ULL + 1442695040888963407ULL;
			name[2 + (random >> 33) % (sizeof(right) - 3)] =
				bytes[(random >> 20) % (sizeof(bytes) - 1)];
		}
		if (symbol_demangle(text, sizeof(text), name))
			assert_true(strlen(text) < sizeof(text));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known), cmocka_unit_test(test_no_names),
		cmocka_unit_test(test_cut),   cmocka_unit_test(test_doubling),
		cmocka_unit_test(test_deep),  cmocka_unit_test(test_spoilt),
	};

	return cmocka_run_group_tests_name("symbol_name", tests, NULL, NULL);
}
