/* SPDX-License-Identifier: MIT */
/*
 * trap_read_diffusion.c - misses set off promotions, and promotions cascade
 * (docs/traps.md). Model: promotions and rebuilds in one window, each new key making
 * the map copy many entries, at a cost that the process feels. Whether misses are
 * many is told, not asked: in a full cascade the promoted map answers without a miss.
 */
#include "trap.h"

#include <inttypes.h>

#define PROMOTE_REASON 4 /* in st_event.args: of the probe's arguments without the map */

static double cost_of_waiting(const struct model_map *map)
{
	return (double)map->window.rate.lock_wait_ns + (double)trap_hold_ns(map);
}

/* A threshold with which this rate of misses promotes once a second. */
static uint64_t calm_threshold(const struct trap_view *view)
{
	uint64_t want = (uint64_t)(trap_miss_rate(view) + 1), threshold = 64;

	while (threshold < want)
		threshold *= 2;
	return threshold;
}

/* How many of the window's promotions had this reason, as far as their events are there. */
static uint64_t promotions_by(const struct trap_view *view, enum smap_reason reason)
{
	const struct st_key *key = &view->map->info.key;
	uint64_t count = 0;

	for (size_t i = 0; i < model_event_count(view->model); i++) {
		const struct st_event *event = model_event(view->model, i);

		count += event->kind == SMAP_PROBE_promote && event->target == key->target &&
			 event->addr == key->addr && event->id == key->id &&
			 event->args[PROMOTE_REASON] == reason;
	}
	return count;
}

static void say_remedy(const struct trap_view *view, struct verdict *v)
{
	const uint64_t *count = view->map->window.count;
	uint64_t most = count[ST_COUNTER_promotions] / 2;
	uint64_t copies = count[ST_COUNTER_copied] / count[ST_COUNTER_rebuilds];

	if (promotions_by(view, SMAP_REASON_range) > most)
		verdict_remedy(v,
			       "smap_range() promotes when a new key is there, and the first new "
			       "key after that copies %" PRIu64
			       " entries. Call it less often, or take a smap_snapshot() to iterate "
			       "over, which promotes nothing; and store new keys together.",
			       copies);
	else if (promotions_by(view, SMAP_REASON_overflow) > most)
		verdict_remedy(
			v,
			"The 16-bit counter of misses wraps, which promotes, and the first "
			"new key after that copies %" PRIu64
			" entries: leave .miss_counter_bits at 64. If most lookups are of "
			"absent keys, .flags = SMAP_ABSENT_FILTER answers them without a miss.",
			copies);
	else
		verdict_remedy(
			v,
			"Look a key up before you store it, and store new keys together: each "
			"first new key after a promotion copies %" PRIu64
			" entries. If most lookups are of absent keys, .flags = SMAP_ABSENT_FILTER "
			"answers them without a miss. Or promote less often: SMAP_POLICY_FIXED "
			"with .policy_arg = %" PRIu64
			" promotes about once a second at this rate of misses.",
			copies, calm_threshold(view));
}

static void say(const struct trap_view *view, struct verdict *v, double per_new)
{
	const struct read_diffusion_limits *lim = &view->limits->read_diffusion;
	const struct model_map *map = view->map;
	const uint64_t *count = map->window.count;
	double sections = (double)map->window.rate.process_sections;

	verdict_add(v, "promotions", (double)count[ST_COUNTER_promotions],
		    ">=", lim->min_promotions, "");
	verdict_add(v, "rebuilds", (double)count[ST_COUNTER_rebuilds], ">=", lim->min_rebuilds, "");
	verdict_add(v, "copied_per_new_key", per_new, ">=", lim->copied_per_new, "entries");
	verdict_add(v, "cost_share", trap_cost_share(view), ">=", lim->min_cost_share, "");
	verdict_add(v, "copied", (double)count[ST_COUNTER_copied], NULL, 0, "entries");
	verdict_add(v, "new_keys", (double)map->window.rate.new_keys, NULL, 0, "keys");
	verdict_add(v, "misses", (double)count[ST_COUNTER_misses], NULL, 0, "misses");
	if (sections > 0)
		verdict_add(v, "misses_per_read_section",
			    (double)count[ST_COUNTER_misses] / sections, NULL, 0, "");
	verdict_add(v, "rebuild_ns", (double)map->window.rate.rebuild_ns, NULL, 0, "ns");
	verdict_add(v, "lock_wait_ns", (double)map->window.rate.lock_wait_ns, NULL, 0, "ns");
	verdict_add(v, "miss_hold_ns", (double)trap_hold_ns(map), NULL, 0, "ns");
	say_remedy(view, v);
}

static void judge(const struct trap_view *view, struct verdict *v)
{
	const struct read_diffusion_limits *lim = &view->limits->read_diffusion;
	const struct model_map *map = view->map;
	const uint64_t *count = map->window.count;
	double new_keys = (double)map->window.rate.new_keys;
	double per_new = (double)count[ST_COUNTER_copied] / (new_keys > 0 ? new_keys : 1);

	v->stacks = TRAP_STACK(miss) | TRAP_STACK(rebuild) | TRAP_STACK(lock_wait);
	v->raise = (unsigned)lim->raise;
	v->of = (unsigned)lim->of;
	v->clear = (unsigned)lim->clear;
	if (!count[ST_COUNTER_rebuilds] ||
	    (double)count[ST_COUNTER_promotions] * view->scale < lim->min_promotions ||
	    (double)count[ST_COUNTER_rebuilds] * view->scale < lim->min_rebuilds ||
	    per_new < lim->copied_per_new || trap_cost_share(view) < lim->min_cost_share)
		return;
	v->holds = true;
	v->severity = FINDING_WARNING;
	v->shape = cost_of_waiting(map) > (double)map->window.rate.rebuild_ns
			   ? "promotions cascade; misses that take the lock cost most"
			   : "promotions cascade; copying costs most";
	say(view, v, per_new);
}

const struct trap trap_read_diffusion = {
	.name = "read-diffusion",
	.summary = "Misses set off promotions, and each one after makes the map copy all of its "
		   "entries again.",
	.link = "docs/traps.md#read-diffusion",
	.judge = judge,
	.severity_offset = offsetof(struct limits, severity.read_diffusion),
};
