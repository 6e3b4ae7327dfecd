/* SPDX-License-Identifier: MIT */
/*
 * output_trace.c - a timeline for Perfetto (ui.perfetto.dev), chrome://tracing and the
 * like: the Trace Event Format, its JSON object form; docs/timeline.md.
 *
 * Model: one line per entry, written as it comes, so that memory does not depend on how
 * many there are; only an entry's arguments are built as a JSON value. The format knows
 * processes and threads and nothing else, so a map is a thread of its process whose
 * number is no thread's (MAP_TRACKS on), and smaptrace a process whose number is no
 * process's. Times are CLOCK_MONOTONIC in microseconds with three decimals; readers
 * keep them as doubles, which hold a nanosecond for 104 days of uptime.
 *
 * Slices of one track must nest. A thread does one thing at a time, and a map's rebuilds
 * are under its mutex; but many threads wait for one map at once, and a stalled section
 * is told of again and again: waits are on the threads' tracks only, stalls are instants.
 *
 * Rejected: begin and end as two entries (they would have to come in order), jansson for
 * the whole entry (it cannot write 16 digits of one number and 12 of another).
 */
#include "output.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "finding_text.h"
#include "json_sink.h"
#include "names.h"
#include "overhead_text.h"

#define OWN_PID 4194304 /* the kernel's PID_MAX_LIMIT: no thread has this number */
#define MAP_TRACKS (OWN_PID + 1)

/* One line. Of a phase that has no such member, it is ignored. */
struct entry {
	char phase; /* X slice, i instant, C counter, M name of a track */
	const char *name, *category;
	int64_t pid, tid;
	uint64_t ts_ns, duration_ns;
	char scope; /* of an instant: t thread, p process, g everything */
	const char *id;
	json_t *args; /* taken */
};

/* Where events of a kind go, and which argument says how long it took. */
enum { ON_THREAD = 1, ON_MAP = 2, ON_STALLED = 4, NO_ARGS = 8 };
static const struct kind {
	unsigned flags;
	int duration; /* index of the argument; -1 = a moment */
} kinds[SMAP_PROBE_COUNT] = {
	[SMAP_PROBE_map_create] = {ON_MAP | NO_ARGS, -1},
	[SMAP_PROBE_map_destroy] = {ON_MAP, -1},
	[SMAP_PROBE_promote] = {ON_THREAD | ON_MAP, -1},
	[SMAP_PROBE_rebuild] = {ON_THREAD | ON_MAP, 3},
	[SMAP_PROBE_overflow] = {ON_THREAD | ON_MAP, -1},
	[SMAP_PROBE_lock_wait] = {ON_THREAD, 0},
	[SMAP_PROBE_stall] = {ON_STALLED | ON_MAP, -1},
};

static const struct {
	const char *name, *args; /* args: separated by ", " */
} probes[SMAP_PROBE_COUNT] = {
#define PROBE_ENTRY(name, count, map, ...) [SMAP_PROBE_##name] = {#name, #__VA_ARGS__},
	SMAP_PROBES(PROBE_ENTRY)
#undef PROBE_ENTRY
};

static const char *const reasons[] = {
#define REASON_NAME(name) #name,
	SMAP_REASONS(REASON_NAME)
#undef REASON_NAME
};

/* --- entries -------------------------------------------------------------- */

static int put_string(struct sink *sink, const char *bytes)
{
	return json_put(sink, json_safe(bytes), JSON_ENCODE_ANY);
}

static void put_us(struct sink *sink, const char *key, uint64_t ns)
{
	sink_printf(sink, ",\"%s\":%" PRIu64 ".%03u", key, ns / 1000, (unsigned)(ns % 1000));
}

/* All but the arguments, which follow, and the closing brace. */
static int put_head(struct sink *sink, const char *separator, const struct entry *entry)
{
	int err;

	sink_printf(sink, "%s{\"ph\":\"%c\",\"name\":", separator, entry->phase);
	err = put_string(sink, entry->name);
	if (entry->category)
		sink_printf(sink, ",\"cat\":\"%s\"", entry->category);
	sink_printf(sink, ",\"pid\":%" PRId64 ",\"tid\":%" PRId64, entry->pid, entry->tid);
	if (entry->phase != 'M')
		put_us(sink, "ts", entry->ts_ns);
	if (entry->phase == 'X')
		put_us(sink, "dur", entry->duration_ns);
	if (entry->phase == 'i')
		sink_printf(sink, ",\"s\":\"%c\"", entry->scope);
	if (entry->id)
		sink_printf(sink, ",\"id\":\"%s\"", entry->id);
	sink_puts(sink, ",\"args\":");
	return err;
}

