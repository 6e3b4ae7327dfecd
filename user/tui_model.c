/* SPDX-License-Identifier: MIT */
/*
 * tui_model.c - see tui_model.h. Model: a report borrows from the trace and is gone after the
 * call, so all that is drawn is copied: figures into the history, histograms (the bulk, added up
 * over the windows) only for maps that have some, findings with all their strings in one block
 * each. The three lists of maps, history, details and report, have one order and are walked once.
 */
#include "tui_model.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A recording is shown whole, its neighbours folded when it is longer than this. */
#define WHOLE_POINTS 960

int tui_model_create(struct tui_model **ret_model, const struct report_meta *meta, bool whole)
{
	const struct history_options opts = {
		.points = whole ? WHOLE_POINTS : 0, .decimate = whole, .sizes = true};
	struct tui_model *model = calloc(1, sizeof(*model));
	int err;

	if (!model)
		return -ENOMEM;
	model->meta = *meta;
	model->start_ns = model->end_ns = meta->start_ns;
	err = history_create(&model->history, &opts);
	if (err) {
		free(model);
		return err;
	}
	*ret_model = model;
	return 0;
}

static void detail_free(struct tui_detail *detail)
{
	if (!detail)
		return;
	free(detail->window);
	free(detail->stack);
	free(detail);
}

static void free_findings(struct tui_model *model)
{
	for (size_t i = 0; i < model->finding_count; i++)
		free(model->finding[i]);
	free(model->finding);
	model->finding = NULL;
	model->finding_count = 0;
}

void tui_model_free(struct tui_model *model)
{
	if (!model)
		return;
	for (size_t i = 0; i < model->detail_count; i++)
		detail_free(model->detail[i]);
	free(model->detail);
	free_findings(model);
	free(model->target);
	free(model->loss);
	history_free(model->history);
	free(model);
}

/* --- details ---------------------------------------------------------------- */

/* a - b by pid, address, id. */
static int compare(int pid, uint64_t addr, uint64_t id, int pid2, uint64_t addr2, uint64_t id2)
{
	if (pid != pid2)
		return pid < pid2 ? -1 : 1;
	if (addr != addr2)
		return addr < addr2 ? -1 : 1;
	return id < id2 ? -1 : id > id2;
}

static int detail_hists(struct tui_detail *detail, const struct report_map *map)
{
	struct hist room;

	if (detail->window)
		memset(detail->window, 0, ST_HIST_COUNT * sizeof(*detail->window));
	for (unsigned i = 0; i < ST_HIST_COUNT; i++) {
		const struct hist *hist = report_hist(map, i, &room);

		if (!hist)
			continue;
		if (!detail->window)
			detail->window = calloc((size_t)2 * ST_HIST_COUNT, sizeof(*detail->window));
		if (!detail->window)
			return -ENOMEM;
		detail->window[i] = *hist;
		hist_merge(&detail->window[ST_HIST_COUNT + i], hist);
	}
	return 0;
}

/* Where it is kept; NULL = new, and there is no room. */
static struct tui_stack *find_stack(struct tui_detail *detail, const struct stack_cost *cost)
{
	struct tui_stack *stack;

	for (size_t i = 0; i < detail->stack_count; i++) {
		stack = &detail->stack[i];
		if (stack->kind == cost->kind && stack->id == cost->stack->id)
			return stack;
	}
	if (detail->stack_count == TUI_STACKS_MAX)
		return NULL;
	stack = &detail->stack[detail->stack_count++];
	*stack = (struct tui_stack){.kind = cost->kind, .id = cost->stack->id};
	if (!stack_line(stack->text, sizeof(stack->text), cost->stack, ST_STACK_DEPTH))
		snprintf(stack->text, sizeof(stack->text), "[none taken, or not to be had]");
	return stack;
}

