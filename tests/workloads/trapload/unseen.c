/* SPDX-License-Identifier: MIT */
/*
 * unseen.c - scenarios that were written after the detectors, from the definitions alone, to see
 * what the detectors make of traffic that nobody had tuned them to (docs/scoring.md says how many
 * were right at first). Their shapes are meant to differ from those of traps.c and none.c: several
 * phases, caches with expiry, two traps in one map, near misses on each side of a condition.
 */
#include "shape.h"

#define SHAPE(tag, kind, s, from, least, n, ...)                                                   \
	{                                                                                          \
		.name = "unseen-" tag, .label = (kind), .seconds = (s), .begins = (from),          \
		.minimum = (least), .keys = (n), __VA_ARGS__                                       \
	}
#define PSEUDO(tag, n, ...) SHAPE(tag, "pseudo-expansion", 11, 0.5, 5, n, __VA_ARGS__)
#define DIFFUSION(tag, n, ...) SHAPE(tag, "read-diffusion", 7, 0, 2, n, __VA_ARGS__)
#define STARVED(tag, n, ...) SHAPE(tag, "write-starvation", 8, 0, 3, n, __VA_ARGS__)
#define TOMBS(tag, n, ...) SHAPE(tag, "write-starvation", 11, 0, 5, n, __VA_ARGS__)
#define QUIET(tag, s, n, ...) SHAPE(tag, "none", s, 0, 0, n, __VA_ARGS__)
#define POLICY(p, a) .map = {.policy = SMAP_POLICY_##p, .policy_arg = (a)}
#define DO(...) .actors = {__VA_ARGS__}
#define CALM(n) .calm = (n)
#define FREES .frees = 1
#define AT(what, hz)                                                                               \
	{                                                                                          \
		step_##what, .rate = (hz)                                                          \
	}
#define HOLD                                                                                       \
	{                                                                                          \
		step_hold, 600000                                                                  \
	}

