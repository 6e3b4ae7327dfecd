/* SPDX-License-Identifier: MIT */
/*
 * test_smap_registry.c - what a tracer sees from outside, read from inside.
 *
 * smap_registry, the chain of maps, the chain of threads and the state at each
 * map's address, read here as plain bytes through smap_state.h, the way BPF
 * programs and debuggers do. Nothing else runs meanwhile, so plain reads will do.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "smap.h"

#define MANY 1000

static char object;

static struct smap *create(const char *name)
{
	struct smap_options opts = {.size = sizeof(opts), .name = name, .key_kind = SMAP_KEY_U64};
	struct smap *map = NULL;

	assert_int_equal(smap_create(&map, &opts), 0);
	return map;
}

static const struct smap_state *state_at(uint64_t address)
{
	return (const struct smap_state *)(uintptr_t)address;
}

static const struct smap_state *find(const char *name)
{
	for (uint64_t at = smap_registry.first; at; at = state_at(at)->next)
		if (!strcmp(state_at(at)->name, name))
			return state_at(at);
	return NULL;
}

static unsigned count_maps(void)
{
	unsigned n = 0;

	for (uint64_t at = smap_registry.first; at; at = state_at(at)->next) {
		assert_int_equal(state_at(at)->magic, SMAP_STATE_MAGIC);
		assert_int_equal(state_at(at)->self, at);
		assert_true(++n <= MANY + 10);
	}
	return n;
}

static void test_registry_says_what_it_is(void **state)
{
	struct smap *map = create("only");

	(void)state;
	assert_int_equal(smap_registry.magic, SMAP_REGISTRY_MAGIC);
	assert_int_equal(smap_registry.abi, SMAP_ABI_VERSION);
	assert_int_equal(smap_registry.size, sizeof(smap_registry));
	assert_int_equal(smap_registry.state_size, sizeof(struct smap_state));
#ifdef SMAP_NO_PROBES
	assert_int_equal(smap_registry.has_probes, 0);
#else
	assert_int_equal(smap_registry.has_probes, 1);
#endif
	assert_int_equal(smap_registry.map_count, 1);
	smap_destroy(map);
	assert_int_equal(smap_registry.map_count, 0);
	assert_int_equal(smap_registry.first, 0);
}

static void test_two_maps_by_address_and_name(void **state)
{
	uint64_t generation = smap_registry.generation;
	struct smap *a = create("first"), *b = create("second");

	(void)state;
	assert_int_equal(smap_registry.map_count, 2);
	assert_int_equal(count_maps(), 2);
	assert_true(smap_registry.generation > generation);
	/* The state is the first member of the map. */
	assert_ptr_equal(find("first"), a);
	assert_ptr_equal(find("second"), b);
	assert_int_not_equal(find("first")->id, find("second")->id);

	generation = smap_registry.generation;
	smap_destroy(a);
	assert_true(smap_registry.generation > generation);
	assert_null(find("first"));
	assert_ptr_equal(find("second"), b);
	smap_destroy(b);
	assert_int_equal(count_maps(), 0);
}

static void test_ids_are_never_used_twice(void **state)
{
	uint64_t last = 0;

	(void)state;
	for (int i = 0; i < 100; i++) {
		struct smap *map = create("id");
		uint64_t id = find("id")->id;

		assert_true(id > last);
		last = id;
		smap_destroy(map);
	}
}

static void test_a_thousand_maps(void **state)
{
	static struct smap *maps[MANY];
	char name[32];

	(void)state;
	for (int i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "map-%d", i);
		maps[i] = create(name);
		assert_int_equal(smap_store_u64(maps[i], (uint64_t)i, &object), 0);
	}
	assert_int_equal(smap_registry.map_count, MANY);
	assert_int_equal(count_maps(), MANY);
	for (int i = 0; i < MANY; i += 37) {
		snprintf(name, sizeof(name), "map-%d", i);
		assert_ptr_equal(find(name), maps[i]);
	}
	for (int i = 1; i < MANY; i += 2) /* from the middle of the chain */
		smap_destroy(maps[i]);
	assert_int_equal(count_maps(), MANY / 2);
	for (int i = 0; i < MANY; i += 2)
		smap_destroy(maps[i]);
	assert_int_equal(count_maps(), 0);
}

