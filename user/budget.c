/* SPDX-License-Identifier: MIT */
/*
 * budget.c - see budget.h. The time of a miss is the wait for the lock plus how long it was
 * held; both are log2 histograms, of which a percentile is known within its slot. What is
 * compared is the lower end of the slots, so that no budget is called exceeded that was kept.
 */
#include "budget.h"

#include <string.h>

/* The least that the P99 of these values can be. */
static double p99_at_least(const struct hist *hist)
{
	uint64_t count = hist_count(hist), seen = 0;
	uint64_t rank = count - count / 100;

	if (!count)
		return 0;
	for (unsigned slot = 0; slot < SMAP_HIST_SLOTS; slot++) {
		seen += hist->slots[slot];
		if (seen >= rank)
			return (double)hist_low(slot);
	}
	return 0;
}

/* Of each miss both times are known, but not which belong together: the larger P99. */
static double miss_p99(const struct model_map *map)
{
	double wait, hold;

	if (!map->hists)
		return 0;
	wait = p99_at_least(&map->hists->traced[ST_HIST_miss_wait]);
	hold = p99_at_least(&map->hists->traced[ST_HIST_miss_hold]);
	return wait > hold ? wait : hold;
}

bool budget_any(const struct limits *limits)
{
	bool any = false;

#define BUDGET_ANY(name, unit, text) any |= limits->budget.name >= 0;
	BUDGETS(BUDGET_ANY)
#undef BUDGET_ANY
	return any;
}

void budget_use(const struct model_map *map, const struct limits *limits, double peak_promotions,
		struct budget_use ret_use[BUDGET_COUNT])
{
	const double misses = (double)map->whole.count[ST_COUNTER_misses];
	const double miss_p99_ns = miss_p99(map);
	const double promotions_per_s = peak_promotions;
	const struct budget_use uses[] = {
#define BUDGET_USE(budget_name, budget_unit, text)                                                 \
	{.finding = "budget-" #budget_name,                                                        \
	 .name = #budget_name,                                                                     \
	 .unit = budget_unit,                                                                      \
	 .help = text,                                                                             \
	 .limit = limits->budget.budget_name,                                                      \
	 .value = budget_name},
		BUDGETS(BUDGET_USE)
#undef BUDGET_USE
	};
	_Static_assert(sizeof(uses) / sizeof(uses[0]) == BUDGET_COUNT, "BUDGET_COUNT");

	memcpy(ret_use, uses, sizeof(uses));
}

bool budget_exceeded(const struct budget_use *use, struct verdict *ret_verdict)
{
	if (use->limit < 0 || use->value <= use->limit)
		return false;
	ret_verdict->holds = true;
	ret_verdict->severity = FINDING_ERROR;
	ret_verdict->shape = use->help;
	verdict_add(ret_verdict, use->name, use->value, ">", use->limit, use->unit);
	verdict_remedy(ret_verdict,
		       "The policy allows %g. Find out what has changed, or raise the "
		       "budget where the policy sets it.",
		       use->limit);
	return true;
}
