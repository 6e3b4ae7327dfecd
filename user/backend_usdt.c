/* SPDX-License-Identifier: MIT */
/*
 * backend_usdt.c - libsmap's own probes, through BPF programs.
 *
 * The kernel counts (bpf/usdt.bpf.c); once per window this file adds up what it
 * counted per CPU and puts beside it what the maps' state pages say. Maps are
 * found in two ways that cover each other: the registry in the process's memory,
 * also for maps without events, and the kernel's table, also for maps that are
 * gone already.
 *
 * A window: is the process alive? -> registries -> kernel's table -> one sample
 * per map. Asking for life first makes the last sample complete: after its end
 * a process fires nothing.
 */
#include "backend.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "attach.h"
#include "livemap.h"
#include "log.h"
#include "usdt.skel.h"

#define MAX_MAPS_DEFAULT 65536
#define RING_BYTES_DEFAULT (1U << 20)
#define WAKEUP_SHARE 4 /* wake when a quarter of the ring is full */
#define BATCH 256      /* entries of the kernel's table per system call */
#define TORN_TRIES 8

struct usdt_image {
	const struct target *target;
	const struct target_image *image;
	/* As of this round. */
	bool alive;
	uint64_t cpu_ns;
	uint64_t sections;
};

struct usdt {
	struct usdt_bpf *skel;
	struct record_sink sink;
	struct ring_buffer *ring;
	enum attach_way way;
	struct attach_set attached;
	bool exact, changed, last;
	unsigned max_maps;
	int cpus;
	struct st_stats *per_cpu; /* cpus of them: one lookup */
	struct usdt_image *image;
	size_t image_cnt;
	struct livemaps maps;
	uint64_t now;
	uint64_t audit, state_unread; /* our own losses */
};

/* Which programs, for which probe, and whether only --exact wants it. */
enum { ALWAYS, EXACT };
#define USDT_PROBES(X)                                                                             \
	X(map_create, ALWAYS)                                                                      \
	X(map_destroy, ALWAYS)                                                                     \
	X(promote, ALWAYS)                                                                         \
	X(rebuild, ALWAYS)                                                                         \
	X(overflow, ALWAYS)                                                                        \
	X(retire, ALWAYS)                                                                          \
	X(reclaim, ALWAYS)                                                                         \
	X(stall, ALWAYS)                                                                           \
	X(miss_batch, ALWAYS) /* before miss: see batch_aligned() */                               \
	X(miss, EXACT)                                                                             \
	X(expunge, EXACT)                                                                          \
	X(lock_wait, EXACT)

struct usdt_prog {
	unsigned probe;
	int when;
	struct bpf_program *prog;
};

#define USDT_PROG_CNT SMAP_PROBE_COUNT

