/* SPDX-License-Identifier: MIT */
/*
 * html_flame.h - call stacks of one map as flame graphs, one for each kind of event.
 */
#ifndef HTML_FLAME_H
#define HTML_FLAME_H

#include "report.h"
#include "sink.h"

/* Nothing where there are no stacks. 0 or -ENOMEM. */
int html_flames(struct sink *sink, const struct report_map *map);

#endif
