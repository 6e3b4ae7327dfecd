/* SPDX-License-Identifier: MIT */
/*
 * scenarios.h - reports to render, for the tests of outputs: each scenario is data, becomes
 * a model, and that the windows and the end of a trace.
 */
#ifndef SCENARIOS_H
#define SCENARIOS_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "history.h"
#include "output.h"

#define SECOND 1000000000ULL
#define START (100 * SECOND)

static const struct report_meta meta = {
	.version = "0.1.0",
	.kernel = "6.1.0 x86_64",
	.hostname = "host",
	.start_ns = START,
	.start_unix_ns = 1700000000ULL * SECOND,
	.interval_ms = 1000,
	.exact = true,
};

static const struct evidence evidence[] = {
	{.name = "promotions", .value = 90, .limit = 3, .relation = ">=", .unit = "per window"},
	{.name = "copied_per_new",
	 .value = 123456,
	 .limit = 8,
	 .relation = ">=",
	 .unit = "entries"},
	{.name = "cost_share", .value = 0.25, .limit = 0.01, .relation = ">=", .unit = ""},
	{.name = "miss_ratio", .value = 1.0 / 3, .unit = ""},
	{.name = "promotion_in", .value = INFINITY, .limit = 30, .relation = ">", .unit = "s"},
};

/* What the model will hold: a description, so that a scenario is data. */
struct scenario {
	const char *name; /* of its golden files */
	unsigned targets, maps;
	const char *map_name, *comm;
	bool finding;
};

static const struct scenario scenarios[] = {
	{"empty", 0, 0, "", "", false},
	{"idle", 1, 0, "", "prog", false},
	{"full", 3, 2, "sessions", "respd", true},
	{"hostile", 1, 1, "\033[2J\"q\"\\<b>&'\r\n\xff\xc3\xbc\xe2\x80\xae`$(x)", "a\tb\xfe\033",
	 true},
};

#define SCENARIO_COUNT (sizeof(scenarios) / sizeof(scenarios[0]))

static void add(struct model *model, const struct record *record)
{
	assert_int_equal(model_add(model, record), 0);
}

static void add_target(struct model *model, const struct scenario *scenario, unsigned target)
{
	struct record r = {.kind = RECORD_TARGET};

	r.target.target = target;
	r.target.pid = 4242 + target;
	r.target.start_ns = START;
	r.target.from_start = target == 1;
	snprintf(r.target.comm, sizeof(r.target.comm), "%s", scenario->comm);
	/* What is hostile in a map's name is so in a path. */
	snprintf(r.target.file, sizeof(r.target.file), "/usr/lib/%s",
		 strcmp(scenario->name, "hostile") ? "libsmap.so.0" : scenario->map_name);
	add(model, &r);
	if (target == 0)
		return;
	r = (struct record){.kind = RECORD_TARGET_END};
	r.target_end.target = target;
	r.target_end.exit_known = 1;
	r.target_end.status = target == 1 ? 3 << 8 : 9; /* exit(3); SIGKILL */
	add(model, &r);
}

static void fill_sample(struct record_sample *s, unsigned map, unsigned window)
{
	unsigned scale = (map + 1) * window;

	s->ts_ns = START + window * SECOND;
	s->alive = map != 1;
	s->state_ok = 1;
	for (unsigned i = 0; i < ST_COUNTER_COUNT; i++) {
		s->counted[i] = (uint64_t)scale * 1000 * (i + 1);
		s->total[i] = s->counted[i] + (map == 0 ? 0 : 5000000000ULL);
	}
	for (unsigned h = 0; h < ST_HIST_COUNT; h++)
		for (unsigned slot = h; slot < h + 4 && map < 2; slot++) {
			s->hist[h][slot] = (uint64_t)scale * (slot + 1);
			s->sum[h] += (uint64_t)scale * (slot + 1) << slot;
		}
	for (unsigned i = 0; i < SMAP_PROBE_COUNT && map < 2; i++)
		s->hits[i] = scale * 100;
	if (map == 0 && window == 2)
		s->uncounted[ST_COUNTER_misses] = 1234;
	s->threshold = 1000;
	s->miss_count = 456;
	s->read_len = 123456;
	s->dirty_len = 1000;
	s->has_dirty = s->amended = 1;
	s->backlog = 12;
	s->inserts = s->new_keys = scale * 10;
	s->lock_wait_ns = scale * 1000000ULL;
	s->process_cpu_ns = window * SECOND / 2;
}

