/* SPDX-License-Identifier: MIT */
/*
 * trap_past.h - keeps struct trap_past (trap.h), which detectors only read: one call
 * before a window is judged and one after. Pure.
 */
#ifndef TRAP_PAST_H
#define TRAP_PAST_H

#include "trap.h"

/* Has the window events of that kind, of whatever map? They are rare. */
bool trap_past_stalls(const struct model *model);
/* stalls: what trap_past_stalls() said of this window. */
void trap_past_before(struct trap_past *past, const struct trap_view *view, bool stalls);
void trap_past_after(struct trap_past *past, const struct trap_view *view);

/* Misses per second: of this window or of the last TRAP_RECENT, the larger. */
double trap_past_rate(const struct trap_past *past);

#endif
