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

/* Which programs, for which probe, and who wants them. */
enum { ALWAYS, EXACT, WAITS /* --exact, --lock-waits, --stacks */ };
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
	X(lock_wait, WAITS)

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

static bool wanted(const struct usdt *usdt, const struct usdt_prog *prog)
{
	if (prog->when == WAITS && (usdt->lock_waits || usdt->want_stacks))
		return true;
	return prog->when == ALWAYS || usdt->exact;
}

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

static int configure(struct usdt *usdt, const struct session_options *opts)
{
	unsigned ring_bytes = round_ring(opts->ring_bytes   ? opts->ring_bytes
					 : opts->lock_waits ? RING_BYTES_TIMELINE
							    : RING_BYTES_DEFAULT);
	struct usdt_prog progs[USDT_PROG_CNT];
	struct usdt_bpf *skel = usdt->skel;
	int err;

	usdt->max_maps = opts->max_maps ? opts->max_maps : MAX_MAPS_DEFAULT;
	usdt->exact = opts->exact;
	skel->bss->each_miss = opts->exact;
	usdt->lock_waits = opts->lock_waits;
	usdt->want_stacks = opts->stacks;
	skel->rodata->lock_waits = opts->lock_waits;
	skel->rodata->wakeup_bytes = ring_bytes / WAKEUP_SHARE;
	err = bpf_map__set_max_entries(skel->maps.infos, usdt->max_maps);
	if (!err)
		err = bpf_map__set_max_entries(skel->maps.stats, usdt->max_maps);
	if (!err)
		err = bpf_map__set_max_entries(skel->maps.spill, usdt->max_maps);
	if (!err)
		err = bpf_map__set_max_entries(skel->maps.events, ring_bytes);
	if (!err)
		err = usdt_stacks_configure(usdt);
	if (!err)
		err = attach_prepare(skel->progs.on_link_map, usdt->way);
	usdt_follow_configure(usdt, opts->command != NULL);
	list_progs(skel, progs);
	for (unsigned i = 0; i < USDT_PROG_CNT && !err; i++) {
		err = attach_prepare(progs[i].prog, usdt->way);
		if (!err)
			err = bpf_program__set_autoload(progs[i].prog, wanted(usdt, &progs[i]));
	}
	return err;
}

static int load_failed(int err)
{
	log_err(err, "cannot load the BPF programs");
	if (err == -EPERM || err == -EACCES)
		log_hint("tracing needs root, or CAP_BPF and CAP_PERFMON (and CAP_SYS_PTRACE for "
			 "processes of others)");
	else if (err == -ENOSYS)
		log_hint("the kernel has no bpf(): use one with CONFIG_BPF_SYSCALL=y");
	else
		log_hint("`smaptrace doctor` checks what the kernel lacks; -v shows its messages");
	return err;
}

static void usdt_close(void *ctx);

static int usdt_load(struct usdt *usdt, const struct session_options *opts)
{
	int err;

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
	usdt->per_cpu = calloc((size_t)usdt->cpus, sizeof(*usdt->per_cpu));
	if (!usdt->per_cpu)
		return log_err(-ENOMEM, "cannot trace");
	usdt->ring = ring_buffer__new(bpf_map__fd(usdt->skel->maps.events), usdt_event, usdt, NULL);
	if (!usdt->ring)
		return log_err(-errno, "cannot map the ring buffer");
	err = usdt->want_stacks ? usdt_stacks_create(usdt) : 0;
	return err ? log_err(err, "cannot take call stacks") : 0;
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
	usdt_follow_end(usdt);
	ring_buffer__free(usdt->ring);
	usdt_bpf__destroy(usdt->skel);
	livemaps_free(&usdt->maps);
	usdt_stacks_free(usdt);
	free(usdt->image);
	free(usdt->files.file);
	free(usdt->linkers.file);
	free(usdt->per_cpu);
	free(usdt);
}

/* --- attaching -------------------------------------------------------------- */

