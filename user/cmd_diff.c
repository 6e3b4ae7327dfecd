/* SPDX-License-Identifier: MIT */
/*
 * cmd_diff.c - the command `diff`: what got worse from one recording to another.
 *
 * Maps are compared by name, for addresses differ from run to run; the figures of maps
 * of one name are added up. Worse is what grew beyond the ratio of its figure and is
 * above its floor: below it, twice of next to nothing is still next to nothing. Worse, too, is
 * a trap that the first recording has in no map of the name.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "log.h"
#include "model.h"
#include "names.h"
#include "options.h"
#include "replay.h"
#include "trap.h"
#include "words.h"

/* X(name, unit, ratio, floor). Percentiles are estimates, off by up to a factor of two. */
#define FIGURES(X)                                                                                 \
	X(misses, "/s", 1.5, 10)                                                                   \
	X(promotions, "/s", 1.5, 1)                                                                \
	X(rebuilds, "/s", 1.5, 1)                                                                  \
	X(copied, "/s", 1.5, 100)                                                                  \
	X(lock_wait, "ns/s", 1.5, 1e6)                                                             \
	X(backlog, "", 1.5, 1000)                                                                  \
	X(p99_miss_wait, "ns", 2.5, 10000)                                                         \
	X(p99_miss_hold, "ns", 2.5, 10000)

enum figure {
#define FIGURE_ENUM(name, unit, ratio, floor) FIGURE_##name,
	FIGURES(FIGURE_ENUM)
#undef FIGURE_ENUM
		FIGURE_COUNT
};

static const struct {
	const char *name, *unit;
	double ratio, floor;
} figures[] = {
#define FIGURE_ENTRY(name, unit, ratio, floor) {#name, unit, ratio, floor},
	FIGURES(FIGURE_ENTRY)
#undef FIGURE_ENTRY
};

/* One of the recordings, and what it says. */
struct side {
	struct model *model;
	struct traps *traps;
};

static int add_record(void *ctx, const struct record *record)
{
	struct side *side = ctx;
	int err = model_add(side->model, record);

	return err || record->kind != RECORD_WINDOW ? err : traps_window(side->traps, side->model);
}

static int read_side(struct side *side, const char *path, const struct policy *policy,
		     unsigned max_maps)
{
	struct recording_meta meta;
	int err = replay_meta(path, &meta);

	if (err)
		return err;
	err = model_create(&side->model);
	if (!err)
		err = traps_create(&side->traps, policy, meta.report.interval_ms, NULL);
	if (err)
		return log_err(err, "cannot start");
	side->model->max_maps = replay_max_maps(max_maps);
	return replay_run(path, &(struct record_sink){add_record, side});
}

/* The maps of a model that lived for a while, by name. */
struct named {
	const struct model_map **map;
	size_t count;
};

static int compare_names(const void *left, const void *right)
{
	const struct model_map *const *a = left, *const *b = right;
	int order = strcmp((*a)->info.name, (*b)->info.name);

	return order ? order : (*a)->order < (*b)->order ? -1 : (*a)->order > (*b)->order;
}

static int sort_by_name(struct named *named, const struct model *model)
{
	*named = (struct named){.map = calloc(model->map_count + 1, sizeof(*named->map))};
	if (!named->map)
		return log_err(-ENOMEM, "cannot compare");
	for (size_t i = 0; i < model->map_count; i++)
		if (model->maps[i]->whole.ns > 0)
			named->map[named->count++] = model->maps[i];
	qsort(named->map, named->count, sizeof(*named->map), compare_names);
	return 0;
}

/* The end of the maps of one name that begin at `first`. */
static size_t end_of_name(const struct named *named, size_t first)
{
	size_t end = first;

	while (end < named->count &&
	       strcmp(named->map[end]->info.name, named->map[first]->info.name) == 0)
		end++;
	return end;
}

/* Of maps of one name. */
static void measure(const struct named *named, size_t first, size_t end, double ret[FIGURE_COUNT])
{
	struct hist wait = {0}, hold = {0};

	memset(ret, 0, FIGURE_COUNT * sizeof(*ret));
	for (size_t i = first; i < end; i++) {
		const struct model_map *map = named->map[i];
		double seconds = (double)map->whole.ns / 1e9;

		ret[FIGURE_misses] += (double)map->whole.count[ST_COUNTER_misses] / seconds;
		ret[FIGURE_promotions] += (double)map->whole.count[ST_COUNTER_promotions] / seconds;
		ret[FIGURE_rebuilds] += (double)map->whole.count[ST_COUNTER_rebuilds] / seconds;
		ret[FIGURE_copied] += (double)map->whole.count[ST_COUNTER_copied] / seconds;
		ret[FIGURE_lock_wait] += (double)map->whole.rate.lock_wait_ns / seconds;
		ret[FIGURE_backlog] += (double)map->now.backlog;
		if (map->hists) {
			hist_merge(&wait, &map->hists->traced[ST_HIST_miss_wait]);
			hist_merge(&hold, &map->hists->traced[ST_HIST_miss_hold]);
		}
	}
	ret[FIGURE_p99_miss_wait] = (double)hist_percentile(&wait, 99);
	ret[FIGURE_p99_miss_hold] = (double)hist_percentile(&hold, 99);
}

