/* SPDX-License-Identifier: MIT */
/*
 * What tracing costs, and what is done without: rates made by hand, prices of round numbers.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <string.h>
#include "overhead.h"
#include "report.h"

#define SECOND 1000000000ULL
#define BIT(step) (1U << OVERHEAD_STEP_##step)

static struct overhead_price price;
static struct overhead_control control;
static uint64_t now;

static int set_up(void **state)
{
	(void)state;
	for (unsigned i = 0; i < SMAP_PROBE_COUNT; i++)
		price.hit[i] = 1000;
	price.miss = 50;
	price.stack = 2000;
	price.look = 400;
	price.interval = 600;
	control = (struct overhead_control){.budget = 0.02, .plan = {.period = 1}};
	now = 100 * SECOND;
	return 0;
}

static void assert_near(double value, double want)
{
	if (fabs(value - want) > 1e-9 + fabs(want) / 1e6)
		fail_msg("%g instead of %g", value, want);
}

/* One processor of its own; what is not shed is being paid for. */
static bool decide(const struct overhead_rates *rates)
{
	double present = overhead_under(&price, rates, &control.plan);

	return overhead_decide(&control, &price, rates, 1 + present, present, now);
}

/* Decide every tenth of a second; true if anything changed. */
static bool pass(const struct overhead_rates *rates, unsigned tenths)
{
	bool changed = false;

	for (unsigned i = 0; i < tenths; i++) {
		now += SECOND / 10;
		changed |= decide(rates);
	}
	return changed;
}

static void test_price_times_rate(void **state)
{
	struct overhead_rates rates = {.misses = 100000, .stacks = 500};

	(void)state;
	rates.hits[SMAP_PROBE_miss] = 100000;
	rates.hits[SMAP_PROBE_promote] = 3000;
	/* 100 ms + 3 ms + 5 ms + 1 ms in each second */
	assert_near(overhead_taken(&price, &rates), 0.109);
	assert_near(overhead_share(0.109, 1.109, 0.109), 0.109);
	assert_near(overhead_share(0.109, 2.109, 0.109), 0.109 / 2);
	/* Next to idle, or a clock that lags behind. */
	assert_near(overhead_share(0.001, 0.002, 0.001), 0.001 / OVERHEAD_CPU_MIN);
	assert_near(overhead_share(0.109, 0, 0.109), 0.109 / OVERHEAD_CPU_MIN);
	assert_near(overhead_share(0, 0, 0), 0);
}

static void test_plan_takes_out(void **state)
{
	struct overhead_rates rates = {.misses = 64000};
	struct overhead_plan plan = {.shed = BIT(exact), .period = 4};

	(void)state;
	rates.hits[SMAP_PROBE_miss] = 64000;
	rates.hits[SMAP_PROBE_miss_batch] = 1000;
	rates.hits[SMAP_PROBE_promote] = 100;
	/* Of 64 ms nothing, of 1 ms + 3.2 ms a quarter, of 0.1 ms all. */
	assert_near(overhead_under(&price, &rates, &plan), (1e-3 + 3.2e-3) / 4 + 1e-4);
}

static void test_within_budget(void **state)
{
	struct overhead_rates rates = {.misses = 6400};

	(void)state;
	rates.hits[SMAP_PROBE_miss] = 6400; /* 0.64 % */
	assert_false(pass(&rates, 100));
	assert_int_equal(control.plan.shed, 0);
	control.budget = 0; /* none */
	rates.hits[SMAP_PROBE_miss] = 640000;
	assert_false(pass(&rates, 100));
}

/* --exact at 100,000 misses/s: it goes at once, and the rest fits. */
static void test_sheds_exact(void **state)
{
	struct overhead_rates rates = {.misses = 100000};

	(void)state;
	rates.hits[SMAP_PROBE_miss] = 100000;
	rates.hits[SMAP_PROBE_miss_batch] = 1600;
	assert_true(decide(&rates));
	assert_int_equal(control.plan.shed, BIT(exact));
	assert_int_equal(control.plan.period, 1);
	assert_false(pass(&rates, 1000)); /* and stays away as long as they come */
}

static void test_order(void **state)
{
	struct overhead_rates rates = {.misses = 10000, .stacks = 5000};

	(void)state;
	rates.hits[SMAP_PROBE_lock_wait] = 8000;
	rates.hits[SMAP_PROBE_miss] = 5000;
	control.budget = 0.014;
	assert_true(decide(&rates)); /* 10 + 8 + 5 + 0.5: stacks alone do */
	assert_int_equal(control.plan.shed, BIT(stacks));
	rates.hits[SMAP_PROBE_miss] = 10000;
	assert_true(decide(&rates));
	assert_int_equal(control.plan.shed, BIT(stacks) | BIT(exact));
	rates.hits[SMAP_PROBE_lock_wait] = 16000;
	assert_true(decide(&rates));
	assert_int_equal(control.plan.shed, BIT(stacks) | BIT(exact) | BIT(lock_wait));
}