static int usdt_match(const struct target_image *image)
{
	int err = target_image_check(image);

	return err ? err : 1;
}

struct trial {
	struct usdt *usdt;
	const struct bpf_program *prog;
	struct attach_point point;
};

static int try_in(void *ctx, pid_t pid)
{
	struct trial *trial = ctx;

	trial->point.pid = pid;
	return attach_add(&trial->usdt->trial, trial->prog, trial->usdt->way, &trial->point);
}

/* Without it, a forked child of the target would die at a probe (plain.c). */
static void keep_plain(struct usdt *usdt, const struct bpf_program *prog,
		       const struct attach_point *point, const struct target_image *image)
{
	struct trial trial = {.usdt = usdt, .prog = prog, .point = *point};
	int err;

	trial.point.cookie = ST_COOKIE_NONE;
	err = plain_keep(image->fd, point->offset, point->offset_cnt, prog ? try_in : NULL, &trial);
	if (err)
		log_debug("cannot keep the probes of %s plain: %s", image->path, strerror(-err));
}

static int attach_probe(struct usdt *usdt, const struct usdt_prog *prog,
			const struct target *target, const struct target_image *image,
			uint32_t cookie)
{
	const struct elfnote_probe *probe = &image->note.probe[prog->probe];
	char path[64];
	int err;
	const struct attach_point point = {
		.path = path,
		.pid = usdt->following ? ATTACH_ALL : target->pid,
		.cookie = cookie,
		.offset = probe->site,
		.offset_cnt = probe->site_cnt,
		.semaphore = probe->semaphore,
	};

	snprintf(path, sizeof(path), "/proc/self/fd/%d", image->fd);
	if (usdt->plain && !usdt->following)
		keep_plain(usdt, prog->prog, &point, image);
	err = attach_add(&usdt->attached, prog->prog, usdt->way, &point);
	if (!err && usdt->plain && usdt->following)
		keep_plain(usdt, NULL, &point, image);
	return err;
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
				    const struct target_image *image, uint32_t key)
{
	struct usdt_image *grown;

	grown = realloc(usdt->image, (usdt->image_cnt + 1) * sizeof(*grown));
	if (!grown)
		return NULL;
	usdt->image = grown;
	grown[usdt->image_cnt] =
		(struct usdt_image){.target = target, .image = image, .key = key, .alive = true};
	return &grown[usdt->image_cnt++];
}

static int attach_probes(struct usdt *usdt, const struct target *target,
			 const struct target_image *image, uint32_t cookie)
{
	struct usdt_prog progs[USDT_PROG_CNT];

	list_progs(usdt->skel, progs);
	for (unsigned i = 0; i < USDT_PROG_CNT; i++) {
		int err;

		if (!wanted(usdt, &progs[i]))
			continue;
		err = attach_probe(usdt, &progs[i], target, image, cookie);
		if (err)
			return attach_failed(err, target, image, progs[i].probe);
		usdt->probe_cnt++;
	}
	return 0;
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
		if (err < 0)
			return log_err(err, "cannot trace %s", image->path);
		cookie = (uint32_t)err;
		key = target->number << ST_FILE_BITS | cookie;
	}
	err = is_new ? attach_probes(usdt, target, image, cookie) : 0;
	attach_remove_all(&usdt->trial);
	if (err)
		return err;
	in = add_image(usdt, target, image, key);
	if (!in)
		return log_err(-ENOMEM, "cannot trace process %d", (int)target->pid);
	if (!usdt->following) /* else by the event that brought it here */
		usdt_stacks_look(usdt, target);
	return usdt_walk_registries(usdt, in, true);
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
	.tree_lives = usdt_tree_lives,
	.watch = usdt_watch,
	.attach = usdt_attach,
	.probe_count = usdt_probe_count,
	.fd = usdt_fd,
	.drain = usdt_drain,
	.changed = usdt_changed,
	.sample = usdt_sample,
	.close = usdt_close,
};
