/* SPDX-License-Identifier: MIT */
/*
 * usdt_offcpu.c - the usdt backend's part in `--offcpu`: whose threads are looked at, and
 * what has not ended yet. The model is at the top of bpf/offcpu.bpf.h.
 *
 * The kernel adds an interval to a map's statistics when it ends. One that lasts longer than
 * a window, or for ever, would come late or never: what has passed of it is added to
 * the sample. Sums of samples must not fall, so that an interval may be added only if it
 * had not ended when the statistics were read: they are read again until that is so.
 */
#include "usdt.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/membarrier.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "log.h"
#include "procfs.h"
#include "usdt.skel.h"
#include "usdt_stacks.h"

#define THREADS_MAX 16384 /* off the CPU at a mutex at once */
#define PROCESSES_MAX 16384
#define AGREE_TRIES 64
#define BATCH 256

int usdt_offcpu_configure(const struct usdt *usdt)
{
	struct usdt_bpf *skel = usdt->skel;
	int err = bpf_program__set_autoload(skel->progs.on_switch, usdt->offcpu);

	if (!err)
		err = bpf_program__set_autoload(skel->progs.on_look, usdt->offcpu);
	skel->rodata->offcpu_stacks = usdt->offcpu;
	if (!err && usdt->offcpu)
		err = bpf_map__set_max_entries(skel->maps.holders, PROCESSES_MAX);
	if (!err && usdt->offcpu)
		err = bpf_map__set_max_entries(skel->maps.offcpu, THREADS_MAX);
	return err;
}

int usdt_offcpu_attach(struct usdt *usdt)
{
	return usdt->offcpu ? attach_add_auto(&usdt->switches, usdt->skel->progs.on_switch) : 0;
}

/* --- whose threads ------------------------------------------------------------------- */

/* The distance to a thread's word, if the library has been initialised; else 0. */
static int64_t held_offset(const struct target *target, uint64_t registry)
{
	struct smap_registry is;

	if (target_read(target, registry, &is, sizeof(is)) || is.magic != SMAP_REGISTRY_MAGIC ||
	    is.size < offsetof(struct smap_registry, held_offset) + sizeof(is.held_offset))
		return 0;
	return is.held_offset;
}

static void add_holder(struct st_holders *at, const struct usdt_image *in, uint64_t registry)
{
	for (unsigned i = 0; i < at->count; i++)
		if (at->holder[i].registry == registry && at->holder[i].target == in->key)
			return;
	if (at->count < ST_HOLDERS)
		at->holder[at->count++] = (struct st_holder){
			.registry = registry,
			.offset = held_offset(in->target, registry),
			.target = in->key,
		};
	else
		log_warn("more than %d copies of libsmap in a process: threads off the CPU are "
			 "seen in the first only",
			 ST_HOLDERS);
}

/* Those of its threads that are off the CPU already. Best effort: the others are seen anyway. */
static int look(const struct usdt *usdt, __u32 pid)
{
	union bpf_iter_link_info info = {.task.pid = pid};
	LIBBPF_OPTS(bpf_iter_attach_opts, opts, .link_info = &info, .link_info_len = sizeof(info));
	struct bpf_link *link = bpf_program__attach_iter(usdt->skel->progs.on_look, &opts);
	char nothing[64];
	int fd, err = 0;

	if (!link)
		return -errno;
	usdt->skel->bss->look_pid = pid;
	fd = bpf_iter_create(bpf_link__fd(link));
	if (fd < 0)
		err = fd;
	while (!err && read(fd, nothing, sizeof(nothing)) > 0)
		;
	if (fd >= 0)
		close(fd);
	bpf_link__destroy(link);
	return err;
}

/* All images of the process, so that an exec leaves nothing of the program before. */
void usdt_offcpu_add(struct usdt *usdt, const struct usdt_image *added)
{
	int fd = bpf_map__fd(usdt->skel->maps.holders);
	__u32 pid = (__u32)added->target->pid;
	struct st_holders at = {0}, before;

	if (!usdt->offcpu)
		return;
	if (!bpf_map_lookup_elem(fd, &pid, &before))
		at.looks = before.looks;
	for (size_t i = 0; i < usdt->image_cnt; i++) {
		const struct usdt_image *in = &usdt->image[i];

		if (in->target != added->target)
			continue;
		for (size_t j = 0; j < in->image->registry_cnt; j++)
			add_holder(&at, in, in->image->registry[j]);
	}
	if (bpf_map_update_elem(fd, &pid, &at, BPF_ANY))
		log_warn("too many processes: threads off the CPU are not seen in process %u", pid);
	else if ((!usdt->following || usdt->all) && look(usdt, pid)) /* else it has only begun */
		log_debug("cannot look at the threads of process %u", pid);
}

