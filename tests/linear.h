/* SPDX-License-Identifier: MIT */
/*
 * linear.h - histories of map operations: recording them, and what each may return.
 *
 * A history is a set of operations, each with the moment before its call and the
 * moment after its return. It is linearizable if every operation can be given one
 * instant between its two moments, all different, so that the sequence obeys the
 * specification in lin_apply(). linear_check.h decides that.
 *
 * Values are numbers here (0 = absent), given out once per map, so that a value
 * says which operation stored it. Range and load_many are recorded as one load per
 * key with the moments of the whole call: that is G4 to the letter. A mapping that
 * Range reports must have held at some instant of the call, and a key that it does
 * not report must have been absent at one (else it was present throughout).
 *
 * Each thread writes a log of its own, allocated beforehand. Moments come from one
 * counter, or from the clock. The counter is relaxed: to ThreadSanitizer it orders
 * nothing, so recording hides no race from it. That it also means "before" and
 * "after" to the processor is lin_moment()'s business.
 */
#ifndef LINEAR_H
#define LINEAR_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LIN_MAX_KEYS 8
#define LIN_PENDING UINT64_MAX /* as ret: has not returned, may have taken effect or not */

/* X(NAME, "name"): what is given and what comes back is in lin_apply(). */
#define LIN_KINDS(X)                                                                               \
	X(LOAD, "Load")                                                                            \
	X(STORE, "Store")                                                                          \
	X(SWAP, "Swap")                                                                            \
	X(LOAD_OR_STORE, "LoadOrStore")                                                            \
	X(LOAD_AND_DELETE, "LoadAndDelete")                                                        \
	X(DELETE, "Delete")                                                                        \
	X(COMPARE_AND_SWAP, "CompareAndSwap")                                                      \
	X(COMPARE_AND_DELETE, "CompareAndDelete")                                                  \
	X(CLEAR, "Clear")                                                                          \
	X(SNAPSHOT, "Snapshot")

enum lin_kind {
#define LIN_ENUM(upper, name) LIN_##upper,
	LIN_KINDS(LIN_ENUM)
#undef LIN_ENUM
		LIN_KIND_COUNT
};

/* What a sequential map holds: the value of each key, 0 = absent. */
struct lin_state {
	uint32_t value[LIN_MAX_KEYS];
};

struct lin_op {
	uint64_t call, ret;
	uint32_t old;	/* CompareAnd...: what it compares with */
	uint32_t value; /* what it stores */
	uint32_t out;	/* what came back: value, previous, actual, deleted; 0 = none */
	bool ok;	/* swapped, deleted, loaded (LoadOrStore) */
	bool ranged;	/* a load that Range or load_many did */
	uint8_t kind, key, thread;
	struct lin_state all; /* Snapshot: what it had */
};

/* --- the specification -------------------------------------------------------- */

/* Do op on a sequential map. False if it could not have returned what it did. */
static inline bool lin_apply(const struct lin_op *op, struct lin_state *state)
{
	uint32_t *cell = &state->value[op->key], was = *cell;
	bool unknown = op->ret == LIN_PENDING, ok = true;

	switch ((enum lin_kind)op->kind) {
	case LIN_LOAD:
		ok = op->out == was;
		break;
	case LIN_STORE:
		*cell = op->value;
		break;
	case LIN_SWAP:
		ok = op->out == was;
		*cell = op->value;
		break;
	case LIN_LOAD_OR_STORE:
		ok = op->ok == (was != 0) && op->out == (was ? was : op->value);
		*cell = was ? was : op->value;
		break;
	case LIN_LOAD_AND_DELETE:
		ok = op->out == was;
		*cell = 0;
		break;
	case LIN_DELETE:
		ok = op->ok == (was != 0);
		*cell = 0;
		break;
	case LIN_COMPARE_AND_SWAP:
	case LIN_COMPARE_AND_DELETE:
		ok = op->ok == (was == op->old);
		if (was == op->old)
			*cell = op->kind == LIN_COMPARE_AND_SWAP ? op->value : 0;
		break;
	case LIN_CLEAR:
		*state = (struct lin_state){{0}};
		break;
	case LIN_SNAPSHOT:
		ok = !memcmp(&op->all, state, sizeof(*state));
		break;
	case LIN_KIND_COUNT:
		return false;
	}
	return ok || unknown;
}

