/* SPDX-License-Identifier: MIT */
/*
 * trap_write_starvation.c - writers keep clean-up from running (docs/traps.md). Three
 * conditions, of which an earlier one goes before:
 *
 * - the backlog of retired memory grows while writes go on, less than freed_share of
 *   what was retired comes back, and the oldest item waits for min_age_s. A reader
 *   that the map itself reported (probe `stall`) is to blame, else the reclaimer.
 * - or the reclaimer made no round at all, though values went out of the map: then the
 *   backlog is not even counted.
 * - deleted entries stay listed, more of them in every window, because neither a
 *   promotion nor a rebuild comes to drop them (trap_past.retained).
 */
#include "trap.h"

#include <inttypes.h>

#define NS 1e9
#define STALL_RECENT_NS 3000000000ULL /* a reader still inside is reported every second */
#define RETAINED_WARNING 0.1	      /* of the entries listed; fewer are a notice */

#define STANDING_SHARE 0.1 /* of the backlog, what came to it since: growing */

static const char by_reader[] = "a reader does not leave its section";
static const char by_reclaimer[] = "the reclaimer does not get to run";
static const char by_nobody[] = "deleted entries that nothing sweeps";

static bool backlog_grows(const struct trap_view *view)
{
	const struct write_starvation_limits *lim = &view->limits->write_starvation;
	const struct model_map *map = view->map;
	double retired = (double)map->window.count[ST_COUNTER_retired];

	return view->past->windows && map->now.backlog > view->past->before.backlog &&
	       model_writes(&map->window) &&
	       (double)map->window.count[ST_COUNTER_reclaimed] < lim->freed_share * retired &&
	       (double)map->now.oldest_retired_ns >= lim->min_age_s * NS;
}

/*
 * The reclaimer itself counts what is retired, so that of one that does not run at all
 * nothing is known but that: values went out of the map, and it made no round. Nor does it while
 * it frees a burst of values, which takes its time: then few came since, beside what it has.
 */
static bool reclaimer_stands(const struct trap_view *view)
{
	const struct model_map *map = view->map;

	return view->past->windows && (map->info.flags & SMAP_STATE_FREES) &&
	       map->window.rate.replaces + map->window.rate.deletes &&
	       !map->window.count[ST_COUNTER_reclaimed] &&
	       (double)view->past->left >= STANDING_SHARE * (double)map->now.backlog &&
	       map->now.reclaimer_runs == view->past->before.reclaimer_runs;
}

static bool reader_stalls(const struct trap_view *view)
{
	const struct trap_past *past = view->past;

	return past->stall_ns && past->stall_ns + STALL_RECENT_NS >= view->model->window.end_ns;
}

static void say_backlog(const struct trap_view *view, struct verdict *v)
{
	const struct write_starvation_limits *lim = &view->limits->write_starvation;
	const struct model_map *map = view->map;
	const uint64_t *count = map->window.count;
	bool reader = reader_stalls(view);

	v->shape = reader ? by_reader : by_reclaimer;
	verdict_add(v, "backlog", (double)map->now.backlog, ">", (double)view->past->before.backlog,
		    "items");
	verdict_add(v, "reclaimed", (double)count[ST_COUNTER_reclaimed], "<",
		    lim->freed_share * (double)count[ST_COUNTER_retired], "items");
	verdict_add(v, "oldest_retired_s", (double)map->now.oldest_retired_ns / NS,
		    ">=", lim->min_age_s, "s");
	verdict_add(v, "retired", (double)count[ST_COUNTER_retired], NULL, 0, "items");
	verdict_add(v, "writes", (double)model_writes(&map->window), NULL, 0, "");
	if (!reader) {
		verdict_remedy(v,
			       "No reader is reported inside: give the process CPU time. Its "
			       "reclaimer thread frees %" PRIu64 " items once it runs.",
			       (uint64_t)map->now.backlog);
		return;
	}
	v->stacks = TRAP_STACK(stall);
	verdict_add(v, "reader_thread", (double)view->past->stall_thread, NULL, 0, "");
	verdict_add(v, "reader_inside_s", (double)view->past->stall_age_ns / NS, NULL, 0, "s");
	verdict_remedy(v,
		       "Thread %" PRIu64 " has been between smap_read_lock() and "
		       "smap_read_unlock() for %.1f s: leave the section before anything that "
		       "waits, and take what you need out of the value first. `gdb -p %" PRIu32
		       "` shows where it is.",
		       view->past->stall_thread, (double)view->past->stall_age_ns / NS,
		       model_target(view->model, map->info.key.target)->info.pid);
}

