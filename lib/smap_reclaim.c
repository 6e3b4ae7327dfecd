/* SPDX-License-Identifier: MIT */
/*
 * smap_reclaim.c - the reclaimer: from a full bag to free memory.
 *
 *	retire -> bag of the thread, or list of nodes
 *	collect -> pile "collected"          probe retire, counter retired
 *	start_batch -> pile "waiting"        barrier, look at all section words
 *	passed -> finish_batch -> freed      probe reclaim, counter reclaimed
 *
 * Why this is safe is proved at the top of smap_smr.c. One step never waits; the
 * reclaimer thread (smap_keeper.c) takes steps with naps between, and smap_destroy
 * takes steps itself. What is retired while a batch waits for a slow reader is collected and
 * counted all the same, so that the backlog is always visible.
 *
 * Invariants
 * S3 Batches are freed in the order in which they were started, values before
 *    nodes, so a map's own node, retired last, is freed last.
 * S4 All work of the reclaimer happens under smr.lock, by the reclaimer thread or by
 *    whoever waits in smap_wait_for(); value_free is called without smr.lock.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "smap_internal.h"

#define STALL_NS 1000000000ULL /* a reader older than this is reported, once a second */

struct pile {
	struct smap_bag *bags;
	struct smap_node *nodes, **nodes_end; /* in order (S3) */
	uint64_t items;
};

static struct {
	pthread_mutex_t lock; /* reclaimer's state; outermost of ours */
	struct pile collected, waiting;
	bool is_starting, is_waiting, is_freeing;
	bool is_counted; /* of the batch being freed: the values are freed and counted */
	uint64_t freed;	 /* ... how many values have been, or are being, freed */
	struct smap *collected_maps, *waiting_maps; /* maps with items in the piles */
	uint64_t started_ns, stall_reported_ns;

	pthread_mutex_t nodes_lock; /* guards nodes */
	struct smap_node *nodes, **nodes_end;

	_Atomic(uint64_t) started; /* batches started */
	_Atomic(uint64_t) done;	   /* batches freed */
} smr = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.nodes_lock = PTHREAD_MUTEX_INITIALIZER,
};

/* --- handing over ----------------------------------------------------------- */

void smap_retire_node(struct smap_node *node)
{
	node->next = NULL;
	node->since_ns = smap_now_ns();
	pthread_mutex_lock(&smr.nodes_lock);
	*(smr.nodes ? smr.nodes_end : &smr.nodes) = node;
	smr.nodes_end = &node->next;
	pthread_mutex_unlock(&smr.nodes_lock);
	smap_wake_keeper();
}

uint64_t smap_ticket(void)
{
	/*
	 * seq_cst read-modify-write: the unlinking before it is visible before the batch
	 * `started + 1` starts. Pairs with the increment in start_batch().
	 */
	return atomic_fetch_add_explicit(&smr.started, 0, memory_order_seq_cst) + 1;
}

bool smap_ticket_over(uint64_t ticket)
{
	/* Acquire: pairs with the release in finish_batch(): readers have left. */
	return atomic_load_explicit(&smr.done, memory_order_acquire) >= ticket;
}

/* --- the reclaimer, under smr.lock ------------------------------------------- */

static struct smap *touched;

/* Count an item for its map; the maps met are chained on `touched`. */
static void touch(struct smap *map, uint64_t items, uint64_t since_ns)
{
	struct smap_accounts *accounts = &map->accounts;

	if (!accounts->touched) {
		accounts->touched = true;
		accounts->count = 0;
		accounts->touched_next = touched;
		touched = map;
	}
	accounts->count += items;
	if (since_ns && (!accounts->collected_since_ns || since_ns < accounts->collected_since_ns))
		accounts->collected_since_ns = since_ns;
}

static void set_oldest(struct smap *map)
{
	const struct smap_accounts *accounts = &map->accounts;

	/* relaxed: a figure for onlookers */
	atomic_store_explicit(&map->state.oldest_retired_ns,
			      accounts->waiting_since_ns ? accounts->waiting_since_ns
							 : accounts->collected_since_ns,
			      memory_order_relaxed);
}

