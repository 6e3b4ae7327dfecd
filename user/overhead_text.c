/* SPDX-License-Identifier: MIT */
/* overhead_text.c - see overhead_text.h. */
#include "overhead_text.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>

struct text {
	char *dst;
	size_t size, len;
};

__attribute__((format(printf, 2, 3))) static void add(struct text *text, const char *fmt, ...)
{
	size_t room = text->size - text->len;
	va_list args;
	int wanted;

	va_start(args, fmt);
	wanted = vsnprintf(text->dst + text->len, room, fmt, args);
	va_end(args);
	if (wanted > 0)
		text->len += (size_t)wanted < room ? (size_t)wanted : room - 1;
}

static struct text start(char *dst, size_t dst_size)
{
	dst[0] = '\0';
	return (struct text){dst, dst_size, 0};
}

static void add_time(struct text *text, const struct report *report, uint64_t ns)
{
	time_t seconds = (time_t)(report_unix_ns(report->meta, ns) / 1000000000ULL);
	char clock[16];
	struct tm tm;

	localtime_r(&seconds, &tm);
	strftime(clock, sizeof(clock), "%H:%M:%S", &tm);
	add(text, "%s", clock);
}

size_t overhead_text(char *dst, size_t dst_size, const struct report *report)
{
	const struct report_overhead *overhead = &report->overhead;
	struct text text = start(dst, dst_size);
	double percent = 100 * overhead->share;

	if (!overhead->known || (overhead->hits_per_s <= 0 && overhead->switches_per_s <= 0))
		return 0;
	if (report->target_count > 1 && overhead->pid) /* the one that pays most */
		add(&text, "tracing costs process %d ", overhead->pid);
	else
		add(&text, "tracing costs the target ");
	if (overhead->share < 0)
		add(&text, "an unknown part of its time");
	else
		add(&text, "%.*f %%", percent < 9.95 ? 2 : 0, percent);
	add(&text, " (%.0f hits/s x %.0f ns", overhead->hits_per_s, overhead->hit_ns);
	if (overhead->switches_per_s > 0)
		add(&text, ", %.0f switches/s x %.0f ns", overhead->switches_per_s,
		    overhead->switch_ns);
	if (overhead->budget > 0)
		add(&text, ", budget %g %%", 100 * overhead->budget);
	add(&text, ")");
	return text.len;
}

static void add_shed(struct text *text, const struct report *report, const struct report_shed *shed)
{
	add(text, "%s ", shed->what);
	if (shed->until_ns)
		add(text, "not traced throughout from ");
	else if (shed->period)
		add(text, "traced 1/%u of the time since ", (unsigned)shed->period);
	else
		add(text, "not traced since ");
	add_time(text, report, shed->since_ns);
	if (shed->until_ns) {
		add(text, " to ");
		add_time(text, report, shed->until_ns);
	}
}

size_t estimates_text(char *dst, size_t dst_size, const struct report *report)
{
	const struct report_overhead *overhead = &report->overhead;
	struct text text = start(dst, dst_size);

	if (!overhead->shed_count)
		return 0;
	add(&text, "estimates: ");
	for (size_t i = 0; i < overhead->shed_count; i++) {
		add(&text, "%s", i ? "; " : "");
		add_shed(&text, report, &overhead->shed[i]);
	}
	add(&text, ". Counters are exact all the same, histograms hold a sample");
	return text.len;
}
