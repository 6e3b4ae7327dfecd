/* SPDX-License-Identifier: MIT */
/*
 * audit.h - does what the kernel counted agree with what the map itself counted? Pure.
 *
 * Of each counter the kernel keeps base, counted and uncounted, and `stamp`, the map's own
 * total at the last event it saw: base + counted + uncounted = stamp, or events before that
 * one were lost. What came after the last one is lost if the state page had it at an earlier
 * look already, when it had been fired. So:
 *
 *	missing = | stamp - (base + counted + uncounted) |  +  what was fired since the stamp
 *
 * Misses that wait in the map's batch are not fired yet: they are no loss, and never more than
 * SMAP_BATCH_MISSES. A counter whose probe is shed has no tail, because nobody listens.
 */
#ifndef AUDIT_H
#define AUDIT_H

#include "livemap.h"

enum audit_when {
	AUDIT_RUNNING, /* `counted` was read after `info`; events come meanwhile */
	AUDIT_AT_REST, /* no event comes any more */
};

/* What the state page says has been fired, for audits to come. Of a map's last state all has. */
void audit_look(struct livemap *map);

/*
 * Sets map->missing. Returns how many counters were compared. each_miss: as in the BPF
 * programs. AUDIT_AT_REST takes the last look, else the one before that.
 */
unsigned audit_map(struct livemap *map, const struct st_stats *counted,
		   const struct livemap_shed *shed, bool each_miss, enum audit_when when);

uint64_t audit_missing(const struct livemap *map);

#endif
