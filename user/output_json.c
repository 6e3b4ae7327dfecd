/* SPDX-License-Identifier: MIT */
/*
 * output_json.c - one object per line, `type` first; docs/json.md is the schema.
 *
 * Model: each line is streamed as head, maps, tail. Maps, of which there may be 65,536, are
 * never a JSON value (json_map.c); what is left is small, and built by jansson, which keeps
 * the order of insertion: it is part of the format.
 * Numbers are integers below 2^63; addresses are strings (json_sink.h).
 */
#include "output_json.h"

#include <errno.h>
#include <jansson.h>
#include <sys/wait.h>
#include "json_evidence.h"
#include "json_map.h"
#include "json_sink.h"
#include "json_stack.h"
#include "names.h"
#include "output.h"

/* --- values --------------------------------------------------------------- */

static void set_u64(json_t *object, const char *key, uint64_t value)
{
	json_object_set_new(object, key, json_u64(value));
}

static void set_bool(json_t *object, const char *key, bool value)
{
	json_object_set_new(object, key, json_boolean(value));
}

/* Of any bytes: what is not UTF-8 becomes U+FFFD. */
static void set_text(json_t *object, const char *key, const char *bytes)
{
	char text[JSON_TEXT_STRING_MAX];

	name_utf8(text, sizeof(text), bytes);
	json_object_set_new(object, key, json_string(text));
}

static void set_addr(json_t *object, const char *key, uint64_t addr)
{
	json_object_set_new(object, key, json_addr(addr));
}

static void set_time(json_t *object, const char *key, uint64_t unix_ns)
{
	json_object_set_new(object, key, json_time(unix_ns));
}

static json_t *target_json(const struct report_target *target)
{
	json_t *object = json_object();

	set_u64(object, "pid", (uint64_t)target->pid);
	set_text(object, "comm", target->comm);
	set_text(object, "file", target->file);
	set_bool(object, "from_start", target->from_start);
	set_bool(object, "ended", target->ended);
	if (target->exit_known && WIFEXITED(target->status))
		set_u64(object, "exit_status", (uint64_t)WEXITSTATUS(target->status));
	if (target->exit_known && WIFSIGNALED(target->status))
		set_u64(object, "exit_signal", (uint64_t)WTERMSIG(target->status));
	return object;
}

static json_t *targets_json(const struct report *report)
{
	json_t *array = json_array();

	for (size_t i = 0; i < report->target_count; i++)
		json_array_append_new(array, target_json(&report->targets[i]));
	return array;
}

static json_t *shed_json(const struct report *report, const struct report_shed *shed)
{
	json_t *object = json_object();

	json_object_set_new(object, "step", json_string(shed->step));
	json_object_set_new(object, "what", json_string(shed->what));
	set_time(object, "since", report_unix_ns(report->meta, shed->since_ns));
	if (shed->until_ns)
		set_time(object, "until", report_unix_ns(report->meta, shed->until_ns));
	set_u64(object, "period", shed->period);
	return object;
}

static json_t *overhead_json(const struct report *report)
{
	const struct report_overhead *overhead = &report->overhead;
	json_t *object = json_object(), *shed = json_array();

	json_object_set_new(object, "share",
			    overhead->known && overhead->share >= 0 ? json_real(overhead->share)
								    : json_null());
	set_u64(object, "pid", (uint64_t)overhead->pid);
	json_object_set_new(object, "hits_per_s", json_real(overhead->hits_per_s));
	json_object_set_new(object, "hit_ns", json_real(overhead->hit_ns));
	json_object_set_new(object, "switches_per_s", json_real(overhead->switches_per_s));
	json_object_set_new(object, "switch_ns", json_real(overhead->switch_ns));
	json_object_set_new(object, "budget",
			    overhead->budget > 0 ? json_real(overhead->budget) : json_null());
	for (size_t i = 0; i < overhead->shed_count; i++)
		json_array_append_new(shed, shed_json(report, &overhead->shed[i]));
	json_object_set_new(object, "shed", shed);
	return object;
}

static json_t *audit_json(const struct report *report)
{
	json_t *object = json_object();

	set_u64(object, "rounds", report->audit.rounds);
	set_u64(object, "compared", report->audit.compared);
	set_u64(object, "missing", report->audit.missing);
	return object;
}

static json_t *losses_json(const struct report *report)
{
	json_t *object = json_object();

	for (size_t i = 0; i < report->loss_count; i++)
		set_u64(object, report->losses[i].name, report->losses[i].count);
	return object;
}

static json_t *finding_json(const struct report *report, const struct finding *finding)
{
	json_t *object = json_object();

	json_object_set_new(object, "type", json_string("finding"));
	set_text(object, "trap", finding->trap);
	json_object_set_new(object, "severity", json_string(report_severity(finding->severity)));
	set_u64(object, "pid", (uint64_t)finding->pid);
	set_addr(object, "addr", finding->addr);
	set_text(object, "name", finding->name);
	set_u64(object, "id", finding->id);
	set_text(object, "comm", finding->comm ? finding->comm : "");
	set_text(object, "shape", finding->shape ? finding->shape : "");
	set_time(object, "since", report_unix_ns(report->meta, finding->since_ns));
	set_time(object, "found", report_unix_ns(report->meta, finding->found_ns));
	if (finding->until_ns > 0)
		set_time(object, "until", report_unix_ns(report->meta, finding->until_ns));
	json_object_set_new(object, "cost_share", json_number(finding->cost_share));
	json_set_evidence(object, finding);
	if (finding->stack)
		json_object_set_new(object, "stack", json_stack(finding->stack));
	set_text(object, "remedy", finding->remedy);
	set_text(object, "link", finding->link ? finding->link : "");
	return object;
}

