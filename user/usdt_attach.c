/* SPDX-License-Identifier: MIT */
/*
 * usdt_attach.c - the usdt backend's links: which program is on which probe, and where.
 *
 * Model: a place is a file with its probes, for one process or for all; it is noted when it
 * is first attached to. A probe is on or off, everywhere alike, and its links are kept in a
 * set of its own, so that it can be taken off and put back while the trace goes on
 * (usdt_shed.c). A place that comes while a probe is off is attached without it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "log.h"
#include "plain.h"
#include "usdt.h"
#include "usdt.skel.h"

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

static bool wanted(const struct usdt *usdt, int when)
{
	if (when == WAITS && (usdt->lock_waits || usdt->probe_stacks))
		return true;
	return when == ALWAYS || usdt->exact;
}

void usdt_list_progs(const struct usdt *usdt, struct usdt_prog list[SMAP_PROBE_COUNT])
{
	const struct usdt_prog progs[] = {
#define USDT_ENTRY(name, when) {SMAP_PROBE_##name, wanted(usdt, when), usdt->skel->progs.on_##name},
		USDT_PROBES(USDT_ENTRY)
#undef USDT_ENTRY
	};
	_Static_assert(sizeof(progs) / sizeof(progs[0]) == SMAP_PROBE_COUNT, "each probe once");

	memcpy(list, progs, sizeof(progs));
}

/* --- one probe in one place --------------------------------------------------- */

struct trial {
	struct usdt *usdt;
	const struct bpf_program *prog;
	struct attach_point point;
	int err;
};

static int try_in(void *ctx, pid_t pid)
{
	struct trial *trial = ctx;

	trial->point.pid = pid;
	trial->err = attach_add(&trial->usdt->trial, trial->prog, trial->usdt->way, &trial->point);
	return trial->err;
}

void usdt_keep_plain(struct usdt *usdt, int fd, const struct bpf_program *prog,
		     const struct attach_point *point)
{
	struct trial trial = {.usdt = usdt, .prog = prog, .point = *point};
	int err;

	trial.point.cookie = ST_COOKIE_NONE;
	err = plain_keep(fd, point->offset, point->offset_cnt, try_in, &trial);
	if (!err || trial.err || usdt->plain_failed)
		return; /* where nothing can be attached, the real one will say so */
	usdt->plain_failed = true;
	log_warn(
		"cannot keep this kernel from making calls of probes (%s): a process that a target "
		"forks may crash at one, as long as the trace lasts",
		strerror(-err));
	if (err == -ENOMEM)
		log_hint("allow more address space (ulimit -v): it takes 4 GiB of it, and no "
			 "memory");
	else
		log_hint("it takes ptrace of a child, and a file system without noexec");
}

static int attach_probe(struct usdt *usdt, const struct usdt_prog *prog,
			const struct usdt_place *place)
{
	const struct elfnote_probe *probe = &place->note.probe[prog->probe];
	char path[64];
	const struct attach_point point = {
		.path = path,
		.pid = place->pid,
		.cookie = place->cookie,
		.offset = probe->site,
		.offset_cnt = probe->site_cnt,
		.semaphore = probe->semaphore,
	};

	snprintf(path, sizeof(path), "/proc/self/fd/%d", place->fd);
	/* Before: whoever runs the file already may hit the probe at once. */
	if (usdt->plain)
		usdt_keep_plain(usdt, place->fd, prog->prog, &point);
	return attach_add(&usdt->probe[prog->probe], prog->prog, usdt->way, &point);
}

/* --- all probes of a place ---------------------------------------------------- */

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

/* The target may close its file when its process ends; ours stays. */
static struct usdt_place *add_place(struct usdt *usdt, const struct target *target,
				    const struct target_image *image, uint32_t cookie)
{
	struct usdt_place *grown;
	int fd = fcntl(image->fd, F_DUPFD_CLOEXEC, 0);

	if (fd < 0)
		return NULL;
	grown = realloc(usdt->place, (usdt->place_cnt + 1) * sizeof(*grown));
	if (!grown) {
		close(fd);
		return NULL;
	}
	usdt->place = grown;
	grown[usdt->place_cnt] = (struct usdt_place){
		.fd = fd,
		.pid = usdt->following ? ATTACH_ALL : target->pid,
		.cookie = cookie,
		.target = usdt->following ? NULL : target, /* it may be forgotten */
		.note = image->note,
	};
	return &grown[usdt->place_cnt++];
}

