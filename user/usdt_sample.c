/* SPDX-License-Identifier: MIT */
/*
 * usdt_sample.c - one round over all maps, see usdt_maps.c: what the kernel counted and
 * what the maps say of themselves, one SAMPLE each; and what was lost.
 *
 * Model: with a thousand maps a round is its system calls and the memory that it touches. What
 * the kernel counted comes many maps at a time, and a map is sampled from the buffer where it
 * has come to lie. Invariants:
 *
 * - `info` of a map is as of this round, but for the stamps of its events, which only audits ask
 *   for: they are read when one of them has changed otherwise, and stand as they were if not;
 * - a map is sampled once in a round: from the batch, or after all batches if it was in none;
 * - what was counted is of a later moment than what the map says of itself. The registry was
 *   walked before; where a map has to be looked at again (it was not in the registry, or has
 *   ended), what the batch had is read again, by itself.
 */
#include "audit.h"
#include "usdt.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "usdt.skel.h"
#include "usdt_stacks.h"

#define BATCH 256 /* entries of the kernel's table per system call */
#define STATS_BATCH 64
#define AGREE_TRIES 16

/* Kept from round to round. */
struct usdt_batch {
	struct st_key key[STATS_BATCH];
	struct st_stats stats[STATS_BATCH];
};

int usdt_sample_create(struct usdt *usdt)
{
	usdt->batch = malloc(sizeof(*usdt->batch));
	usdt->per_cpu = calloc((size_t)usdt->cpus, sizeof(*usdt->per_cpu));
	return usdt->batch && usdt->per_cpu ? 0 : -ENOMEM;
}

void usdt_sample_free(struct usdt *usdt)
{
	free(usdt->batch);
	free(usdt->per_cpu);
}

static int begin_round(struct livemap *map, void *ctx)
{
	(void)ctx;
	map->listed = map->state_ok = map->sampled = false;
	return 0;
}

/* What the kernel knows of all maps. */
static int read_infos(struct usdt *usdt)
{
	int fd = bpf_map__fd(usdt->skel->maps.infos);
	struct st_key *keys = malloc(BATCH * sizeof(*keys));
	struct st_info *infos = malloc(BATCH * sizeof(*infos));
	__u32 cursor, cnt;
	bool first = true;
	int err = keys && infos ? 0 : -ENOMEM, end = 0;

	while (!err && !end) {
		cnt = BATCH;
		end = bpf_map_lookup_batch(fd, first ? NULL : &cursor, &cursor, keys, infos, &cnt,
					   NULL);
		if (end && end != -ENOENT)
			break;
		first = false;
		for (__u32 i = 0; i < cnt && !err; i++)
			if (infos[i].first_ns) /* else just being made: next time */
				usdt_found_key(usdt, &keys[i], &infos[i], &err);
	}
	free(keys);
	free(infos);
	return err ? err : end == -ENOENT ? 0 : end;
}

/* Can they say anything that was not read before? Of a stranger that is a matter of time. */
static bool infos_differ(const struct usdt *usdt)
{
	/* Full barrier: pairs with tell_info() in the BPF programs. */
	return __atomic_exchange_n(&usdt->skel->bss->infos_changed, 0, __ATOMIC_SEQ_CST) ||
	       usdt->strangers || usdt->last;
}

void usdt_read_info(const struct usdt *usdt, struct livemap *map)
{
	struct st_info info;

	if (bpf_map_lookup_elem(bpf_map__fd(usdt->skel->maps.infos), &map->key, &info))
		return;
	map->info = info;
	map->has_info = true;
}

void usdt_read_stats(const struct usdt *usdt, const struct st_key *key, struct st_stats *ret_stats)
{
	if (bpf_map_lookup_elem(bpf_map__fd(usdt->skel->maps.stats), key, ret_stats))
		memset(ret_stats, 0, sizeof(*ret_stats)); /* no event of it yet */
}

/* Has the map ended? If not, its state is as of now. */
static bool refresh(struct usdt *usdt, struct livemap *map, const struct usdt_image *in)
{
	struct target_map found;
	int err;

	if (!in || !in->alive || (map->has_info && map->info.destroyed))
		return true;
	if (map->state_ok)
		return false;
	err = target_read_map(in->target, map->key.addr, &found);
	if (err == -EINVAL || (!err && found.state.id != map->key.id))
		return true; /* another thing stands there now */
	if (err == -EFAULT && in->walked)
		return true; /* nothing does: the process has become another program */
	if (err == -ESRCH)
		return false; /* the process ended a moment ago: the next round is its last */
	if (err) {
		usdt->state_unread++;
		return false;
	}
	livemap_saw(map, &found);
	map->state_ok = true;
	return false;
}