static void list_progs(const struct usdt_bpf *skel, struct usdt_prog *list)
{
	const struct usdt_prog progs[USDT_PROG_CNT] = {
#define USDT_ENTRY(name, when) {SMAP_PROBE_##name, when, skel->progs.on_##name},
		USDT_PROBES(USDT_ENTRY)
#undef USDT_ENTRY
	};

	memcpy(list, progs, sizeof(progs));
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static int emit(const struct usdt *usdt, struct record *record, unsigned kind, size_t size)
{
	record->kind = kind;
	record->size = (__u32)(offsetof(struct record, target) + size);
	return usdt->sink.emit(usdt->sink.ctx, record);
}

/* --- loading ---------------------------------------------------------------- */

static int libbpf_log(enum libbpf_print_level level, const char *fmt, va_list args)
{
	char line[1024];

	if (!log_verbose || level == LIBBPF_DEBUG)
		return 0;
	vsnprintf(line, sizeof(line), fmt, args);
	line[strcspn(line, "\n")] = '\0';
	log_debug("%s", line);
	return 0;
}

static unsigned round_ring(unsigned bytes)
{
	unsigned size = (unsigned)sysconf(_SC_PAGESIZE);

	while (size < bytes && size < 1U << 30)
		size *= 2;
	return size;
}

static int configure(struct usdt *usdt, const struct session_options *opts)
{
	unsigned ring_bytes = round_ring(opts->ring_bytes ? opts->ring_bytes : RING_BYTES_DEFAULT);
	struct usdt_prog progs[USDT_PROG_CNT];
	struct usdt_bpf *skel = usdt->skel;
	int err;

	usdt->max_maps = opts->max_maps ? opts->max_maps : MAX_MAPS_DEFAULT;
	usdt->exact = opts->exact;
	skel->rodata->exact = opts->exact;
	skel->rodata->wakeup_bytes = ring_bytes / WAKEUP_SHARE;
	err = bpf_map__set_max_entries(skel->maps.infos, usdt->max_maps);
	if (!err)
		err = bpf_map__set_max_entries(skel->maps.stats, usdt->max_maps);
	if (!err)
		err = bpf_map__set_max_entries(skel->maps.events, ring_bytes);
	if (!err)
		err = attach_prepare(skel->progs.on_link_map, usdt->way);
	list_progs(skel, progs);
	for (unsigned i = 0; i < USDT_PROG_CNT && !err; i++) {
		err = attach_prepare(progs[i].prog, usdt->way);
		if (!err)
			err = bpf_program__set_autoload(progs[i].prog,
							progs[i].when == ALWAYS || opts->exact);
	}
	return err;
}

static int load_failed(int err)
{
	log_err(err, "cannot load the BPF programs");
	if (err == -EPERM || err == -EACCES)
		log_hint("tracing needs root, or CAP_BPF and CAP_PERFMON (and CAP_SYS_PTRACE for "
			 "processes of others)");
	else
		log_hint("`smaptrace doctor` checks what the kernel lacks; -v shows its messages");
	return err;
}

static int usdt_event(void *ctx, void *data, size_t size);
static void usdt_close(void *ctx);

static int usdt_load(struct usdt *usdt, const struct session_options *opts)
{
	int err;

	libbpf_set_print(libbpf_log);
	usdt->way = attach_best_way();
	usdt->skel = usdt_bpf__open();
	if (!usdt->skel)
		return load_failed(-errno);
	err = configure(usdt, opts);
	if (!err)
		err = usdt_bpf__load(usdt->skel);
	if (err)
		return load_failed(err);
	usdt->cpus = libbpf_num_possible_cpus();
	if (usdt->cpus < 1)
		return log_err(usdt->cpus, "cannot count the CPUs");
	usdt->per_cpu = calloc((size_t)usdt->cpus, sizeof(*usdt->per_cpu));
	if (!usdt->per_cpu)
		return log_err(-ENOMEM, "cannot trace");
	usdt->ring = ring_buffer__new(bpf_map__fd(usdt->skel->maps.events), usdt_event, usdt, NULL);
	if (!usdt->ring)
		return log_err(-errno, "cannot map the ring buffer");
	return 0;
}

static int usdt_open(void **ret_ctx, const struct session_options *opts,
		     const struct record_sink *sink)
{
	struct usdt *usdt = calloc(1, sizeof(*usdt));
	int err;

	if (!usdt)
		return log_err(-ENOMEM, "cannot trace");
	usdt->sink = *sink;
	err = usdt_load(usdt, opts);
	if (err) {
		usdt_close(usdt);
		return err;
	}
	*ret_ctx = usdt;
	return 0;
}

static void usdt_close(void *ctx)
{
	struct usdt *usdt = ctx;

	if (!usdt)
		return;
	attach_remove_all(&usdt->attached);
	ring_buffer__free(usdt->ring);
	usdt_bpf__destroy(usdt->skel);
	livemaps_free(&usdt->maps);
	free(usdt->image);
	free(usdt->per_cpu);
	free(usdt);
}

/* --- maps ------------------------------------------------------------------- */

static int announce(struct usdt *usdt, struct livemap *map)
{
	struct record record = {0};

	livemap_record(map, &record.map);
	return emit(usdt, &record, RECORD_MAP, sizeof(record.map));
}

/* A map that the registry lists. */
static int found_state(struct usdt *usdt, const struct usdt_image *in,
		       const struct smap_state *state, bool attaching)
{
	const struct st_key key = {
		.target = in->image->number, .addr = state->self, .id = state->id};
	struct livemap *map;
	bool is_new;

	map = livemap_get(&usdt->maps, &key, &is_new);
	if (!map)
		return -ENOMEM;
	map->state = *state;
	map->state_ok = map->listed = true;
	if (!is_new)
		return 0;
	if (attaching && state->pending.count)
		map->stale_batch = state->pending.misses_total;
	return announce(usdt, map);
}

static int walk_registries(struct usdt *usdt, struct usdt_image *in, bool attaching)
{
	int err = 0;

	in->sections = 0;
	for (size_t i = 0; i < in->image->registry_cnt && !err; i++) {
		uint64_t sections = 0;
		struct smap_state *states = NULL;
		size_t cnt = 0;

		(void)target_read_sections(in->target, in->image->registry[i], &sections);
		in->sections += sections;
		if (target_read_maps(in->target, in->image->registry[i], usdt->max_maps, &states,
				     &cnt))
			continue; /* not relocated yet, or gone: other ways will tell */
		for (size_t j = 0; j < cnt && !err; j++)
			err = found_state(usdt, in, &states[j], attaching);
		free(states);
	}
	return err;
}

/* A map that the kernel has counted for, perhaps gone by now. */
static struct livemap *found_key(struct usdt *usdt, const struct st_key *key,
				 const struct st_info *info, int *ret_err)
{
	struct livemap *map;
	bool is_new;

	*ret_err = 0;
	map = livemap_get(&usdt->maps, key, &is_new);
	if (!map) {
		*ret_err = -ENOMEM;
		return NULL;
	}
	if (info) {
		map->info = *info;
		map->has_info = true;
	}
	if (!is_new)
		return map;
	for (size_t i = 0; i < usdt->image_cnt; i++) {
		struct smap_state state;

		if (usdt->image[i].image->number == key->target &&
		    target_read_state(usdt->image[i].target, key->addr, &state) == 0 &&
		    state.id == key->id)
			map->state = state;
	}
	*ret_err = announce(usdt, map);
	return map;
}

static int usdt_event(void *ctx, void *data, size_t size)
{
	struct usdt *usdt = ctx;
	struct record record = {0};
	struct st_info info;
	struct st_key key;
	int err;

	if (size < sizeof(record.event))
		return 0;
	memcpy(&record.event, data, sizeof(record.event));
	if (record.event.kind == ST_EVENT_LINK_MAP) {
		usdt->changed = true;
		return 0;
	}
	if (record.event.kind >= SMAP_PROBE_COUNT)
		return 0;
	key = (struct st_key){
		.target = record.event.target, .addr = record.event.addr, .id = record.event.id};
	if (!livemap_find(&usdt->maps, &key)) {
		/* An event of a map that has ended and been reported: the ring was behind. */
		if (bpf_map_lookup_elem(bpf_map__fd(usdt->skel->maps.infos), &key, &info))
			return 0;
		found_key(usdt, &key, &info, &err);
		if (err)
			return err;
	}
	return emit(usdt, &record, RECORD_EVENT, sizeof(record.event));
}

static int usdt_drain(void *ctx)
{
	struct usdt *usdt = ctx;
	int n = ring_buffer__consume(usdt->ring);

	return n < 0 ? n : 0;
}

/* --- attaching -------------------------------------------------------------- */

static int usdt_match(const struct target_image *image)
{
	int err = target_image_check(image);

	return err ? err : 1;
}

static int attach_probe(struct usdt *usdt, const struct usdt_prog *prog,
			const struct target *target, const struct target_image *image)
{
	const struct elfnote_probe *probe = &image->note.probe[prog->probe];
	char path[64];
	const struct attach_point point = {
		.path = path,
		.pid = target->pid,
		.cookie = image->number,
		.offset = probe->site,
		.offset_cnt = probe->site_cnt,
		.semaphore = probe->semaphore,
	};

	snprintf(path, sizeof(path), "/proc/self/fd/%d", image->fd);
	return attach_add(&usdt->attached, prog->prog, usdt->way, &point);
}

static int attach_failed(int err, const struct target *target, const struct target_image *image,
			 unsigned probe)
{
	if (err == -ESRCH || !target_alive(target)) {
		log_err(0, "process %d (%s) ended while smaptrace was attaching", (int)target->pid,
			target->comm);
		log_hint("start it under smaptrace: smaptrace -- COMMAND");
		return -ESRCH;
	}
	log_err(err, "cannot attach to probe smap:%s in %s of process %d",
		elfnote_probe_name(probe), image->path, (int)target->pid);
	if (err == -EACCES || err == -EPERM)
		log_hint("uprobes need root, or CAP_BPF and CAP_PERFMON; on kernels without "
			 "uprobe_multi also CAP_SYS_ADMIN");
	else
		log_hint("`smaptrace doctor` checks what the kernel lacks");
	return err;
}

static struct usdt_image *add_image(struct usdt *usdt, const struct target *target,
				    const struct target_image *image)
{
	struct usdt_image *grown;

	grown = realloc(usdt->image, (usdt->image_cnt + 1) * sizeof(*grown));
	if (!grown)
		return NULL;
	usdt->image = grown;
	grown[usdt->image_cnt] = (struct usdt_image){.target = target, .image = image};
	return &grown[usdt->image_cnt++];
}

static int usdt_attach(void *ctx, const struct target *target, const struct target_image *image)
{
	struct usdt *usdt = ctx;
	struct usdt_prog progs[USDT_PROG_CNT];
	struct usdt_image *in;

	list_progs(usdt->skel, progs);
	for (unsigned i = 0; i < USDT_PROG_CNT; i++) {
		int err;

		if (progs[i].when == EXACT && !usdt->exact)
			continue;
		err = attach_probe(usdt, &progs[i], target, image);
		if (err)
			return attach_failed(err, target, image, progs[i].probe);
	}
	in = add_image(usdt, target, image);
	if (!in)
		return log_err(-ENOMEM, "cannot trace process %d", (int)target->pid);
	return walk_registries(usdt, in, true);
}

/* Best effort: without it, new libraries are found at the next window. */
static int usdt_watch(void *ctx, const struct target *target)
{
	struct usdt *usdt = ctx;
	struct target_linker linker;
	char path[64];
	struct attach_point point = {.path = path, .pid = target->pid, .offset_cnt = 1};
	int err = target_find_linker(target->pid, &linker);

	if (err)
		return err;
	point.offset = &linker.brk_offset;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", linker.fd);
	err = attach_add(&usdt->attached, usdt->skel->progs.on_link_map, usdt->way, &point);
	close(linker.fd);
	return err;
}

static unsigned usdt_probe_count(const void *ctx)
{
	const struct usdt *usdt = ctx;

	return (unsigned)usdt->attached.cnt;
}

static int usdt_fd(const void *ctx)
{
	const struct usdt *usdt = ctx;

	return ring_buffer__epoll_fd(usdt->ring);
}

static bool usdt_changed(void *ctx)
{
	struct usdt *usdt = ctx;
	bool changed = usdt->changed;

	usdt->changed = false;
	return changed;
}

static void usdt_detach(void *ctx)
{
	struct usdt *usdt = ctx;

	attach_remove_all(&usdt->attached);
}

/* --- sampling --------------------------------------------------------------- */

static int begin_round(struct livemap *map, void *ctx)
{
	(void)ctx;
	map->listed = map->state_ok = false;
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
			found_key(usdt, &keys[i], &infos[i], &err);
	}
	free(keys);
	free(infos);
	return err ? err : end == -ENOENT ? 0 : end;
}

