/* SPDX-License-Identifier: MIT */
/*
 * usdt_shed.c - keeps tracing within its budget, and the maps' counters compared.
 *
 * Model: every TICK_NS the programs' own counts (a look into memory) and the CPU time of the
 * targets give rates; overhead.c says what to do without, and the probes are taken off or
 * put back. What a probe that is off would cost is known from the maps' own counters, at each
 * round of samples: how many hits come with a miss, a promotion and so on was seen while it was
 * on. The budget is for all targets together.
 *
 * A probe that is off is no trap: its links are gone, and with them the semaphores that the
 * library asks. Counters are taken from the state pages meanwhile (livemap.c).
 */
#include <bpf/libbpf.h>
#include <stdio.h>
#include <string.h>
#include "log.h"
#include "usdt.h"
#include "usdt.skel.h"
#include "usdt_stacks.h"

#define NS_PER_MS 1000000ULL
#define NS_PER_SEC 1e9
#define TICK_NS (20 * NS_PER_MS)
#define TICK_MAX_NS (1000 * NS_PER_MS)
#define TICK_PART 50 /* a look takes at most one part in so many of the time */
#define SLICE_NS (500 * NS_PER_MS)
#define SMOOTH 0.5    /* weight of the last tick in a rate */
#define UNITS_MIN 100 /* fewer say nothing about hits per unit */
#define AUDIT_NS (1000 * NS_PER_MS)

/* The counter that says how often a probe is hit, and how often if it was never seen on. */
#define LOCK_WAITS ST_COUNTER_COUNT
static const struct {
	unsigned counter;
	double hits;
} drivers[SMAP_PROBE_COUNT] = {
	[SMAP_PROBE_miss] = {ST_COUNTER_misses, 1},
	[SMAP_PROBE_miss_batch] = {ST_COUNTER_misses, 1.0 / SMAP_BATCH_MISSES},
	[SMAP_PROBE_promote] = {ST_COUNTER_promotions, 1},
	[SMAP_PROBE_rebuild] = {ST_COUNTER_rebuilds, 1},
	[SMAP_PROBE_expunge] = {ST_COUNTER_expunged, 1},
	[SMAP_PROBE_overflow] = {ST_COUNTER_overflows, 1},
	[SMAP_PROBE_lock_wait] = {LOCK_WAITS, 1},
	[SMAP_PROBE_retire] = {ST_COUNTER_retired, 1},
	[SMAP_PROBE_reclaim] = {ST_COUNTER_reclaimed, 1},
};

/* Probes of which one is enough to count. */
static const uint32_t counted_by[ST_COUNTER_COUNT] = {
	[ST_COUNTER_misses] = OVERHEAD_BIT(miss_batch) | OVERHEAD_BIT(miss),
	[ST_COUNTER_promotions] = OVERHEAD_BIT(promote),
	[ST_COUNTER_rebuilds] = OVERHEAD_BIT(rebuild),
	[ST_COUNTER_copied] = OVERHEAD_BIT(rebuild),
	[ST_COUNTER_expunged] = OVERHEAD_BIT(rebuild),
	[ST_COUNTER_overflows] = OVERHEAD_BIT(overflow),
	[ST_COUNTER_retired] = OVERHEAD_BIT(retire),
	[ST_COUNTER_reclaimed] = OVERHEAD_BIT(reclaim),
};

static uint32_t wanted_probes(const struct usdt *usdt)
{
	struct usdt_prog progs[SMAP_PROBE_COUNT];
	uint32_t wanted = 0;

	usdt_list_progs(usdt, progs);
	for (unsigned i = 0; i < SMAP_PROBE_COUNT; i++)
		wanted |= (uint32_t)progs[i].wanted << progs[i].probe;
	return wanted;
}

static struct st_load read_load(const struct usdt *usdt)
{
	const volatile struct st_load *per_cpu = usdt->skel->bss->load;
	struct st_load sum = {0};

	for (unsigned cpu = 0; cpu < ST_CPUS; cpu++) {
		for (unsigned i = 0; i < SMAP_PROBE_COUNT; i++)
			sum.hits[i] += per_cpu[cpu].hits[i];
		sum.misses += per_cpu[cpu].misses;
		sum.stacks += per_cpu[cpu].stacks;
		sum.looks += per_cpu[cpu].looks;
		sum.intervals += per_cpu[cpu].intervals;
	}
	return sum;
}

/* --- what is driven by what --------------------------------------------------------- */

