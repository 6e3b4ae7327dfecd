/* SPDX-License-Identifier: MIT */
/*
 * tui.h - the terminal view of a trace, or of a recording: a thread that draws what the reports
 * said, and reads keys. The trace never waits for the terminal: it only copies a report, under a
 * lock that is never held while something is written.
 */
#ifndef TUI_H
#define TUI_H

#include <stdbool.h>
#include "trace.h"

struct tui;

/* NULL = it can be shown here; else why not. */
const char *tui_unfit(void);

/* 0 or -errno. Nothing is shown before the plan has attached. */
int tui_create(struct tui **ret_tui, bool replay, bool command);
/* Take part in a trace: sets hooks and their ctx. */
void tui_join(struct tui *tui, struct trace_plan *plan);
/* Gives the terminal back, if the end of the trace has not done so. */
void tui_free(struct tui *tui);

#endif