static void add_maps(struct model *model, const struct scenario *scenario, unsigned window)
{
	for (unsigned i = 0; i < scenario->maps; i++) {
		struct record r = {.kind = RECORD_MAP};
		struct st_key key = {.addr = 0x7f0000001000 + i * 0x1000, .id = i + 1};

		r.map.key = key;
		r.map.created_ns = i == 0 ? START : 1;
		snprintf(r.map.name, sizeof(r.map.name), "%s", scenario->map_name);
		if (window == 1)
			add(model, &r);
		else if (i == 1)
			continue; /* ended in the first window */
		r = (struct record){.kind = RECORD_SAMPLE};
		r.sample.key = key;
		fill_sample(&r.sample, i, window);
		add(model, &r);
	}
}

/* One of each kind of event, all of the first map; a wait, a rebuild and a promotion of a thread. */
static void add_events(struct model *model, const struct scenario *scenario, unsigned window)
{
	static const struct st_event events[] = {
		{.kind = SMAP_PROBE_map_create, .ts_ns = 1000, .tid = 4242, .args = {0x7f00}},
		{.kind = SMAP_PROBE_lock_wait, .ts_ns = 5000000, .tid = 4243, .args = {2000000}},
		{.kind = SMAP_PROBE_rebuild,
		 .ts_ns = 7000000,
		 .tid = 4243,
		 .args = {7, 100, 3, 1500123}},
		{.kind = SMAP_PROBE_promote,
		 .ts_ns = 9000001,
		 .tid = 4244,
		 .args = {8, 103, 100, 2000000, SMAP_REASON_range}},
		{.kind = SMAP_PROBE_promote, .ts_ns = 9000002, .args = {9, 1, 1, 1, 99}},
		{.kind = SMAP_PROBE_overflow, .ts_ns = 9500000, .tid = 4244},
		{.kind = SMAP_PROBE_stall,
		 .ts_ns = 9600000,
		 .tid = 4250,
		 .args = {4243, 900000000}},
		{.kind = SMAP_PROBE_map_destroy, .ts_ns = 9700000, .tid = 4242},
	};

	for (size_t i = 0; i < sizeof(events) / sizeof(events[0]) && scenario->maps; i++) {
		struct record r = {.kind = RECORD_EVENT, .event = events[i]};

		r.event.size = sizeof(r.event);
		r.event.addr = 0x7f0000001000;
		r.event.id = 1;
		r.event.ts_ns += START + (window - 1) * SECOND;
		add(model, &r);
	}
}

static void add_frame(struct model *model, const struct record_frame *frame)
{
	struct record r = {.kind = RECORD_FRAME, .frame = *frame};

	r.frame.frame = (uint32_t)model->frame_count;
	add(model, &r);
}