void usdt_count_units(struct usdt *usdt, struct livemap *map, const struct record_sample *sample)
{
	uint64_t now[ST_COUNTER_COUNT + 1], diff[ST_COUNTER_COUNT + 1];

	if (usdt->control.budget <= 0)
		return;
	memcpy(now, sample->total, sizeof(sample->total));
	now[LOCK_WAITS] = sample->lock_waits;
	for (unsigned i = 0; i <= ST_COUNTER_COUNT; i++) {
		diff[i] = map->units_known && now[i] > map->units[i] ? now[i] - map->units[i] : 0;
		map->units[i] = now[i];
	}
	map->units_known = true;
	for (unsigned i = 0; i < SMAP_PROBE_COUNT; i++)
		if (drivers[i].hits > 0)
			usdt->load.units[i] += diff[drivers[i].counter];
}

static bool is_shed(const struct usdt *usdt, unsigned step)
{
	return usdt->control.plan.shed & 1U << step;
}

/* The kernel counts switches in any case, but has to be asked for each thread: not too often. */
static void guess_looks(struct usdt *usdt)
{
	struct usdt_load *load = &usdt->load;
	uint64_t start = usdt_now_ns(), missed;
	double seconds = (double)(start - load->missed_ns) / NS_PER_SEC;

	if (start < load->missed_next_ns)
		return;
	missed = usdt_offcpu_missed(usdt);
	if (load->missed_ns && missed >= load->missed) {
		load->demand.looks = (double)(missed - load->missed) / seconds;
		load->demand.intervals = load->demand.looks * load->intervals_per_look;
	}
	load->missed = missed;
	load->missed_ns = start;
	load->missed_next_ns = start + (usdt_now_ns() - start) * TICK_PART;
}

/*
 * What is no probe and is off. There are no more stacks than there were, nor than there are
 * events that stacks are taken of.
 */
static void guess_rest(struct usdt *usdt)
{
	static const uint32_t stacked = OVERHEAD_BIT(miss) | OVERHEAD_BIT(miss_batch) |
					OVERHEAD_BIT(promote) | OVERHEAD_BIT(rebuild) |
					OVERHEAD_BIT(lock_wait);
	struct usdt_load *load = &usdt->load;
	struct overhead_rates *demand = &load->demand;
	double events;

	if (is_shed(usdt, OVERHEAD_STEP_offcpu))
		guess_looks(usdt);
	else
		load->missed_ns = 0;
	events = demand->intervals;
	for (unsigned i = 0; i < SMAP_PROBE_COUNT && usdt->probe_stacks; i++)
		events += stacked & 1U << i ? demand->hits[i] : 0;
	if (is_shed(usdt, OVERHEAD_STEP_stacks))
		demand->stacks = events < load->stacks_seen ? events : load->stacks_seen;
}

void usdt_end_round(struct usdt *usdt)
{
	struct usdt_load *load = &usdt->load;
	struct st_load seen = read_load(usdt);
	double seconds = (double)(usdt->now - load->round_ns) / NS_PER_SEC;
	bool steady = load->plan_ns < load->round_ns; /* nothing was switched meanwhile */

	if (usdt->control.budget <= 0)
		return;
	for (unsigned i = 0; i < SMAP_PROBE_COUNT && load->round_ns && seconds > 0; i++) {
		double units = (double)(load->units[i] - load->units_round[i]);
		double hits = (double)(seen.hits[i] - load->round.hits[i]);
		double known =
			load->hits_per_unit[i] > 0 ? load->hits_per_unit[i] : drivers[i].hits;

		if (!(usdt->off & 1U << i)) {
			if (steady && units >= UNITS_MIN)
				load->hits_per_unit[i] = hits / units;
			continue;
		}
		load->demand.hits[i] = units * known / seconds;
		if (i == SMAP_PROBE_miss_batch)
			load->demand.misses = units / seconds;
	}
	guess_rest(usdt);
	load->round = seen;
	load->round_ns = usdt->now;
	memcpy(load->units_round, load->units, sizeof(load->units_round));
}

/* --- the rates of a tick -------------------------------------------------------------- */

/* CPU time of the targets since the last look; a process has its images next to each other. */
static double cpu_seconds(struct usdt *usdt)
{
	const struct target *before = NULL;
	double seconds = 0;

	for (size_t i = 0; i < usdt->image_cnt; i++) {
		struct usdt_image *in = &usdt->image[i];
		uint64_t ns;

		if (!in->alive || in->target == before || target_cpu_ns(in->target, &ns))
			continue;
		before = in->target;
		if (in->tick_cpu_ns && ns > in->tick_cpu_ns)
			seconds += (double)(ns - in->tick_cpu_ns) / NS_PER_SEC;
		in->tick_cpu_ns = ns;
	}
	return seconds;
}

static double smooth(const struct usdt_load *load, double old, double new)
{
	return old + load->smooth * (new - old);
}