/* How many figures of the map got worse; each is a line. */
static size_t compare(struct sink *sink, const char *name, const double *before,
		      const double *after)
{
	char shown[NAME_ESCAPED_MAX + 1];
	size_t worse = 0;

	(void)name_escape(shown, sizeof(shown), name);
	for (size_t i = 0; i < FIGURE_COUNT; i++) {
		if (after[i] < figures[i].floor || after[i] <= before[i] * figures[i].ratio)
			continue;
		sink_printf(sink, "worse: %s: %s %.4g -> %.4g %s\n", shown, figures[i].name,
			    before[i], after[i], figures[i].unit);
		worse++;
	}
	return worse;
}

static bool is_among(const struct finding *finding, const struct finding *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(list[i].trap, finding->trap) == 0 &&
		    strcmp(list[i].name, finding->name) == 0)
			return true;
	return false;
}

/* How many traps the second has that the first has not; each is a line. */
static size_t compare_traps(struct sink *sink, const struct traps *a, const struct traps *b,
			    enum finding_severity from)
{
	size_t before_count, after_count, worse = 0;
	const struct finding *before = traps_findings(a, &before_count);
	const struct finding *after = traps_findings(b, &after_count);
	char shown[NAME_ESCAPED_MAX + 1];

	for (size_t i = 0; i < after_count; i++) {
		if (after[i].severity < from || is_among(&after[i], before, before_count) ||
		    is_among(&after[i], after, i))
			continue;
		(void)name_escape(shown, sizeof(shown), after[i].name);
		sink_printf(sink, "worse: %s: %s, which was not there\n", shown, after[i].trap);
		worse++;
	}
	return worse;
}

/* Both in order of names, side by side. */
static int compare_sorted(struct sink *sink, const struct named *a, const struct named *b,
			  size_t trap_count)
{
	size_t worse = 0, compared = 0, i = 0, k = 0;
	double before[FIGURE_COUNT], after[FIGURE_COUNT];

	while (i < a->count && k < b->count) {
		int order = strcmp(a->map[i]->info.name, b->map[k]->info.name);
		size_t a_end = end_of_name(a, i), b_end = end_of_name(b, k);

		if (order == 0) {
			measure(a, i, a_end, before);
			measure(b, k, b_end, after);
			compared++;
			worse += compare(sink, b->map[k]->info.name, before, after);
		}
		i = order <= 0 ? a_end : i;
		k = order >= 0 ? b_end : k;
	}
	sink_printf(sink, "%zu map name%s compared, %zu figure%s and %zu trap%s worse\n", compared,
		    plural(compared), worse, plural(worse), trap_count, plural(trap_count));
	if (compared == 0)
		return EXIT_INCONCLUSIVE;
	return worse + trap_count > 0 ? EXIT_TRAP : EXIT_CLEAN;
}

static int compare_all(struct sink *sink, const struct side *a, const struct side *b,
		       enum finding_severity from)
{
	struct named before = {0}, after = {0};
	int status = EXIT_CANNOT_TRACE;

	if (!sort_by_name(&before, a->model) && !sort_by_name(&after, b->model))
		status = compare_sorted(sink, &before, &after,
					compare_traps(sink, a->traps, b->traps, from));
	free(before.map);
	free(after.map);
	return status;
}

int command_diff(const struct options *opts)
{
	struct side side[OPTIONS_FILES_MAX] = {0};
	struct policy *policy;
	struct sink sink;
	int status = EXIT_CLEAN, err;

	if (policy_create(&policy)) {
		log_err(-ENOMEM, "cannot start");
		return EXIT_CANNOT_TRACE;
	}
	for (size_t i = 0; i < OPTIONS_FILES_MAX && status == EXIT_CLEAN; i++)
		if (read_side(&side[i], opts->files[i], policy, opts->max_maps))
			status = EXIT_CANNOT_TRACE;
	if (status == EXIT_CLEAN) {
		sink_init(&sink, stdout);
		status = compare_all(&sink, &side[0], &side[1], policy_fail_on(policy));
		err = sink_flush(&sink);
		if (err) {
			log_err(err, "cannot write to standard output");
			status = EXIT_CANNOT_TRACE;
		}
	}
	for (size_t i = 0; i < OPTIONS_FILES_MAX; i++) {
		traps_free(side[i].traps);
		model_free(side[i].model);
	}
	policy_free(policy);
	return status;
}
