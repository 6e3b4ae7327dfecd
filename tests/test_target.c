/* SPDX-License-Identifier: MIT */
/*
 * A process seen from outside. The process is a child of this program, which contains
 * libsmap, and stops where a test wants it; or this program itself.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "smap.h"
#include "launch.h"
#include "livemap.h"
#include "target.h"
#include "until.h"

static struct target *open_self(void)
{
	struct target *target;

	assert_int_equal(target_open(&target, getpid()), 0);
	assert_int_equal(target_scan(target), 0);
	assert_int_equal(target->image_cnt, 1);
	return target;
}

static void test_self(void **state)
{
	struct target *target = open_self();

	(void)state;
	assert_true(target_alive(target));
	assert_string_equal(target->comm, "test_target");
	assert_int_equal(target_image_check(target->image[0]), 0);
	assert_int_equal(target->image[0]->registry_cnt, 1);
	assert_int_equal(target->image[0]->registry[0], (uintptr_t)&smap_registry);
	/* Another look finds nothing new. */
	assert_int_equal(target_scan(target), 0);
	assert_int_equal(target->image_cnt, 1);
	target_free(target);
	target_free(NULL);
}

static void test_maps(void **state)
{
	const struct smap_options opts = {
		.size = sizeof(opts), .name = "listed", .key_kind = SMAP_KEY_U64};
	struct target *target = open_self();
	struct target_map *maps, one;
	struct smap_state inspected, read;
	struct target_stripes stripes;
	struct smap *map;
	struct target_activity before, after;
	size_t cnt;
	void *value;

	(void)state;
	assert_int_equal(smap_create(&map, &opts), 0);
	for (uint64_t key = 1; key <= 100; key++)
		assert_int_equal(smap_store_u64(map, key, map), 0);
	assert_true(smap_delete_u64(map, 7));
	assert_int_equal(target_read_maps(target, target->image[0]->registry[0], 10, &maps, &cnt),
			 0);
	assert_int_equal(cnt, 1);
	smap_inspect(map, &inspected);
	assert_string_equal(maps[0].state.name, "listed");
	/* Behind these come the counters of the reclaimer, which goes on. */
	assert_memory_equal(&maps[0].state.counters, &inspected.counters,
			    offsetof(struct smap_counters, retired));
	assert_int_equal(maps[0].state.dirty_len, inspected.dirty_len);
	assert_int_equal(target_read_stripes(target, &maps[0].state, &stripes), 0);
	assert_int_equal(stripes.inserts, 100);
	assert_int_equal(stripes.deletes, 1);
	assert_true(maps[0].has_stripes);
	/* One look takes both in. */
	assert_true(maps[0].state.stripes - maps[0].state.self +
			    sizeof(struct smap_stripe) * maps[0].state.stripe_count <=
		    TARGET_LOOK_BYTES);
	assert_memory_equal(&maps[0].stripes, &stripes, sizeof(stripes));
	assert_int_equal(target_read_map(target, maps[0].state.self, &one), 0);
	assert_memory_equal(&one.stripes, &stripes, sizeof(stripes));
	assert_int_equal(target_read_map(target, 8, &one), -EFAULT);
	assert_int_equal(target_read_state(target, maps[0].state.self, &read), 0);
	assert_int_equal(target_read_state(target, maps[0].state.self + 8, &read), -EINVAL);
	assert_int_equal(target_read_state(target, 8, &read), -EFAULT);
	assert_int_equal(target_read_state(target, UINT64_MAX, &read), -EFAULT);
	assert_int_equal(target_read_activity(target, target->image[0]->registry[0], &before), 0);
	assert_true(smap_load_u64(map, 1, &value));
	assert_int_equal(target_read_activity(target, target->image[0]->registry[0], &after), 0);
	assert_true(after.sections > before.sections);
	free(maps);
	smap_destroy(map);
	assert_int_equal(target_read_maps(target, target->image[0]->registry[0], 10, &maps, &cnt),
			 0);
	assert_int_equal(cnt, 0);
	free(maps);
	target_free(target);
}

