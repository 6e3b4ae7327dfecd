/* SPDX-License-Identifier: MIT */
/*
 * serve_frame.c - see serve_frame.h. Model: the JSON output writes its lines into memory,
 * and each gets the word "data" before it and an empty line behind. What the page knows of
 * the present is therefore what `-f json` says. Only the past has a form of its own, the
 * `history` message, because the stream has no past.
 */
#include "serve_frame.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "output.h"

#define RETRY_MS 2000	/* after which a browser connects again */
#define SHORT_POINTS 60 /* of the history of all maps */

static uint64_t start_ms(const struct report_meta *meta)
{
	return meta->start_unix_ns / 1000000;
}

bool frame_parse_id(const char *id, const struct report_meta *meta, uint64_t *ret_seq)
{
	uint64_t start, seq;
	char behind;

	if (!id || sscanf(id, "%20" SCNu64 "-%20" SCNu64 "%c", &start, &seq, &behind) != 2)
		return false;
	if (start != start_ms(meta))
		return false;
	*ret_seq = seq;
	return true;
}

/* --- history -------------------------------------------------------------------- */

/* Four digits say enough for a chart; not known is null. */
static void put_value(FILE *out, double value)
{
	if (isnan(value))
		fputs("null", out);
	else
		fprintf(out, "%.4g", value);
}

static void put_figure(FILE *out, const struct history *history, const struct history_map *map,
		       enum history_figure figure, size_t first)
{
	fprintf(out, ",\"%s\":[", history_info[figure].name);
	for (size_t i = first; i < history_points(history); i++) {
		if (i > first)
			fputc(',', out);
		put_value(out, history_value(history, map, figure, i));
	}
	fputc(']', out);
}

/* {"type":"history","times":[ms, ...],"maps":[ */
static void put_begin(FILE *out, const struct history *history, const struct report_meta *meta,
		      size_t first)
{
	fputs("{\"type\":\"history\",\"times\":[", out);
	for (size_t i = first; i < history_points(history); i++)
		fprintf(out, "%s%" PRIu64, i > first ? "," : "",
			report_unix_ns(meta, history_point(history, i)->end_ns) / 1000000);
	fputs("],\"maps\":[", out);
}

static void put_map(FILE *out, const struct history_map *map)
{
	fprintf(out, "{\"pid\":%d,\"addr\":\"0x%" PRIx64 "\",\"id\":%" PRIu64, map->pid, map->addr,
		map->id);
}

static void put_history(FILE *out, const struct history *history, const struct report_meta *meta)
{
	size_t points = history_points(history);
	size_t first = points > SHORT_POINTS ? points - SHORT_POINTS : 0;

	put_begin(out, history, meta, first);
	for (size_t i = 0; i < history_map_count(history); i++) {
		const struct history_map *map = history_map(history, i);

		if (i > 0)
			fputc(',', out);
		put_map(out, map);
		put_figure(out, history, map, HISTORY_misses, first);
		put_figure(out, history, map, HISTORY_promotions, first);
		fputc('}', out);
	}
	fputs("]}\n", out);
}

char *frame_history(const struct history *history, const struct report_meta *meta, int pid,
		    uint64_t addr, uint64_t id, size_t *ret_len)
{
	const struct history_map *map = history_find(history, pid, addr, id);
	char *text = NULL;
	FILE *out;

	if (!map)
		return NULL;
	out = open_memstream(&text, ret_len);
	if (!out)
		return NULL;
	put_begin(out, history, meta, 0);
	put_map(out, map);
	for (int figure = 0; figure < HISTORY_FIGURE_COUNT; figure++)
		put_figure(out, history, map, (enum history_figure)figure, 0);
	fputs("}]}\n", out);
	if (fclose(out)) {
		free(text);
		return NULL;
	}
	return text;
}

/* --- frames --------------------------------------------------------------------- */

/* Lines become events; the last one has the id. Frees the lines. */
static struct frame *frame_of_lines(char *lines, uint64_t start, uint64_t seq)
{
	char id[64];
	size_t count = 0, len = strlen(lines), at = 0;
	struct frame *frame;

	for (const char *c = lines; *c; c++)
		count += *c == '\n';
	snprintf(id, sizeof(id), "id: %" PRIu64 "-%" PRIu64 "\nretry: %d\n", start, seq, RETRY_MS);
	frame = malloc(sizeof(*frame) + len + count * strlen("data: \n") + sizeof(id));
	if (!frame) {
		free(lines);
		return NULL;
	}
	for (char *line = lines, *end; (end = strchr(line, '\n')); line = end + 1) {
		if (!end[1])
			at += (size_t)sprintf(frame->text + at, "%s", id);
		memcpy(frame->text + at, "data: ", 6);
		memcpy(frame->text + at + 6, line, (size_t)(end - line));
		at += 6 + (size_t)(end - line);
		memcpy(frame->text + at, "\n\n", 2);
		at += 2;
	}
	frame->seq = seq;
	frame->len = at;
	frame->refs = 1;
	free(lines);
	return frame;
}

/* `history` NULL: only what is new. */
static struct frame *render(const struct report *report, const struct history *history)
{
	struct report copy = *report;
	struct sink_memory memory;
	char *lines;
	int err = 0;

	if (sink_memory_open(&memory))
		return NULL;
	if (history) {
		err = output_begin(&output_json, &memory.sink, report->meta);
		put_history(memory.sink.file, history, report->meta);
		copy.findings = report->known;
		copy.finding_count = report->known_count;
	}
	if (!err)
		err = output_report(&output_json, &memory.sink, &copy);
	lines = sink_memory_close(&memory, NULL);
	if (!lines || err) {
		free(lines);
		return NULL;
	}
	return frame_of_lines(lines, start_ms(report->meta), report->window_count);
}

struct frame *frame_window(const struct report *report)
{
	return render(report, NULL);
}

struct frame *frame_connect(const struct report *report, const struct history *history)
{
	return render(report, history);
}