/* Switches are paid for as they come; stacks go first, and those of --offcpu with them. */
static void test_sheds_offcpu(void **state)
{
	struct overhead_rates rates = {.stacks = 4000, .looks = 20000, .intervals = 4000};

	(void)state;
	/* 8 + (8 + 2.4) ms, and 6 of single misses */
	rates.hits[SMAP_PROBE_miss] = 6000;
	assert_near(overhead_taken(&price, &rates), 0.0244);
	assert_near(overhead_offcpu(&price, &rates), 0.0104);
	assert_true(decide(&rates));
	assert_int_equal(control.plan.shed, BIT(stacks));
	assert_near(overhead_under(&price, &rates, &control.plan), 0.0164);
	control.budget = 0.01;
	assert_true(decide(&rates));
	assert_int_equal(control.plan.shed, BIT(stacks) | BIT(offcpu));
	assert_near(overhead_under(&price, &rates, &control.plan), 0.006);
	/* Back in the other order. */
	rates = (struct overhead_rates){.stacks = 100, .looks = 1000, .intervals = 100};
	assert_false(pass(&rates, 29));
	assert_true(pass(&rates, 2));
	assert_int_equal(control.plan.shed, BIT(stacks));
	assert_true(pass(&rates, 60));
	assert_int_equal(control.plan.shed, 0);
}

/* What would save next to nothing is kept. */
static void test_leaves_the_cheap(void **state)
{
	struct overhead_rates rates = {.stacks = 10};

	(void)state;
	rates.hits[SMAP_PROBE_promote] = 40000;
	rates.hits[SMAP_PROBE_retire] = 50;
	assert_true(decide(&rates));
	assert_int_equal(control.plan.shed, BIT(changes));
}

/* Misses are never given up, but looked at now and then. */
static void test_samples_the_rest(void **state)
{
	struct overhead_rates rates = {.misses = 2000000};

	(void)state;
	rates.hits[SMAP_PROBE_miss_batch] = 31250; /* 131 ms */
	assert_true(decide(&rates));
	assert_int_equal(control.plan.shed, 0);
	assert_int_equal(control.plan.period, 8);
	rates.misses = 1e12;
	assert_true(decide(&rates));
	assert_int_equal(control.plan.period, OVERHEAD_PERIOD_MAX);
	assert_false(decide(&rates));
}

/* It comes back when the rate has fallen for a while, the last shed first, one at a time. */
static void test_comes_back(void **state)
{
	struct overhead_rates rates = {.misses = 2000000};

	(void)state;
	rates.hits[SMAP_PROBE_miss] = 2000000;
	rates.hits[SMAP_PROBE_miss_batch] = 31250;
	assert_true(decide(&rates));
	assert_int_equal(control.plan.shed, BIT(exact));
	assert_int_equal(control.plan.period, 1); /* perhaps that was all */
	assert_true(decide(&rates));
	assert_int_equal(control.plan.shed, BIT(exact));
	assert_int_equal(control.plan.period, 8);
	rates = (struct overhead_rates){.misses = 1000};
	rates.hits[SMAP_PROBE_miss] = 1000;
	assert_false(pass(&rates, 29));
	assert_true(pass(&rates, 2));
	assert_int_equal(control.plan.period, 1);
	assert_int_equal(control.plan.shed, BIT(exact));
	assert_false(pass(&rates, 29));
	assert_true(pass(&rates, 2));
	assert_int_equal(control.plan.shed, 0);
	assert_false(pass(&rates, 100));
}

/* Between the two limits nothing changes, in either direction. */
static void test_hysteresis(void **state)
{
	struct overhead_rates rates = {.misses = 0};

	(void)state;
	rates.hits[SMAP_PROBE_miss] = 19000; /* 1.9 % */
	assert_false(pass(&rates, 100));
	rates.hits[SMAP_PROBE_miss] = 21000;
	assert_true(decide(&rates));
	rates.hits[SMAP_PROBE_miss] = 15000; /* within the budget, but not by much */
	assert_false(pass(&rates, 1000));
	rates.hits[SMAP_PROBE_miss] = 13000;
	assert_false(pass(&rates, 29));
	rates.hits[SMAP_PROBE_miss] = 15000; /* not calm for long enough */
	assert_false(decide(&rates));
	rates.hits[SMAP_PROBE_miss] = 13000;
	assert_false(pass(&rates, 29));
	assert_true(pass(&rates, 2));
	assert_int_equal(control.plan.shed, 0);
}

static void test_table(void **state)
{
	uint32_t seen = 0;

	(void)state;
	for (unsigned i = 0; i < OVERHEAD_STEP_COUNT; i++) {
		assert_int_equal(seen & overhead_steps[i].probes, 0);
		seen |= overhead_steps[i].probes;
	}
	/* What is needed to know of a map at all, and what is rare, stays. */
	assert_int_equal(
		seen & (OVERHEAD_BIT(map_create) | OVERHEAD_BIT(map_destroy) | OVERHEAD_BIT(stall)),
		0);
	assert_string_equal(overhead_steps[OVERHEAD_SAMPLED].name, "misses");
}

