/* SPDX-License-Identifier: MIT */
/*
 * json_stack.h - call stacks as JSON values (docs/json.md), for outputs that show them.
 */
#ifndef JSON_STACK_H
#define JSON_STACK_H

#include <jansson.h>
#include "stack.h"

/* One stack with its frames, the innermost first; NULL = no memory. */
json_t *json_stack(const struct stack_cost *cost);
/* The dearest of each kind; the array that a report_map has. */
json_t *json_stacks(const struct stack_cost *costs, size_t count, size_t most_of_kind);

#endif