/* What is no probe, and what it was like for the time when it is off. */
static void take_rest(struct usdt *usdt, const struct overhead_rates *rates)
{
	struct usdt_load *load = &usdt->load;
	struct overhead_rates *demand = &load->demand;

	if (!is_shed(usdt, OVERHEAD_STEP_stacks))
		load->stacks_seen = demand->stacks = smooth(load, demand->stacks, rates->stacks);
	if (is_shed(usdt, OVERHEAD_STEP_offcpu))
		return;
	demand->looks = smooth(load, demand->looks, rates->looks);
	demand->intervals = smooth(load, demand->intervals, rates->intervals);
	load->intervals_per_look = demand->looks > 0 ? demand->intervals / demand->looks : 0;
}

static void take_rates(struct usdt *usdt, uint64_t now)
{
	struct usdt_load *load = &usdt->load;
	struct st_load seen = read_load(usdt);
	double seconds = (double)(now - load->tick_ns) / NS_PER_SEC;
	double cpu = cpu_seconds(usdt) / seconds;
	struct overhead_rates rates = {
		.misses = (double)(seen.misses - load->seen.misses) / seconds,
		.stacks = (double)(seen.stacks - load->seen.stacks) / seconds,
		.looks = (double)(seen.looks - load->seen.looks) / seconds,
		.intervals = (double)(seen.intervals - load->seen.intervals) / seconds,
	};

	for (unsigned i = 0; i < SMAP_PROBE_COUNT; i++) {
		rates.hits[i] = (double)(seen.hits[i] - load->seen.hits[i]) / seconds;
		if (!(usdt->off & 1U << i))
			load->demand.hits[i] = smooth(load, load->demand.hits[i], rates.hits[i]);
	}
	if (!(usdt->off & OVERHEAD_BIT(miss_batch)))
		load->demand.misses = smooth(load, load->demand.misses, rates.misses);
	take_rest(usdt, &rates);
	load->cpu = smooth(load, load->cpu, cpu);
	load->present = smooth(load, load->present, overhead_taken(&usdt->price, &rates));
	load->smooth = SMOOTH;
	load->seen = seen;
	load->tick_ns = now;
}

/* --- doing it -------------------------------------------------------------------------- */

/* Which counters nobody listens to, after a change. Of those that are back: a generation more. */
static void note_counters(struct usdt *usdt, uint32_t off)
{
	uint32_t on = wanted_probes(usdt) & ~off, now = 0;

	for (unsigned c = 0; c < ST_COUNTER_COUNT; c++) {
		if (!(counted_by[c] & on))
			now |= 1U << c;
		else if (usdt->shed.off & 1U << c)
			usdt->skel->bss->generation[c] = ++usdt->shed.generation[c];
	}
	usdt->shed.off = now;
}

/* Before probes go on, and after they went off: a gap is then always a known one. */
static int switch_probes(struct usdt *usdt, uint32_t off)
{
	uint32_t go = off & ~usdt->off, come = usdt->off & ~off;
	bool offcpu = !is_shed(usdt, OVERHEAD_STEP_offcpu), turned;
	int err = 0;

	if (go) {
		usdt_probes_off(usdt, go);
		note_counters(usdt, usdt->off);
		if (go & OVERHEAD_BIT(miss))
			usdt->skel->bss->each_miss = 0;
	}
	if (come) {
		note_counters(usdt, usdt->off & ~come);
		if (come & OVERHEAD_BIT(miss))
			usdt->skel->bss->each_miss = usdt->exact;
		err = usdt_probes_on(usdt, come);
		if (err) { /* they are off still */
			note_counters(usdt, usdt->off);
			log_err(err, "cannot put probes back");
		}
	}
	usdt->skel->bss->stacks_paused = is_shed(usdt, OVERHEAD_STEP_stacks);
	turned = usdt->offcpu && offcpu != (usdt->switches.cnt > 0);
	err = usdt_offcpu_switch(usdt, offcpu);
	if (err)
		log_err(err, "cannot look at threads off the CPU again");
	if (go || come || turned) {
		usdt->load.plan_ns = usdt->load.tick_ns = usdt_now_ns();
		usdt->load.seen = read_load(usdt);
		(void)cpu_seconds(usdt);
		usdt->load.smooth = 1; /* it is another program now */
	}
	return 0;
}

/* Probes that are to be off now. */
static uint32_t planned_off(const struct usdt *usdt, uint64_t now)
{
	const struct overhead_plan *plan = &usdt->control.plan;
	uint32_t off = 0;

	for (unsigned step = 0; step < OVERHEAD_SAMPLED; step++)
		if (plan->shed & 1U << step)
			off |= overhead_steps[step].probes;
	if (plan->period > 1 && now / SLICE_NS % plan->period)
		off |= overhead_steps[OVERHEAD_SAMPLED].probes;
	return off & wanted_probes(usdt);
}

