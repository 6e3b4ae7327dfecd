/* SPDX-License-Identifier: MIT */
/*
 * tui_draw_text.c - what is read rather than looked at: the findings of a map, and help. Model:
 * the same words as in the text output, from finding_text.h; the keys are a table.
 */
#include <stdio.h>
#include "finding_text.h"
#include "names.h"
#include "tui_draw.h"

/* --- findings --------------------------------------------------------------- */

static int draw_sentence(struct canvas *canvas, int row, const char *text)
{
	char safe[4 * FINDING_LINE_MAX];

	name_escape(safe, sizeof(safe), text ? text : "");
	return tui_wrapped(canvas, row, 3, canvas->cols - 1, CANVAS_NORMAL, safe);
}

static int draw_evidence(struct canvas *canvas, int row, const struct evidence *evidence)
{
	char value[32], limit[48];

	finding_number(value, sizeof(value), evidence->value);
	finding_limit(limit, sizeof(limit), evidence);
	canvas_printf(canvas, row, 5, canvas->cols, CANVAS_NORMAL, "%-26s %12s %s %s",
		      evidence->name, value, limit, evidence->unit ? evidence->unit : "");
	return row + 1;
}

static int draw_finding(const struct tui_scene *scene, const struct finding *finding, int row)
{
	struct canvas *canvas = scene->canvas;
	char since[128], mark[2] = {tui_severity_mark(finding->severity), '\0'};
	unsigned style = tui_severity_style(finding->severity);

	canvas_put(canvas, row, 0, 1, style, mark);
	canvas_printf(canvas, row++, 1, canvas->cols, style, "%s: %s%s",
		      report_severity(finding->severity), finding->trap,
		      finding_holds(finding, scene->ns) ? "" : " (past)");
	finding_since(since, sizeof(since), finding, &scene->model->meta);
	row = draw_sentence(canvas, row, since);
	row = draw_sentence(canvas, row, finding->shape);
	for (size_t i = 0; i < finding->evidence_count; i++)
		row = draw_evidence(canvas, row, &finding->evidence[i]);
	if (!finding_tells_cost(finding))
		canvas_printf(canvas, row++, 5, canvas->cols, CANVAS_NORMAL, "%-26s %12s",
			      "cost share", tui_percent(finding->cost_share).text);
	row = draw_sentence(canvas, row, finding->remedy);
	row = draw_sentence(canvas, row, finding->link);
	return row + 1;
}

int tui_draw_findings(const struct tui_scene *scene, size_t map, int row)
{
	const struct tui_model *model = scene->model;
	const struct history_map *from = history_map(model->history, map);
	int first = row;

	/* The newest first. */
	for (size_t i = model->finding_count; i-- > 0;) {
		const struct finding *finding = model->finding[i];

		if (finding->pid == from->pid && finding->addr == from->addr &&
		    finding->id == from->id && finding->found_ns <= scene->ns)
			row = draw_finding(scene, finding, row);
	}
	if (row == first)
		canvas_put(scene->canvas, row++, 1, scene->canvas->cols, CANVAS_NORMAL,
			   "Nothing was found in this map.");
	return row;
}

/* --- help ------------------------------------------------------------------- */

static const struct {
	const char *keys, *what; /* keys NULL: a heading */
} help[] = {
	{NULL, "Everywhere"},
	{"q", "end: the summary follows when the terminal is back"},
	{"? h", "this help"},
	{"p Space", "pause, and go on; the trace itself never stops"},
	{", .", "a window back or forth in time (< > ten)"},
	{"Ctrl-L", "draw the screen again"},
	{NULL, "List of maps"},
	{"Up Down j k", "select; PgUp PgDn g G: further"},
	{"Enter", "open the map"},
	{"s S Right Left", "sort by another column"},
	{"r", "the other way round"},
	{"/", "filter by a part of the map's name, the process, the trap; or a pid"},
	{"a", "only maps where something happens"},
	{"v", "only maps with a finding"},
	{"Esc", "show all again"},
	{NULL, "A map"},
	{"Tab 1 2 3 ..", "overview, histograms, heatmap, findings, stacks"},
	{"[ ]", "the map before, the next one"},
	{"t", "histograms and stacks of the window, or since the attach"},
	{"Esc", "back to the list"},
	{NULL, "Columns"},
	{"MISS/s PROM/s", "misses and promotions per second, and over time"},
	{"DEBT", "misses so far, as part of those that the next promotion takes"},
	{"WAIT P50/99", "wait for the lock in the window, where there was any"},
	{"BACKLG", "items retired and not yet reclaimed"},
	{"COST", "part of the process's time in the map's slow paths"},
	{"VERDICT", "! error, * warning, + notice: a trap (docs/traps.md), else ok or idle"},
};

int tui_draw_help(const struct tui_scene *scene, int row)
{
	struct canvas *canvas = scene->canvas;

	for (size_t i = 0; i < sizeof(help) / sizeof(help[0]); i++) {
		if (!help[i].keys) {
			canvas_put(canvas, row++, 1, canvas->cols, CANVAS_BOLD, help[i].what);
			continue;
		}
		canvas_put(canvas, row, 3, 18, CANVAS_KEY, help[i].keys);
		row = tui_wrapped(canvas, row, 19, canvas->cols - 1, CANVAS_NORMAL, help[i].what);
	}
	return row;
}
