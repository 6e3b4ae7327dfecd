/* SPDX-License-Identifier: MIT */
/*
 * trap_past.c - what detectors remember of a map's windows: see trap_past.h.
 */
#include "trap_past.h"

#include <string.h>

bool trap_past_stalls(const struct model *model)
{
	for (size_t i = 0; i < model_event_count(model); i++)
		if (model_event(model, i)->kind == SMAP_PROBE_stall)
			return true;
	return false;
}

static void note_stalls(struct trap_past *past, const struct trap_view *view)
{
	for (size_t i = 0; i < model_event_count(view->model); i++) {
		const struct st_event *event = model_event(view->model, i);

		if (event->kind != SMAP_PROBE_stall || event->target != view->map->info.key.target)
			continue;
		past->stall_ns = event->ts_ns;
		past->stall_thread = event->args[0];
		past->stall_age_ns = event->args[1];
	}
}

/*
 * Deleted entries that came to stay in a window without promotion and rebuild: what the
 * lists gained beyond what lives. Threads run on while we read, so that a difference below
 * what they delete in a hundredth of the window is noise. And keys that go and come again leave
 * now more, now fewer of them: sooner or later more in each of any number of windows, but not more
 * than ever before.
 */
static uint64_t newly_retained(struct trap_past *past, const struct model_map *map)
{
	const struct model_window *w = &map->window;
	double gained = (double)map->now.dirty_len - (double)past->before.dirty_len;
	double stay = gained - (double)w->rate.inserts + (double)w->rate.deletes, beyond;

	if (!past->windows || w->count[ST_COUNTER_promotions] || w->count[ST_COUNTER_rebuilds] ||
	    map->now.epoch != past->before.epoch) {
		past->deleted = past->deleted_peak = 0;
		return 0;
	}
	past->deleted += stay;
	beyond = past->deleted - past->deleted_peak;
	if (beyond <= 0)
		return 0;
	past->deleted_peak = past->deleted;
	return stay * 100 >= (double)w->rate.deletes ? (uint64_t)beyond : 0;
}

double trap_past_rate(const struct trap_past *past)
{
	double now = trap_per_second(past->misses[0], past->ns[0]), recent;
	uint64_t misses = 0, ns = 0;

	for (size_t i = 0; i < TRAP_RECENT; i++) {
		misses += past->misses[i];
		ns += past->ns[i];
	}
	recent = trap_per_second(misses, ns);
	return now > recent ? now : recent;
}

void trap_past_before(struct trap_past *past, const struct trap_view *view, bool stalls)
{
	const struct model_map *map = view->map;
	uint64_t retained = newly_retained(past, map),
		 retired = map->window.count[ST_COUNTER_retired];

	memmove(&past->misses[1], &past->misses[0], sizeof(past->misses) - sizeof(uint64_t));
	memmove(&past->ns[1], &past->ns[0], sizeof(past->ns) - sizeof(uint64_t));
	past->misses[0] = map->window.count[ST_COUNTER_misses];
	past->ns[0] = map->window.ns;
	past->left += map->window.rate.replaces + map->window.rate.deletes;
	past->left -= retired < past->left ? retired : past->left;
	past->retained = retained ? past->retained + retained : 0;
	if (stalls)
		note_stalls(past, view);
}

void trap_past_after(struct trap_past *past, const struct trap_view *view)
{
	const struct model_map *map = view->map;
	uint64_t promotions = map->window.count[ST_COUNTER_promotions];
	uint64_t now = view->model->window.end_ns;

	if (promotions) {
		if (promotions > 1)
			past->promote_every_ns = map->window.ns / promotions;
		else
			past->promote_every_ns = past->promoted_ns ? now - past->promoted_ns : 0;
		past->promoted_ns = now;
	}
	past->idle = trap_stretched(view) || (!past->misses[0] && !model_writes(&map->window));
	if (!past->idle)
		past->busy_rate = trap_past_rate(past);
	if (map->now.reclaimer_runs != past->before.reclaimer_runs)
		past->left = 0;
	past->before = map->now;
	past->load = map->now.dirty_len
			     ? (double)map->window.rate.new_keys / (double)map->now.dirty_len
			     : 0;
	past->windows++;
}