/* --- the state of a map --- */

static void test_inspect_equals_the_live_state(void **state)
{
	struct smap *map = create("live");
	const struct smap_state *live = find("live");
	struct smap_state copy;
	void *value;

	(void)state;
	for (uint64_t k = 0; k < 100; k++)
		assert_int_equal(smap_store_u64(map, k, &object), 0);
	for (uint64_t k = 0; k < 30; k++)
		assert_true(smap_load_u64(map, k, &value));
	smap_inspect(map, &copy);
	assert_int_equal(copy.self, (uintptr_t)map);
	assert_int_equal(copy.counters.misses, 30);
	assert_memory_equal(&copy.counters, &live->counters,
			    offsetof(struct smap_counters, retired));
	assert_int_equal(live->read_len, 0);
	assert_int_equal(live->dirty_len, 100);
	assert_int_equal(live->amended, 1);
	assert_int_equal(live->new_keys, 100);
	assert_int_equal(live->miss_count, 30);
	assert_int_equal(live->threshold, 100);
	assert_int_not_equal(live->dirty_since_ns, 0);
	assert_int_equal(live->last_promote_ns, 0);
	assert_true(live->slots >= 100);
	assert_true(live->growths > 0);
	assert_true(live->table_bytes >= 100 * 2 * sizeof(void *));
	assert_int_equal(live->leaked, 0);
	smap_destroy(map);
}

static void test_stripes_count_every_operation(void **state)
{
	static char values[2];
	struct smap *map = create("stripes");
	const struct smap_state *live = find("stripes");
	struct smap_stripe sum = {0};

	(void)state;
	for (uint64_t k = 0; k < 100; k++)
		assert_int_equal(smap_store_u64(map, k, &values[0]), 0);
	for (uint64_t k = 0; k < 40; k++)
		assert_int_equal(smap_store_u64(map, k, &values[1]), 0);
	for (uint64_t k = 0; k < 150; k += 2)
		assert_int_equal(smap_delete_u64(map, k), k < 100);
	assert_int_equal(live->stripe_size, sizeof(struct smap_stripe));
	for (uint32_t i = 0; i < live->stripe_count; i++) {
		const struct smap_stripe *s =
			(const void *)(uintptr_t)(live->stripes + i * live->stripe_size);

		sum.inserts += s->inserts;
		sum.replaces += s->replaces;
		sum.deletes += s->deletes;
	}
	assert_int_equal(sum.inserts, 100);
	assert_int_equal(sum.replaces, 40);
	assert_int_equal(sum.deletes, 50);
	assert_int_equal(smap_len(map), 50);
	smap_destroy(map);
}

/* --- threads --- */

static const struct smap_thread_state *thread_state(pid_t tid)
{
	uint64_t at = smap_registry.threads;

	while (at) {
		const struct smap_thread_state *t = (const void *)(uintptr_t)at;

		if (t->tid == (uint32_t)tid)
			return t;
		at = t->next;
	}
	return NULL;
}

static void test_sequence_is_odd_inside_a_section(void **state)
{
	const volatile uint64_t *seq;
	uint64_t before;

	(void)state;
	smap_read_lock();
	smap_read_unlock();
	assert_non_null(thread_state(gettid()));
	seq = &thread_state(gettid())->seq;
	before = *seq;
	assert_int_equal(before % 2, 0);
	smap_read_lock();
	assert_int_equal(*seq, before + 1);
	smap_read_lock();
	assert_int_equal(*seq, before + 1);
	smap_read_unlock();
	assert_int_equal(*seq, before + 1);
	smap_read_unlock();
	assert_int_equal(*seq, before + 2);
}

