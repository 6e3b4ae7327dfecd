/* SPDX-License-Identifier: MIT */
/*
 * offcpu.bpf.h - how long threads are off the CPU at a map's mutex: from sched_switch.
 *
 * MODEL. Each thread of a program with libsmap has a word that says which map's mutex it
 * waits for or holds (struct smap_held, lib/smap_state.h). When a thread leaves its CPU,
 * its word is read in its own address space; if it is not 0, the moment, the map, what the
 * thread was doing and its call stack are kept under the thread's id. When the thread
 * comes back to a CPU, the time between is added to the map's statistics:
 *
 *	offcpu_wait	  it waited for the mutex: asleep, or woken and not running yet
 *	offcpu_preempted  it held the mutex and would have run on, had it been let
 *	offcpu_blocked	  it held the mutex and slept: a page fault, a callback that sleeps
 *
 * Both ends are seen, there is no sampling and nothing is guessed: the sums are exact to
 * the few instructions between the mutex itself and the store of the word. Some tasks are not
 * traced when they leave the CPU (seen in a virtual machine), and with that the return of
 * the one that follows them is missed. It is made up for when that one leaves again: it came
 * back when the time that it has run since says. An interval that has not ended yet is added
 * by user space (usdt_offcpu.c), so that a thread that never gets the mutex is seen, too.
 *
 * Whose threads: `holders`, by process id, written by user space for each process in which it
 * finds libsmap. The thread pointer is the one that the kernel keeps for the thread; the
 * distance of the word from it is read from the registry once it is there.
 *
 * Limits. A thread that is switched out between taking the mutex and its store is not seen.
 * A thread that takes the mutex of a second map inside a hash function of the first one, and
 * gives it back, is not seen for the rest of the first hold. What the word leads to is
 * checked, because a process may have become another program: what is not a map's state is
 * nobody's time.
 *
 * Rejected: to find out who sleeps from the address of the futex (does not tell who holds the
 * mutex), from the owner in pthread_mutex_t (its layout is the C library's, and which of a
 * million mutexes?), from probes at lock and unlock (two traps for each miss).
 */
#ifndef OFFCPU_BPF_H
#define OFFCPU_BPF_H

#include "stack.bpf.h"

#define TASK_RUNNING 0

/* With the thread's call stack, as it left. */
const volatile __u32 offcpu_stacks = 0;

/* By process id, as smaptrace knows it. Sizes of both are set from user space. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct st_holders);
} holders SEC(".maps");

/* By thread id, as the kernel knows it: who is off the CPU at a mutex. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct st_offcpu);
} offcpu SEC(".maps");

/* How many those are, so that most switches need no look at the hash; atomic. */
__u32 offcpu_now;

/* The beginning of a registry: enough to know it. */
struct registry_head {
	__u64 magic;
	__u32 abi;
	__u32 size;
};

static __always_inline __u64 thread_pointer(const struct task_struct *task)
{
#if defined(__TARGET_ARCH_x86)
	return BPF_CORE_READ(task, thread.fsbase);
#else
	return BPF_CORE_READ(task, thread.uw.tp_value);
#endif
}

/* What the current thread says; false: it is at no mutex, or that is not known. */
static __always_inline bool read_held(struct st_holder *holder, __u64 pointer,
				      struct smap_held *held)
{
	const __u32 offset = __builtin_offsetof(struct smap_registry, held_offset);
	struct registry_head head;

	if (!holder->offset) {
		if (bpf_probe_read_user(&head, sizeof(head), (const void *)holder->registry) ||
		    head.magic != SMAP_REGISTRY_MAGIC || head.size < offset + sizeof(__s64) ||
		    bpf_probe_read_user(&holder->offset, sizeof(holder->offset),
					(const void *)(holder->registry + offset)) ||
		    !holder->offset)
			return false;
	}
	return bpf_probe_read_user(held, sizeof(*held), (const void *)(pointer + holder->offset)) ==
		       0 &&
	       held->map;
}

/* The map whose state is there; false: none is. */
static __always_inline bool held_map(struct hit *hit, const struct st_holder *holder, __u64 addr)
{
	const __u32 size = __builtin_offsetof(struct state_head, counters);

	if (bpf_probe_read_user(&hit->head, size, (const void *)addr) ||
	    hit->head.magic != SMAP_STATE_MAGIC || hit->head.abi != SMAP_ABI_VERSION ||
	    hit->head.self != addr)
		return false;
	hit->key.target = holder->target;
	hit->key.reserved = 0;
	hit->key.addr = addr;
	hit->key.id = hit->head.id;
	return true;
}