/* Add to a counter that only the reclaimer writes, and return the new value. */
static uint64_t add(SMAP_SHARED smap_u64 *counter, uint64_t n)
{
	/* relaxed: owner-only writer (smr.lock), onlookers read */
	uint64_t sum = atomic_load_explicit(counter, memory_order_relaxed) + n;

	/* relaxed: counter */
	atomic_store_explicit(counter, sum, memory_order_relaxed);
	return sum;
}

static uint64_t backlog_of(const struct smap *map)
{
	/* relaxed: counters that only we write */
	return atomic_load_explicit(&map->state.counters.retired, memory_order_relaxed) -
	       atomic_load_explicit(&map->state.counters.reclaimed, memory_order_relaxed);
}

static void report_collected(void)
{
	while (touched) {
		struct smap *map = touched;
		uint64_t count = map->accounts.count;

		touched = map->accounts.touched_next;
		map->accounts.touched = false;
		if (!count)
			continue;
		if (!map->accounts.in_collected) {
			map->accounts.in_collected = true;
			map->accounts.collected_next = smr.collected_maps;
			smr.collected_maps = map;
		}
		set_oldest(map);
		add(&map->state.counters.retired, count);
		add(&smap_registry.backlog, count);
		smap_fire(retire, (uintptr_t)map, count, backlog_of(map));
	}
}

static void pile_bag(struct pile *pile, struct smap_bag *bag)
{
	for (uint32_t i = 0; i < bag->count; i++)
		touch(bag->items[i].map, 1, bag->since_ns);
	pile->items += bag->count;
	bag->next = pile->bags;
	pile->bags = bag;
}

static void collect_bags(void)
{
	for (struct smap_thread *t = smap_first_thread(); t; t = smap_next_thread(t)) {
		struct smap_bag *bag, *next;

		pthread_mutex_lock(&t->lock);
		bag = t->bag;
		t->bag = NULL;
		pthread_mutex_unlock(&t->lock);
		for (; bag; bag = next) {
			next = bag->next;
			pile_bag(&smr.collected, bag);
		}
	}
}

static void free_bag(struct smap_bag *bag)
{
	if (bag->own_busy)
		/* Release: pairs with the acquire in smap_smr.c:bag_with_room(). */
		atomic_store_explicit(bag->own_busy, false, memory_order_release);
	else
		free(bag);
}

/* Nodes first: what a map's threads retired before the map's own node is in the bags by then. */
static void collect(void)
{
	struct pile *pile = &smr.collected;
	struct smap_node *nodes, **end;

	pthread_mutex_lock(&smr.nodes_lock);
	nodes = smr.nodes;
	end = smr.nodes_end;
	smr.nodes = NULL;
	pthread_mutex_unlock(&smr.nodes_lock);
	if (nodes) {
		*(pile->nodes ? pile->nodes_end : &pile->nodes) = nodes;
		pile->nodes_end = end;
		for (; nodes; nodes = nodes->next) {
			pile->items++;
			touch(nodes->map, nodes->items, nodes->items ? nodes->since_ns : 0);
		}
	}
	collect_bags();
	report_collected();
}

/* The maps of the collected pile become those of the waiting one. */
static void move_maps(void)
{
	smr.waiting_maps = smr.collected_maps;
	smr.collected_maps = NULL;
	for (struct smap *map = smr.waiting_maps; map; map = map->accounts.waiting_next) {
		map->accounts.waiting_next = map->accounts.collected_next;
		map->accounts.in_collected = false;
		map->accounts.waiting_since_ns = map->accounts.collected_since_ns;
		map->accounts.collected_since_ns = 0;
	}
}