static void *enter_and_leave(void *arg)
{
	smap_read_lock();
	smap_read_unlock();
	*(pid_t *)arg = gettid();
	return NULL;
}

static unsigned count_threads(void)
{
	unsigned n = 0;

	for (uint64_t at = smap_registry.threads; at; n++)
		at = ((const struct smap_thread_state *)(uintptr_t)at)->next;
	return n;
}

/* States of threads that are gone are used again, so the chain stays short. */
static void test_thread_states_are_reused(void **state)
{
	unsigned before;
	pid_t tid;

	(void)state;
	smap_read_lock();
	smap_read_unlock();
	before = count_threads();
	for (int i = 0; i < 100; i++) {
		pthread_t thread;

		assert_int_equal(pthread_create(&thread, NULL, enter_and_leave, &tid), 0);
		assert_int_equal(pthread_join(thread, NULL), 0);
	}
	assert_null(thread_state(tid));
	assert_true(count_threads() <= before + 2);
}

/* What the calling thread says of itself, as a tracer finds it. */
static uint64_t held_word(void)
{
	uintptr_t thread;

#if defined(__x86_64__)
	__asm__("mov %%fs:0, %0" : "=r"(thread));
#elif defined(__aarch64__)
	__asm__("mrs %0, tpidr_el0" : "=r"(thread));
#else
	thread = (uintptr_t)__builtin_thread_pointer();
#endif
	assert_true(smap_registry.size >= offsetof(struct smap_registry, held_offset) + 8);
	return *(volatile uint64_t *)(thread + (uintptr_t)smap_registry.held_offset);
}

static uint64_t storing, word_inside;

/* Called for another key than the one that is being stored: the table grows, under mu. */
static uint64_t spying_hash(const void *bytes, size_t len, uint64_t seed)
{
	uint64_t key;

	(void)len;
	memcpy(&key, bytes, sizeof(key));
	if (key == storing)
		assert_int_equal(held_word(), 0);
	else
		word_inside = held_word();
	return (key ^ seed) * 0x9e3779b97f4a7c15ULL;
}

static void *store_one(void *map)
{
	assert_int_equal(held_word(), 0); /* also in a thread that has done nothing yet */
	assert_int_equal(smap_store_u64(map, storing, &object), 0);
	assert_int_equal(held_word(), 0);
	return NULL;
}

static void test_threads_say_whose_mutex_they_hold(void **state)
{
	const struct smap_options opts = {
		.size = sizeof(opts), .key_kind = SMAP_KEY_U64, .hash = spying_hash};
	struct smap *map = NULL;
	pthread_t thread;

	(void)state;
	assert_int_equal(smap_create(&map, &opts), 0);
	for (storing = 1; !word_inside; storing++)
		store_one(map);
	assert_int_equal(word_inside, (uintptr_t)map);
	word_inside = 0;
	for (; !word_inside; storing++) {
		assert_int_equal(pthread_create(&thread, NULL, store_one, map), 0);
		assert_int_equal(pthread_join(thread, NULL), 0);
	}
	assert_int_equal(word_inside, (uintptr_t)map);
	smap_destroy(map);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_registry_says_what_it_is),
		cmocka_unit_test(test_two_maps_by_address_and_name),
		cmocka_unit_test(test_ids_are_never_used_twice),
		cmocka_unit_test(test_a_thousand_maps),
		cmocka_unit_test(test_inspect_equals_the_live_state),
		cmocka_unit_test(test_stripes_count_every_operation),
		cmocka_unit_test(test_sequence_is_odd_inside_a_section),
		cmocka_unit_test(test_thread_states_are_reused),
		cmocka_unit_test(test_threads_say_whose_mutex_they_hold),
	};

	return cmocka_run_group_tests_name("smap_registry", tests, NULL, NULL);
}
