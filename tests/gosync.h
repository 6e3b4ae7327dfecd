/* SPDX-License-Identifier: MIT */
/*
 * gosync.h - a sequential reference model of Go 1.23's sync.Map, for tests.
 *
 * What libsmap must equal, result by result and counter by counter, for one
 * thread. Two arrays of pointers stand for Go's read and dirty maps:
 *
 *	read:   [ e0 | -- | e2 | -- ]	amended: dirty lists keys that read lacks
 *	          |         |
 *	dirty:  [ e0 | e1 | -- | -- ]	or none at all (has_dirty)
 *	               |
 *	entry:  value, GOSYNC_NIL (deleted) or GOSYNC_EXPUNGED (deleted, not in dirty)
 *
 * A key is an index below `universe`, so that there is no hash table here that
 * could be wrong. Entries are shared by both arrays, as in Go; they are freed
 * with the model, all at once. Everything is O(universe) at worst: it is a test.
 *
 * The counters are those of smap_state.h. A rebuild is counted when dirty is
 * built from read, with nothing to copy too. len(dirty) includes deleted entries.
 */
#ifndef GOSYNC_H
#define GOSYNC_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "smap.h"

#define GOSYNC_NIL ((void *)0)
#define GOSYNC_EXPUNGED ((void *)&gosync_expunged_)

static char gosync_expunged_; /* its address is no value that a test uses */

struct gosync_entry {
	void *p;
	struct gosync_entry *all; /* chain of everything allocated */
};

struct gosync {
	size_t universe;
	struct gosync_entry **read, **dirty;
	bool has_dirty, amended;
	uint64_t read_len, dirty_len, misses;
	struct smap_counters count;
	uint64_t new_keys, inserts, deletes, len;

	/* Options; zero is Go. */
	uint32_t policy, miss_counter_bits;
	uint64_t policy_arg;

	/* Called for each value that leaves the map; may be NULL. */
	void (*left)(void *value, void *ctx);
	void *ctx;

	struct gosync_entry *all;
};

static inline struct gosync *gosync_new(size_t universe)
{
	struct gosync *g = calloc(1, sizeof(*g));

	g->universe = universe;
	g->read = calloc(universe, sizeof(*g->read));
	g->dirty = calloc(universe, sizeof(*g->dirty));
	return g;
}

static inline void gosync_free(struct gosync *g)
{
	if (!g)
		return;
	for (struct gosync_entry *e = g->all, *next; e; e = next) {
		next = e->all;
		free(e);
	}
	free(g->read);
	free(g->dirty);
	free(g);
}

/* --- the parts that Go has as methods of entry and under the mutex --- */

static inline struct gosync_entry *gosync_entry_new(struct gosync *g, void *value)
{
	struct gosync_entry *e = calloc(1, sizeof(*e));

	e->p = value;
	e->all = g->all;
	g->all = e;
	return e;
}

static inline bool gosync_live(const struct gosync_entry *e)
{
	return e && e->p != GOSYNC_NIL && e->p != GOSYNC_EXPUNGED;
}

/* Put value (or nil) into an entry that is not expunged; returns what was there. */
static inline void *gosync_exchange(struct gosync *g, struct gosync_entry *e, void *value)
{
	void *old = e->p;

	e->p = value;
	g->inserts += !old && value;
	g->deletes += old && !value;
	g->len += !!value;
	g->len -= !!old;
	if (old && old != value && g->left)
		g->left(old, g->ctx);
	return old;
}

static inline uint64_t gosync_threshold(const struct gosync *g)
{
	uint64_t t = g->dirty_len;

	if (g->policy == SMAP_POLICY_GO)
		return t;
	if (g->policy == SMAP_POLICY_READ_LEN)
		t = g->read_len;
	else if (g->policy == SMAP_POLICY_HALF_DIRTY)
		t = g->dirty_len / 2;
	else
		t = g->policy_arg;
	return t ? t : 1;
}

static inline void gosync_promote(struct gosync *g)
{
	struct gosync_entry **old = g->read;

	g->read = g->dirty;
	g->read_len = g->dirty_len;
	g->dirty = old;
	memset(g->dirty, 0, g->universe * sizeof(*g->dirty));
	g->dirty_len = 0;
	g->has_dirty = false;
	g->amended = false;
	g->misses = 0;
	g->count.promotions++;
}

static inline void gosync_miss(struct gosync *g)
{
	g->misses++;
	g->count.misses++;
	if (g->miss_counter_bits == 16 && g->misses == 65536) {
		g->count.overflows++;
		gosync_promote(g);
	} else if (g->misses >= gosync_threshold(g)) {
		gosync_promote(g);
	}
}

