/* SPDX-License-Identifier: MIT */
/*
 * trap_pseudo_expansion.c - dirty is not empty and its promotion is not coming
 * (docs/traps.md). Model: no promotion in the window, dirty older than min_age_s, and
 * at the present rate of misses the promotion further away than horizon_s.
 *
 * Reads that hit leave no trace but a finished read section of the process. So a map
 * without misses and writes counts as used only if no other map of its process was
 * busy: with several maps nobody can say whose reads they were, and an idle map is
 * not in this trap.
 */
#include "trap.h"

#include <inttypes.h>

#define NS 1e9

static bool others_busy(const struct trap_view *view)
{
	for (size_t i = 0; i < view->model->map_count; i++) {
		const struct model_map *other = view->model->maps[i];

		if (other != view->map && other->in_window &&
		    other->info.key.target == view->map->info.key.target)
			return true;
	}
	return false;
}

static bool idle(const struct trap_view *view)
{
	const struct model_window *w = &view->map->window;

	if (w->count[ST_COUNTER_misses] || model_writes(w) || w->rate.new_keys)
		return false;
	return !w->rate.process_sections || others_busy(view);
}

static bool loading(const struct trap_view *view)
{
	double limit = view->limits->pseudo_expansion.load_share;
	double now = (double)view->map->window.rate.new_keys * view->scale;

	return view->past->load >= limit || now >= limit * (double)view->map->now.dirty_len;
}

static void say(const struct trap_view *view, struct verdict *v, double eta_s)
{
	const struct pseudo_expansion_limits *lim = &view->limits->pseudo_expansion;
	const struct model_map *map = view->map;
	uint64_t debt = model_miss_debt(&map->now);

	verdict_add(v, "dirty_age_s", (double)map->now.dirty_age_ns / NS, ">=", lim->min_age_s,
		    "s");
	if (eta_s >= 0)
		verdict_add(v, "promotion_in_s", eta_s, ">", lim->horizon_s, "s");
	verdict_add(v, "promotions", 0, "==", 0, "");
	verdict_add(v, "misses_per_s", trap_miss_rate(view), NULL, 0, "misses/s");
	verdict_add(v, "miss_debt", (double)debt, NULL, 0, "misses");
	verdict_add(v, "miss_count", (double)map->now.miss_count, NULL, 0, "misses");
	verdict_add(v, "threshold", (double)map->now.threshold, NULL, 0, "misses");
	verdict_add(v, "read_len", (double)map->now.read_len, NULL, 0, "entries");
	verdict_add(v, "dirty_len", (double)map->now.dirty_len, NULL, 0, "entries");
	if (v->severity == FINDING_WARNING)
		verdict_remedy(
			v,
			"%" PRIu64 " more misses are needed and %.3g come per second. Call "
			"smap_range() once after the load: it promotes. Or create the map with "
			"SMAP_POLICY_FIXED and .policy_arg = %" PRIu64 ": at this rate that "
			"promotes within %.0f s.",
			debt, trap_miss_rate(view),
			(uint64_t)(trap_miss_rate(view) * lim->horizon_s) + 1, lim->horizon_s);
	else
		verdict_remedy(
			v,
			"Reads do not pay for it, memory does: %" PRIu64
			" bytes of tables. Call smap_range() once after the load: it promotes, "
			"and the second view goes.",
			(uint64_t)map->now.table_bytes);
}

static void judge(const struct trap_view *view, struct verdict *v)
{
	const struct pseudo_expansion_limits *lim = &view->limits->pseudo_expansion;
	const struct model_map *map = view->map;
	double rate = trap_miss_rate(view);
	double eta_s = rate > 0 ? (double)model_miss_debt(&map->now) / rate : -1; /* -1: never */

	v->stacks = TRAP_STACK(miss);
	v->raise = (unsigned)lim->raise;
	v->of = (unsigned)lim->of;
	v->clear = (unsigned)lim->clear;
	if (trap_stretched(view) || !map->now.has_dirty || !map->now.dirty_len ||
	    map->window.count[ST_COUNTER_promotions] || trap_promotes_periodically(view))
		return;
	if ((double)map->now.dirty_age_ns < lim->min_age_s * NS ||
	    (eta_s >= 0 && eta_s <= lim->horizon_s) || loading(view) || idle(view))
		return;
	v->holds = true;
	v->severity = rate > 0 ? FINDING_WARNING : FINDING_NOTICE;
	v->shape = "dirty holds new keys and its promotion is not coming";
	v->since_ns = view->model->window.end_ns - map->now.dirty_age_ns;
	say(view, v, eta_s);
}

const struct trap trap_pseudo_expansion = {
	.name = "pseudo-expansion",
	.summary = "New keys wait in dirty and the promotion that would make them cheap to read "
		   "does not come.",
	.link = "docs/traps.md#pseudo-expansion",
	.judge = judge,
	.severity_offset = offsetof(struct limits, severity.pseudo_expansion),
};
