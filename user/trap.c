/* SPDX-License-Identifier: MIT */
/*
 * trap.c - see trap.h. Model: per map one `watch`, which has what all detectors
 * remember (trap_past) and per trap a row of bits, one per window, newest first:
 * did the condition hold? A finding is raised when `raise` of the last `of` bits
 * are set, and ends when the last `clear` are not.
 *
 * Watches and model maps are both in order of appearance, so that one walk over
 * both brings new maps in and lets forgotten ones go.
 *
 * Not judged, and no bit: the first window of a map that was there before us, one in
 * which the state page could not be read, and one of less than half the nominal length
 * (the last one often is): its figures are of a moment. A window longer than nominal
 * (we got no CPU) is judged by its rates.
 */
#include "trap.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "budget.h"
#include "trap_past.h"

#define TALLIES_MAX (4 * (TRAP_COUNT + BUDGET_COUNT)) /* by severity */
#define TRAP_COUNT (sizeof(trap_table) / sizeof(trap_table[0]) - 1)

const struct trap *const trap_table[] = {
#define TRAP_ENTRY(name) &trap_##name,
	TRAPS(TRAP_ENTRY)
#undef TRAP_ENTRY
		NULL,
};

/* The strings and numbers of a finding, which points here. */
struct found {
	size_t at; /* the finding's index */
	struct evidence evidence[TRAP_EVIDENCE_MAX];
	char remedy[TRAP_REMEDY_MAX];
	char name[SMAP_NAME_LEN];
	char comm[16];
	struct stack_cost stack;
};

struct row {
	uint64_t bits;
	unsigned kind;
	uint64_t since_ns;   /* of the present run of windows */
	struct found *found; /* the one that holds, or NULL */
	bool cut;	     /* one holds for which there is no room; it is counted once */
};

struct watch {
	unsigned order; /* of the model map */
	struct trap_past past;
	struct row row[TRAP_COUNT];
	double peak_promotions;		/* per second, of the busiest window */
	bool over_budget[BUDGET_COUNT]; /* has been said */
};

struct traps {
	const struct policy *policy;
	unsigned interval_ms;
	bool on[TRAP_COUNT];
	bool stalls; /* in this window */
	struct watch *watch;
	size_t watch_count;
	struct finding *finding;
	struct found **found;
	size_t finding_count, first_new, room;
	uint64_t cut;
	bool make_room;
	struct finding_tally forgotten[TALLIES_MAX];
	size_t forgotten_count;
};

const struct trap *trap_find(const char *name)
{
	for (size_t i = 0; trap_table[i]; i++)
		if (strcmp(trap_table[i]->name, name) == 0)
			return trap_table[i];
	return NULL;
}

/* --- findings ------------------------------------------------------------- */

/* Room for one more. */
static int grow_findings(struct traps *traps)
{
	size_t room = traps->room ? 2 * traps->room : 8;
	struct finding *finding;
	struct found **found;

	if (traps->finding_count < traps->room)
		return 0;
	finding = realloc(traps->finding, room * sizeof(*finding));
	if (finding)
		traps->finding = finding;
	found = realloc(traps->found, room * sizeof(struct found *));
	if (found)
		traps->found = found;
	if (!finding || !found)
		return -ENOMEM;
	traps->room = room;
	return 0;
}

/* The finding as this window sees it; who it is about does not change. */
static void fill_finding(struct finding *finding, struct found *found, const struct trap_view *view,
			 const struct verdict *verdict)
{
	memcpy(found->evidence, verdict->evidence, sizeof(found->evidence));
	memcpy(found->remedy, verdict->remedy, sizeof(found->remedy));
	finding->stack =
		trap_find_stack(view, verdict->stacks, &found->stack) ? &found->stack : NULL;
	finding->severity = verdict->severity;
	finding->shape = verdict->shape;
	finding->cost_share = trap_cost_share(view);
	finding->evidence = found->evidence;
	finding->evidence_count = verdict->evidence_count;
	finding->remedy = found->remedy;
}

