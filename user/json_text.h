/* SPDX-License-Identifier: MIT */
/*
 * json_text.h - JSON straight into a sink, for what is written by the thousand: the bytes that
 * jansson's compact form has (a test compares), without a value in between, which would be most
 * of the work (docs/performance.md).
 *
 * Keys are words of ours and need no escapes; `key` is NULL within an array. Commas come by
 * themselves.
 */
#ifndef JSON_TEXT_H
#define JSON_TEXT_H

#include <jansson.h>
#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "sink.h"

#define JSON_TEXT_DIGITS 12	  /* of reals, here and of json_put() */
#define JSON_TEXT_STRING_MAX 1024 /* bytes in UTF-8, with the end; of findings and targets, too */

struct json_text {
	struct sink *sink;
	bool comma; /* before the next value */
	size_t used;
	char bytes[8192];
};

void json_text_begin(struct json_text *text, struct sink *sink);
/* Hands over the last bytes; the sink knows of errors. */
void json_text_end(struct json_text *text);

void json_text_open(struct json_text *text, const char *key, char bracket);
void json_text_close(struct json_text *text, char bracket);

/* What is beyond a signed number of 64 bits is the largest of these. */
void json_text_u64(struct json_text *text, const char *key, uint64_t value);
void json_text_bool(struct json_text *text, const char *key, bool value);
/* null if it is not finite; JSON_TEXT_NULL is not. */
#define JSON_TEXT_NULL ((double)INFINITY)
void json_text_real(struct json_text *text, const char *key, double value);
/* The same with four digits, enough for a chart; whole numbers are not told from others. */
void json_text_rough(struct json_text *text, const char *key, double value);
void json_text_addr(struct json_text *text, const char *key, uint64_t addr); /* "0x..." */
/* Of any bytes: what is not UTF-8 becomes U+FFFD. */
void json_text_string(struct json_text *text, const char *key, const char *bytes);
/* Takes the reference; NULL is a value that found no memory: an error of the sink. */
void json_text_value(struct json_text *text, const char *key, json_t *value);

#endif