static int put_entry(struct sink *sink, const char *separator, const struct entry *entry)
{
	int err = put_head(sink, separator, entry);
	int args_err = json_put(sink, entry->args, JSON_COMPACT); /* takes them in any case */

	sink_puts(sink, "}");
	return err ? err : args_err;
}

static int put_next(struct sink *sink, const struct entry *entry)
{
	return put_entry(sink, ",\n", entry);
}

static void set_number(json_t *args, const char *key, uint64_t value)
{
	json_object_set_new(args, key, json_u64(value));
}

static void set_addr(json_t *args, uint64_t addr)
{
	json_object_set_new(args, "addr", json_addr(addr));
}

/* `what` is "process_name" or "thread_name". */
static struct entry name_entry(const char *what, int64_t pid, int64_t tid, const char *name)
{
	json_t *args = json_object();

	json_object_set_new(args, "name", json_safe(name));
	return (struct entry){.phase = 'M', .name = what, .pid = pid, .tid = tid, .args = args};
}

/* --- tracks --------------------------------------------------------------- */

static int64_t map_track(unsigned number)
{
	return (int64_t)MAP_TRACKS + number;
}

static int put_map_name(struct sink *sink, const struct report_map *map)
{
	char name[NAME_ESCAPED_MAX + 64], safe[NAME_ESCAPED_MAX + 1];
	struct entry entry;

	name_escape(safe, sizeof(safe), map->name);
	snprintf(name, sizeof(name), "map %s 0x%" PRIx64, safe, map->addr);
	entry = name_entry("thread_name", map->pid, map_track(map->number), "");
	json_object_set_new(entry.args, "name", json_string(name)); /* escaped already */
	return put_next(sink, &entry);
}

static int put_names(struct sink *sink, const struct report *report)
{
	int err = 0;

	for (size_t i = 0; i < report->target_count && !err; i++) {
		const struct report_target *target = &report->targets[i];
		struct entry entry;

		if (!target->is_new)
			continue;
		entry = name_entry("process_name", target->pid, target->pid, target->comm);
		err = put_next(sink, &entry);
	}
	for (size_t i = 0; i < report->map_count && !err; i++)
		if (report->maps[i].is_new)
			err = put_map_name(sink, &report->maps[i]);
	return err;
}

/* --- events --------------------------------------------------------------- */

/* The arguments of the probe under the names that the contract has for them. */
static void put_probe_args(struct sink *sink, const struct report_event *event)
{
	const char *rest = probes[event->kind].args;

	for (unsigned i = 0; *rest; i++) {
		int len = (int)strcspn(rest, ",");
		uint64_t value = event->args[i];

		if (strncmp(rest, "reason", 6) == 0 && value < sizeof(reasons) / sizeof(reasons[0]))
			sink_printf(sink, ",\"%.*s\":\"%s\"", len, rest, reasons[value]);
		else
			sink_printf(sink, ",\"%.*s\":%" PRIu64, len, rest,
				    value <= INT64_MAX ? value : INT64_MAX);
		rest += len;
		rest += strspn(rest, ", ");
	}
}

/* Without a JSON value in between: there may be a hundred thousand a second. */
static int put_event_args(struct sink *sink, const struct report_event *event)
{
	int err;

	sink_puts(sink, "{\"map\":");
	err = put_string(sink, event->map_name);
	sink_printf(sink, ",\"addr\":\"0x%" PRIx64 "\"", event->addr);
	if (!(kinds[event->kind].flags & NO_ARGS))
		put_probe_args(sink, event);
	if (event->tid)
		sink_printf(sink, ",\"tid\":%" PRIu32, event->tid);
	sink_puts(sink, "}");
	return err;
}

