/* SPDX-License-Identifier: MIT */
/*
 * fuzz_ops.c - libFuzzer: bytes as a string of operations, libsmap against gosync.h.
 *
 *	byte 0    kind of keys, value_free, flags, a bad hash
 *	byte 1    policy, width of the miss counter
 *	byte 2    policy_arg; byte 3: initial_dirty
 *	then      two bytes an operation: which, with its value; the key. RUN stores
 *	          (or loads, or deletes) many keys in a row, so that short inputs grow tables
 *
 * After each operation its result, and at its end the contents, equal the model's; without
 * flags and with a policy that the model knows, all counters do too (G3). With value_free
 * each value is a block of its own, so that the address sanitizer sees it freed early,
 * twice or never.
 */
#include <stdio.h>
#include <stdlib.h>

#include "gosync.h"
#include "keyspace.h"

#define UNIVERSE 256
#define VALUES 8
#define RUN_LENGTH 64
#define HEADER 4

#define OPS(X)                                                                                     \
	X(store)                                                                                   \
	X(load) X(swap) X(los) X(lad) X(del) X(cas) X(cad) X(range) X(clear) X(run) X(inner)

struct fuzz {
	struct keyspace ks;
	struct gosync *model;
	bool freeing, counts;
	uint64_t freed, left;
	unsigned char seen[UNIVERSE];
};