/* Which findings hold now, by what a `finding` line says of them, too. */
static json_t *active_json(const struct report *report)
{
	json_t *array = json_array();

	for (size_t i = 0; i < report->known_count; i++) {
		const struct finding *finding = &report->known[i];
		json_t *object;

		if (!finding_holds(finding, report->end_ns))
			continue;
		object = json_object();
		set_text(object, "trap", finding->trap);
		set_text(object, "severity", report_severity(finding->severity));
		set_u64(object, "pid", (uint64_t)finding->pid);
		set_addr(object, "addr", finding->addr);
		set_u64(object, "id", finding->id);
		set_time(object, "found", report_unix_ns(report->meta, finding->found_ns));
		json_array_append_new(array, object);
	}
	return array;
}

/* --- lines ---------------------------------------------------------------- */

/* Writes and frees; embed leaves out the outer braces. */
static int dump(struct sink *sink, json_t *value, bool embed)
{
	return json_put(sink, value, JSON_COMPACT | (embed ? JSON_EMBED : 0));
}

static int put_line(struct sink *sink, json_t *value)
{
	int err = dump(sink, value, false);

	sink_puts(sink, "\n");
	return err;
}

/* {head, "maps":[...], tail}: takes head, one map at a time. */
static int put_with_maps(struct sink *sink, json_t *head, const struct report *report)
{
	struct json_text text;
	json_t *tail;
	int err;

	sink_puts(sink, "{");
	err = dump(sink, head, true);
	sink_puts(sink, ",\"maps\":[");
	json_text_begin(&text, sink);
	for (size_t i = 0; i < report->map_count; i++)
		json_map(&text, &report->maps[i], report->kind);
	json_text_end(&text);
	if (!err)
		err = sink->err;
	sink_puts(sink, "],");
	tail = json_object();
	json_object_set_new(tail, "overhead", overhead_json(report));
	json_object_set_new(tail, "audit", audit_json(report));
	json_object_set_new(tail, "losses", losses_json(report));
	if (err)
		json_decref(tail);
	else
		err = dump(sink, tail, true);
	sink_puts(sink, "}\n");
	return err;
}

static void set_span(json_t *head, const struct report *report)
{
	set_time(head, "time", report_unix_ns(report->meta, report->end_ns));
	set_u64(head, "start_ns", report->start_ns);
	set_u64(head, "end_ns", report->end_ns);
	json_object_set_new(head, "seconds",
			    json_real((double)(report->end_ns - report->start_ns) / 1e9));
}

static int put_window(struct sink *sink, const struct report *report)
{
	json_t *head = json_object(), *events = json_object();

	json_object_set_new(head, "type", json_string("window"));
	set_u64(head, "seq", report->window_count);
	set_bool(head, "last", report->last);
	set_span(head, report);
	set_u64(events, "seen", report->events_seen);
	set_u64(events, "cut", report->events_cut);
	json_object_set_new(head, "events", events);
	json_object_set_new(head, "active", active_json(report));
	json_object_set_new(head, "targets", targets_json(report));
	return put_with_maps(sink, head, report);
}

static int put_end(struct sink *sink, const struct report *report)
{
	json_t *head = json_object();

	json_object_set_new(head, "type", json_string("end"));
	set_span(head, report);
	set_u64(head, "windows", report->window_count);
	set_u64(head, "findings", report->finding_count);
	set_u64(head, "findings_cut", report->findings_cut);
	json_object_set_new(head, "targets", targets_json(report));
	return put_with_maps(sink, head, report);
}

static int json_begin(struct sink *sink, const struct report_meta *meta)
{
	json_t *line = json_object();

	json_object_set_new(line, "type", json_string("header"));
	set_u64(line, "schema", REPORT_SCHEMA);
	json_object_set_new(line, "tool", json_string("smaptrace"));
	set_text(line, "version", meta->version);
	set_text(line, "kernel", meta->kernel);
	set_text(line, "hostname", meta->hostname);
	set_time(line, "time", meta->start_unix_ns);
	set_u64(line, "start_ns", meta->start_ns);
	set_u64(line, "interval_ms", meta->interval_ms);
	set_u64(line, "duration_ms", meta->duration_ms);
	set_bool(line, "exact", meta->exact);
	set_bool(line, "offcpu", meta->offcpu);
	return put_line(sink, line);
}

int json_findings(struct sink *sink, const struct report *report)
{
	int err = 0;

	for (size_t i = 0; i < report->finding_count && !err; i++)
		err = put_line(sink, finding_json(report, &report->findings[i]));
	return err;
}

/* A finding is written once, when it is new: the end only counts them. */
static int json_report(struct sink *sink, const struct report *report)
{
	int err = report->kind == REPORT_END ? put_end(sink, report) : put_window(sink, report);

	return err || report->kind == REPORT_END ? err : json_findings(sink, report);
}

const struct output output_json = {
	.name = "json",
	.help = "one JSON object per line (docs/json.md)",
	.suffix = "json",
	.begin = json_begin,
	.report = json_report,
};
