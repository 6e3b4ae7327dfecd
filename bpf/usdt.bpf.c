/* SPDX-License-Identifier: MIT */
/*
 * usdt.bpf.c - one program per probe of the contract (lib/smap_probes.h).
 *
 * By contract the arguments stand in the argument registers, so there are no
 * argument specs to interpret; user space has compared the notes. The attach
 * cookie is the target's index. SEC("uprobe") without a target: user space
 * attaches, and decides how (user/attach.c).
 */
#include "offcpu_look.bpf.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";

#define ARG1 PT_REGS_PARM1(ctx)
#define ARG2 PT_REGS_PARM2(ctx)
#define ARG3 PT_REGS_PARM3(ctx)
#define ARG4 PT_REGS_PARM4(ctx)
#define ARG5 PT_REGS_PARM5(ctx)
/* Debian 12's libbpf has only five of them. */
#if defined(__TARGET_ARCH_x86)
#define ARG6 ((ctx)->r9)
#else
#define ARG6 (((const struct user_pt_regs *)(ctx))->regs[5])
#endif

SEC("uprobe")
int on_map_create(struct pt_regs *ctx)
{
	struct hit hit;
	struct st_event *event;

	if (!hit_begin(&hit, ctx, ARG1, SMAP_PROBE_map_create))
		return 0;
	event = event_begin(&hit, SMAP_PROBE_map_create);
	if (!event)
		return 0;
	event->args[0] = ARG2;
	event_end(event);
	return 0;
}

/* Sum the stripes of a map; they are SMAP_ALL_STRIPES unless the library is newer. */
static __always_inline void sum_stripes(struct st_final *final)
{
	__u32 size = final->state.stripe_size;

	final->inserts = final->replaces = final->deletes = 0;
	for (__u32 i = 0; i < SMAP_ALL_STRIPES && i < final->state.stripe_count; i++) {
		struct smap_stripe stripe;

		if (bpf_probe_read_user(&stripe, sizeof(stripe),
					(const void *)(final->state.stripes + i * size)))
			break;
		final->inserts += stripe.inserts;
		final->replaces += stripe.replaces;
		final->deletes += stripe.deletes;
	}
}

static __always_inline void submit_final(const struct hit *hit)
{
	struct st_final *final = bpf_ringbuf_reserve(&events, sizeof(*final), 0);

	if (!final) {
		lose(ST_LOSS_ring_full);
		return;
	}
	event_fill(&final->event, hit, SMAP_PROBE_map_destroy, sizeof(*final));
	if (bpf_probe_read_user(&final->state, sizeof(final->state), (const void *)hit->key.addr)) {
		lose(ST_LOSS_read_failed);
		bpf_ringbuf_discard(final, 0);
		return;
	}
	sum_stripes(final);
	bpf_ringbuf_submit(final, ring_flags());
}

SEC("uprobe")
int on_map_destroy(struct pt_regs *ctx)
{
	struct hit hit;

	if (!hit_begin(&hit, ctx, ARG1, SMAP_PROBE_map_destroy))
		return 0;
	submit_final(&hit);
	/* Last: who sees this finds the event in the ring. */
	hit.info->destroyed = 1;
	tell_info();
	return 0;
}

/*
 * --exact: may this map's misses be counted from here on? Only when no earlier
 * miss waits in its batch, else the histogram of hold times, which comes by
 * batches, would not add up to the count.
 */
static __always_inline bool batch_aligned(const struct hit *hit)
{
	struct smap_batch pending;
	const void *addr =
		(const void *)(hit->key.addr + __builtin_offsetof(struct smap_state, pending));

	if (bpf_probe_read_user(&pending, sizeof(pending), addr))
		return true;
	return pending.count == 0 ||
	       (pending.count == 1 && pending.misses_total == hit->head.counters.misses);
}

/* --exact only. */
SEC("uprobe")
int on_miss(struct pt_regs *ctx)
{
	struct hit hit;

	if (!hit_begin(&hit, ctx, ARG1, SMAP_PROBE_miss))
		return 0;
	/* Misses before it wait in a batch, which has come to count them: this one, too. */
	if (class_seen(&hit, ST_COUNTER_misses)
		    ? hit.head.counters.misses != hit.info->stamp[ST_COUNTER_misses] + 1
		    : !batch_aligned(&hit))
		return 0;
	count(&hit, ST_COUNTER_misses, 1, hit.head.counters.misses);
	observe(&hit, ST_HIST_miss_wait, ARG6);
	stack_misses(ctx, &hit, true, 1, ARG6);
	return 0;
}

