/* SPDX-License-Identifier: MIT */
/*
 * smap_internal.h - the private structures.
 *
 *	struct smap                    struct smap_view (immutable once published)
 *	+-------------+               +--------------------------------------+
 *	| state       |    +--------->| slots, capacity, more, len, table    |
 *	| read ------------+ |        | ctrl: 1 byte a slot, groups of 16    |
 *	| dirty ------------------+   +------|-------------------------------+
 *	| mu, table --------+  |  +-->| the same with dirty's bytes          |
 *	+-------------+     |  |      +------|-------------------------------+
 *	                    |  |             v  index = index
 *	  struct smap_table |  +---   +--------------------------------------+
 *	  (one, shared by   +-------->| slots: {key, cell} {key, cell} ...   |
 *	   both views)                +--------------------------------------+
 *
 * A view is a set of slot numbers, written as control bytes; both views lie over
 * ONE array of slots. So an entry that is in both has one cell, whatever a
 * reader does to the cell through read is at once true in dirty, promotion is
 * one pointer store, and a rebuild copies one byte a slot. (Go shares entries
 * between two hash tables by a pointer each; the pointer costs a cache miss on
 * every hit, and the rebuild an insertion per entry.)
 *
 * Control byte: 2..255 = eight bits of the hash, the slot is listed; EMPTY = free for a
 * new key; LIMBO = not listed, but an older view that a reader may still hold lists
 * it: not to be used before its grace period. Each group has an overflow word besides, which
 * says for which hashes a probe has to go on to the next group (smap_inline.h).
 *
 * Cell: a value, or NIL (deleted), EXPUNGED (deleted, not in dirty), MOVED (this
 * table is closed; look in table->next).
 *
 * Invariants, checked by tests against a model of Go's map; I1..I8 as in Go:
 * V1 read is stored only under mu; the set that a published view lists never changes.
 * V2 read and dirty, when both list something, lie over map->table.
 * V3 A slot listed in any view that a reader can hold keeps its key.
 * V4 Bits of an overflow word are never cleared (within a table), so a
 *    probe sequence that reached a slot once will always reach it.
 * V5 NIL <-> EXPUNGED and anything -> MOVED happen only under mu. Cells of the
 *    current table are never MOVED while mu is free.
 * V6 If a listed cell is NIL, its group's bit in table->deleted is set, or will be
 *    before the operation that made it NIL returns.
 */
#ifndef SMAP_INTERNAL_H
#define SMAP_INTERNAL_H

#include "smap_base.h"
#include "smap_probes.h"
#include "smap_smr.h"

#define SMAP_MIN_GROUPS 1		   /* smallest table: 14 entries */
#define SMAP_LOAD(slots) ((slots) / 8 * 7) /* fullest table: 7/8; 14 of a group of 16 */

/*
 * Cells hold values as they come, so the marks are addresses that only we own, with the highest bit
 * set, which no pointer of a program has: readers tell values from marks by their sign first.
 */
extern const char smap_marks[2] SMAP_HIDDEN;
#define SMAP_MARK_BIT (~(UINTPTR_MAX >> 1))
#define SMAP_NIL ((uintptr_t)0)
#define SMAP_EXPUNGED ((uintptr_t)&smap_marks[0] | SMAP_MARK_BIT)
#define SMAP_MOVED ((uintptr_t)&smap_marks[1] | SMAP_MARK_BIT)

typedef SMAP_SHARED uintptr_t smap_cell;

_Static_assert(sizeof(struct smap_slot_u64) == 16, "two words a slot");
_Static_assert(sizeof(struct smap_slot_bytes) == 32, "half a cache line a slot");

struct smap_table;
struct smap_filter;

struct smap_view {
	/* The layout of these four is struct smap_look_view's. */
	void *slots;		    /* = table->slots: a hit needs no load from the table */
	uint64_t capacity;	    /* = groups * SMAP_GROUP */
	uint16_t *overflow;	    /* a word for each group, behind the control bytes */
	SMAP_SHARED uintptr_t more; /* of dirty, Go's `amended` and more; smap_filter.h */
	uint64_t groups;	    /* = table->groups */
	size_t len;		    /* slots listed, deleted ones included: Go's len(m) */
	struct smap_table *table;
	struct smap_node node;
	uint8_t ctrl[] __attribute__((aligned(SMAP_CACHE_LINE)));
};