static int tell_step(const struct usdt *usdt, unsigned step, uint32_t period, double share)
{
	struct record record = {.shed = {
					.ts_ns = usdt_now_ns(),
					.period = period,
					.cost_ppm = (__u64)(share * 1e6),
				}};
	const char *what = overhead_steps[step].what;
	double budget = 100 * usdt->control.budget;

	snprintf(record.shed.step, sizeof(record.shed.step), "%s", overhead_steps[step].name);
	if (period == 0)
		log_info("Over the budget of %g %% (%.1f %%): not traced from now on: %s.", budget,
			 100 * share, what);
	else if (period == 1)
		log_info("Within the budget of %g %%: traced again: %s.", budget, what);
	else
		log_info("Over the budget of %g %% (%.1f %%): traced 1/%u of the time from now on: "
			 "%s.",
			 budget, 100 * share, period, what);
	return usdt_emit(usdt, &record, RECORD_SHED, sizeof(record.shed));
}

static int tell_changes(const struct usdt *usdt, const struct overhead_plan *before)
{
	const struct overhead_plan *plan = &usdt->control.plan;
	const struct usdt_load *load = &usdt->load;
	double share = overhead_share(overhead_under(&usdt->price, &load->demand, before),
				      load->cpu, load->present);
	int err = 0;

	for (unsigned step = 0; step < OVERHEAD_SAMPLED && !err; step++)
		if ((plan->shed ^ before->shed) & 1U << step)
			err = tell_step(usdt, step, plan->shed & 1U << step ? 0 : 1, share);
	if (!err && plan->period != before->period)
		err = tell_step(usdt, OVERHEAD_SAMPLED, plan->period, share);
	return err;
}

static int keep_budget(struct usdt *usdt, uint64_t now)
{
	struct usdt_load *load = &usdt->load;
	struct overhead_plan before = usdt->control.plan;
	int err = 0;

	if (!load->tick_ns) { /* the first look */
		load->seen = read_load(usdt);
		(void)cpu_seconds(usdt);
		load->tick_ns = now;
		load->smooth = 1;
		return 0;
	}
	take_rates(usdt, now);
	load->look_ns = usdt_now_ns() - now;
	if (overhead_decide(&usdt->control, &usdt->price, &load->demand, load->cpu, load->present,
			    now))
		err = tell_changes(usdt, &before);
	return err ? err : switch_probes(usdt, planned_off(usdt, now));
}

/* How long until a moment that may have come. */
static int wait_for(uint64_t then, uint64_t now)
{
	return then > now ? (int)((then - now) / NS_PER_MS) + 1 : 0;
}

static int tick_budget(struct usdt *usdt, int *wait_ms)
{
	uint64_t now = usdt_now_ns(), took;
	int err = 0;

	if (usdt->control.budget <= 0)
		return 0;
	if (now >= usdt->load.next_ns) {
		err = keep_budget(usdt, now);
		took = usdt->load.look_ns * TICK_PART;
		took = took < TICK_NS ? TICK_NS : took > TICK_MAX_NS ? TICK_MAX_NS : took;
		now = usdt_now_ns();
		usdt->load.next_ns = now + took;
	}
	*wait_ms = wait_for(usdt->load.next_ns, now);
	return err;
}

static int tick_audit(struct usdt *usdt, int *wait_ms)
{
	uint64_t now = usdt_now_ns();
	int err = 0, ms;

	if (!usdt->audits)
		return 0;
	if (now >= usdt->audit_next_ns) {
		if (usdt->audit_next_ns)
			err = usdt_audit(usdt, false);
		usdt->audit_next_ns = now + AUDIT_NS;
	}
	ms = wait_for(usdt->audit_next_ns, now);
	if (*wait_ms < 0 || ms < *wait_ms)
		*wait_ms = ms;
	return err;
}

int usdt_tick(void *ctx, int *ret_wait_ms)
{
	struct usdt *usdt = ctx;
	int err;

	*ret_wait_ms = -1;
	err = tick_budget(usdt, ret_wait_ms);
	if (!err)
		err = usdt_stacks_tick(usdt, ret_wait_ms);
	return err ? err : tick_audit(usdt, ret_wait_ms);
}

int usdt_tell_price(const struct usdt *usdt)
{
	struct record record = {.price = {
					.ts_ns = usdt_now_ns(),
					.miss_ns = (__u64)(usdt->price.miss + 0.5),
					.stack_ns = (__u64)(usdt->price.stack + 0.5),
					.budget_ppm = (__u64)(usdt->control.budget * 1e6 + 0.5),
				}};

	for (unsigned i = 0; i < SMAP_PROBE_COUNT; i++)
		record.price.hit_ns[i] = (__u64)(usdt->price.hit[i] + 0.5);
	return usdt_emit(usdt, &record, RECORD_PRICE, sizeof(record.price));
}
