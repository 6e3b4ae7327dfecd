/* SPDX-License-Identifier: MIT */
/*
 * Every output renders the empty report, a full one and hostile names as its
 * golden file says, and reports a full disk. GOLDEN_UPDATE=1 rewrites the
 * golden files: look at the difference before you commit it. WHOLE_TO=DIR leaves there
 * what came, whole, for the checks of formats that golden files have in short.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <jansson.h>
#include <pty.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "output.h"
#include "scenarios.h"

static char *read_file(const char *path)
{
	FILE *file = fopen(path, "r");
	char *text = calloc(1, 1 << 20);

	assert_non_null(text);
	if (!file)
		fail_msg("cannot read %s (tests run at the top of the tree)", path);
	(void)fread(text, 1, (1 << 20) - 1, file); /* nothing to show: some formats have no words */
	assert_false(ferror(file));
	fclose(file);
	return text;
}

static void write_file(const char *folder, const char *name, const char *text)
{
	char path[256];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
}

/* All that stands between these two becomes "...". */
static void shorten(char *text, const char *before, const char *after)
{
	for (char *at = text; (at = strstr(at, before));) {
		char *end = strstr(at += strlen(before), after);

		if (!end || end - at < 3)
			fail_msg("nothing between %s and %s", before, after);
		memcpy(at, "...", 3);
		memmove(at + 3, end, strlen(end) + 1);
	}
}

/* What is of user/html/ and the same in every page: check_html.sh looks at that. */
static void shorten_page(char *page)
{
	shorten(page, "<style>", "</style>");
	shorten(page, "<script>", "</script>");
	shorten(page, "'sha256-", "'");
}

static void check_golden(const struct output *output, const struct scenario *scenario)
{
	const char *whole_to = getenv("WHOLE_TO");
	char *got = render(output, scenario), *want;
	char name[64], path[128];

	snprintf(name, sizeof(name), "%s.%s", scenario->name, output->suffix);
	snprintf(path, sizeof(path), "tests/golden/%s", name);
	if (whole_to)
		write_file(whole_to, name, got);
	if (output == &output_html)
		shorten_page(got);
	if (getenv("GOLDEN_UPDATE"))
		write_file("tests/golden", name, got);
	want = read_file(path);
	if (strcmp(got, want) != 0)
		fail_msg("%s differs; this is what came:\n%s", path, got);
	free(got);
	free(want);
}

static void test_golden(void **state)
{
	(void)state;
	for (size_t o = 0; outputs[o]; o++)
		for (size_t i = 0; i < SCENARIO_COUNT && outputs[o] != &output_pprof; i++)
			check_golden(outputs[o],
				     &scenarios[i]); /* pprof is no text: test_pprof.c */
}

/* Text: 80 columns, no control bytes but the newline, whatever the names and numbers. */
static void test_text_is_safe(void **state)
{
	const struct scenario many = {"many", 2, 2000, scenarios[3].map_name, "x\033", true};
	struct scenario cases[] = {scenarios[2], scenarios[3], many};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *text = render(&output_text, &cases[i]), *line, *save = NULL;

		for (const char *c = text; *c; c++)
			assert_true(*c == '\n' || ((unsigned char)*c >= 0x20 && *c != 0x7f));
		if (i == 2) {
			assert_non_null(strstr(text, "and 1990 more\n"));
			assert_non_null(strstr(text, "1980 more maps, lifetime totals\n"));
		}
		for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
			if (strlen(line) > 80 && !strstr(line, "\xc3\xbc")) /* 2 bytes, 1 column */
				fail_msg("%zu columns: %s", strlen(line), line);
		free(text);
	}
}

/* The length of the UTF-8 sequence here; 0 = it is none. */
static size_t utf8_len(const unsigned char *s)
{
	static const struct {
		unsigned char mask, lead, low;
	} kinds[] = {{0x80, 0, 0}, {0xe0, 0xc0, 0xc2}, {0xf0, 0xe0, 0xe0}, {0xf8, 0xf0, 0xf0}};

	for (size_t i = 0; i < 4; i++) {
		size_t n = 1;

		if ((s[0] & kinds[i].mask) != kinds[i].lead || s[0] < kinds[i].low)
			continue;
		while (n <= i && (s[n] & 0xc0) == 0x80)
			n++;
		return n == i + 1 ? n : 0;
	}
	return 0;
}

/* No output lets a name through that a terminal would act on, or that is no UTF-8. */
static void test_all_are_clean(void **state)
{
	(void)state;
	for (size_t o = 0; outputs[o]; o++) {
		char *text = render(outputs[o], &scenarios[3]);

		if (strcmp(outputs[o]->suffix, "pb.gz") == 0) { /* compressed */
			free(text);
			continue;
		}
		for (const unsigned char *c = (unsigned char *)text; *c;) {
			size_t len = utf8_len(c);

			if (!len || (*c < ' ' && *c != '\n' && *c != '\t') || *c == 0x7f)
				fail_msg("%s: byte %#x at %zu", outputs[o]->name, *c,
					 (size_t)(c - (unsigned char *)text));
			c += len;
		}
		free(text);
	}
}