void usdt_forget_key(const struct usdt *usdt, const struct st_key *key)
{
	(void)bpf_map_delete_elem(bpf_map__fd(usdt->skel->maps.stats), key);
	(void)bpf_map_delete_elem(bpf_map__fd(usdt->skel->maps.infos), key);
}

static void sample_process(const struct usdt_image *in, struct livemap *map,
			   struct record_sample *sample)
{
	sample->inserts = map->stripes.inserts;
	sample->replaces = map->stripes.replaces;
	sample->deletes = map->stripes.deletes;
	if (in) {
		sample->process_cpu_ns = in->cpu_ns;
		sample->process_sections = in->sections;
		sample->reclaimer_runs = in->reclaimer_runs;
	}
}

/*
 * The last sample of a map that lives on, while it runs: what the kernel counted and what
 * waits in the map's batch have to be of one moment. That cannot be had by stopping
 * anything; but they can be read until they agree. On a map that is too busy for that
 * the last misses, less than a batch, are left out.
 */
static void sample_last(struct usdt *usdt, const struct usdt_image *in, struct livemap *map,
			struct record_sample *sample)
{
	for (int i = 0; i < AGREE_TRIES && map->state_ok; i++) {
		struct st_stats counted;
		struct target_map found;

		usdt_read_stats(usdt, &map->key, &counted);
		usdt_offcpu_sample(usdt, map, &counted);
		if (target_read_map(in->target, map->key.addr, &found) ||
		    found.state.id != map->key.id)
			break;
		livemap_saw(map, &found);
		usdt_read_info(usdt, map);
		livemap_sample(map, &counted, &usdt->shed, usdt->now, sample);
		if (!livemap_listens(map, &usdt->shed, ST_COUNTER_misses) ||
		    livemap_add_pending(map, usdt->skel->bss->each_miss, sample))
			break;
	}
}

/* The last of what is known of a map that has ended: the kernel need not keep it. */
static int end_map(struct usdt *usdt, struct livemap *map)
{
	int err = usdt_stacks_end(usdt, &map->key);

	if (!err)
		err = usdt_audit_map(usdt, map, true);
	if (!err)
		usdt_forget_key(usdt, &map->key);
	return err;
}

/* `counted` as of this round. */
static int sample_map(struct usdt *usdt, struct livemap *map, struct st_stats *counted)
{
	const struct usdt_image *in = usdt_image_of(usdt, map->key.target);
	bool looked_at = map->state_ok;
	struct record record;
	int err = 0;

	map->sampled = true;
	map->ended = refresh(usdt, map, in);
	map->state_ok |= map->final;
	if (map->ended) /* perhaps after its info was read */
		usdt_read_info(usdt, map);
	if (map->ended || !looked_at)
		usdt_read_stats(usdt, &map->key, counted);
	usdt_offcpu_sample(usdt, map, counted);
	livemap_sample(map, counted, &usdt->shed, usdt->now, &record.sample);
	if (usdt->last && !map->ended)
		sample_last(usdt, in, map, &record.sample);
	sample_process(in, map, &record.sample);
	usdt_count_units(usdt, map, &record.sample);
	if (map->state_ok)
		audit_look(map);
	if (map->ended)
		err = end_map(usdt, map);
	return err ? err : usdt_emit(usdt, &record, RECORD_SAMPLE, sizeof(record.sample));
}

/* All maps of which something was counted. */
static int sample_counted(struct usdt *usdt)
{
	int fd = bpf_map__fd(usdt->skel->maps.stats), err = 0, end = 0;
	struct usdt_batch *batch = usdt->batch;
	bool first = true;
	__u32 cursor, cnt;

	while (!err && !end) {
		cnt = STATS_BATCH;
		end = bpf_map_lookup_batch(fd, first ? NULL : &cursor, &cursor, batch->key,
					   batch->stats, &cnt, NULL);
		if (end && end != -ENOENT)
			return end;
		first = false;
		for (__u32 i = 0; i < cnt && !err; i++) {
			struct livemap *map = livemap_find(&usdt->maps, &batch->key[i]);

			if (map && !map->sampled)
				err = sample_map(usdt, map, &batch->stats[i]);
		}
	}
	return err;
}

