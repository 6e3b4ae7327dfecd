/* SPDX-License-Identifier: MIT */
/*
 * linear_map.h - operations on a real map, recorded: between smap.h and linear.h.
 *
 * Values are addresses in one array for the life of a map, so that an address is a
 * number is a value, and none is used twice. Each has a mark that value_free
 * leaves: a value met inside a read section must not have it (G6), and at the end
 * each value that the map took has it exactly once, each that it refused never.
 * Beside the recorded keys there are fillers, keys that come and go only so that
 * dirty is rebuilt, the table grows and deleted keys are expunged.
 */
#ifndef LINEAR_MAP_H
#define LINEAR_MAP_H

#include <string.h>

#include "linear.h"
#include "stress.h"

#define LM_WORKERS 6
#ifndef LM_VALUES
#define LM_VALUES 8192 /* each worker's, for the life of a map */
#endif
#define LM_FILLERS 4 /* live ones of a worker */
#define LM_HELD 64   /* values looked at again at the end of a section */

enum lm_hash { LM_HASH_OWN, LM_HASH_GOOD, LM_HASH_TRUNCATED, LM_HASH_CONSTANT, LM_HASHES };

/* What a map is like and what is done to it. */
struct lm_setup {
	unsigned keys, threads, ops; /* ops: of each thread in a round */
	unsigned weight[LIN_KIND_COUNT], weights, fill_percent, range_percent;
	uint32_t flags, policy;
	bool u64, value_free, clears, snapshots, sections;
	enum lm_hash hash;
};

struct lm_value {
	_Atomic unsigned char freed;
	unsigned char taken; /* by the map; owner-only */
};

struct lm_worker {
	struct lm *lm;
	struct lin_log log;
	uint64_t rng;
	uint32_t next_value, seen[LIN_MAX_KEYS];
	uint32_t held[LM_HELD], held_count;
	uint32_t fillers[LM_FILLERS];
	uint32_t next_filler, section_left;
	unsigned id;
};

struct lm {
	struct smap *map;
	struct lm_setup setup;
	struct lm_value *values; /* of worker w: from w * LM_VALUES; number 0 is none */
	struct lm_worker worker[LM_WORKERS + 1];
	pthread_barrier_t begin, end;
	bool stop;
};

/* --- keys and values ------------------------------------------------------------ */

static inline uint64_t lm_hash_good(const void *key, size_t len, uint64_t seed)
{
	const unsigned char *bytes = key;
	uint64_t h = seed;

	for (size_t i = 0; i < len; i++)
		h = (h ^ bytes[i]) * 0x9e3779b97f4a7c15ULL ^ h >> 29;
	return h ^ h >> 32;
}

/* Three places and two tags for all keys. */
static inline uint64_t lm_hash_truncated(const void *key, size_t len, uint64_t seed)
{
	return lm_hash_good(key, len, seed) & 0xc000000000000001ULL;
}

static inline uint64_t lm_hash_constant(const void *key, size_t len, uint64_t seed)
{
	(void)key;
	(void)len;
	(void)seed;
	return 42;
}

/* 8, 16 and 29 bytes, by number. */
static inline size_t lm_key_bytes(uint32_t k, char buf[32])
{
	static const unsigned char lens[] = {8, 16, 29, 16};

	memset(buf, 'k', 32);
	memcpy(buf, &k, sizeof(k));
	return lens[k % 4];
}

static inline void *lm_value(struct lm_worker *w, uint32_t *ret_number)
{
	CHECK(w->next_value < (w->id + 1) * LM_VALUES, "values of worker %u are used up", w->id);
	*ret_number = w->next_value++;
	return &w->lm->values[*ret_number];
}

static inline void *lm_address(const struct lm *lm, uint32_t number)
{
	return number ? &lm->values[number] : NULL;
}

static inline void lm_value_free(void *value, void *ctx)
{
	struct lm_value *v = value;

	(void)ctx;
	if ((uintptr_t)value & 1)
		return; /* what lm_retain() gave a snapshot */
	/* relaxed: the count is what matters; who looks too late is the bug we look for */
	CHECK(!atomic_fetch_add_explicit(&v->freed, 1, memory_order_relaxed), "freed twice");
}

