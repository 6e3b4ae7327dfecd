/* SPDX-License-Identifier: MIT */
/*
 * json_sink.h - a JSON value into a sink, for the outputs that write JSON.
 */
#ifndef JSON_SINK_H
#define JSON_SINK_H

#include <jansson.h>
#include <stdint.h>
#include "sink.h"

/* Writes with jansson's flags and frees; NULL is a value that found no memory. 0 or -errno. */
int json_put(struct sink *sink, json_t *value, size_t flags);

/* What is beyond a signed number of 64 bits, which is all that many readers have, is the largest. */
json_t *json_u64(uint64_t value);

/* "0x...": many readers lose bits above 2^53. */
json_t *json_addr(uint64_t addr);

/* Of any bytes, as names.h shows them: valid UTF-8 without controls. */
json_t *json_safe(const char *bytes);

/* RFC 3339 in UTC with milliseconds. */
json_t *json_time(uint64_t unix_ns);

/* jansson has no infinity: it becomes null, and so does what is no number. */
json_t *json_number(double value);

#endif
