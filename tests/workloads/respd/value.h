/* SPDX-License-Identifier: MIT */
/*
 * value.h - a value of the cache: bytes and when they expire. Never changed once it is in a
 * map; another value takes its place, and the map frees this one when no reader is left.
 */
#ifndef VALUE_H
#define VALUE_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct value {
	int64_t expire_ms; /* CLOCK_REALTIME, so that it survives in a store; 0 = never */
	size_t len;
	char data[];
};

static inline struct value *value_new(const void *data, size_t len, int64_t expire_ms)
{
	struct value *value = malloc(sizeof(*value) + len);

	if (!value)
		return NULL;
	value->expire_ms = expire_ms;
	value->len = len;
	if (len)
		memcpy(value->data, data, len);
	return value;
}

#endif
