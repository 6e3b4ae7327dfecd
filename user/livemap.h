/* SPDX-License-Identifier: MIT */
/*
 * livemap.h - the maps that a live backend knows, and how what the kernel counted
 * and what the map says of itself become one sample. Pure.
 */
#ifndef LIVEMAP_H
#define LIVEMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "record.h"
#include "target.h"

struct livemap {
	struct livemap *next; /* in its bucket */
	struct st_key key;
	struct smap_state state; /* the last good copy; zero before */
	struct st_info info;	 /* as of this round, but for stamps (usdt_sample.c) */
	bool has_info;		 /* an event of it was seen */
	bool state_ok;		 /* `state` is of this round */
	bool listed;		 /* the registry had it in this round */
	bool sampled;		 /* in this round */
	bool ended;		 /* ... for the last time */
	bool final;		 /* `state` is of the map's last moment */
	struct target_stripes stripes;
	/* misses_total of a batch that was already waiting when we came; 0 = none. */
	uint64_t stale_batch;
	uint64_t first[ST_COUNTER_COUNT]; /* the map's totals when we came; 0 of a new map */
	bool first_known;
	/* Of the audit (audit.h): what had been fired at the last two looks, and is missing. */
	uint64_t fired[ST_COUNTER_COUNT], fired_before[ST_COUNTER_COUNT];
	uint64_t missing[ST_COUNTER_COUNT];
	uint64_t audit_told; /* how much of it a message has told */
	/* As of the last round, of what drives the probes: the totals, and waits for the lock. */
	uint64_t units[ST_COUNTER_COUNT + 1];
	bool units_known;
	/* Of times off the CPU that were under way when --offcpu was shed: what had passed. */
	uint64_t given_up[ST_OFFCPU_COUNT];
};

/* Which counters nobody listens to at present, and how often that was so and is over. */
struct livemap_shed {
	uint32_t off; /* a bit for each enum st_counter */
	uint32_t generation[ST_COUNTER_COUNT];
};

struct livemaps {
	struct livemap **bucket;
	size_t bucket_cnt; /* power of two */
	size_t cnt;
};

struct livemap *livemap_find(const struct livemaps *maps, const struct st_key *key);
/* Find or create. NULL: no memory. *ret_new may be NULL. */
struct livemap *livemap_get(struct livemaps *maps, const struct st_key *key, bool *ret_new);
/* Call fn for each; maps that fn leaves with `ended` set are removed. Stops at the first error. */
int livemap_each(struct livemaps *maps, int (*fn)(struct livemap *map, void *ctx), void *ctx);
void livemaps_free(struct livemaps *maps);

void livemap_record(const struct livemap *map, struct record_map *ret_record);

/*
 * Counters and histograms of a sample: what was counted (all CPUs added up), the
 * lifetime totals from it, and what the state page says. Of a counter whose probe is shed the
 * state page has the total, and what was not counted is told.
 */
void livemap_sample(const struct livemap *map, const struct st_stats *counted,
		    const struct livemap_shed *shed, uint64_t now,
		    struct record_sample *ret_sample);

/* A look at the map in its process. Stripes that could not be read stay as they were. */
void livemap_saw(struct livemap *map, const struct target_map *found);
/* The map was there before us: what it has counted so far we did not see. */
void livemap_came_late(struct livemap *map);
/* The kernel's figures of this counter are complete: its probe is not shed, nor was just now. */
bool livemap_listens(const struct livemap *map, const struct livemap_shed *shed, unsigned counter);

/*
 * At the end of a trace of a map that lives on: add the misses that wait in its batch and
 * will not be fired for us any more, so that everything agrees with the map's own
 * counters. In exact mode they have been counted one by one, and only the hold times are
 * missing. False: what was counted and the state were not read at one moment (the
 * batch was fired in between, or is half written): nothing is added, read both again.
 */
bool livemap_add_pending(const struct livemap *map, bool exact, struct record_sample *sample);

#endif
