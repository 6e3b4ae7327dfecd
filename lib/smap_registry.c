/* SPDX-License-Identifier: MIT */
/*
 * smap_registry.c - the list of live maps, as seen from inside and from outside.
 *
 * From inside it is guarded by a mutex. A reader from outside follows
 * smap_state.next without one: a map that is being removed stays readable until
 * after it was unlinked, `generation` tells that the list changed, and a freed
 * state has no magic. The ELF note leads readers from outside to the registry; it
 * stands in this file because every program that uses a map links it.
 */
#include "smap_internal.h"

/*
 * A descriptor relative to itself needs no relocation: the note stays right in
 * position-independent executables, and can be read from the file alone.
 */
__asm__(".pushsection .note.smap,\"a\",@note\n"
	".balign 4\n"
	".4byte 5, 16, " SMAP_STRINGIFY(
		SMAP_NOTE_TYPE) "\n"
				".asciz \"" SMAP_NOTE_NAME "\"\n"
				".balign 4\n"
				".4byte " SMAP_STRINGIFY(
					SMAP_ABI_VERSION) ", 0\n"
							  ".8byte smap_registry - .\n"
							  ".popsection\n");

/* Protected: no program can have a copy of its own without its linker saying so. */
__attribute__((visibility("protected"))) struct smap_registry smap_registry = {
	.magic = SMAP_REGISTRY_MAGIC,
	.abi = SMAP_ABI_VERSION,
	.size = sizeof(struct smap_registry),
	.state_size = sizeof(struct smap_state),
#ifndef SMAP_NO_PROBES
	.has_probes = 1,
#endif
};

#ifndef SMAP_NO_PROBES
/* Initial-exec: the distance is the same in all threads. */
__attribute__((constructor(101))) static void publish_held(void)
{
	uintptr_t thread;

#if defined(__x86_64__)
	__asm__("mov %%fs:0, %0" : "=r"(thread));
#elif defined(__aarch64__)
	__asm__("mrs %0, tpidr_el0" : "=r"(thread));
#endif
	smap_registry.held_offset = (smap_s64)((uintptr_t)&smap_held - thread);
}
#endif

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct smap *first;

static void set_next(struct smap *map, struct smap *next)
{
	_Atomic smap_u64 *link = map ? &map->state.next : &smap_registry.first;

	/* Release: for readers from outside, who have no lock: the state is filled in. */
	atomic_store_explicit(link, (uintptr_t)next, memory_order_release);
	if (map)
		map->next_map = next;
	else
		first = next;
}

/* Begin and end of a change: odd between. */
static void raise_generation(void)
{
	/* seq_cst: for readers from outside, before and after all other stores of the change */
	atomic_fetch_add_explicit(&smap_registry.generation, 1, memory_order_seq_cst);
}

static void count_maps(uint64_t by)
{
	/* relaxed: counter, written under the lock */
	atomic_fetch_add_explicit(&smap_registry.map_count, by, memory_order_relaxed);
}

/*
 * Numbers the map. The first number is the time in microseconds, which fits a double: a library
 * that is loaded again begins with a later one, even if its map gets the address of an old one.
 */
void smap_registry_add(struct smap *map)
{
	static uint64_t serial;

	pthread_mutex_lock(&lock);
	raise_generation();
	if (!serial)
		serial = map->state.created_ns / 1000;
	map->state.id = ++serial;
	map->prev_map = NULL;
	set_next(map, first);
	if (first)
		first->prev_map = map;
	set_next(NULL, map);
	count_maps(1);
	raise_generation();
	pthread_mutex_unlock(&lock);
}

void smap_registry_remove(struct smap *map)
{
	pthread_mutex_lock(&lock);
	raise_generation();
	set_next(map->prev_map, map->next_map);
	if (map->next_map)
		map->next_map->prev_map = map->prev_map;
	count_maps((uint64_t)-1);
	raise_generation();
	pthread_mutex_unlock(&lock);
}

/* True if fn was true for any map; each is asked. */
bool smap_registry_any(bool (*fn)(struct smap *map, void *ctx), void *ctx)
{
	bool any = false;

	pthread_mutex_lock(&lock);
	for (struct smap *map = first; map; map = map->next_map)
		any |= fn(map, ctx);
	pthread_mutex_unlock(&lock);
	return any;
}

/* Around fork(): the list, and all mutexes of the maps in it. */
void smap_registry_fork_lock(void)
{
	pthread_mutex_lock(&lock);
	for (struct smap *map = first; map; map = map->next_map)
		pthread_mutex_lock(&map->mu);
}

void smap_registry_fork_unlock(bool is_child)
{
	for (struct smap *map = first; map; map = map->next_map) {
		if (is_child)
			smap_snapshot_forked(map);
		pthread_mutex_unlock(&map->mu);
	}
	pthread_mutex_unlock(&lock);
}

SMAP_PUBLIC const struct smap_registry *smap_registry_get(void)
{
	return &smap_registry;
}