/* Another process may get its id, and the program that it has become has it already. */
void usdt_offcpu_remove(struct usdt *usdt, const struct usdt_image *in)
{
	__u32 pid = (__u32)in->target->pid;

	for (size_t i = 0; usdt->offcpu && i < usdt->image_cnt; i++) {
		const struct target *other = usdt->image[i].target;

		if (other != in->target && other->pid == in->target->pid && target_alive(other))
			return;
	}
	if (usdt->offcpu)
		(void)bpf_map_delete_elem(bpf_map__fd(usdt->skel->maps.holders), &pid);
}

/* --- what has not ended -------------------------------------------------------------- */

static int add_open(struct usdt *usdt, const __u32 *tids, const struct st_offcpu *starts, __u32 cnt)
{
	struct usdt_open *grown;

	if (!cnt)
		return 0;
	grown = realloc(usdt->open, (usdt->open_cnt + cnt) * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	usdt->open = grown;
	for (__u32 i = 0; i < cnt; i++)
		grown[usdt->open_cnt++] = (struct usdt_open){.tid = tids[i], .start = starts[i]};
	return 0;
}

/*
 * Before the maps of a round are sampled. In batches: going from key to key begins anew when
 * that one has been deleted, and what had been read before would count twice.
 */
int usdt_offcpu_begin(struct usdt *usdt)
{
	static struct st_offcpu starts[BATCH];
	static __u32 tids[BATCH];
	__u32 cursor, cnt;
	bool first = true;
	int err = 0, end = usdt->offcpu ? 0 : -ENOENT;

	usdt->open_cnt = 0;
	while (!err && !end) {
		cnt = BATCH;
		end = bpf_map_lookup_batch(bpf_map__fd(usdt->skel->maps.offcpu),
					   first ? NULL : &cursor, &cursor, tids, starts, &cnt,
					   NULL);
		if (end && end != -ENOENT)
			break;
		first = false;
		err = add_open(usdt, tids, starts, cnt);
	}
	return err ? err : end == -ENOENT ? 0 : end;
}

static bool is_open(const struct usdt *usdt, const struct usdt_open *open, bool *ret_ending)
{
	struct st_offcpu now;

	if (bpf_map_lookup_elem(bpf_map__fd(usdt->skel->maps.offcpu), &open->tid, &now) ||
	    now.start_ns != open->start.start_ns)
		return false;
	*ret_ending |= now.ending;
	return !now.ending;
}

/* False: one that was open has ended meanwhile; read the statistics again. */
static bool add_all_open(struct usdt *usdt, const struct st_key *key, uint64_t *sum)
{
	bool agree = true, ending = false;

	for (size_t i = 0; i < usdt->open_cnt; i++) {
		struct usdt_open *open = &usdt->open[i];
		uint64_t start = open->start.start_ns;

		if (open->closed || memcmp(&open->start.map, key, sizeof(*key)) != 0)
			continue;
		if (is_open(usdt, open, &ending)) {
			if (usdt->now > start && open->start.kind < ST_OFFCPU_COUNT)
				sum[open->start.kind] += usdt->now - start;
			continue;
		}
		open->closed = !ending;
		agree = false;
	}
	return agree;
}

void usdt_offcpu_sample(struct usdt *usdt, const struct livemap *map, struct st_stats *counted)
{
	uint64_t sum[ST_OFFCPU_COUNT];

	for (int i = 0; i < AGREE_TRIES; i++) {
		memcpy(sum, map->given_up, sizeof(sum));
		if (add_all_open(usdt, &map->key, sum))
			break;
		usdt_read_stats(usdt, &map->key, counted);
	}
	for (unsigned kind = 0; kind < ST_OFFCPU_COUNT; kind++)
		counted->sum[ST_HIST_offcpu_wait + kind] += sum[kind];
}

/* The stack of what will not end any more for us, after so long. */
static void count_stack(const struct usdt *usdt, const struct st_offcpu *start, uint64_t ns)
{
	const struct st_stack_key key = {
		.map = start->map,
		.id = start->stack,
		.kind = ST_STACK_offcpu_wait + start->kind,
	};

	usdt_stacks_count(usdt, &key, ns);
}

/* After the detach: the stacks of what had not ended by then. */
void usdt_offcpu_end(struct usdt *usdt)
{
	for (size_t i = 0; i < usdt->open_cnt; i++) {
		const struct st_offcpu *start = &usdt->open[i].start;
		bool ending = false;

		if (usdt->now > start->start_ns && start->kind < ST_OFFCPU_COUNT &&
		    is_open(usdt, &usdt->open[i], &ending))
			count_stack(usdt, start, usdt->now - start->start_ns);
	}
}

/* --- shedding ------------------------------------------------------------------------ */

/* Nobody sees it end: what has passed of it has been in samples, and stays. */
static void give_up(struct usdt *usdt, const struct usdt_open *open)
{
	const struct st_offcpu *start = &open->start;
	struct livemap *map = livemap_find(&usdt->maps, &start->map);
	int fd = bpf_map__fd(usdt->skel->maps.offcpu);
	bool ending = false;

	if (!is_open(usdt, open, &ending) || bpf_map_delete_elem(fd, &open->tid))
		return; /* the program has counted it */
	if (!map || usdt->now <= start->start_ns || start->kind >= ST_OFFCPU_COUNT)
		return;
	map->given_up[start->kind] += usdt->now - start->start_ns;
	count_stack(usdt, start, usdt->now - start->start_ns);
}

static int stop_looking(struct usdt *usdt)
{
	int err;

	attach_remove_all(&usdt->switches);
	/* Programs that run still have the table's entries in their hands: until none does. */
	(void)syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0);
	usdt->now = usdt_now_ns();
	err = usdt_offcpu_begin(usdt);
	for (size_t i = 0; i < usdt->open_cnt; i++)
		give_up(usdt, &usdt->open[i]);
	usdt->open_cnt = 0;
	usdt->skel->bss->offcpu_now = 0;
	return err;
}

