/* SPDX-License-Identifier: MIT */
/*
 * json_text.c - see json_text.h. Model: a buffer that is handed to the sink when it is full, and
 * one bit of state, whether the next value needs a comma.
 */
#include "json_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "json_sink.h"
#include "names.h"

#define NUMBER_MAX 40
#define ROUGH_DIGITS 4

static void put(struct json_text *text, const char *bytes, size_t len)
{
	if (len > sizeof(text->bytes) - text->used)
		json_text_end(text);
	memcpy(text->bytes + text->used, bytes, len);
	text->used += len;
}

static void put_char(struct json_text *text, char c)
{
	if (text->used == sizeof(text->bytes))
		json_text_end(text);
	text->bytes[text->used++] = c;
}

/* What goes before a value. */
static void put_key(struct json_text *text, const char *key)
{
	if (text->comma)
		put_char(text, ',');
	text->comma = true;
	if (!key)
		return;
	put_char(text, '"');
	put(text, key, strlen(key));
	put(text, "\":", 2);
}

void json_text_begin(struct json_text *text, struct sink *sink)
{
	text->sink = sink;
	text->comma = false;
	text->used = 0;
}

void json_text_end(struct json_text *text)
{
	sink_write(text->sink, text->bytes, text->used);
	text->used = 0;
}

void json_text_open(struct json_text *text, const char *key, char bracket)
{
	put_key(text, key);
	put_char(text, bracket);
	text->comma = false;
}

void json_text_close(struct json_text *text, char bracket)
{
	put_char(text, bracket);
	text->comma = true;
}

void json_text_u64(struct json_text *text, const char *key, uint64_t value)
{
	char digits[NUMBER_MAX];
	size_t at = sizeof(digits);

	if (value > INT64_MAX)
		value = INT64_MAX;
	do
		digits[--at] = (char)('0' + value % 10);
	while (value /= 10);
	put_key(text, key);
	put(text, digits + at, sizeof(digits) - at);
}

void json_text_bool(struct json_text *text, const char *key, bool value)
{
	put_key(text, key);
	if (value)
		put(text, "true", 4);
	else
		put(text, "false", 5);
}

/* An exponent has no plus and no zeros before it. */
static void shorten_exponent(char *number)
{
	char *at = strchr(number, 'e'), *digits;

	if (!at)
		return;
	at++;
	digits = at + 1;
	if (*at == '-')
		at++;
	while (*digits == '0')
		digits++;
	memmove(at, digits, strlen(digits) + 1);
}

static void put_real(struct json_text *text, const char *key, double value, int digits, bool tell)
{
	char number[NUMBER_MAX] = "null";

	if (isfinite(value)) {
		snprintf(number, sizeof(number) - 2, "%.*g", digits, value);
		shorten_exponent(number);
		if (tell && !strpbrk(number, ".e")) /* else it would be read as a whole number */
			strcat(number, ".0");
	}
	put_key(text, key);
	put(text, number, strlen(number));
}

void json_text_real(struct json_text *text, const char *key, double value)
{
	put_real(text, key, value, JSON_TEXT_DIGITS, true);
}

void json_text_rough(struct json_text *text, const char *key, double value)
{
	put_real(text, key, value, ROUGH_DIGITS, false);
}

void json_text_addr(struct json_text *text, const char *key, uint64_t addr)
{
	char number[NUMBER_MAX];
	int len = snprintf(number, sizeof(number), "\"0x%" PRIx64 "\"", addr);

	put_key(text, key);
	put(text, number, (size_t)len);
}

static void put_escaped(struct json_text *text, unsigned char c)
{
	static const char names[] = "\"\"\\\\\bb\ff\nn\rr\tt";
	char code[8];

	for (const char *name = names; *name; name += 2) {
		if ((unsigned char)name[0] != c)
			continue;
		put_char(text, '\\');
		put_char(text, name[1]);
		return;
	}
	snprintf(code, sizeof(code), "\\u%04X", c);
	put(text, code, 6);
}

void json_text_string(struct json_text *text, const char *key, const char *bytes)
{
	char utf8[JSON_TEXT_STRING_MAX];

	name_utf8(utf8, sizeof(utf8), bytes);
	put_key(text, key);
	put_char(text, '"');
	for (const char *c = utf8; *c; c++) {
		if ((unsigned char)*c < ' ' || *c == '"' || *c == '\\')
			put_escaped(text, (unsigned char)*c);
		else
			put_char(text, *c);
	}
	put_char(text, '"');
}

void json_text_value(struct json_text *text, const char *key, json_t *value)
{
	int err;

	put_key(text, key);
	json_text_end(text);
	err = json_put(text->sink, value, JSON_COMPACT);
	if (err && !text->sink->err)
		text->sink->err = err; /* no memory: what follows would be no JSON */
}