static void tally(struct traps *traps, const struct finding *finding)
{
	struct finding_tally *at = traps->forgotten, *end = at + traps->forgotten_count;

	while (at < end &&
	       (strcmp(at->trap, finding->trap) != 0 || at->severity != finding->severity))
		at++;
	if (at == end) {
		*at = (struct finding_tally){finding->trap, finding->severity, 0};
		traps->forgotten_count++;
	}
	at->count++;
	traps->cut++;
}

/* The older half of those that are over, but for those of this window. */
static void forget_findings(struct traps *traps)
{
	size_t over = 0, gone = 0, kept = 0;

	for (size_t i = 0; i < traps->first_new; i++)
		over += traps->finding[i].until_ns || traps->finding[i].gone_ns;
	for (size_t i = 0; i < traps->finding_count; i++) {
		const struct finding *finding = &traps->finding[i];

		if (gone < (over + 1) / 2 && (finding->until_ns || finding->gone_ns)) {
			tally(traps, finding);
			free(traps->found[i]);
			gone++;
			continue;
		}
		traps->finding[kept] = *finding;
		traps->found[kept] = traps->found[i];
		traps->found[kept]->at = kept;
		kept++;
	}
	traps->finding_count = kept;
	traps->first_new -= gone;
}

/* The map is there, and this finding is of it. */
static bool is_in(const struct finding *finding, const struct model *model,
		  const struct model_map *map)
{
	return !finding->gone_ns && finding->addr == map->info.key.addr &&
	       finding->id == map->info.key.id &&
	       finding->pid == (int)model_target(model, map->info.key.target)->info.pid;
}

/* row->found is where it is kept; unchanged when there is no room for more. */
static int raise_finding(struct traps *traps, const char *trap, const char *link,
			 const struct trap_view *view, const struct verdict *verdict,
			 struct row *row)
{
	const struct record_target *target =
		&model_target(view->model, view->map->info.key.target)->info;
	struct finding *finding;
	struct found *found;

	if (traps->finding_count == TRAPS_FINDINGS_MAX && traps->make_room)
		forget_findings(traps);
	if (traps->finding_count == TRAPS_FINDINGS_MAX) {
		traps->cut += !row->cut;
		row->cut = true;
		return 0;
	}
	found = calloc(1, sizeof(*found));
	if (!found || grow_findings(traps)) {
		free(found);
		return -ENOMEM;
	}
	memcpy(found->name, view->map->info.name, sizeof(found->name));
	memcpy(found->comm, target->comm, sizeof(found->comm));
	found->at = traps->finding_count++;
	traps->found[found->at] = found;
	finding = &traps->finding[found->at];
	*finding = (struct finding){
		.trap = trap,
		.pid = (int)target->pid,
		.addr = view->map->info.key.addr,
		.id = view->map->info.key.id,
		.name = found->name,
		.comm = found->comm,
		.since_ns = row->since_ns,
		.found_ns = view->model->window.end_ns,
		.link = link,
	};
	fill_finding(finding, found, view, verdict);
	row->found = found;
	return 0;
}

static unsigned count_bits(uint64_t bits, unsigned of)
{
	return (unsigned)__builtin_popcountll(of < 64 ? bits & ((1ULL << of) - 1) : bits);
}

/* Evidence is kept of the window that weighs most: a later, worse one replaces it. */
static void update_finding(struct traps *traps, const struct row *row, const struct trap_view *view,
			   const struct verdict *verdict)
{
	struct finding *finding = &traps->finding[row->found->at];

	if (verdict->severity > finding->severity)
		fill_finding(finding, row->found, view, verdict);
}

/* A finding holds already: is there more to say, or is it over? */
static void follow_finding(struct traps *traps, struct row *row, const struct trap_view *view,
			   const struct verdict *verdict)
{
	if (verdict->holds)
		update_finding(traps, row, view, verdict);
	if (count_bits(row->bits, verdict->clear))
		return;
	traps->finding[row->found->at].until_ns = view->model->window.end_ns;
	row->found = NULL;
}

static void note_verdict(struct row *row, const struct trap_view *view,
			 const struct verdict *verdict)
{
	if (verdict->holds && verdict->kind != row->kind && !row->found) {
		row->bits = 0;
		row->kind = verdict->kind;
	}
	if (verdict->holds && !count_bits(row->bits, verdict->of)) {
		row->since_ns =
			verdict->since_ns ? verdict->since_ns : view->model->window.start_ns;
		row->cut = false;
	}
	row->bits = row->bits << 1 | verdict->holds;
}

