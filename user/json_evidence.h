/* SPDX-License-Identifier: MIT */
/*
 * json_evidence.h - a finding's numbers as JSON, for outputs that show them with their limits.
 */
#ifndef JSON_EVIDENCE_H
#define JSON_EVIDENCE_H

#include <jansson.h>
#include "report.h"

/* "evidence": the numbers by name; "limits": what those that met a condition were compared with. */
void json_set_evidence(json_t *object, const struct finding *finding);

#endif
