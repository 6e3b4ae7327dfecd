/* SPDX-License-Identifier: MIT */
/*
 * tui_rows.h - the rows of the list at one moment: filtered, sorted, each with its figures and
 * verdict. Made anew for each drawing and each key; a thousand maps cost less than a
 * millisecond. Pure.
 */
#ifndef TUI_ROWS_H
#define TUI_ROWS_H

#include "tui_model.h"

/* What can be sorted by, in the order of the columns. X(id, head, help) */
#define TUI_SORTS(X)                                                                               \
	X(PID, "PID", "process")                                                                   \
	X(NAME, "MAP", "name of the map")                                                          \
	X(MISSES, "MISS/s", "misses per second")                                                   \
	X(PROMOTIONS, "PROM/s", "promotions per second")                                           \
	X(DEBT, "DEBT", "misses so far of those that the next promotion takes")                    \
	X(WAIT, "WAIT P50/P99", "wait for the lock")                                               \
	X(BACKLOG, "BACKLOG", "retired, not yet reclaimed")                                        \
	X(COST, "COST", "part of the process's time")                                              \
	X(VERDICT, "VERDICT", "findings first, then the busiest")

enum tui_sort {
#define TUI_SORT_ENUM(id, head, help) TUI_SORT_##id,
	TUI_SORTS(TUI_SORT_ENUM)
#undef TUI_SORT_ENUM
		TUI_SORT_COUNT
};

struct tui_row {
	size_t map; /* in the history: valid until the next window */
	int pid;
	uint64_t addr, id;
	float figure[HISTORY_FIGURE_COUNT]; /* NAN = not known */
	const struct finding *finding;	    /* the worst that holds; NULL = none */
	bool active;			    /* misses, promotions or copying in this point */
	bool ended;			    /* this was its last window */
};

/* What decides which rows there are. */
struct tui_query {
	enum tui_sort sort;
	bool reverse;
	const char *filter; /* part of a name, a process, a trap, or a pid; "" = all */
	bool only_active;
	bool only_found;
	size_t point; /* the moment; SIZE_MAX = nothing to show yet */
};

struct tui_rows {
	struct tui_row *row;
	size_t count, room;
	size_t alive, active; /* of all maps at that moment, also those filtered out */
};

/* 0 or -ENOMEM; ret_rows is reused, and freed with tui_rows_free(). */
int tui_rows_make(struct tui_rows *rows, const struct tui_model *model,
		  const struct tui_query *query);
void tui_rows_free(struct tui_rows *rows);

/* "ok", "idle", "ended" or the name of the trap. */
const char *tui_row_verdict(const struct tui_row *row);
/* Misses so far as part of the threshold, 0..1; NAN = nothing waits for promotion. */
double tui_row_debt(const struct tui_row *row);

#endif