/* The last one that was added, with what is attached there already. */
static void remove_place(struct usdt *usdt, const size_t link_cnt[SMAP_PROBE_COUNT])
{
	for (unsigned i = 0; i < SMAP_PROBE_COUNT; i++)
		attach_remove_after(&usdt->probe[i], link_cnt[i]);
	close(usdt->place[--usdt->place_cnt].fd);
}

int usdt_attach_probes(struct usdt *usdt, const struct target *target,
		       const struct target_image *image, uint32_t cookie)
{
	struct usdt_prog progs[SMAP_PROBE_COUNT];
	size_t link_cnt[SMAP_PROBE_COUNT];
	const struct usdt_place *place = add_place(usdt, target, image, cookie);
	unsigned probe_cnt = usdt->probe_cnt;

	if (!place)
		return log_err(-errno, "cannot trace process %d", (int)target->pid);
	usdt_list_progs(usdt, progs);
	for (unsigned i = 0; i < SMAP_PROBE_COUNT; i++)
		link_cnt[i] = usdt->probe[i].cnt;
	for (unsigned i = 0; i < SMAP_PROBE_COUNT; i++) {
		int err;

		if (!progs[i].wanted || usdt->off & 1U << progs[i].probe)
			continue;
		err = attach_probe(usdt, &progs[i], place);
		if (err) {
			remove_place(usdt, link_cnt);
			usdt->probe_cnt = probe_cnt;
			return attach_failed(err, target, image, progs[i].probe);
		}
		usdt->probe_cnt++;
	}
	return 0;
}

/* --- one probe everywhere ------------------------------------------------------ */

void usdt_probes_off(struct usdt *usdt, uint32_t probes)
{
	struct attach_set gone = {0};

	for (unsigned i = 0; i < SMAP_PROBE_COUNT; i++)
		if (probes & ~usdt->off & 1U << i)
			attach_join(&gone, &usdt->probe[i]);
	usdt->off |= probes;
	attach_remove_all(&gone);
}

/* A place whose process has gone cannot fail any more. */
static int put_on(struct usdt *usdt, const struct usdt_prog *prog)
{
	for (size_t i = 0; i < usdt->place_cnt; i++) {
		const struct usdt_place *place = &usdt->place[i];
		int err;

		if (place->pid != ATTACH_ALL && !target_alive(place->target))
			continue;
		err = attach_probe(usdt, prog, place);
		if (err && (place->pid == ATTACH_ALL || target_alive(place->target)))
			return err;
	}
	return 0;
}

int usdt_probes_on(struct usdt *usdt, uint32_t probes)
{
	struct usdt_prog progs[SMAP_PROBE_COUNT];
	uint32_t back = probes & usdt->off;
	int err = 0;

	usdt->off &= ~back;
	usdt_list_progs(usdt, progs);
	for (unsigned i = 0; i < SMAP_PROBE_COUNT && !err; i++)
		if (progs[i].wanted && back & 1U << progs[i].probe)
			err = put_on(usdt, &progs[i]);
	attach_remove_all(&usdt->trial);
	if (err)
		usdt_probes_off(usdt, back);
	return err;
}

void usdt_detach(struct usdt *usdt)
{
	for (unsigned i = 0; i < SMAP_PROBE_COUNT; i++)
		attach_join(&usdt->attached, &usdt->probe[i]);
	attach_join(&usdt->attached, &usdt->switches);
	attach_join(&usdt->attached, &usdt->trial); /* of the price, if nothing came after it */
	attach_remove_all(&usdt->attached);
}

void usdt_places_free(struct usdt *usdt)
{
	for (size_t i = 0; i < usdt->place_cnt; i++)
		close(usdt->place[i].fd);
	free(usdt->place);
	usdt->place = NULL;
	usdt->place_cnt = 0;
}
