/* SPDX-License-Identifier: MIT */
/* policy_data.h - what a policy is inside: for policy.c and the reader of policy files. */
#ifndef POLICY_DATA_H
#define POLICY_DATA_H

#include "policy.h"

struct policy_map {
	char *pattern;	      /* of fnmatch(3), for the map's name */
	struct limits limits; /* complete: what the entry does not say is as in general */
};

struct policy {
	struct limits limits;
	unsigned interval_ms; /* 0 = not said */
	enum finding_severity fail_on;
	struct policy_map *maps;
	size_t map_count;
};

#endif
