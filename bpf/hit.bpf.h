/* SPDX-License-Identifier: MIT */
/*
 * hit.bpf.h - the start of a probe hit, counting, histograms and rare events.
 *
 * A hit goes: whose is it, read the head of the map's state page, check it, find or
 * create the map's two entries, count. Only plain BPF that Linux 6.1 accepts.
 *
 * Who writes what, so that plain additions are enough: all events of one map fire
 * under its mutex, but retire, reclaim and stall, which fire one at a time from
 * the reclaimer; the two groups touch different counters and histograms. A
 * handler may be preempted, so nothing is kept in per-CPU scratch memory: `zero`
 * below is read-only. What both groups touch (base_mask, losses) is atomic.
 *
 * Totals without a race: the map raises its counters before a probe fires, so the
 * first event of a class fixes base = counter - own amount, and base + counted is
 * the lifetime total from then on, no matter how late we came. A probe that was shed
 * leaves a gap, which the first event after its return adds to `uncounted`: then base +
 * counted + uncounted is the total. Any other gap is a loss, and user space finds it.
 */
#ifndef HIT_BPF_H
#define HIT_BPF_H

#include "follow.bpf.h"

/* The first 96 bytes of a state page: all that most hits need. */
struct state_head {
	__u64 magic;
	__u32 abi;
	__u32 size;
	__u64 id;
	__u64 self;
	struct smap_counters counters;
};
_Static_assert(sizeof(struct state_head) == __builtin_offsetof(struct smap_state, name),
	       "the head ends where the name begins");

struct hit {
	struct st_key key;
	struct state_head head;
	struct st_info *info;
	struct st_stats *stats;
	__u64 now;
};

/* After the change. */
static __always_inline void tell_info(void)
{
	/*
	 * Full barrier, as every exchange is: pairs with the one in infos_differ(). Who finds
	 * it set reads what was written before.
	 */
	__sync_lock_test_and_set(&infos_changed, 1);
}

/* Too large for the stack beside others: made empty, then filled. Empty until first_ns is set. */
static __always_inline struct st_info *info_create(struct hit *hit)
{
	const void *name = (const void *)(hit->key.addr + sizeof(struct state_head));
	__u32 index = 0;
	void *empty = bpf_map_lookup_elem(&zero, &index);
	struct st_info *info;
	long err;

	if (!empty)
		return NULL;
	err = bpf_map_update_elem(&infos, &hit->key, empty, BPF_NOEXIST);
	/* The reclaimer's events can meet the mutex holder's here. */
	if (err && err != -EEXIST) {
		lose(ST_LOSS_maps_full);
		return NULL;
	}
	info = bpf_map_lookup_elem(&infos, &hit->key);
	if (!info || err)
		return info;
	if (bpf_probe_read_user(info->name, sizeof(info->name), name))
		lose(ST_LOSS_read_failed);
	info->name[SMAP_NAME_LEN - 1] = '\0';
	/* Full barrier: pairs with the look at first_ns in read_infos(). Publishes the name. */
	__sync_fetch_and_add(&info->first_ns, hit->now);
	tell_info();
	return info;
}
_Static_assert(sizeof(struct st_info) <= sizeof(struct st_stats), "`zero` is one, too");

/* The kernel's stock of memory is filled up in the background, as soon as it is empty. */
#define STATS_TRIES 2

static __always_inline struct st_stats *stats_get(struct hit *hit)
{
	struct st_stats *found = bpf_map_lookup_elem(&stats, &hit->key);
	__u32 index = 0;
	struct st_stats *first;
	long err = -ENOMEM;

	if (found)
		return found;
	first = bpf_map_lookup_elem(&zero, &index);
	if (!first)
		return NULL;
	for (int i = 0; i < STATS_TRIES && err == -ENOMEM; i++)
		err = bpf_map_update_elem(&stats, &hit->key, first, BPF_NOEXIST);
	if (err && err != -EEXIST) {
		lose(err == -E2BIG ? ST_LOSS_maps_full : ST_LOSS_stats_full);
		return NULL;
	}
	return bpf_map_lookup_elem(&stats, &hit->key);
}

static __always_inline struct st_load *load_of_cpu(void)
{
	return &load[bpf_get_smp_processor_id() % ST_CPUS];
}

/*
 * False: do not count this hit (a loss has been noted). stats come before info: a
 * map whose statistics could not be made gets no base, so its totals stay right.
 * Of no map is the hit that keeps a place a breakpoint (user/plain.c), of another smaptrace.
 */
