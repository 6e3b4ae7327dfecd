/* SPDX-License-Identifier: MIT */
/*
 * attach.c - uprobes by uprobe_multi link or by perf event.
 *
 * Debian 12's libbpf and kernel headers do not know uprobe_multi, so the bpf(2)
 * attribute is laid out here; it is the kernel's ABI and cannot change. Perf
 * events go through libbpf. Rejected: tracefs uprobe_events, whose probes stay
 * behind when we are killed.
 */
#include "attach.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <pthread.h>
#include <stddef.h>
#include <stdbool.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define UPROBE_MULTI_ATTACH_TYPE 48 /* BPF_TRACE_UPROBE_MULTI */
#define THREADS_MAX 64

/* bpf_attr of BPF_LINK_CREATE, as far as uprobe_multi needs it. */
struct multi_attr {
	uint32_t prog_fd;
	uint32_t target_fd;
	uint32_t attach_type;
	uint32_t flags;
	uint64_t path;
	uint64_t offsets;
	uint64_t ref_ctr_offsets;
	uint64_t cookies;
	uint32_t cnt;
	uint32_t multi_flags;
	uint32_t pid;
	uint32_t reserved;
};

struct attach_link {
	struct bpf_link *perf; /* NULL: a multi link */
	int fd;
};

static int multi_create(int prog_fd, const struct attach_point *point, const uint64_t *semaphores,
			const uint64_t *cookies)
{
	struct multi_attr attr = {
		.prog_fd = (uint32_t)prog_fd,
		.attach_type = UPROBE_MULTI_ATTACH_TYPE,
		.path = (uintptr_t)point->path,
		.offsets = (uintptr_t)point->offset,
		.ref_ctr_offsets = (uintptr_t)semaphores,
		.cookies = (uintptr_t)cookies,
		.cnt = (uint32_t)point->offset_cnt,
		.pid = (uint32_t)point->pid,
	};
	/* Without our padding: a kernel takes unknown bytes at the end for an error. */
	long fd = syscall(SYS_bpf, BPF_LINK_CREATE, &attr, offsetof(struct multi_attr, reserved));

	return fd < 0 ? -errno : (int)fd;
}

static int load(const struct bpf_insn *insns, size_t insn_cnt, enum attach_way way)
{
	LIBBPF_OPTS(bpf_prog_load_opts, opts);

	if (way == ATTACH_MULTI)
		opts.expected_attach_type = (enum bpf_attach_type)UPROBE_MULTI_ATTACH_TYPE;
	return bpf_prog_load(BPF_PROG_TYPE_KPROBE, "trial", "GPL", insns, insn_cnt, &opts);
}

/*
 * Two links that must fail, each in its way: "/" is not a file that can be probed
 * (-EBADF once the kernel knows uprobe_multi at all), and the pid -1 is called
 * invalid only by kernels that look up processes instead of threads.
 */
static bool multi_works(void)
{
	const uint64_t offset = 0;
	struct attach_point point = {.path = "/", .offset = &offset, .offset_cnt = 1};
	const struct bpf_insn insns[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0},
		{.code = BPF_JMP | BPF_EXIT},
	};
	int prog_fd = load(insns, 2, ATTACH_MULTI);
	int known, filters;

	if (prog_fd < 0)
		return false;
	known = multi_create(prog_fd, &point, NULL, NULL);
	point.pid = -1;
	filters = multi_create(prog_fd, &point, NULL, NULL);
	if (known >= 0)
		close(known);
	if (filters >= 0)
		close(filters);
	close(prog_fd);
	return known == -EBADF && filters == -EINVAL;
}

enum attach_way attach_best_way(void)
{
	const char *wanted = getenv("SMAPTRACE_ATTACH");

	if (wanted && strcmp(wanted, "perf") == 0)
		return ATTACH_PERF;
	return multi_works() ? ATTACH_MULTI : ATTACH_PERF;
}