struct smap_table {
	/*
	 * Where the cells went when this table was closed: set once, before the first
	 * cell becomes MOVED. Written under mu; read by whoever meets MOVED.
	 */
	_Atomic(struct smap_view *) next;
	_Atomic(uint64_t) *deleted; /* a bit per group: may hold NIL cells (V6) */
	size_t growth_left;	    /* EMPTY slots that may still be taken; under mu */
	size_t ahead_at;	    /* growth_left at which the next table is begun: smap_ahead.c */
	size_t passed_by;	    /* slots given back in groups that probes pass; under mu */
	uint64_t limbo_ticket;	    /* grace period after which LIMBO may become DELETED; or ... */
#define SMAP_NO_TICKET UINT64_MAX   /* ... not drawn: read still lists some of them */
	bool has_limbo;
	bool long_keys;	       /* some key stands behind a pointer */
	uint8_t slots_of_line; /* in a cache line */
	uint32_t groups;
	size_t bytes;

	/* For the end: what to free with the slots, see smap_table_free(). */
	struct smap_node node;
	struct smap_view *dead; /* its LIMBO slots (or all, if free_all) own keys to free */
	struct smap_view *read; /* the published view that goes with the table */
	uintptr_t *values;	/* values to free, from Clear */
	size_t value_count;
	bool free_all;

	void *slots;
};

/* What a move to another table needs; `old` while it lasts. */
struct smap_move {
	struct smap_table *table, *old;
	struct smap_view *read, *dirty;
};

#ifdef SMAP_STRESS
#define SMAP_AHEAD_BYTES 1
#define SMAP_AHEAD_PART 2
#else
#define SMAP_AHEAD_BYTES (512 * 1024) /* a smaller table's successor costs less than a rebuild */
#define SMAP_AHEAD_PART 16	      /* of the slots are free when it is begun */
#endif

/* The next table, while its memory is made ready: smap_ahead.c. */
struct smap_ahead {
	struct smap_move move; /* table: NULL = none */
	size_t growth_left;    /* of the map's table when it was begun */
	size_t done, total;    /* bytes that are present, of all blocks */
};

#define SMAP_MEASURED_MISSES 16 /* COST measures one in so many */

/* What the adaptive policies measure. */
struct smap_policy_data {
	uint64_t miss_ns;		       /* COST: what a miss costs, smoothed, times 16 */
	uint64_t rebuild_ns;		       /* COST: what the last rebuild cost ... */
	uint32_t rebuild_groups;	       /* ... of a table of so many groups */
	uint32_t factor;		       /* RW_RATIO: times 2^16 */
	uint64_t sampled_ns, sections, writes; /* RW_RATIO: at the last sample */
};

struct smap {
	union {
		struct smap_state state; /* first: a map's address is its state's */
		char room[SMAP_HOT_OFFSET];
	};

	/* Read by every operation, written by promotions: its own cache line. */
	_Alignas(SMAP_CACHE_LINE) struct smap_hot hot; /* of a layout that callers know */
	void (*value_free)(void *value, void *ctx);
	void *ctx;
	uint64_t (*hash)(const void *key, size_t len, uint64_t seed); /* the option, or NULL */
	bool is_u64;
	uint32_t quick_store; /* as hot.quick, where no value has to be retired */

	/* Under mu. */
	_Alignas(SMAP_CACHE_LINE) pthread_mutex_t mu;
	struct smap_view *dirty;
	struct smap_table *table; /* of dirty, or of read when there is no dirty */
	uint64_t batch_ticks;	  /* when the first miss of state.pending came */
	size_t filter_hint;	  /* keys that the last filter had at its end */
	size_t filter_adds;	  /* keys added since the present one was made */
	struct smap_ahead ahead;
	struct smap_policy_data policy; /* smap_policy.c */
	size_t dirty_only;		/* entries listed in dirty and not in read */

	struct smap *next_map, *prev_map; /* under the registry's lock */

