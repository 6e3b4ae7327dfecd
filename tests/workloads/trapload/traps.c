/* SPDX-License-Identifier: MIT */
/*
 * traps.c - scenarios that contain a trap; traps.md's definitions are what makes them so.
 */
#include "shape.h"

#define KEEPER_MS 600000 /* longer than any run */
#define POLICY(p, a) .map = {.policy = SMAP_POLICY_##p, .policy_arg = (a)}
#define COST .remedy = {.size = 1, .policy = SMAP_POLICY_COST, .flags = SMAP_OPTIONS_TUNED}

/* New keys in dirty, and reads that keep hitting read, or miss too seldom for a promotion. */
#define LATE(tag, n, more, ...)                                                                    \
	{                                                                                          \
		.name = "pseudo-" tag, .seconds = 11, .begins = 0.5, .minimum = 5, .keys = (n),    \
		.actors = {{step_burst, (n) / 50 + 1, .from = 0.5}, __VA_ARGS__}, more             \
	}
#define CALM(n) .calm = (n)
#define NOTHING .calm = 0
#define MISSES(r)                                                                                  \
	{                                                                                          \
		step_newest, .rate = (r), .from = 1                                                \
	}
#define HITS(r)                                                                                    \
	{                                                                                          \
		step_hit, .rate = (r)                                                              \
	}

static const struct shape pseudo[] = {
	LATE("canonical", 100000, NOTHING, HITS(5000), MISSES(20)),
	LATE("hits-100", 100, NOTHING, HITS(1000)),
	LATE("hits-10k", 10000, NOTHING, HITS(20000)),
	LATE("hits-1m", 1000000, NOTHING, HITS(20000)),
	LATE("hits-threads", 10000, NOTHING, {step_hot, .rate = 2000, .threads = 8}),
	LATE("hits-bytes", 5000, .bytes = 1, HITS(5000)),
	LATE("writes-of-many", 5000, CALM(20), HITS(5000), {step_replace, .rate = 50}),
	LATE("trickle-1k", 1000, NOTHING, HITS(2000), MISSES(4)),
	LATE("trickle-1m", 1000000, NOTHING, HITS(2000), MISSES(2000)),
	LATE("trickle-threads", 200000, NOTHING, HITS(2000),
	     {step_newest, .rate = 20, .from = 1, .threads = 16}),
	LATE("trickle-bytes", 50000, .bytes = 1, HITS(2000), MISSES(50)),
	LATE("trickle-of-many", 20000, CALM(8), HITS(2000), MISSES(20)),
	LATE("absent", 100000, NOTHING, HITS(2000), {step_absent, .rate = 100, .from = 1}),
	LATE("fixed-huge", 1000, POLICY(FIXED, 100000000), HITS(2000), MISSES(5000)),
	LATE("fixed-bytes", 10000, POLICY(FIXED, 1000000000), MISSES(20000)),
	LATE("read-len", 500000, POLICY(READ_LEN, 0), HITS(2000), MISSES(100)),
	LATE("after-quiet", 30000, NOTHING, {step_hit, .rate = 5000, .to = 2}, MISSES(20)),
};

/* One store of a new key, then more loads of absent keys than a promotion takes. */
#define CASCADE(tag, n, more, thr)                                                                 \
	{                                                                                          \
		.name = "diffusion-" tag, .seconds = 7, .minimum = 2, .keys = (n),                 \
		.actors = {{step_cascade, 3 * (n), .threads = (thr)}}, COST, more                  \
	}
#define READERS(tag, n, more, ...)                                                                 \
	{                                                                                          \
		.name = "diffusion-" tag, .seconds = 7, .minimum = 2, .keys = (n),                 \
		.actors = {__VA_ARGS__}, COST, more                                                \
	}
#define ABSENT(thr)                                                                                \
	{                                                                                          \
		step_absent, .threads = (thr)                                                      \
	}

