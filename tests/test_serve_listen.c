/* SPDX-License-Identifier: MIT */
/* Where the server listens, and whom it answers: each rule with what it lets in and keeps out. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>
#include "serve_listen.h"

static void test_parse(void **state)
{
	static const struct {
		const char *text, *shown;
		bool loopback;
	} good[] = {
		{"127.0.0.1:9435", "127.0.0.1:9435", true},
		{"[::1]:9435", "[::1]:9435", true},
		{"localhost:1", "127.0.0.1:1", true},
		{"0.0.0.0:65535", "0.0.0.0:65535", false},
		{":9435", "0.0.0.0:9435", false},
		{"127.9.9.9:0", "127.9.9.9:0", true},
		{"[::]:80", "[::]:80", false},
		{"192.0.2.1:80", "192.0.2.1:80", false},
	};
	static const char *const bad[] = {
		"",
		"127.0.0.1",
		"127.0.0.1:",
		"127.0.0.1:65536",
		"127.0.0.1:-1",
		"127.0.0.1:x",
		"127.0.0.1:80 ",
		"example.org:80",
		"::1:80",
		"[::1]",
		"[::1:80",
		"[::1]80",
		"[127.0.0.1]:80",
		"127.1:80",
		"127.0.0.1:+80",
		"127.0.0.1:000080",
	};
	struct listen_addr addr;
	char text[LISTEN_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(listen_parse(&addr, good[i].text), 0);
		listen_text(text, &addr);
		assert_string_equal(text, good[i].shown);
		assert_int_equal(listen_is_loopback(&addr), good[i].loopback);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (!listen_parse(&addr, bad[i]))
			fail_msg("'%s' was accepted", bad[i]);
}

static void test_open(void **state)
{
	struct listen_addr addr, again;
	char text[LISTEN_TEXT_MAX];
	int fd;

	(void)state;
	assert_int_equal(listen_parse(&addr, "127.0.0.1:0"), 0);
	fd = listen_open(&addr);
	assert_true(fd >= 0);
	listen_text(text, &addr);
	assert_string_not_equal(text, "127.0.0.1:0");
	assert_int_equal(listen_parse(&again, text), 0);
	assert_true(listen_open(&again) < 0); /* it is taken */
	close(fd);
}

static void test_hosts(void **state)
{
	static const char *const yes[] = {
		"127.0.0.1",  "127.0.0.1:9435", "localhost", "LOCALHOST:1", "[::1]",
		"[::1]:9435", "10.1.2.3:80",	"tracer",    "Tracer:9435", "b.example",
	};
	static const char *const no[] = {
		"",
		"evil.example",
		"evil.example:9435",
		"localhost.evil.example",
		"127.0.0.1.evil.example",
		"127.0.0.1:x",
		"127.0.0.1:99999",
		"tracer.evil",
		"trace",
		"[evil]",
		"[::1]x",
		"[::1",
		"::1",
		"[127.0.0.1]",
		"localhost:80:80",
		"0x7f000001",
		"2130706433",
		" localhost",
	};
	char *allowed[] = {"tracer", "b.example", NULL};

	(void)state;
	for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++)
		if (!host_allowed(yes[i], allowed))
			fail_msg("'%s' was refused", yes[i]);
	for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++)
		if (host_allowed(no[i], allowed))
			fail_msg("'%s' was let in", no[i]);
	assert_false(host_allowed(NULL, allowed));
	assert_false(host_allowed("tracer", NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_open),
		cmocka_unit_test(test_hosts),
	};

	return cmocka_run_group_tests_name("serve_listen", tests, NULL, NULL);
}
