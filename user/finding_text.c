/* SPDX-License-Identifier: MIT */
/*
 * finding_text.c - see finding_text.h. Model: `struct line` is a buffer that pieces
 * are appended to and that stays a string when it is full; every name goes in
 * through names.h and nothing else does.
 */
#include "finding_text.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "names.h"

#define STACK_FRAMES 6 /* of the busiest stack, from the map's caller outwards */

/* --- pieces --------------------------------------------------------------- */

struct line {
	char *text;
	size_t size, len;
};

static struct line line_start(char *dst, size_t dst_size)
{
	if (dst_size > 0)
		dst[0] = '\0';
	return (struct line){dst, dst_size, 0};
}

static size_t room(const struct line *line)
{
	return line->size - line->len;
}

__attribute__((format(printf, 2, 3))) static void add(struct line *line, const char *fmt, ...)
{
	va_list args;
	int wanted;

	if (line->size == 0)
		return;
	va_start(args, fmt);
	wanted = vsnprintf(line->text + line->len, room(line), fmt, args);
	va_end(args);
	if (wanted > 0)
		line->len += (size_t)wanted < room(line) ? (size_t)wanted : room(line) - 1;
}

static void add_name(struct line *line, const char *name)
{
	if (line->size > 0 && name)
		line->len += name_escape(line->text + line->len, room(line), name);
}

static void add_number(struct line *line, double value)
{
	if (isnan(value))
		add(line, "unknown");
	else if (isinf(value))
		add(line, "%sinfinite", value < 0 ? "-" : "");
	else if (fabs(value) >= 99999.5 || value == trunc(value))
		add(line, "%.0f", value);
	else
		add(line, "%.4g", value);
}

static void add_limit(struct line *line, const struct evidence *evidence)
{
	if (!evidence->relation)
		return;
	add(line, "%s ", evidence->relation);
	add_number(line, evidence->limit);
}

/* HH:MM:SS of a monotonic moment. */
static void add_clock(struct line *line, const struct report_meta *meta, uint64_t ns)
{
	time_t seconds = (time_t)(report_unix_ns(meta, ns) / 1000000000ULL);
	char clock[16];
	struct tm tm;

	localtime_r(&seconds, &tm);
	strftime(clock, sizeof(clock), "%H:%M:%S", &tm);
	add(line, "%s", clock);
}

bool finding_same(const struct finding *a, const struct finding *b)
{
	return a->pid == b->pid && a->addr == b->addr && a->id == b->id &&
	       strcmp(a->trap, b->trap) == 0;
}

/* --- lines ---------------------------------------------------------------- */

size_t finding_number(char *dst, size_t dst_size, double value)
{
	struct line line = line_start(dst, dst_size);

	add_number(&line, value);
	return line.len;
}

size_t finding_limit(char *dst, size_t dst_size, const struct evidence *evidence)
{
	struct line line = line_start(dst, dst_size);

	add_limit(&line, evidence);
	return line.len;
}

size_t finding_evidence(char *dst, size_t dst_size, const struct evidence *evidence)
{
	struct line line = line_start(dst, dst_size);

	add(&line, "%s ", evidence->name);
	add_number(&line, evidence->value);
	add(&line, "%s", evidence->relation ? " " : "");
	add_limit(&line, evidence);
	if (evidence->unit && evidence->unit[0])
		add(&line, " %s", evidence->unit);
	return line.len;
}

size_t finding_title(char *dst, size_t dst_size, const struct finding *finding)
{
	struct line line = line_start(dst, dst_size);

	add_name(&line, finding->trap);
	add(&line, " in ");
	add_name(&line, finding->name);
	add(&line, " (");
	add_name(&line, finding->comm);
	add(&line, "%spid %d)", finding->comm && finding->comm[0] ? ", " : "", finding->pid);
	return line.len;
}

size_t finding_since(char *dst, size_t dst_size, const struct finding *finding,
		     const struct report_meta *meta)
{
	struct line line = line_start(dst, dst_size);
	double after = ((double)finding->since_ns - (double)meta->start_ns) / 1e9;

	add(&line, "since ");
	add_clock(&line, meta, finding->since_ns);
	if (after >= 0)
		add(&line, ", %.1f s into the trace", after);
	else
		add(&line, ", %.1f s before the trace", -after);
	if (finding->until_ns == 0)
		return line.len;
	add(&line, ", until ");
	add_clock(&line, meta, finding->until_ns);
	return line.len;
}

