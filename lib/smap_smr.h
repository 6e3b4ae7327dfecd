/* SPDX-License-Identifier: MIT */
/*
 * smap_smr.h - read sections and deferred reclamation (safe memory reclamation).
 * The model and its proof are at the top of smap_smr.c.
 */
#ifndef SMAP_SMR_H
#define SMAP_SMR_H

#include "smap_base.h"

struct smap;

/* Embedded in what is handed to reclamation, so that handing over needs no memory. */
struct smap_node {
	struct smap_node *next;
	/* Frees the values it has, if any: can be left and begun again, see smap_fork.c. */
	void (*drain)(struct smap *map, struct smap_node *node);
	/* NULL: on the stack of who waits for `done`. */
	void (*free)(struct smap *map, struct smap_node *node);
	struct smap *map;
	uint64_t items; /* what it counts for in retired/reclaimed; 0 = not at all */
	uint64_t since_ns;
	_Atomic(bool) *done; /* told after free; on the stack of who waits; may be NULL */
};

/* Per map, owned by the reclaimer: items collected (next batch) and being waited for. */
struct smap_accounts {
	struct smap *touched_next, *collected_next, *waiting_next;
	bool touched, in_collected;
	uint64_t count;				       /* scratch of one pass */
	uint64_t collected_since_ns, waiting_since_ns; /* oldest item; 0 = none */
};

#define SMAP_SPARE 32
#define SMAP_BAG_ITEMS 126 /* a bag is 2 KiB */

struct smap_item {
	void *value;
	struct smap *map;
};

struct smap_bag {
	struct smap_bag *next;
	uint64_t since_ns;
	uint32_t count, capacity;
	/* Of a thread's own bag, true while it is filled or waits: not to be freed. NULL: heap. */
	_Atomic(bool) *own_busy;
	struct smap_item items[];
};

/* One per thread, reused but never unmapped: readers from outside may follow the chain. */
struct smap_thread {
	struct smap_thread_state state; /* first; seq: see smap_smr.c */
	uint32_t depth;			/* nested smap_read_lock()s; owner-only */
	uint32_t stripe;		/* which smap_stripe it counts in; constant */
	uint64_t outer_seq;		/* what the outermost of them nests in; owner-only */

	/* Retired values; the owner fills, the reclaimer empties, both under lock. */
	_Alignas(64) pthread_mutex_t lock;
	struct smap_bag *bag;	  /* the first has room, the others are full */
	struct smap_bag *reserve; /* empty, for the next commit; owner-only, without the lock */
	uint64_t awaited;	  /* seq that the reclaimer waits to change; reclaimer-only */
	_Atomic(bool) own_busy;
	union { /* for deletes when there is no memory for a bag */
		struct smap_bag own;
		char own_space[sizeof(struct smap_bag) + SMAP_SPARE * sizeof(struct smap_item)];
	};
};

extern _Thread_local bool smap_in_callback SMAP_HIDDEN
	__attribute__((tls_model("initial-exec"))); /* inside value_free */
extern bool smap_fenced_readers SMAP_HIDDEN; /* no membarrier: readers fence; set once at load */
/* A full barrier on all CPUs that run our threads; false if it could not be had. */
bool smap_heavy_barrier(void) SMAP_HIDDEN;

/* fork(): see smap_fork.c. */
extern bool smap_fork_handled SMAP_HIDDEN; /* the handlers are registered; set once at load */
void smap_threads_forked(void) SMAP_HIDDEN;
void smap_reclaim_fork_lock(void) SMAP_HIDDEN;
void smap_reclaim_fork_unlock(bool is_child) SMAP_HIDDEN;
void smap_retire_fork_lock(void) SMAP_HIDDEN;
void smap_retire_fork_unlock(void) SMAP_HIDDEN;
void smap_keeper_fork_lock(void) SMAP_HIDDEN;
void smap_keeper_fork_unlock(bool is_child) SMAP_HIDDEN;

struct smap_thread *smap_first_thread(void) SMAP_HIDDEN;
struct smap_thread *smap_next_thread(const struct smap_thread *thread) SMAP_HIDDEN;
struct smap_thread *smap_enter_slow(uint64_t *ret_seq) SMAP_HIDDEN;

/* What smap_self points to where a thread has no record, or must fence: in a section for ever. */
extern struct smap_thread_state smap_nobody SMAP_HIDDEN;

SMAP_INLINE bool smap_has_record(const struct smap_thread_state *self)
{
	return self != &smap_nobody;
}

/* Enter a read section; see smap_enter_state(). Returns what smap_exit() needs; nests. */
SMAP_INLINE struct smap_thread *smap_enter(uint64_t *ret_seq)
{
	struct smap_thread_state *self = smap_self;

	if (smap_unlikely(!smap_has_record(self)))
		return smap_enter_slow(ret_seq);
	*ret_seq = smap_enter_state(self);
	return (struct smap_thread *)self; /* its first member */
}

SMAP_INLINE void smap_exit(struct smap_thread *self, uint64_t seq)
{
	smap_leave_state(&self->state, seq);
}

/* Start the reclaimer if it does not run. 0, -EAGAIN, -ENOMEM. */
int smap_smr_start(void) SMAP_HIDDEN;

/*
 * Retire a value. begin reserves the place before the value is taken out of the map (0 or
 * -ENOMEM); commit takes the value, or NULL for nothing after all. begin with must =
 * true never fails: at need the thread's own bag serves.
 */
int smap_retire_begin(struct smap_thread *self, bool must) SMAP_HIDDEN;
void smap_retire_commit(struct smap_thread *self, struct smap *map, void *value) SMAP_HIDDEN;

/* Retire something with an embedded node; node->map, free and items are set. */
void smap_retire_node(struct smap_node *node) SMAP_HIDDEN;

/* A ticket is over when a grace period that began after it was drawn has ended. */
uint64_t smap_ticket(void) SMAP_HIDDEN;
bool smap_ticket_over(uint64_t ticket) SMAP_HIDDEN;

/* One step of reclamation, which never waits. True if anything is under way. */
bool smap_reclaim_step(uint64_t *ret_items) SMAP_HIDDEN;
/* Bring the counters of retired items up to date. */
void smap_collect_retired(void) SMAP_HIDDEN;
/* Help the reclaimer until the flag is set; not inside a read section or a callback. */
void smap_wait_for(const _Atomic(bool) *flag) SMAP_HIDDEN;
/* True inside a read section of the caller, or inside value_free. */
bool smap_cannot_wait(void) SMAP_HIDDEN;
/* Let the reclaimer thread look after batches of misses. */
void smap_wake_keeper(void) SMAP_HIDDEN;

#endif