static inline void lm_check_live(const struct lm *lm, uint32_t number)
{
	/* relaxed: as above */
	CHECK(!atomic_load_explicit(&lm->values[number].freed, memory_order_relaxed),
	      "value %u was freed inside a read section that met it", number);
}

/* The number of a value that came out of the map; call inside a section. */
static inline uint32_t lm_number(struct lm_worker *w, const void *value)
{
	const struct lm *lm = w->lm;
	ptrdiff_t number = value ? (const struct lm_value *)value - lm->values : 0;

	if (!value)
		return 0;
	CHECK(number > 0 && number < (LM_WORKERS + 1) * LM_VALUES, "%p is no value of ours", value);
	if (!lm->setup.value_free)
		return (uint32_t)number;
	lm_check_live(lm, (uint32_t)number);
	if (w->held_count < LM_HELD)
		w->held[w->held_count++] = (uint32_t)number;
	return (uint32_t)number;
}

/* --- read sections --------------------------------------------------------------- */

/* Values that came out are looked at, so with value_free there is always a section. */
static inline void lm_enter(struct lm_worker *w)
{
	const struct lm_setup *setup = &w->lm->setup;

	if (!w->section_left && (setup->value_free || setup->sections)) {
		smap_read_lock();
		w->section_left = setup->sections ? 1 + stress_random(&w->rng) % 8 : 1;
	}
}

static inline void lm_leave_now(struct lm_worker *w)
{
	if (!w->section_left)
		return;
	for (uint32_t i = 0; i < w->held_count; i++)
		lm_check_live(w->lm, w->held[i]);
	w->held_count = 0;
	w->section_left = 0;
	smap_read_unlock();
}

static inline void lm_leave(struct lm_worker *w)
{
	if (w->section_left > 1)
		w->section_left--;
	else
		lm_leave_now(w);
}

/* --- the operations ------------------------------------------------------------- */

/* Call the twin for the kind of key; `key` is a number. */
#define LM_CALL(lm, key, name, ...)                                                                \
	({                                                                                         \
		char lm_buf_[32];                                                                  \
		size_t lm_len_ = lm_key_bytes(key, lm_buf_);                                       \
		(lm)->setup.u64 ? smap_##name##_u64((lm)->map, key, ##__VA_ARGS__)                 \
				: smap_##name((lm)->map, lm_buf_, lm_len_, ##__VA_ARGS__);         \
	})

static inline void lm_do_store(struct lm_worker *w, unsigned key, enum lin_kind kind)
{
	void *value, *out = NULL;
	uint32_t number;
	struct lin_op *op;
	int ret = 0;

	value = lm_value(w, &number);
	op = lin_begin(&w->log, kind, key);
	op->value = number;
	if (kind == LIN_STORE)
		ret = LM_CALL(w->lm, key, store, value);
	else if (kind == LIN_SWAP)
		ret = LM_CALL(w->lm, key, swap, value, &out);
	else
		ret = LM_CALL(w->lm, key, load_or_store, value, &out);
	lin_end(op);
	CHECK(ret >= 0, "error %d", ret);
	op->ok = ret;
	op->out = out == value ? number : lm_number(w, out);
	CHECK(kind != LIN_SWAP || ret == (out != NULL), "Swap says %d and %p", ret, out);
	w->lm->values[number].taken = !(kind == LIN_LOAD_OR_STORE && ret);
}

static inline void lm_do_compare(struct lm_worker *w, unsigned key, enum lin_kind kind)
{
	uint32_t old = w->seen[key], number = 0;
	void *value = kind == LIN_COMPARE_AND_SWAP ? lm_value(w, &number) : NULL;
	struct lin_op *op;
	int ret;

	if (!old) /* something that is not there */
		old = w->id * LM_VALUES + LM_VALUES - 1;
	op = lin_begin(&w->log, kind, key);
	op->old = old;
	op->value = number;
	if (kind == LIN_COMPARE_AND_SWAP)
		ret = LM_CALL(w->lm, key, compare_and_swap, lm_address(w->lm, old), value);
	else
		ret = LM_CALL(w->lm, key, compare_and_delete, lm_address(w->lm, old));
	lin_end(op);
	CHECK(ret >= 0, "error %d", ret);
	op->ok = ret;
	if (value)
		w->lm->values[number].taken = ret > 0;
}

