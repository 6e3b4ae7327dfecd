/* SPDX-License-Identifier: MIT */
/*
 * model.c - see model.h. Model: every sample is cumulative, so a window is a
 * difference of two samples and no event has to be seen for the sums to be
 * right. Of each map the last sample is kept, split into totals, rates and
 * gauges, and the differences are added to the current window and to `whole`.
 *
 * The first sample of a map has no predecessor. Of a map that was created while
 * we traced, the predecessor is zero; of one that was there before, it is what
 * the map had at the attach (total - counted - uncounted), and for figures that are not
 * counted by probes the sample itself.
 *
 * Invariants: counters in `window` and `whole` never go down within their time;
 * sum of all windows == whole; a map is in exactly one bucket and in `maps`.
 */
#include "model.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NARROW_WRAP 65536 /* misses that a counter of 16 bits takes to wrap */
#include "model_table.h"
#include "model_stack.h"

static uint64_t less(uint64_t now, uint64_t before)
{
	return now > before ? now - before : 0;
}

/* --- losses --------------------------------------------------------------- */

static struct record_loss *loss_slot(struct model *model, const char *name)
{
	for (size_t i = 0; i < model->loss_count; i++)
		if (strncmp(model->losses[i].name, name, sizeof(model->losses[i].name)) == 0)
			return &model->losses[i];
	return NULL;
}

/* Outputs print these as they are, and a recording may have been made by anybody. */
static void tame(char *text, size_t size)
{
	text[size - 1] = '\0';
	for (; *text; text++)
		if (*text < ' ' || *text > '~' || strchr("<>&\"\\", *text))
			*text = '?';
}

static int add_loss(struct model *model, const struct record_loss *loss)
{
	struct record_loss tamed = *loss, *slot;

	tame(tamed.name, sizeof(tamed.name));
	tame(tamed.help, sizeof(tamed.help));
	slot = loss_slot(model, tamed.name);
	if (!slot) {
		if (model->loss_count == MODEL_LOSSES_MAX)
			return -EINVAL;
		slot = &model->losses[model->loss_count++];
	}
	*slot = tamed;
	return 0;
}