static int put_on(struct sink *sink, const struct report_event *event, int64_t tid)
{
	const struct kind *kind = &kinds[event->kind];
	struct entry entry = {
		.phase = kind->duration < 0 ? 'i' : 'X',
		.name = probes[event->kind].name,
		.category = "map",
		.pid = event->pid,
		.tid = tid,
		.ts_ns = event->ts_ns,
		.scope = 't',
	};
	int err;

	if (kind->duration >= 0) {
		entry.duration_ns = event->args[kind->duration];
		if (entry.duration_ns > entry.ts_ns) /* of a forged recording */
			entry.duration_ns = entry.ts_ns;
		entry.ts_ns -= entry.duration_ns;
	}
	err = put_head(sink, ",\n", &entry);
	if (!err)
		err = put_event_args(sink, event);
	sink_puts(sink, "}");
	return err;
}

static int put_event(struct sink *sink, const struct report_event *event)
{
	unsigned flags = kinds[event->kind].flags;
	int err = 0;

	if ((flags & ON_THREAD) && event->tid)
		err = put_on(sink, event, event->tid);
	if (!err && (flags & ON_STALLED) && event->args[0] > 0 && event->args[0] < OWN_PID)
		err = put_on(sink, event, (int64_t)event->args[0]);
	if (!err && (flags & ON_MAP))
		err = put_on(sink, event, map_track(event->map_number));
	return err;
}

/* How many events of a kind a window shows. */
static int put_events(struct sink *sink, const struct report *report,
		      uint64_t shown[SMAP_PROBE_COUNT])
{
	int err = 0;

	for (size_t i = 0; i < report_event_count(report) && !err; i++) {
		struct report_event event;

		if (!report_event(report, i, &event))
			continue;
		shown[event.kind]++;
		err = put_event(sink, &event);
	}
	return err;
}

/* --- counters ------------------------------------------------------------- */

static int put_counter(struct sink *sink, const struct report_map *map, const char *what,
		       const char *unit, uint64_t ts_ns, json_t *value)
{
	char name[NAME_ESCAPED_MAX + 64], id[48];
	json_t *args = json_object();
	const struct entry entry = {
		.phase = 'C',
		.name = name,
		.category = "map",
		.pid = map->pid,
		.tid = map_track(map->number),
		.ts_ns = ts_ns,
		.id = id,
		.args = args,
	};

	snprintf(name, sizeof(name), "%s %s", what, map->name); /* untrusted still */
	snprintf(id, sizeof(id), "0x%" PRIx64 ".%" PRIu64, map->addr, map->id);
	json_object_set_new(args, unit, value);
	return put_next(sink, &entry);
}

/* A rate holds from the window's start on, a level from its end on. */
static int put_counters(struct sink *sink, const struct report *report,
			const struct report_map *map)
{
	double misses = (double)map->window.count[ST_COUNTER_misses];
	int err = put_counter(sink, map, "misses", "per second", report->start_ns,
			      json_real(rint(misses / report_seconds(report))));

	if (!err)
		err = put_counter(sink, map, "miss debt", "misses", report->end_ns,
				  json_u64(map->alive ? map->miss_debt : 0));
	if (!err)
		err = put_counter(sink, map, "backlog", "items", report->end_ns,
				  json_u64(map->alive ? map->now.backlog : 0));
	if (!err && (report->last || !map->alive))
		err = put_counter(sink, map, "misses", "per second", report->end_ns, json_real(0));
	return err;
}

/* --- findings ------------------------------------------------------------- */

static const struct report_map *map_of(const struct report *report, const struct finding *finding)
{
	for (size_t i = 0; i < report->map_count; i++) {
		const struct report_map *map = &report->maps[i];

		if (map->pid == finding->pid && map->addr == finding->addr &&
		    map->id == finding->id)
			return map;
	}
	return NULL;
}

static void set_evidence(json_t *args, const struct finding *finding)
{
	for (size_t i = 0; i < finding->evidence_count; i++)
		json_object_set_new(args, finding->evidence[i].name,
				    json_number(finding->evidence[i].value));
}

static int put_finding(struct sink *sink, const struct report *report,
		       const struct finding *finding)
{
	const struct report_map *map = map_of(report, finding);
	json_t *args = json_object(), *evidence = json_object();
	const struct entry entry = {
		.phase = 'i',
		.name = finding->trap,
		.category = "finding",
		.pid = finding->pid,
		.tid = map ? map_track(map->number) : finding->pid,
		.ts_ns = finding->found_ns,
		.scope = 'p',
		.args = args,
	};

	json_object_set_new(args, "severity", json_string(report_severity(finding->severity)));
	json_object_set_new(args, "map", json_safe(finding->name));
	set_addr(args, finding->addr);
	json_object_set_new(args, "shape", json_safe(finding->shape));
	json_object_set_new(args, "cost_share", json_number(finding->cost_share));
	set_evidence(evidence, finding);
	json_object_set_new(args, "evidence", evidence);
	json_object_set_new(args, "remedy", json_safe(finding->remedy));
	return put_next(sink, &entry);
}