/* Frames 0..3, and stacks 0..2: a whole one, one without names that was cut, one of none. */
static void add_frames(struct model *model, const char *name)
{
	struct record_frame frames[4] = {
		{.offset = 0x1200,
		 .line = 42,
		 .flags = RECORD_FRAME_INLINED,
		 .module = "/usr/bin/prog",
		 .file = "/src/it/store.c",
		 .build_id = "0123456789abcdef"},
		{.offset = 0x1200,
		 .line = 7,
		 .function = "serve",
		 .module = "/usr/bin/prog",
		 .file = "/src/it/serve.c",
		 .build_id = "0123456789abcdef"},
		{.offset = 0xbeef, .module = "/usr/lib/libother.so.1"},
		{.offset = 0x10, .function = "smap_store_u64", .module = "/usr/bin/prog"},
	};
	const struct record_stack stacks[3] = {
		{.frame_count = 3, .frame = {3, 0, 1}},
		{.frame_count = 1, .frame = {2}, .flags = RECORD_STACK_CUT},
		{.frame_count = 0},
	};

	snprintf(frames[0].function, sizeof(frames[0].function), "%s;lookup", name);
	snprintf(frames[2].module, sizeof(frames[2].module), "/usr/lib/%s.so", name);
	for (size_t i = 0; i < 4; i++)
		add_frame(model, &frames[i]);
	for (uint32_t i = 0; i < 3; i++) {
		struct record r = {.kind = RECORD_STACK, .stack = stacks[i]};

		r.stack.stack = i;
		add(model, &r);
	}
}

/* Of the first map: misses as estimates, promotions, rebuilds with time. */
static void add_stacks(struct model *model, const struct scenario *scenario, unsigned window)
{
	const struct record_stack_count counts[] = {
		{.stack = 0, .kind = ST_STACK_miss, .count = 700, .ns = 900000, .samples = 7},
		{.stack = 1, .kind = ST_STACK_miss, .count = 200, .ns = 100000, .samples = 2},
		{.stack = 2, .kind = ST_STACK_miss, .count = 100},
		{.stack = 1, .kind = ST_STACK_promote, .count = 3, .samples = 3},
		{.stack = 0, .kind = ST_STACK_rebuild, .count = 2, .ns = 1500000, .samples = 2},
	};

	if (window == 1)
		add_frames(model, scenario->map_name);
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		struct record r = {.kind = RECORD_STACK_COUNT, .stack_count = counts[i]};

		r.stack_count.key = (struct st_key){.addr = 0x7f0000001000, .id = 1};
		r.stack_count.count *= window;
		r.stack_count.ns *= window;
		r.stack_count.samples *= window;
		add(model, &r);
	}
}

/* A price from the start; in the second window single misses are shed, and misses sampled. */
static void add_overhead(struct model *model, const struct scenario *scenario, unsigned window)
{
	static const char *const shed[] = {"exact", "misses"};
	const struct st_key key = {.addr = 0x7f0000001000, .id = 1};
	struct record r = {.kind = RECORD_PRICE};

	r.price.miss_ns = 30;
	r.price.budget_ppm = scenario->maps > 1 ? 20000 : 0;
	for (unsigned i = 0; i < SMAP_PROBE_COUNT; i++)
		r.price.hit_ns[i] = 1000;
	if (window == 1)
		add(model, &r);
	for (unsigned i = 0; i < 2 && window == 2 && scenario->maps > 1; i++) {
		r = (struct record){.kind = RECORD_SHED};
		r.shed.ts_ns = START + SECOND + SECOND / 2;
		strcpy(r.shed.step, shed[i]);
		r.shed.period = i * 4;
		r.shed.cost_ppm = 310000;
		add(model, &r);
	}
	if (window == 1 || scenario->maps < 2)
		return;
	r = (struct record){.kind = RECORD_MISSING, .missing.key = key};
	r.missing.count[ST_COUNTER_promotions] = 3;
	add(model, &r);
	r = (struct record){.kind = RECORD_AUDIT};
	r.audit = (struct record_audit){.rounds = 2, .compared = 24, .missing = 3};
	add(model, &r);
}

static void add_window(struct model *model, unsigned window, bool last)
{
	struct record r = {.kind = RECORD_WINDOW};

	r.window.start_ns = START + (window - 1) * SECOND;
	r.window.end_ns = START + window * SECOND;
	r.window.last = last;
	add(model, &r);
}

