/* SPDX-License-Identifier: MIT */
/* trap_help.c - what detectors have in common: see "for detectors" in trap.h. Pure. */
#include "trap.h"

#include <stdarg.h>
#include <stdio.h>
#include "trap_past.h"

#define STRETCHED 0.5		       /* a window of more than twice its length */
#define PERIODIC_MAX_NS 10000000000ULL /* "every few seconds" */

void verdict_add(struct verdict *verdict, const char *name, double value, const char *relation,
		 double limit, const char *unit)
{
	if (verdict->evidence_count == TRAP_EVIDENCE_MAX)
		return;
	verdict->evidence[verdict->evidence_count++] = (struct evidence){
		.name = name, .value = value, .relation = relation, .limit = limit, .unit = unit};
}

void verdict_remedy(struct verdict *verdict, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(verdict->remedy, sizeof(verdict->remedy), fmt, args);
	va_end(args);
}

double trap_per_second(uint64_t count, uint64_t ns)
{
	return ns ? (double)count * 1e9 / (double)ns : 0;
}

double trap_miss_rate(const struct trap_view *view)
{
	const struct trap_past *past = view->past;
	double rate = trap_past_rate(past);

	return past->idle && past->misses[0] && past->busy_rate > rate ? past->busy_rate : rate;
}

bool trap_promotes_periodically(const struct trap_view *view)
{
	const struct trap_past *past = view->past;
	uint64_t now = view->model->window.end_ns, every = past->promote_every_ns;
	/*
	 * What is due comes before the end of one window more, because the time between two is known
	 * to a window only; and no two windows have the same length.
	 */
	uint64_t late = past->ns[0] + past->ns[0] / 2;

	if (late < every / 4)
		late = every / 4;

	return every && every <= PERIODIC_MAX_NS && now - past->promoted_ns < every + late;
}

bool trap_stretched(const struct trap_view *view)
{
	return view->scale < STRETCHED;
}

uint64_t trap_hold_ns(const struct model_map *map)
{
	return model_hold_ns(map, false);
}

double trap_cost_share(const struct trap_view *view)
{
	return model_cost_share(view->model, view->map, false);
}

bool trap_find_stack(const struct trap_view *view, uint32_t kinds, struct stack_cost *ret_stack)
{
	const struct model *model = view->model;

	if (model_busiest(view->map, kinds, ret_stack))
		return true;
	for (size_t i = 0; i < model->map_count && kinds & TRAP_STACK(stall); i++)
		if (model->maps[i]->info.key.target == view->map->info.key.target &&
		    model_busiest(model->maps[i], TRAP_STACK(stall), ret_stack))
			return true;
	return false;
}
