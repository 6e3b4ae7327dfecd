/* SPDX-License-Identifier: MIT */
/* gate.c - see gate.h. */
#include "gate.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include "finding_text.h"
#include "options.h"
#include "words.h"

static uint64_t events_of(const struct report *report)
{
	uint64_t events = 0;

	for (size_t i = 0; i < report->map_count; i++) {
		const struct model_window *whole = &report->maps[i].window;

		events += whole->count[ST_COUNTER_misses] + whole->count[ST_COUNTER_promotions] +
			  whole->count[ST_COUNTER_rebuilds] + model_writes(whole);
	}
	return events;
}

static struct gate trap_found(const struct report *report)
{
	struct gate gate = {.verdict = GATE_CLEAN};
	size_t bad = 0, first = 0;

	for (size_t i = 0; i < report->finding_count; i++)
		if (report->findings[i].severity >= report->fail_on && bad++ == 0)
			first = i;
	if (!bad)
		return gate;
	gate.verdict = GATE_TRAP;
	snprintf(gate.reason, sizeof(gate.reason),
		 "%zu finding%s of severity %s or worse, first: %s", bad, plural(bad),
		 report_severity(report->fail_on), report->findings[first].trap);
	if (report->findings_cut)
		snprintf(gate.reason + strlen(gate.reason),
			 sizeof(gate.reason) - strlen(gate.reason),
			 "; %" PRIu64 " more of any severity were not kept", report->findings_cut);
	return gate;
}

static void say_clean(struct gate *gate, const struct report *report)
{
	char found[64] = "nothing found", lost[64] = "nothing lost";

	if (report->finding_count)
		snprintf(found, sizeof(found), "%zu finding%s below severity %s",
			 report->finding_count, plural(report->finding_count),
			 report_severity(report->fail_on));
	if (report->lost)
		snprintf(lost, sizeof(lost), "%" PRIu64 " more map%s ended and judged",
			 report->lost, plural(report->lost));
	snprintf(gate->reason, sizeof(gate->reason), "%zu map%s, %" PRIu64 " events, %s, %s",
		 report->map_count, plural(report->map_count), events_of(report), found, lost);
}

size_t gate_shortfall(char *dst, size_t dst_size, const struct report *report)
{
	uint64_t events = events_of(report);

	*dst = '\0';
	if (report->findings_cut)
		snprintf(dst, dst_size, "%" PRIu64 " findings beyond the first %zu were not kept",
			 report->findings_cut, report->finding_count);
	else if (report->interrupted)
		snprintf(dst, dst_size, "a signal ended the trace before its time");
	else if (events < report->min_events)
		snprintf(dst, dst_size, "%" PRIu64 " events are fewer than --min-events %" PRIu64,
			 events, report->min_events);
	return strlen(dst);
}

size_t gate_doubt(char *dst, size_t dst_size, const struct report *report)
{
	size_t len = 0;

	*dst = '\0';
	if (report->map_count == 0)
		len = (size_t)snprintf(dst, dst_size, "no map was seen%s",
				       report_unjudged(report) > 0 ? "; " : "");
	if (report_unjudged(report) > 0)
		len += losses_text(dst + len, dst_size - len, report);
	return len ? len : gate_shortfall(dst, dst_size, report);
}

struct gate gate_judge(const struct report *report)
{
	struct gate gate = trap_found(report);

	if (gate.verdict == GATE_TRAP)
		return gate;
	if (gate_doubt(gate.reason, sizeof(gate.reason), report) > 0)
		gate.verdict = GATE_INCONCLUSIVE;
	else
		say_clean(&gate, report);
	return gate;
}

int gate_exit_status(const struct gate *gate, int wait_status)
{
	static const int statuses[] = {
		[GATE_CLEAN] = EXIT_CLEAN,
		[GATE_TRAP] = EXIT_TRAP,
		[GATE_INCONCLUSIVE] = EXIT_INCONCLUSIVE,
	};

	if (WIFSIGNALED(wait_status))
		return 128 + WTERMSIG(wait_status);
	if (WIFEXITED(wait_status) && WEXITSTATUS(wait_status) != 0)
		return WEXITSTATUS(wait_status);
	return statuses[gate->verdict];
}
