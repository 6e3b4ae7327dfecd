/* SPDX-License-Identifier: MIT */
/*
 * report.c - see report.h. Model: a report is a sorted view of the model, built in
 * one go and freed in one go. Numbers are copied, histograms and strings
 * borrowed: they are the bulk, and the model does not change while outputs run.
 */
#include "report.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

/* The report and what belongs to it, so that the public struct is const all through. */
struct owned {
	struct report report;
	struct report_target *targets;
	struct report_map *maps;
	struct stack_cost *stacks; /* of all maps */
};

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ULL + (uint64_t)ts.tv_nsec;
}

void report_meta_now(struct report_meta *ret_meta, const char *version)
{
	struct utsname uts;

	*ret_meta = (struct report_meta){.version = version};
	ret_meta->start_ns = clock_ns(CLOCK_MONOTONIC);
	ret_meta->start_unix_ns = clock_ns(CLOCK_REALTIME);
	if (uname(&uts) == 0) {
		snprintf(ret_meta->kernel, sizeof(ret_meta->kernel), "%.64s %.60s", uts.release,
			 uts.machine);
		snprintf(ret_meta->hostname, sizeof(ret_meta->hostname), "%.64s", uts.nodename);
	}
}

/* As in smap.h, which this program may not include; a test compares. */
static const char *const key_kinds[] = {"bytes", "u64"};
static const char *const policies[] = {
#define POLICY_NAME(upper, name) name,
	SMAP_POLICIES(POLICY_NAME)
#undef POLICY_NAME
};

#define NAME_OF(table, i) ((i) < sizeof(table) / sizeof((table)[0]) ? (table)[i] : "unknown")

/* Threads that hang at its lock: nothing happens to it, but it is not idle. */
static bool any_off_cpu(const struct model_map *map, bool whole)
{
	for (unsigned i = 0; i < ST_OFFCPU_COUNT; i++) {
		const struct hist *hist = model_hist(map, ST_HIST_offcpu_wait + i, whole);

		if (hist && hist->sum)
			return true;
	}
	return false;
}

static void fill_map(struct report_map *out, enum report_kind kind, const struct model *model,
		     const struct model_map *map)
{
	const struct record_target *target = &model->targets[map->info.key.target].info;
	const struct hist *hists = !map->hists		? NULL
				   : kind == REPORT_END ? map->hists->traced
							: map->hists->window;

	*out = (struct report_map){
		.pid = (int)target->pid,
		.comm = target->comm,
		.name = map->info.name,
		.addr = map->info.key.addr,
		.id = map->info.key.id,
		.number = map->order,
		.is_new = kind == REPORT_WINDOW && map->since_window + 1 == model->window_count,
		.alive = map->alive,
		.state_ok = map->state_ok,
		.key_kind = NAME_OF(key_kinds, map->info.key_kind),
		.policy = NAME_OF(policies, map->info.policy),
		.now = map->now,
		.window = kind == REPORT_END ? map->whole : map->window,
		.hists = hists,
		.hists_empty = hists && kind != REPORT_END ? ~map->hists->in_window : 0,
		.miss_debt = model_miss_debt(&map->now),
	};
	memcpy(out->total, map->total, sizeof(out->total));
	memcpy(out->traced, map->traced, sizeof(out->traced));
	memcpy(out->uncounted, map->uncounted, sizeof(out->uncounted));
	memcpy(out->missing, map->missing, sizeof(out->missing));
	out->estimated = map->estimated;
	out->promotion_in_s = model_promotion_in_s(&map->now, &out->window);
	out->active = model_active(&out->window) || any_off_cpu(map, kind == REPORT_END);
	out->cost_share = model_cost_share(model, map, kind == REPORT_END);
}

static int compare_stacks(const void *left, const void *right)
{
	const struct stack_cost *a = left, *b = right;

	if (a->kind != b->kind)
		return a->kind < b->kind ? -1 : 1;
	return stack_compare(a, b);
}

/* At `stacks`; returns how many. */
static size_t fill_stacks(struct report_map *out, enum report_kind kind,
			  const struct model_map *map, struct stack_cost *stacks)
{
	size_t count = 0;

	for (size_t i = 0; i < map->site_count; i++)
		if (model_site_cost(&map->sites[i], kind == REPORT_END, &stacks[count]))
			count++;
	qsort(stacks, count, sizeof(*stacks), compare_stacks);
	out->stacks = stacks;
	out->stack_count = count;
	return count;
}

static int compare_maps(const void *left, const void *right)
{
	const struct report_map *a = left, *b = right;

	if (a->pid != b->pid)
		return a->pid < b->pid ? -1 : 1;
	if (a->addr != b->addr)
		return a->addr < b->addr ? -1 : 1;
	return a->id < b->id ? -1 : a->id > b->id;
}

static size_t fill_maps(struct owned *owned, enum report_kind kind, const struct model *model)
{
	struct report_map *maps = owned->maps;
	struct stack_cost *stacks = owned->stacks;
	size_t count = 0;

	for (size_t i = 0; i < model->map_count; i++) {
		const struct model_map *map = model->maps[i];

		/* One that was announced but never sampled has nothing to say yet. */
		if (!map->sampled || (kind != REPORT_END && !map->in_window))
			continue;
		fill_map(&maps[count], kind, model, map);
		stacks += fill_stacks(&maps[count++], kind, map, stacks);
	}
	qsort(maps, count, sizeof(*maps), compare_maps);
	return count;
}

/* There may be any number of them, and nobody will ask at the end. */
static bool told_already(const struct model *model, const struct model_target *target)
{
	return model->no_summary && target->ended && target->ended_window + 1 < model->window_count;
}