static const struct shape diffusion[] = {
	CASCADE("canonical", 10000, NOTHING, 1),
	CASCADE("100", 100, NOTHING, 1),
	CASCADE("1k", 1000, NOTHING, 1),
	CASCADE("30k", 30000, NOTHING, 1),
	CASCADE("bytes", 5000, .bytes = 1, 1),
	CASCADE("of-many", 5000, CALM(10), 1),
	CASCADE("threads", 5000, NOTHING, 4),
	CASCADE("half-dirty", 20000, POLICY(HALF_DIRTY, 0), 1),
	CASCADE("fixed-100", 20000, POLICY(FIXED, 100), 1),
	READERS("absent-1k", 1000, NOTHING, {step_window, 1000, .rate = 3000}, ABSENT(1)),
	READERS("absent-10k", 10000, NOTHING, {step_window, 2500, .rate = 200}, ABSENT(2)),
	READERS("absent-threads", 2000, NOTHING, {step_window, 500, .rate = 100}, ABSENT(16)),
	READERS("grows", 3000, NOTHING, {step_fresh, .rate = 200}, ABSENT(2)),
	READERS("reload", 5000, NOTHING, {step_reload, 5000, .rate = 300}, ABSENT(2)),
	READERS("reload-bytes", 3000, .bytes = 1, {step_reload, 3000, .rate = 100}, ABSENT(4)),
	READERS("range", 50000, NOTHING, {step_fresh, .rate = 500},
		{step_promote, .rate = 200, .threads = 2}),
	READERS("after-quiet", 5000, .begins = 2, {step_hit, .rate = 1000, .to = 2},
		{step_window, 1000, .rate = 500, .from = 2}, {step_absent, .from = 2}),
	READERS("that-ends", 5000, NOTHING, {step_hit, .rate = 1000},
		{step_window, 1000, .rate = 500, .to = 4.5}, {step_absent, .to = 4.5}),
};

#define STARVED(tag, n, more, ...)                                                                 \
	{                                                                                          \
		.name = "starvation-" tag, .seconds = 8, .minimum = 3, .keys = (n), .frees = 1,    \
		.actors = {__VA_ARGS__}, more                                                      \
	}
/* Deleted entries of read, and nothing that sweeps them. */
#define TOMBS(tag, n, more, ...)                                                                   \
	{                                                                                          \
		.name = "starvation-tombs-" tag, .seconds = 11, .minimum = 5, .keys = (n),         \
		.actors = {__VA_ARGS__}, more                                                      \
	}
#define SLOW_BYTES .slow = 1, .bytes = 1
#define HOLD                                                                                       \
	{                                                                                          \
		step_hold, KEEPER_MS                                                               \
	}

static const struct shape starvation[] = {
	STARVED("canonical", 10000, NOTHING, HOLD, {step_replace, .rate = 5000}),
	STARVED("hold-100", 100, NOTHING, HOLD, {step_replace, .rate = 200}),
	STARVED("hold-1m", 1000000, NOTHING, HOLD, {step_replace, .rate = 20000}),
	STARVED("hold-bytes", 5000, .bytes = 1, HOLD, {step_replace, .rate = 1000}),
	STARVED("hold-threads", 5000, NOTHING, HOLD, {step_replace, .rate = 500, .threads = 8}),
	STARVED("hold-of-many", 5000, CALM(10), HOLD, {step_replace, .rate = 1000}),
	STARVED("hold-restores", 2000, NOTHING, HOLD, {step_restore, .rate = 500}),
	STARVED("hold-deletes", 100000, NOTHING, HOLD, {step_remove, .rate = 5000}),
	STARVED("hold-late", 3000, .begins = 2.5, {step_replace, .rate = 1000},
		{step_hold, KEEPER_MS, .from = 2.5}),
	STARVED("hold-readers", 3000, NOTHING, {step_hold, KEEPER_MS, .threads = 4},
		{step_replace, .rate = 1000}),
	STARVED("slow-free", 10000, .slow = 1, {step_replace, .rate = 5000}),
	STARVED("slow-free-bytes", 10000, SLOW_BYTES, {step_replace, .rate = 10000}),
	STARVED("idle-reclaimer", 10000, NOTHING, {step_starve}, {step_replace, .rate = 5000}),
	TOMBS("canonical", 100000, NOTHING, {step_remove, .rate = 2000}, HITS(2000)),
	TOMBS("1k", 1000, NOTHING, {step_remove, .rate = 80}, HITS(1000)),
	TOMBS("1m", 1000000, NOTHING, {step_remove, .rate = 20000}, HITS(1000)),
	TOMBS("bytes", 20000, .bytes = 1, {step_remove, .rate = 500}, HITS(1000)),
	TOMBS("compare", 20000, NOTHING, {step_compare, .rate = 1000}),
	TOMBS("of-many", 20000, CALM(5), {step_remove, .rate = 1000}),
	TOMBS("frees", 50000, .frees = 1, {step_remove, .rate = 2000}, HITS(1000)),
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

const struct shape_table shape_traps[] = {
	{"pseudo-expansion", pseudo, COUNT(pseudo)},
	{"read-diffusion", diffusion, COUNT(diffusion)},
	{"write-starvation", starvation, COUNT(starvation)},
};
