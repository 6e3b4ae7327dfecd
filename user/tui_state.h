/* SPDX-License-Identifier: MIT */
/*
 * tui_state.h - what the person at the keyboard has chosen: which screen, which map, which order,
 * which moment. Keys change it; drawing only reads it. Pure.
 *
 * The selection is a map, not a line: it stays with its map when rows move. The moment is a time,
 * not a number of a point: it stays when windows come.
 */
#ifndef TUI_STATE_H
#define TUI_STATE_H

#include "tui_key.h"
#include "tui_rows.h"

enum tui_screen {
	TUI_LIST,
	TUI_MAP,
	TUI_HELP,
};

/* Of a map's screen. X(id, title) */
#define TUI_TABS(X)                                                                                \
	X(OVERVIEW, "Overview")                                                                    \
	X(HISTOGRAMS, "Histograms")                                                                \
	X(HEATMAP, "Heatmap")                                                                      \
	X(FINDINGS, "Findings")                                                                    \
	X(STACKS, "Stacks")

enum tui_tab {
#define TUI_TAB_ENUM(id, title) TUI_TAB_##id,
	TUI_TABS(TUI_TAB_ENUM)
#undef TUI_TAB_ENUM
		TUI_TAB_COUNT
};

enum tui_action {
	TUI_NOTHING, /* beyond drawing again */
	TUI_QUIT,
	TUI_REPAINT, /* the whole screen, as if nothing of it were there */
};

#define TUI_FILTER_MAX 64

struct tui_state {
	enum tui_screen screen;
	enum tui_screen behind_help;
	enum tui_tab tab;
	enum tui_sort sort;
	bool reverse;
	char filter[TUI_FILTER_MAX];
	char filter_before[TUI_FILTER_MAX]; /* what Escape brings back */
	bool typing;			    /* into the filter */
	bool only_active, only_found;
	bool paused;
	uint64_t paused_ns; /* the moment that is shown then */
	bool whole;	    /* histograms since the attach, not of the window */
	/* The selected map, and where in the rows it was last. */
	bool selected;
	int pid;
	uint64_t addr, id;
	size_t index;
	size_t top; /* first row on the screen */
	size_t scroll;
	uint64_t seen; /* messages: a key says that they have been read */
	/* Told by what was drawn last: rows of the list, and how far there is to scroll. */
	size_t page, scroll_max;
};

void tui_state_init(struct tui_state *state);

/* Which rows to make. `point` of the query is the moment that is shown. */
struct tui_query tui_state_query(const struct tui_state *state, const struct tui_model *model);

/* The rows have been made anew: find the selected map, keep it on the screen. */
void tui_state_settle(struct tui_state *state, const struct tui_rows *rows);

/* A key. The rows are those that were last made with the state as it is, and settled. */
enum tui_action tui_state_key(struct tui_state *state, const struct tui_model *model,
			      const struct tui_rows *rows, unsigned key);

#endif