#define EXPECT(what, got, want)                                                                    \
	do {                                                                                       \
		uint64_t got_ = (uint64_t)(got), want_ = (uint64_t)(want);                         \
		if (got_ != want_) {                                                               \
			fprintf(stderr, "%s: %s is %llu, the model has %llu\n", __func__, what,    \
				(unsigned long long)got_, (unsigned long long)want_);              \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t bad_hash(const void *key, size_t len, uint64_t seed)
{
	return seed ^ (len ? *(const unsigned char *)key & 3 : 0) * 0x0101010101010101ULL;
}

static void free_value(void *value, void *ctx)
{
	struct fuzz *f = ctx;

	f->freed++; /* one reclaimer at a time, and destroy waits for it */
	free(value);
}

static void count_left(void *value, void *ctx)
{
	struct fuzz *f = ctx;

	(void)value;
	f->left++;
}

/* A new block, or one of a few constants, so that compare-and-swap meets equal ones. */
static void *new_value(const struct fuzz *f, unsigned which)
{
	static char objects[VALUES];
	char *block;

	if (!f->freeing)
		return which ? &objects[which % VALUES] : (void *)-1;
	block = malloc(1);
	if (!block)
		abort();
	*block = (char)which;
	return block;
}

/* The map did not take it. */
static void drop_value(const struct fuzz *f, void *value)
{
	if (f->freeing)
		free(value);
}

/* --- the operations on both --- */

static void do_store(struct fuzz *f, size_t key, unsigned which)
{
	void *value = new_value(f, which), *unused;

	EXPECT("result", keyspace_store(&f->ks, key, value), 0);
	gosync_swap(f->model, key, value, &unused);
}

static void do_load(struct fuzz *f, size_t key, unsigned which)
{
	void *got = NULL, *want = NULL;
	bool found = keyspace_load(&f->ks, key, &got);

	(void)which;
	EXPECT("result", found, gosync_load(f->model, key, &want));
	EXPECT("value", (uintptr_t)got, (uintptr_t)want);
}

static void do_swap(struct fuzz *f, size_t key, unsigned which)
{
	void *value = new_value(f, which), *got = &got, *want;
	int ret = keyspace_swap(&f->ks, key, value, &got);

	EXPECT("result", ret, gosync_swap(f->model, key, value, &want));
	EXPECT("previous", (uintptr_t)got, (uintptr_t)want);
}

static void do_los(struct fuzz *f, size_t key, unsigned which)
{
	void *value = new_value(f, which), *got = NULL, *want;
	int ret = keyspace_load_or_store(&f->ks, key, value, &got);

	EXPECT("result", ret, gosync_load_or_store(f->model, key, value, &want));
	EXPECT("actual", (uintptr_t)got, (uintptr_t)want);
	if (ret)
		drop_value(f, value);
}

static void do_lad(struct fuzz *f, size_t key, unsigned which)
{
	void *got = NULL, *want = NULL;
	bool removed = keyspace_load_and_delete(&f->ks, key, &got);

	(void)which;
	EXPECT("result", removed, gosync_load_and_delete(f->model, key, &want));
	EXPECT("value", (uintptr_t)got, (uintptr_t)want);
}

static void do_del(struct fuzz *f, size_t key, unsigned which)
{
	void *unused;

	(void)which;
	EXPECT("result", keyspace_delete(&f->ks, key),
	       gosync_load_and_delete(f->model, key, &unused));
}

/* The value that is there, or another one. */
static void *old_value(const struct fuzz *f, size_t key, unsigned which)
{
	static char other;
	void *present = gosync_peek(f->model, key);

	return present && which % 4 ? present : &other;
}

static void do_cas(struct fuzz *f, size_t key, unsigned which)
{
	void *old = old_value(f, key, which);
	void *value = which == 1 ? old : new_value(f, which);
	int ret = keyspace_compare_and_swap(&f->ks, key, old, value);

	EXPECT("result", ret, gosync_compare_and_swap(f->model, key, old, value));
	if (!ret && value != old)
		drop_value(f, value);
}

static void do_cad(struct fuzz *f, size_t key, unsigned which)
{
	void *old = old_value(f, key, which);
	bool removed = keyspace_compare_and_delete(&f->ks, key, old);

	EXPECT("result", removed, gosync_compare_and_delete(f->model, key, old));
}

static bool visit(size_t key, void *value, void *ctx)
{
	struct fuzz *f = ctx;

	if (key >= UNIVERSE)
		EXPECT("key", key, KEYSPACE_NONE);
	EXPECT("times met", f->seen[key], 0);
	EXPECT("value", (uintptr_t)value, (uintptr_t)gosync_peek(f->model, key));
	f->seen[key] = 1;
	return true;
}

static void do_range(struct fuzz *f, size_t key, unsigned which)
{
	(void)key;
	(void)which;
	memset(f->seen, 0, sizeof(f->seen));
	keyspace_range(&f->ks, visit, f);
	gosync_range(f->model);
	for (size_t i = 0; i < UNIVERSE; i++)
		EXPECT("met", f->seen[i], gosync_peek(f->model, i) != NULL);
}

static void do_clear(struct fuzz *f, size_t key, unsigned which)
{
	(void)key;
	(void)which;
	EXPECT("result", smap_clear(f->ks.map), 0);
	gosync_clear(f->model);
}

static void do_run(struct fuzz *f, size_t key, unsigned which)
{
	static void (*const ops[])(struct fuzz *, size_t, unsigned) = {do_store, do_load, do_del,
								       do_los};

	for (size_t i = 0; i < RUN_LENGTH; i++)
		ops[which % 4]((f), (key + i) % UNIVERSE, which);
}

/* In a section of its own: what was loaded stays readable after it left the map (G6). */
static void do_inner(struct fuzz *f, size_t key, unsigned which)
{
	void *value = gosync_peek(f->model, key);
	char before;

	if (!f->freeing || !value)
		return;
	smap_read_lock();
	before = *(volatile char *)value;
	do_swap(f, key, which);
	do_del(f, key, which);
	EXPECT("byte of a deleted value", *(volatile char *)value, before);
	smap_read_unlock();
}

/* --- one input --- */

static void compare(const struct fuzz *f)
{
	const struct gosync *g = f->model;
	struct smap_state st;

	EXPECT("len", smap_len(f->ks.map), g->len);
	if (!f->counts)
		return;
	smap_inspect(f->ks.map, &st);
	EXPECT("misses", st.counters.misses, g->count.misses);
	EXPECT("promotions", st.counters.promotions, g->count.promotions);
	EXPECT("rebuilds", st.counters.rebuilds, g->count.rebuilds);
	EXPECT("copied", st.counters.copied, g->count.copied);
	EXPECT("expunged", st.counters.expunged, g->count.expunged);
	EXPECT("miss_count", st.miss_count, g->misses);
	EXPECT("read_len", st.read_len, g->read_len);
	EXPECT("dirty_len", st.dirty_len, g->dirty_len);
	EXPECT("amended", st.amended, g->amended);
	EXPECT("has_dirty", st.has_dirty, g->has_dirty);
	EXPECT("new_keys", st.new_keys, g->new_keys);
}

static void begin(struct fuzz *f, const uint8_t *header)
{
	struct smap_options opts = {.size = sizeof(opts), .name = "fuzz", .ctx = f};

	f->freeing = header[0] & 2;
	opts.key_kind = header[0] & 1 ? SMAP_KEY_U64 : SMAP_KEY_BYTES;
	opts.value_free = f->freeing ? free_value : NULL;
	opts.flags = header[0] >> 2 & SMAP_OPTIONS_TUNED;
	opts.hash = header[0] & 0x10 ? bad_hash : NULL;
	opts.policy = header[1] % SMAP_POLICY_COUNT;
	opts.miss_counter_bits = header[1] & 0x80 ? 16 : 0;
	opts.policy_arg = header[2];
	opts.initial_dirty = header[3];
	EXPECT("create", smap_create(&f->ks.map, &opts), 0);
	f->ks.u64 = opts.key_kind == SMAP_KEY_U64;
	f->counts = !opts.flags && opts.policy <= SMAP_POLICY_FIXED;
	f->model = gosync_new(UNIVERSE);
	f->model->policy = opts.policy;
	f->model->policy_arg = opts.policy_arg;
	f->model->miss_counter_bits = opts.miss_counter_bits;
	f->model->left = count_left;
	f->model->ctx = f;
}

static void end(struct fuzz *f)
{
	do_range(f, 0, 0);
	compare(f);
	gosync_clear(f->model); /* what destroy frees */
	smap_destroy(f->ks.map);
	if (f->freeing)
		EXPECT("values freed", f->freed, f->left);
	gosync_free(f->model);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const ops[])(struct fuzz *, size_t, unsigned) = {
#define OP_ENTRY(name) do_##name,
		OPS(OP_ENTRY)
#undef OP_ENTRY
	};
	const size_t count = sizeof(ops) / sizeof(*ops);
	struct fuzz f = {0};

	if (size < HEADER)
		return 0;
	begin(&f, data);
	for (size_t i = HEADER; i + 1 < size; i += 2) {
		ops[data[i] % count](&f, data[i + 1] % UNIVERSE, data[i] / count % VALUES);
		compare(&f);
	}
	end(&f);
	return 0;
}
