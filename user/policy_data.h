/* SPDX-License-Identifier: MIT */
/*
 * policy_data.h - what a policy consists of, for the modules that build one: policy.c
 * (the defaults) and policy_file.c (the file). Everybody else uses policy.h.
 */
#ifndef POLICY_DATA_H
#define POLICY_DATA_H

#include <stddef.h>
#include "policy.h"

/* An entry of `maps`: the general limits with the entry's own put over them. */
struct policy_map {
	char *pattern; /* fnmatch(3), on the map's name */
	struct limits limits;
};

struct policy {
	struct limits general;
	struct policy_map *maps; /* in the order of the file */
	size_t map_count;
	unsigned interval_ms; /* 0 = not said */
	enum finding_severity fail_on;
};

#endif