/* Start a batch of what has been collected; false if the barrier could not be had yet. */
static bool start_batch(void)
{
	if (!smr.is_starting)
		/* seq_cst: pairs with smap_ticket(): a ticket drawn before is for this batch. */
		atomic_fetch_add_explicit(&smr.started, 1, memory_order_seq_cst);
	smr.is_starting = true;
	if (!smap_heavy_barrier())
		return false;
	smr.is_starting = false;
	smr.waiting = smr.collected;
	smr.collected = (struct pile){0};
	smr.is_waiting = true;
	move_maps();
	for (struct smap_thread *t = smap_first_thread(); t; t = smap_next_thread(t)) {
		/* seq_cst: an acquire that pairs with smap_exit()'s release, and, where readers
		 * fence, the writer's half of the order with smap_enter_slow(). */
		uint64_t seq = atomic_load_explicit(&t->state.seq, memory_order_seq_cst);

		t->awaited = seq & 1 ? seq : 0;
	}
	smr.started_ns = smap_now_ns();
	smr.stall_reported_ns = smr.started_ns;
	return true;
}

static void report_stall(const struct smap_thread *thread, uint64_t now)
{
	/* relaxed: a figure for onlookers */
	uint64_t tid = atomic_load_explicit(&thread->state.tid, memory_order_relaxed);

	if (now - smr.stall_reported_ns < STALL_NS)
		return;
	smr.stall_reported_ns = now;
	for (struct smap *map = smr.waiting_maps; map; map = map->accounts.waiting_next)
		smap_fire(stall, (uintptr_t)map, tid, now - smr.started_ns);
}

/* Has every reader of the batch left? Reports one that has stayed too long. */
static bool passed(void)
{
	for (struct smap_thread *t = smap_first_thread(); t; t = smap_next_thread(t)) {
		if (!t->awaited)
			continue;
		/* Acquire: pairs with smap_exit()'s release: the section's reads are over. */
		if (atomic_load_explicit(&t->state.seq, memory_order_acquire) == t->awaited) {
			report_stall(t, smap_now_ns());
			return false;
		}
		t->awaited = 0;
	}
	return true;
}

static void report_reclaimed(void)
{
	while (touched) {
		struct smap *map = touched;
		uint64_t count = map->accounts.count, age = 0;

		touched = map->accounts.touched_next;
		map->accounts.touched = false;
		if (map->accounts.waiting_since_ns)
			age = smap_now_ns() - map->accounts.waiting_since_ns;
		map->accounts.waiting_since_ns = 0;
		set_oldest(map);
		if (!count)
			continue;
		add(&map->state.counters.reclaimed, count);
		add(&smap_registry.backlog, -count);
		smap_fire(reclaim, (uintptr_t)map, count, backlog_of(map), age);
	}
}

/*
 * The three steps of finish_batch(). Each notes how far it is before it does the next thing, so that
 * the child of a fork goes on behind it: what was being freed at the fork is lost there,
 * nothing is freed twice. (The functions called may look at smr: the notes are stored before.)
 */
static void free_values(struct pile *pile)
{
	uint64_t nth = 0;

	for (struct smap_bag *bag = pile->bags; bag; bag = bag->next)
		for (uint32_t i = 0; i < bag->count; i++) {
			struct smap_item item = bag->items[i];

			if (nth++ < smr.freed)
				continue;
			smr.freed = nth;
			item.map->value_free(item.value, item.map->ctx);
		}
	for (struct smap_node *node = pile->nodes; node; node = node->next)
		if (node->drain)
			node->drain(node->map, node);
}

/* While the maps are there for certain, in one go: `touched` is shared. */
static void count_freed(const struct pile *pile)
{
	for (struct smap_bag *bag = pile->bags; bag; bag = bag->next)
		for (uint32_t i = 0; i < bag->count; i++)
			touch(bag->items[i].map, 1, 0);
	for (struct smap_node *node = pile->nodes; node; node = node->next)
		touch(node->map, node->items, 0);
	report_reclaimed();
}

/* Nothing of the program's is called here: no fork comes between the look at `done` and its store. */
static void free_pile(struct pile *pile)
{
	struct smap_node *node;
	struct smap_bag *bag;

	while ((bag = pile->bags)) {
		pile->bags = bag->next;
		free_bag(bag);
	}
	while ((node = pile->nodes)) {
		_Atomic(bool) *done = node->done;

		pile->nodes = node->next;
		if (node->free)
			node->free(node->map, node);
		if (done)
			/* Release: pairs with the acquire in smap_wait_for(). */
			atomic_store_explicit(done, true, memory_order_release);
	}
}