/* Without info the kernel knew nothing of it when the round began: what there is since can wait. */
static int sample_rest(struct livemap *map, void *ctx)
{
	struct usdt *usdt = ctx;
	struct st_stats counted = {0};

	if (map->sampled)
		return 0;
	if (map->has_info || usdt->last)
		usdt_read_stats(usdt, &map->key, &counted);
	return sample_map(usdt, map, &counted);
}

static int end_stacks(struct livemap *map, void *ctx)
{
	return usdt_stacks_end(ctx, &map->key);
}

static int emit_loss(const struct usdt *usdt, const char *name, const char *help, uint64_t count)
{
	struct record record = {.loss = {.count = count}};

	if (!count)
		return 0; /* the model lists all names from the start */
	snprintf(record.loss.name, sizeof(record.loss.name), "%s", name);
	snprintf(record.loss.help, sizeof(record.loss.help), "%s", help);
	return usdt_emit(usdt, &record, RECORD_LOSS, sizeof(record.loss));
}

static uint64_t read_loss(const struct usdt *usdt, __u32 which)
{
	__u64 sum = 0;

	if (bpf_map_lookup_elem(bpf_map__fd(usdt->skel->maps.losses), &which, usdt->per_cpu))
		return 0;
	for (int cpu = 0; cpu < usdt->cpus; cpu++)
		sum += usdt->per_cpu[cpu];
	return sum;
}

static int emit_losses(const struct usdt *usdt)
{
	static const struct {
		const char *name, *help;
	} kernel[ST_LOSS_COUNT] = {
#define LOSS_ENTRY(name, help) {#name, help},
		ST_LOSSES(LOSS_ENTRY)
#undef LOSS_ENTRY
	};
	int err = 0;

	for (__u32 i = 0; i < ST_LOSS_COUNT && !err; i++)
		err = emit_loss(usdt, kernel[i].name, kernel[i].help, read_loss(usdt, i));
#define USER_LOSS(name, help)                                                                      \
	if (!err)                                                                                  \
		err = emit_loss(usdt, #name, help, usdt->name);
	ST_USER_LOSSES(USER_LOSS)
#undef USER_LOSS
	return err;
}

int usdt_sample(void *ctx, bool last)
{
	struct usdt *usdt = ctx;
	bool differ;
	int err = 0;

	usdt->last = last;
	(void)livemap_each(&usdt->maps, begin_round, NULL);
	for (size_t i = 0; i < usdt->image_cnt && !err; i++) {
		struct usdt_image *in = &usdt->image[i];

		if (in->alive && !target_alive(in->target)) {
			in->alive = false;
			err = usdt_offcpu_tell(usdt, in);
			usdt_offcpu_remove(usdt, in);
		}
		if (!in->alive)
			continue;
		(void)target_cpu_ns(in->target, &in->cpu_ns);
		err = usdt_walk_registries(usdt, in, false);
		if (!err)
			err = usdt_offcpu_tell(usdt, in);
	}
	differ = infos_differ(usdt);
	usdt->strangers = 0;
	if (!err && differ)
		err = read_infos(usdt);
	/* The events of maps that are about to be forgotten. */
	if (!err)
		err = usdt_drain(usdt);
	if (!err && usdt->strangers) { /* the ring had news of their process, or never will */
		usdt->strangers = 0;
		err = read_infos(usdt);
	}
	if (!err && last)
		usdt->state_unread += usdt->strangers;
	if (!err)
		err = usdt_stacks_sample(usdt);
	usdt->now = usdt_now_ns();
	if (!err)
		err = usdt_offcpu_begin(usdt);
	if (!err)
		err = sample_counted(usdt);
	if (!err)
		err = livemap_each(&usdt->maps, sample_rest, usdt);
	usdt_end_round(usdt);
	if (!err && last) {
		usdt_detach(usdt);
		usdt_follow_end(usdt);
		usdt_offcpu_end(usdt);
		err = usdt_stacks_sample(usdt);
		if (!err)
			err = usdt_audit(usdt, true);
		if (!err)
			err = livemap_each(&usdt->maps, end_stacks, usdt);
	}
	return err ? err : emit_losses(usdt);
}
