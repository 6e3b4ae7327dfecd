/* SPDX-License-Identifier: MIT */
/*
 * linear_check.h - is a history linearizable? And if not, which part of it is to blame?
 *
 * The search is Wing and Gong's with Lowe's cache ("Testing for linearizability",
 * 2017): walk through the calls and returns in order of time; a call met may be
 * the next in the sequence; a return met of an operation that is not in it yet
 * means going back. What has been tried is (set of operations done, state); a
 * pair that was seen is not tried again, so that work is bounded by the number
 * of pairs: small, since at any time at most one operation a thread is open.
 *
 * One more cut: an operation that changes nothing and fits the state now may be
 * placed now without alternatives. Whoever places it later may as well place
 * it here: no other operation notices.
 *
 * Linearizability is local, so a history is checked key by key (lin_of_key()),
 * each with the Clears of all as deletions without a result, and the Snapshots as loads. That
 * is exact without those; that they are one instant for all keys takes the check of the
 * whole history, for which the state has all keys.
 */
#ifndef LINEAR_CHECK_H
#define LINEAR_CHECK_H

#include <string.h>

#include "linear.h"

/* More pairs than a few threads on a few keys can need. Past it: undecided. */
#define LIN_MAX_PAIRS 4000000U

enum lin_verdict { LIN_OK, LIN_VIOLATION, LIN_UNDECIDED };

/* A call or a return in the list of those that are not done yet. 0 is the list's head. */
struct lin_event {
	uint64_t time;
	uint32_t op;
	bool is_return;
	uint32_t next, prev;
};

struct lin_frame {
	uint32_t op;
	bool no_other; /* it only reads: nothing else to try here */
	struct lin_state before;
};

struct lin_search {
	const struct lin_op *ops;
	size_t n, words;
	struct lin_event *events; /* 1 .. 2n, in order of time */
	uint32_t *call_of, *return_of;
	struct lin_frame *stack;
	size_t depth;
	uint64_t *done; /* bit set: words */
	struct lin_state state;

	uint64_t *pairs; /* (words + state) each */
	uint32_t *table; /* open addressing: number of the pair + 1 */
	size_t pair_words, count, room, buckets;
};

static inline void *lin_alloc(size_t n, size_t size)
{
	void *p = calloc(n ? n : 1, size);

	if (!p) {
		fprintf(stderr, "linear: out of memory\n");
		abort();
	}
	return p;
}

/* --- the cache ------------------------------------------------------------------ */

static inline uint64_t lin_hash(const uint64_t *words, size_t n)
{
	uint64_t h = 0x9e3779b97f4a7c15ULL;

	for (size_t i = 0; i < n; i++) {
		h = (h ^ words[i]) * 0xff51afd7ed558ccdULL;
		h ^= h >> 32;
	}
	return h;
}

static inline void lin_grow(struct lin_search *s)
{
	s->room = s->room ? 2 * s->room : 1024;
	s->buckets = 2 * s->room;
	s->pairs = realloc(s->pairs, s->room * s->pair_words * sizeof(*s->pairs));
	free(s->table);
	s->table = lin_alloc(s->buckets, sizeof(*s->table));
	if (!s->pairs)
		abort();
	for (size_t i = 0; i < s->count; i++) {
		size_t b = lin_hash(&s->pairs[i * s->pair_words], s->pair_words) % s->buckets;

		while (s->table[b])
			b = (b + 1) % s->buckets;
		s->table[b] = (uint32_t)i + 1;
	}
}

/* Remember (done, state). False if it was there. */
static inline bool lin_remember(struct lin_search *s)
{
	uint64_t *pair;
	size_t b;

	if (s->count == s->room)
		lin_grow(s);
	pair = &s->pairs[s->count * s->pair_words];
	memcpy(pair, s->done, s->words * sizeof(*pair));
	memcpy(pair + s->words, &s->state, sizeof(s->state));
	for (b = lin_hash(pair, s->pair_words) % s->buckets; s->table[b]; b = (b + 1) % s->buckets)
		if (!memcmp(&s->pairs[(s->table[b] - 1) * s->pair_words], pair,
			    s->pair_words * sizeof(*pair)))
			return false;
	s->table[b] = (uint32_t)++s->count;
	return true;
}

/* --- the list of events --------------------------------------------------------- */

/* By time; of equal times calls first, since "too close to tell" means overlapping. */
static inline int lin_event_order(const void *a, const void *b)
{
	const struct lin_event *x = a, *y = b;

	if (x->time != y->time)
		return x->time < y->time ? -1 : 1;
	return (int)x->is_return - (int)y->is_return;
}

