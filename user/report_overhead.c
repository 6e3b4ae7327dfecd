/* SPDX-License-Identifier: MIT */
/*
 * report_overhead.c - what tracing costs, for a report. Model: each map's hits and
 * stacks times their prices go to its process, whose CPU time they are a part of, and so do the
 * looks that --offcpu takes at its threads; shown is the process that pays most, because that is the
 * one that a budget is about.
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

/* Stacks that the programs took; that of a stalled reader is taken by us. */
static double stacks_of(const struct model_map *map, bool whole)
{
	uint64_t taken = 0;

	for (size_t i = 0; i < map->site_count; i++) {
		const struct model_site *site = &map->sites[i];

		if (site->kind != ST_STACK_stall && site->stack->frame_count)
			taken += whole ? site->whole.samples : site->window.samples;
	}
	return (double)taken;
}

static double count_of(const struct model_map *map, enum st_hist which, bool whole)
{
	const struct hist *hist = model_hist(map, which, whole);

	return hist ? (double)hist_count(hist) : 0;
}

/* In all of the time that is looked at. */
struct sum {
	double hits, hits_s;   /* and the seconds that they took, with stacks */
	double looks, looks_s; /* likewise of --offcpu */
};

/* What happened in a map. */
static struct overhead_rates rates_of(const struct model_map *map, bool whole)
{
	const struct model_window *window = whole ? &map->whole : &map->window;
	struct overhead_rates rates = {
		.misses = count_of(map, ST_HIST_miss_hold, whole),
		.stacks = stacks_of(map, whole),
	};

	for (unsigned i = 0; i < ST_OFFCPU_COUNT; i++)
		rates.intervals += count_of(map, ST_HIST_offcpu_wait + i, whole);
	for (unsigned i = 0; i < SMAP_PROBE_COUNT; i++)
		rates.hits[i] = (double)window->hits[i];
	return rates;
}

/* Adds to what a target pays. */
static void add(struct sum *sum, double *taken, const struct overhead_price *price,
		const struct overhead_rates *rates)
{
	double all = overhead_taken(price, rates), offcpu = overhead_offcpu(price, rates);

	for (unsigned i = 0; i < SMAP_PROBE_COUNT; i++)
		sum->hits += rates->hits[i];
	sum->hits_s += all - offcpu;
	sum->looks += rates->looks;
	sum->looks_s += offcpu;
	*taken += all;
}

/* Seconds per target; the sum in all. */
static struct sum share_out(double *taken, const struct model *model, bool whole)
{
	struct overhead_price price = price_of(&model->overhead.price);
	struct sum sum = {0};

	for (size_t i = 0; i < model->target_count; i++) {
		const struct model_target *target = &model->targets[i];
		const struct overhead_rates rates = {
			.looks = (double)(target->looks.count - (whole ? 0 : target->looks_before)),
		};

		if (target->looks.count) { /* one price for all */
			price.look = (double)target->looks.look_ns;
			price.interval = (double)target->looks.interval_ns;
		}
		add(&sum, &taken[i], &price, &rates);
	}
	for (size_t i = 0; i < model->map_count; i++) {
		const struct model_map *map = model->maps[i];
		struct overhead_rates rates;

		if (!map->sampled || (!whole && !map->in_window))
			continue;
		rates = rates_of(map, whole);
		add(&sum, &taken[map->info.key.target], &price, &rates);
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
	double *taken = calloc(model->target_count + 1, sizeof(*taken));
	struct sum sum;

	if (!taken)
		return -ENOMEM;
	overhead->known = model->overhead.known;
	overhead->budget = (double)model->overhead.price.budget_ppm / 1e6;
	sum = share_out(taken, model, whole);
	overhead->hits_per_s = sum.hits / seconds;
	overhead->hit_ns = sum.hits > 0 ? sum.hits_s * NS_PER_SEC / sum.hits : 0;
	overhead->switches_per_s = sum.looks / seconds;
	overhead->switch_ns = sum.looks > 0 ? sum.looks_s * NS_PER_SEC / sum.looks : 0;
	find_dearest(overhead, taken, model, whole, seconds);
	fill_shed(overhead, &model->overhead);
	free(taken);
	return 0;
}