/* The latest finding of this trap in this map, or NULL. */
static struct finding *latest(const struct traps *traps, const char *trap,
			      const struct trap_view *view)
{
	for (size_t i = traps->finding_count; i-- > 0;)
		if (traps->finding[i].trap == trap &&
		    is_in(&traps->finding[i], view->model, view->map))
			return &traps->finding[i];
	return NULL;
}

/*
 * Held long enough. What began at that very moment and was over goes on: it was quiet only
 * because nobody used the map meanwhile.
 */
static int raise_or_go_on(struct traps *traps, const struct trap *trap, struct row *row,
			  const struct trap_view *view, const struct verdict *verdict)
{
	uint64_t near_ns = (uint64_t)traps->interval_ms * 1000000 / 2;
	struct finding *before = verdict->since_ns ? latest(traps, trap->name, view) : NULL;

	if (before && before->until_ns && row->since_ns + near_ns >= before->since_ns &&
	    before->since_ns + near_ns >= row->since_ns) {
		row->found = traps->found[before - traps->finding];
		before->until_ns = 0;
		update_finding(traps, row, view, verdict);
		return 0;
	}
	return raise_finding(traps, trap->name, trap->link, view, verdict, row);
}

static int judge(struct traps *traps, const struct trap *trap, struct row *row,
		 const struct trap_view *view)
{
	enum finding_severity most = *(const enum finding_severity *)((const char *)view->limits +
								      trap->severity_offset);
	struct verdict verdict = {0};

	if (most == FINDING_OFF)
		return 0;
	trap->judge(view, &verdict);
	if (verdict.severity > most)
		verdict.severity = most;
	note_verdict(row, view, &verdict);
	if (row->found)
		follow_finding(traps, row, view, &verdict);
	else if (verdict.holds && count_bits(row->bits, verdict.of) >= verdict.raise)
		return raise_or_go_on(traps, trap, row, view, &verdict);
	return 0;
}

/* --- windows -------------------------------------------------------------- */

/* Of a map that was there before us the first window has no rates: they are differences. */
static bool rates_known(const struct watch *watch, const struct model *model,
			const struct model_map *map)
{
	const struct record_target *target = &model_target(model, map->info.key.target)->info;

	return watch->past.windows || target->from_start ||
	       map->info.created_ns >= target->start_ns;
}

static bool worth_judging(const struct traps *traps, const struct model_map *map)
{
	return map->in_window && map->alive && map->state_ok && map->window.ns &&
	       map->window.ns >= (uint64_t)traps->interval_ms * 1000000 / 2;
}

static int judge_map(struct traps *traps, struct watch *watch, const struct model *model,
		     const struct model_map *map)
{
	double nominal = traps->interval_ms * 1e6, actual = (double)map->window.ns;
	const struct trap_view view = {
		.model = model,
		.map = map,
		.limits = policy_limits(traps->policy, map->info.name),
		.past = &watch->past,
		.scale = actual > nominal ? nominal / actual : 1,
	};
	int err = 0;

	trap_past_before(&watch->past, &view, traps->stalls);
	for (size_t i = 0; trap_table[i] && !err; i++)
		if (traps->on[i] && rates_known(watch, model, map))
			err = judge(traps, trap_table[i], &watch->row[i], &view);
	trap_past_after(&watch->past, &view);
	return err;
}

/* Also of maps that ended in this window: a budget is of a map's whole life. */
static int judge_budgets(struct traps *traps, struct watch *watch, const struct model *model,
			 const struct model_map *map)
{
	const struct trap_view view = {
		.model = model, .map = map, .limits = policy_limits(traps->policy, map->info.name)};
	struct budget_use use[BUDGET_COUNT];
	double rate = trap_per_second(map->window.count[ST_COUNTER_promotions], map->window.ns);
	int err = 0;

	if (map->window.ns >= (uint64_t)traps->interval_ms * 1000000 / 2 &&
	    rate > watch->peak_promotions)
		watch->peak_promotions = rate;
	if (!budget_any(view.limits))
		return 0;
	budget_use(map, view.limits, watch->peak_promotions, use);
	for (size_t i = 0; i < BUDGET_COUNT && !err; i++) {
		struct row row = {.since_ns = model->window.start_ns};
		struct verdict verdict = {0};

		if (watch->over_budget[i] || !budget_exceeded(&use[i], &verdict))
			continue;
		watch->over_budget[i] = true;
		err = raise_finding(traps, use[i].finding, "docs/policy.md#budgets", &view,
				    &verdict, &row);
	}
	return err;
}

