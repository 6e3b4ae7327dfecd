/* SPDX-License-Identifier: MIT */
/*
 * history.c - see history.h. Model: an array of points used as a ring, and per map one array
 * of values with the same slots, so that a map costs two allocations in its life and nothing
 * is searched when a window comes: reports and the list of maps have the same order.
 *
 *	point   0 (oldest) ... count-1        slot = (first + point) % capacity
 *
 * With `decimate` first stays 0, the newest point takes windows until it has `per`.
 * A last window is often a moment long, and its rates say little: when it is shorter than
 * half of an interval it is folded into the point before.
 */
#include "history.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "history_sample.h"

struct history {
	struct history_options opts;
	size_t capacity;
	struct history_point *points;
	size_t first, count;
	unsigned per; /* windows in a full point */
	uint64_t windows;
	struct history_map **maps; /* sorted */
	size_t map_count;
	uint64_t cut;
};

/* --- life ------------------------------------------------------------------- */

int history_create(struct history **ret_history, const struct history_options *opts)
{
	struct history *history = calloc(1, sizeof(*history));

	if (!history)
		return -ENOMEM;
	history->opts = *opts;
	if (!history->opts.points)
		history->opts.points = HISTORY_POINTS_DEFAULT;
	if (!history->opts.max_maps)
		history->opts.max_maps = HISTORY_MAPS_DEFAULT;
	history->capacity = (history->opts.points + 1) & ~(size_t)1;
	history->per = 1;
	history->points = calloc(history->capacity, sizeof(*history->points));
	if (!history->points) {
		history_free(history);
		return -ENOMEM;
	}
	*ret_history = history;
	return 0;
}

static void map_free(struct history_map *map)
{
	if (!map)
		return;
	free(map->values);
	free(map->sizes);
	free(map);
}

void history_free(struct history *history)
{
	if (!history)
		return;
	for (size_t i = 0; i < history->map_count; i++)
		map_free(history->maps[i]);
	free(history->maps);
	free(history->points);
	free(history);
}

/* The figures of a slot: next to each other, because a window touches one slot of each map. */
static float *figures_of(const struct history_map *map, size_t slot)
{
	return map->values + slot * HISTORY_FIGURE_COUNT;
}

static void clear_slot(struct history_map *map, size_t slot)
{
	for (size_t f = 0; f < HISTORY_FIGURE_COUNT; f++)
		figures_of(map, slot)[f] = NAN;
	if (map->sizes)
		memset(map->sizes + slot * HISTORY_SIZE_SLOTS, 0,
		       HISTORY_SIZE_SLOTS * sizeof(*map->sizes));
}

static struct history_map *map_new(const struct history *history, const struct report_map *from)
{
	struct history_map *map = calloc(1, sizeof(*map));

	if (!map)
		return NULL;
	map->values = calloc(history->capacity * HISTORY_FIGURE_COUNT, sizeof(*map->values));
	if (!map->values) {
		map_free(map);
		return NULL;
	}
	map->pid = from->pid;
	map->addr = from->addr;
	map->id = from->id;
	for (size_t slot = 0; slot < history->capacity; slot++)
		clear_slot(map, slot);
	return map;
}

/* --- folding ---------------------------------------------------------------- */

static double span(const struct history_point *point)
{
	return (double)(point->end_ns - point->start_ns);
}

static uint32_t add_capped(uint32_t a, uint64_t b)
{
	return b > UINT32_MAX - a ? UINT32_MAX : a + (uint32_t)b;
}

/* Slots 2i and 2i+1 become slot i. Needs first == 0. */
static void halve_map(const struct history *history, struct history_map *map)
{
	size_t half = history->capacity / 2;

	for (size_t i = 0; i < half; i++) {
		const struct history_point *points = &history->points[2 * i];
		const float *from = figures_of(map, 2 * i);

		for (size_t f = 0; f < HISTORY_FIGURE_COUNT; f++)
			figures_of(map, i)[f] =
				history_fold(history_info[f].fold, from[f], span(&points[0]),
					     from[HISTORY_FIGURE_COUNT + f], span(&points[1]));
	}
	for (size_t i = 0; map->sizes && i < half * HISTORY_SIZE_SLOTS; i++) {
		size_t slot = i / HISTORY_SIZE_SLOTS, size = i % HISTORY_SIZE_SLOTS;
		const uint32_t *from = map->sizes + 2 * slot * HISTORY_SIZE_SLOTS + size;

		map->sizes[i] = add_capped(from[0], from[HISTORY_SIZE_SLOTS]);
	}
}