static void read_stats(struct usdt *usdt, const struct st_key *key, struct st_stats *ret_sum)
{
	const size_t words = sizeof(*ret_sum) / sizeof(__u64);
	__u64 *sum = (__u64 *)ret_sum;

	memset(ret_sum, 0, sizeof(*ret_sum));
	if (bpf_map_lookup_elem(bpf_map__fd(usdt->skel->maps.stats), key, usdt->per_cpu))
		return; /* no event of it yet */
	for (int cpu = 0; cpu < usdt->cpus; cpu++) {
		const __u64 *part = (const __u64 *)&usdt->per_cpu[cpu];

		for (size_t i = 0; i < words; i++)
			sum[i] += part[i];
	}
}
_Static_assert(sizeof(struct st_stats) % 8 == 0, "per-CPU values are rounded up to 8 bytes");

static const struct usdt_image *image_of(const struct usdt *usdt, uint32_t number)
{
	for (size_t i = 0; i < usdt->image_cnt; i++)
		if (usdt->image[i].image->number == number)
			return &usdt->image[i];
	return NULL;
}

/* Has the map ended? If not, its state is as of now. */
static bool refresh(struct usdt *usdt, struct livemap *map, const struct usdt_image *in)
{
	struct smap_state state;
	int err = 0;

	if (!in || !in->alive || (map->has_info && map->info.destroyed))
		return true;
	for (int i = 0; i < TORN_TRIES; i++) {
		bool torn = usdt->last && livemap_pending_torn(&map->state);

		if (map->state_ok && !torn)
			return false;
		err = target_read_state(in->target, map->key.addr, &state);
		if (err || state.id != map->key.id)
			break;
		map->state = state;
		map->state_ok = true;
	}
	if (err == -EINVAL || (!err && state.id != map->key.id))
		return true; /* another thing stands there now */
	if (err)
		usdt->state_unread++;
	return false;
}