static void test_max_maps(void **state)
{
	struct target *target = open_self();
	struct smap *map[20];
	struct target_map *maps;
	size_t cnt;

	(void)state;
	for (int i = 0; i < 20; i++)
		assert_int_equal(smap_create(&map[i], NULL), 0);
	assert_int_equal(target_read_maps(target, target->image[0]->registry[0], 7, &maps, &cnt),
			 0);
	assert_int_equal(cnt, 7);
	free(maps);
	for (int i = 0; i < 20; i++)
		smap_destroy(map[i]);
	target_free(target);
}

static void test_no_process(void **state)
{
	struct target *target = NULL;

	(void)state;
	assert_int_equal(target_open(&target, 4194304), -ESRCH);
	assert_null(target);
}

static pid_t start_child(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		for (;;)
			pause();
	}
	assert_true(pid > 0);
	return pid;
}

/* The process goes between the steps: an error that says so, and no other process is read. */
static void test_gone(void **state)
{
	pid_t pid = start_child();
	struct target *target;
	struct smap_state page;
	uint64_t ns;

	(void)state;
	assert_int_equal(target_open(&target, pid), 0);
	assert_true(target_alive(target));
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_false(target_alive(target));
	assert_int_equal(target_scan(target), -ESRCH);
	assert_int_equal(target_read_state(target, (uintptr_t)&smap_registry, &page), -ESRCH);
	assert_true(target_cpu_ns(target, &ns) < 0);
	target_free(target);
}

/* --- launch ----------------------------------------------------------------- */

static void test_launch(void **state)
{
	char *const argv[] = {"true", NULL};
	struct launch launch = {0};

	(void)state;
	assert_int_equal(launch_start(&launch, argv, 0), 0);
	assert_true(launch.held);
	assert_false(launch_reap(&launch));
	assert_int_equal(launch_release(&launch), 0);
	for (struct until u = until_begin(); !launch_reap(&launch) && until_again(&u);)
		;
	assert_true(launch.ended && WIFEXITED(launch.status) && WEXITSTATUS(launch.status) == 0);
	launch_close(&launch);
}

static void test_launch_errors(void **state)
{
	char *const none[] = {"/nonexistent/command", NULL};
	char *const folder[] = {"/", NULL};
	struct launch launch = {0};

	(void)state;
	assert_int_equal(launch_start(&launch, none, 0), -ENOENT);
	assert_int_equal(launch_start(&launch, folder, 0), -EACCES);
}

static void test_launch_dropped(void **state)
{
	char *const argv[] = {"true", NULL};
	struct launch launch = {0};
	pid_t pid;

	(void)state;
	assert_int_equal(launch_start(&launch, argv, 0), 0);
	pid = launch.pid;
	launch_close(&launch);
	assert_int_equal(kill(pid, 0), -1);
	assert_int_equal(errno, ESRCH);
}

/* --- samples ---------------------------------------------------------------- */

static const struct livemap_shed all_on;

static void fill_batch(struct smap_batch *batch, uint32_t count, uint64_t total)
{
	*batch = (struct smap_batch){.count = count, .misses_total = total, .first_ns = 1};
	batch->wait_hist[0] = batch->hold_hist[7] = (uint8_t)count;
	batch->hold_sum_ns = 200 * count;
}

static void test_totals(void **state)
{
	const unsigned misses = ST_COUNTER_misses, retired = ST_COUNTER_retired;
	struct livemap map = {.state.counters = {.misses = 130, .retired = 9}};
	struct st_stats counted = {0};
	struct record_sample sample;

	(void)state;
	/* No event yet: the state page is right. */
	livemap_sample(&map, &counted, &all_on, 1, &sample);
	assert_int_equal(sample.total[misses], 130);
	assert_int_equal(sample.counted[misses], 0);
	/* From then on base + counted, whatever the page says. */
	map.has_info = true;
	map.info.base_mask = 1U << misses;
	map.info.base[misses] = 66;
	counted.counted[misses] = 64;
	livemap_sample(&map, &counted, &all_on, 1, &sample);
	assert_int_equal(sample.total[misses], 130);
	assert_int_equal(sample.total[retired], 9);
}