/* Names that every report lists, also when no backend ever mentions them. */
static void losses_init(struct model *model)
{
	static const struct record_loss known[] = {
#define KNOWN_LOSS(loss, text) {.name = #loss, .help = text},
		ST_LOSSES(KNOWN_LOSS) ST_USER_LOSSES(KNOWN_LOSS)
#undef KNOWN_LOSS
			{.name = MODEL_LOSS_ENDED,
			 .help = "ended maps left out of the summary: too many"},
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		(void)add_loss(model, &known[i]);
}

/* --- windows -------------------------------------------------------------- */

static size_t too_many_ended(const struct model *model)
{
	if (model->no_summary)
		return model->ended_count;
	return model->ended_count > MODEL_ENDED_MAX ? model->ended_count - MODEL_ENDED_MAX : 0;
}

static bool has_to_stay(const struct model *model, const struct model_map *map)
{
	return map->alive ||
	       (model->no_summary && model->window_count - map->ended_window < MODEL_ENDED_WINDOWS);
}

/* The oldest ended maps make room; called between windows, so none is being shown. */
static void forget_ended(struct model *model)
{
	size_t excess = too_many_ended(model), kept = 0;

	if (excess == 0)
		return;
	if (!model->no_summary)
		loss_slot(model, MODEL_LOSS_ENDED)->count += excess;
	for (size_t i = 0; i < model->map_count; i++) {
		struct model_map *map = model->maps[i];

		if (excess == 0 || has_to_stay(model, map)) {
			model->maps[kept++] = map;
			continue;
		}
		model_map_unlink(model, map);
		model_map_free(map);
		model->ended_count--;
		excess--;
	}
	model->map_count = kept;
}

/* A few of them in most windows: all together would be most of what a window touches. */
static void begin_hists(struct model_hists *hists)
{
	for (unsigned i = 0; i < ST_HIST_COUNT; i++)
		if (hists->in_window & 1U << i)
			hists->window[i] = (struct hist){0};
	hists->in_window = 0;
}

static void begin_window(struct model *model)
{
	model->complete = false;
	model->events_seen = 0;
	for (size_t i = 0; i < model->target_count; i++) {
		struct model_target *target = &model->targets[i];

		target->sampled = target->cpu_ns > 0 || target->sections > 0;
		target->cpu_before_ns = target->cpu_ns;
		target->sections_before = target->sections;
		target->paid_before_ns = target->paid_ns;
		target->looks_before = target->looks.count;
		memset(target->hits, 0, sizeof(target->hits));
	}
	for (size_t i = 0; i < model->map_count; i++) {
		struct model_map *map = model->maps[i];

		if (!map->in_window)
			continue;
		map->in_window = map->alive;
		map->window = (struct model_window){0};
		model_sites_begin_window(map);
		if (map->hists)
			begin_hists(map->hists);
	}
	forget_ended(model);
}

/* --- samples -------------------------------------------------------------- */

static bool created_while_traced(const struct model *model, const struct model_map *map)
{
	const struct record_target *target = &model->targets[map->info.key.target].info;

	return target->from_start || map->info.created_ns >= target->start_ns;
}

/* What the map had counted before we traced it; see the top of this file. */
static void set_count_base(const struct model *model, struct model_map *map,
			   const struct record_sample *sample)
{
	const struct record_target *target = &model->targets[map->info.key.target].info;
	bool fresh = created_while_traced(model, map);

	for (unsigned i = 0; i < ST_COUNTER_COUNT; i++)
		map->total[i] =
			fresh ? 0
			      : less(sample->total[i], sample->counted[i] + sample->uncounted[i]);
	map->ts_ns = fresh && map->info.created_ns > target->start_ns ? map->info.created_ns
								      : target->start_ns;
	map->sampled = true;
}

/* Likewise of the figures that come from the state page, and of the process. */
static void set_rate_base(const struct model *model, struct model_map *map,
			  const struct record_sample *sample)
{
	const struct model_target *process = &model->targets[map->info.key.target];
	bool fresh = created_while_traced(model, map);
	bool process_known = fresh && (process->sampled || process->info.from_start);

	if (!fresh) {
#define BASE_RATE(name) map->life.name = sample->name;
		MODEL_RATES(BASE_RATE)
#undef BASE_RATE
	}
	map->life.process_cpu_ns = process_known ? process->cpu_before_ns : sample->process_cpu_ns;
	map->life.process_sections =
		process_known ? process->sections_before : sample->process_sections;
	map->state_known = true;
}

static bool any_value(const struct record_sample *sample)
{
	for (unsigned i = 0; i < ST_HIST_COUNT; i++) {
		if (sample->sum[i]) /* also of what has not ended */
			return true;
		for (unsigned slot = 0; slot < SMAP_HIST_SLOTS; slot++)
			if (sample->hist[i][slot])
				return true;
	}
	return false;
}

static int fold_hists(struct model_map *map, const struct record_sample *sample)
{
	if (!map->hists) {
		if (!any_value(sample))
			return 0;
		map->hists = calloc(1, sizeof(*map->hists));
		if (!map->hists)
			return -ENOMEM;
	}
	for (unsigned i = 0; i < ST_HIST_COUNT; i++)
		if (hist_advance(&map->hists->traced[i], sample->sum[i], sample->hist[i],
				 &map->hists->window[i]))
			map->hists->in_window |= 1U << i;
	return 0;
}

static void fold_counts(struct model_map *map, struct model_target *process,
			const struct record_sample *sample)
{
	for (unsigned i = 0; i < ST_COUNTER_COUNT; i++) {
		uint64_t diff = less(sample->total[i], map->total[i]);

		map->window.count[i] += diff;
		map->whole.count[i] += diff;
		map->total[i] = sample->total[i];
		map->traced[i] = sample->counted[i];
		map->uncounted[i] = sample->uncounted[i];
	}
	for (unsigned i = 0; i < SMAP_PROBE_COUNT; i++) {
		uint64_t diff = less(sample->hits[i], map->hits[i]);

		map->window.hits[i] += diff;
		map->whole.hits[i] += diff;
		process->hits[i] += diff;
		map->hits[i] = sample->hits[i];
	}
}

/* The state page may be gone with its process: then the last known state stands. */
static void fold_state(const struct model *model, struct model_map *map,
		       const struct record_sample *sample)
{
	map->state_ok = sample->state_ok;
	if (!sample->state_ok)
		return;
	if (!map->state_known)
		set_rate_base(model, map, sample);
#define FOLD_RATE(name)                                                                            \
	map->window.rate.name += less(sample->name, map->life.name);                               \
	map->whole.rate.name += less(sample->name, map->life.name);                                \
	map->life.name = sample->name;
	MODEL_RATES(FOLD_RATE)
#undef FOLD_RATE
#define FOLD_GAUGE(name) map->now.name = sample->name;
	MODEL_GAUGES(FOLD_GAUGE)
#undef FOLD_GAUGE
	/* A narrow counter promotes when it wraps, whatever the threshold is. */
	if (map->info.miss_counter_bits == 16 && map->now.threshold > NARROW_WRAP)
		map->now.threshold = NARROW_WRAP;
}

static void note_process(struct model_target *target, const struct record_sample *sample)
{
	if (!sample->state_ok)
		return;
	target->cpu_ns = sample->process_cpu_ns;
	if (sample->process_cpu_ns > target->paid_ns)
		target->paid_ns = sample->process_cpu_ns;
	target->sections = sample->process_sections;
}

static int add_sample(struct model *model, const struct record_sample *sample)
{
	struct model_map *map = model_map_find(model, &sample->key);
	struct model_target *process;
	uint64_t ns;
	int err;

	if (!map)
		return -EINVAL;
	process = &model->targets[map->info.key.target];
	if (!map->sampled)
		set_count_base(model, map, sample);
	map->in_window = true;
	err = fold_hists(map, sample);
	if (err)
		return err;
	fold_counts(map, process, sample);
	fold_state(model, map, sample);
	note_process(process, sample);
	ns = less(sample->ts_ns, map->ts_ns);
	map->window.ns += ns;
	map->whole.ns += ns;
	map->ts_ns = sample->ts_ns;
	map->estimated |= model_estimated(model, map);
	if (map->alive && !sample->alive)
		model->ended_count++;
	else if (!map->alive && sample->alive) /* a late event of a map that went */
		model->ended_count--;
	map->alive = sample->alive;
	map->ended_window = model->window_count;
	return 0;
}

/* --- targets and events --------------------------------------------------- */

static int add_target(struct model *model, const struct record_target *info)
{
	struct model_target *target;

	if (info->target >= MODEL_TARGETS_MAX)
		return -EINVAL;
	if (info->target >= model->target_count) {
		size_t count = (size_t)info->target + 1;

		target = realloc(model->targets, count * sizeof(*target));
		if (!target)
			return -ENOMEM;
		memset(target + model->target_count, 0,
		       (count - model->target_count) * sizeof(*target));
		model->targets = target;
		model->target_count = count;
	}
	target = &model->targets[info->target];
	if (target->ended) /* its number has been given to another process */
		*target = (struct model_target){0};
	if (!target->known)
		target->since_window = model->window_count;
	target->known = true;
	target->info = *info;
	target->paid_ns = target->paid_before_ns = info->cpu_ns;
	target->info.comm[sizeof(target->info.comm) - 1] = '\0';
	target->info.file[sizeof(target->info.file) - 1] = '\0';
	return 0;
}

/* Its maps end by their own last samples, which may come before or after this. */
static int end_target(struct model *model, const struct record_target_end *end)
{
	if (!model_target(model, end->target))
		return -EINVAL;
	model->targets[end->target].ended = true;
	model->targets[end->target].ended_window = model->window_count;
	model->targets[end->target].end = *end;
	return 0;
}

static int add_event(struct model *model, const struct st_event *event)
{
	if (!model->events) {
		model->events = calloc(MODEL_EVENTS_MAX, sizeof(*model->events));
		if (!model->events)
			return -ENOMEM;
	}
	model->events[model->events_seen++ % MODEL_EVENTS_MAX] = *event;
	return 0;
}

static int end_window(struct model *model, const struct record_window *window)
{
	if (window->end_ns < window->start_ns)
		return -EINVAL;
	model->window = *window;
	model->complete = true;
	model->window_count++;
	return 0;
}

/* --- the interface -------------------------------------------------------- */

int model_create(struct model **ret_model)
{
	struct model *model = calloc(1, sizeof(*model));

	if (!model)
		return -ENOMEM;
	model->bucket_count = 64;
	model->buckets = calloc(model->bucket_count, sizeof(struct model_map *));
	model->maps = calloc(model->bucket_count, sizeof(struct model_map *));
	if (!model->buckets || !model->maps) {
		model_free(model);
		return -ENOMEM;
	}
	losses_init(model);
	*ret_model = model;
	return 0;
}

void model_free(struct model *model)
{
	if (!model)
		return;
	for (size_t i = 0; i < model->map_count; i++)
		model_map_free(model->maps[i]);
	free(model->maps);
	free(model->buckets);
	free(model->targets);
	free(model->events);
	model_stacks_free(model);
	free(model);
}

int model_add(struct model *model, const struct record *record)
{
	if (record->kind == RECORD_COMMAND) { /* begins no window: the last one stands */
		model->command_ended = true;
		model->command_status = record->command.status;
		return 0;
	}
	if (model->complete)
		begin_window(model);
	switch ((enum record_kind)record->kind) {
	case RECORD_TARGET:
		return add_target(model, &record->target);
	case RECORD_TARGET_END:
		return end_target(model, &record->target_end);
	case RECORD_MAP:
		return model_map_add(model, &record->map);
	case RECORD_SAMPLE:
		return add_sample(model, &record->sample);
	case RECORD_EVENT:
		return add_event(model, &record->event);
	case RECORD_LOSS:
		return add_loss(model, &record->loss);
	case RECORD_WINDOW:
		return end_window(model, &record->window);
	case RECORD_PRICE:
		model->overhead.known = true;
		model->overhead.price = record->price;
		return 0;
	case RECORD_SHED:
		model_shed(model, &record->shed);
		return 0;
	case RECORD_MISSING:
		return model_missing(model, &record->missing);
	case RECORD_AUDIT:
		model->overhead.audit = record->audit;
		return 0;
	case RECORD_FRAME:
		return model_add_frame(model, &record->frame);
	case RECORD_STACK:
		return model_add_stack(model, &record->stack);
	case RECORD_STACK_COUNT:
		return model_add_stack_count(model, model_map_find(model, &record->stack_count.key),
					     &record->stack_count);
	case RECORD_LOOKS:
		return model_looks(model, &record->looks);
	case RECORD_COMMAND:
		break; /* above */
	}
	return -EINVAL;
}

const struct model_map *model_find(const struct model *model, const struct st_key *key)
{
	return model_map_find(model, key);
}

const struct model_target *model_target(const struct model *model, uint32_t target)
{
	if (target >= model->target_count || !model->targets[target].known)
		return NULL;
	return &model->targets[target];
}
