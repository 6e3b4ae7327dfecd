/* SPDX-License-Identifier: MIT */
/*
 * tui_model.h - what the terminal view knows: copied from the reports, so that it can be drawn
 * while the trace goes on. Pure, no lock: whoever shares it (tui.c) has one.
 *
 *	report --tui_model_add()--> struct tui_model --+--> rows (tui_rows.h) --> screen (tui_draw.h)
 *	keys -------------------> struct tui_state ----'
 *
 * The maps are those of `history`, in the same order: detail[i] belongs to history_map(i).
 */
#ifndef TUI_MODEL_H
#define TUI_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "history.h"
#include "report.h"

/* At most so many call stacks of a map, the dearest; each as a line of so many bytes. */
#define TUI_STACKS_MAX 32
#define TUI_STACK_TEXT_MAX 512

struct tui_stack {
	enum st_stack_kind kind;
	uint32_t id;
	bool estimate;
	uint64_t count, ns;	       /* of the last window */
	uint64_t sum_count, sum_ns;    /* since it was first seen */
	char text[TUI_STACK_TEXT_MAX]; /* the innermost first; safe already */
};

/* Of a map, what only the screen of that map shows; as of its last window. */
struct tui_detail {
	int pid;
	uint64_t addr, id;
	const char *key_kind, *policy;
	uint64_t total[ST_COUNTER_COUNT];  /* lifetime */
	uint64_t traced[ST_COUNTER_COUNT]; /* since the attach */
	struct model_gauges now;
	bool state_ok;
	double promotion_in_s;
	/* ST_HIST_COUNT of the last window, then as many of all windows; NULL = all empty. */
	struct hist *window;
	uint32_t estimated;	 /* a bit for each enum st_hist that holds a sample only */
	struct tui_stack *stack; /* TUI_STACKS_MAX; NULL = none so far */
	size_t stack_count;
};

struct tui_target {
	int pid;
	char comm[17];
	bool ended;
};

#define TUI_MESSAGES 32
#define TUI_MESSAGE_MAX 512

struct tui_model {
	struct history *history;
	struct tui_detail **detail; /* of each map in the history */
	size_t detail_count;
	struct finding **finding; /* copies of all that are known, oldest first */
	size_t finding_count;
	struct tui_target *target;
	size_t target_count;
	struct record_loss *loss;
	size_t loss_count;
	uint64_t lost;
	struct report_overhead overhead;
	struct report_meta meta;
	uint64_t start_ns, end_ns; /* of the last window */
	uint64_t windows;
	bool ended; /* the last window has been */
	/* What would have been printed on stderr, newest last; older ones make room. */
	char message[TUI_MESSAGES][TUI_MESSAGE_MAX];
	uint64_t messages;
};

/* whole: keep the whole trace (a recording), not only the newest windows. 0 or -ENOMEM. */
int tui_model_create(struct tui_model **ret_model, const struct report_meta *meta, bool whole);
void tui_model_free(struct tui_model *model);

/* A window. 0 or -ENOMEM, and then some maps have no detail. */
int tui_model_add(struct tui_model *model, const struct report *report);
void tui_model_message(struct tui_model *model, const char *line, size_t len);

/* Index in the history; SIZE_MAX = no such. */
size_t tui_model_find(const struct tui_model *model, int pid, uint64_t addr, uint64_t id);
/* The newest point; SIZE_MAX = none yet. */
size_t tui_model_newest(const struct tui_model *model);

#endif
