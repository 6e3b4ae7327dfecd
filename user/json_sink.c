/* SPDX-License-Identifier: MIT */
/*
 * json_sink.c - see json_sink.h. Model: jansson hands out chunks and a sink takes
 * them, so that no document is ever held as text.
 */
#include "json_sink.h"

#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <time.h>
#include "names.h"

static int put_chunk(const char *data, size_t len, void *sink)
{
	sink_write(sink, data, len);
	return ((struct sink *)sink)->err ? -1 : 0;
}

int json_put(struct sink *sink, json_t *value, size_t flags)
{
	int err = 0;

	if (!value)
		return -ENOMEM;
	if (json_dump_callback(value, put_chunk, sink, JSON_REAL_PRECISION(12) | flags) < 0)
		err = sink->err ? sink->err : -EIO;
	json_decref(value);
	return err;
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
