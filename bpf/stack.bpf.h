/* SPDX-License-Identifier: MIT */
/*
 * stack.bpf.h - user call stacks of events, counted in the kernel.
 *
 * A stack is known by a hash of its target and its addresses. What happened there is added
 * up per map and kind (`stack_counts`); its addresses go to user space once, when the hash is
 * met for the first time, so that symbols can be found while the process lives. Whoever
 * wants stacks of another kind of event adds a word to ST_STACKS and calls stack_add().
 *
 * Rejected: BPF_MAP_TYPE_STACK_TRACE, which loses a stack whose bucket is taken, never
 * forgets one, and tells of it only when asked.
 *
 * Sampling. Misses and waits for the lock can be too many to walk a stack for each. Of a
 * run of events the last one's stack stands for all; how long a run is, is random, around a
 * mean that follows the rate, so that periodic callers do not fool it. Waits that are long
 * are never left out.
 */
#ifndef STACK_BPF_H
#define STACK_BPF_H

#include "hit.bpf.h"

/* Off: nothing of this file is left in the programs. */
const volatile __u32 stacks = 0;
/* Written by user space at any time: no stacks for now. */
__u32 stacks_paused;

/* One map has at most some 1000 sampled stacks per second and kind. */
#define SAMPLE_GAP_NS 1000000
#define SAMPLE_EVERY_MAX (1U << 20)
/* A wait so long is a stack of its own: there cannot be many. */
#define STACK_WAIT_NS 50000

#define SCRATCH_COUNT 64 /* a power of two; more CPUs only try longer */
#define SCRATCH_TRIES 8

/* Memory to walk a stack into. Not per CPU: a program may be preempted meanwhile. */
struct stack_scratch {
	__u32 busy; /* atomic: taken and given back by stack_scratch_get() and _put() */
	__u32 reserved;
	struct st_stack stack;
};

/* Sizes of all are set from user space; 1 without stacks. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SCRATCH_COUNT);
	__type(key, __u32);
	__type(value, struct stack_scratch);
} stack_scratch SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, struct st_stack_key);
	__type(value, struct st_stack_value);
} stack_counts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, struct st_stack_key);
	__type(value, struct st_sampler);
} samplers SEC(".maps");

/* Stacks that user space has been told of. One that is forgotten is told again. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1);
	__type(key, __u64);
	__type(value, __u32);
} stacks_told SEC(".maps");

static __always_inline bool stacks_wanted(void)
{
	return stacks && !stacks_paused;
}

static __always_inline struct stack_scratch *stack_scratch_get(void)
{
	__u32 at = bpf_get_prandom_u32();

	for (int i = 0; i < SCRATCH_TRIES; i++) {
		__u32 index = (at + i) & (SCRATCH_COUNT - 1);
		struct stack_scratch *scratch = bpf_map_lookup_elem(&stack_scratch, &index);

		if (scratch && __sync_val_compare_and_swap(&scratch->busy, 0, 1) == 0)
			return scratch;
	}
	return NULL;
}

static __always_inline void stack_scratch_put(struct stack_scratch *scratch)
{
	__sync_fetch_and_and(&scratch->busy, 0);
}

static __noinline __u64 stack_hash(const struct st_stack *stack)
{
	__u64 hash = 0x9e3779b97f4a7c15ULL ^ stack->target;
	__u32 depth = stack->depth;

	for (__u32 i = 0; i < ST_STACK_DEPTH; i++) {
		if (i >= depth)
			break;
		hash = (hash ^ stack->ip[i]) * 0xff51afd7ed558ccdULL;
		hash ^= hash >> 32;
	}
	return hash ? hash : 1;
}

/* User space gets the addresses; false: it could not, this time. */
static __always_inline bool stack_tell(struct st_stack *stack)
{
	const __u32 head = __builtin_offsetof(struct st_stack, ip);
	__u32 size = head + stack->depth * sizeof(stack->ip[0]), told = 1;

	if (size > sizeof(*stack))
		return false;
	stack->kind = ST_EVENT_STACK;
	stack->size = size;
	if (bpf_ringbuf_output(&events, stack, size, BPF_RB_FORCE_WAKEUP))
		return false;
	(void)bpf_map_update_elem(&stacks_told, &stack->id, &told, BPF_ANY);
	return true;
}

/*
 * The kernel follows frame pointers, and the C library has none: inside it the way out may be
 * lost after the first address. `frame` is one further out that is known to be good: unless
 * the kernel's stack leads there, it goes on from there. What lies between is then missing.
 */
static __noinline long stack_mend(struct st_stack *stack, __u64 frame, __u64 size)
{
	struct {
		__u64 next, back; /* where the frame pointer leads; the return address */
	} at;
	__u32 depth = size / sizeof(stack->ip[0]), i;

	if (bpf_probe_read_user(&at, sizeof(at), (const void *)frame))
		return size;
	for (i = 0; i < ST_STACK_DEPTH && i < depth; i++)
		if (stack->ip[i] == at.back)
			return size;
	for (i = 1; i < ST_STACK_DEPTH; i++) {
		stack->ip[i] = at.back;
		/* A stack grows downwards: what leads elsewhere is no frame pointer. */
		if (at.next <= frame)
			return (i + 1) * sizeof(stack->ip[0]);
		frame = at.next;
		if (bpf_probe_read_user(&at, sizeof(at), (const void *)frame) || !at.back)
			return (i + 1) * sizeof(stack->ip[0]);
	}
	return sizeof(stack->ip);
}

