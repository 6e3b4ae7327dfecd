/* SPDX-License-Identifier: MIT */
/*
 * serve_frame.c - see serve_frame.h. Model: the JSON output writes its lines into memory, one at a
 * time, with the word "data" before it and an empty line behind: a window of a thousand maps is
 * 3 MB, and nothing copies it. What the page knows of the present is therefore what `-f json`
 * says. Only the past has a form of its own, the `history` message, because the stream has no past.
 */
#include "serve_frame.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include "json_text.h"
#include "output.h"
#include "output_json.h"

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

static void put_figure(struct json_text *text, const struct history *history,
		       const struct history_map *map, enum history_figure figure, size_t first)
{
	json_text_open(text, history_info[figure].name, '[');
	for (size_t i = first; i < history_points(history); i++)
		json_text_rough(text, NULL, history_value(history, map, figure, i));
	json_text_close(text, ']');
}

/* {"type":"history","times":[ms, ...],"maps":[ */
static void begin_history(struct json_text *text, const struct history *history,
			  const struct report_meta *meta, size_t first)
{
	json_text_open(text, NULL, '{');
	json_text_string(text, "type", "history");
	json_text_open(text, "times", '[');
	for (size_t i = first; i < history_points(history); i++)
		json_text_u64(text, NULL,
			      report_unix_ns(meta, history_point(history, i)->end_ns) / 1000000);
	json_text_close(text, ']');
	json_text_open(text, "maps", '[');
}

static void end_history(struct json_text *text)
{
	json_text_close(text, ']');
	json_text_close(text, '}');
	json_text_end(text);
	sink_puts(text->sink, "\n");
}

/* Its object stays open. */
static void begin_map(struct json_text *text, const struct history_map *map)
{
	json_text_open(text, NULL, '{');
	json_text_u64(text, "pid", (uint64_t)map->pid);
	json_text_addr(text, "addr", map->addr);
	json_text_u64(text, "id", map->id);
}

static void put_history(struct sink *sink, const struct history *history,
			const struct report_meta *meta)
{
	size_t points = history_points(history);
	size_t first = points > SHORT_POINTS ? points - SHORT_POINTS : 0;
	struct json_text text;

	json_text_begin(&text, sink);
	begin_history(&text, history, meta, first);
	for (size_t i = 0; i < history_map_count(history); i++) {
		const struct history_map *map = history_map(history, i);

		begin_map(&text, map);
		put_figure(&text, history, map, HISTORY_misses, first);
		put_figure(&text, history, map, HISTORY_promotions, first);
		json_text_close(&text, '}');
	}
	end_history(&text);
}

char *frame_history(const struct history *history, const struct report_meta *meta, int pid,
		    uint64_t addr, uint64_t id, size_t *ret_len)
{
	const struct history_map *map = history_find(history, pid, addr, id);
	struct sink_memory memory;
	struct json_text text;

	if (!map || sink_memory_open(&memory))
		return NULL;
	json_text_begin(&text, &memory.sink);
	begin_history(&text, history, meta, 0);
	begin_map(&text, map);
	for (int figure = 0; figure < HISTORY_FIGURE_COUNT; figure++)
		put_figure(&text, history, map, (enum history_figure)figure, 0);
	json_text_close(&text, '}');
	end_history(&text);
	return sink_memory_close(&memory, ret_len);
}

/* --- frames --------------------------------------------------------------------- */

struct writing {
	struct sink *sink;
	size_t left; /* events that are still to come */
	char id[64]; /* of the last one */
};

/* Where the line of the next event goes. */
static struct sink *begin_event(struct writing *to)
{
	if (--to->left == 0)
		sink_puts(to->sink, to->id);
	sink_puts(to->sink, "data: ");
	return to->sink;
}

static void end_event(const struct writing *to)
{
	sink_puts(to->sink, "\n");
}

static int put_header(struct writing *to, const struct report_meta *meta)
{
	int err = output_begin(&output_json, begin_event(to), meta);

	end_event(to);
	return err;
}

static int put_findings(struct writing *to, const struct report *report,
			const struct finding *findings, size_t count)
{
	struct report one = *report;
	int err = 0;

	one.finding_count = 1;
	for (size_t i = 0; i < count && !err; i++) {
		one.findings = &findings[i];
		err = json_findings(begin_event(to), &one);
		end_event(to);
	}
	return err;
}

/* `history` NULL: only what is new. */
static int put_events(struct writing *to, const struct report *report,
		      const struct history *history)
{
	const struct finding *findings = history ? report->known : report->findings;
	size_t count = history ? report->known_count : report->finding_count;
	struct report part = *report;
	int err = 0;

	/* Findings are events of their own; the end of a trace has their number instead. */
	part.finding_count = report->kind == REPORT_END ? count : 0;
	count -= part.finding_count;
	to->left = (history ? 2 : 0) + 1 + count;
	if (history) {
		err = put_header(to, report->meta);
		put_history(begin_event(to), history, report->meta);
		end_event(to);
	}
	if (!err)
		err = output_report(&output_json, begin_event(to), &part);
	end_event(to);
	return err ? err : put_findings(to, report, findings, count);
}

static struct frame *render(const struct report *report, const struct history *history)
{
	struct frame *frame = calloc(1, sizeof(*frame));
	struct sink_memory memory;
	struct writing to = {.sink = &memory.sink};
	int err;

	if (!frame || sink_memory_open(&memory)) {
		free(frame);
		return NULL;
	}
	snprintf(to.id, sizeof(to.id), "id: %" PRIu64 "-%" PRIu64 "\nretry: %d\n",
		 start_ms(report->meta), report->window_count, RETRY_MS);
	err = put_events(&to, report, history);
	frame->seq = report->window_count;
	frame->refs = 1;
	frame->text = sink_memory_close(&memory, &frame->len);
	if (frame->text && !err)
		return frame;
	frame_put(frame);
	return NULL;
}

struct frame *frame_window(const struct report *report)
{
	return render(report, NULL);
}

struct frame *frame_connect(const struct report *report, const struct history *history)
{
	return render(report, history);
}

void frame_put(struct frame *frame)
{
	if (!frame || --frame->refs > 0)
		return;
	free(frame->text);
	free(frame);
}
