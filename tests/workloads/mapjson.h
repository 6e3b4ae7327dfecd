/* SPDX-License-Identifier: MIT */
/*
 * mapjson.h - a map's own counters as one line of JSON: the ground truth that traces are
 * compared with. Keys are the names of SMAP_COUNTERS. `addr` is a hexadecimal
 * string, because JSON numbers lose bits beyond 2^53 in many readers.
 */
#ifndef MAPJSON_H
#define MAPJSON_H

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>
#include "smap.h"

static inline void json_string(FILE *out, const char *text)
{
	fputc('"', out);
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '"' || c == '\\')
			fprintf(out, "\\%c", c);
		else if (c < 0x20 || c == 0x7f)
			fprintf(out, "\\u%04x", c);
		else
			fputc(c, out);
	}
	fputc('"', out);
}

static inline void map_json(FILE *out, const struct smap_state *state, uint64_t len)
{
	fprintf(out,
		"{\"type\":\"map\",\"pid\":%d,\"addr\":\"0x%" PRIx64 "\",\"name\":", (int)getpid(),
		state->self);
	json_string(out, state->name);
#define MAP_JSON_COUNTER(name)                                                                     \
	fprintf(out, ",\"" #name "\":%" PRIu64, (uint64_t)state->counters.name);
	SMAP_COUNTERS(MAP_JSON_COUNTER)
#undef MAP_JSON_COUNTER
	fprintf(out,
		",\"len\":%" PRIu64 ",\"read_len\":%" PRIu64 ",\"dirty_len\":%" PRIu64
		",\"lock_waits\":%" PRIu64 "}\n",
		len, (uint64_t)state->read_len, (uint64_t)state->dirty_len,
		(uint64_t)state->lock_waits);
}

#endif
