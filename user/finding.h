/* SPDX-License-Identifier: MIT */
/*
 * finding.h - what a detector found: which trap, where, since when, by which rule and
 * numbers, and what to do. Immutable plain data; names are untrusted bytes.
 */
#ifndef FINDING_H
#define FINDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "stack.h"

enum finding_severity {
	FINDING_OFF,
	FINDING_NOTICE,
	FINDING_WARNING,
	FINDING_ERROR,
};

/* One number that met a rule. */
struct evidence {
	const char *name; /* as in docs/traps.md */
	double value;
	double limit;	      /* what it was compared with; 0 with relation NULL */
	const char *relation; /* ">=", "<", ...; NULL: no condition, only told */
	const char *unit;     /* "" = a plain number */
};

struct finding {
	const char *trap;  /* join key: "read-diffusion" */
	const char *shape; /* which form of it, a sentence */
	enum finding_severity severity;
	int pid;
	uint64_t addr, id;
	const char *name;  /* of the map: untrusted bytes */
	const char *comm;  /* of the process: untrusted bytes */
	uint64_t since_ns; /* CLOCK_MONOTONIC: when the condition began to hold */
	uint64_t found_ns; /* when it was raised */
	uint64_t until_ns; /* when it was cleared; 0 = it was not */
	uint64_t gone_ns;  /* when its map was gone; 0 = it is there. See finding_holds() */
	double cost_share; /* 0..1, see docs/traps.md */
	const struct evidence *evidence;
	size_t evidence_count;
	const struct stack_cost *stack; /* the busiest that has to do with it; NULL = none */
	const char *remedy;
	const char *link; /* the section of the docs */
};

/* Findings of one kind. */
struct finding_tally {
	const char *trap;
	enum finding_severity severity;
	uint64_t count;
};

/* At that moment. Of a map that is gone nothing holds, though it was never cleared. */
static inline bool finding_holds(const struct finding *finding, uint64_t ns)
{
	return finding->found_ns <= ns && (!finding->until_ns || finding->until_ns > ns) &&
	       (!finding->gone_ns || finding->gone_ns > ns);
}

#endif
