/* SPDX-License-Identifier: MIT */
/* audit.c - see audit.h. */
#include "audit.h"

#include <string.h>

void audit_look(struct livemap *map)
{
	const struct smap_batch *batch = &map->state.pending;
	uint64_t *misses = &map->fired[ST_COUNTER_misses];

	memcpy(map->fired_before, map->fired, sizeof(map->fired));
	memcpy(map->fired, &map->state.counters, sizeof(map->fired));
	/* One that does not end with the last miss is of a listener before us, or torn. */
	if (!map->final && *misses >= batch->count && batch->count <= SMAP_BATCH_MISSES)
		*misses -= batch->count;
}
_Static_assert(sizeof(struct smap_counters) == ST_COUNTER_COUNT * sizeof(uint64_t),
	       "the state page has the counters in the order of SMAP_COUNTERS");

static uint64_t above(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

static uint64_t missing_of(const struct livemap *map, const struct st_stats *counted, unsigned c,
			   enum audit_when when)
{
	const struct st_info *info = &map->info;
	uint64_t known = info->base[c] + counted->counted[c] + info->uncounted[c];
	uint64_t missing = above(info->stamp[c], known);

	if (when == AUDIT_AT_REST)
		missing += above(known, info->stamp[c]);
	return missing;
}

unsigned audit_map(struct livemap *map, const struct st_stats *counted,
		   const struct livemap_shed *shed, bool each_miss, enum audit_when when)
{
	const uint64_t *fired = when == AUDIT_AT_REST ? map->fired : map->fired_before;
	unsigned compared = 0;

	for (unsigned c = 0; c < ST_COUNTER_COUNT; c++) {
		bool seen = map->has_info && map->info.base_mask & 1U << c;

		map->missing[c] = 0;
		if (seen) {
			map->missing[c] = missing_of(map, counted, c, when);
			if (livemap_listens(map, shed, c))
				map->missing[c] += above(fired[c], map->info.stamp[c]);
			compared++;
		} else if (map->first_known && livemap_listens(map, shed, c) &&
			   !shed->generation[c] && !(each_miss && c == ST_COUNTER_misses)) {
			/* One by one, misses are counted from the first batch on that is ours. */
			map->missing[c] = above(fired[c], map->first[c]);
			compared++;
		}
	}
	return compared;
}

uint64_t audit_missing(const struct livemap *map)
{
	uint64_t sum = 0;

	for (unsigned c = 0; c < ST_COUNTER_COUNT; c++)
		sum += map->missing[c];
	return sum;
}