static int perf_trial(int prog_fd, uint64_t offset)
{
	struct perf_event_attr attr = {
		.size = sizeof(attr), .sample_period = 1, .wakeup_events = 1};
	char line[32] = "";
	int fd, err = 0;
	FILE *file = fopen("/sys/bus/event_source/devices/uprobe/type", "re");

	if (!file)
		return -errno;
	if (!fgets(line, sizeof(line), file))
		err = -EINVAL;
	fclose(file);
	if (err)
		return err;
	attr.type = (uint32_t)atoi(line);
	attr.config1 = (uintptr_t) "/proc/self/exe"; /* uprobe_path */
	attr.config2 = offset;			     /* probe_offset */
	fd = (int)syscall(SYS_perf_event_open, &attr, getpid(), -1, -1, PERF_FLAG_FD_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (ioctl(fd, PERF_EVENT_IOC_SET_BPF, prog_fd))
		err = -errno;
	close(fd);
	return err;
}

int attach_trial(const struct bpf_insn *insns, size_t insn_cnt, enum attach_way way,
		 uint64_t offset)
{
	const struct attach_point point = {
		.path = "/proc/self/exe",
		.pid = getpid(),
		.offset = &offset,
		.offset_cnt = 1,
	};
	int prog_fd = load(insns, insn_cnt, way);
	int err;

	if (prog_fd < 0)
		return prog_fd;
	if (way == ATTACH_PERF) {
		err = perf_trial(prog_fd, offset);
	} else {
		err = multi_create(prog_fd, &point, NULL, NULL);
		if (err >= 0) {
			close(err);
			err = 0;
		}
	}
	close(prog_fd);
	return err;
}

int attach_prepare(struct bpf_program *prog, enum attach_way way)
{
	if (way != ATTACH_MULTI)
		return 0;
	return bpf_program__set_expected_attach_type(
		prog, (enum bpf_attach_type)UPROBE_MULTI_ATTACH_TYPE);
}

/* Room for so many more. */
static int set_grow(struct attach_set *set, size_t more)
{
	struct attach_link *grown;

	grown = realloc(set->link, (set->cnt + more) * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	set->link = grown;
	return 0;
}

static int add_multi(struct attach_set *set, int prog_fd, const struct attach_point *point)
{
	uint64_t *both = calloc(2 * point->offset_cnt, sizeof(*both));
	uint64_t *semaphores = both, *cookies = both + point->offset_cnt;
	int fd;

	if (!both)
		return -ENOMEM;
	for (size_t i = 0; i < point->offset_cnt; i++) {
		semaphores[i] = point->semaphore;
		cookies[i] = point->cookie;
	}
	fd = multi_create(prog_fd, point, point->semaphore ? semaphores : NULL, cookies);
	free(both);
	if (fd < 0)
		return fd;
	set->link[set->cnt++] = (struct attach_link){.fd = fd};
	return 0;
}

static void *remove_link(void *arg)
{
	struct attach_link *link = arg;

	if (link->perf)
		bpf_link__destroy(link->perf);
	else
		close(link->fd);
	return NULL;
}

/*
 * Closing a link is waiting: for a grace period, some 60 ms each on one machine. So
 * all at once, a thread for each; without memory for threads one after the other.
 */
void attach_remove_after(struct attach_set *set, size_t first)
{
	pthread_t thread[THREADS_MAX];

	while (set->cnt > first) {
		size_t started = 0;

		while (set->cnt > first && started < THREADS_MAX &&
		       pthread_create(&thread[started], NULL, remove_link,
				      &set->link[set->cnt - 1]) == 0) {
			started++;
			set->cnt--;
		}
		for (size_t i = 0; i < started; i++)
			pthread_join(thread[i], NULL);
		if (!started)
			remove_link(&set->link[--set->cnt]);
	}
}

static int add_perf(struct attach_set *set, const struct bpf_program *prog,
		    const struct attach_point *point)
{
	size_t before = set->cnt;
	LIBBPF_OPTS(bpf_uprobe_opts, opts, .ref_ctr_offset = point->semaphore,
		    .bpf_cookie = point->cookie);

	for (size_t i = 0; i < point->offset_cnt; i++) {
		struct bpf_link *link;

		errno = 0;
		link = bpf_program__attach_uprobe_opts(prog,
						       point->pid == ATTACH_ALL ? -1 : point->pid,
						       point->path, point->offset[i], &opts);
		if (!link) {
			int err = errno ? -errno : -EINVAL;

			attach_remove_after(set, before);
			return err;
		}
		set->link[set->cnt++] = (struct attach_link){.perf = link, .fd = -1};
	}
	return 0;
}

int attach_add(struct attach_set *set, const struct bpf_program *prog, enum attach_way way,
	       const struct attach_point *point)
{
	int err;

	if (!point->offset_cnt)
		return 0;
	err = set_grow(set, point->offset_cnt);
	if (err)
		return err;
	if (way == ATTACH_MULTI)
		return add_multi(set, bpf_program__fd(prog), point);
	return add_perf(set, prog, point);
}

int attach_add_auto(struct attach_set *set, const struct bpf_program *prog)
{
	struct bpf_link *link;
	int err = set_grow(set, 1);

	if (err)
		return err;
	errno = 0;
	link = bpf_program__attach(prog);
	if (!link)
		return errno ? -errno : -EINVAL;
	set->link[set->cnt++] = (struct attach_link){.perf = link, .fd = -1};
	return 0;
}

void attach_join(struct attach_set *set, struct attach_set *from)
{
	if (!from->cnt || set_grow(set, from->cnt)) {
		attach_remove_all(from);
		return;
	}
	memcpy(set->link + set->cnt, from->link, from->cnt * sizeof(*from->link));
	set->cnt += from->cnt;
	free(from->link);
	*from = (struct attach_set){0};
}

void attach_remove_all(struct attach_set *set)
{
	attach_remove_after(set, 0);
	free(set->link);
	*set = (struct attach_set){0};
}
