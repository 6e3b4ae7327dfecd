/* SPDX-License-Identifier: MIT */
/*
 * json_sink.c - see json_sink.h. Model: jansson hands out chunks and a sink takes
 * them, so that no document is ever held as text.
 */
#include "json_sink.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include "json_text.h"
#include "names.h"

/* Chunks have a byte or a few: each by itself is a fifth more time, fwrite_unlocked() or not. */
struct gather {
	struct sink *sink;
	size_t used;
	char bytes[4096];
};

static void flush(struct gather *gather)
{
	sink_write(gather->sink, gather->bytes, gather->used);
	gather->used = 0;
}

static int put_chunk(const char *data, size_t len, void *ctx)
{
	struct gather *gather = ctx;

	if (len > sizeof(gather->bytes) - gather->used)
		flush(gather);
	if (len > sizeof(gather->bytes)) {
		sink_write(gather->sink, data, len);
	} else {
		memcpy(gather->bytes + gather->used, data, len);
		gather->used += len;
	}
	return gather->sink->err ? -1 : 0;
}

int json_put(struct sink *sink, json_t *value, size_t flags)
{
	struct gather gather = {.sink = sink};
	int err = 0;

	if (!value)
		return -ENOMEM;
	if (json_dump_callback(value, put_chunk, &gather,
			       JSON_REAL_PRECISION(JSON_TEXT_DIGITS) | flags) < 0)
		err = sink->err ? sink->err : -EIO;
	flush(&gather);
	json_decref(value);
	return err;
}

json_t *json_u64(uint64_t value)
{
	return json_integer(value <= INT64_MAX ? (json_int_t)value : INT64_MAX);
}

json_t *json_addr(uint64_t addr)
{
	char text[24];

	snprintf(text, sizeof(text), "0x%" PRIx64, addr);
	return json_string(text);
}

json_t *json_safe(const char *bytes)
{
	char text[4096];

	name_escape(text, sizeof(text), bytes ? bytes : "");
	return json_string(text);
}

json_t *json_time(uint64_t unix_ns)
{
	time_t seconds = (time_t)(unix_ns / 1000000000ULL);
	char text[64], date[32];
	struct tm tm;

	gmtime_r(&seconds, &tm);
	strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(text, sizeof(text), "%s.%03uZ", date,
		 (unsigned)(unix_ns % 1000000000ULL / 1000000ULL));
	return json_string(text);
}

json_t *json_number(double value)
{
	return isfinite(value) ? json_real(value) : json_null();
}
