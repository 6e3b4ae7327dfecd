/* SPDX-License-Identifier: MIT */
/*
 * overhead.h - what tracing costs the target, and what to do without when it is too much.
 * Pure: rates and prices come in, a share of time and a plan go out.
 *
 * The price of a hit is measured (usdt_price.c), the rates are seen; their product is the
 * processor time that tracing takes of the target each second. The share is that time as a
 * part of the target's own: of the CPU time that it would have used without us. One
 * that uses less than OVERHEAD_CPU_MIN of a processor is taken as using that much.
 *
 * It is a lower bound for programs whose threads contend for a map's lock: probes are hit
 * with the lock held, so others wait longer, too.
 */
#ifndef OVERHEAD_H
#define OVERHEAD_H

#include <stdbool.h>
#include <stdint.h>
#include "../lib/smap_probes.h"

#define OVERHEAD_CPU_MIN 0.05 /* processors */

/*
 * What is done without, the dearest first: X(name, probes, what it is). A step that has no
 * probe of its own is a switch of the programs (usdt_shed.c). The last one is never given up:
 * it is sampled, attached for one slice of time out of `period`.
 */
#define OVERHEAD_BIT(probe) (1U << SMAP_PROBE_##probe)
#define OVERHEAD_STEPS(X)                                                                          \
	X(stacks, 0, "call stacks")                                                                \
	X(offcpu, 0, "threads off the CPU")                                                        \
	X(exact, OVERHEAD_BIT(miss) | OVERHEAD_BIT(expunge), "single misses and expunges")         \
	X(lock_wait, OVERHEAD_BIT(lock_wait), "waits for the lock other than on misses")           \
	X(reclaim, OVERHEAD_BIT(retire) | OVERHEAD_BIT(reclaim), "reclamation")                    \
	X(changes, OVERHEAD_BIT(promote) | OVERHEAD_BIT(rebuild) | OVERHEAD_BIT(overflow),         \
	  "promotions and rebuilds")                                                               \
	X(misses, OVERHEAD_BIT(miss_batch), "misses")

enum overhead_step {
#define OVERHEAD_STEP_ENUM(name, probes, what) OVERHEAD_STEP_##name,
	OVERHEAD_STEPS(OVERHEAD_STEP_ENUM)
#undef OVERHEAD_STEP_ENUM
		OVERHEAD_STEP_COUNT
};

#define OVERHEAD_SAMPLED (OVERHEAD_STEP_COUNT - 1)
#define OVERHEAD_PERIOD_MAX 64

struct overhead_step_info {
	const char *name;
	uint32_t probes; /* a bit for each enum smap_probe */
	const char *what;
};

extern const struct overhead_step_info overhead_steps[OVERHEAD_STEP_COUNT];

/* Nanoseconds. */
struct overhead_price {
	double hit[SMAP_PROBE_COUNT];
	double miss;  /* what the map does at a miss because somebody listens */
	double stack; /* to take one */
	/* Of --offcpu: to look at a thread that leaves its CPU, and a time off it at a mutex. */
	double look, interval;
};

/* Per second. */
struct overhead_rates {
	double hits[SMAP_PROBE_COUNT];
	double misses; /* measured by the map: those that come in batches */
	double stacks;
	double looks, intervals; /* of --offcpu */
};

/* Processors that these rates take: seconds per second; and what of that is --offcpu's. */
double overhead_taken(const struct overhead_price *price, const struct overhead_rates *rates);
double overhead_offcpu(const struct overhead_price *price, const struct overhead_rates *rates);

/*
 * As a part of the target's own time; cpu: processors that it uses, tracing included,
 * of which `present` are tracing's now.
 */
double overhead_share(double taken, double cpu, double present);

struct overhead_plan {
	uint32_t shed;	 /* a bit for each step; never the last one's */
	uint32_t period; /* of the last step; 1 = always on */
};

/* What these rates would take under a plan, in the mean. */
double overhead_under(const struct overhead_price *price, const struct overhead_rates *rates,
		      const struct overhead_plan *plan);

/*
 * Less is shed only when it would fit into this part of the budget for so long: else it
 * would come and go.
 */
#define OVERHEAD_ROOM 0.7
#define OVERHEAD_CALM_NS 3000000000ULL

/* Zero-initialised but for budget and plan.period = 1. */
struct overhead_control {
	double budget; /* a share; 0 = none */
	struct overhead_plan plan;
	uint64_t calm_since_ns; /* 0 = not calm */
};

/*
 * What to do now, by the rates that would be seen if nothing were shed. Sheds as much as it
 * takes at once, and takes back one step at a time. True: the plan is another one.
 */
bool overhead_decide(struct overhead_control *control, const struct overhead_price *price,
		     const struct overhead_rates *rates, double cpu, double present,
		     uint64_t now_ns);

#endif