static size_t fill_targets(struct report_target *targets, enum report_kind kind,
			   const struct model *model)
{
	size_t count = 0;

	for (size_t i = 0; i < model->target_count; i++) {
		const struct model_target *target = &model->targets[i];

		if (!target->known || (kind == REPORT_WINDOW && told_already(model, target)))
			continue;
		targets[count++] = (struct report_target){
			.pid = (int)target->info.pid,
			.comm = target->info.comm,
			.file = target->info.file,
			.from_start = target->info.from_start,
			.is_new = kind == REPORT_WINDOW &&
				  target->since_window + 1 == model->window_count,
			.ended = target->ended,
			.exit_known = target->ended && target->end.exit_known,
			.status = target->end.status,
		};
	}
	return count;
}

static size_t count_sites(const struct model *model)
{
	size_t count = 0;

	for (size_t i = 0; i < model->map_count; i++)
		count += model->maps[i]->site_count;
	return count;
}

static void fill_time(struct report *report, const struct model *model)
{
	bool whole = report->kind == REPORT_END;

	report->end_ns = model->window.end_ns;
	report->start_ns = whole ? report->meta->start_ns : model->window.start_ns;
	if (report->end_ns < report->start_ns)
		report->end_ns = report->start_ns;
	report->window_count = model->window_count;
	report->last = model->window.last;
	report->events_seen = model->events_seen;
	report->events_cut = model_events_cut(model);
}

int report_create(struct report **ret_report, enum report_kind kind, const struct model *model,
		  const struct report_meta *meta)
{
	struct owned *owned = calloc(1, sizeof(*owned));
	struct report *report;

	if (!owned)
		return -ENOMEM;
	report = &owned->report;
	/* One more than needed: malloc(0) may be NULL. */
	owned->targets = calloc(model->target_count + 1, sizeof(*owned->targets));
	owned->maps = calloc(model->map_count + 1, sizeof(*owned->maps));
	owned->stacks = calloc(count_sites(model) + 1, sizeof(*owned->stacks));
	if (!owned->targets || !owned->maps || !owned->stacks) {
		report_free(report);
		return -ENOMEM;
	}
	report->kind = kind;
	report->meta = meta;
	report->model = model;
	report->fail_on = FINDING_WARNING;
	fill_time(report, model);
	report->targets = owned->targets;
	report->target_slots = model->target_count;
	report->target_count = fill_targets(owned->targets, kind, model);
	report->maps = owned->maps;
	report->map_count = fill_maps(owned, kind, model);
	report->losses = model->losses;
	report->loss_count = model->loss_count;
	for (size_t i = 0; i < model->loss_count; i++)
		report->lost += model->losses[i].count;
	report->audit = model->overhead.audit;
	if (report_fill_overhead(&report->overhead, model, kind == REPORT_END,
				 report_seconds(report))) {
		report_free(report);
		return -ENOMEM;
	}
	*ret_report = report;
	return 0;
}

void report_set_findings(struct report *report, const struct finding *known, size_t count,
			 size_t first_new)
{
	size_t first = report->kind == REPORT_END ? 0 : first_new;

	report->known = known;
	report->known_count = count;
	report->findings = known ? known + first : NULL;
	report->finding_count = count - first;
}

uint64_t report_unjudged(const struct report *report)
{
	uint64_t count = report->lost;

	for (size_t i = 0; i < report->loss_count; i++)
		if (strcmp(report->losses[i].name, MODEL_LOSS_ENDED) == 0)
			count -= report->losses[i].count;
	return count;
}

size_t report_event_count(const struct report *report)
{
	return report->kind == REPORT_WINDOW ? model_event_count(report->model) : 0;
}

bool report_event(const struct report *report, size_t i, struct report_event *ret_event)
{
	const struct st_event *event = model_event(report->model, i);
	const struct st_key key = {.target = event->target, .addr = event->addr, .id = event->id};
	const struct model_map *map = model_find(report->model, &key);

	if (!map || event->kind >= SMAP_PROBE_COUNT)
		return false;
	*ret_event = (struct report_event){
		.kind = (enum smap_probe)event->kind,
		.ts_ns = event->ts_ns,
		.pid = (int)report->model->targets[event->target].info.pid,
		.tid = event->tid,
		.map_number = map->order,
		.map_name = map->info.name,
		.addr = event->addr,
		.id = event->id,
		.args = event->args,
	};
	return true;
}

void report_free(struct report *report)
{
	struct owned *owned = (struct owned *)report; /* its first member */

	if (!owned)
		return;
	free(owned->targets);
	free(owned->maps);
	free(owned->stacks);
	free(owned);
}

const char *report_severity(enum finding_severity severity)
{
	static const char *const names[] = {"off", "notice", "warning", "error"};

	return NAME_OF(names, (size_t)severity);
}

double report_seconds(const struct report *report)
{
	uint64_t ns = report->end_ns - report->start_ns;

	return ns > 0 ? (double)ns / 1e9 : 1e-9;
}

uint64_t report_unix_ns(const struct report_meta *meta, uint64_t ns)
{
	return meta->start_unix_ns + (ns - meta->start_ns); /* also right for earlier moments */
}

const struct hist *report_hist(const struct report_map *map, enum st_hist which, struct hist *room)
{
	if (map->packed_hists)
		return hist_unpack(map->packed_hists, which, room) ? room : NULL;
	if (!map->hists || map->hists_empty & 1U << which || hist_empty(&map->hists[which]))
		return NULL;
	return &map->hists[which];
}

uint64_t report_activity(const struct report_map *map)
{
	const uint64_t *count = map->window.count;

	return count[ST_COUNTER_misses] + count[ST_COUNTER_promotions] +
	       count[ST_COUNTER_rebuilds] + count[ST_COUNTER_retired] +
	       count[ST_COUNTER_reclaimed] + model_writes(&map->window);
}
