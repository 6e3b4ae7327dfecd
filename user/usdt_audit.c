/* SPDX-License-Identifier: MIT */
/*
 * usdt_audit.c - the usdt backend's part in the audit (audit.h): when a map has ended, at the
 * end of the trace, and with --audit once a second meanwhile.
 *
 * Of a map in use the kernel's figures are read while they change. info comes before what was
 * counted, so that an event in between can only hide a loss, not make one up; and what is
 * missing must be so in each of a few tries.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>
#include "audit.h"
#include "log.h"
#include "names.h"
#include "usdt.h"
#include "usdt.skel.h"
#include "words.h"

#define TRIES 4
#define PAUSE_NS 1000000
#define TOLD_MAX 20 /* messages; the loss has them all */

static int tell(struct usdt *usdt, const struct livemap *map, const struct st_stats *counted)
{
	const struct usdt_image *in = usdt_image_of(usdt, map->key.target);
	struct record record = {.missing.key = map->key};
	char name[NAME_ESCAPED_MAX];

	name_escape(name, sizeof(name), map->state.magic ? map->state.name : map->info.name);
	for (unsigned c = 0; c < ST_COUNTER_COUNT; c++) {
		if (!map->missing[c] || usdt->audit_told++ >= TOLD_MAX)
			continue;
		log_warn("audit: %" PRIu64 " %s of map %s of process %d were not seen (seen: "
			 "%" PRIu64 ")",
			 map->missing[c], counter_names[c], name, in ? (int)in->target->pid : 0,
			 (uint64_t)counted->counted[c]);
	}
	memcpy(record.missing.count, map->missing, sizeof(map->missing));
	return usdt_emit(usdt, &record, RECORD_MISSING, sizeof(record.missing));
}

static unsigned compare(struct usdt *usdt, struct livemap *map, struct st_stats *counted,
			enum audit_when when)
{
	usdt_read_info(usdt, map);
	usdt_read_stats(usdt, &map->key, counted);
	return audit_map(map, counted, &usdt->shed, usdt->skel->bss->each_miss, when);
}

int usdt_audit_map(struct usdt *usdt, struct livemap *map, bool at_rest)
{
	const struct timespec pause = {.tv_nsec = PAUSE_NS};
	enum audit_when when = at_rest ? AUDIT_AT_REST : AUDIT_RUNNING;
	struct st_stats counted;
	uint64_t before = map->audit_told;
	unsigned compared = compare(usdt, map, &counted, when);

	for (int i = 0; !at_rest && i < TRIES && audit_missing(map) > before; i++) {
		(void)nanosleep(&pause, NULL);
		compared = compare(usdt, map, &counted, when);
	}
	usdt->audit_compared += compared;
	usdt->audit_round += audit_missing(map);
	if (map->ended)
		usdt->audit_ended += audit_missing(map);
	if (audit_missing(map) <= before)
		return 0;
	map->audit_told = audit_missing(map);
	return tell(usdt, map, &counted);
}

static int audit_running(struct livemap *map, void *ctx)
{
	struct usdt *usdt = ctx;
	const struct usdt_image *in = usdt_image_of(usdt, map->key.target);
	struct smap_state state;

	/* Of one that has ended the next round of samples will make its last audit. */
	if (!in || map->final || target_read_state(in->target, map->key.addr, &state) ||
	    state.id != map->key.id)
		return 0;
	map->state = state;
	audit_look(map);
	return usdt_audit_map(usdt, map, false);
}

static int audit_last(struct livemap *map, void *ctx)
{
	return usdt_audit_map(ctx, map, true);
}

/* A difference can only grow: what was missing once was. */
int usdt_audit(struct usdt *usdt, bool last)
{
	struct record record = {0};
	int err;

	usdt->audit_round = 0;
	err = livemap_each(&usdt->maps, last ? audit_last : audit_running, usdt);
	usdt->audit_rounds++;
	if (usdt->audit_ended + usdt->audit_round > usdt->audit)
		usdt->audit = usdt->audit_ended + usdt->audit_round;
	record.audit = (struct record_audit){
		.rounds = usdt->audit_rounds,
		.compared = usdt->audit_compared,
		.missing = usdt->audit,
	};
	return err ? err : usdt_emit(usdt, &record, RECORD_AUDIT, sizeof(record.audit));
}
