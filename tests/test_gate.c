/* SPDX-License-Identifier: MIT */
/* The verdict of a check, and its exit status. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "gate.h"
#include "options.h"

/* As wait(2) encodes them on Linux. */
#define EXITED(status) ((status) << 8)
#define KILLED(signal) (signal)

static struct report_map map;
static struct finding finding;

static struct report a_report(void)
{
	map = (struct report_map){.window = {.count = {[ST_COUNTER_misses] = 10}}};
	finding = (struct finding){.trap = "read-diffusion", .severity = FINDING_WARNING};
	return (struct report){
		.kind = REPORT_END, .maps = &map, .map_count = 1, .fail_on = FINDING_WARNING};
}

static void test_clean(void **state)
{
	struct report report = a_report();
	struct gate gate;

	(void)state;
	report.min_events = 10;
	gate = gate_judge(&report);
	assert_int_equal(gate.verdict, GATE_CLEAN);
	assert_int_equal(gate_exit_status(&gate, 0), EXIT_CLEAN);
}

/* What was not kept may have been worse than what was. */
static void test_findings_that_were_not_kept(void **state)
{
	struct report report = a_report();
	struct gate gate;

	(void)state;
	report.findings_cut = 3;
	gate = gate_judge(&report);
	assert_int_equal(gate.verdict, GATE_INCONCLUSIVE);
	assert_non_null(strstr(gate.reason, "3 findings"));
	report.findings = &finding;
	report.finding_count = 1;
	gate = gate_judge(&report);
	assert_int_equal(gate.verdict, GATE_TRAP);
	assert_non_null(strstr(gate.reason, "3 more"));
	report.fail_on = FINDING_ERROR;
	gate = gate_judge(&report);
	assert_int_equal(gate.verdict, GATE_INCONCLUSIVE);
}

static void test_a_trap_beats_losses(void **state)
{
	struct report report = a_report();
	struct gate gate;

	(void)state;
	report.findings = &finding;
	report.finding_count = 1;
	report.lost = 5;
	gate = gate_judge(&report);
	assert_int_equal(gate.verdict, GATE_TRAP);
	assert_non_null(strstr(gate.reason, "read-diffusion"));
	assert_int_equal(gate_exit_status(&gate, 0), EXIT_TRAP);
	/* Not bad enough: then the loss is what counts. */
	report.fail_on = FINDING_ERROR;
	gate = gate_judge(&report);
	assert_int_equal(gate.verdict, GATE_INCONCLUSIVE);
}

static void test_a_notice_fails_only_when_asked_for(void **state)
{
	struct report report = a_report();
	struct gate gate;

	(void)state;
	finding.severity = FINDING_NOTICE;
	report.findings = &finding;
	report.finding_count = 1;
	gate = gate_judge(&report);
	assert_int_equal(gate.verdict, GATE_CLEAN);
	assert_non_null(strstr(gate.reason, "1 finding below severity warning"));
	report.fail_on = FINDING_NOTICE;
	assert_int_equal(gate_judge(&report).verdict, GATE_TRAP);
}

static void test_inconclusive(void **state)
{
	struct report report = a_report();
	struct gate gate;

	(void)state;
	report.min_events = 11;
	gate = gate_judge(&report);
	assert_int_equal(gate.verdict, GATE_INCONCLUSIVE);
	assert_int_equal(gate_exit_status(&gate, 0), EXIT_INCONCLUSIVE);
	report.min_events = 0;
	report.lost = 1;
	assert_int_equal(gate_judge(&report).verdict, GATE_INCONCLUSIVE);
	report.lost = 0;
	report.interrupted = true;
	assert_int_equal(gate_judge(&report).verdict, GATE_INCONCLUSIVE);
	report.interrupted = false;
	assert_int_equal(gate_judge(&report).verdict, GATE_CLEAN);
	report.map_count = 0;
	assert_int_equal(gate_judge(&report).verdict, GATE_INCONCLUSIVE);
}

/* Maps that ended long ago are left out of the summary; they were judged while they lived. */
static void test_ended_maps_are_no_doubt(void **state)
{
	struct record_loss losses[] = {{.name = "ring_full"},
				       {.name = MODEL_LOSS_ENDED, .count = 7}};
	struct report report = a_report();
	struct gate gate;

	(void)state;
	report.losses = losses;
	report.loss_count = 2;
	report.lost = 7;
	gate = gate_judge(&report);
	assert_int_equal(gate.verdict, GATE_CLEAN);
	assert_non_null(strstr(gate.reason, "7 more maps"));
	losses[0].count = 1;
	report.lost = 8;
	gate = gate_judge(&report);
	assert_int_equal(gate.verdict, GATE_INCONCLUSIVE);
	assert_non_null(strstr(gate.reason, "ring_full 1"));
}

static void test_the_commands_own_failure_goes_through(void **state)
{
	const struct gate trap = {.verdict = GATE_TRAP};

	(void)state;
	assert_int_equal(gate_exit_status(&trap, EXITED(3)), 3);
	assert_int_equal(gate_exit_status(&trap, KILLED(9)), 137);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_clean),
		cmocka_unit_test(test_findings_that_were_not_kept),
		cmocka_unit_test(test_a_trap_beats_losses),
		cmocka_unit_test(test_a_notice_fails_only_when_asked_for),
		cmocka_unit_test(test_inconclusive),
		cmocka_unit_test(test_ended_maps_are_no_doubt),
		cmocka_unit_test(test_the_commands_own_failure_goes_through),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
