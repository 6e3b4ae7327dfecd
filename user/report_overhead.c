/* SPDX-License-Identifier: MIT */
/*
 * report_overhead.c - what tracing costs, for a report. Model: each map's hits times their
 * prices go to its process, whose CPU time they are a part of; shown is the process that pays
 * most, because that is the one that a budget is about.
 */
#include "report.h"

#include <errno.h>
#include <stdlib.h>

#define NS_PER_SEC 1e9

static struct overhead_price price_of(const struct record_price *record)
{
	struct overhead_price price = {
		.miss = (double)record->miss_ns,
		.stack = (double)record->stack_ns,
	};

	for (unsigned i = 0; i < SMAP_PROBE_COUNT; i++)
		price.hit[i] = (double)record->hit_ns[i];
	return price;
}

/* What a map's hits took, in seconds. */
static double taken_by(const struct overhead_price *price, const struct model_map *map, bool whole,
		       double *hits)
{
	const struct model_window *window = whole ? &map->whole : &map->window;
	const struct hist *hists = !map->hists ? NULL
				   : whole     ? map->hists->traced
					       : map->hists->window;
	struct overhead_rates rates = {
		.misses = hists ? (double)hist_count(&hists[ST_HIST_miss_hold]) : 0,
	};

	for (unsigned i = 0; i < SMAP_PROBE_COUNT; i++) {
		rates.hits[i] = (double)window->hits[i];
		*hits += rates.hits[i];
	}
	return overhead_taken(price, &rates);
}

/* Seconds per target; the sum in all. */
static double share_out(double *taken, double *hits, const struct model *model, bool whole)
{
	struct overhead_price price = price_of(&model->overhead.price);
	double sum = 0;

	for (size_t i = 0; i < model->map_count; i++) {
		const struct model_map *map = model->maps[i];
		double part;

		if (!map->sampled || (!whole && !map->in_window))
			continue;
		part = taken_by(&price, map, whole, hits);
		taken[map->info.key.target] += part;
		sum += part;
	}
	return sum;
}

static void find_dearest(struct report_overhead *overhead, const double *taken,
			 const struct model *model, bool whole, double seconds)
{
	overhead->share = -1;
	for (size_t i = 0; i < model->target_count; i++) {
		const struct model_target *target = &model->targets[i];
		uint64_t before = whole ? target->info.cpu_ns : target->paid_before_ns;
		double cpu = (double)(target->paid_ns - before) / NS_PER_SEC / seconds, share;

		if (!target->known || target->paid_ns <= before)
			continue;
		share = overhead_share(taken[i] / seconds, cpu, taken[i] / seconds);
		if (share > overhead->share) {
			overhead->share = share;
			overhead->pid = (int)target->info.pid;
		}
	}
}

static void fill_shed(struct report_overhead *overhead, const struct model_overhead *model)
{
	for (unsigned i = 0; i < OVERHEAD_STEP_COUNT; i++) {
		const struct model_step *step = &model->step[i];

		if (step->since_ns)
			overhead->shed[overhead->shed_count++] = (struct report_shed){
				.step = overhead_steps[i].name,
				.what = overhead_steps[i].what,
				.since_ns = step->since_ns,
				.until_ns = step->until_ns,
				.period = step->period,
			};
	}
}

int report_fill_overhead(struct report_overhead *overhead, const struct model *model, bool whole,
			 double seconds)
{
	double *taken = calloc(model->target_count + 1, sizeof(*taken)), hits = 0, sum;

	if (!taken)
		return -ENOMEM;
	overhead->known = model->overhead.known;
	overhead->budget = (double)model->overhead.price.budget_ppm / 1e6;
	sum = share_out(taken, &hits, model, whole);
	overhead->hits_per_s = hits / seconds;
	overhead->hit_ns = hits > 0 ? sum * NS_PER_SEC / hits : 0;
	find_dearest(overhead, taken, model, whole, seconds);
	fill_shed(overhead, &model->overhead);
	free(taken);
	return 0;
}
