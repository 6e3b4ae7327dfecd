/* SPDX-License-Identifier: MIT */
/*
 * model_query.c - what traps and reports ask a model. Model: pure functions of figures
 * that model.c has folded; nothing here changes anything.
 */
#include "model.h"

bool model_active(const struct model_window *window)
{
	for (unsigned i = 0; i < ST_COUNTER_COUNT; i++)
		if (window->count[i])
			return true;
	for (unsigned i = 0; i < SMAP_PROBE_COUNT; i++)
		if (window->hits[i])
			return true;
	return window->rate.new_keys || model_writes(window);
}

uint64_t model_writes(const struct model_window *window)
{
	return window->rate.inserts + window->rate.replaces + window->rate.deletes;
}

uint64_t model_miss_debt(const struct model_gauges *now)
{
	return now->has_dirty && now->threshold > now->miss_count ? now->threshold - now->miss_count
								  : 0;
}

double model_promotion_in_s(const struct model_gauges *now, const struct model_window *window)
{
	uint64_t misses = window->count[ST_COUNTER_misses];

	if (!now->has_dirty || !now->dirty_len || !misses || !window->ns)
		return -1;
	return (double)model_miss_debt(now) * (double)window->ns / 1e9 / (double)misses;
}

const struct hist *model_hist(const struct model_map *map, enum st_hist which, bool whole)
{
	if (!map->hists)
		return NULL;
	if (whole)
		return &map->hists->traced[which];
	return map->hists->in_window & 1U << which ? &map->hists->window[which] : NULL;
}

/* Of the map's own sum, which is exact, the part that was not spent off the CPU. */
static double rebuild_ns(const struct model_map *map, bool whole)
{
	const struct model_window *window = whole ? &map->whole : &map->window;
	const struct hist *hist = model_hist(map, ST_HIST_rebuild_time, whole);
	double ns = (double)window->rate.rebuild_ns;

	return hist && hist->sum ? ns * (double)hist_steady_sum(hist) / (double)hist->sum : ns;
}

/*
 * What our probes took of the process's time, which is not its own: in a window those of all its
 * maps, else those of this one, which other maps may have outlived.
 */
static double probes_ns(const struct model *model, const struct model_map *map, bool whole)
{
	const uint64_t *hits = whole ? map->whole.hits : model->targets[map->info.key.target].hits;
	double ns = 0;

	for (unsigned i = 0; i < SMAP_PROBE_COUNT && model->overhead.known; i++)
		ns += (double)hits[i] * (double)model->overhead.price.hit_ns[i];
	return ns;
}

double model_cost_share(const struct model *model, const struct model_map *map, bool whole)
{
	const struct model_window *window = whole ? &map->whole : &map->window;
	double wait = (double)window->rate.lock_wait_ns;
	double slow = wait + (double)model_hold_ns(map, whole) + rebuild_ns(map, whole);
	double cpu = (double)window->rate.process_cpu_ns, own = cpu - probes_ns(model, map, whole);
	/* The price is an estimate: at least a tenth is taken to be the process's own. */
	double time = (own > cpu / 10 ? own : cpu / 10) + wait;

	/* Of a process that has gone its time is not known, and a share of nothing is none. */
	if (!window->rate.process_cpu_ns)
		return 0;
	return slow < time ? slow / time : 1.0;
}

size_t model_event_count(const struct model *model)
{
	return model->events_seen < MODEL_EVENTS_MAX ? (size_t)model->events_seen
						     : MODEL_EVENTS_MAX;
}

const struct st_event *model_event(const struct model *model, size_t i)
{
	return &model->events[(model_events_cut(model) + i) % MODEL_EVENTS_MAX];
}

uint64_t model_events_cut(const struct model *model)
{
	return model->events_seen - model_event_count(model);
}
