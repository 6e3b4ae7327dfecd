/* SPDX-License-Identifier: MIT */
/*
 * json_map.c - see json_map.h. The order of keys is part of the format.
 */
#include "json_map.h"

#include "json_stack.h"
#include "words.h"

/* Of each kind and map: a window comes every second. */
#define WINDOW_STACKS 10
#define END_STACKS 1000

static void put_counters(struct json_text *text, const uint64_t count[ST_COUNTER_COUNT])
{
	for (unsigned i = 0; i < ST_COUNTER_COUNT; i++)
		json_text_u64(text, counter_names[i], count[i]);
}

static void put_part(struct json_text *text, const char *key,
		     const uint64_t count[ST_COUNTER_COUNT])
{
	json_text_open(text, key, '{');
	put_counters(text, count);
	json_text_close(text, '}');
}

/* Only if there is one that is not 0. */
static void put_any(struct json_text *text, const char *key, const uint64_t count[ST_COUNTER_COUNT])
{
	uint64_t any = 0;

	for (unsigned i = 0; i < ST_COUNTER_COUNT; i++)
		any |= count[i];
	if (any)
		put_part(text, key, count);
}

static void put_window(struct json_text *text, const struct report_map *map)
{
	const struct model_window *window = &map->window;

	json_text_open(text, "window", '{');
	json_text_u64(text, "ns", window->ns);
	put_counters(text, window->count);
#define PUT_RATE(name) json_text_u64(text, #name, window->rate.name);
	MODEL_RATES(PUT_RATE)
#undef PUT_RATE
	json_text_real(text, "cost_share", map->cost_share);
	json_text_close(text, '}');
}

static void put_state(struct json_text *text, const struct report_map *map)
{
	json_text_open(text, "state", '{');
	json_text_bool(text, "fresh", map->state_ok);
#define PUT_GAUGE(name) json_text_u64(text, #name, map->now.name);
	MODEL_GAUGES(PUT_GAUGE)
#undef PUT_GAUGE
	json_text_u64(text, "miss_debt", map->miss_debt);
	json_text_real(text, "promotion_in_s",
		       map->promotion_in_s < 0 ? JSON_TEXT_NULL : map->promotion_in_s);
	json_text_close(text, '}');
}

static void put_hist(struct json_text *text, unsigned which, const struct hist *hist, bool sample)
{
	unsigned used = hist ? hist_used_slots(hist) : 0;

	json_text_open(text, hist_info[which].name, '{');
	json_text_string(text, "unit", hist_info[which].unit);
	json_text_u64(text, "count", hist ? hist_count(hist) : 0);
	json_text_u64(text, "sum", hist ? hist->sum : 0);
	json_text_open(text, "slots", '[');
	for (unsigned slot = 0; slot < used; slot++)
		json_text_u64(text, NULL, hist->slots[slot]);
	json_text_close(text, ']');
	if (sample)
		json_text_bool(text, "sample", true);
	json_text_close(text, '}');
}

static void put_hists(struct json_text *text, const struct report_map *map)
{
	struct hist room;

	json_text_open(text, "hists", '{');
	for (unsigned i = 0; i < ST_HIST_COUNT; i++)
		put_hist(text, i, report_hist(map, i, &room), map->estimated & 1U << i);
	json_text_close(text, '}');
}

void json_map(struct json_text *text, const struct report_map *map, enum report_kind kind)
{
	json_text_open(text, NULL, '{');
	json_text_u64(text, "pid", (uint64_t)map->pid);
	json_text_addr(text, "addr", map->addr);
	json_text_string(text, "name", map->name);
	json_text_u64(text, "id", map->id);
	json_text_string(text, "comm", map->comm);
	json_text_bool(text, "alive", map->alive);
	json_text_string(text, "key_kind", map->key_kind);
	json_text_string(text, "policy", map->policy);
	put_counters(text, map->total);
	put_part(text, "traced", map->traced);
	put_any(text, "uncounted", map->uncounted);
	put_any(text, "missing", map->missing);
	put_window(text, map);
	put_state(text, map);
	put_hists(text, map);
	if (map->stack_count)
		json_text_value(text, "stacks",
				json_stacks(map->stacks, map->stack_count,
					    kind == REPORT_END ? END_STACKS : WINDOW_STACKS));
	json_text_close(text, '}');
}
