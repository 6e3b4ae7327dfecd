/* SPDX-License-Identifier: MIT */
/* The audit's arithmetic: what the kernel and a map say of one counter, made by hand. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "audit.h"

#define M ST_COUNTER_misses
#define P ST_COUNTER_promotions

static struct livemap map;
static struct st_stats counted;
static struct livemap_shed shed;

/* 100 misses before us, 640 in ten batches, none waiting; promotions have never been seen. */
static int set_up(void **state)
{
	(void)state;
	memset(&map, 0, sizeof(map));
	memset(&counted, 0, sizeof(counted));
	memset(&shed, 0, sizeof(shed));
	map.has_info = map.first_known = true;
	map.info.base_mask = 1U << M;
	map.info.base[M] = map.first[M] = 100;
	counted.counted[M] = 640;
	map.info.stamp[M] = map.state.counters.misses = 740;
	map.first[P] = map.state.counters.promotions = 3;
	audit_look(&map);
	audit_look(&map);
	return 0;
}

static uint64_t missing(enum audit_when when)
{
	(void)audit_map(&map, &counted, &shed, false, when);
	return audit_missing(&map);
}

static void test_agrees(void **state)
{
	(void)state;
	assert_int_equal(missing(AUDIT_AT_REST), 0);
	assert_int_equal(missing(AUDIT_RUNNING), 0);
	assert_int_equal(audit_map(&map, &counted, &shed, false, AUDIT_RUNNING), ST_COUNTER_COUNT);
}

/* A batch that did not arrive, with others behind it. */
static void test_gap(void **state)
{
	(void)state;
	counted.counted[M] = 640 - 64;
	assert_int_equal(missing(AUDIT_AT_REST), 64);
	assert_int_equal(map.missing[M], 64);
	assert_int_equal(missing(AUDIT_RUNNING), 64);
}

/* Counted twice is wrong, too; but while it runs it only means that time has passed. */
static void test_surplus(void **state)
{
	(void)state;
	counted.counted[M] = 640 + 5;
	assert_int_equal(missing(AUDIT_AT_REST), 5);
	assert_int_equal(missing(AUDIT_RUNNING), 0);
}

/* Nothing came any more, but the map went on. */
static void test_tail(void **state)
{
	(void)state;
	map.state.counters.misses = 740 + 128;
	audit_look(&map);
	/* They may be on their way, unless nothing comes any more. */
	assert_int_equal(missing(AUDIT_RUNNING), 0);
	assert_int_equal(missing(AUDIT_AT_REST), 128);
	audit_look(&map);
	assert_int_equal(missing(AUDIT_RUNNING), 128);
}

/* Misses in the batch have not been fired, which is no loss. */
static void test_pending(void **state)
{
	(void)state;
	map.state.counters.misses = 740 + 63;
	map.state.pending = (struct smap_batch){.count = 63, .misses_total = 803};
	audit_look(&map);
	audit_look(&map);
	assert_int_equal(missing(AUDIT_AT_REST), 0);
	/* But a map that is gone has fired all. */
	map.final = true;
	audit_look(&map);
	assert_int_equal(missing(AUDIT_AT_REST), 63);
}

/* Not one event of a kind came. */
static void test_never_seen(void **state)
{
	(void)state;
	map.state.counters.promotions = 7;
	audit_look(&map);
	assert_int_equal(missing(AUDIT_AT_REST), 4);
	assert_int_equal(map.missing[P], 4);
	/* Of a map whose beginning nobody saw nothing can be said. */
	map.first_known = false;
	assert_int_equal(audit_map(&map, &counted, &shed, false, AUDIT_AT_REST), 1);
	assert_int_equal(audit_missing(&map), 0);
}

/* What is shed is known to be missing, and is no loss; before and after it is one. */
static void test_shed(void **state)
{
	(void)state;
	shed.off = 1U << M | 1U << P;
	map.state.counters.misses = 5000;
	map.state.counters.promotions = 9;
	audit_look(&map);
	audit_look(&map);
	assert_int_equal(missing(AUDIT_AT_REST), 0);
	/* It is back, but nothing has come yet. */
	shed.off = 0;
	shed.generation[M] = shed.generation[P] = 1;
	assert_int_equal(missing(AUDIT_AT_REST), 0);
	/* The first event has told the gap; what comes after counts again. */
	map.info.generation[M] = 1;
	map.info.uncounted[M] = 4000;
	map.info.stamp[M] = 740 + 4000 + 64;
	counted.counted[M] += 64;
	map.state.counters.misses = map.info.stamp[M];
	audit_look(&map);
	assert_int_equal(missing(AUDIT_AT_REST), 0);
	counted.counted[M] -= 64;
	assert_int_equal(missing(AUDIT_AT_REST), 64);
}

static void assert_sample(uint64_t total, uint64_t was_counted, uint64_t uncounted)
{
	struct record_sample sample;

	livemap_sample(&map, &counted, &shed, 1, &sample);
	assert_int_equal(sample.total[M], total);
	assert_int_equal(sample.counted[M], was_counted);
	assert_int_equal(sample.uncounted[M], uncounted);
}

/* Samples through a shedding: the total is right throughout, and never falls. */
static void test_samples_while_shed(void **state)
{
	(void)state;
	assert_sample(740, 640, 0);
	shed.off = 1U << M;
	map.state.counters.misses = 1740;
	assert_sample(1740, 640, 1000);
	shed.off = 0;
	shed.generation[M] = 1;
	map.state.counters.misses = 1800; /* 60 wait */
	assert_sample(1800, 640, 1060);
	map.info.generation[M] = 1;
	map.info.uncounted[M] = 1000;
	counted.counted[M] += 64;
	assert_sample(1804, 704, 1000);
	shed.off = 1U << M; /* and again */
	map.state.counters.misses = 2804;
	assert_sample(2804, 704, 2000);
}

/* Shed before its first event: then what was not counted is behind the base. */
static void test_shed_unseen(void **state)
{
	(void)state;
	map.info.base_mask = 0;
	counted.counted[M] = 0;
	shed.off = 1U << M;
	map.state.counters.misses = 600;
	assert_sample(600, 0, 500);
	shed.off = 0;
	shed.generation[M] = map.info.generation[M] = 1;
	map.info.base_mask = 1U << M;
	map.info.base[M] = 700;
	counted.counted[M] = 64;
	assert_sample(764, 64, 600);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_agrees, set_up),
		cmocka_unit_test_setup(test_gap, set_up),
		cmocka_unit_test_setup(test_surplus, set_up),
		cmocka_unit_test_setup(test_tail, set_up),
		cmocka_unit_test_setup(test_pending, set_up),
		cmocka_unit_test_setup(test_never_seen, set_up),
		cmocka_unit_test_setup(test_shed, set_up),
		cmocka_unit_test_setup(test_samples_while_shed, set_up),
		cmocka_unit_test_setup(test_shed_unseen, set_up),
	};

	return cmocka_run_group_tests_name("audit", tests, NULL, NULL);
}