static void test_text_says(void **state)
{
	char *empty = render(&output_text, &scenarios[0]);
	char *full = render(&output_text, &scenarios[2]);

	(void)state;
	assert_non_null(strstr(empty, "No map seen"));
	assert_non_null(strstr(empty, "\nLost: nothing.\n"));
	assert_null(strstr(full, "Lost: nothing"));
	assert_non_null(strstr(full, "  ring_full 34\n      event records dropped"));
	assert_non_null(strstr(full, "exited with status 3"));
	assert_non_null(strstr(full, "killed by signal 9"));
	assert_non_null(strstr(full, "respd, pid 4242, since 22:13:20, 0.5 s into the trace\n"));
	assert_non_null(strstr(full, "  promotion_in                   infinite > 30 s\n"));
	free(empty);
	free(full);
}

/* What a terminal gets. */
static char *render_to_terminal(const struct scenario *scenario)
{
	char *text = calloc(1, 1 << 20);
	size_t len = 0;
	int master, slave;
	struct sink sink;
	FILE *file;
	ssize_t got;

	assert_non_null(text);
	assert_int_equal(openpty(&master, &slave, NULL, NULL, NULL), 0);
	file = fdopen(slave, "w");
	assert_non_null(file);
	if (fork() == 0) {
		close(master);
		sink_init(&sink, file);
		_exit(render_to(&output_text, &sink, scenario) || sink_close(&sink));
	}
	fclose(file);
	while ((got = read(master, text + len, (1 << 20) - 1 - len)) > 0)
		len += (size_t)got;
	close(master);
	return text;
}

static void test_text_colour(void **state)
{
	char *plain = render(&output_text, &scenarios[2]), *text;

	(void)state;
	assert_null(strchr(plain, '\033'));
	unsetenv("NO_COLOR");
	text = render_to_terminal(&scenarios[2]);
	assert_non_null(strstr(text, "\033[33mwarning: read-diffusion in sessions\033[0m\r\n"));
	assert_non_null(strstr(text, "\033[1;31merror: write-starvation"));
	free(text);
	text = render_to_terminal(&scenarios[1]);
	assert_null(strchr(text, '\033')); /* nothing found, nothing coloured */
	free(text);
	setenv("NO_COLOR", "1", 1);
	text = render_to_terminal(&scenarios[2]);
	assert_non_null(strstr(text, "warning: read-diffusion in sessions\r\n"));
	assert_null(strchr(text, '\033'));
	unsetenv("NO_COLOR");
	free(text);
	free(plain);
}

/* --- JSON ----------------------------------------------------------------- */

static json_t *line_of(const char *text, const char *type)
{
	char *copy = strdup(text), *save = NULL, want[64];
	json_t *found = NULL;

	snprintf(want, sizeof(want), "{\"type\":\"%s\",", type);
	for (char *line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		json_error_t error;
		json_t *value = json_loads(line, JSON_REJECT_DUPLICATES, &error);

		if (!value)
			fail_msg("%s in: %s", error.text, line);
		assert_int_equal(strncmp(line, "{\"type\":\"", 9), 0);
		if (!found && strncmp(line, want, strlen(want)) == 0)
			found = value;
		else
			json_decref(value);
	}
	free(copy);
	assert_non_null(found);
	return found;
}

static json_int_t number(json_t *object, const char *a, const char *b, const char *c)
{
	json_t *value = json_object_get(object, a);

	value = b ? json_object_get(value, b) : value;
	value = c ? json_object_get(value, c) : value;
	assert_true(json_is_integer(value));
	return json_integer_value(value);
}

static void test_json_values(void **state)
{
	char *text = render(&output_json, &scenarios[2]);
	json_t *end = line_of(text, "end"), *window = line_of(text, "window");
	json_t *map = json_array_get(json_object_get(end, "maps"), 0);
	json_t *finding = line_of(text, "finding");
	json_t *limits = json_object_get(finding, "limits");

	(void)state;
	assert_string_equal(json_string_value(json_object_get(limits, "copied_per_new")), ">= 8");
	assert_null(json_object_get(limits, "miss_ratio"));
	assert_true(json_is_null(
		json_object_get(json_object_get(finding, "evidence"), "promotion_in")));
	json_decref(finding);
	assert_int_equal(json_array_size(json_object_get(end, "maps")), 2);
	assert_string_equal(json_string_value(json_object_get(map, "addr")), "0x7f0000001000");
	assert_int_equal(number(map, "pid", NULL, NULL), 4242);
	assert_int_equal(number(map, "misses", NULL, NULL), 2000);
	assert_int_equal(number(map, "traced", "reclaimed", NULL), 16000);
	assert_int_equal(number(map, "window", "misses", NULL), 2000);
	assert_int_equal(number(map, "hists", "miss_wait", "count"), 2 * (1 + 2 + 3 + 4));
	assert_int_equal(number(map, "state", "miss_debt", NULL), 544);
	assert_int_equal(number(end, "losses", "ring_full", NULL), 34);
	assert_int_equal(number(end, "losses", "maps_full", NULL), 0);
	map = json_array_get(json_object_get(window, "maps"), 1);
	assert_int_equal(number(map, "misses", NULL, NULL), 5000002000LL);
	assert_int_equal(number(map, "window", "misses", NULL), 2000);
	json_decref(end);
	json_decref(window);
	free(text);
}