/* Those that come in a window come the dearest first: what finds no room matters least. */
static int detail_stacks(struct tui_detail *detail, const struct report_map *map)
{
	if (map->stack_count && !detail->stack)
		detail->stack = calloc(TUI_STACKS_MAX, sizeof(*detail->stack));
	if (!detail->stack)
		return map->stack_count ? -ENOMEM : 0;
	for (size_t i = 0; i < detail->stack_count; i++)
		detail->stack[i].count = detail->stack[i].ns = 0;
	for (size_t i = 0; i < map->stack_count; i++) {
		const struct stack_cost *cost = &map->stacks[i];
		struct tui_stack *stack = find_stack(detail, cost);

		if (!stack)
			continue;
		stack->count = cost->count;
		stack->ns = cost->ns;
		stack->sum_count += cost->count;
		stack->sum_ns += cost->ns;
		stack->estimate |= cost->estimate;
	}
	return 0;
}

static int detail_update(struct tui_detail *detail, const struct report_map *map)
{
	int err;

	detail->pid = map->pid;
	detail->addr = map->addr;
	detail->id = map->id;
	detail->key_kind = map->key_kind;
	detail->policy = map->policy;
	memcpy(detail->total, map->total, sizeof(detail->total));
	memcpy(detail->traced, map->traced, sizeof(detail->traced));
	detail->now = map->now;
	detail->state_ok = map->state_ok;
	detail->promotion_in_s = map->promotion_in_s;
	detail->estimated = map->estimated;
	err = detail_stacks(detail, map);
	return err ? err : detail_hists(detail, map);
}

/* The detail of this map out of the old list, whose earlier ones belong to no map any more. */
static struct tui_detail *take_old(struct tui_model *model, size_t *old,
				   const struct history_map *map)
{
	while (*old < model->detail_count) {
		struct tui_detail *detail = model->detail[*old];
		int order = compare(detail->pid, detail->addr, detail->id, map->pid, map->addr,
				    map->id);

		if (order > 0)
			return NULL;
		(*old)++;
		if (order == 0)
			return detail;
		detail_free(detail);
	}
	return NULL;
}

static const struct report_map *take_new(const struct report *report, size_t *next,
					 const struct history_map *map)
{
	for (; *next < report->map_count; (*next)++) {
		const struct report_map *found = &report->maps[*next];
		int order =
			compare(found->pid, found->addr, found->id, map->pid, map->addr, map->id);

		if (order >= 0)
			return order == 0 ? found : NULL;
	}
	return NULL;
}

static int update_details(struct tui_model *model, const struct report *report)
{
	size_t count = history_map_count(model->history), old = 0, next = 0, done = 0;
	struct tui_detail **details = calloc(count + 1, sizeof(struct tui_detail *));
	int err = details ? 0 : -ENOMEM;

	for (; done < count && !err; done++) {
		const struct history_map *map = history_map(model->history, done);
		const struct report_map *now = take_new(report, &next, map);
		struct tui_detail *detail = take_old(model, &old, map);

		if (!detail)
			detail = calloc(1, sizeof(*detail));
		if (!detail) {
			err = -ENOMEM;
			break;
		}
		details[done] = detail;
		detail->pid = map->pid;
		detail->addr = map->addr;
		detail->id = map->id;
		if (now)
			err = detail_update(detail, now);
	}
	for (; old < model->detail_count; old++)
		detail_free(model->detail[old]);
	free(model->detail);
	model->detail = details;
	model->detail_count = done;
	return err;
}

/* --- findings --------------------------------------------------------------- */

static size_t string_bytes(const char *text)
{
	return text ? strlen(text) + 1 : 0;
}

/* Move a string into the block. */
static const char *keep(char **block, const char *text)
{
	size_t len = string_bytes(text);
	char *kept = *block;

	if (!text)
		return NULL;
	memcpy(kept, text, len);
	*block += len;
	return kept;
}

/* Finding, evidence and strings in one block. */
static struct finding *copy_finding(const struct finding *from)
{
	size_t bytes = sizeof(*from) + from->evidence_count * sizeof(*from->evidence);
	struct evidence *evidence;
	struct finding *copy;
	char *block;

