/* SPDX-License-Identifier: MIT */
/*
 * Whatever a collector does, nobody waits for it, what can be tried again is, and what is lost is
 * counted.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include "collector.h"
#include "options.h"
#include "otlp.h"
#include "otlp_post.h"
#include "scenarios.h"
#include "until.h"

static struct otlp_post *connect_to(const struct collector *c, struct otlp_post_options opts)
{
	struct otlp_post *post = NULL;
	char url[64];

	snprintf(url, sizeof(url), "http://127.0.0.1:%d", c->port);
	opts.url = url;
	opts.backoff_ms = 1;
	assert_int_equal(otlp_post_create(&post, &opts), 0);
	return post;
}

static void push(struct otlp_post *post, int i)
{
	struct metrics *metrics;
	void *body;
	size_t size;

	assert_int_equal(metrics_create(&metrics, 0), 0);
	assert_int_equal(otlp_request(metrics, &meta, (uint64_t)i, &body, &size), 0);
	metrics_free(metrics);
	assert_int_equal(otlp_post_push(post, body, size), 0);
}

static void wait_requests(struct collector *c, int count)
{
	for (struct until u = until_begin(); collector_requests(c) < count && until_again(&u);)
		;
	assert_true(collector_requests(c) >= count);
}

static bool has_time(const char *body, int i)
{
	char text[64];

	snprintf(text, sizeof(text), "\"timeUnixNano\":\"%d\"", i);
	return strstr(body, text);
}

static void test_sends(void **state)
{
	static const struct collector_answer script[] = {{200, NULL, "{}"}};
	const struct otlp_post_options opts = {.headers = "X-Token=a%20b,X-Other=c"};
	struct otlp_post_stats stats;
	struct otlp_post *post;
	struct collector c;

	(void)state;
	collector_start(&c, script, 1);
	post = connect_to(&c, opts);
	for (int i = 1; i <= 3; i++) {
		push(post, i);
		wait_requests(&c, i);
		assert_true(has_time(c.bodies[i - 1], i));
	}
	otlp_post_close(post, &stats);
	assert_int_equal(stats.sent, 3);
	assert_int_equal(stats.lost, 0);
	assert_int_equal(strncmp(c.heads[0], "POST /v1/metrics HTTP/1.1\r\n", 27), 0);
	assert_non_null(strstr(c.heads[0], "\r\nContent-Type: application/json\r\n"));
	assert_non_null(strstr(c.heads[0], "\r\nUser-Agent: smaptrace/" SMAPTRACE_VERSION "\r\n"));
	assert_non_null(strstr(c.heads[0], "\r\nX-Token: a b\r\nX-Other: c"));
	collector_stop(&c);
}

/* 503, 429 and a broken connection are tried again; 500 and 400 are not. */
static void test_tries_again(void **state)
{
	static const struct collector_answer script[] = {
		{503, NULL, NULL},
		{429, NULL, NULL},
		{0, NULL, NULL},
		{502, NULL, NULL},
		{504, NULL, NULL},
		{200, NULL, "{}"},
		{500, NULL, "no"},
		{400, NULL, NULL},
		{200, NULL,
		 "{\"partialSuccess\":{\"rejectedDataPoints\":\"7\","
		 "\"errorMessage\":\"\\u001b[2J\"}}"},
	};
	struct otlp_post_stats stats;
	struct otlp_post *post;
	struct collector c;

	(void)state;
	collector_start(&c, script, sizeof(script) / sizeof(script[0]));
	post = connect_to(&c, (struct otlp_post_options){0});
	push(post, 1);
	wait_requests(&c, 6);
	for (int i = 0; i < 6; i++)
		assert_true(has_time(c.bodies[i], 1));
	for (int i = 2; i <= 4; i++)
		push(post, i);
	wait_requests(&c, 9);
	otlp_post_close(post, &stats);
	assert_int_equal(stats.sent, 2);
	assert_int_equal(stats.lost, 2);
	/* libcurl tries a connection that broke once more by itself. */
	assert_true(stats.attempts == 8 || stats.attempts == 9);
	assert_int_equal(stats.rejected, 7);
	collector_stop(&c);
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* As long as the collector says, where our own wait would be a millisecond. */
static void test_waits_as_told(void **state)
{
	static const struct collector_answer script[] = {{429, "Retry-After: 1\r\n", NULL},
							 {200, NULL, "{}"}};
	struct otlp_post_stats stats;
	struct otlp_post *post;
	struct collector c;
	uint64_t begun;

	(void)state;
	collector_start(&c, script, 2);
	post = connect_to(&c, (struct otlp_post_options){0});
	begun = now_ms();
	push(post, 1);
	wait_requests(&c, 2);
	assert_true(now_ms() - begun >= 1000);
	otlp_post_close(post, &stats);
	assert_int_equal(stats.sent, 1);
	collector_stop(&c);
}

static void test_waits_differ(void **state)
{
	uint64_t least = UINT64_MAX, most = 0;

	(void)state;
	for (int i = 0; i < 1000; i++) {
		uint64_t ms = otlp_post_jitter(1000);

		least = ms < least ? ms : least;
		most = ms > most ? ms : most;
	}
	assert_true(least >= 500 && least < 700);
	assert_true(most <= 1500 && most > 1300);
}

/* A redirect is followed nowhere; an endless answer is cut; less than none is none. */
static void test_trusts_no_answer(void **state)
{
	static char endless[200000];
	const struct collector_answer script[] = {
		{200, NULL, "{\"partialSuccess\":{\"rejectedDataPoints\":\"-1\"}}"},
		{307, "Location: http://127.0.0.1:1/\r\n", NULL},
		{200, NULL, endless}};
	struct otlp_post_stats stats;
	struct otlp_post *post;
	struct collector c;

	(void)state;
	memset(endless, 'x', sizeof(endless) - 1);
	collector_start(&c, script, 3);
	post = connect_to(&c, (struct otlp_post_options){.finish_ms = 50});
	push(post, 1);
	push(post, 2);
	push(post, 3);
	wait_requests(&c, 3);
	otlp_post_close(post, &stats);
	assert_int_equal(stats.sent, 1);
	assert_int_equal(stats.lost, 2);
	assert_int_equal(stats.rejected, 0);
	collector_stop(&c);
}

/* One that never answers: the queue has a bound, the oldest go, and closing does not hang. */
static void test_bounded(void **state)
{
	static const struct collector_answer script[] = {{-1, NULL, NULL}};
	struct otlp_post_stats stats;
	struct otlp_post *post;
	struct collector c;

	(void)state;
	collector_start(&c, script, 1);
	post = connect_to(&c, (struct otlp_post_options){.finish_ms = 20});
	push(post, 0);
	wait_requests(&c, 1); /* in hand: no longer in the ring */
	for (int i = 1; i <= OTLP_QUEUE_MAX + 5; i++)
		push(post, i);
	stats = otlp_post_stats(post);
	assert_int_equal(stats.lost, 5);
	assert_int_equal(stats.queued, 1 + OTLP_QUEUE_MAX);
	otlp_post_close(post, &stats);
	assert_int_equal(stats.sent, 0);
	assert_int_equal(stats.lost, OTLP_QUEUE_MAX + 6);
	collector_stop(&c);
}

/* Slow ones run into the time of one attempt, and are tried again. */
static void test_times_out(void **state)
{
	static const struct collector_answer script[] = {{-1, NULL, NULL}, {200, NULL, "{}"}};
	struct otlp_post_stats stats;
	struct otlp_post *post;
	struct collector c;

	(void)state;
	collector_start(&c, script, 2);
	post = connect_to(&c, (struct otlp_post_options){.timeout_ms = 300});
	push(post, 1);
	wait_requests(&c, 2);
	assert_true(has_time(c.bodies[1], 1));
	otlp_post_close(post, &stats);
	assert_int_equal(stats.sent, 1);
	assert_int_equal(stats.lost, 0);
	collector_stop(&c);
}

static void test_refuses(void **state)
{
	static const char *const urls[] = {
		"",	"127.0.0.1:4318",     "ftp://x/",   "file:///etc/x",
		"http", "http://127.0.0.1:x", "http://a b/"};
	static const char *const headers[] = {"x", "=y", "a=b%0d%0aX: c", "a=b,c"};
	struct otlp_post *post = NULL;

	(void)state;
	for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
		const struct otlp_post_options opts = {.url = urls[i]};

		if (otlp_post_create(&post, &opts) != -EINVAL)
			fail_msg("'%s' was taken", urls[i]);
	}
	for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
		const struct otlp_post_options opts = {.url = "http://127.0.0.1:9",
						       .headers = headers[i]};

		if (otlp_post_create(&post, &opts) != -EINVAL)
			fail_msg("'%s' was taken", headers[i]);
	}
	assert_null(post);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sends),
		cmocka_unit_test(test_tries_again),
		cmocka_unit_test(test_waits_as_told),
		cmocka_unit_test(test_waits_differ),
		cmocka_unit_test(test_trusts_no_answer),
		cmocka_unit_test(test_bounded),
		cmocka_unit_test(test_times_out),
		cmocka_unit_test(test_refuses),
	};

	unsetenv("http_proxy");
	return cmocka_run_group_tests_name("otlp_post", tests, NULL, NULL);
}
