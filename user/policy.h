/* SPDX-License-Identifier: MIT */
/*
 * policy.h - what counts as a trap, how bad it is, and which budgets hold: the
 * thresholds of docs/traps.md with their defaults, and the YAML file that changes
 * them. A policy is immutable once it is loaded.
 *
 * One name is the join key: of a trap, and of a threshold within it, here, in the
 * policy file, in findings and in the docs.
 */
#ifndef POLICY_H
#define POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include "finding.h"

/*
 * Of every trap: X(name, default, min, max, help). A trap is raised when its condition held
 * in `raise` of the last `of` windows, and cleared after `clear` windows without.
 */
#define PSEUDO_EXPANSION_LIMITS(X)                                                                 \
	X(raise, 1, 1, 60, "windows in which the condition must hold")                             \
	X(of, 1, 1, 60, "... of so many last ones")                                                \
	X(clear, 2, 1, 60, "quiet windows that end it")                                            \
	X(min_age_s, 5, 0, 1e6, "age of dirty, seconds")                                           \
	X(horizon_s, 30, 0, 1e6, "the promotion is further away than this, seconds")               \
	X(load_share, 0.01, 0, 1, "new keys in a window / len(dirty): a bulk load from here")

#define READ_DIFFUSION_LIMITS(X)                                                                   \
	X(raise, 2, 1, 60, "windows in which the condition must hold")                             \
	X(of, 3, 1, 60, "... of so many last ones")                                                \
	X(clear, 3, 1, 60, "quiet windows that end it")                                            \
	X(min_promotions, 3, 0, 1e9, "promotions in a window")                                     \
	X(min_rebuilds, 3, 0, 1e9, "rebuilds in a window")                                         \
	X(copied_per_new, 8, 0, 1e9, "entries copied for each new key")                            \
	X(min_cost_share, 0.01, 0, 1, "part of the process's time")

#define WRITE_STARVATION_LIMITS(X)                                                                 \
	X(raise, 3, 1, 60, "windows in which the backlog grows")                                   \
	X(of, 3, 1, 60, "... of so many last ones")                                                \
	X(clear, 3, 1, 60, "quiet windows that end it")                                            \
	X(min_age_s, 1, 0, 1e6, "age of the oldest retired item, seconds")                         \
	X(freed_share, 0.5, 0, 1, "freed / retired below which clean-up lags")                     \
	X(retained_windows, 5, 1, 60, "windows in which the deleted entries retained grow")

/* X(trap, ITS_LIMITS) */
#define TRAP_LIMITS(X)                                                                             \
	X(pseudo_expansion, PSEUDO_EXPANSION_LIMITS)                                               \
	X(read_diffusion, READ_DIFFUSION_LIMITS)                                                   \
	X(write_starvation, WRITE_STARVATION_LIMITS)

/* Budgets are no traps: X(name, unit, help). Unset = no budget. */
#define BUDGETS(X)                                                                                 \
	X(misses, "misses", "misses of a map, in all")                                             \
	X(miss_p99_ns, "ns", "P99 of the time of a miss: waiting plus holding the lock")           \
	X(promotions_per_s, "promotions/s", "promotions of a map per second, in any window")

#define LIMIT_FIELD(name, ...) double name;
#define LIMIT_STRUCT(trap, LIST)                                                                   \
	struct trap##_limits {                                                                     \
		LIST(LIMIT_FIELD)                                                                  \
	};
TRAP_LIMITS(LIMIT_STRUCT)
#undef LIMIT_STRUCT

struct limits {
#define LIMIT_MEMBER(trap, LIST) struct trap##_limits trap;
	TRAP_LIMITS(LIMIT_MEMBER)
#undef LIMIT_MEMBER
	/* The severity of the trap's findings at most; FINDING_OFF = not looked for. */
	struct {
#define SEVERITY_MEMBER(trap, LIST) enum finding_severity trap;
		TRAP_LIMITS(SEVERITY_MEMBER)
#undef SEVERITY_MEMBER
	} severity;
	struct {
#define BUDGET_MEMBER(name, ...) double name; /* < 0: no budget */
		BUDGETS(BUDGET_MEMBER)
#undef BUDGET_MEMBER
	} budget;
};
#undef LIMIT_FIELD

struct policy;

/* The defaults; 0 or -ENOMEM. */
int policy_create(struct policy **ret_policy);
/* A policy file (docs/policy.md). 0 or -errno, after logging what is wrong and in which line. */
int policy_load(struct policy **ret_policy, const char *path);
void policy_free(struct policy *policy);

/* What holds for a map: the first `maps` entry whose pattern matches the name, or the general. */
const struct limits *policy_limits(const struct policy *policy, const char *map_name);
/* Length of a window; 0 = the file does not say. */
unsigned policy_interval_ms(const struct policy *policy);
/* Findings from this severity on fail a check (default: warning). */
enum finding_severity policy_fail_on(const struct policy *policy);

extern const struct limits limits_default;

#endif
