/* SPDX-License-Identifier: MIT */
/*
 * none.c - lookalikes: traffic that resembles a trap and meets no definition of one.
 */
#include "shape.h"

#define QUIET(tag, s, n, more, ...)                                                                \
	{                                                                                          \
		.name = "none-" tag, .seconds = (s), .keys = (n), .actors = {__VA_ARGS__}, more    \
	}
#define NOTHING .calm = 0
#define CALM(n) .calm = (n)
#define HITS(r)                                                                                    \
	{                                                                                          \
		step_hit, .rate = (r)                                                              \
	}
#define FREES .frees = 1

static const struct shape none[] = {
	/* loading and warming up */
	QUIET("bulk-load", 9, 1, .cold = 1, {step_fresh, .rate = 20000}),
	QUIET("bulk-load-bytes", 9, 1000, .bytes = 1, {step_fresh, .rate = 10000}),
	QUIET("bulk-load-misses", 9, 1, .cold = 1, {step_fresh, .rate = 20000},
	      {step_absent, .rate = 100}),
	QUIET("warm-up", 8, 20000, NOTHING, {step_fresh, .rate = 2000, .to = 1.5},
	      {step_absent, .rate = 20000, .to = 4}, HITS(1000)),
	QUIET("cold-start", 8, 20000, .cold = 1, {step_hit, .rate = 10000}),
	QUIET("cold-start-hot", 8, 50000, .cold = 1, {step_hot, .rate = 10000, .threads = 4}),
	/* nothing happens */
	QUIET("idle", 8, 10000, NOTHING, {step_hit, .rate = 1000, .to = 1}),
	QUIET("idle-dirty", 11, 10000, NOTHING, {step_burst, 100, .from = 0.3}),
	QUIET("idle-dirty-1m", 11, 1000000, NOTHING, {step_burst, 1000, .from = 0.3}),
	QUIET("late-dirty", 8, 10000, NOTHING, HITS(5000), {step_burst, 100, .from = 5}),
	QUIET("short-dirty", 8, 10000, NOTHING, HITS(5000), {step_burst, 100, .from = 1},
	      {step_promote, .rate = 1, .from = 4, .to = 4.5}),
	/* reads */
	QUIET("hits", 6, 10000, NOTHING, {step_hit, .threads = 2}),
	QUIET("hits-hot", 6, 1000000, NOTHING, {step_hot, .rate = 10000, .threads = 8}),
	QUIET("hits-bytes", 6, 1000, .bytes = 1, {step_hit, .rate = 20000, .threads = 4}),
	QUIET("hits-of-many", 6, 1000, CALM(30), HITS(5000)),
	QUIET("absent-promoted", 6, 10000, NOTHING, {step_absent, .threads = 2}),
	QUIET("ranges", 6, 10000, NOTHING, {step_promote, .rate = 50}, HITS(1000)),
	QUIET("near-promotion", 10, 1000, NOTHING, {step_burst, 10, .from = 0.3}, HITS(1000),
	      {step_newest, .rate = 100, .from = 0.5}),
	QUIET("slow-promotions", 10, 50000, NOTHING, {step_window, 1000, .rate = 20},
	      {step_absent, .rate = 20000}),
	QUIET("slow-promotions-bytes", 10, 20000, .bytes = 1, {step_window, 100, .rate = 20},
	      {step_absent, .rate = 10000}),
	QUIET("promotions-by-range", 10, 10000, NOTHING, {step_window, 1000, .rate = 10},
	      {step_promote, .rate = 1}, HITS(2000)),
	QUIET("cheap-cascade", 8, 100, NOTHING, {step_window, 100, .rate = 5},
	      {step_absent, .rate = 1000}, {step_spin}),
	QUIET("cheap-cascade-of-many", 8, 50, CALM(5), {step_window, 50, .rate = 5},
	      {step_absent, .rate = 500}, {step_spin}),
	QUIET("new-keys-only", 8, 1000, NOTHING, {step_window, 1000, .rate = 5000}),
	/* writes */
	QUIET("replace", 7, 10000, FREES, {step_replace, .rate = 5000}),
	QUIET("replace-threads", 7, 100000, FREES, {step_replace, .rate = 1000, .threads = 8}),
	QUIET("replace-plain", 7, 1000, NOTHING, {step_replace, .threads = 2}),
	QUIET("restore", 8, 1000, NOTHING, {step_restore, .rate = 5000}),
	QUIET("restore-threads", 8, 10000, FREES, {step_restore, .rate = 1000, .threads = 4}),
	QUIET("restore-bytes", 8, 1000, .bytes = 1, {step_restore, .rate = 5000}),
	QUIET("delete-burst", 8, 50000, FREES, {step_remove, .from = 2}, HITS(1000)),
	QUIET("delete-burst-1m", 8, 1000000, FREES, {step_remove, .from = 2}),
	QUIET("delete-3s", 9, 100000, NOTHING, {step_remove, .rate = 1000, .from = 1, .to = 3.5},
	      HITS(1000)),
	QUIET("delete-swept", 9, 100000, NOTHING, {step_remove, .rate = 500},
	      {step_window, 10, .rate = 2}, {step_promote, .rate = 2}),
	QUIET("clears", 8, 100, NOTHING, {step_fresh, .rate = 2000}, {step_clear, .rate = 1}),
	QUIET("level-backlog", 8, 10000, FREES, {step_hold, 300}, {step_replace, .rate = 20000}),
	QUIET("level-backlog-deletes", 8, 10000, FREES, {step_hold, 200},
	      {step_restore, .rate = 10000}),
	QUIET("hold-no-writes", 7, 10000, FREES, {step_hold, 600000}, HITS(5000)),
	/* the process and the machine */
	QUIET("paused", 9, 10000, FREES, {step_replace, .rate = 2000},
	      {step_pause, 2000, .from = 2}),
	QUIET("machine-busy", 7, 10000, FREES, {step_spin, .threads = 3},
	      {step_replace, .rate = 1000}, HITS(1000)),
};

const struct shape_table shapes_none = {"none", none, sizeof(none) / sizeof(none[0])};
