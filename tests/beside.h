/* SPDX-License-Identifier: MIT */
/*
 * beside.h - a map beside its model, for test_smap_oom.c.
 *
 * Each step is taken on both, the map first and the model only if the map did
 * not say -ENOMEM, so that the two must be equal after each step.
 */
#ifndef BESIDE_H
#define BESIDE_H

#include "fault_alloc.h"
#include "gosync.h"
#include "keyspace.h"

#define UNIVERSE 700

struct sut {
	struct keyspace ks;
	struct gosync *model;
	bool freeing;
	atomic_uint freed;
	unsigned left;
	unsigned leaked; /* allowed, and then exact */
};

static char values[8];
#define V1 ((void *)&values[1])
#define V2 ((void *)&values[2])

static inline void count_freed(void *value, void *ctx)
{
	(void)value;
	((struct sut *)ctx)->freed++;
}

static inline void count_left(void *value, void *ctx)
{
	(void)value;
	((struct sut *)ctx)->left++;
}

static inline void begin(struct sut *s)
{
	struct smap_options opts = {.size = sizeof(opts),
				    .key_kind = s->ks.u64 ? SMAP_KEY_U64 : SMAP_KEY_BYTES,
				    .value_free = s->freeing ? count_freed : NULL,
				    .ctx = s};

	s->freed = s->left = s->leaked = 0;
	assert_int_equal(smap_create(&s->ks.map, &opts), 0);
	s->model = gosync_new(UNIVERSE);
	s->model->left = count_left;
	s->model->ctx = s;
}

static inline void put(struct sut *s, size_t key)
{
	void *unused;

	assert_int_equal(keyspace_store(&s->ks, key, V1), 0);
	gosync_swap(s->model, key, V1, &unused);
}

static inline void take(struct sut *s, size_t key)
{
	void *unused;

	assert_true(keyspace_delete(&s->ks, key));
	gosync_load_and_delete(s->model, key, &unused);
}

static inline bool go_on(size_t i, void *value, void *ctx)
{
	(void)i;
	(void)value;
	(void)ctx;
	return true;
}

static inline void promote(struct sut *s)
{
	keyspace_range(&s->ks, go_on, NULL);
	disarm();
	gosync_range(s->model);
}

static inline void end(struct sut *s)
{
	gosync_clear(s->model);
	smap_destroy(s->ks.map);
	if (s->freeing)
		assert_int_equal(s->freed + s->leaked, s->left);
	gosync_free(s->model);
}

/* --- operations: each on both, the model with memory; -ENOMEM or the result --- */

static inline int expect(int got, int want)
{
	if (got != -ENOMEM)
		assert_int_equal(got, want);
	return got;
}

static inline int op_store(struct sut *s, size_t key)
{
	void *unused;
	int ret = keyspace_store(&s->ks, key, V2);

	disarm();
	if (!ret)
		gosync_swap(s->model, key, V2, &unused);
	return expect(ret, 0);
}

static inline int op_swap(struct sut *s, size_t key)
{
	void *got = s, *want;
	int ret = keyspace_swap(&s->ks, key, V2, &got);

	disarm();
	if (ret == -ENOMEM) {
		assert_ptr_equal(got, s);
		return ret;
	}
	expect(ret, gosync_swap(s->model, key, V2, &want));
	assert_ptr_equal(got, want);
	return ret;
}

static inline int op_load_or_store(struct sut *s, size_t key)
{
	void *got = s, *want;
	int ret = keyspace_load_or_store(&s->ks, key, V2, &got);

	disarm();
	if (ret == -ENOMEM) {
		assert_ptr_equal(got, s);
		return ret;
	}
	expect(ret, gosync_load_or_store(s->model, key, V2, &want));
	assert_ptr_equal(got, want);
	return ret;
}

static inline int op_compare_and_swap(struct sut *s, size_t key)
{
	int ret = keyspace_compare_and_swap(&s->ks, key, V1, V2);

	disarm();
	if (ret == -ENOMEM)
		assert_true(s->freeing);
	else
		expect(ret, gosync_compare_and_swap(s->model, key, V1, V2));
	return ret;
}

static inline int op_clear(struct sut *s, size_t key)
{
	int ret = smap_clear(s->ks.map);

	disarm();
	(void)key;
	if (!ret)
		gosync_clear(s->model);
	return expect(ret, 0);
}

/* These cannot fail. */
static inline int op_load(struct sut *s, size_t key)
{
	void *got = NULL, *want = NULL;
	bool ret = keyspace_load(&s->ks, key, &got);

	disarm();
	assert_int_equal(ret, gosync_load(s->model, key, &want));
	assert_ptr_equal(got, want);
	return 0;
}

static inline int op_load_and_delete(struct sut *s, size_t key)
{
	void *got = NULL, *want = NULL;
	bool ret = keyspace_load_and_delete(&s->ks, key, &got);

	disarm();
	assert_int_equal(ret, gosync_load_and_delete(s->model, key, &want));
	assert_ptr_equal(got, want);
	return 0;
}

static inline int op_compare_and_delete(struct sut *s, size_t key)
{
	bool ret = keyspace_compare_and_delete(&s->ks, key, V1);

	disarm();
	assert_int_equal(ret, gosync_compare_and_delete(s->model, key, V1));
	return 0;
}

static inline int op_promote(struct sut *s, size_t key)
{
	(void)key;
	promote(s);
	return 0;
}

/* --- comparing --- */

static inline void same(const char *what, const char *where, uint64_t got, uint64_t want)
{
	if (got != want)
		fail_msg("%s: %s is %llu, not %llu", where, what, (unsigned long long)got,
			 (unsigned long long)want);
}

static inline void compare_counters(const struct sut *s, const char *where)
{
	const struct gosync *g = s->model;
	struct smap_state st;

	smap_inspect(s->ks.map, &st);
	same("misses", where, st.counters.misses, g->count.misses);
	same("promotions", where, st.counters.promotions, g->count.promotions);
	same("rebuilds", where, st.counters.rebuilds, g->count.rebuilds);
	same("copied", where, st.counters.copied, g->count.copied);
	same("expunged", where, st.counters.expunged, g->count.expunged);
	same("miss_count", where, st.miss_count, g->misses);
	same("read_len", where, st.read_len, g->read_len);
	same("dirty_len", where, st.dirty_len, g->dirty_len);
	same("amended", where, st.amended, g->amended);
	same("has_dirty", where, st.has_dirty, g->has_dirty);
	same("new_keys", where, st.new_keys, g->new_keys);
	same("len", where, smap_len(s->ks.map), g->len);
	same("leaked", where, st.leaked, s->leaked);
}

struct contents {
	const struct sut *s;
	const char *where;
	size_t met;
};

static inline bool compare_entry(size_t i, void *value, void *ctx)
{
	struct contents *c = ctx;

	assert_true(i < UNIVERSE);
	same("a value", c->where, (uintptr_t)value, (uintptr_t)gosync_peek(c->s->model, i));
	c->met++;
	return true;
}

/* And the map must work: what is left of it is all there, and it takes new keys. */
static inline void compare_contents(struct sut *s, const char *where)
{
	struct contents c = {.s = s, .where = where};

	promote(s);
	keyspace_range(&s->ks, compare_entry, &c);
	same("keys in Range", where, c.met, s->model->len);
	put(s, 601);
	put(s, 5);
	compare_counters(s, where);
}

#endif
