/* SPDX-License-Identifier: MIT */
/*
 * output_text_finding.c - verdicts for people: see output_text.h. A finding is a block
 * that begins with its verdict, in colour where a person reads along.
 */
#include "output_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "finding_text.h"
#include "names.h"

struct text_number text_shorten(double value)
{
	static const char units[] = "kMGTPE";
	struct text_number n;
	int unit = -1;

	if (value < 9999.5) {
		bool whole = value >= 99.5 || value == (double)(uint64_t)value;

		snprintf(n.text, sizeof(n.text), "%.*f", whole ? 0 : value < 1 ? 2 : 1, value);
		return n;
	}
	while (value >= 999.5 && units[unit + 1]) {
		value /= 1000;
		unit++;
	}
	snprintf(n.text, sizeof(n.text), "%.*f%c",
		 value < 9.995	 ? 2
		 : value < 99.95 ? 1
				 : 0,
		 value, units[unit]);
	return n;
}

void text_put_padded(struct sink *sink, const char *name, size_t columns)
{
	char text[NAME_ESCAPED_MAX];
	size_t width;

	name_fit(text, sizeof(text), name, columns);
	width = name_width(text);
	sink_puts(sink, text);
	sink_fill(sink, ' ', width < columns ? columns - width : 0);
}

void text_put_name(struct sink *sink, const char *name, size_t columns)
{
	char text[NAME_ESCAPED_MAX];

	name_fit(text, sizeof(text), name, columns);
	sink_puts(sink, text);
}

/* Colours of a verdict, by severity. */
static const char *const colours[] = {
	[FINDING_OFF] = "",
	[FINDING_NOTICE] = "\033[36m",
	[FINDING_WARNING] = "\033[33m",
	[FINDING_ERROR] = "\033[1;31m",
};

/* https://no-color.org: the variable counts unless it is empty. */
static bool in_colour(const struct sink *sink)
{
	const char *no_color = getenv("NO_COLOR");

	return sink_is_terminal(sink) && !(no_color && no_color[0]);
}

/* Words of a safe text, four columns in, broken between words at column 80. */
void text_put_wrapped(struct sink *sink, const char *safe)
{
	size_t column = 0;

	while (*safe) {
		char word[FINDING_LINE_MAX];
		size_t len = strcspn(safe, " "), width;

		snprintf(word, sizeof(word), "%.*s", (int)len, safe);
		width = name_width(word);
		if (column > 0 && column + 1 + width > 80) {
			sink_puts(sink, "\n");
			column = 0;
		}
		sink_puts(sink, column > 0 ? " " : "    ");
		sink_puts(sink, word);
		column += width + (column > 0 ? 1 : 4);
		safe += len + strspn(safe + len, " ");
	}
	if (column > 0)
		sink_puts(sink, "\n");
}

static void put_sentence(struct sink *sink, const char *text)
{
	char safe[4 * FINDING_LINE_MAX];

	name_escape(safe, sizeof(safe), text ? text : "");
	text_put_wrapped(sink, safe);
}

static void put_when(struct sink *sink, const struct report *report, const struct finding *finding)
{
	char comm[64], since[128], text[FINDING_LINE_MAX];

	name_fit(comm, sizeof(comm), finding->comm ? finding->comm : "", 16);
	finding_since(since, sizeof(since), finding, report->meta);
	snprintf(text, sizeof(text), "%s%spid %d, %s", comm, comm[0] ? ", " : "", finding->pid,
		 since);
	text_put_wrapped(sink, text);
}

static void put_evidence(struct sink *sink, const struct evidence *evidence)
{
	const char *unit = evidence->unit ? evidence->unit : "";
	char value[32], limit[48];

	finding_number(value, sizeof(value), evidence->value);
	finding_limit(limit, sizeof(limit), evidence);
	sink_printf(sink, "      %-26s %12s%s%s%s%s\n", evidence->name, value, limit[0] ? " " : "",
		    limit, unit[0] ? " " : "", unit);
}

/* A verdict: its line, when, by which numbers, what it costs, what to do. */
static void put_finding(struct sink *sink, const struct report *report,
			const struct finding *finding, bool colour)
{
	char stack[FINDING_LINE_MAX];

	sink_printf(sink, "\n%s%s: %s in ", colour ? colours[finding->severity] : "",
		    report_severity(finding->severity), finding->trap);
	text_put_name(sink, finding->name, 50);
	sink_printf(sink, "%s\n", colour ? "\033[0m" : "");
	put_when(sink, report, finding);
	put_sentence(sink, finding->shape);
	for (size_t i = 0; i < finding->evidence_count; i++)
		put_evidence(sink, &finding->evidence[i]);
	if (!finding_tells_cost(finding))
		sink_printf(sink, "      %-26s %12.1f %%\n", "cost share",
			    100 * finding->cost_share);
	finding_stack(stack, sizeof(stack), finding);
	text_put_wrapped(sink, stack);
	put_sentence(sink, finding->remedy);
	put_sentence(sink, finding->link);
}

void text_put_findings(struct sink *sink, const struct report *report)
{
	bool colour = in_colour(sink);

	for (size_t i = 0; i < report->finding_count; i++)
		put_finding(sink, report, &report->findings[i], colour);
}
