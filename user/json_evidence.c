/* SPDX-License-Identifier: MIT */
/* json_evidence.c - see json_evidence.h. */
#include "json_evidence.h"

#include "finding_text.h"
#include "json_sink.h"

void json_set_evidence(json_t *object, const struct finding *finding)
{
	json_t *evidence = json_object(), *limits = json_object();

	for (size_t i = 0; i < finding->evidence_count; i++) {
		const struct evidence *number = &finding->evidence[i];
		char limit[64];

		json_object_set_new(evidence, number->name, json_number(number->value));
		if (finding_limit(limit, sizeof(limit), number) > 0)
			json_object_set_new(limits, number->name, json_string(limit));
	}
	json_object_set_new(object, "evidence", evidence);
	json_object_set_new(object, "limits", limits);
}