static __always_inline bool hit_begin(struct hit *hit, void *ctx, __u64 map, __u32 probe)
{
	if (!map || !follow_target(bpf_get_attach_cookie(ctx), &hit->key.target))
		return false;
	if (hit->key.target != ST_COOKIE_COST && fault(probe))
		return false;
	if (bpf_probe_read_user(&hit->head, sizeof(hit->head), (void *)map)) {
		lose(ST_LOSS_read_failed);
		return false;
	}
	if (hit->head.magic != SMAP_STATE_MAGIC || hit->head.abi != SMAP_ABI_VERSION) {
		lose(ST_LOSS_bad_state);
		return false;
	}
	hit->now = bpf_ktime_get_ns();
	hit->key.reserved = 0;
	hit->key.addr = map;
	hit->key.id = hit->head.id;
	hit->stats = stats_get(hit);
	if (!hit->stats)
		return false;
	hit->info = bpf_map_lookup_elem(&infos, &hit->key);
	if (!hit->info)
		hit->info = info_create(hit);
	if (!hit->info)
		return false;
	hit->info->last_ns = hit->now;
	hit->stats->hits[probe]++;
	load_of_cpu()->hits[probe]++;
	return true;
}

static __always_inline bool class_seen(const struct hit *hit, __u32 counter)
{
	return hit->info->base_mask & 1U << counter;
}

/* `total` is the map's own counter, this event's `amount` included. */
static __always_inline void count(struct hit *hit, __u32 counter, __u64 amount, __u64 total)
{
	struct st_info *info = hit->info;
	bool more = info->generation[counter] != generation[counter];

	if (!class_seen(hit, counter)) {
		info->base[counter] = total - amount;
		__sync_fetch_and_or(&info->base_mask, 1U << counter);
		more = true;
	} else if (total < info->stamp[counter]) {
		lose(ST_LOSS_unmatched);
	} else if (more && total - amount > info->stamp[counter]) {
		info->uncounted[counter] += total - amount - info->stamp[counter];
	}
	info->generation[counter] = generation[counter];
	info->stamp[counter] = total;
	if (more)
		tell_info();
	hit->stats->counted[counter] += amount;
}

static __always_inline void observe(struct hit *hit, __u32 hist, __u64 value)
{
	__u32 slot = st_slot(value);

	hit->stats->sum[hist] += value;
	/* For the verifier: st_slot() has clamped it already. */
	if (slot < SMAP_HIST_SLOTS)
		hit->stats->hist[hist][slot]++;
}

/*
 * Add a histogram of bytes, eight slots at a time; most words are zero. This runs
 * with the map's mutex held, thousands of times a second.
 */
static __always_inline void observe_bytes(__u64 *hist, const __u8 *slots)
{
	const __u64 *words = (const __u64 *)slots;

#pragma unroll
	for (int i = 0; i < SMAP_HIST_SLOTS / 8; i++) {
		__u64 word = words[i];

		if (!word)
			continue;
#pragma unroll
		for (int j = 0; j < 8; j++)
			hist[i * 8 + j] += word >> (8 * j) & 0xff;
	}
}
_Static_assert(SMAP_HIST_SLOTS % 8 == 0, "observe_bytes goes in words");
_Static_assert(__builtin_offsetof(struct smap_batch, wait_hist) % 8 == 0, "aligned words");
_Static_assert(__builtin_offsetof(struct smap_batch, hold_hist) % 8 == 0, "aligned words");

static __always_inline __u64 ring_flags(void)
{
	return bpf_ringbuf_query(&events, BPF_RB_AVAIL_DATA) >= wakeup_bytes ? BPF_RB_FORCE_WAKEUP
									     : BPF_RB_NO_WAKEUP;
}

static __always_inline void event_fill(struct st_event *event, const struct hit *hit, __u32 probe,
				       __u32 size)
{
	__builtin_memset(event, 0, sizeof(*event));
	event->kind = probe;
	event->size = size;
	event->target = hit->key.target;
	event->ts_ns = hit->now;
	event->addr = hit->key.addr;
	event->id = hit->key.id;
	event->tid = current_tid_for_user();
}

/* The record of a rare event; the caller fills args and submits. NULL: lost, and noted. */
static __always_inline struct st_event *event_begin(const struct hit *hit, __u32 probe)
{
	struct st_event *event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);

	if (event)
		event_fill(event, hit, probe, sizeof(*event));
	else
		lose(ST_LOSS_ring_full);
	return event;
}

static __always_inline void event_end(struct st_event *event)
{
	bpf_ringbuf_submit(event, ring_flags());
}

#endif