static void halve(struct history *history)
{
	for (size_t i = 0; i < history->map_count; i++)
		halve_map(history, history->maps[i]);
	for (size_t i = 0; i < history->capacity / 2; i++) {
		const struct history_point *pair = &history->points[2 * i];

		history->points[i] = (struct history_point){
			.start_ns = pair[0].start_ns,
			.end_ns = pair[1].end_ns,
			.windows = pair[0].windows + pair[1].windows,
		};
	}
	history->count = history->capacity / 2;
	history->per *= 2;
}

/* --- a window --------------------------------------------------------------- */

static int add_sizes(const struct history *history, struct history_map *map, size_t slot,
		     const struct hist *promotions)
{
	uint32_t *sizes;

	if (!map->sizes)
		map->sizes = calloc(history->capacity * HISTORY_SIZE_SLOTS, sizeof(*map->sizes));
	if (!map->sizes)
		return -ENOMEM;
	sizes = map->sizes + slot * HISTORY_SIZE_SLOTS;
	for (size_t i = 0; i < SMAP_HIST_SLOTS; i++) {
		size_t to = i < HISTORY_SIZE_SLOTS ? i : HISTORY_SIZE_SLOTS - 1;

		sizes[to] = add_capped(sizes[to], promotions->slots[i]);
	}
	return 0;
}

/* The window into the slot, which holds `before` ns already. */
static int add_sample(struct history *history, struct history_map *map,
		      const struct report_map *from, size_t slot, double before, double ns)
{
	const struct history_sample sample = history_sample(from);

	for (size_t f = 0; f < HISTORY_FIGURE_COUNT; f++) {
		float *value = &figures_of(map, slot)[f];

		*value = history_fold(history_info[f].fold, *value, before, sample.value[f], ns);
	}
	/* The name of a map that was met halfway may come later. */
	snprintf(map->name, sizeof(map->name), "%.*s", SMAP_NAME_LEN, from->name);
	snprintf(map->comm, sizeof(map->comm), "%.16s", from->comm ? from->comm : "");
	map->alive = from->alive;
	map->last_seen = history->windows;
	if (isnan(sample.value[HISTORY_promotion_size]) || !history->opts.sizes)
		return 0;
	return add_sizes(history, map, slot, &sample.promotions);
}

/* Maps that are not in the window get the time that passed, too. */
static void pass_time(struct history_map *map, size_t slot, double before, double ns)
{
	for (size_t f = 0; f < HISTORY_FIGURE_COUNT; f++) {
		float *value = &figures_of(map, slot)[f];

		*value = history_fold(history_info[f].fold, *value, before, NAN, ns);
	}
	map->alive = false;
}

/* --- the list of maps ------------------------------------------------------- */

static int compare(int pid, uint64_t addr, uint64_t id, const struct history_map *map)
{
	if (pid != map->pid)
		return pid < map->pid ? -1 : 1;
	if (addr != map->addr)
		return addr < map->addr ? -1 : 1;
	return id < map->id ? -1 : id > map->id;
}

/* Nothing of it is on the axis any more; or it has ended and its room is needed. */
static bool dispensable(const struct history *history, const struct history_map *map, bool full)
{
	if (!history->opts.decimate && history->windows - map->last_seen >= history->capacity)
		return true;
	return full && !map->alive;
}

static void drop_maps(struct history *history, bool full)
{
	size_t kept = 0;

	for (size_t i = 0; i < history->map_count; i++) {
		struct history_map *map = history->maps[i];

		if (dispensable(history, map, full))
			map_free(map);
		else
			history->maps[kept++] = map;
	}
	history->map_count = kept;
}

/* How many maps of the report are not in the list. */
static size_t count_new(const struct history *history, const struct report *report)
{
	size_t count = 0, old = 0;

	for (size_t i = 0; i < report->map_count; i++) {
		const struct report_map *map = &report->maps[i];

		while (old < history->map_count &&
		       compare(map->pid, map->addr, map->id, history->maps[old]) > 0)
			old++;
		count += old == history->map_count ||
			 compare(map->pid, map->addr, map->id, history->maps[old]) != 0;
	}
	return count;
}

/* Merge the report's maps into the list: both are sorted. */
static int add_maps(struct history *history, const struct report *report, size_t fresh)
{
	size_t room = history->opts.max_maps - history->map_count, old = 0, count = 0;
	struct history_map **merged;
	int err = 0;

	if (fresh == 0)
		return 0;
	merged = calloc(history->map_count + fresh, sizeof(struct history_map *));
	if (!merged)
		return -ENOMEM;
	for (size_t i = 0; i < report->map_count; i++) {
		const struct report_map *map = &report->maps[i];

		while (old < history->map_count &&
		       compare(map->pid, map->addr, map->id, history->maps[old]) > 0)
			merged[count++] = history->maps[old++];
		if (old < history->map_count &&
		    compare(map->pid, map->addr, map->id, history->maps[old]) == 0)
			continue;
		if (room == 0) {
			history->cut++;
			continue;
		}
		merged[count] = map_new(history, map);
		if (!merged[count]) {
			err = -ENOMEM;
			break;
		}
		count++;
		room--;
	}
	while (old < history->map_count)
		merged[count++] = history->maps[old++];
	free(history->maps);
	history->maps = merged;
	history->map_count = count;
	return err;
}

