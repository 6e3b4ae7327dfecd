/* SPDX-License-Identifier: MIT */
/*
 * offcpu_look.bpf.h - who is off the CPU at a mutex already, when the trace begins.
 *
 * A thread that sleeps before sched_switch is traced never leaves its CPU again, and in a
 * process that hangs that is all of them. So each thread of a running process is looked at
 * once, by an iterator over tasks that may read the memory of another process: it is kept
 * as if it had left its CPU now. If it has been on one while it was looked at, what was read
 * may be over: it is forgotten again, and seen when it leaves next.
 *
 * Its stack begins where it went into the kernel, and goes on from the frame that it says.
 */
#ifndef OFFCPU_LOOK_BPF_H
#define OFFCPU_LOOK_BPF_H

#include "offcpu.bpf.h"
#include "regs.bpf.h"

/* Whose threads are looked at, as smaptrace knows the process. */
__u32 look_pid;

static __always_inline __u64 user_ip(struct task_struct *task)
{
	const struct pt_regs___kernel *regs = (const void *)bpf_task_pt_regs(task);

#if defined(__TARGET_ARCH_x86)
	return regs->ip;
#else
	return regs->pc;
#endif
}

static __always_inline long look_walk(struct task_struct *task, struct st_stack *stack, __u64 frame)
{
	struct {
		__u64 next, back;
	} at;
	__u32 i;

	stack->ip[0] = user_ip(task);
	for (i = 1; i < ST_STACK_DEPTH; i++) {
		if (bpf_copy_from_user_task(&at, sizeof(at), (const void *)frame, task, 0) ||
		    !at.back)
			break;
		stack->ip[i] = at.back;
		if (at.next <= frame)
			return (i + 1) * sizeof(stack->ip[0]);
		frame = at.next;
	}
	return i * sizeof(stack->ip[0]);
}

static __always_inline __u64 look_stack(struct task_struct *task, __u32 target, __u64 now,
					__u64 frame)
{
	struct stack_scratch *scratch = stack_scratch_get();
	__u64 id;

	if (!scratch)
		return 0;
	id = stack_finish(&scratch->stack, look_walk(task, &scratch->stack, frame), target, now);
	stack_scratch_put(scratch);
	return id;
}

/* The map whose state is there, in another process. */
static __always_inline bool look_map(struct task_struct *task, const struct st_holder *holder,
				     __u64 addr, struct st_key *ret_key)
{
	struct state_head head;

	if (bpf_copy_from_user_task(&head, __builtin_offsetof(struct state_head, counters),
				    (const void *)addr, task, 0) ||
	    head.magic != SMAP_STATE_MAGIC || head.abi != SMAP_ABI_VERSION || head.self != addr)
		return false;
	*ret_key = (struct st_key){.target = holder->target, .addr = addr, .id = head.id};
	return true;
}

static __always_inline void look_keep(const struct task_struct *task, const struct st_offcpu *start,
				      __u64 left)
{
	__u32 tid = BPF_CORE_READ(task, pid);
	const struct st_offcpu *kept;

	if (bpf_map_update_elem(&offcpu, &tid, start, BPF_NOEXIST))
		return; /* it has left meanwhile */
	__sync_fetch_and_add(&offcpu_now, 1);
	if (times_left(task) == left && !on_cpu(task))
		return;
	kept = bpf_map_lookup_elem(&offcpu, &tid);
	if (kept && kept->start_ns == start->start_ns && !bpf_map_delete_elem(&offcpu, &tid))
		__sync_fetch_and_add(&offcpu_now, -1);
}

static __always_inline bool look_at(struct task_struct *task, const struct st_holder *holder)
{
	__u64 left = times_left(task);
	struct st_offcpu start = {.start_ns = bpf_ktime_get_ns(), .ran_ns = run_time(task)};
	const struct task_struct___switches *moves = (const void *)task;
	__u64 pointer = thread_pointer(task);
	struct smap_held held;

	if (!pointer || !holder->offset ||
	    bpf_copy_from_user_task(&held, sizeof(held), (const void *)(pointer + holder->offset),
				    task, 0) ||
	    !held.map || !look_map(task, holder, held.map & ~(__u64)SMAP_HELD_WAITS, &start.map))
		return false;
	start.kind = offcpu_kind(held.map, moves->__state == TASK_RUNNING);
	if (offcpu_stacks)
		start.stack = look_stack(task, holder->target, start.start_ns, held.frame);
	look_keep(task, &start, left);
	return true;
}

static __always_inline void offcpu_look(struct task_struct *task)
{
	__u32 pid = look_pid;
	const struct st_holders *at = bpf_map_lookup_elem(&holders, &pid);

	if (!at || on_cpu(task))
		return;
	for (__u32 i = 0; i < ST_HOLDERS && i < at->count; i++)
		if (look_at(task, &at->holder[i]))
			return;
}

#endif
