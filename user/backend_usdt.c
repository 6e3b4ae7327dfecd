/* SPDX-License-Identifier: MIT */
/*
 * backend_usdt.c - libsmap's own probes, through BPF programs.
 *
 * The kernel counts (bpf/usdt.bpf.c); this file loads the programs and attaches
 * them, usdt_maps.c makes records of what they counted.
 */
#include "backend.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include "log.h"
#include "plain.h"
#include "usdt.h"
#include "usdt.skel.h"
#include "usdt_stacks.h"

#define MAX_MAPS_DEFAULT 65536
#define RING_BYTES_DEFAULT (1U << 20)
#define RING_BYTES_TIMELINE (1U << 24) /* each event counts: room while a window is written */
#define WAKEUP_SHARE 4		       /* wake when a quarter of the ring is full */

/* --- loading ---------------------------------------------------------------- */

static int libbpf_log(enum libbpf_print_level level, const char *fmt, va_list args)
{
	char *text, *rest, *line;

	if (!log_verbose || level == LIBBPF_DEBUG)
		return 0;
	if (vasprintf(&text, fmt, args) < 0)
		return 0;
	/* A verifier's log is one message of many lines, with the reason at its end. */
	for (rest = text; (line = strsep(&rest, "\n"));)
		if (*line)
			log_debug("%s", line);
	free(text);
	return 0;
}

static unsigned round_ring(unsigned bytes)
{
	unsigned size = (unsigned)sysconf(_SC_PAGESIZE);

	while (size < bytes && size < 1U << 30)
		size *= 2;
	return size;
}

/* SMAPTRACE_FAULT=PROBE/N in the environment, for tests: drop each Nth hit of the probe. */
static void configure_fault(struct usdt_bpf *skel)
{
	const char *fault = getenv("SMAPTRACE_FAULT");
	const char *every = fault ? strchr(fault, '/') : NULL;

	for (unsigned i = 0; every && i < SMAP_PROBE_COUNT; i++) {
		const char *name = elfnote_probe_name(i);

		if (strncmp(fault, name, strlen(name)) != 0 || fault + strlen(name) != every)
			continue;
		skel->rodata->fault_probe = i;
		skel->rodata->fault_every = (__u32)strtoul(every + 1, NULL, 10);
		log_warn("SMAPTRACE_FAULT: hits of %s are dropped on purpose", name);
	}
}

static int configure(struct usdt *usdt, const struct session_options *opts)
{
	unsigned ring_bytes = round_ring(opts->ring_bytes   ? opts->ring_bytes
					 : opts->lock_waits ? RING_BYTES_TIMELINE
							    : RING_BYTES_DEFAULT);
	struct usdt_prog progs[SMAP_PROBE_COUNT];
	struct usdt_bpf *skel = usdt->skel;
	int err;

	usdt->max_maps = opts->max_maps ? opts->max_maps : MAX_MAPS_DEFAULT;
	usdt->exact = opts->exact;
	skel->bss->each_miss = opts->exact;
	usdt->lock_waits = opts->lock_waits;
	usdt->probe_stacks = opts->stacks;
	usdt->offcpu = opts->offcpu;
	usdt->want_stacks = opts->stacks || opts->offcpu;
	usdt->audits = opts->audit;
	usdt->control =
		(struct overhead_control){.budget = opts->max_overhead, .plan = {.period = 1}};
	skel->rodata->lock_waits = opts->lock_waits;
	configure_fault(skel);
	skel->rodata->wakeup_bytes = ring_bytes / WAKEUP_SHARE;
	err = bpf_map__set_max_entries(skel->maps.infos, usdt->max_maps);
	if (!err)
		err = bpf_map__set_max_entries(skel->maps.stats, usdt->max_maps);
	if (!err)
		err = bpf_map__set_max_entries(skel->maps.events, ring_bytes);
	if (!err)
		err = usdt_stacks_configure(usdt);
	if (!err)
		err = attach_prepare(skel->progs.on_link_map, usdt->way);
	usdt_stall_configure(usdt);
	usdt_follow_configure(usdt, opts->command != NULL, opts->all);
	if (!err)
		err = usdt_offcpu_configure(usdt);
	usdt_list_progs(usdt, progs);
	for (unsigned i = 0; i < SMAP_PROBE_COUNT && !err; i++) {
		err = attach_prepare(progs[i].prog, usdt->way);
		if (!err)
			err = bpf_program__set_autoload(progs[i].prog, progs[i].wanted);
	}
	return err;
}

static int load_failed(int err)
{
	log_err(err, "cannot load the BPF programs");
	if (err == -EPERM || err == -EACCES)
		log_hint("tracing needs root, or CAP_BPF and CAP_PERFMON (and CAP_SYS_PTRACE for "
			 "processes of others); in a container also a seccomp profile that "
			 "allows bpf(): see `smaptrace doctor`");
	else if (err == -ENOSYS)
		log_hint("the kernel has no bpf(): use one with CONFIG_BPF_SYSCALL=y; or a "
			 "container's seccomp profile hides it: allow bpf() in it");
	else
		log_hint("`smaptrace doctor` checks what the kernel lacks; -v shows its messages");
	return err;
}

static void usdt_close(void *ctx);

/*
 * A dozen links for each file, three descriptors for each process, two for each file in its
 * stacks. The command has its own limit already.
 */
static void raise_file_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return;
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
}

