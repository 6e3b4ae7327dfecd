/* SPDX-License-Identifier: MIT */
/* feed.h - reports of windows made by hand, for the tests of the history and of views. */
#ifndef FEED_H
#define FEED_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include "history.h"

#define SECOND 1000000000ULL
#define START (100 * SECOND)
#ifndef MAPS
#define MAPS 64
#endif

static const struct report_meta meta = {
	.start_ns = START, .start_unix_ns = 1700000000ULL * SECOND, .interval_ms = 1000};

/* The next window, filled by the test. */
struct feed {
	struct history *history; /* of the test; freed with the feed */
	struct report report;
	struct report_map maps[MAPS];
	struct hist hists[MAPS][ST_HIST_COUNT];
};

static inline struct feed *feed_new(void)
{
	struct feed *feed = calloc(1, sizeof(*feed));

	assert_non_null(feed);
	feed->report.meta = &meta;
	feed->report.maps = feed->maps;
	feed->report.start_ns = feed->report.end_ns = START;
	return feed;
}

static inline void feed_free(struct feed *feed)
{
	history_free(feed->history);
	free(feed);
}

/* The next map of the window; they must come in order of pid, address, id. */
static inline struct report_map *feed_map(struct feed *feed, int pid, uint64_t addr, uint64_t id,
					  uint64_t misses)
{
	struct report_map *map = &feed->maps[feed->report.map_count];

	*map = (struct report_map){.pid = pid,
				   .addr = addr,
				   .id = id,
				   .name = "sessions",
				   .comm = "respd",
				   .alive = true,
				   .state_ok = true,
				   .hists = feed->hists[feed->report.map_count++]};
	memset(feed->hists[map - feed->maps], 0, sizeof(feed->hists[0]));
	map->window.ns = SECOND;
	map->window.count[ST_COUNTER_misses] = misses;
	return map;
}

static inline struct hist *hist_of(struct feed *feed, const struct report_map *map,
				   enum st_hist hist)
{
	return &feed->hists[map - feed->maps][hist];
}

/* The window is complete. The next one begins when the test has set report.map_count to 0. */
static inline const struct report *feed_window(struct feed *feed, uint64_t ns)
{
	feed->report.start_ns = feed->report.end_ns;
	feed->report.end_ns += ns;
	feed->report.window_count++;
	return &feed->report;
}

#endif
