/* SPDX-License-Identifier: MIT */
/*
 * output_sarif.c - SARIF 2.1.0, for code scanning.
 *
 * Model: a run with a rule per trap and a result per finding. A map has no line in a
 * source, so a result's place is the binary that contains libsmap, and its logical
 * locations say which map of which process. The fingerprint is of trap and map name
 * only, so that a finding is the same one in the next run.
 * Names are shown as on a terminal: they go into somebody's browser.
 */
#include "output.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include "finding_text.h"
#include "gate.h"
#include "json_evidence.h"
#include "json_sink.h"
#include "overhead_text.h"
#include "trap.h"

#define SARIF_SCHEMA "https://json.schemastore.org/sarif-2.1.0.json"

/*
 * Where the docs are: helpUri must be absolute, and the project has no address yet. Who
 * builds for a site of their own sets it: see docs/ci.md. Without, a rule has its help as text
 * and no link that leads nowhere.
 */
#ifndef DOCS_URI
#define DOCS_URI ""
#endif

/*
 * A message of safe text. SARIF reads [text](target) as a link and {0} as a place for an
 * argument: a name must not become either.
 */
static json_t *message_json(const char *safe)
{
	char *text = malloc(2 * strlen(safe) + 1), *to = text;
	json_t *message;

	if (!text)
		return NULL;
	for (; *safe; safe++) {
		if (strchr("[]", *safe))
			*to++ = '\\';
		else if (strchr("{}", *safe))
			*to++ = *safe;
		*to++ = *safe;
	}
	*to = '\0';
	message = json_pack("{s:s}", "text", text);
	free(text);
	return message;
}

/* --- rules ---------------------------------------------------------------- */

static json_t *rule_json(const char *name, const char *summary, const char *link)
{
	char uri[FINDING_LINE_MAX], help[2 * FINDING_LINE_MAX];
	json_t *rule;

	snprintf(uri, sizeof(uri), "%s%s", strstr(link, "://") ? "" : DOCS_URI, link);
	snprintf(help, sizeof(help), "%s See %s of smaptrace.", summary, link);
	rule = json_pack("{s:o, s:o, s:o, s:{s:s}}", "id", json_safe(name), "shortDescription",
			 message_json(summary), "help", message_json(help), "defaultConfiguration",
			 "level", "warning");
	if (strstr(uri, "://"))
		json_object_set_new(rule, "helpUri", json_safe(uri));
	return rule;
}

static int rule_index(json_t *rules, const char *trap)
{
	json_t *rule, *id = json_safe(trap);
	int found = -1;
	size_t i;

	json_array_foreach(rules, i, rule)
	{
		if (json_equal(json_object_get(rule, "id"), id))
			found = (int)i;
	}
	json_decref(id);
	return found;
}

/* All traps, and what else was found: budgets. */
static json_t *rules_json(const struct report *report)
{
	json_t *rules = json_array();

	for (size_t i = 0; trap_table[i]; i++)
		json_array_append_new(rules, rule_json(trap_table[i]->name, trap_table[i]->summary,
						       trap_table[i]->link));
	for (size_t i = 0; i < report->finding_count; i++) {
		const struct finding *finding = &report->findings[i];

		if (rule_index(rules, finding->trap) < 0)
			json_array_append_new(rules,
					      rule_json(finding->trap, "A budget of the policy.",
							"docs/policy.md"));
	}
	return rules;
}

/* --- results -------------------------------------------------------------- */

static const char *level(enum finding_severity severity)
{
	static const char *const levels[] = {
		[FINDING_OFF] = "none",
		[FINDING_NOTICE] = "note",
		[FINDING_WARNING] = "warning",
		[FINDING_ERROR] = "error",
	};

	return levels[severity];
}

static json_t *finding_message(const struct finding *finding)
{
	char *details = finding_details(finding, "\n"), title[FINDING_LINE_MAX], *text = NULL;
	json_t *message = NULL;

	finding_title(title, sizeof(title), finding);
	if (details && asprintf(&text, "%s\n%s", title, details) > 0)
		message = message_json(text);
	free(text);
	free(details);
	return message;
}

static json_t *locations_json(const struct report *report, const struct finding *finding)
{
	const char *comm = finding->comm ? finding->comm : "";
	char uri[4096];
	json_t *map, *process;

	finding_uri(uri, sizeof(uri), report, finding);
	map = json_pack("{s:o, s:s}", "name", json_safe(finding->name), "kind", "map");
	process = json_pack("{s:o, s:s}", "name", json_safe(comm), "kind", "process");
	return json_pack("[{s:{s:{s:s, s:s}, s:{s:i}}, s:[o, o]}]", "physicalLocation",
			 "artifactLocation", "uri", uri, "uriBaseId", "ROOT", "region", "startLine",
			 1, "logicalLocations", map, process);
}