/* What was walked becomes a stack that user space knows: its id, 0 = it could not be told. */
static __always_inline __u64 stack_finish(struct st_stack *stack, long size, __u32 target,
					  __u64 now)
{
	if (size <= 0 || size > (long)sizeof(stack->ip))
		return 0;
	stack->depth = (__u64)size / sizeof(stack->ip[0]);
	stack->target = target;
	stack->ts_ns = now;
	stack->reserved = 0;
	stack->id = stack_hash(stack);
	if (!bpf_map_lookup_elem(&stacks_told, &stack->id) && !stack_tell(stack))
		return 0;
	return stack->id;
}

/*
 * The current thread's user stack: its id, known to user space; 0 = none to be had. `frame`:
 * see stack_mend(), or 0.
 */
static __always_inline __u64 stack_take(void *ctx, __u32 target, __u64 now, __u64 frame)
{
	struct stack_scratch *scratch = stack_scratch_get();
	struct st_stack *stack;
	__u64 id;
	long size;

	if (!scratch)
		return 0;
	stack = &scratch->stack;
	size = bpf_get_stack(ctx, stack->ip, sizeof(stack->ip), BPF_F_USER_STACK);
	if (size > 0 && frame)
		size = stack_mend(stack, frame, size);
	id = stack_finish(stack, size, target, now);
	stack_scratch_put(scratch);
	return id;
}

static __always_inline struct st_stack_value *stack_value(const struct st_stack_key *key)
{
	const struct st_stack_value first = {0};
	struct st_stack_value *value = bpf_map_lookup_elem(&stack_counts, key);

	if (value)
		return value;
	(void)bpf_map_update_elem(&stack_counts, key, &first, BPF_NOEXIST);
	return bpf_map_lookup_elem(&stack_counts, key);
}

/* `count` events at the stack `id`, of which one was looked at. */
static __always_inline void stack_count(const struct hit *hit, __u32 kind, __u64 id, __u64 count,
					__u64 ns)
{
	struct st_stack_key key = {.map = hit->key, .id = id, .kind = kind};
	struct st_stack_value *value = stack_value(&key);

	if (!value && id) { /* too many different ones: together */
		key.id = 0;
		value = stack_value(&key);
	}
	if (!value)
		return;
	__sync_fetch_and_add(&value->count, count);
	__sync_fetch_and_add(&value->ns, ns);
	__sync_fetch_and_add(&value->samples, 1);
}

/* An event of this kind happened here. */
static __always_inline void stack_add(void *ctx, const struct hit *hit, __u32 kind, __u64 count,
				      __u64 ns)
{
	if (!stacks_wanted())
		return;
	load_of_cpu()->stacks++;
	stack_count(hit, kind, stack_take(ctx, hit->key.target, hit->now, 0), count, ns);
}

static __always_inline struct st_sampler *sampler_get(const struct hit *hit, __u32 kind)
{
	const struct st_stack_key key = {.map = hit->key, .kind = kind};
	const struct st_sampler first = {.every = 1};
	struct st_sampler *sampler = bpf_map_lookup_elem(&samplers, &key);

	if (sampler)
		return sampler;
	(void)bpf_map_update_elem(&samplers, &key, &first, BPF_NOEXIST);
	return bpf_map_lookup_elem(&samplers, &key);
}

/* How many events go by until the next sample: twice as long a run when they come too fast. */
static __always_inline void sampler_restart(struct st_sampler *sampler, __u64 now)
{
	__u64 gap = now - sampler->last_ns;

	if (gap < SAMPLE_GAP_NS && sampler->every < SAMPLE_EVERY_MAX)
		sampler->every *= 2;
	else if (gap > 4 * SAMPLE_GAP_NS && sampler->every > 1)
		sampler->every /= 2;
	sampler->last_ns = now;
	sampler->run_count = sampler->run_ns = 0;
	sampler->left = 0;
	if (sampler->every > 1)
		sampler->left = bpf_get_prandom_u32() & (2 * sampler->every - 1);
}

/*
 * Add to the run; true: this one is the sample. `here`: the current thread did it. Called
 * with the map's mutex held.
 */
static __always_inline bool sampler_step(struct st_sampler *sampler, bool here, __u64 count,
					 __u64 ns)
{
	sampler->run_count += count;
	sampler->run_ns += ns;
	if (sampler->left) {
		sampler->left--;
		return false;
	}
	return here;
}

/* A batch of misses; the stack is that of the last one. */
static __always_inline void stack_misses(void *ctx, const struct hit *hit, bool here, __u64 count,
					 __u64 ns)
{
	struct st_sampler *sampler;

	if (!stacks_wanted())
		return;
	sampler = sampler_get(hit, ST_STACK_miss);
	if (!sampler || !sampler_step(sampler, here, count, ns))
		return;
	stack_add(ctx, hit, ST_STACK_miss, sampler->run_count, sampler->run_ns);
	sampler_restart(sampler, hit->now);
}

/* A sampled wait stands for the run's number, each as long as itself. */
static __always_inline void stack_wait(void *ctx, const struct hit *hit, __u64 ns)
{
	struct st_sampler *sampler;
	__u64 count = 1;

	if (!stacks_wanted())
		return;
	if (ns < STACK_WAIT_NS) {
		sampler = sampler_get(hit, ST_STACK_lock_wait);
		if (!sampler || !sampler_step(sampler, true, 1, ns))
			return;
		count = sampler->run_count;
		sampler_restart(sampler, hit->now);
	}
	stack_add(ctx, hit, ST_STACK_lock_wait, count, ns * count);
}

#endif