	bytes += string_bytes(from->trap) + string_bytes(from->shape) + string_bytes(from->name) +
		 string_bytes(from->comm) + string_bytes(from->remedy) + string_bytes(from->link);
	for (size_t i = 0; i < from->evidence_count; i++)
		bytes += string_bytes(from->evidence[i].name) +
			 string_bytes(from->evidence[i].relation) +
			 string_bytes(from->evidence[i].unit);
	copy = malloc(bytes);
	if (!copy)
		return NULL;
	*copy = *from;
	copy->stack = NULL; /* the detectors', of this window; the view has a tab of stacks */
	evidence = (struct evidence *)(copy + 1);
	block = (char *)(evidence + from->evidence_count);
	copy->evidence = evidence;
	copy->trap = keep(&block, from->trap);
	copy->shape = keep(&block, from->shape);
	copy->name = keep(&block, from->name);
	copy->comm = keep(&block, from->comm);
	copy->remedy = keep(&block, from->remedy);
	copy->link = keep(&block, from->link);
	for (size_t i = 0; i < from->evidence_count; i++) {
		evidence[i] = from->evidence[i];
		evidence[i].name = keep(&block, from->evidence[i].name);
		evidence[i].relation = keep(&block, from->evidence[i].relation);
		evidence[i].unit = keep(&block, from->evidence[i].unit);
	}
	return copy;
}

static int update_findings(struct tui_model *model, const struct report *report)
{
	free_findings(model);
	if (report->known_count == 0)
		return 0;
	model->finding = calloc(report->known_count, sizeof(struct finding *));
	if (!model->finding)
		return -ENOMEM;
	for (size_t i = 0; i < report->known_count; i++) {
		model->finding[i] = copy_finding(&report->known[i]);
		if (!model->finding[i])
			return -ENOMEM;
		model->finding_count++;
	}
	return 0;
}

/* --- the rest --------------------------------------------------------------- */

static int update_targets(struct tui_model *model, const struct report *report)
{
	struct tui_target *targets =
		realloc(model->target, (report->target_count + 1) * sizeof(*targets));
	struct record_loss *losses =
		realloc(model->loss, (report->loss_count + 1) * sizeof(*losses));

	if (targets)
		model->target = targets;
	if (losses)
		model->loss = losses;
	if (!targets || !losses)
		return -ENOMEM;
	model->target_count = report->target_count;
	for (size_t i = 0; i < report->target_count; i++) {
		targets[i].pid = report->targets[i].pid;
		targets[i].ended = report->targets[i].ended;
		memset(targets[i].comm, 0, sizeof(targets[i].comm));
		strncpy(targets[i].comm, report->targets[i].comm, sizeof(targets[i].comm) - 1);
	}
	model->loss_count = report->loss_count;
	if (report->loss_count)
		memcpy(losses, report->losses, report->loss_count * sizeof(*losses));
	model->lost = report->lost;
	model->overhead = report->overhead;
	return 0;
}

int tui_model_add(struct tui_model *model, const struct report *report)
{
	int err = 0, part;

	if (report->kind != REPORT_WINDOW)
		return 0;
	part = history_add(model->history, report);
	err = part ? part : err;
	part = update_details(model, report);
	err = part ? part : err;
	part = update_findings(model, report);
	err = part ? part : err;
	part = update_targets(model, report);
	err = part ? part : err;
	model->start_ns = report->start_ns;
	model->end_ns = report->end_ns;
	model->windows = report->window_count;
	model->ended = report->last;
	return err;
}

void tui_model_message(struct tui_model *model, const char *line, size_t len)
{
	char *to = model->message[model->messages++ % TUI_MESSAGES];

	while (len > 0 && line[len - 1] == '\n')
		len--;
	if (len >= TUI_MESSAGE_MAX)
		len = TUI_MESSAGE_MAX - 1;
	memcpy(to, line, len);
	to[len] = '\0';
}

size_t tui_model_find(const struct tui_model *model, int pid, uint64_t addr, uint64_t id)
{
	size_t low = 0, high = model->detail_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct tui_detail *detail = model->detail[middle];
		int order = compare(pid, addr, id, detail->pid, detail->addr, detail->id);

		if (order == 0)
			return middle;
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return SIZE_MAX;
}

size_t tui_model_newest(const struct tui_model *model)
{
	size_t count = history_points(model->history);

	return count > 0 ? count - 1 : SIZE_MAX;
}