/*
 * Free the batch. value_free runs without smr.lock: it may use other maps. Nobody else starts or
 * finishes a batch meanwhile: is_freeing.
 */
static void finish_batch(void)
{
	smr.waiting_maps = NULL;
	smr.is_freeing = true;
	pthread_mutex_unlock(&smr.lock);
	smap_in_callback = true;
	if (!smr.is_counted) {
		free_values(&smr.waiting);
		pthread_mutex_lock(&smr.lock);
		count_freed(&smr.waiting);
		smr.is_counted = true;
		pthread_mutex_unlock(&smr.lock);
	}
	free_pile(&smr.waiting);
	smap_in_callback = false;
	pthread_mutex_lock(&smr.lock);
	smr.waiting = (struct pile){0};
	smr.freed = 0;
	smr.is_waiting = smr.is_freeing = smr.is_counted = false;
	/* Release: pairs with the acquire in smap_ticket_over(). */
	atomic_fetch_add_explicit(&smr.done, 1, memory_order_release);
}

/*
 * One step, never blocking: collect, start a batch if none is waited for, free the one whose
 * readers have left. True if anything is under way.
 */
bool smap_reclaim_step(uint64_t *ret_items)
{
	bool busy;

	pthread_mutex_lock(&smr.lock);
	collect();
	if (!smr.is_waiting && smr.collected.items)
		(void)start_batch();
	*ret_items = smr.waiting.items;
	if (smr.is_waiting && !smr.is_freeing && passed())
		finish_batch();
	busy = smr.is_waiting || smr.collected.items || *ret_items;
	add(&smap_registry.reclaimer_runs, 1);
	pthread_mutex_unlock(&smr.lock);
	return busy;
}

void smap_collect_retired(void)
{
	pthread_mutex_lock(&smr.lock);
	collect();
	pthread_mutex_unlock(&smr.lock);
}

/* What this thread waits for, inside smap_wait_for(). */
static _Thread_local const _Atomic(bool) *awaited_flag __attribute__((tls_model("initial-exec")));

void smap_wait_for(const _Atomic(bool) *flag)
{
	const struct timespec nap = {.tv_nsec = 100000};
	uint64_t items;
	int cancel;

	/* The flag is on the caller's stack: the caller has to stay. */
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	awaited_flag = flag;
	/* Acquire: pairs with the release store of whoever sets the flag. */
	while (!atomic_load_explicit(flag, memory_order_acquire)) {
		smap_reclaim_step(&items);
		/* Acquire: as above */
		if (!atomic_load_explicit(flag, memory_order_acquire))
			nanosleep(&nap, NULL);
	}
	awaited_flag = NULL;
	pthread_setcancelstate(cancel, NULL);
}

/* --- fork, see smap_fork.c ---------------------------------------------------------- */

void smap_reclaim_fork_lock(void)
{
	pthread_mutex_lock(&smr.lock);
}

void smap_retire_fork_lock(void)
{
	pthread_mutex_lock(&smr.nodes_lock);
}

void smap_retire_fork_unlock(void)
{
	pthread_mutex_unlock(&smr.nodes_lock);
}

/* In a forked child: who waited for these on its stack is gone. */
static void forget_waiters(struct smap_node **link, struct smap_node ***ret_end)
{
	struct smap_node *node;

	while ((node = *link)) {
		if (node->done && node->done != awaited_flag) {
			node->done = NULL;
			if (!node->free) { /* it was on that stack, too */
				*link = node->next;
				continue;
			}
		}
		link = &node->next;
	}
	*ret_end = link;
}

/* A batch that another thread was freeing is for the next step. */
void smap_reclaim_fork_unlock(bool is_child)
{
	if (is_child) {
		forget_waiters(&smr.nodes, &smr.nodes_end);
		forget_waiters(&smr.collected.nodes, &smr.collected.nodes_end);
		forget_waiters(&smr.waiting.nodes, &smr.waiting.nodes_end);
		if (!smap_in_callback)
			smr.is_freeing = false;
	}
	pthread_mutex_unlock(&smr.lock);
}