static inline void lin_list_events(struct lin_search *s)
{
	for (uint32_t i = 0; i < s->n; i++) {
		s->events[1 + 2 * i] = (struct lin_event){.time = s->ops[i].call, .op = i};
		s->events[2 + 2 * i] =
			(struct lin_event){.time = s->ops[i].ret, .op = i, .is_return = true};
	}
	qsort(s->events + 1, 2 * s->n, sizeof(*s->events), lin_event_order);
	for (uint32_t e = 0; e <= 2 * s->n; e++) {
		s->events[e].prev = e ? e - 1 : (uint32_t)(2 * s->n);
		s->events[e].next = e < 2 * s->n ? e + 1 : 0;
		if (e)
			(s->events[e].is_return ? s->return_of : s->call_of)[s->events[e].op] = e;
	}
}

static inline void lin_unlink(struct lin_search *s, uint32_t e)
{
	s->events[s->events[e].prev].next = s->events[e].next;
	s->events[s->events[e].next].prev = s->events[e].prev;
}

static inline void lin_relink(struct lin_search *s, uint32_t e)
{
	s->events[s->events[e].prev].next = e;
	s->events[s->events[e].next].prev = e;
}

/* --- the search ------------------------------------------------------------------ */

/* Make the op of call event e the next of the sequence, if it may be and that is new. */
static inline bool lin_place(struct lin_search *s, uint32_t e)
{
	uint32_t i = s->events[e].op;
	struct lin_frame *frame = &s->stack[s->depth];

	*frame = (struct lin_frame){
		.op = i, .no_other = lin_only_reads(&s->ops[i]), .before = s->state};
	s->done[i / 64] |= 1ULL << (i % 64);
	if (!lin_apply(&s->ops[i], &s->state) || !lin_remember(s)) {
		s->done[i / 64] &= ~(1ULL << (i % 64));
		s->state = frame->before;
		return false;
	}
	lin_unlink(s, s->call_of[i]);
	lin_unlink(s, s->return_of[i]);
	s->depth++;
	return true;
}

/* Take the last one back, and those before it that left no choice. Its call event, or 0. */
static inline uint32_t lin_take_back(struct lin_search *s, size_t *open)
{
	while (s->depth) {
		struct lin_frame *frame = &s->stack[--s->depth];
		uint32_t i = frame->op;

		s->done[i / 64] &= ~(1ULL << (i % 64));
		s->state = frame->before;
		lin_relink(s, s->return_of[i]);
		lin_relink(s, s->call_of[i]);
		*open += s->ops[i].ret != LIN_PENDING;
		if (!frame->no_other)
			return s->call_of[i];
	}
	return 0;
}

static inline enum lin_verdict lin_search_run(struct lin_search *s)
{
	uint32_t e = s->events[0].next;
	size_t open = 0; /* operations that have returned and are not placed */

	for (size_t i = 0; i < s->n; i++)
		open += s->ops[i].ret != LIN_PENDING;
	while (open) {
		if (s->count > LIN_MAX_PAIRS)
			return LIN_UNDECIDED;
		if (s->events[e].is_return) {
			e = lin_take_back(s, &open);
			if (!e)
				return LIN_VIOLATION;
			e = s->events[e].next;
		} else if (lin_place(s, e)) {
			open -= s->ops[s->events[e].op].ret != LIN_PENDING;
			e = s->events[0].next;
		} else {
			e = s->events[e].next;
		}
	}
	return LIN_OK;
}

/* Check n operations that begin with the given state (NULL: nothing is present). */
static inline enum lin_verdict lin_check(const struct lin_op *ops, size_t n,
					 const struct lin_state *initial)
{
	struct lin_search s = {.ops = ops, .n = n, .words = (n + 63) / 64};
	enum lin_verdict verdict;

	s.pair_words = s.words + sizeof(s.state) / sizeof(uint64_t);
	s.events = lin_alloc(2 * n + 1, sizeof(*s.events));
	s.call_of = lin_alloc(n, sizeof(*s.call_of));
	s.return_of = lin_alloc(n, sizeof(*s.return_of));
	s.stack = lin_alloc(n + 1, sizeof(*s.stack));
	s.done = lin_alloc(s.words, sizeof(*s.done));
	if (initial)
		s.state = *initial;
	lin_list_events(&s);
	verdict = lin_search_run(&s);
	free(s.events);
	free(s.call_of);
	free(s.return_of);
	free(s.stack);
	free(s.done);
	free(s.pairs);
	free(s.table);
	return verdict;
}

/* The operations on one key, all Clears, and what Snapshots had of it, into ret_ops (room for n). Returns how many. */
static inline size_t lin_of_key(const struct lin_op *ops, size_t n, unsigned key,
				struct lin_op *ret_ops)
{
	size_t count = 0;