/* --- adding ----------------------------------------------------------------- */

static bool folds_into_newest(const struct history *history, const struct report *report)
{
	uint64_t ns = report->end_ns - report->start_ns;
	uint64_t half = (uint64_t)report->meta->interval_ms * 500000;

	if (history->count == 0)
		return false;
	if (report->last && ns < half)
		return true;
	return history->opts.decimate && history->points[history->count - 1].windows < history->per;
}

/* The slot of a new, empty point. */
static size_t begin_point(struct history *history, const struct report *report)
{
	size_t slot;

	if (history->count == history->capacity) {
		if (history->opts.decimate) {
			halve(history);
		} else {
			history->first = (history->first + 1) % history->capacity;
			history->count--;
		}
	}
	slot = (history->first + history->count++) % history->capacity;
	for (size_t i = 0; i < history->map_count; i++)
		clear_slot(history->maps[i], slot);
	history->points[slot] =
		(struct history_point){.start_ns = report->start_ns, .end_ns = report->start_ns};
	return slot;
}

static int add_window(struct history *history, const struct report *report, size_t slot)
{
	struct history_point *point = &history->points[slot];
	double before = span(point), ns = (double)(report->end_ns - report->start_ns);
	size_t from = 0;
	int err = 0;

	for (size_t i = 0; i < history->map_count; i++) {
		struct history_map *map = history->maps[i];
		const struct report_map *found;

		while (from < report->map_count &&
		       compare(report->maps[from].pid, report->maps[from].addr,
			       report->maps[from].id, map) < 0)
			from++;
		found = from < report->map_count ? &report->maps[from] : NULL;
		if (!found || compare(found->pid, found->addr, found->id, map) != 0)
			pass_time(map, slot, before, ns);
		else if (add_sample(history, map, found, slot, before, ns))
			err = -ENOMEM;
	}
	point->end_ns = report->end_ns > point->end_ns ? report->end_ns : point->end_ns;
	point->windows++;
	return err;
}

int history_add(struct history *history, const struct report *report)
{
	size_t fresh, slot;
	int err, more;

	if (report->kind != REPORT_WINDOW)
		return 0;
	history->windows++;
	if (folds_into_newest(history, report))
		slot = (history->first + history->count - 1) % history->capacity;
	else
		slot = begin_point(history, report);
	drop_maps(history, false);
	fresh = count_new(history, report);
	if (fresh > history->opts.max_maps - history->map_count) {
		drop_maps(history, true);
		fresh = count_new(history, report);
	}
	err = add_maps(history, report, fresh);
	more = add_window(history, report, slot);
	return err ? err : more;
}

/* --- reading ---------------------------------------------------------------- */

static size_t slot_of(const struct history *history, size_t point)
{
	return (history->first + point) % history->capacity;
}

size_t history_points(const struct history *history)
{
	return history->count;
}

const struct history_point *history_point(const struct history *history, size_t point)
{
	return &history->points[slot_of(history, point)];
}

size_t history_map_count(const struct history *history)
{
	return history->map_count;
}

const struct history_map *history_map(const struct history *history, size_t i)
{
	return history->maps[i];
}

const struct history_map *history_find(const struct history *history, int pid, uint64_t addr,
				       uint64_t id)
{
	size_t low = 0, high = history->map_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = compare(pid, addr, id, history->maps[middle]);

		if (order == 0)
			return history->maps[middle];
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}

uint64_t history_cut(const struct history *history)
{
	return history->cut;
}

double history_value(const struct history *history, const struct history_map *map,
		     enum history_figure figure, size_t point)
{
	if (point >= history->count)
		return NAN;
	return figures_of(map, slot_of(history, point))[figure];
}

double history_peak(const struct history *history, const struct history_map *map,
		    enum history_figure figure)
{
	double peak = NAN;

	for (size_t i = 0; i < history->count; i++)
		peak = fmax(peak, history_value(history, map, figure, i));
	return peak;
}

const uint32_t *history_sizes(const struct history *history, const struct history_map *map,
			      size_t point)
{
	if (!map->sizes || point >= history->count)
		return NULL;
	return map->sizes + slot_of(history, point) * HISTORY_SIZE_SLOTS;
}