static void test_pending(void **state)
{
	const unsigned misses = ST_COUNTER_misses, hold = ST_HIST_miss_hold;
	struct livemap map = {
		.has_info = true, .info = {.base_mask = 1U << misses}, .state.counters.misses = 69};
	struct st_stats counted = {.counted[misses] = 64};
	struct record_sample sample;

	(void)state;
	counted.hist[hold][7] = 64;
	fill_batch(&map.state.pending, 5, 69);
	livemap_sample(&map, &counted, &all_on, 1, &sample);
	assert_true(livemap_add_pending(&map, false, &sample));
	assert_int_equal(sample.total[misses], 69);
	assert_int_equal(sample.counted[misses], 69);
	assert_int_equal(sample.hist[hold][7], 69);
	/* A batch was fired between the two looks: nothing fits, nothing is added. */
	map.state.counters.misses = 133;
	fill_batch(&map.state.pending, 5, 133);
	livemap_sample(&map, &counted, &all_on, 1, &sample);
	assert_false(livemap_add_pending(&map, false, &sample));
	assert_int_equal(sample.counted[misses], 64);
	/* Half written. */
	map.state.pending.count++;
	assert_false(livemap_add_pending(&map, false, &sample));
}

static void test_pending_exact(void **state)
{
	const unsigned misses = ST_COUNTER_misses, hold = ST_HIST_miss_hold;
	struct livemap map = {
		.has_info = true, .info = {.base_mask = 1U << misses}, .state.counters.misses = 69};
	struct st_stats counted = {.counted[misses] = 69};
	struct record_sample sample;

	(void)state;
	counted.hist[hold][7] = 64;
	fill_batch(&map.state.pending, 5, 69);
	livemap_sample(&map, &counted, &all_on, 1, &sample);
	assert_true(livemap_add_pending(&map, true, &sample));
	assert_int_equal(sample.counted[misses], 69);
	assert_int_equal(sample.hist[hold][7], 69);
}

/* What waited before we came is not ours, unless more came to it. */
static void test_pending_stale(void **state)
{
	const unsigned misses = ST_COUNTER_misses;
	struct livemap map = {.state.counters.misses = 40, .stale_batch = 40};
	struct st_stats counted = {0};
	struct record_sample sample;

	(void)state;
	fill_batch(&map.state.pending, 5, 40);
	livemap_sample(&map, &counted, &all_on, 1, &sample);
	assert_true(livemap_add_pending(&map, false, &sample));
	assert_int_equal(sample.total[misses], 40);
	assert_int_equal(sample.counted[misses], 0);
	map.state.counters.misses = 42;
	fill_batch(&map.state.pending, 7, 42);
	livemap_sample(&map, &counted, &all_on, 1, &sample);
	assert_true(livemap_add_pending(&map, false, &sample));
	assert_int_equal(sample.total[misses], 42);
	assert_int_equal(sample.counted[misses], 7);
}

static int end_odd(struct livemap *map, void *ctx)
{
	(*(unsigned *)ctx)++;
	map->ended = map->key.id % 2;
	return 0;
}

static void test_table(void **state)
{
	struct livemaps maps = {0};
	unsigned seen = 0;
	bool is_new;

	(void)state;
	for (uint64_t id = 1; id <= 1000; id++) {
		const struct st_key key = {.addr = 0x5000 + 64 * (id / 3), .id = id};

		assert_null(livemap_find(&maps, &key));
		assert_non_null(livemap_get(&maps, &key, &is_new));
		assert_true(is_new);
		assert_non_null(livemap_get(&maps, &key, &is_new));
		assert_false(is_new);
	}
	assert_int_equal(livemap_each(&maps, end_odd, &seen), 0);
	assert_int_equal(seen, 1000);
	assert_int_equal(maps.cnt, 500);
	for (uint64_t id = 1; id <= 1000; id++) {
		const struct st_key key = {.addr = 0x5000 + 64 * (id / 3), .id = id};

		assert_int_equal(!livemap_find(&maps, &key), id % 2);
	}
	livemaps_free(&maps);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_self),	      cmocka_unit_test(test_maps),
		cmocka_unit_test(test_max_maps),      cmocka_unit_test(test_no_process),
		cmocka_unit_test(test_gone),	      cmocka_unit_test(test_launch),
		cmocka_unit_test(test_launch_errors), cmocka_unit_test(test_launch_dropped),
		cmocka_unit_test(test_totals),	      cmocka_unit_test(test_pending),
		cmocka_unit_test(test_pending_exact), cmocka_unit_test(test_pending_stale),
		cmocka_unit_test(test_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
