/* SPDX-License-Identifier: MIT */
/*
 * overhead.c - see overhead.h. Model: the plan for given rates is greedy. Steps go in the
 * order of the table while the budget is exceeded, but one that would save next to nothing
 * is left alone; what then remains too much is sampled. Deciding is comparing two such
 * plans: the one for the budget says what has to go, the one for a part of it what may
 * come back, and between them nothing changes.
 *
 * Rejected: steering by the cost that is seen. A shed probe is not seen, so it would have
 * to be tried again and again; its rate is known without it (the map counts itself).
 */
#include "overhead.h"

#define WORTH 0.05 /* part of all that a step must take to be worth shedding */

const struct overhead_step_info overhead_steps[OVERHEAD_STEP_COUNT] = {
#define OVERHEAD_STEP_INFO(step, bits, text) {.name = #step, .probes = (bits), .what = (text)},
	OVERHEAD_STEPS(OVERHEAD_STEP_INFO)
#undef OVERHEAD_STEP_INFO
};

#define NS_PER_SEC 1e9

double overhead_offcpu(const struct overhead_price *price, const struct overhead_rates *rates)
{
	return (rates->looks * price->look + rates->intervals * price->interval) / NS_PER_SEC;
}

static double step_taken(const struct overhead_price *price, const struct overhead_rates *rates,
			 unsigned step)
{
	double ns = 0;

	if (step == OVERHEAD_STEP_stacks)
		ns += rates->stacks * price->stack;
	if (step == OVERHEAD_STEP_offcpu)
		return overhead_offcpu(price, rates);
	if (step == OVERHEAD_SAMPLED)
		ns += rates->misses * price->miss;
	for (unsigned i = 0; i < SMAP_PROBE_COUNT; i++)
		if (overhead_steps[step].probes & 1U << i)
			ns += rates->hits[i] * price->hit[i];
	return ns / NS_PER_SEC;
}

double overhead_taken(const struct overhead_price *price, const struct overhead_rates *rates)
{
	double ns = rates->misses * price->miss + rates->stacks * price->stack;

	for (unsigned i = 0; i < SMAP_PROBE_COUNT; i++)
		ns += rates->hits[i] * price->hit[i];
	return ns / NS_PER_SEC + overhead_offcpu(price, rates);
}

double overhead_share(double taken, double cpu, double present)
{
	double own = cpu - present;

	return taken / (own > OVERHEAD_CPU_MIN ? own : OVERHEAD_CPU_MIN);
}

double overhead_under(const struct overhead_price *price, const struct overhead_rates *rates,
		      const struct overhead_plan *plan)
{
	double sampled = step_taken(price, rates, OVERHEAD_SAMPLED);
	double taken = overhead_taken(price, rates) - sampled + sampled / plan->period;

	for (unsigned step = 0; step < OVERHEAD_SAMPLED; step++)
		if (plan->shed & 1U << step)
			taken -= step_taken(price, rates, step);
	return taken > 0 ? taken : 0;
}

struct question {
	const struct overhead_price *price;
	const struct overhead_rates *rates;
	double cpu, present;
};

static double share_under(const struct question *q, const struct overhead_plan *plan)
{
	return overhead_share(overhead_under(q->price, q->rates, plan), q->cpu, q->present);
}

/*
 * Shed from `plan` on until it fits. `patient`: no sampling yet when something else was shed
 * right now, because without it all rates will be others.
 */
static struct overhead_plan fit(const struct question *q, struct overhead_plan plan, double budget,
				bool patient)
{
	uint32_t before = plan.shed;
	double worth = WORTH * overhead_taken(q->price, q->rates);

	for (unsigned step = 0; step < OVERHEAD_SAMPLED; step++)
		if (share_under(q, &plan) > budget && step_taken(q->price, q->rates, step) > worth)
			plan.shed |= 1U << step;
	if (patient && plan.shed != before)
		return plan;
	while (plan.period < OVERHEAD_PERIOD_MAX && share_under(q, &plan) > budget)
		plan.period *= 2;
	return plan;
}

/* One step from `now` towards `goal`, the last that was shed first. */
static struct overhead_plan step_back(struct overhead_plan now, const struct overhead_plan *goal)
{
	if (now.period > goal->period) {
		now.period = goal->period;
		return now;
	}
	for (unsigned step = OVERHEAD_SAMPLED; step-- > 0;) {
		if ((now.shed & ~goal->shed) & 1U << step) {
			now.shed &= ~(1U << step);
			return now;
		}
	}
	return now;
}

static bool same(const struct overhead_plan *a, const struct overhead_plan *b)
{
	return a->shed == b->shed && a->period == b->period;
}

bool overhead_decide(struct overhead_control *control, const struct overhead_price *price,
		     const struct overhead_rates *rates, double cpu, double present,
		     uint64_t now_ns)
{
	const struct question q = {price, rates, cpu, present};
	const struct overhead_plan all = {.period = 1};
	struct overhead_plan before = control->plan, goal, next;

	if (control->budget <= 0)
		return false;
	control->plan = fit(&q, before, control->budget, true);
	if (!same(&control->plan, &before)) {
		control->calm_since_ns = 0;
		return true;
	}
	goal = fit(&q, all, OVERHEAD_ROOM * control->budget, false);
	next = step_back(before, &goal);
	if (same(&next, &before)) {
		control->calm_since_ns = 0;
		return false;
	}
	if (!control->calm_since_ns)
		control->calm_since_ns = now_ns;
	if (now_ns - control->calm_since_ns < OVERHEAD_CALM_NS)
		return false;
	control->calm_since_ns = 0;
	control->plan = next;
	return true;
}