static bool is_first(const struct usdt *usdt, size_t i)
{
	const struct usdt_image *in = &usdt->image[i];

	return in->alive && (!i || usdt->image[i - 1].target != in->target);
}

int usdt_offcpu_switch(struct usdt *usdt, bool on)
{
	int err;

	if (!usdt->offcpu || on == (usdt->switches.cnt > 0))
		return 0;
	if (!on)
		return stop_looking(usdt);
	err = usdt_offcpu_attach(usdt);
	if (err)
		usdt->offcpu = false; /* else it would be tried, and told of, again and again */
	for (size_t i = 0; i < usdt->image_cnt && !err; i++)
		if (is_first(usdt, i) && look(usdt, (__u32)usdt->image[i].target->pid))
			log_debug("cannot look at the threads of process %d",
				  (int)usdt->image[i].target->pid);
	return err;
}

uint64_t usdt_offcpu_missed(const struct usdt *usdt)
{
	uint64_t sum = 0, count;

	for (size_t i = 0; i < usdt->image_cnt; i++)
		if (is_first(usdt, i) && !procfs_switches(usdt->image[i].target->pid, &count))
			sum += count;
	return sum;
}

/* --- what it takes ------------------------------------------------------------------- */

int usdt_offcpu_tell(const struct usdt *usdt, const struct usdt_image *in)
{
	struct record record = {
		.looks = {.target = in->key,
			  .look_ns = (__u64)(usdt->price.look + 0.5),
			  .interval_ns = (__u64)(usdt->price.interval + 0.5)},
	};
	__u32 pid = (__u32)in->target->pid;
	struct st_holders at;

	if (!usdt->offcpu ||
	    bpf_map_lookup_elem(bpf_map__fd(usdt->skel->maps.holders), &pid, &at) || !at.looks)
		return 0;
	record.looks.count = at.looks;
	return usdt_emit(usdt, &record, RECORD_LOOKS, sizeof(record.looks));
}
