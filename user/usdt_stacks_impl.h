/* SPDX-License-Identifier: MIT */
/*
 * usdt_stacks_impl.h - shared by usdt_stacks.c (stacks), usdt_stack_counts.c (what happened
 * at them) and usdt_stack_names.c (what is mapped where, frames and their names).
 */
#ifndef USDT_STACKS_IMPL_H
#define USDT_STACKS_IMPL_H

#include "usdt_stacks.h"

#define NO_STACK UINT32_MAX
#define STACKS_BATCH 256	 /* entries of the kernel's table per system call */
#define STACKS_COUNTED_MIN 65536 /* so many counts are kept before those of ended maps go */
#define STACKS_PATIENCE_MS 20	 /* how long names may keep the trace from going on, in one turn */

/* What is mapped in one process. */
struct process_space {
	const struct target *target;
	struct space *space;
	bool seen;  /* looked at least once */
	bool ended; /* in the round before: what was in the ring has been read since */
};

/* An address that has been named. */
struct place {
	uint32_t module;
	uint32_t cnt;
	uint64_t offset;
	uint32_t frame[SYMBOLS_MAX];
};

/* A stack of the kernel's. */
struct known {
	uint64_t id;
	uint32_t target;
	uint32_t stack; /* index in the stream; NO_STACK: its process is not known yet */
	uint32_t depth;
	uint64_t *ip; /* of such a one; else NULL */
	bool queued;  /* its names have been asked for */
};

/* A stack that waits for its names. Its process may have gone, so places stand for addresses. */
struct waiting {
	struct waiting *next;
	uint64_t id; /* of struct known */
	uint32_t target;
	uint32_t depth;
	struct space_place place[];
};

/*
 * What has happened so far: at a stack of the kernel's as it was read last, or (key.reserved 1,
 * key.id the index of a stack of the stream) as it was said last. Several of the first can be
 * one of the second.
 */
struct counted {
	struct st_stack_key key;
	struct st_stack_value value;
};

struct usdt_stacks {
	struct symbols *symbols;
	struct process_space *space;
	size_t space_cnt;
	/* Search trees: of struct place, known, counted; and stacks of the stream, by frames. */
	void *places, *known, *counted, *lists;
	size_t known_cnt, counted_cnt, counted_max;
	uint32_t frame_cnt, stack_cnt;
	struct waiting *first, **last; /* a queue: only the first is asked about */
	size_t waiting_cnt;
	bool over;		   /* the last names have been waited for */
	struct st_stack_key *keys; /* STACKS_BATCH of each */
	struct st_stack_value *values;
};

/* Find or add a copy of *like in a tree of search.h; NULL: no memory. */
void *usdt_stacks_tree_get(void **root, const void *like, size_t size,
			   int (*compare)(const void *, const void *), bool *ret_new);
/* Name those that wait, as far as the answers come in this time. */
int usdt_stacks_pump(struct usdt *usdt, int ms);
/* The index of what stands for all events without a stack. */
int usdt_stacks_none(struct usdt *usdt, uint32_t target, uint32_t *ret_stack);
/* Of a stack of the kernel's; NO_STACK: it has none, or (known->ip, known->queued) not yet. */
int usdt_stacks_of(struct usdt *usdt, const struct st_stack_key *key, struct known **ret_known,
		   uint32_t *ret_stack);
/* Processes that have ended need no names any more. */
void usdt_stacks_drop_ended(struct usdt *usdt);
/* What is where these addresses lead, as of now, and how many of them do. 0 or -errno. */
int usdt_stacks_locate(struct usdt *usdt, const struct target *target, const uint64_t *ip,
		       uint32_t *depth, struct space_place *ret_places);
/* The frames of these places, emitted if they are new. 0, -EAGAIN (symbols.h) or -errno. */
int usdt_stacks_name(struct usdt *usdt, const struct space_place *places, uint32_t depth,
		     struct record_stack *stack);

#endif