/* The map is gone, and so is what was found in it. */
static void end_map(struct traps *traps, struct watch *watch, const struct model *model,
		    const struct model_map *map)
{
	for (size_t i = 0; i < TRAP_COUNT; i++)
		watch->row[i].found = NULL;
	for (size_t i = 0; i < traps->finding_count; i++)
		if (is_in(&traps->finding[i], model, map))
			traps->finding[i].gone_ns = model->window.end_ns;
}

/* One watch for each map of the model, in its order. */
static int follow_maps(struct traps *traps, const struct model *model)
{
	struct watch *watch;
	size_t same = 0, old = 0;

	while (same < model->map_count && same < traps->watch_count &&
	       traps->watch[same].order == model->maps[same]->order)
		same++;
	if (same == model->map_count && same == traps->watch_count)
		return 0; /* as in most windows */
	watch = calloc(model->map_count + 1, sizeof(*watch));
	if (!watch)
		return -ENOMEM;
	for (size_t i = 0; i < model->map_count; i++) {
		const struct model_map *map = model->maps[i];

		while (old < traps->watch_count && traps->watch[old].order < map->order)
			old++;
		if (old < traps->watch_count && traps->watch[old].order == map->order)
			watch[i] = traps->watch[old];
		else
			watch[i] = (struct watch){.order = map->order};
	}
	free(traps->watch);
	traps->watch = watch;
	traps->watch_count = model->map_count;
	return 0;
}

int traps_window(struct traps *traps, const struct model *model)
{
	int err = follow_maps(traps, model);

	traps->first_new = traps->finding_count;
	traps->stalls = trap_past_stalls(model);
	for (size_t i = 0; i < model->map_count && !err; i++) {
		if (worth_judging(traps, model->maps[i]))
			err = judge_map(traps, &traps->watch[i], model, model->maps[i]);
		if (!err && model->maps[i]->in_window)
			err = judge_budgets(traps, &traps->watch[i], model, model->maps[i]);
		if (model->maps[i]->in_window && !model->maps[i]->alive)
			end_map(traps, &traps->watch[i], model, model->maps[i]);
	}
	return err;
}

/* --- the rest ------------------------------------------------------------- */

static bool wanted(const struct trap *trap, char *const *only)
{
	if (!only)
		return true;
	for (; *only; only++)
		if (strcmp(*only, trap->name) == 0)
			return true;
	return false;
}

int traps_create(struct traps **ret_traps, const struct policy *policy, unsigned interval_ms,
		 char *const *only)
{
	struct traps *created = calloc(1, sizeof(*created));

	if (!created)
		return -ENOMEM;
	created->policy = policy;
	created->interval_ms = interval_ms;
	for (size_t i = 0; i < TRAP_COUNT; i++)
		created->on[i] = wanted(trap_table[i], only);
	*ret_traps = created;
	return 0;
}

void traps_free(struct traps *traps)
{
	if (!traps)
		return;
	for (size_t i = 0; i < traps->finding_count; i++)
		free(traps->found[i]);
	free(traps->found);
	free(traps->finding);
	free(traps->watch);
	free(traps);
}

const struct finding *traps_findings(const struct traps *traps, size_t *ret_count)
{
	*ret_count = traps->finding_count;
	return traps->finding;
}

size_t traps_first_new(const struct traps *traps)
{
	return traps->first_new;
}

uint64_t traps_cut(const struct traps *traps)
{
	return traps->cut;
}

void traps_make_room(struct traps *traps)
{
	traps->make_room = true;
}

const struct finding_tally *traps_forgotten(const struct traps *traps, size_t *ret_count)
{
	*ret_count = traps->forgotten_count;
	return traps->forgotten;
}