static void put_text(FILE *file, const char *before, const char *text)
{
	char safe[4 * FINDING_LINE_MAX];

	if (!text || !text[0])
		return;
	name_escape(safe, sizeof(safe), text);
	fprintf(file, "%s%s", before, safe);
}

bool finding_tells_cost(const struct finding *finding)
{
	for (size_t i = 0; i < finding->evidence_count; i++)
		if (strcmp(finding->evidence[i].name, "cost_share") == 0)
			return true;
	return false;
}

size_t finding_stack(char *dst, size_t dst_size, const struct finding *finding)
{
	const struct stack_cost *cost = finding->stack;
	struct line line = line_start(dst, dst_size);
	char frames[FINDING_LINE_MAX];

	if (!cost)
		return 0;
	stack_line(frames, sizeof(frames), cost->stack, STACK_FRAMES);
	add(&line, "busiest stack of %s (%llu%s", stack_kind_title(cost->kind),
	    (unsigned long long)cost->count, cost->estimate ? ", an estimate" : "");
	if (cost->ns)
		add(&line, ", %.1f ms", (double)cost->ns / 1e6);
	add(&line, "): %s", frames);
	return line.len;
}

char *finding_details(const struct finding *finding, const char *separator)
{
	char *text = NULL, stack[FINDING_LINE_MAX];
	size_t len = 0;
	FILE *file = open_memstream(&text, &len);

	if (!file)
		return NULL;
	put_text(file, "", finding->shape);
	for (size_t i = 0; i < finding->evidence_count; i++) {
		char line[FINDING_LINE_MAX];

		finding_evidence(line, sizeof(line), &finding->evidence[i]);
		fprintf(file, "%s%s", ftell(file) > 0 ? separator : "", line);
	}
	if (!finding_tells_cost(finding))
		fprintf(file, "%scost share %.1f %%", ftell(file) > 0 ? separator : "",
			100 * finding->cost_share);
	finding_stack(stack, sizeof(stack), finding);
	if (stack[0])
		fprintf(file, "%s%s", ftell(file) > 0 ? separator : "", stack);
	put_text(file, separator, finding->remedy);
	put_text(file, separator, finding->link);
	if (fclose(file) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

/* --- where ---------------------------------------------------------------- */

/* FNV-1a over "trap NUL name NUL". */
uint64_t finding_hash(const struct finding *finding)
{
	const char *const parts[] = {finding->trap, finding->name};
	uint64_t hash = 0xcbf29ce484222325ULL;

	for (size_t i = 0; i < 2; i++)
		for (const char *c = parts[i];; c++) {
			hash = (hash ^ (unsigned char)*c) * 0x100000001b3ULL;
			if (*c == '\0')
				break;
		}
	return hash;
}

size_t finding_uri(char *dst, size_t dst_size, const struct report *report,
		   const struct finding *finding)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789-._~/";
	struct line line = line_start(dst, dst_size);
	const char *file = "";

	for (size_t i = 0; i < report->target_count; i++)
		if (report->targets[i].pid == finding->pid)
			file = report->targets[i].file;
	file += strspn(file, "/");
	for (; *file; file++)
		add(&line, strchr(plain, *file) ? "%c" : "%%%02X", (unsigned char)*file);
	if (line.len == 0)
		add(&line, "unknown");
	return line.len;
}

/* --- doubt ---------------------------------------------------------------- */

size_t losses_text(char *dst, size_t dst_size, const struct report *report)
{
	struct line line = line_start(dst, dst_size);
	const char *before = ": ";

	if (report->lost == 0)
		return line.len;
	add(&line, "%llu lost", (unsigned long long)report->lost);
	for (size_t i = 0; i < report->loss_count; i++) {
		if (report->losses[i].count == 0)
			continue;
		add(&line, "%s%s %llu", before, report->losses[i].name,
		    (unsigned long long)report->losses[i].count);
		before = ", ";
	}
	return line.len;
}
