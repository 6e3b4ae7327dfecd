/* SPDX-License-Identifier: MIT */
/* policy_file.c - reading a policy file. */
#include <errno.h>
#include "log.h"
#include "policy.h"

int policy_load(struct policy **ret_policy, const char *path)
{
	(void)ret_policy;
	return log_err(-ENOTSUP, "cannot read the policy %s", path);
}