	/* Owned by the reclaimer (smap_reclaim.c), under its lock. */
	struct smap_accounts accounts;
	struct smap_node node;	   /* for smap_destroy */
	_Atomic(bool) has_pending; /* state.pending is not empty; written under mu */

	/* What read is before the first promotion and after Clear: one group, no table. */
	struct smap_empty {
		_Alignas(SMAP_CACHE_LINE) struct smap_view view;
		uint8_t ctrl[SMAP_GROUP];
		uint16_t overflow[1];
	} empty;

	_Alignas(SMAP_CACHE_LINE) struct smap_stripe stripes[SMAP_ALL_STRIPES];
};

_Static_assert(offsetof(struct smap, state) == 0,
	       "probes and the registry pass the state's address");

struct smap_key {
	uint64_t hash;
	uint64_t word[2]; /* as in a slot; for u64 keys word[0] is the key */
	uint64_t len;
	const void *bytes; /* of a key longer than SMAP_INLINE_KEY */
};

#define SMAP_NOT_FOUND ((size_t)-1)

_Static_assert(offsetof(struct smap_view, ctrl) == sizeof(struct smap_view),
	       "the empty view's control bytes follow it");
_Static_assert(offsetof(struct smap, hot) == SMAP_HOT_OFFSET, "callers look for it there");
_Static_assert(sizeof(struct smap_hot) <= SMAP_CACHE_LINE, "one line for a hit");
_Static_assert(offsetof(struct smap_view, ctrl) == SMAP_VIEW_CTRL, "likewise");
_Static_assert(offsetof(struct smap_view, slots) == offsetof(struct smap_look_view, slots) &&
		       offsetof(struct smap_view, capacity) ==
			       offsetof(struct smap_look_view, capacity) &&
		       offsetof(struct smap_view, overflow) ==
			       offsetof(struct smap_look_view, overflow) &&
		       offsetof(struct smap_view, more) == offsetof(struct smap_look_view, more),
	       "callers read views");

/* smap_memory.c */
void *smap_block_alloc(size_t bytes, bool whole) SMAP_HIDDEN;
void smap_block_populate(void *block, size_t bytes, size_t from, size_t to) SMAP_HIDDEN;
void smap_block_free(void *block, size_t bytes) SMAP_HIDDEN;

/* smap_view.c */
void smap_empty_init(struct smap_empty *empty) SMAP_HIDDEN;
struct smap_view *smap_view_alloc(struct smap_table *table, bool now) SMAP_HIDDEN;
void smap_view_free(struct smap_view *view) SMAP_HIDDEN;
struct smap_table *smap_table_alloc(const struct smap *map, size_t entries) SMAP_HIDDEN;
void smap_table_free(struct smap *map, struct smap_table *table) SMAP_HIDDEN;
size_t smap_view_bytes(const struct smap_view *view) SMAP_HIDDEN;
size_t smap_find_on_u64(const struct smap_view *view, size_t group, uint64_t hash,
			uint64_t word) SMAP_HIDDEN;
size_t smap_find_on_bytes(const struct smap_view *view, size_t group, uint64_t hash, uint64_t word0,
			  uint64_t word1, size_t len, const void *bytes) SMAP_HIDDEN;
void smap_view_recycle(const struct smap *map, struct smap_view *view) SMAP_HIDDEN;
void smap_slot_free_key(const struct smap *map, struct smap_table *table, size_t index) SMAP_HIDDEN;
int smap_slot_copy_key(const struct smap_key *key, void **ret_copy) SMAP_HIDDEN;
void smap_slot_key(const struct smap *map, const struct smap_table *table, size_t index,
		   struct smap_key *ret_key) SMAP_HIDDEN;

/* smap_dirty.c and smap_move.c: all with mu held */
void smap_promote_locked(struct smap *map, enum smap_reason reason) SMAP_HIDDEN;
void smap_miss_promotes_locked(struct smap *map) SMAP_HIDDEN;
int smap_insert_locked(struct smap *map, const struct smap_key *key, void *value) SMAP_HIDDEN;
void smap_unexpunge_locked(struct smap *map, size_t index, const struct smap_key *key) SMAP_HIDDEN;
void smap_refresh_locked(struct smap *map) SMAP_HIDDEN;

