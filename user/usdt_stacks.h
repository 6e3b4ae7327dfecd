/* SPDX-License-Identifier: MIT */
/*
 * usdt_stacks.h - private to the usdt backend: call stacks. Without usdt->want_stacks nothing
 * is created, and all of these do nothing. Return 0 or -errno.
 */
#ifndef USDT_STACKS_H
#define USDT_STACKS_H

#include "symbols.h"
#include "usdt.h"

/* Before the load; and after it. */
int usdt_stacks_configure(const struct usdt *usdt);
int usdt_stacks_create(struct usdt *usdt);
void usdt_stacks_free(struct usdt *usdt);

/* A stall event: take the stack of the thread that it names. Before the load: can it be done? */
void usdt_stall_configure(const struct usdt *usdt);
int usdt_stall(struct usdt *usdt, const struct st_event *event);

/* Note what is mapped in a process: best while it stands still. */
void usdt_stacks_look(struct usdt *usdt, const struct target *target);
/* A ring record of kind ST_EVENT_STACK, or a stack that user space took itself. */
int usdt_stacks_event(struct usdt *usdt, const void *data, size_t size);
/* Names that are awaited: *wait_ms, when to look again. */
int usdt_stacks_tick(struct usdt *usdt, int *wait_ms);
/* Are there any of this image? They will be told, so it has to stay as long. */
bool usdt_stacks_wait(const struct usdt *usdt, uint32_t target);
/* Emit counts that have changed. After all maps are known, before ended ones are forgotten. */
int usdt_stacks_sample(struct usdt *usdt);
/* Of this map it was the last time, before its last SAMPLE. */
int usdt_stacks_end(struct usdt *usdt, const struct st_key *map);

/*
 * For what user space saw itself: once more, so long. Nobody else counts it meanwhile. The next
 * sample tells, once there are names.
 */
void usdt_stacks_count(const struct usdt *usdt, const struct st_stack_key *key, uint64_t ns);
/* How to unwind from an address of a process. 0 or as symbols_cfi(). */
int usdt_stacks_cfi(struct usdt *usdt, const struct target *target, uint64_t addr,
		    struct symbol_cfi *ret_cfi);

#endif