static void forget(const struct usdt *usdt, const struct livemap *map)
{
	(void)bpf_map_delete_elem(bpf_map__fd(usdt->skel->maps.stats), &map->key);
	(void)bpf_map_delete_elem(bpf_map__fd(usdt->skel->maps.infos), &map->key);
}

static void sample_process(const struct usdt_image *in, const struct livemap *map,
			   struct record_sample *sample)
{
	struct target_stripes stripes;

	if (!in)
		return;
	sample->process_cpu_ns = in->cpu_ns;
	sample->process_sections = in->sections;
	if (map->state_ok && target_read_stripes(in->target, &map->state, &stripes) == 0) {
		sample->inserts = stripes.inserts;
		sample->replaces = stripes.replaces;
		sample->deletes = stripes.deletes;
	}
}

static int sample_map(struct livemap *map, void *ctx)
{
	struct usdt *usdt = ctx;
	const struct usdt_image *in = image_of(usdt, map->key.target);
	struct record record = {0};
	struct st_stats counted;

	map->ended = refresh(usdt, map, in);
	read_stats(usdt, &map->key, &counted);
	livemap_sample(map, &counted, usdt->now, &record.sample);
	sample_process(in, map, &record.sample);
	if (usdt->last && !map->ended && map->state_ok)
		livemap_add_pending(map, usdt->exact, &record.sample);
	if (usdt->last || map->ended)
		usdt->audit += livemap_audit(map, &counted);
	if (map->ended)
		forget(usdt, map);
	return emit(usdt, &record, RECORD_SAMPLE, sizeof(record.sample));
}