static inline void lm_do_other(struct lm_worker *w, unsigned key, enum lin_kind kind)
{
	struct lin_op *op = lin_begin(&w->log, kind, key);
	void *out = NULL;
	bool ok = true;

	if (kind == LIN_LOAD)
		ok = LM_CALL(w->lm, key, load, &out);
	else if (kind == LIN_LOAD_AND_DELETE)
		ok = LM_CALL(w->lm, key, load_and_delete, &out);
	else if (kind == LIN_DELETE)
		ok = LM_CALL(w->lm, key, delete);
	else
		CHECK(!smap_clear(w->lm->map), "clear");
	lin_end(op);
	op->ok = ok;
	op->out = lm_number(w, out);
	CHECK(ok == (out != NULL) || kind == LIN_DELETE || kind == LIN_CLEAR, "%d and %p", ok, out);
}

static inline void lm_do(struct lm_worker *w, unsigned key, enum lin_kind kind)
{
	lm_enter(w);
	if (kind == LIN_STORE || kind == LIN_SWAP || kind == LIN_LOAD_OR_STORE)
		lm_do_store(w, key, kind);
	else if (kind == LIN_COMPARE_AND_SWAP || kind == LIN_COMPARE_AND_DELETE)
		lm_do_compare(w, key, kind);
	else
		lm_do_other(w, key, kind);
	w->seen[key] = w->log.ops[w->log.count - 1].out;
	lm_leave(w);
}

/* --- Range and load_many: one load per key ---------------------------------------- */

struct lm_walk {
	struct lm_worker *w;
	uint32_t met[LIN_MAX_KEYS];
	bool seen[LIN_MAX_KEYS];
	unsigned left; /* stop after so many */
};

static inline bool lm_visit(struct lm_walk *walk, uint32_t key, void *value)
{
	if (key < LIN_MAX_KEYS) {
		CHECK(!walk->seen[key], "Range met key %u twice", key);
		CHECK(value, "Range reported NULL for key %u", key);
		walk->seen[key] = true;
		walk->met[key] = lm_number(walk->w, value);
	}
	return --walk->left > 0;
}

static inline bool lm_visit_u64(uint64_t key, void *value, void *ctx)
{
	return lm_visit(ctx, (uint32_t)key, value);
}

static inline bool lm_visit_bytes(const void *key, size_t len, void *value, void *ctx)
{
	char buf[32];
	uint32_t number;

	CHECK(len >= sizeof(number), "a key of %zu bytes", len);
	memcpy(&number, key, sizeof(number));
	CHECK(lm_key_bytes(number, buf) == len && !memcmp(buf, key, len), "no key of ours");
	return lm_visit(ctx, number, value);
}

/* One load per key, all with the moments of the call. `all`: what was not met was absent. */
static inline void lm_record_walk(struct lm_worker *w, const struct lm_walk *walk, uint64_t call,
				  bool all)
{
	uint64_t ret = lin_moment();

	for (unsigned key = 0; key < w->lm->setup.keys; key++) {
		struct lin_op *op = &w->log.ops[w->log.count];

		if (!walk->seen[key] && !all)
			continue;
		w->log.count++;
		*op = (struct lin_op){.call = call,
				      .ret = ret,
				      .kind = LIN_LOAD,
				      .key = (uint8_t)key,
				      .out = walk->met[key],
				      .ok = walk->seen[key],
				      .ranged = true,
				      .thread = (uint8_t)w->id};
	}
}

static inline void lm_do_range(struct lm_worker *w, bool all)
{
	struct lm_walk walk = {.w = w, .left = all ? UINT32_MAX : 2};
	uint64_t call;

	lm_enter(w);
	call = lin_moment();
	if (w->lm->setup.u64)
		smap_range_u64(w->lm->map, lm_visit_u64, &walk);
	else
		smap_range(w->lm->map, lm_visit_bytes, &walk);
	lm_record_walk(w, &walk, call, all);
	lm_leave(w);
}

