/* SPDX-License-Identifier: MIT */
/* Records made by hand, for a model. After cmocka.h. */
#ifndef MODEL_FEED_H
#define MODEL_FEED_H

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include "model.h"

#define SECOND 1000000000ULL

static inline struct model *new_model(void)
{
	struct model *model = NULL;

	assert_int_equal(model_create(&model), 0);
	return model;
}

static inline void add(struct model *model, const struct record *record)
{
	assert_int_equal(model_add(model, record), 0);
}

static inline void add_target(struct model *model, unsigned target, uint64_t start_ns,
			      bool from_start)
{
	struct record r = {.kind = RECORD_TARGET};

	r.target.target = target;
	r.target.pid = 1000 + target;
	r.target.start_ns = start_ns;
	r.target.from_start = from_start;
	strcpy(r.target.comm, "prog");
	add(model, &r);
}

static inline struct st_key key_of(unsigned target, uint64_t addr, uint64_t id)
{
	return (struct st_key){.target = target, .addr = addr, .id = id};
}

static inline void add_map(struct model *model, struct st_key key, const char *name,
			   uint64_t created_ns)
{
	struct record r = {.kind = RECORD_MAP};

	r.map.key = key;
	r.map.created_ns = created_ns;
	snprintf(r.map.name, sizeof(r.map.name), "%s", name);
	add(model, &r);
}

static inline struct record sample_of(struct st_key key, uint64_t ts_ns)
{
	struct record r = {.kind = RECORD_SAMPLE};

	r.sample.key = key;
	r.sample.ts_ns = ts_ns;
	r.sample.alive = r.sample.state_ok = 1;
	return r;
}

static inline void add_window(struct model *model, uint64_t start_ns, uint64_t end_ns)
{
	struct record r = {.kind = RECORD_WINDOW};

	r.window.start_ns = start_ns;
	r.window.end_ns = end_ns;
	add(model, &r);
}

#define MISSES(array) ((array)[ST_COUNTER_misses])

#endif
