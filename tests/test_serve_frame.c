/* SPDX-License-Identifier: MIT */
/*
 * Frames are the lines of `-f json`, an event each; and the stream keeps them as long as somebody
 * who is there has not read them.
 */
#define MAPS 1000
#include "feed.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <unistd.h>
#include "output.h"
#include "serve_frame.h"
#include "serve_stream.h"
#include "until.h"

/* As feed.h has it, with what a header says. */
static struct report_meta named;

static struct feed *begin(void)
{
	struct feed *feed = feed_new();

	named = meta;
	named.version = "1";
	feed->report.meta = &named;
	return feed;
}

static void add_map(struct feed *feed, uint64_t number)
{
	struct report_map *map = feed_map(feed, 1, 16 * (number + 1), 0, number);

	map->key_kind = "u64";
	map->policy = "go";
}

/* Not a line of `want` is missing, none is more; the last has the id. */
static void expect_events(const struct frame *frame, const char *want, const char *id)
{
	const char *at = frame->text;

	for (const char *end; (end = strchr(want, '\n')); want = end + 1) {
		size_t len = (size_t)(end - want);

		if (!end[1]) {
			assert_memory_equal(at, id, strlen(id));
			at += strlen(id);
		}
		assert_memory_equal(at, "data: ", 6);
		assert_memory_equal(at + 6, want, len);
		assert_memory_equal(at + 6 + len, "\n\n", 2);
		at += 6 + len + 2;
	}
	assert_ptr_equal(at, frame->text + frame->len);
}

static char *json_of(const struct report *report, bool header)
{
	struct sink_memory memory;

	assert_int_equal(sink_memory_open(&memory), 0);
	if (header)
		assert_int_equal(output_begin(&output_json, &memory.sink, report->meta), 0);
	assert_int_equal(output_report(&output_json, &memory.sink, report), 0);
	return sink_memory_close(&memory, NULL);
}

static void test_events(void **state)
{
	struct finding known[3];
	struct feed *feed = begin();
	const struct report *report;
	struct frame *frame;
	char *want;

	(void)state;
	for (size_t i = 0; i < 3; i++)
		known[i] = (struct finding){.trap = "read-diffusion",
					    .name = "sessions",
					    .remedy = "do",
					    .pid = (int)i,
					    .found_ns = START};
	feed->report.known = known;
	feed->report.known_count = 3;
	for (size_t count = 0; count < 3; count++) {
		add_map(feed, count);
		feed->report.findings = known + 3 - count;
		feed->report.finding_count = count;
		report = feed_window(feed, SECOND);
		frame = frame_window(report);
		want = json_of(report, false);
		assert_non_null(frame);
		expect_events(frame, want,
			      count == 0   ? "id: 1700000000000-1\nretry: 2000\n"
			      : count == 1 ? "id: 1700000000000-2\nretry: 2000\n"
					   : "id: 1700000000000-3\nretry: 2000\n");
		free(want);
		frame_put(frame);
	}
	feed->report.kind = REPORT_END;
	frame = frame_window(&feed->report);
	want = json_of(&feed->report, false);
	expect_events(frame, want, "id: 1700000000000-3\nretry: 2000\n");
	free(want);
	frame_put(frame);
	feed_free(feed);
}

/* Who has just come is told all: header, history, window, findings. */
static void test_connect(void **state)
{
	static const char *const types[] = {"header", "history", "window", "finding", "finding"};
	const struct history_options opts = {.points = 4};
	struct finding known[2] = {{.trap = "a", .name = "m", .remedy = ""},
				   {.trap = "b", .name = "m", .remedy = ""}};
	struct feed *feed = begin();
	struct frame *frame;
	const char *at;

	(void)state;
	assert_int_equal(history_create(&feed->history, &opts), 0);
	add_map(feed, 5);
	feed->report.known = known;
	feed->report.known_count = 2;
	assert_int_equal(history_add(feed->history, feed_window(feed, SECOND)), 0);
	frame = frame_connect(&feed->report, feed->history);
	assert_non_null(frame);
	at = frame->text;
	for (size_t i = 0; i < 5; i++) {
		char want[64];

		snprintf(want, sizeof(want), "%sdata: {\"type\":\"%s\"",
			 i == 4 ? "id: 1700000000000-1\nretry: 2000\n" : "", types[i]);
		assert_memory_equal(at, want, strlen(want));
		at = strstr(at, "\n\n") + 2;
	}
	assert_ptr_equal(at, frame->text + frame->len);
	frame_put(frame);
	feed_free(feed);
}

