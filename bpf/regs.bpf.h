/* SPDX-License-Identifier: MIT */
/*
 * regs.bpf.h - user registers of a thread that sleeps, without stopping it.
 *
 * When a thread enters the kernel its registers are saved on its kernel stack, and stay there
 * until it returns. User space asks for one thread through an iterator over tasks, unwinds
 * in the thread's memory, and asks again: the same number of context switches says that the
 * thread has not moved. Of a thread that runs, what is saved is old.
 */
#ifndef REGS_BPF_H
#define REGS_BPF_H

#include "common.bpf.h"
#include <bpf/bpf_core_read.h>
#include "follow.bpf.h"

struct seq_file;

struct bpf_iter_meta {
	struct seq_file *seq;
} __attribute__((preserve_access_index));

struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
} __attribute__((preserve_access_index));

/* The kernel's own, whose members have other names than user space's. */
struct pt_regs___kernel {
#if defined(__TARGET_ARCH_x86)
	unsigned long r15, r14, r13, r12, bp, bx, r11, r10, r9, r8, ax, cx, dx, si, di, ip, sp;
#else
	unsigned long long regs[31], sp, pc;
#endif
} __attribute__((preserve_access_index));

struct task_struct___switches {
	unsigned int __state;
	int on_cpu;
	unsigned long nvcsw, nivcsw;
} __attribute__((preserve_access_index));

/* False also where that is not to be known. */
static __always_inline bool on_cpu(const struct task_struct *task)
{
	const struct task_struct___switches *moves = (const void *)task;

	return bpf_core_field_exists(moves->on_cpu) && moves->on_cpu;
}

static __always_inline __u64 times_left(const struct task_struct *task)
{
	const struct task_struct___switches *moves = (const void *)task;

	return moves->nvcsw + moves->nivcsw;
}

/* By DWARF's numbers. */
static __always_inline void regs_fill(struct st_regs *out, const struct pt_regs___kernel *regs)
{
#if defined(__TARGET_ARCH_x86)
	out->reg[0] = regs->ax;
	out->reg[1] = regs->dx;
	out->reg[2] = regs->cx;
	out->reg[3] = regs->bx;
	out->reg[4] = regs->si;
	out->reg[5] = regs->di;
	out->reg[6] = regs->bp;
	out->reg[7] = regs->sp;
	out->reg[8] = regs->r8;
	out->reg[9] = regs->r9;
	out->reg[10] = regs->r10;
	out->reg[11] = regs->r11;
	out->reg[12] = regs->r12;
	out->reg[13] = regs->r13;
	out->reg[14] = regs->r14;
	out->reg[15] = regs->r15;
	out->reg[16] = regs->ip;
#else
#pragma unroll
	for (int i = 0; i < 31; i++)
		out->reg[i] = regs->regs[i];
	out->reg[31] = regs->sp;
	out->reg[32] = regs->pc;
#endif
}

static __always_inline void regs_show(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	const struct task_struct___switches *moves = (const void *)task;
	struct st_regs out = {0};

	if (!task)
		return;
	out.switches = times_left(task);
	out.running = moves->__state == 0 || on_cpu(task);
	regs_fill(&out, (const struct pt_regs___kernel *)bpf_task_pt_regs(task));
	bpf_seq_write(ctx->meta->seq, &out, sizeof(out));
}

#endif
