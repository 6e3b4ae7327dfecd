/* SPDX-License-Identifier: MIT */
/*
 * cmd_diff.c - the command `diff`: what got worse from one recording to another.
 *
 * Maps are compared by name, for addresses differ from run to run; the figures of maps
 * of one name are added up. Worse is what grew beyond the ratio of its figure and is
 * above its floor: below it, twice of next to nothing is still next to nothing.
 */
#include <stdlib.h>
#include <string.h>
#include "log.h"
#include "model.h"
#include "names.h"
#include "options.h"
#include "replay.h"

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

static int add_to_model(void *ctx, const struct record *record)
{
	return model_add(ctx, record);
}

/* Of all maps of that name; false = there is none. */
static bool measure(const struct model *model, const char *name, double ret[FIGURE_COUNT])
{
	struct hist wait = {0}, hold = {0};
	bool found = false;

	memset(ret, 0, FIGURE_COUNT * sizeof(*ret));
	for (size_t i = 0; i < model->map_count; i++) {
		const struct model_map *map = model->maps[i];
		double seconds = (double)map->whole.ns / 1e9;

		if (seconds <= 0 || strcmp(map->info.name, name) != 0)
			continue;
		found = true;
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
	return found;
}

static bool seen_before(const struct model *model, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (strcmp(model->maps[k]->info.name, model->maps[i]->info.name) == 0)
			return true;
	return false;
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

static int compare_all(struct sink *sink, const struct model *a, const struct model *b)
{
	size_t worse = 0, compared = 0;
	double before[FIGURE_COUNT], after[FIGURE_COUNT];

	for (size_t i = 0; i < b->map_count; i++) {
		const char *name = b->maps[i]->info.name;

		if (seen_before(b, i) || !measure(a, name, before) || !measure(b, name, after))
			continue;
		compared++;
		worse += compare(sink, name, before, after);
	}
	sink_printf(sink, "%zu map name%s compared, %zu figure%s worse\n", compared,
		    compared == 1 ? "" : "s", worse, worse == 1 ? "" : "s");
	return compared == 0 ? EXIT_INCONCLUSIVE : worse > 0 ? EXIT_TRAP : EXIT_CLEAN;
}

int command_diff(const struct options *opts)
{
	struct model *models[OPTIONS_FILES_MAX] = {NULL};
	struct sink sink;
	int status = EXIT_CLEAN, err;

	for (size_t i = 0; i < OPTIONS_FILES_MAX && status == EXIT_CLEAN; i++) {
		err = model_create(&models[i]);
		if (err)
			log_err(err, "cannot start");
		else
			err = replay_run(opts->files[i],
					 &(struct record_sink){add_to_model, models[i]});
		if (err)
			status = EXIT_CANNOT_TRACE;
	}
	if (status == EXIT_CLEAN) {
		sink_init(&sink, stdout);
		status = compare_all(&sink, models[0], models[1]);
		err = sink_flush(&sink);
		if (err) {
			log_err(err, "cannot write to standard output");
			status = EXIT_CANNOT_TRACE;
		}
	}
	for (size_t i = 0; i < OPTIONS_FILES_MAX; i++)
		model_free(models[i]);
	return status;
}