/* One of each severity; the error has ended, the notice is of a budget and has no words. */
static size_t make_findings(struct finding findings[3], const struct scenario *scenario,
			    const struct report *report)
{
	findings[0] = (struct finding){
		.trap = "read-diffusion",
		.shape = "misses wait for the mutex more than anything is copied",
		.severity = FINDING_WARNING,
		.pid = 4242,
		.addr = 0x7f0000001000,
		.id = 1,
		.name = scenario->map_name,
		.comm = scenario->comm,
		.since_ns = START + SECOND / 2,
		.found_ns = START + SECOND,
		.cost_share = 0.25,
		.evidence = evidence,
		.evidence_count = sizeof(evidence) / sizeof(evidence[0]),
		.remedy = "probe for the key before you store it, or give the map an initial_dirty "
			  "of 2048 & <more>: 50% fewer promotions",
		.link = "docs/traps.md#read-diffusion",
	};
	if (report->map_count && report->maps[0].stack_count)
		findings[0].stack = &report->maps[0].stacks[0];
	findings[1] = findings[0];
	findings[1].trap = "write-starvation";
	findings[1].severity = FINDING_ERROR;
	findings[1].until_ns = START + 2 * SECOND;
	findings[2] = (struct finding){
		.trap = "misses",
		.severity = FINDING_NOTICE,
		.pid = 4242,
		.addr = 0x7f0000001000,
		.id = 1,
		.name = scenario->map_name,
		.since_ns = START - SECOND,
		.remedy = "",
	};
	return scenario->finding ? 3 : 0;
}

static struct history *history_of_render; /* what an output that wants it is given */

static int put(const struct output *output, struct sink *sink, const struct model *model,
	       enum report_kind kind, const struct scenario *scenario)
{
	struct report *report = NULL, copy;
	struct finding findings[3];
	int err;

	assert_int_equal(report_create(&report, kind, model, &meta), 0);
	if (history_of_render)
		assert_int_equal(history_add(history_of_render, report), 0);
	copy = *report;
	copy.history = output->history ? history_of_render : NULL;
	copy.findings = findings;
	copy.finding_count = make_findings(findings, scenario, report);
	err = output_report(output, sink, &copy);
	report_free(report);
	return err;
}

static int render_to(const struct output *output, struct sink *sink,
		     const struct scenario *scenario)
{
	const struct history_options opts = {.decimate = true, .sizes = true};
	struct model *model = NULL;
	int err;

	assert_int_equal(model_create(&model), 0);
	assert_int_equal(history_create(&history_of_render, &opts), 0);
	for (unsigned i = 0; i < scenario->targets; i++)
		add_target(model, scenario, i);
	err = output_begin(output, sink, &meta);
	for (unsigned window = 1; window <= 2 && !err; window++) {
		struct record loss = {.kind = RECORD_LOSS};

		add_overhead(model, scenario, window);
		add_maps(model, scenario, window);
		add_events(model, scenario, window);
		if (scenario->maps)
			add_stacks(model, scenario, window);
		strcpy(loss.loss.name, "ring_full");
		strcpy(loss.loss.help, "event records dropped: ring buffer full");
		loss.loss.count = scenario->maps > 1 ? window * 17 : 0;
		add(model, &loss);
		if (strcmp(scenario->name, "hostile") == 0) {
			snprintf(loss.loss.name, sizeof(loss.loss.name), "x%.30s",
				 scenario->map_name);
			snprintf(loss.loss.help, sizeof(loss.loss.help), "%.95s",
				 scenario->map_name);
			loss.loss.count = 1;
			add(model, &loss);
		}
		add_window(model, window, window == 2);
		err = put(output, sink, model, REPORT_WINDOW, scenario);
	}
	if (!err)
		err = put(output, sink, model, REPORT_END, scenario);
	if (!err)
		err = output_end(output, sink);
	history_free(history_of_render);
	history_of_render = NULL;
	model_free(model);
	return err;
}

static inline char *render(const struct output *output, const struct scenario *scenario)
{
	struct sink_memory memory;
	char *text;

	assert_int_equal(sink_memory_open(&memory), 0);
	assert_int_equal(render_to(output, &memory.sink, scenario), 0);
	text = sink_memory_close(&memory, NULL);
	assert_non_null(text);
	return text;
}

#endif
