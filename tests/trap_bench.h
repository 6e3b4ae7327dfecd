/* SPDX-License-Identifier: MIT */
/* trap_bench.h - windows built by hand, for the tests of the detectors. */
#ifndef TRAP_BENCH_H
#define TRAP_BENCH_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include "model.h"
#include "policy.h"
#include "trap.h"

#define SECOND 1000000000ULL
#define START (1000 * SECOND)

/* What happens in one second; cumulative figures are added up by run(). */
struct second {
	double misses, promotions, rebuilds, copied, retired, reclaimed;
	double new_keys, inserts, replaces, deletes, sections;
	double cpu_ms, rebuild_ms, lock_wait_ms;
	double miss_count, threshold, read_len, dirty_len, dirty_age_s, backlog, oldest_s;
	bool stall, stands; /* the reclaimer makes no round */
	bool gone;	    /* the map is, at its end */
	unsigned events;    /* of promotions, for this reason: */
	enum smap_reason reason;
};

/* A map in pseudo-expansion; what a test changes of it decides. */
static const struct second stuck __attribute__((unused)) = {.misses = 2,
							    .sections = 100000,
							    .cpu_ms = 900,
							    .miss_count = 10,
							    .threshold = 1000,
							    .read_len = 1000,
							    .dirty_len = 1000,
							    .dirty_age_s = 6};

struct bench {
	struct model *model;
	struct policy *policy;
	struct traps *traps;
	struct record_sample sample;
	uint64_t now;
};

static void add(struct bench *bench, const struct record *record)
{
	assert_int_equal(model_add(bench->model, record), 0);
}

static void add_map(struct bench *bench, uint64_t addr, const char *name, uint64_t created_ns)
{
	struct record record = {.kind = RECORD_MAP,
				.map = {.key = {.addr = addr, .id = addr},
					.flags = SMAP_STATE_FREES,
					.created_ns = created_ns}};

	snprintf(record.map.name, sizeof(record.map.name), "%s", name);
	add(bench, &record);
}

static void start_at(struct bench *bench, char *const *only, bool from_start)
{
	struct record target = {
		.kind = RECORD_TARGET,
		.target = {.pid = 42, .start_ns = START, .from_start = from_start, .comm = "prog"}};

	*bench = (struct bench){.now = START, .sample = {.key = {.addr = 1, .id = 1}}};
	assert_int_equal(model_create(&bench->model), 0);
	assert_int_equal(policy_create(&bench->policy), 0);
	assert_int_equal(traps_create(&bench->traps, bench->policy, 1000, only), 0);
	add(bench, &target);
	add_map(bench, 1, "hot", START);
}

static void start(struct bench *bench, char *const *only)
{
	start_at(bench, only, true);
}

static void stop(struct bench *bench)
{
	traps_free(bench->traps);
	policy_free(bench->policy);
	model_free(bench->model);
}

static void accumulate(struct record_sample *s, const struct second *in)
{
#define ADD_COUNT(name)                                                                            \
	s->total[ST_COUNTER_##name] += (uint64_t)in->name;                                         \
	s->counted[ST_COUNTER_##name] += (uint64_t)in->name;
	ADD_COUNT(misses)
	ADD_COUNT(promotions)
	ADD_COUNT(rebuilds)
	ADD_COUNT(copied)
	ADD_COUNT(retired)
	ADD_COUNT(reclaimed)
#undef ADD_COUNT
	s->new_keys += (uint64_t)in->new_keys;
	s->inserts += (uint64_t)in->inserts;
	s->replaces += (uint64_t)in->replaces;
	s->deletes += (uint64_t)in->deletes;
	s->process_sections += (uint64_t)in->sections;
	s->process_cpu_ns += (uint64_t)(in->cpu_ms * 1e6);
	s->rebuild_ns += (uint64_t)(in->rebuild_ms * 1e6);
	s->lock_wait_ns += (uint64_t)(in->lock_wait_ms * 1e6);
}

static void window(struct bench *bench, const struct second *in, uint64_t length)
{
	struct record record = {.kind = RECORD_SAMPLE};
	struct record_sample *s = &bench->sample;

	accumulate(s, in);
	bench->now += length;
	s->ts_ns = bench->now;
	s->reclaimer_runs += !in->stands;
	s->alive = s->state_ok = !in->gone;
	s->miss_count = (uint64_t)in->miss_count;
	s->threshold = (uint64_t)in->threshold;
	s->read_len = (uint64_t)in->read_len;
	s->dirty_len = (uint64_t)in->dirty_len;
	s->has_dirty = s->amended = in->dirty_len > 0;
	s->dirty_age_ns = (uint64_t)(in->dirty_age_s * 1e9);
	s->backlog = (uint64_t)in->backlog;
	s->oldest_retired_ns = (uint64_t)(in->oldest_s * 1e9);
	record.sample = *s;
	add(bench, &record);
	if (in->stall) {
		record = (struct record){.kind = RECORD_EVENT,
					 .event = {.kind = SMAP_PROBE_stall,
						   .addr = 1,
						   .id = 1,
						   .ts_ns = bench->now,
						   .args = {77, 2 * SECOND}}};
		add(bench, &record);
	}
	for (unsigned i = 0; i < in->events; i++) {
		record = (struct record){.kind = RECORD_EVENT,
					 .event = {.kind = SMAP_PROBE_promote,
						   .addr = 1,
						   .id = 1,
						   .ts_ns = bench->now,
						   .args = {0, 0, 0, 0, in->reason}}};
		add(bench, &record);
	}
	record = (struct record){.kind = RECORD_WINDOW,
				 .window = {.start_ns = bench->now - length, .end_ns = bench->now}};
	add(bench, &record);
	assert_int_equal(traps_window(bench->traps, bench->model), 0);
}

static void seconds(struct bench *bench, const struct second *in, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		window(bench, in, SECOND);
}

static size_t found(const struct bench *bench)
{
	size_t count;

	(void)traps_findings(bench->traps, &count);
	return count;
}

static const struct finding *finding(const struct bench *bench, size_t i)
{
	size_t count;
	const struct finding *all = traps_findings(bench->traps, &count);

	assert_true(i < count);
	return &all[i];
}

static inline double evidence(const struct finding *finding, const char *name)
{
	for (size_t i = 0; i < finding->evidence_count; i++)
		if (strcmp(finding->evidence[i].name, name) == 0)
			return finding->evidence[i].value;
	fail_msg("no evidence %s", name);
	return 0;
}

static inline void expect_none(const struct second *in, unsigned count)
{
	struct bench bench;

	start(&bench, NULL);
	seconds(&bench, in, count);
	assert_int_equal(found(&bench), 0);
	stop(&bench);
}

#endif