/* Deleted entries that are listed now; a lower bound while a dirty exists. */
static double retained_now(const struct trap_view *view)
{
	const struct model_map *map = view->map;
	double listed = (double)(map->now.read_len > map->now.dirty_len ? map->now.read_len
									: map->now.dirty_len);
	double live = (double)map->life.inserts - (double)map->life.deletes;
	double grown = (double)view->past->retained;

	return listed - live > grown ? listed - live : grown;
}

static void say_retained(const struct trap_view *view, struct verdict *v)
{
	const struct model_map *map = view->map;
	double retained = retained_now(view);

	v->shape = by_nobody;
	v->severity = retained >= RETAINED_WARNING * (double)map->now.read_len ? FINDING_WARNING
									       : FINDING_NOTICE;
	verdict_add(v, "retained_more", (double)view->past->retained, ">", 0, "entries");
	verdict_add(v, "retained", retained, NULL, 0, "entries");
	verdict_add(v, "deletes", (double)map->window.rate.deletes, NULL, 0, "");
	verdict_add(v, "promotions", 0, "==", 0, "");
	verdict_add(v, "rebuilds", 0, "==", 0, "");
	verdict_add(v, "read_len", (double)map->now.read_len, NULL, 0, "entries");
	verdict_remedy(
		v,
		"About %.0f deleted entries keep their slots and keys until the next rebuild, "
		"and none comes: after a purge call smap_range() and store one new key, or "
		"smap_clear() and store what stays; .flags = SMAP_GROW_PROMOTES lets growth "
		"drop them.",
		retained);
}

static void say_standing(const struct trap_view *view, struct verdict *v)
{
	const struct model_map *map = view->map;

	v->shape = by_reclaimer;
	verdict_add(v, "reclaimer_runs", 0, "==", 0, "in this window");
	verdict_add(v, "reclaimed", 0, "==", 0, "items");
	verdict_add(v, "replaced_or_deleted",
		    (double)(map->window.rate.replaces + map->window.rate.deletes), ">", 0,
		    "values");
	verdict_add(v, "oldest_retired_s", (double)map->now.oldest_retired_ns / NS, NULL, 0, "s");
	verdict_add(v, "backlog", (double)map->now.backlog, NULL, 0, "items");
	verdict_remedy(v,
		       "The thread smap-reclaim of process %" PRIu32 " made no round: give it CPU "
		       "time, and let value_free return soon: it runs there, and whatever it waits "
		       "for keeps all memory that the maps of the process let go.",
		       model_target(view->model, map->info.key.target)->info.pid);
}

static void judge(const struct trap_view *view, struct verdict *v)
{
	const struct write_starvation_limits *lim = &view->limits->write_starvation;

	v->raise = (unsigned)lim->raise;
	v->of = (unsigned)lim->of;
	v->clear = (unsigned)lim->clear;
	if (backlog_grows(view)) {
		v->holds = true;
		v->severity = FINDING_WARNING;
		say_backlog(view, v);
	} else if (reclaimer_stands(view)) {
		v->holds = true;
		v->severity = FINDING_WARNING;
		say_standing(view, v);
	} else if (view->past->retained && !trap_promotes_periodically(view)) {
		v->holds = true;
		v->kind = 1;
		v->raise = v->of = (unsigned)lim->retained_windows;
		say_retained(view, v);
	}
}

const struct trap trap_write_starvation = {
	.name = "write-starvation",
	.summary = "Writers keep clean-up from running: what was deleted stays in memory.",
	.link = "docs/traps.md#write-starvation",
	.judge = judge,
	.severity_offset = offsetof(struct limits, severity.write_starvation),
};