/* How many of a batch's misses have not been counted one by one. False: it is not ours. */
static __always_inline bool batch_fresh(const struct hit *hit, const struct smap_batch *batch,
					__u64 *ret_fresh)
{
	__u64 stamp = hit->info->stamp[ST_COUNTER_misses];

	*ret_fresh = batch->count;
	/* Left by a tracer before us, and misses went by unheard since: no base for us. */
	if (!class_seen(hit, ST_COUNTER_misses))
		return !each_miss && batch->misses_total == hit->head.counters.misses;
	if (batch->misses_total <= stamp)
		*ret_fresh = 0;
	else if (batch->misses_total - stamp < batch->count)
		*ret_fresh = batch->misses_total - stamp;
	return true;
}

SEC("uprobe")
int on_miss_batch(struct pt_regs *ctx)
{
	struct hit hit;
	struct smap_batch batch;
	__u64 fresh;

	if (!hit_begin(&hit, ctx, ARG1, SMAP_PROBE_miss_batch))
		return 0;
	if (bpf_probe_read_user(&batch, sizeof(batch), (const void *)ARG2)) {
		lose(ST_LOSS_read_failed);
		return 0;
	}
	if (!batch_fresh(&hit, &batch, &fresh))
		return 0;
	load_of_cpu()->misses += batch.count;
	if (fresh)
		count(&hit, ST_COUNTER_misses, fresh, batch.misses_total);
	/* Of a batch that was counted in part, which happens once when `miss` is shed, it is
	 * not known which waits are new. */
	if (fresh == batch.count) {
		hit.stats->sum[ST_HIST_miss_wait] += batch.wait_sum_ns;
		observe_bytes(hit.stats->hist[ST_HIST_miss_wait], batch.wait_hist);
		stack_misses(ctx, &hit, batch.by_miss, batch.count,
			     batch.wait_sum_ns + batch.hold_sum_ns);
	}
	hit.stats->sum[ST_HIST_miss_hold] += batch.hold_sum_ns;
	observe_bytes(hit.stats->hist[ST_HIST_miss_hold], batch.hold_hist);
	return 0;
}

SEC("uprobe")
int on_promote(struct pt_regs *ctx)
{
	struct hit hit;
	struct st_event *event;

	if (!hit_begin(&hit, ctx, ARG1, SMAP_PROBE_promote))
		return 0;
	count(&hit, ST_COUNTER_promotions, 1, hit.head.counters.promotions);
	observe(&hit, ST_HIST_promote_misses, ARG4);
	observe(&hit, ST_HIST_promote_entries, ARG3);
	if (hit.info->last_promote_ns)
		observe(&hit, ST_HIST_promote_interval, hit.now - hit.info->last_promote_ns);
	hit.info->last_promote_ns = hit.now;
	stack_add(ctx, &hit, ST_STACK_promote, 1, 0);
	event = event_begin(&hit, SMAP_PROBE_promote);
	if (!event)
		return 0;
	event->args[0] = ARG2;
	event->args[1] = ARG3;
	event->args[2] = ARG4;
	event->args[3] = ARG5;
	event->args[4] = ARG6;
	event_end(event);
	return 0;
}

SEC("uprobe")
int on_rebuild(struct pt_regs *ctx)
{
	struct hit hit;
	struct st_event *event;

	if (!hit_begin(&hit, ctx, ARG1, SMAP_PROBE_rebuild))
		return 0;
	count(&hit, ST_COUNTER_rebuilds, 1, hit.head.counters.rebuilds);
	count(&hit, ST_COUNTER_copied, ARG3, hit.head.counters.copied);
	count(&hit, ST_COUNTER_expunged, ARG4, hit.head.counters.expunged);
	observe(&hit, ST_HIST_rebuild_copied, ARG3);
	observe(&hit, ST_HIST_rebuild_expunged, ARG4);
	observe(&hit, ST_HIST_rebuild_time, ARG5);
	stack_add(ctx, &hit, ST_STACK_rebuild, 1, ARG5);
	event = event_begin(&hit, SMAP_PROBE_rebuild);
	if (!event)
		return 0;
	event->args[0] = ARG2;
	event->args[1] = ARG3;
	event->args[2] = ARG4;
	event->args[3] = ARG5;
	event_end(event);
	return 0;
}

/* --exact only: `rebuild` has the same figure in one hit. */
SEC("uprobe")
int on_expunge(struct pt_regs *ctx)
{
	struct hit hit;

	hit_begin(&hit, ctx, ARG1, SMAP_PROBE_expunge);
	return 0;
}

SEC("uprobe")
int on_overflow(struct pt_regs *ctx)
{
	struct hit hit;
	struct st_event *event;

	if (!hit_begin(&hit, ctx, ARG1, SMAP_PROBE_overflow))
		return 0;
	count(&hit, ST_COUNTER_overflows, 1, hit.head.counters.overflows);
	event = event_begin(&hit, SMAP_PROBE_overflow);
	if (event)
		event_end(event);
	return 0;
}

/*
 * Which waits become events. A thread cannot wait longer than a millisecond more than a
 * thousand times a second, so those all do; of the short ones so many in each slice of
 * time, so that what is shown is spread over it. The maps count all of them.
 */