/* --- in a report -------------------------------------------------------------------- */

static void add(struct model *model, unsigned kind, struct record *record)
{
	record->kind = kind;
	assert_int_equal(model_add(model, record), 0);
}

/* A process with a map, over `windows` seconds that are all alike; it uses a processor. */
static struct model *model_of(unsigned windows)
{
	struct record target = {.target = {.pid = 7}}, map = {0}, frame = {0}, stack = {0};
	struct record set = {.price = {.stack_ns = 2000}};
	struct model *model;

	assert_int_equal(model_create(&model), 0);
	for (unsigned i = 0; i < SMAP_PROBE_COUNT; i++)
		set.price.hit_ns[i] = 1000;
	map.map.key = (struct st_key){.addr = 1, .id = 1};
	stack.stack.frame_count = 1;
	add(model, RECORD_PRICE, &set);
	add(model, RECORD_TARGET, &target);
	add(model, RECORD_MAP, &map);
	add(model, RECORD_FRAME, &frame);
	add(model, RECORD_STACK, &stack);
	for (uint64_t w = 1; w <= windows; w++) {
		struct record sample = {.sample = {.key = map.map.key, .alive = 1, .state_ok = 1}};
		struct record count = {.stack_count = {.key = map.map.key,
						       .kind = ST_STACK_offcpu_wait,
						       .count = 500 * w,
						       .samples = 500 * w}};
		struct record looks = {
			.looks = {.count = 10000 * w, .look_ns = 400, .interval_ns = 600}};
		struct record window = {
			.window = {.start_ns = (w - 1) * SECOND, .end_ns = w * SECOND}};

		sample.sample.ts_ns = w * SECOND;
		sample.sample.process_cpu_ns = w * SECOND;
		sample.sample.hits[SMAP_PROBE_promote] = 2000 * w;
		sample.sample.hist[ST_HIST_offcpu_wait][10] = 500 * w;
		sample.sample.sum[ST_HIST_offcpu_wait] = 500 * w << 10;
		add(model, RECORD_STACK_COUNT, &count);
		add(model, RECORD_SAMPLE, &sample);
		add(model, RECORD_LOOKS, &looks);
		add(model, RECORD_WINDOW, &window);
	}
	return model;
}

/* Hits and their stacks, 2 + 1 ms a second; looks and intervals, 4 + 0.3 ms. */
static void test_report(void **state)
{
	(void)state;
	for (unsigned windows = 1; windows <= 3; windows++) {
		struct model *model = model_of(windows);

		for (int whole = 0; whole <= 1; whole++) {
			struct report_overhead overhead = {0};

			assert_int_equal(
				report_fill_overhead(&overhead, model, whole, whole ? windows : 1),
				0);
			assert_near(overhead.hits_per_s, 2000);
			assert_near(overhead.hit_ns, 1500);
			assert_near(overhead.switches_per_s, 10000);
			assert_near(overhead.switch_ns, 430);
			assert_near(overhead.share, 0.0073 / (1 - 0.0073));
		}
		model_free(model);
	}
}

/* Times off the CPU are estimates from when they were shed on, and no others are. */
static void test_estimates(void **state)
{
	struct model *model = model_of(1);
	const struct st_key key = {.addr = 1, .id = 1};
	struct record shed = {.shed = {.ts_ns = SECOND, .step = "offcpu"}};

	(void)state;
	assert_int_equal(model_estimated(model, model_find(model, &key)), 0);
	add(model, RECORD_SHED, &shed);
	assert_int_equal(model_estimated(model, model_find(model, &key)),
			 1 << ST_HIST_offcpu_wait | 1 << ST_HIST_offcpu_preempted |
				 1 << ST_HIST_offcpu_blocked);
	model_free(model);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_price_times_rate, set_up),
		cmocka_unit_test_setup(test_plan_takes_out, set_up),
		cmocka_unit_test_setup(test_within_budget, set_up),
		cmocka_unit_test_setup(test_sheds_exact, set_up),
		cmocka_unit_test_setup(test_order, set_up),
		cmocka_unit_test_setup(test_sheds_offcpu, set_up),
		cmocka_unit_test_setup(test_report, set_up),
		cmocka_unit_test_setup(test_estimates, set_up),
		cmocka_unit_test_setup(test_leaves_the_cheap, set_up),
		cmocka_unit_test_setup(test_samples_the_rest, set_up),
		cmocka_unit_test_setup(test_comes_back, set_up),
		cmocka_unit_test_setup(test_hysteresis, set_up),
		cmocka_unit_test_setup(test_table, set_up),
	};

	return cmocka_run_group_tests_name("overhead", tests, NULL, NULL);
}
