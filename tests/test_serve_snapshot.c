/* SPDX-License-Identifier: MIT */
/* A snapshot keeps a window: what the report borrowed may change and go, it does not. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include "serve_snapshot.h"

/* All that a finding borrows, as the detectors keep it. */
struct kept {
	char name[8], comm[8], remedy[8];
	struct evidence evidence;
	struct stack_cost cost;
};

static const struct stack stack = {.id = 3};

static struct kept *keep(struct finding *finding)
{
	struct kept *kept = calloc(1, sizeof(*kept));

	assert_non_null(kept);
	strcpy(kept->name, "m");
	strcpy(kept->comm, "prog");
	strcpy(kept->remedy, "do");
	kept->evidence = (struct evidence){.name = "misses", .value = 7, .unit = ""};
	kept->cost = (struct stack_cost){.kind = ST_STACK_miss, .count = 5, .stack = &stack};
	*finding = (struct finding){
		.trap = "read-diffusion",
		.shape = "",
		.pid = 1,
		.name = kept->name,
		.comm = kept->comm,
		.remedy = kept->remedy,
		.evidence = &kept->evidence,
		.evidence_count = 1,
		.stack = &kept->cost,
	};
	return kept;
}

static void test_finding(void **state)
{
	const struct report_meta meta = {.version = "1"};
	struct finding known[2];
	struct kept *kept = keep(&known[0]);
	const struct report report = {.meta = &meta, .known = known, .known_count = 2};
	struct metrics *metrics;
	struct snapshot *snapshot;
	const struct finding *finding;

	(void)state;
	known[1] = known[0];
	known[1].stack = NULL; /* none was taken */
	assert_int_equal(metrics_create(&metrics, 0), 0);
	assert_int_equal(snapshot_create(&snapshot, &report, metrics), 0);
	memset(kept, 0, sizeof(*kept)); /* the next window has it otherwise */
	memset(known, 0, sizeof(known));
	finding = snapshot->report.known;
	assert_int_equal(snapshot->report.known_count, 2);
	assert_string_equal(finding->name, "m");
	assert_string_equal(finding->comm, "prog");
	assert_string_equal(finding->remedy, "do");
	assert_string_equal(finding->evidence->name, "misses");
	assert_int_equal(finding->stack->count, 5);
	assert_ptr_equal(finding->stack->stack, &stack);
	assert_null(finding[1].stack);
	free(kept);
	snapshot_put(snapshot);
	metrics_free(metrics);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_finding)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