static const struct shape unseen[] = {
	/* pseudo-expansion */
	PSEUDO("trickle-of-new-keys", 50000,
	       DO({step_fresh, .rate = 200, .from = 0.5}, AT(hit, 3000))),
	SHAPE("load-then-stop", "pseudo-expansion", 11, 0, 5, 1000,
	      DO({step_fresh, .rate = 5000, .to = 2.5}, AT(hit, 2000))),
	PSEUDO("bursts-of-misses", 200000,
	       DO({step_burst, 500, .from = 0.5}, AT(hit, 1000), {step_batch, 1500, .rate = 0.3})),
	SHAPE("promoted-before", "pseudo-expansion", 12, 3.7, 5, 20000,
	      DO({step_sweep, .rate = 1.5, .to = 3.6}, {step_burst, 300, .from = 3.7},
		 AT(hit, 3000))),
	PSEUDO("half-of-many", 300000,
	       DO({step_burst, 900, .from = 0.5}, {step_newest, .rate = 150, .from = 1}),
	       POLICY(HALF_DIRTY, 0)),
	PSEUDO("threads", 400000,
	       DO({step_burst, 5000, .from = 0.5}, {step_hot, .rate = 300, .threads = 12},
		  {step_newest, .rate = 8, .threads = 10})),
	PSEUDO("narrow-counter", 300000,
	       DO({step_burst, 1000, .from = 0.5}, AT(hit, 1000), AT(absent, 200)),
	       .map = {.miss_counter_bits = 16}),
	PSEUDO("few-reads", 3000, DO({step_burst, 50, .from = 0.5}, AT(hit, 5))),
	PSEUDO("restores", 8000, DO({step_burst, 60, .from = 0.5}, AT(restore, 500))),
	PSEUDO("ensure", 60000,
	       DO({step_burst, 200, .from = 0.5}, AT(ensure, 2000), AT(newest, 30)), .bytes = 1),
	PSEUDO("ratio", 100000, DO({step_burst, 2000, .from = 0.5}, AT(hot, 4000), AT(newest, 100)),
	       POLICY(RW_RATIO, 0)),
	SHAPE("seldom-read", "pseudo-expansion", 15, 0.5, 5, 3000,
	      DO({step_burst, 50, .from = 0.5}, AT(newest, 0.35))),
	SHAPE("ranges-that-cease", "pseudo-expansion", 26, 16.3, 5, 20000,
	      DO({step_fresh, .rate = 5, .to = 16}, {step_promote, .rate = 0.25, .to = 16.1},
		 {step_burst, 10, .from = 16.3}, AT(hit, 1000))),
	PSEUDO("snapshots", 20000,
	       DO({step_burst, 100, .from = 0.5}, AT(snapshot, 3), AT(newest, 10))),
	/* read-diffusion */
	DIFFUSION("readers-first", 20000,
		  DO({step_reload, 20000, .rate = 60, .threads = 4}, {step_absent, .threads = 2})),
	DIFFUSION("ensures", 3000,
		  DO({step_ensure, .threads = 2}, {step_window, 50, .rate = 80},
		     {step_absent, .threads = 2})),
	DIFFUSION("20k", 20000, DO({step_cascade, 30000})),
	DIFFUSION("read-len", 8000, DO({step_cascade, 20000, .threads = 2}), POLICY(READ_LEN, 0)),
	DIFFUSION("pulses", 3000, DO({step_cascade, 10000, .rate = 15})),
	DIFFUSION("bytes-threads", 6000,
		  DO({step_window, 300, .rate = 50}, {step_absent, .threads = 6}), .bytes = 1),
	DIFFUSION("of-many", 5000, DO({step_window, 200, .rate = 150}, {step_absent, .threads = 2}),
		  CALM(40)),
	DIFFUSION("beside-load", 10000,
		  DO({step_spin}, {step_window, 500, .rate = 100}, {step_absent, .threads = 3})),
	/* write-starvation */
	STARVED("hold-take", 5000, DO(HOLD, AT(take, 800)), FREES),
	STARVED("hold-clears", 500, DO(HOLD, AT(fresh, 2000), AT(clear, 3)), FREES),
	SHAPE("hold-6s", "write-starvation", 12, 0, 3, 5000,
	      DO({step_hold, 6000}, AT(replace, 1000)), FREES),
	STARVED("hold-writers", 20000, DO(HOLD, {step_replace, .rate = 3000, .threads = 12}),
		FREES),
	STARVED("hold-while-promoting", 5000, DO(HOLD, AT(sweep, 5))),
	STARVED("starved-writers", 20000,
		DO({step_starve}, {step_replace, .rate = 1500, .threads = 4}), FREES),
	TOMBS("tombs-slow", 2000, DO(AT(remove, 40), AT(hit, 500))),
	TOMBS("tombs-replace", 30000, DO(AT(remove, 400), AT(replace, 2000)), FREES),
	TOMBS("tombs-restore", 50000, DO(AT(remove, 100), AT(restore, 3000))),
	TOMBS("tombs-threads", 200000, DO(AT(remove, 500), {step_hot, .threads = 2})),
	SHAPE("tombs-beside-dirty", "pseudo-expansion,write-starvation", 12, 0.5, 5, 40000,
	      DO({step_burst, 200, .from = 0.5}, {step_remove, .rate = 300, .from = 0.5},
		 AT(newest, 20))),
	SHAPE("hold-beside-dirty", "pseudo-expansion,write-starvation", 12, 0.5, 5, 20000,
	      DO({step_burst, 200, .from = 0.5}, HOLD, AT(newest, 20), AT(replace, 500)), FREES),
	SHAPE("cascade-then-stuck", "pseudo-expansion,read-diffusion", 16, 6.5, 5, 5000,
	      DO({step_cascade, 12000, .to = 6}, {step_burst, 50, .from = 6.5},
		 {step_newest, .rate = 20, .from = 6.5})),
	/*
	 * Reads that all hit, beside busy maps: a hit leaves no trace in its map, so that from
	 * outside this is an idle map, which is no trap (docs/scoring.md). Not in the score.
	 */
	SHAPE("hits-of-many", "beyond", 11, 0.5, 5, 5000,
	      DO({step_burst, 101, .from = 0.5}, AT(hit, 5000)), CALM(20)),
	/* none */
	QUIET("idle-among-busy", 10, 5000, DO({step_burst, 100, .from = 0.3}), CALM(10)),
	QUIET("load-in-chunks", 10, 10000, DO({step_chunk, 500, .rate = 1}, AT(hit, 1000))),
	QUIET("steady-growth", 9, 5000, DO(AT(fresh, 1000), AT(newest, 1000))),
	QUIET("small-cache", 8, 2000, DO(AT(cache, 3000), AT(expire, 10), {step_spin})),
	QUIET("range-each-4s", 14, 10000, DO(AT(fresh, 5), AT(promote, 0.25), AT(hit, 1000))),
	QUIET("remove-and-refill", 9, 30000,
	      DO({step_remove, .rate = 10000, .to = 3}, {step_refill, .from = 3.5}, AT(hit, 500))),
	QUIET("cache", 7, 20000, DO({step_cache, .threads = 2}, AT(expire, 300))),
	QUIET("cache-bytes", 7, 3000, DO({step_cache, .threads = 3}, AT(expire, 100)), .bytes = 1),
	QUIET("brief-maps", 7, 1000, DO({step_brief, 200, .rate = 50}, AT(hit, 1000))),
	QUIET("brief-threads", 7, 1000,
	      DO({step_brief, 2000, .rate = 20, .threads = 4}, AT(replace, 500))),
	QUIET("short-holds", 8, 10000, DO({step_hold, 400, .threads = 4}, AT(replace, 8000)),
	      FREES),
	QUIET("holds-in-turn", 9, 10000,
	      DO({step_hold, 1400}, {step_hold, 1400, .from = 0.7}, AT(replace, 2000)), FREES),
	QUIET("paused-near-promotion", 11, 10000,
	      DO({step_burst, 100, .from = 1}, {step_newest, .rate = 1500, .from = 1},
		 {step_pause, 4000, .from = 3})),
	/* The promotion is 18 s of its own time away. It goes on in other parts of windows. */
	QUIET("paused-again", 27, 2000,
	      DO({step_burst, 20, .from = 0.3}, {step_trudge, 9}, {step_pause, 5000, .from = 2.3},
		 {step_pause, 5000, .from = 9.97}, {step_pause, 5000, .from = 17.64})),
	QUIET("narrow-counter-wraps", 12, 300000, DO(AT(fresh, 1), AT(absent, 25000)),
	      .map = {.miss_counter_bits = 16}),
	QUIET("come-and-go", 20, 1000, DO(AT(roam, 5000))),
	QUIET("snapshots-of-all", 8, 20000, DO(AT(snapshot, 20), AT(replace, 2000), AT(hit, 2000))),
	QUIET("many-misses-fixed", 12, 10000, DO(AT(fresh, 5), {step_batch, 2000, .rate = 100}),
	      POLICY(FIXED, 2000000)),
	QUIET("sweeps-each-3s", 10, 50000, DO(AT(remove, 500), AT(sweep, 0.33), AT(hit, 500))),
	QUIET("two-purges", 10, 50000,
	      DO({step_remove, .rate = 8000, .from = 1, .to = 1.8},
		 {step_compare, .rate = 8000, .from = 6, .to = 6.8}, AT(hit, 500))),
	QUIET("deletes-of-nothing", 7, 10000, DO(AT(gone, 5000), AT(hit, 1000))),
	QUIET("swaps", 7, 500, DO({step_replace, .rate = 2000, .threads = 16}), FREES),
	QUIET("seldom-replaced", 9, 1000, DO(AT(replace, 5)), FREES),
	QUIET("seldom-replaced-threads", 9, 1000,
	      DO({step_replace, .rate = 12, .threads = 4}, AT(hit, 500)), FREES),
	QUIET("takes", 8, 3000, DO({step_take, .rate = 2000, .threads = 4}), FREES),
	QUIET("ranges-with-writes", 8, 20000, DO(AT(fresh, 400), AT(promote, 8), {step_spin})),
};

const struct shape_table shapes_unseen = {NULL, unseen, sizeof(unseen) / sizeof(unseen[0])};