static int usdt_load(struct usdt *usdt, const struct session_options *opts)
{
	int err;

	raise_file_limit();
	libbpf_set_print(libbpf_log);
	usdt->way = attach_best_way();
	usdt->plain = plain_needed();
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
	err = usdt_sample_create(usdt);
	if (err)
		return log_err(-ENOMEM, "cannot trace");
	usdt->ring = ring_buffer__new(bpf_map__fd(usdt->skel->maps.events), usdt_event, usdt, NULL);
	if (!usdt->ring)
		return log_err(-errno, "cannot map the ring buffer");
	err = usdt->want_stacks ? usdt_stacks_create(usdt) : 0;
	if (err)
		return log_err(err, "cannot take call stacks");
	usdt_measure_price(usdt);
	err = usdt_measure_switches(usdt);
	if (err)
		return log_err(err, "cannot attach to the tracepoint sched_switch");
	return usdt_tell_price(usdt);
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
	usdt_detach(usdt);
	usdt_follow_end(usdt);
	ring_buffer__free(usdt->ring);
	usdt_bpf__destroy(usdt->skel);
	livemaps_free(&usdt->maps);
	usdt_stacks_free(usdt);
	usdt_places_free(usdt);
	free(usdt->image);
	free(usdt->files.file);
	free(usdt->linkers.file);
	usdt_sample_free(usdt);
	free(usdt->open);
	free(usdt);
}

/* --- attaching -------------------------------------------------------------- */

static int usdt_match(const struct target_image *image)
{
	int err = target_image_check(image);

	return err ? err : 1;
}

static struct usdt_image *add_image(struct usdt *usdt, const struct target *target,
				    const struct target_image *image, uint32_t key)
{
	struct usdt_image *grown;

	grown = realloc(usdt->image, (usdt->image_cnt + 1) * sizeof(*grown));
	if (!grown)
		return NULL;
	usdt->image = grown;
	grown[usdt->image_cnt] = (struct usdt_image){.target = target,
						     .image = image,
						     .key = key,
						     .alive = true,
						     .attached_ns = usdt_now_ns()};
	return &grown[usdt->image_cnt++];
}

static int usdt_attach(void *ctx, const struct target *target, const struct target_image *image)
{
	struct usdt *usdt = ctx;
	uint32_t key = image->number, cookie = key;
	struct usdt_image *in;
	bool is_new = true;
	int err = 0;

	if (usdt->following) {
		err = usdt_file_index(&usdt->files, image->dev, image->ino, &is_new);
		if (err < 0) {
			log_err(err, "cannot trace %s", image->path);
			return usdt->all ? 0 : err;
		}
		cookie = (uint32_t)err;
		key = target->number << ST_FILE_BITS | cookie;
	}
	err = is_new ? usdt_attach_probes(usdt, target, image, cookie) : 0;
	attach_remove_all(&usdt->trial);
	/* Anybody can run a file that is broken on purpose: that must not end the trace of all. */
	if (usdt->all && err)
		usdt->files.file[cookie].bad = true;
	if (usdt->all && usdt->files.file[cookie].bad)
		return 0;
	if (err)
		return err;
	in = add_image(usdt, target, image, key);
	if (!in)
		return log_err(-ENOMEM, "cannot trace process %d", (int)target->pid);
	usdt_offcpu_add(usdt, in);
	if (!usdt->following) /* else by the event that brought it here */
		usdt_stacks_look(usdt, target);
	return usdt_walk_registries(usdt, in, true);
}

static int is_map_of(struct livemap *map, void *ctx)
{
	const struct usdt_image *in = ctx;

	return map->key.target == in->key ? -EBUSY : 0;
}

/* Images stay in their order, in which those of a process are next to each other. */
static bool usdt_forget(void *ctx, const struct target *target)
{
	struct usdt *usdt = ctx;
	size_t kept = 0;

	for (size_t i = 0; i < usdt->image_cnt; i++) {
		struct usdt_image *in = &usdt->image[i];

		if (in->target == target && (in->alive || usdt_stacks_wait(usdt, in->key) ||
					     livemap_each(&usdt->maps, is_map_of, in)))
			return false;
	}
	for (size_t i = 0; i < usdt->image_cnt; i++)
		if (usdt->image[i].target != target)
			usdt->image[kept++] = usdt->image[i];
	usdt->image_cnt = kept;
	return true;
}

/* Best effort: without it, new libraries are found at the next window. */
static int usdt_watch(void *ctx, const struct target *target)
{
	struct usdt *usdt = ctx;
	struct target_linker linker;
	struct stat st;
	char path[64];
	struct attach_point point = {.path = path, .pid = target->pid, .offset_cnt = 1};
	bool is_new = true;
	int err;

	err = target_find_linker(target->pid, &linker);
	if (err)
		return err;
	if (usdt->following) {
		point.pid = ATTACH_ALL;
		err = fstat(linker.fd, &st)
			      ? -errno
			      : usdt_file_index(&usdt->linkers, st.st_dev, st.st_ino, &is_new);
	}
	point.offset = &linker.brk_offset;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", linker.fd);
	if (err >= 0 && is_new)
		err = attach_add(&usdt->attached, usdt->skel->progs.on_link_map, usdt->way, &point);
	close(linker.fd);
	return err < 0 ? err : 0;
}

static unsigned usdt_probe_count(const void *ctx)
{
	const struct usdt *usdt = ctx;

	return usdt->probe_cnt;
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

const struct backend backend_usdt = {
	.name = "usdt",
	.help = "the probes of libsmap",
	.match = usdt_match,
	.open = usdt_open,
	.follow = usdt_follow,
	.number = usdt_number,
	.tree_lives = usdt_tree_lives,
	.watch = usdt_watch,
	.attach = usdt_attach,
	.forget = usdt_forget,
	.probe_count = usdt_probe_count,
	.fd = usdt_fd,
	.drain = usdt_drain,
	.changed = usdt_changed,
	.sample = usdt_sample,
	.tick = usdt_tick,
	.close = usdt_close,
};