	for (size_t i = 0; i < n; i++) {
		bool snapshot = ops[i].kind == LIN_SNAPSHOT;

		if (ops[i].key != key && ops[i].kind != LIN_CLEAR && !snapshot)
			continue;
		ret_ops[count] = ops[i];
		if (snapshot) {
			ret_ops[count].kind = LIN_LOAD;
			ret_ops[count].key = (uint8_t)key;
			ret_ops[count].out = ops[i].all.value[key];
		}
		count++;
	}
	return count;
}

/* --- the part that is to blame ---------------------------------------------------- */

static inline bool lin_offends(const struct lin_op *ops, size_t n, const struct lin_state *initial)
{
	return lin_check(ops, n, initial) == LIN_VIOLATION;
}

/* The history as it was at a moment: later calls are not in it, later returns are unknown. */
static inline size_t lin_until(const struct lin_op *ops, size_t n, uint64_t moment,
			       struct lin_op *ret_ops)
{
	size_t count = 0;

	for (size_t i = 0; i < n; i++) {
		if (ops[i].call > moment)
			continue;
		ret_ops[count] = ops[i];
		if (ops[i].ret > moment)
			ret_ops[count].ret = LIN_PENDING;
		count++;
	}
	return count;
}

/* Cut after the first return that no sequence explains. A prefix of a good history is good. */
static inline size_t lin_cut_end(struct lin_op *ops, size_t n, const struct lin_state *initial)
{
	struct lin_op *prefix = lin_alloc(n, sizeof(*prefix));
	uint64_t first = LIN_PENDING;

	for (size_t i = 0; i < n; i++) {
		size_t count;

		if (ops[i].ret >= first)
			continue;
		count = lin_until(ops, n, ops[i].ret, prefix);
		if (lin_offends(prefix, count, initial))
			first = ops[i].ret;
	}
	if (first != LIN_PENDING) {
		n = lin_until(ops, n, first, prefix);
		memcpy(ops, prefix, n * sizeof(*ops));
	}
	free(prefix);
	return n;
}

/* Leave out what changes nothing and is not needed: a good history stays good without it. */
static inline size_t lin_drop_reads(struct lin_op *ops, size_t n, const struct lin_state *initial)
{
	for (size_t i = n; i-- > 0;) {
		struct lin_op op = ops[i];

		if (!lin_only_reads(&op))
			continue;
		memmove(&ops[i], &ops[i + 1], (n - i - 1) * sizeof(*ops));
		if (lin_offends(ops, n - 1, initial)) {
			n--;
			continue;
		}
		memmove(&ops[i + 1], &ops[i], (n - i - 1) * sizeof(*ops));
		ops[i] = op;
	}
	return n;
}

static inline int lin_by_call(const void *a, const void *b)
{
	const struct lin_op *x = a, *y = b;

	return x->call < y->call ? -1 : x->call > y->call;
}

/* Does ops offend whatever key held at its beginning? 0, each value that occurs, another one. */
static inline bool lin_offends_from_anything(const struct lin_op *ops, size_t n, unsigned key)
{
	struct lin_state state = {{0}};

	if (!lin_offends(ops, n, &state))
		return false;
	state.value[key] = UINT32_MAX;
	if (!lin_offends(ops, n, &state))
		return false;
	for (size_t i = 0; i < n; i++) {
		const uint32_t seen[] = {ops[i].out, ops[i].old};

		for (int k = 0; k < 2; k++) {
			state.value[key] = seen[k];
			if (seen[k] && !lin_offends(ops, n, &state))
				return false;
		}
	}
	return true;
}

/* Of one key's history: begin as late as possible at a moment when nothing was open. */
static inline size_t lin_cut_begin(struct lin_op *ops, size_t n, unsigned key)
{
	uint64_t last = 0;
	size_t cut = 0;

	qsort(ops, n, sizeof(*ops), lin_by_call);
	for (size_t i = 1; i < n; i++) {
		if (ops[i - 1].ret > last)
			last = ops[i - 1].ret;
		if (last < ops[i].call && lin_offends_from_anything(ops + i, n - i, key))
			cut = i;
	}
	memmove(ops, ops + cut, (n - cut) * sizeof(*ops));
	return n - cut;
}

/*
 * Reduce the history of one key to a small part that is no linearizable history on its own.
 * Returns how many operations are left; they stand first.
 */
static inline size_t lin_minimise(struct lin_op *ops, size_t n, unsigned key,
				  const struct lin_state *initial)
{
	n = lin_cut_end(ops, n, initial);
	n = lin_drop_reads(ops, n, initial);
	return lin_cut_begin(ops, n, key);
}

#endif
