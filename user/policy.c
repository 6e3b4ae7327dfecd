/* SPDX-License-Identifier: MIT */
/*
 * policy.c - see policy.h. Model: the general limits and a list of patterns with limits of
 * their own, complete ones, so that a look-up is one walk and no merging.
 */
#include "policy.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include "policy_data.h"

const struct limits limits_default = {
#define LIMIT_DEFAULT(name, value, ...) .name = value,
#define TRAP_DEFAULT(trap, LIST) .trap = {LIST(LIMIT_DEFAULT)},
	TRAP_LIMITS(TRAP_DEFAULT)
#undef TRAP_DEFAULT
#undef LIMIT_DEFAULT
		.severity =
		{
#define SEVERITY_DEFAULT(trap, LIST) .trap = FINDING_ERROR,
			TRAP_LIMITS(SEVERITY_DEFAULT)
#undef SEVERITY_DEFAULT
		},
	.budget =
		{
#define BUDGET_DEFAULT(name, ...) .name = -1,
			BUDGETS(BUDGET_DEFAULT)
#undef BUDGET_DEFAULT
		},
};

int policy_create(struct policy **ret_policy)
{
	struct policy *policy = calloc(1, sizeof(*policy));

	if (!policy)
		return -ENOMEM;
	policy->limits = limits_default;
	policy->fail_on = FINDING_WARNING;
	*ret_policy = policy;
	return 0;
}

void policy_free(struct policy *policy)
{
	if (!policy)
		return;
	for (size_t i = 0; i < policy->map_count; i++)
		free(policy->maps[i].pattern);
	free(policy->maps);
	free(policy);
}

const struct limits *policy_limits(const struct policy *policy, const char *map_name)
{
	for (size_t i = 0; i < policy->map_count; i++)
		if (fnmatch(policy->maps[i].pattern, map_name, 0) == 0)
			return &policy->maps[i].limits;
	return &policy->limits;
}

unsigned policy_interval_ms(const struct policy *policy)
{
	return policy->interval_ms;
}

enum finding_severity policy_fail_on(const struct policy *policy)
{
	return policy->fail_on;
}
