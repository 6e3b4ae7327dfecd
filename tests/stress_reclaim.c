/* SPDX-License-Identifier: MIT */
/*
 * stress_reclaim.c - values are freed after the last reader, once, and in the end all.
 *
 * Values are allocated, carry a canary, and are poisoned by value_free before the
 * memory goes, so that a reader which still holds one sees it (and ASan and TSan
 * see the access). Readers keep several values over one section; writers replace,
 * delete, swap and compare-and-swap them. Later a reader stays in its section:
 * the backlog must be seen to grow, the others must go on, and after the reader
 * left, the memory must come back.
 */
#include "stress.h"
#include "until.h"

#include <stdatomic.h>
#include <string.h>

#define KEYS 64
#define CANARY 0x600dca9a600dca9aULL
#define POISON 0xdeaddeaddeaddeadULL

struct value {
	uint64_t canary;
	uint64_t key;
};

struct shared {
	struct smap *map;
	unsigned ops;
	_Atomic uint64_t made, freed;
	atomic_bool inside, leave;
};

static struct value *make(struct shared *s, uint64_t key)
{
	struct value *v = malloc(sizeof(*v));

	CHECK(v, "no memory");
	*v = (struct value){.canary = CANARY, .key = key};
	s->made++;
	return v;
}

static void unmake(void *value, void *ctx)
{
	struct shared *s = ctx;
	struct value *v = value;

	CHECK(v->canary == CANARY, "freed twice: %lx", v->canary);
	v->canary = POISON;
	s->freed++;
	free(v);
}

static void check(const void *value, uint64_t key)
{
	const struct value *v = value;

	CHECK(v->canary == CANARY, "key %lu holds freed memory: %lx", key, v->canary);
	CHECK(v->key == key, "key %lu has the value of %lu", key, v->key);
}

/* Hold what eight loads gave until the section ends. */
static void read_often(struct shared *s, unsigned id)
{
	uint64_t rng = stress_seed(id);

	for (unsigned i = 0; i < s->ops / 8; i++) {
		void *held[8] = {NULL};
		uint64_t first = stress_random(&rng) % KEYS;

		smap_read_lock();
		for (uint64_t j = 0; j < 8; j++)
			smap_load_u64(s->map, (first + j) % KEYS, &held[j]);
		for (uint64_t j = 0; j < 8; j++)
			if (held[j])
				check(held[j], (first + j) % KEYS);
		smap_read_unlock();
	}
}

/* What a write took out is ours to look at until the section ends. */
static void write_once(struct shared *s, uint64_t key, uint64_t how)
{
	struct value *mine = how < 4 ? make(s, key) : NULL;
	void *got = NULL;

	smap_read_lock();
	if (how == 0)
		CHECK(!smap_store_u64(s->map, key, mine), "store");
	else if (how == 1 && smap_swap_u64(s->map, key, mine, &got) == 1)
		check(got, key);
	else if (how == 2 && smap_load_or_store_u64(s->map, key, mine, &got) == 1)
		unmake(mine, s), check(got, key);
	else if (how == 3 && !(smap_load_u64(s->map, key, &got) &&
			       smap_compare_and_swap_u64(s->map, key, got, mine) == 1))
		unmake(mine, s);
	else if (how == 4 && smap_load_and_delete_u64(s->map, key, &got))
		check(got, key);
	else if (how == 5 && smap_load_u64(s->map, key, &got))
		smap_compare_and_delete_u64(s->map, key, got);
	if (got)
		check(got, key);
	smap_read_unlock();
}

static void write_often(struct shared *s, unsigned id)
{
	uint64_t rng = stress_seed(id);

	for (unsigned i = 0; i < s->ops; i++) {
		uint64_t r = stress_random(&rng);

		write_once(s, r / 8 % KEYS, r % 8);
		if (i % 5000 == 0)
			CHECK(!smap_clear(s->map), "clear");
	}
}

static void readers_and_writers(unsigned id, void *ctx)
{
	if (id < 2)
		write_often(ctx, id);
	else
		read_often(ctx, id);
}

/* --- a reader that stays --- */

static void stay(struct shared *s)
{
	void *value = NULL;

	smap_read_lock();
	CHECK(smap_load_u64(s->map, 0, &value), "key 0");
	atomic_store(&s->inside, true);
	for (struct until u = until_begin(); !atomic_load(&s->leave) && until_again(&u);)
		;
	check(value, 0);
	smap_read_unlock();
}

static void go_on_meanwhile(struct shared *s)
{
	struct smap_state st;

	for (struct until u = until_begin(); !atomic_load(&s->inside) && until_again(&u);)
		;
	for (unsigned i = 0; i < s->ops / 4; i++)
		write_once(s, i % KEYS, 0);
	smap_inspect(s->map, &st);
	CHECK(st.counters.retired - st.counters.reclaimed >= s->ops / 8,
	      "%lu retired, %lu reclaimed", st.counters.retired, st.counters.reclaimed);
	CHECK(s->made - s->freed >= s->ops / 8, "%lu made, %lu freed", s->made, s->freed);
	atomic_store(&s->leave, true);
	for (struct until u = until_begin(); s->made - s->freed > KEYS && until_again(&u);)
		;
	CHECK(s->made - s->freed == KEYS, "%lu values did not come back",
	      s->made - s->freed - KEYS);
}

static void one_stays(unsigned id, void *ctx)
{
	if (id)
		go_on_meanwhile(ctx);
	else
		stay(ctx);
}

int main(void)
{
	static struct shared s = {.ops = 240000};
	struct smap_options opts = {.key_kind = SMAP_KEY_U64, .value_free = unmake, .ctx = &s};

	alarm(STRESS_ALARM_S);
	s.map = stress_map(&opts, "reclaim");
	stress_run(4, readers_and_writers, &s);
	for (uint64_t key = 0; key < KEYS; key++)
		write_once(&s, key, 0);
	stress_run(2, one_stays, &s);
	smap_destroy(s.map);
	CHECK(s.made == s.freed, "%lu made, %lu freed", s.made, s.freed);
	return 0;
}