/* smap_move.c: another table for the same entries */
int smap_move_alloc(const struct smap *map, size_t entries, bool now,
		    struct smap_move *ret_move) SMAP_HIDDEN;
int smap_move_prepare(struct smap *map, struct smap_move *ret_move) SMAP_HIDDEN;
size_t smap_move_listed(const struct smap *map) SMAP_HIDDEN;
size_t smap_move_entries(const struct smap *map, size_t listed) SMAP_HIDDEN;
void smap_move_build(struct smap *map, struct smap_move *move) SMAP_HIDDEN;
void smap_move_finish(struct smap *map, struct smap_move *move) SMAP_HIDDEN;
int smap_clear_locked(struct smap *map, size_t *ret_deleted) SMAP_HIDDEN;

/* smap_ahead.c: memory of the next table, with mu held; drop also when nobody uses the map */
void smap_ahead_step_locked(struct smap *map) SMAP_HIDDEN;
bool smap_ahead_take_locked(struct smap *map, struct smap_move *ret_move) SMAP_HIDDEN;
void smap_ahead_drop(struct smap *map) SMAP_HIDDEN;
size_t smap_ahead_bytes(const struct smap *map) SMAP_HIDDEN;

/* smap_lock.c: the mutex, and what a miss tells those who listen */
struct smap_hold {
	uint64_t wait_ns;
	uint64_t start_ticks; /* smap_clock.h; 0 = nobody wants to know about misses */
};
void smap_lock_contended(struct smap *map, struct smap_hold *hold) SMAP_HIDDEN;
void smap_miss_heard_locked(struct smap *map, const struct smap_hold *hold,
			    uint64_t hash) SMAP_HIDDEN;
void smap_flush_batch_locked(struct smap *map) SMAP_HIDDEN;
bool smap_flush_stale_batches(bool all) SMAP_HIDDEN;
uint64_t smap_start_ticks(void) SMAP_HIDDEN;

/* smap_clock.c: CLOCK_MONOTONIC */
uint64_t smap_now_ns(void) SMAP_HIDDEN;

/* smap_policy.c: all under mu */
void smap_policy_missed(struct smap *map, uint64_t ns) SMAP_HIDDEN;
void smap_policy_rebuilt(struct smap *map, uint64_t ns) SMAP_HIDDEN;
void smap_policy_sample(struct smap *map, uint64_t now) SMAP_HIDDEN;
uint64_t smap_policy_threshold_of(const struct smap *map) SMAP_HIDDEN;

/* smap_registry.c */
void smap_registry_add(struct smap *map) SMAP_HIDDEN;
void smap_registry_remove(struct smap *map) SMAP_HIDDEN;
bool smap_registry_any(bool (*fn)(struct smap *map, void *ctx), void *ctx) SMAP_HIDDEN;
void smap_registry_fork_lock(void) SMAP_HIDDEN;
void smap_registry_fork_unlock(bool is_child) SMAP_HIDDEN;

/* smap_snapshot.c */
void smap_snapshot_forked(struct smap *map) SMAP_HIDDEN;

/* See smap_registry.held_offset: the thread's own stores, which only a tracer looks at. */
extern _Thread_local struct smap_held smap_held SMAP_HIDDEN
	__attribute__((tls_model("initial-exec")));
/*
 * The same under a second name, for the store before an unlock: under one name the compiler keeps
 * where it is over what is done under the mutex, in a register that it saves and restores.
 */
extern _Thread_local struct smap_held smap_held_again SMAP_HIDDEN
	__attribute__((tls_model("initial-exec")));

SMAP_INLINE void smap_set_held(uintptr_t map)
{
#ifdef SMAP_NO_PROBES
	(void)map;
#else
	/* relaxed: owner-only; the kernel looks at it on the same CPU */
	atomic_store_explicit(&smap_held.map, map, memory_order_relaxed);
#endif
}

/* With the frame of the function that this is inlined into. */
SMAP_INLINE void smap_set_held_here(uintptr_t map)
{
#ifndef SMAP_NO_PROBES
	smap_held.frame = (uintptr_t)__builtin_frame_address(0);
	atomic_signal_fence(memory_order_release); /* before `map` says that it is valid */
#endif
	smap_set_held(map);
}