/* Does it change nothing, given what it returned? */
static inline bool lin_only_reads(const struct lin_op *op)
{
	if (op->ret == LIN_PENDING)
		return false;
	switch ((enum lin_kind)op->kind) {
	case LIN_LOAD:
	case LIN_SNAPSHOT:
		return true;
	case LIN_LOAD_OR_STORE:
		return op->ok;
	case LIN_LOAD_AND_DELETE:
		return op->out == 0;
	case LIN_DELETE:
	case LIN_COMPARE_AND_SWAP:
	case LIN_COMPARE_AND_DELETE:
		return !op->ok;
	default:
		return false;
	}
}

static inline void lin_print(FILE *out, const struct lin_op *op)
{
	static const char *const names[] = {
#define LIN_NAME(upper, name) [LIN_##upper] = name,
		LIN_KINDS(LIN_NAME)
#undef LIN_NAME
	};

	fprintf(out, "  thread %u  [%llu, ", op->thread, (unsigned long long)op->call);
	if (op->ret == LIN_PENDING)
		fprintf(out, "...]");
	else
		fprintf(out, "%llu]", (unsigned long long)op->ret);
	fprintf(out, "  %s%s(key %u", names[op->kind], op->ranged ? " by Range or load_many" : "",
		op->key);
	for (unsigned i = 0; op->kind == LIN_SNAPSHOT && i < LIN_MAX_KEYS; i++)
		fprintf(out, " %u", op->all.value[i]);
	if (op->old)
		fprintf(out, ", old %u", op->old);
	if (op->value)
		fprintf(out, ", value %u", op->value);
	fprintf(out, ")");
	if (op->ret == LIN_PENDING)
		fprintf(out, " has not returned\n");
	else
		fprintf(out, " -> %s, out %u\n", op->ok ? "true" : "false", op->out);
}

/* --- recording ---------------------------------------------------------------- */

struct lin_log {
	struct lin_op *ops;
	size_t count, room;
	uint8_t thread;
};

static inline int lin_log_init(struct lin_log *log, unsigned thread, size_t room)
{
	*log = (struct lin_log){.room = room, .thread = (uint8_t)thread};
	log->ops = calloc(room, sizeof(*log->ops));
	return log->ops ? 0 : -1;
}

static _Atomic uint64_t lin_counter;
static bool lin_use_clock; /* set before there are threads */

/*
 * A moment: later ones are larger, or equal when too close to tell. Everything before it in
 * program order is done, nothing after it has begun: on x86 the locked addition sees to that,
 * elsewhere a barrier that sanitizers do not know about.
 */
static inline uint64_t lin_moment(void)
{
	uint64_t moment;
	struct timespec now;

#ifdef __aarch64__
	__asm__ volatile("dmb ish" ::: "memory");
#endif
	if (lin_use_clock) {
		clock_gettime(CLOCK_MONOTONIC, &now);
		moment = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
	} else {
		/* relaxed: counter */
		moment = atomic_fetch_add_explicit(&lin_counter, 1, memory_order_relaxed);
	}
#ifdef __aarch64__
	__asm__ volatile("dmb ish" ::: "memory");
#endif
	__asm__ volatile("" ::: "memory");
	return moment;
}

/* Is there room for n more? */
static inline bool lin_has_room(const struct lin_log *log, size_t n)
{
	return log->count + n <= log->room;
}

/* Begin an operation: the caller does it, fills in the rest, and calls lin_end(). */
static inline struct lin_op *lin_begin(struct lin_log *log, enum lin_kind kind, unsigned key)
{
	struct lin_op *op = &log->ops[log->count++];

	*op = (struct lin_op){.kind = kind, .key = (uint8_t)key, .thread = log->thread};
	op->call = lin_moment();
	return op;
}

static inline void lin_end(struct lin_op *op)
{
	op->ret = lin_moment();
}

#endif
