/* SPDX-License-Identifier: MIT */
/* promote.h - the two steps that most tests of a u64 map take: promote by Range, look. */
#ifndef PROMOTE_H
#define PROMOTE_H

#include "smap.h"

static inline bool go_on(uint64_t key, void *value, void *ctx)
{
	(void)key;
	(void)value;
	(void)ctx;
	return true;
}

static inline void promote(struct smap *map)
{
	smap_range_u64(map, go_on, NULL);
}

static inline void *get(struct smap *map, uint64_t key)
{
	void *value = NULL;

	return smap_load_u64(map, key, &value) ? value : NULL;
}

#endif