static inline void gosync_rebuild(struct gosync *g)
{
	if (g->has_dirty)
		return;
	g->has_dirty = true;
	g->count.rebuilds++;
	for (size_t i = 0; i < g->universe; i++) {
		struct gosync_entry *e = g->read[i];

		if (!e)
			continue;
		if (e->p == GOSYNC_NIL) {
			e->p = GOSYNC_EXPUNGED;
			g->count.expunged++;
		} else {
			g->dirty[i] = e;
			g->dirty_len++;
			g->count.copied++;
		}
	}
}

static inline void gosync_unexpunge(struct gosync *g, size_t key)
{
	struct gosync_entry *e = g->read[key];

	if (e->p != GOSYNC_EXPUNGED)
		return;
	e->p = GOSYNC_NIL;
	g->dirty[key] = e;
	g->dirty_len++;
}

static inline void gosync_add_new(struct gosync *g, size_t key, void *value)
{
	gosync_rebuild(g);
	g->amended = true;
	g->dirty[key] = gosync_entry_new(g, GOSYNC_NIL);
	g->dirty_len++;
	g->new_keys++;
	gosync_exchange(g, g->dirty[key], value);
}

/* --- the operations --- */

static inline bool gosync_load(struct gosync *g, size_t key, void **ret_value)
{
	struct gosync_entry *e = g->read[key];

	if (!e && g->amended) {
		e = g->dirty[key];
		gosync_miss(g);
	}
	if (!gosync_live(e))
		return false;
	*ret_value = e->p;
	return true;
}

static inline int gosync_swap(struct gosync *g, size_t key, void *value, void **ret_previous)
{
	struct gosync_entry *e = g->read[key];

	*ret_previous = NULL;
	if (e)
		gosync_unexpunge(g, key);
	else
		e = g->dirty[key];
	if (e)
		*ret_previous = gosync_exchange(g, e, value);
	else
		gosync_add_new(g, key, value);
	return *ret_previous != NULL;
}

static inline int gosync_load_or_store(struct gosync *g, size_t key, void *value, void **ret_actual)
{
	struct gosync_entry *e = g->read[key];
	bool in_dirty = !e && g->dirty[key];
	bool loaded;

	*ret_actual = value;
	if (!e && !in_dirty) {
		gosync_add_new(g, key, value);
		return 0;
	}
	if (e)
		gosync_unexpunge(g, key);
	else
		e = g->dirty[key];
	loaded = e->p != GOSYNC_NIL;
	if (loaded)
		*ret_actual = e->p;
	else
		gosync_exchange(g, e, value);
	if (in_dirty)
		gosync_miss(g);
	return loaded;
}

static inline bool gosync_load_and_delete(struct gosync *g, size_t key, void **ret_value)
{
	struct gosync_entry *e = g->read[key];

	if (!e && g->amended) {
		e = g->dirty[key];
		g->dirty[key] = NULL; /* before the miss: a shorter dirty promotes sooner */
		g->dirty_len -= !!e;
		gosync_miss(g);
	}
	if (!gosync_live(e))
		return false;
	*ret_value = gosync_exchange(g, e, GOSYNC_NIL);
	return true;
}

static inline int gosync_compare_and_swap(struct gosync *g, size_t key, void *old, void *new_value)
{
	struct gosync_entry *e = g->read[key];
	bool in_dirty = !e && g->amended && g->dirty[key];
	bool swapped;

	if (in_dirty)
		e = g->dirty[key];
	swapped = gosync_live(e) && e->p == old;
	if (swapped)
		gosync_exchange(g, e, new_value);
	if (in_dirty)
		gosync_miss(g);
	return swapped;
}

static inline bool gosync_compare_and_delete(struct gosync *g, size_t key, void *old)
{
	struct gosync_entry *e = g->read[key];

	if (!e && g->amended) {
		e = g->dirty[key]; /* and stays there */
		gosync_miss(g);
	}
	if (!gosync_live(e) || e->p != old)
		return false;
	gosync_exchange(g, e, GOSYNC_NIL);
	return true;
}

/* What Range does before it iterates; then a key is met if gosync_peek() has it. */
static inline void gosync_range(struct gosync *g)
{
	if (g->amended)
		gosync_promote(g);
}

static inline void gosync_clear(struct gosync *g)
{
	if (!g->read_len && !g->amended)
		return;
	for (size_t i = 0; i < g->universe; i++) {
		struct gosync_entry *e = g->read[i] ? g->read[i] : g->dirty[i];

		if (gosync_live(e))
			gosync_exchange(g, e, GOSYNC_NIL);
	}
	memset(g->read, 0, g->universe * sizeof(*g->read));
	memset(g->dirty, 0, g->universe * sizeof(*g->dirty));
	g->read_len = 0;
	g->dirty_len = 0;
	g->amended = false; /* has_dirty stays */
	g->misses = 0;
}

/* The present value or NULL, without any effect. */
static inline void *gosync_peek(const struct gosync *g, size_t key)
{
	const struct gosync_entry *e = g->read[key] ? g->read[key] : g->dirty[key];

	return gosync_live(e) ? e->p : NULL;
}

#endif