/* Numbers that no reader could take come as the windows have them. */
static void test_history(void **state)
{
	const struct history_options opts = {.points = 4};
	struct feed *feed = begin();
	json_t *root, *maps, *map;
	size_t len;
	char *text;

	(void)state;
	assert_int_equal(history_create(&feed->history, &opts), 0);
	feed_map(feed, 1, UINT64_MAX, UINT64_MAX, 5)->cost_share = INFINITY;
	for (int i = 0; i < 2; i++)
		assert_int_equal(history_add(feed->history, feed_window(feed, SECOND)), 0);
	text = frame_history(feed->history, &named, 1, UINT64_MAX, UINT64_MAX, &len);
	assert_non_null(text);
	assert_int_equal(strlen(text), len);
	root = json_loads(text, 0, NULL);
	assert_non_null(root);
	assert_string_equal(json_string_value(json_object_get(root, "type")), "history");
	assert_int_equal(json_array_size(json_object_get(root, "times")), 2);
	maps = json_object_get(root, "maps");
	assert_int_equal(json_array_size(maps), 1);
	map = json_array_get(maps, 0);
	assert_string_equal(json_string_value(json_object_get(map, "addr")), "0xffffffffffffffff");
	assert_true(json_integer_value(json_object_get(map, "id")) == INT64_MAX);
	assert_int_equal(json_array_size(json_object_get(map, "misses")), 2);
	assert_true(json_is_null(json_array_get(json_object_get(map, "cost_share"), 0)));
	json_decref(root);
	free(text);
	feed_free(feed);
}

/* --- the stream ----------------------------------------------------------------------- */

static struct stream *stream;
static struct metrics *metrics;

static void nothing(void *ctx)
{
	(void)ctx;
}

static struct stream_client *join(const char *last_id)
{
	const struct stream_waker waker = {.wake = nothing, .drop = nothing};
	struct stream_client *client = stream_join(stream, last_id, &waker);

	assert_non_null(client);
	return client;
}

/* What it reads next, up to the id and the whole frame behind it; its type and window. */
static void read_frame(struct stream_client *client, char type[16], unsigned *ret_seq)
{
	static char bytes[1 << 20];
	char head[64] = "", *id = NULL;
	ssize_t got = 0;

	*ret_seq = 0;
	for (;;) {
		for (struct until u = until_begin();
		     !(got = stream_read(stream, client, bytes, sizeof(bytes) - 1, nothing)) &&
		     until_again(&u);)
			;
		assert_true(got > 0);
		bytes[got] = '\0';
		if (!*head)
			snprintf(head, sizeof(head), "%.60s", bytes);
		id = strstr(bytes, "id: 1700000000000-");
		if (id)
			*ret_seq = (unsigned)atoi(id + strlen("id: 1700000000000-"));
		if (*ret_seq && got >= 2 && strcmp(bytes + got - 2, "\n\n") == 0)
			break;
	}
	assert_int_equal(sscanf(strstr(head, "\"type\""), "\"type\":\"%15[a-z]", type), 1);
}

static void publish(struct feed *feed)
{
	const struct report *report = feed_window(feed, SECOND);
	struct snapshot *snapshot;

	assert_int_equal(snapshot_create(&snapshot, report, metrics), 0);
	stream_publish(stream, snapshot);
}

/* A window of 1,000 maps is 2 MB: after 9, four are kept that all have read. */
static void test_kept(void **state)
{
	struct feed *feed = begin();
	struct stream_client *reader, *slow, *back;
	char type[16];
	unsigned seq;

	(void)state;
	assert_int_equal(metrics_create(&metrics, 0), 0);
	assert_int_equal(stream_create(&stream, &named), 0);
	for (uint64_t i = 0; i < MAPS; i++)
		add_map(feed, i);
	publish(feed);
	reader = join(NULL);
	read_frame(reader, type, &seq);
	assert_string_equal(type, "header");
	slow = join(NULL);
	read_frame(slow, type, &seq);
	for (unsigned i = 2; i <= 7; i++) {
		publish(feed);
		read_frame(reader, type, &seq);
		assert_string_equal(type, "window");
		assert_int_equal(seq, i);
	}
	/* 11 MB wait for it: more than is kept for nobody, less than all that there may be. */
	for (unsigned i = 2; i <= 7; i++) {
		read_frame(slow, type, &seq);
		assert_int_equal(seq, i);
	}
	stream_leave(stream, slow);
	for (unsigned i = 8; i <= 9; i++) {
		publish(feed);
		read_frame(reader, type, &seq);
	}
	back = join("1700000000000-7");
	read_frame(back, type, &seq);
	assert_string_equal(type, "window");
	assert_int_equal(seq, 8);
	stream_leave(stream, back);
	back = join("1700000000000-3");
	read_frame(back, type, &seq);
	assert_string_equal(type, "header");
	stream_leave(stream, back);
	stream_leave(stream, reader);
	stream_free(stream);
	metrics_free(metrics);
	feed_free(feed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_events),
		cmocka_unit_test(test_connect),
		cmocka_unit_test(test_history),
		cmocka_unit_test(test_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
