/* SPDX-License-Identifier: MIT */
/*
 * budget.h - budgets of the policy: figures that a map must keep to, trap or not. Pure.
 *
 * One that was exceeded is a finding "budget-<name>" of severity error, once per map.
 */
#ifndef BUDGET_H
#define BUDGET_H

#include "trap.h"

/* What a map has used of a budget. */
struct budget_use {
	const char *finding; /* its trap's name */
	const char *name;
	const char *unit;
	const char *help;
	double limit; /* < 0: no budget */
	double value;
};

#define BUDGET_COUNT 3

/* Is there one? By default there is none, and what maps use need not be added up. */
bool budget_any(const struct limits *limits);

/* peak_promotions: per second, of the busiest window so far. */
void budget_use(const struct model_map *map, const struct limits *limits, double peak_promotions,
		struct budget_use ret_use[BUDGET_COUNT]);

/* True if it is exceeded; the verdict then says by how much. */
bool budget_exceeded(const struct budget_use *use, struct verdict *ret_verdict);

#endif