/* --- windows -------------------------------------------------------------- */

static uint64_t less(uint64_t all, uint64_t part)
{
	return all > part ? all - part : 0;
}

/*
 * What happened and what is shown are counted apart: the maps themselves count waits and
 * the kernel promotions and rebuilds, so that what the timeline lacks is known exactly.
 */
static json_t *window_args(const struct report *report, const uint64_t shown[SMAP_PROBE_COUNT])
{
	uint64_t promotions = 0, rebuilds = 0, waits = 0;
	json_t *args = json_object(), *absent = json_object();
	char text[FINDING_LINE_MAX];

	for (size_t i = 0; i < report->map_count; i++) {
		promotions += report->maps[i].window.count[ST_COUNTER_promotions];
		rebuilds += report->maps[i].window.count[ST_COUNTER_rebuilds];
		waits += report->maps[i].window.rate.lock_waits;
	}
	set_number(args, "events", report->events_seen);
	set_number(args, "lost", report->lost);
	if (estimates_text(text, sizeof(text), report))
		json_object_set_new(args, "estimates", json_string(text));
	set_number(absent, "events", report->events_cut);
	set_number(absent, "promote", less(promotions, shown[SMAP_PROBE_promote]));
	set_number(absent, "rebuild", less(rebuilds, shown[SMAP_PROBE_rebuild]));
	set_number(absent, "lock_wait", less(waits, shown[SMAP_PROBE_lock_wait]));
	json_object_set_new(args, "not_shown", absent);
	return args;
}

static int put_window(struct sink *sink, const struct report *report,
		      const uint64_t shown[SMAP_PROBE_COUNT])
{
	char name[32];
	const struct entry entry = {
		.phase = 'X',
		.name = name,
		.category = "smaptrace",
		.pid = OWN_PID,
		.tid = OWN_PID,
		.ts_ns = report->start_ns,
		.duration_ns = report->end_ns - report->start_ns,
		.args = window_args(report, shown),
	};

	snprintf(name, sizeof(name), "window %" PRIu64, report->window_count);
	return put_next(sink, &entry);
}

static int trace_report(struct sink *sink, const struct report *report)
{
	uint64_t shown[SMAP_PROBE_COUNT] = {0};
	int err;

	if (report->kind == REPORT_END)
		return 0;
	err = put_names(sink, report);
	if (!err)
		err = put_events(sink, report, shown);
	for (size_t i = 0; i < report->map_count && !err; i++)
		err = put_counters(sink, report, &report->maps[i]);
	for (size_t i = 0; i < report->finding_count && !err; i++)
		err = put_finding(sink, report, &report->findings[i]);
	return err ? err : put_window(sink, report, shown);
}

static int trace_begin(struct sink *sink, const struct report_meta *meta)
{
	const struct entry entry = name_entry("process_name", OWN_PID, OWN_PID, "smaptrace");
	json_t *other = json_object();
	int err;

	json_object_set_new(other, "tool", json_string("smaptrace"));
	json_object_set_new(other, "version", json_safe(meta->version));
	json_object_set_new(other, "kernel", json_safe(meta->kernel));
	json_object_set_new(other, "hostname", json_safe(meta->hostname));
	json_object_set_new(other, "clock", json_string("CLOCK_MONOTONIC"));
	json_object_set_new(other, "time", json_time(meta->start_unix_ns));
	set_number(other, "start_ns", meta->start_ns);
	sink_puts(sink, "{\"displayTimeUnit\":\"ns\",\"otherData\":");
	err = json_put(sink, other, JSON_COMPACT);
	sink_puts(sink, ",\"traceEvents\":[\n");
	return err ? err : put_entry(sink, "", &entry);
}

static int trace_end(struct sink *sink)
{
	sink_puts(sink, "\n]}\n");
	return 0;
}

const struct output output_trace = {
	.name = "trace",
	.help = "timeline for ui.perfetto.dev (docs/timeline.md)",
	.suffix = "trace.json",
	.lock_waits = true,
	.begin = trace_begin,
	.report = trace_report,
	.end = trace_end,
};