static void test_json_hostile(void **state)
{
	char *text = render(&output_json, &scenarios[3]);
	json_t *end = line_of(text, "end");
	json_t *map = json_array_get(json_object_get(end, "maps"), 0);

	(void)state;
	assert_string_equal(json_string_value(json_object_get(map, "name")),
			    "\033[2J\"q\"\\<b>&'\r\n\xef\xbf\xbd\xc3\xbc\xe2\x80\xae`$(x)");
	json_decref(end);
	free(text);
}

/* Adds each key below value to keys; evidence, limits and losses have names of their own. */
static void collect(json_t *keys, json_t *value)
{
	const char *key;
	json_t *member;
	size_t i;

	json_object_foreach(value, key, member)
	{
		json_object_set_new(keys, key, json_true());
		if (strcmp(key, "evidence") != 0 && strcmp(key, "limits") != 0 &&
		    strcmp(key, "losses") != 0)
			collect(keys, member);
	}
	json_array_foreach(value, i, member) collect(keys, member);
}

/* A documented field is a table row that begins with "| `name` |". */
static json_t *documented(const char *docs)
{
	json_t *keys = json_object();

	for (const char *row = strstr(docs, "\n| `"); row; row = strstr(row, "\n| `")) {
		char name[64];

		row += strlen("\n| `");
		assert_int_equal(sscanf(row, "%63[a-z0-9_]", name), 1);
		json_object_set_new(keys, name, json_true());
	}
	return keys;
}

static void compare(json_t *keys, json_t *other, const char *complaint)
{
	const char *key;
	json_t *value;

	json_object_foreach(keys, key, value) if (!json_object_get(other, key))
		fail_msg("'%s' %s", key, complaint);
}

static void test_json_documented(void **state)
{
	char *text = render(&output_json, &scenarios[2]);
	char *docs = read_file("docs/json.md"), *copy = strdup(text), *save = NULL;
	json_t *emitted = json_object(), *known = documented(docs), *end = line_of(text, "end");
	const char *loss;
	json_t *value;

	(void)state;
	for (char *line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		json_t *object = json_loads(line, 0, NULL);

		collect(emitted, object);
		json_decref(object);
	}
	compare(emitted, known, "is written, but not in docs/json.md");
	compare(known, emitted, "is in docs/json.md, but not written");
	json_object_foreach(json_object_get(end, "losses"), loss, value)
	{
		char quoted[64];

		snprintf(quoted, sizeof(quoted), "`%s`", loss);
		if (!strstr(docs, quoted))
			fail_msg("loss %s is not in docs/json.md", quoted);
	}
	json_decref(end);
	json_decref(emitted);
	json_decref(known);
	free(copy);
	free(text);
	free(docs);
}

/* --- sinks ---------------------------------------------------------------- */

static void test_full_disk(void **state)
{
	(void)state;
	for (size_t o = 0; outputs[o]; o++) {
		for (size_t i = 0; i < SCENARIO_COUNT; i++) {
			char *text = render(outputs[o], &scenarios[i]);
			int want = text[0] ? -ENOSPC : 0; /* of nothing, all is written */
			struct sink sink;

			free(text);
			assert_int_equal(sink_open(&sink, "/dev/full"), 0);
			assert_int_equal(render_to(outputs[o], &sink, &scenarios[i]), want);
			assert_int_equal(sink_close(&sink), want);
			assert_int_equal(sink_close(&sink), want); /* again: harmless */
		}
	}
}

static void test_sink_open(void **state)
{
	struct sink sink = {.err = 42};

	(void)state;
	assert_int_equal(sink_open(&sink, "/nonexistent/file"), -ENOENT);
	assert_int_equal(sink_open(&sink, "/"), -EISDIR);
	assert_int_equal(sink.err, 42); /* untouched on failure */
	assert_int_equal(sink_open(&sink, "-"), 0);
	assert_ptr_equal(sink.file, stdout);
	assert_null(output_find("xml"));
	assert_ptr_equal(output_find("json"), &output_json);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_golden),		cmocka_unit_test(test_text_is_safe),
		cmocka_unit_test(test_text_says),	cmocka_unit_test(test_all_are_clean),
		cmocka_unit_test(test_json_values),	cmocka_unit_test(test_json_hostile),
		cmocka_unit_test(test_json_documented), cmocka_unit_test(test_full_disk),
		cmocka_unit_test(test_sink_open),	cmocka_unit_test(test_text_colour),
	};

	setenv("TZ", "UTC", 1);
	tzset();
	return cmocka_run_group_tests_name("output", tests, NULL, NULL);
}