static int emit_loss(const struct usdt *usdt, const char *name, const char *help, uint64_t count)
{
	struct record record = {.loss = {.count = count}};

	if (!count)
		return 0;
	snprintf(record.loss.name, sizeof(record.loss.name), "%s", name);
	snprintf(record.loss.help, sizeof(record.loss.help), "%s", help);
	return emit(usdt, &record, RECORD_LOSS, sizeof(record.loss));
}

static uint64_t read_loss(const struct usdt *usdt, __u32 which)
{
	/* Fits: one stats value is larger than one counter. */
	__u64 *per_cpu = (__u64 *)usdt->per_cpu, sum = 0;

	if (bpf_map_lookup_elem(bpf_map__fd(usdt->skel->maps.losses), &which, per_cpu))
		return 0;
	for (int cpu = 0; cpu < usdt->cpus; cpu++)
		sum += per_cpu[cpu];
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
	if (!err)
		err = emit_loss(usdt, "state_unread",
				"state pages of live maps that could not be read",
				usdt->state_unread);
	if (!err)
		err = emit_loss(usdt, "audit",
				"events that the maps counted and smaptrace did not see",
				usdt->audit);
	return err;
}

static int usdt_sample(void *ctx, bool last)
{
	struct usdt *usdt = ctx;
	int err = 0;

	usdt->last = last;
	(void)livemap_each(&usdt->maps, begin_round, NULL);
	for (size_t i = 0; i < usdt->image_cnt && !err; i++) {
		struct usdt_image *in = &usdt->image[i];

		in->alive = target_alive(in->target);
		if (!in->alive)
			continue;
		(void)target_cpu_ns(in->target, &in->cpu_ns);
		err = walk_registries(usdt, in, false);
	}
	if (!err)
		err = read_infos(usdt);
	/* The events of maps that are about to be forgotten. */
	if (!err)
		err = usdt_drain(usdt);
	usdt->now = now_ns();
	if (!err)
		err = livemap_each(&usdt->maps, sample_map, usdt);
	return err ? err : emit_losses(usdt);
}

const struct backend backend_usdt = {
	.name = "usdt",
	.help = "the probes of libsmap",
	.match = usdt_match,
	.open = usdt_open,
	.watch = usdt_watch,
	.attach = usdt_attach,
	.probe_count = usdt_probe_count,
	.fd = usdt_fd,
	.drain = usdt_drain,
	.changed = usdt_changed,
	.sample = usdt_sample,
	.detach = usdt_detach,
	.close = usdt_close,
};