static inline void lm_do_load_many(struct lm_worker *w)
{
	unsigned keys = w->lm->setup.keys, found = 0;
	uint64_t wanted[LIN_MAX_KEYS], call;
	struct lm_walk walk = {.w = w};
	void *values[LIN_MAX_KEYS];
	size_t said;

	for (unsigned key = 0; key < keys; key++)
		wanted[key] = key;
	lm_enter(w);
	call = lin_moment();
	said = smap_load_many_u64(w->lm->map, wanted, keys, values);
	for (unsigned key = 0; key < keys; key++) {
		walk.met[key] = lm_number(w, values[key]);
		walk.seen[key] = values[key] != NULL;
		found += walk.seen[key];
	}
	CHECK(said == found, "load_many says %zu, found %u", said, found);
	lm_record_walk(w, &walk, call, true);
	lm_leave(w);
}

/* --- Snapshot ---------------------------------------------------------------------- */

/* A snapshot's values are told from the map's by their lowest bit. */
static inline void *lm_retain(void *value, void *ctx)
{
	(void)ctx;
	return (char *)value + 1;
}

static inline void lm_do_snapshot(struct lm_worker *w)
{
	const struct lm *lm = w->lm;
	struct smap_snapshot *snapshot;
	struct lin_op *op;
	int err;

	lm_leave_now(w); /* it waits for all sections */
	op = lin_begin(&w->log, LIN_SNAPSHOT, 0);
	err = smap_snapshot(lm->map, &snapshot, lm->setup.value_free ? lm_retain : NULL);
	lin_end(op);
	CHECK(!err, "error %d", err);
	op->ok = true;
	for (unsigned key = 0; key < lm->setup.keys; key++) {
		void *value = NULL;
		char buf[32];
		size_t len = lm_key_bytes(key, buf);

		if (lm->setup.u64 ? smap_snapshot_load_u64(snapshot, key, &value)
				  : smap_snapshot_load(snapshot, buf, len, &value))
			op->all.value[key] = (uint32_t)((uintptr_t)value - (uintptr_t)lm->values) /
					     sizeof(*lm->values);
	}
	smap_snapshot_unref(snapshot);
}

/* --- fillers ---------------------------------------------------------------------- */

/* A new key in place of an older one of ours; nobody else knows them. */
static inline void lm_fill(struct lm_worker *w)
{
	uint32_t i = w->next_filler++ % LM_FILLERS, number;
	uint32_t key = 1000 + w->id * 100000 + w->next_filler;
	void *value = lm_value(w, &number);

	w->lm->values[number].taken = 1;
	CHECK(!LM_CALL(w->lm, key, store, value), "store of filler %u", key);
	if (w->fillers[i])
		(void)LM_CALL(w->lm, w->fillers[i], delete);
	w->fillers[i] = key;
}

/* --- maps --------------------------------------------------------------------------- */

static inline void lm_create(struct lm *lm, const struct lm_setup *setup, uint64_t seed)
{
	static uint64_t (*const hashes[])(const void *, size_t, uint64_t) = {
		NULL, lm_hash_good, lm_hash_truncated, lm_hash_constant};
	const struct smap_options opts = {
		.key_kind = setup->u64 ? SMAP_KEY_U64 : SMAP_KEY_BYTES,
		.policy = setup->policy,
		.policy_arg = 1,
		.flags = setup->flags,
		.value_free = setup->value_free ? lm_value_free : NULL,
		.hash = hashes[setup->hash],
	};

	lm->setup = *setup;
	lm->stop = false;
	memset(lm->values, 0, (LM_WORKERS + 1) * LM_VALUES * sizeof(*lm->values));
	for (unsigned i = 0; i <= LM_WORKERS; i++) {
		struct lm_worker *w = &lm->worker[i];
		struct lin_log log = w->log;

		log.count = 0;
		log.thread = (uint8_t)i;
		*w = (struct lm_worker){.lm = lm, .log = log, .id = i};
		w->rng = seed ^ stress_seed(i);
		w->next_value = i * LM_VALUES + 1;
	}
	lm->map = stress_map(&opts, "linear");
}

/* Destroy the map; then each value that it took has been freed once, and no other. */
static inline void lm_destroy(struct lm *lm)
{
	smap_destroy(lm->map);
	for (uint32_t i = 0; i < (LM_WORKERS + 1) * LM_VALUES; i++) {
		unsigned want = lm->setup.value_free && lm->values[i].taken;

		CHECK(lm->values[i].freed == want, "value %u was freed %u times, not %u", i,
		      lm->values[i].freed, want);
	}
}

#endif
