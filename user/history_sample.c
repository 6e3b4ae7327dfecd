/* SPDX-License-Identifier: MIT */
/*
 * history_sample.c - see history_sample.h. Model: the table of figures says how each is folded;
 * what a figure is stands here and nowhere else.
 */
#include "history_sample.h"

#include <math.h>

const struct history_info history_info[HISTORY_FIGURE_COUNT] = {
#define HISTORY_INFO(name, unit, fold, title)                                                      \
	[HISTORY_##name] = {#name, unit, title, HISTORY_FOLD_##fold},
	HISTORY_FIGURES(HISTORY_INFO)
#undef HISTORY_INFO
};

static double known(double value)
{
	return isnan(value) ? 0 : value;
}

float history_fold(enum history_folding how, double a, double a_ns, double b, double b_ns)
{
	if (isnan(a) && isnan(b))
		return NAN;
	switch (how) {
	case HISTORY_FOLD_MEAN:
		if (a_ns + b_ns <= 0)
			return (float)known(b);
		return (float)((known(a) * a_ns + known(b) * b_ns) / (a_ns + b_ns));
	case HISTORY_FOLD_PEAK:
		return (float)fmax(a, b); /* a NAN yields to the other */
	case HISTORY_FOLD_LAST:
		break;
	}
	return (float)(isnan(b) ? a : b);
}

/* Not empty. */
static double average(const struct hist *hist)
{
	return (double)hist->sum / (double)hist_count(hist);
}

static void sample_rates(double *value, const struct report_map *map)
{
	const uint64_t *count = map->window.count;
	double seconds = (double)map->window.ns / 1e9;

	if (map->window.ns == 0)
		return;
	value[HISTORY_misses] = (double)count[ST_COUNTER_misses] / seconds;
	value[HISTORY_promotions] = (double)count[ST_COUNTER_promotions] / seconds;
	value[HISTORY_rebuilds] = (double)count[ST_COUNTER_rebuilds] / seconds;
	value[HISTORY_copied] = (double)count[ST_COUNTER_copied] / seconds;
	value[HISTORY_cost_share] = map->cost_share;
}

static const struct hist *values_of(const struct report_map *map, enum st_hist which,
				    struct hist *room)
{
	const struct hist *hist = report_hist(map, which, room);

	return hist && hist_count(hist) ? hist : NULL;
}

/*
 * Waits of all operations where they are counted. By default they are not: what is then
 * known is the wait of each miss.
 */
static void sample_hists(struct history_sample *sample, const struct report_map *map)
{
	struct hist room;
	const struct hist *hist = values_of(map, ST_HIST_lock_wait, &room);

	if (!hist)
		hist = values_of(map, ST_HIST_miss_wait, &room);
	if (hist) {
		sample->value[HISTORY_lock_wait_p50] = (double)hist_percentile(hist, 50);
		sample->value[HISTORY_lock_wait_p99] = (double)hist_percentile(hist, 99);
	}
	hist = values_of(map, ST_HIST_promote_entries, &room);
	if (hist) {
		sample->value[HISTORY_promotion_size] = average(hist);
		sample->promotions = *hist;
	}
}

struct history_sample history_sample(const struct report_map *map)
{
	struct history_sample sample = {0};
	double *value = sample.value;

	for (size_t f = 0; f < HISTORY_FIGURE_COUNT; f++)
		value[f] = NAN;
	sample_rates(value, map);
	if (map->state_ok) {
		value[HISTORY_miss_debt] = (double)map->miss_debt;
		value[HISTORY_threshold] = (double)map->now.threshold;
		value[HISTORY_read_len] = (double)map->now.read_len;
		value[HISTORY_dirty_len] = (double)map->now.dirty_len;
		value[HISTORY_backlog] = (double)map->now.backlog;
	}
	sample_hists(&sample, map);
	return sample;
}
