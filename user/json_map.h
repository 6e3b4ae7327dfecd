/* SPDX-License-Identifier: MIT */
/*
 * json_map.h - a map of a report as JSON (docs/json.md). It is the bulk of a window.
 */
#ifndef JSON_MAP_H
#define JSON_MAP_H

#include "json_text.h"
#include "report.h"

/* The next value of an array. */
void json_map(struct json_text *text, const struct report_map *map, enum report_kind kind);

#endif