static __always_inline __u32 offcpu_kind(__u64 word, bool runs)
{
	if (word & SMAP_HELD_WAITS)
		return ST_OFFCPU_wait;
	return runs ? ST_OFFCPU_preempted : ST_OFFCPU_blocked;
}

/* On its CPU for so long in all, as of the switch. */
static __always_inline __u64 run_time(const struct task_struct *task)
{
	return BPF_CORE_READ(task, se.sum_exec_runtime);
}

static __always_inline void offcpu_begin(void *ctx, struct hit *hit, __u32 kind, __u64 ran_ns,
					 __u64 frame)
{
	__u32 tid = (__u32)bpf_get_current_pid_tgid();
	struct st_offcpu start = {
		.map = hit->key, .start_ns = hit->now, .ran_ns = ran_ns, .kind = kind};

	if (offcpu_stacks && !stacks_paused) {
		load_of_cpu()->stacks++;
		start.stack = stack_take(ctx, hit->key.target, hit->now, frame);
	}
	load_of_cpu()->intervals++;
	if (bpf_map_update_elem(&offcpu, &tid, &start, BPF_NOEXIST))
		lose(ST_LOSS_offcpu_full);
	else
		__sync_fetch_and_add(&offcpu_now, 1);
}

static __always_inline void offcpu_observe(struct hit *hit, __u32 kind, __u64 ns)
{
	__u32 hist = ST_HIST_offcpu_wait + kind, slot = st_slot(ns);

	hit->stats = stats_get(hit);
	/* For the verifier: both are in bounds. */
	if (!hit->stats || hist >= ST_HIST_COUNT || slot >= SMAP_HIST_SLOTS)
		return;
	/* Atomic: other threads come back elsewhere, and none of them has the mutex. */
	__sync_fetch_and_add(&hit->stats->sum[hist], ns);
	__sync_fetch_and_add(&hit->stats->hist[hist][slot], 1);
}

/* The thread is back on a CPU, and has run for so long in all. */
static __noinline int offcpu_end(__u32 tid, __u64 ran_ns)
{
	struct st_offcpu *start = bpf_map_lookup_elem(&offcpu, &tid);
	struct hit hit = {};
	__u64 ns, since;

	if (!start || start->kind >= ST_OFFCPU_COUNT)
		return 0;
	hit.now = bpf_ktime_get_ns();
	hit.key = start->map;
	ns = hit.now - start->start_ns;
	since = ran_ns - start->ran_ns; /* 0 unless its return was missed */
	if (since < ns)
		ns -= since;
	__sync_fetch_and_or(&start->ending, 1); /* user space must not add it, too */
	offcpu_observe(&hit, start->kind, ns);
	if (offcpu_stacks)
		stack_count(&hit, ST_STACK_offcpu_wait + start->kind, start->stack, 1, ns);
	bpf_map_delete_elem(&offcpu, &tid);
	__sync_fetch_and_add(&offcpu_now, -1);
	return 0;
}

/* A thread comes to this CPU; it is not the current one yet. */
static __always_inline void offcpu_return(const struct task_struct *task)
{
	if (offcpu_now)
		offcpu_end(BPF_CORE_READ(task, pid), run_time(task));
}

/* The current thread leaves its CPU. `runs`: it would rather not. */
static __always_inline void offcpu_leave(void *ctx, const struct task_struct *task, bool runs)
{
	__u32 pid = current_pid_for_user();
	struct st_holders *at = bpf_map_lookup_elem(&holders, &pid);
	struct hit hit = {};
	__u64 pointer;

	if (!at)
		return;
	load_of_cpu()->looks++;
	__sync_fetch_and_add(&at->looks, 1);
	if (offcpu_now) /* it should not be there: it has been running */
		offcpu_end((__u32)bpf_get_current_pid_tgid(), run_time(task));
	pointer = thread_pointer(task);
	if (!pointer)
		return;
	for (__u32 i = 0; i < ST_HOLDERS && i < at->count; i++) {
		struct smap_held held;

		if (!read_held(&at->holder[i], pointer, &held) ||
		    !held_map(&hit, &at->holder[i], held.map & ~(__u64)SMAP_HELD_WAITS))
			continue;
		hit.now = bpf_ktime_get_ns();
		offcpu_begin(ctx, &hit, offcpu_kind(held.map, runs), run_time(task), held.frame);
		return;
	}
}

#endif