#define LONG_WAIT_NS 1000000
#define WAIT_SLICE_NS 10000000
#define WAITS_PER_SLICE 100
__u64 wait_slice;
__u32 waits_in_slice;

static __always_inline bool wait_shown(__u64 now, __u64 wait_ns)
{
	__u64 slice = now / WAIT_SLICE_NS;

	if (wait_ns >= LONG_WAIT_NS)
		return true;
	/* A race here costs or gives an event or two. */
	if (wait_slice != slice) {
		wait_slice = slice;
		waits_in_slice = 0;
	}
	return __sync_fetch_and_add(&waits_in_slice, 1) < WAITS_PER_SLICE;
}

/* Not needed for counts: the state page has them, and miss_batch the misses' share. */
SEC("uprobe")
int on_lock_wait(struct pt_regs *ctx)
{
	struct hit hit;
	struct st_event *event;

	if (!hit_begin(&hit, ctx, ARG1, SMAP_PROBE_lock_wait))
		return 0;
	observe(&hit, ST_HIST_lock_wait, ARG2);
	stack_wait(ctx, &hit, ARG2);
	if (!lock_waits || !wait_shown(hit.now, ARG2))
		return 0;
	event = event_begin(&hit, SMAP_PROBE_lock_wait);
	if (!event)
		return 0;
	event->args[0] = ARG2;
	event_end(event);
	return 0;
}

SEC("uprobe")
int on_retire(struct pt_regs *ctx)
{
	struct hit hit;

	if (hit_begin(&hit, ctx, ARG1, SMAP_PROBE_retire))
		count(&hit, ST_COUNTER_retired, ARG2, hit.head.counters.retired);
	return 0;
}

SEC("uprobe")
int on_reclaim(struct pt_regs *ctx)
{
	struct hit hit;

	if (!hit_begin(&hit, ctx, ARG1, SMAP_PROBE_reclaim))
		return 0;
	count(&hit, ST_COUNTER_reclaimed, ARG2, hit.head.counters.reclaimed);
	if (hit.head.counters.reclaimed > hit.head.counters.retired)
		lose(ST_LOSS_unmatched);
	observe(&hit, ST_HIST_reclaim_backlog, ARG3);
	observe(&hit, ST_HIST_reclaim_age, ARG4);
	return 0;
}

SEC("uprobe")
int on_stall(struct pt_regs *ctx)
{
	struct hit hit;
	struct st_event *event;

	if (!hit_begin(&hit, ctx, ARG1, SMAP_PROBE_stall))
		return 0;
	event = event_begin(&hit, SMAP_PROBE_stall);
	if (!event)
		return 0;
	event->args[0] = ARG2;
	event->args[1] = ARG3;
	event_end(event);
	return 0;
}

/* The dynamic linker of a target has mapped or unmapped something: look for libsmap. */
SEC("uprobe")
int on_link_map(struct pt_regs *ctx)
{
	struct st_process *process;
	struct st_event *event;

	if (follow_all) {
		process_look(false);
		return 0;
	}
	if (following) {
		process = process_current();
		if (process)
			process_tell(process);
		return 0;
	}
	event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
	if (!event) {
		lose(ST_LOSS_ring_full);
		return 0;
	}
	__builtin_memset(event, 0, sizeof(*event));
	event->kind = ST_EVENT_LINK_MAP;
	event->size = sizeof(*event);
	event->ts_ns = bpf_ktime_get_ns();
	bpf_ringbuf_submit(event, BPF_RB_FORCE_WAKEUP);
	return 0;
}

SEC("raw_tp/sched_process_fork")
int on_fork(struct bpf_raw_tracepoint_args *ctx)
{
	follow_fork((const struct task_struct *)ctx->args[1]);
	return 0;
}

/* The linker's hook would come later, and not at all for a static program. */
SEC("raw_tp/sched_process_exec")
int on_exec(void *ctx)
{
	follow_exec();
	return 0;
}

SEC("raw_tp/sched_process_exit")
int on_exit(struct bpf_raw_tracepoint_args *ctx)
{
	follow_exit((const struct task_struct *)ctx->args[0]);
	return 0;
}

/* --offcpu only. Arguments: preempt, previous, next, state of the previous task. */
SEC("raw_tp/sched_switch")
int on_switch(struct bpf_raw_tracepoint_args *ctx)
{
	offcpu_leave(ctx, (const struct task_struct *)ctx->args[1],
		     ctx->args[0] || (__u32)ctx->args[3] == TASK_RUNNING);
	offcpu_return((const struct task_struct *)ctx->args[2]);
	return 0;
}

/* Autoloaded where the kernel has BTF. */
SEC("iter/task")
int on_task(struct bpf_iter__task *ctx)
{
	regs_show(ctx);
	return 0;
}

/* --offcpu only, once for each process that runs already: read from user space. */
SEC("iter.s/task")
int on_look(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;

	if (task)
		offcpu_look(task);
	return 0;
}
