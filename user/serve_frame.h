/* SPDX-License-Identifier: MIT */
/*
 * serve_frame.h - snapshots as server-sent events: each line of `-f json` is one event, byte
 * for byte. Pure.
 *
 * A frame is all events of one window; its last event has the id "START-SEQ" (when the
 * trace began, in ms, and the number of the window), so that who has seen an id has seen
 * the whole frame.
 */
#ifndef SERVE_FRAME_H
#define SERVE_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "history.h"
#include "report.h"

struct frame {
	uint64_t seq; /* of the window */
	size_t len;
	unsigned refs; /* the owner's to count */
	char *text;
};

/* NULL = no memory. `refs` is 1. */
struct frame *frame_window(const struct report *report);
/*
 * For who has just come: the header, the history of all maps in short, the window and all
 * findings that the report knows of.
 */
struct frame *frame_connect(const struct report *report, const struct history *history);

/* One reference less; the last one frees. NULL is legal. */
void frame_put(struct frame *frame);

/* Is `id` of this trace? Then *ret_seq is its window. */
bool frame_parse_id(const char *id, const struct report_meta *meta, uint64_t *ret_seq);

/* All figures of one map over time, as JSON: to be freed. NULL = no such map, or no memory. */
char *frame_history(const struct history *history, const struct report_meta *meta, int pid,
		    uint64_t addr, uint64_t id, size_t *ret_len);

#endif
