/* SPDX-License-Identifier: MIT */
/*
 * gate.h - the verdict of a check: clean, trap found, or inconclusive. Pure.
 *
 * A finding that fails the check is a trap, whatever else was lost: nothing that was
 * not seen could take it back. Without one, the check is clean only if it can be
 * known: a map was seen to the end, enough happened, nothing was lost. What is asked for,
 * and whether it came to the end, stands in the report, so that all outputs say the same.
 */
#ifndef GATE_H
#define GATE_H

#include <stdint.h>
#include "report.h"

enum gate_verdict {
	GATE_CLEAN,
	GATE_TRAP,
	GATE_INCONCLUSIVE,
};

struct gate {
	enum gate_verdict verdict;
	char reason[160]; /* one line, for people */
};

/* Of a whole trace: the report of its end, with all findings. */
struct gate gate_judge(const struct report *report);

/* Why nothing can be concluded from the lack of findings; "" = it can. */
size_t gate_doubt(char *dst, size_t dst_size, const struct report *report);
/* Of that, what is neither a loss nor the lack of any map. */
size_t gate_shortfall(char *dst, size_t dst_size, const struct report *report);

/*
 * The exit status: the command's own if it failed (128 + N: killed by signal N), else that of
 * the verdict. wait_status: of wait(2), or 0.
 */
int gate_exit_status(const struct gate *gate, int wait_status);

#endif
