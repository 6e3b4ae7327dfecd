/* SPDX-License-Identifier: MIT */
/*
 * model_overhead.c - what was shed, and which figures are estimates for it. Model: counters
 * never are, because the map's own stand in for what was not counted; histograms are made of
 * probe hits, so those that a shed probe feeds hold a sample, for good.
 */
#include "model_table.h"

#include <errno.h>
#include <string.h>

void model_shed(struct model *model, const struct record_shed *shed)
{
	for (unsigned i = 0; i < OVERHEAD_STEP_COUNT; i++) {
		struct model_step *step = &model->overhead.step[i];

		if (strncmp(overhead_steps[i].name, shed->step, sizeof(shed->step)) != 0)
			continue;
		if (!step->since_ns)
			step->since_ns = shed->ts_ns;
		step->until_ns = shed->period == 1 ? shed->ts_ns : 0;
		step->period = shed->period;
	}
}

/* The probe that feeds each histogram. */
static const uint32_t fed_by[ST_HIST_COUNT] = {
	[ST_HIST_miss_wait] = OVERHEAD_BIT(miss_batch) | OVERHEAD_BIT(miss),
	[ST_HIST_miss_hold] = OVERHEAD_BIT(miss_batch),
	[ST_HIST_promote_misses] = OVERHEAD_BIT(promote),
	[ST_HIST_promote_entries] = OVERHEAD_BIT(promote),
	[ST_HIST_promote_interval] = OVERHEAD_BIT(promote),
	[ST_HIST_rebuild_time] = OVERHEAD_BIT(rebuild),
	[ST_HIST_rebuild_copied] = OVERHEAD_BIT(rebuild),
	[ST_HIST_rebuild_expunged] = OVERHEAD_BIT(rebuild),
	[ST_HIST_reclaim_backlog] = OVERHEAD_BIT(reclaim),
	[ST_HIST_reclaim_age] = OVERHEAD_BIT(reclaim),
	[ST_HIST_lock_wait] = OVERHEAD_BIT(lock_wait),
};

#define OFFCPU_HISTS                                                                               \
	(1U << ST_HIST_offcpu_wait | 1U << ST_HIST_offcpu_preempted | 1U << ST_HIST_offcpu_blocked)

uint32_t model_estimated(const struct model *model, const struct model_map *map)
{
	uint32_t shed = 0, estimated = 0;

	for (unsigned i = 0; i < OVERHEAD_STEP_COUNT; i++) {
		const struct model_step *step = &model->overhead.step[i];

		if (step->since_ns && map->ts_ns >= step->since_ns &&
		    (!step->until_ns || map->info.created_ns < step->until_ns)) {
			shed |= overhead_steps[i].probes;
			if (i == OVERHEAD_STEP_offcpu)
				estimated |= OFFCPU_HISTS;
		}
	}
	for (unsigned i = 0; i < ST_HIST_COUNT; i++)
		if (fed_by[i] & shed)
			estimated |= 1U << i;
	return estimated;
}

uint64_t model_hold_ns(const struct model_map *map, bool whole)
{
	const struct hist *hold = model_hist(map, ST_HIST_miss_hold, whole);
	uint64_t misses, heard;

	if (!map->hists)
		return 0;
	if (!(map->estimated & 1U << ST_HIST_miss_hold))
		return hold ? hist_steady_sum(hold) : 0;
	misses = whole ? map->whole.count[ST_COUNTER_misses] : map->window.count[ST_COUNTER_misses];
	heard = hold ? hist_count(hold) : 0;
	if (!heard) { /* a window without a sample: as in all windows so far */
		hold = model_hist(map, ST_HIST_miss_hold, true);
		heard = hist_count(hold);
	}
	return heard ? (uint64_t)((double)hist_steady_sum(hold) / (double)heard * (double)misses)
		     : 0;
}

int model_looks(struct model *model, const struct record_looks *looks)
{
	if (!model_target(model, looks->target))
		return -EINVAL;
	model->targets[looks->target].looks = *looks;
	return 0;
}

int model_missing(struct model *model, const struct record_missing *missing)
{
	struct model_map *map = model_map_find(model, &missing->key);

	if (!map)
		return -EINVAL;
	memcpy(map->missing, missing->count, sizeof(map->missing));
	return 0;
}