/* For who only looks: its waits are no figure of the map. */
SMAP_INLINE void smap_lock_uncounted(struct smap *map)
{
	smap_set_held_here((uintptr_t)map | SMAP_HELD_WAITS);
	pthread_mutex_lock(&map->mu);
	smap_set_held((uintptr_t)map);
}

/* COST: shall this be measured if it is a miss? Two looks at the clock for each would double it. */
SMAP_INLINE bool smap_policy_measures(const struct smap *map)
{
	return map->state.policy == SMAP_POLICY_COST &&
	       map->state.miss_count % SMAP_MEASURED_MISSES == 0;
}

SMAP_INLINE void smap_lock(struct smap *map, struct smap_hold *hold)
{
	hold->wait_ns = 0;
	if (smap_unlikely(pthread_mutex_trylock(&map->mu) != 0))
		smap_lock_contended(map, hold);
	smap_set_held_here((uintptr_t)map);
	hold->start_ticks = 0;
	if (smap_listening_miss() || smap_unlikely(smap_policy_measures(map)))
		hold->start_ticks = smap_start_ticks();
}

SMAP_INLINE void smap_unlock(struct smap *map)
{
#ifndef SMAP_NO_PROBES
	/* Release: after smap_set_held(), of which the compiler does not know that it is the same */
	atomic_signal_fence(memory_order_release);
	/* relaxed: as there */
	atomic_store_explicit(&smap_held_again.map, 0, memory_order_relaxed);
#endif
	pthread_mutex_unlock(&map->mu);
}

/* Most maps have the default, and most operations under mu ask. */
SMAP_INLINE uint64_t smap_policy_threshold(const struct smap *map)
{
	if (smap_likely(map->state.policy == SMAP_POLICY_GO))
		return map->state.dirty_len;
	return smap_policy_threshold_of(map);
}

SMAP_INLINE struct smap_view *smap_read_view(uintptr_t read)
{
	return (struct smap_view *)read;
}

/* With mu held, or when nobody else uses the map. */
SMAP_INLINE struct smap_view *smap_read_locked(const struct smap *map)
{
	/* relaxed: written under mu */
	return smap_read_view(atomic_load_explicit(&map->hot.read, memory_order_relaxed));
}

/*
 * Bring the derived figures of the state up to date after a change of what dirty lists: all that
 * most operations under mu change.
 */
SMAP_INLINE void smap_refresh_dirty_locked(struct smap *map)
{
	struct smap_state *state = &map->state;

	state->dirty_len = map->dirty ? map->dirty->len : 0;
	/* relaxed: written under mu, which we hold */
	state->amended = atomic_load_explicit(&smap_read_locked(map)->more, memory_order_relaxed) !=
			 SMAP_MORE_NONE;
	state->threshold = smap_policy_threshold(map);
}

/* Has a counter of 16 bits come to its end? */
SMAP_INLINE bool smap_miss_wraps(const struct smap_state *state)
{
	return smap_unlikely(state->miss_count > UINT16_MAX) && state->miss_counter_bits == 16;
}

/* Go's missLocked, with our extras: a narrow counter, and policies. */
SMAP_INLINE void smap_miss_locked(struct smap *map)
{
	struct smap_state *state = &map->state;

	state->counters.misses++;
	state->miss_count++;
	if (smap_unlikely(state->miss_count >= state->threshold) || smap_miss_wraps(state))
		smap_miss_promotes_locked(map);
}

SMAP_INLINE bool smap_is_value(uintptr_t cell)
{
	return cell != SMAP_NIL && cell - SMAP_EXPUNGED >= sizeof(smap_marks);
}

/* Is it the map's empty view, over no table? */
SMAP_INLINE bool smap_is_empty_view(const struct smap_view *view)
{
	return !view->table;
}

SMAP_INLINE smap_cell *slot_cell(void *slots, size_t index, const bool is_u64)
{
	return is_u64 ? &((struct smap_slot_u64 *)slots)[index].cell
		      : &((struct smap_slot_bytes *)slots)[index].cell;
}

SMAP_INLINE smap_cell *smap_slot_cell(const struct smap *map, void *slots, size_t index)
{
	return slot_cell(slots, index, map->is_u64);
}

#endif
