// SPDX-License-Identifier: MIT
/*
 * policy.c - the defaults, and the questions to a policy. Pure: the file is read by
 * policy_file.c.
 */
#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>

#include "policy.h"
#include "policy_data.h"

#define LIMIT_DEFAULT(name, def, ...) .name = (def),
#define TRAP_DEFAULTS(trap, LIST) .trap = {LIST(LIMIT_DEFAULT)},
#define SEVERITY_DEFAULT(trap, LIST) .trap = FINDING_WARNING,
#define BUDGET_DEFAULT(name, ...) .name = -1,

const struct limits limits_default = {
	TRAP_LIMITS(TRAP_DEFAULTS).severity = {TRAP_LIMITS(SEVERITY_DEFAULT)},
	.budget = {BUDGETS(BUDGET_DEFAULT)},
};

int policy_create(struct policy **ret_policy)
{
	struct policy *policy = calloc(1, sizeof(*policy));

	if (!policy)
		return -ENOMEM;
	policy->general = limits_default;
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
	for (size_t i = 0; i < policy->map_count; i++) {
		const struct policy_map *map = &policy->maps[i];

		if (fnmatch(map->pattern, map_name, 0) == 0)
			return &map->limits;
	}
	return &policy->general;
}

unsigned policy_interval_ms(const struct policy *policy)
{
	return policy->interval_ms;
}

enum finding_severity policy_fail_on(const struct policy *policy)
{
	return policy->fail_on;
}