static json_t *properties_json(const struct report *report, const struct finding *finding)
{
	json_t *properties = json_pack("{s:i, s:o, s:o, s:o}", "pid", finding->pid, "addr",
				       json_addr(finding->addr), "since",
				       json_time(report_unix_ns(report->meta, finding->since_ns)),
				       "cost_share", json_number(finding->cost_share));

	json_set_evidence(properties, finding);
	if (finding->until_ns > 0)
		json_object_set_new(properties, "until",
				    json_time(report_unix_ns(report->meta, finding->until_ns)));
	return properties;
}

/* The busiest stack, in SARIF's words. */
static json_t *stacks_json(const struct finding *finding)
{
	const struct stack *stack = finding->stack->stack;
	json_t *frames = json_array();

	for (size_t i = stack_caller(stack); i < stack->frame_count; i++) {
		const struct stack_frame *frame = stack->frame[i];
		char name[STACK_TEXT_MAX];
		json_t *place;

		stack_frame_text(name, sizeof(name), frame);
		place = json_pack("{s:o}", "message", message_json(name));
		json_array_append_new(frames, json_pack("{s:o, s:o}", "location", place, "module",
							json_safe(stack_base_name(frame->module))));
	}
	return json_pack("[{s:o, s:o}]", "message",
			 message_json(stack_kind_title(finding->stack->kind)), "frames", frames);
}

static json_t *result_json(const struct report *report, json_t *rules,
			   const struct finding *finding)
{
	char hash[24];
	json_t *result;

	snprintf(hash, sizeof(hash), "%016" PRIx64, finding_hash(finding));
	result = json_pack("{s:o, s:i, s:s, s:o, s:o, s:{s:s}, s:o}", "ruleId",
			   json_safe(finding->trap), "ruleIndex", rule_index(rules, finding->trap),
			   "level", level(finding->severity), "message", finding_message(finding),
			   "locations", locations_json(report, finding), "partialFingerprints",
			   "trapAndMap/v1", hash, "properties", properties_json(report, finding));
	if (result && finding->stack)
		json_object_set_new(result, "stacks", stacks_json(finding));
	return result;
}

static json_t *results_json(const struct report *report, json_t *rules)
{
	json_t *results = json_array();

	for (size_t i = 0; i < report->finding_count; i++)
		if (json_array_append_new(results,
					  result_json(report, rules, &report->findings[i])) < 0) {
			json_decref(results);
			return NULL;
		}
	return results;
}

/* --- the document --------------------------------------------------------- */

/* Whether the run can be believed, and if not, why. */
static json_t *invocation_json(const struct report *report)
{
	const struct report_meta *meta = report->meta;
	char doubt[FINDING_LINE_MAX];
	json_t *invocation, *notes = json_array();

	gate_doubt(doubt, sizeof(doubt), report);
	invocation = json_pack("{s:b, s:o, s:o, s:o}", "executionSuccessful", doubt[0] == '\0',
			       "startTimeUtc", json_time(meta->start_unix_ns), "endTimeUtc",
			       json_time(report_unix_ns(meta, report->end_ns)), "machine",
			       json_safe(meta->hostname));
	if (doubt[0])
		json_array_append_new(notes, json_pack("{s:s, s:o}", "level", "error", "message",
						       message_json(doubt)));
	if (estimates_text(doubt, sizeof(doubt), report) > 0)
		json_array_append_new(notes, json_pack("{s:s, s:o}", "level", "note", "message",
						       message_json(doubt)));
	if (json_array_size(notes) > 0)
		json_object_set(invocation, "toolExecutionNotifications", notes);
	json_decref(notes);
	return invocation;
}

static int sarif_report(struct sink *sink, const struct report *report)
{
	json_t *rules, *results, *document;
	int err;

	if (report->kind != REPORT_END)
		return 0;
	rules = rules_json(report);
	results = results_json(report, rules);
	document = json_pack(
		"{s:s, s:s, s:[{s:{s:{s:s, s:o, s:o}}, s:[o], s:{s:{s:s}}, s:s, s:o}]}", "$schema",
		SARIF_SCHEMA, "version", "2.1.0", "runs", "tool", "driver", "name", "smaptrace",
		"version", json_safe(report->meta->version), "rules", rules, "invocations",
		invocation_json(report), "originalUriBaseIds", "ROOT", "uri", "file:///",
		"columnKind", "unicodeCodePoints", "results", results);
	err = json_put(sink, document, JSON_INDENT(2));
	sink_puts(sink, "\n");
	return err;
}

const struct output output_sarif = {
	.name = "sarif",
	.help = "SARIF 2.1.0 at the end: a result per finding",
	.suffix = "sarif",
	.report = sarif_report,
};
