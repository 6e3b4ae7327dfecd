/* SPDX-License-Identifier: MIT */
/*
 * target.c - a process from outside.
 *
 * The pidfd comes first: whatever is opened afterwards is of the same process if
 * the pidfd is still alive at the end. Images are known by device and inode,
 * because that is what the kernel attaches uprobes to; where a file is mapped
 * only decides where its registries are.
 */
#include "target.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include "procfs.h"

#define NSEC_PER_SEC 1000000000ULL

struct target_file {
	dev_t dev;
	uint64_t ino;
};

static int open_mem(pid_t pid)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/mem", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		return fd;
	return errno == ENOENT ? -ESRCH : -errno;
}

static int open_pidfd(pid_t pid)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);

	if (fd >= 0)
		return fd;
	/* A thread that does not lead its process is no process: EINVAL, on newer kernels ENOENT. */
	return errno == EINVAL || errno == ENOENT ? -ESRCH : -errno;
}

int target_open(struct target **ret_target, pid_t pid)
{
	struct target *target = calloc(1, sizeof(*target));
	int err;

	if (!target)
		return -ENOMEM;
	target->pid = pid;
	target->mem_fd = -1;
	target->pidfd = err = open_pidfd(pid);
	if (err < 0)
		goto out;
	err = procfs_stat(pid, target->comm, &target->start_ticks);
	if (err)
		goto out;
	target->mem_fd = err = open_mem(pid);
	if (err < 0)
		goto out;
	err = target_alive(target) ? 0 : -ESRCH;
out:
	if (err) {
		target_free(target);
		return err;
	}
	*ret_target = target;
	return 0;
}

static void image_free(struct target_image *image)
{
	if (image->fd >= 0)
		close(image->fd);
	free(image);
}

void target_free(struct target *target)
{
	if (!target)
		return;
	for (size_t i = 0; i < target->image_cnt; i++)
		image_free(target->image[i]);
	free(target->image);
	free(target->seen);
	if (target->mem_fd >= 0)
		close(target->mem_fd);
	if (target->pidfd >= 0)
		close(target->pidfd);
	free(target);
}

bool target_alive(const struct target *target)
{
	struct pollfd pfd = {.fd = target->pidfd, .events = POLLIN};

	return target->pidfd >= 0 && poll(&pfd, 1, 0) == 0;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void target_release(struct target *target)
{
	for (size_t i = 0; i < target->image_cnt; i++)
		close_fd(&target->image[i]->fd);
	close_fd(&target->mem_fd);
	close_fd(&target->pidfd);
}

/* --- files ------------------------------------------------------------------ */

static struct target_image *find_image(const struct target *target,
				       const struct procfs_mapping *mapping)
{
	for (size_t i = 0; i < target->image_cnt; i++)
		if (target->image[i]->dev == mapping->dev && target->image[i]->ino == mapping->ino)
			return target->image[i];
	return NULL;
}

static bool is_seen(const struct target *target, const struct procfs_mapping *mapping)
{
	for (size_t i = 0; i < target->seen_cnt; i++)
		if (target->seen[i].dev == mapping->dev && target->seen[i].ino == mapping->ino)
			return true;
	return false;
}

static int add_seen(struct target *target, const struct procfs_mapping *mapping)
{
	struct target_file *grown;

	grown = realloc(target->seen, (target->seen_cnt + 1) * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	target->seen = grown;
	grown[target->seen_cnt++] = (struct target_file){mapping->dev, mapping->ino};
	return 0;
}

/* One more place where this image is mapped: its registry there. */
static void add_registry(struct target_image *image, const struct procfs_mapping *mapping)
{
	uint64_t vaddr, registry;

	if (elfnote_mapping_vaddr(&image->note, mapping->offset, (uint64_t)sysconf(_SC_PAGESIZE),
				  &vaddr))
		return;
	registry = mapping->start - vaddr + image->note.registry;
	for (size_t i = 0; i < image->registry_cnt; i++)
		if (image->registry[i] == registry)
			return;
	if (image->registry_cnt < TARGET_REGISTRIES_MAX)
		image->registry[image->registry_cnt++] = registry;
}

static int add_image(struct target *target, const struct procfs_mapping *mapping, int fd,
		     const struct elfnote *note)
{
	struct target_image **grown, *image;

	grown = realloc(target->image, (target->image_cnt + 1) * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	target->image = grown;
	image = calloc(1, sizeof(*image));
	if (!image)
		return -ENOMEM;
	image->dev = mapping->dev;
	image->ino = mapping->ino;
	image->fd = fd;
	image->note = *note;
	snprintf(image->path, sizeof(image->path), "%s", mapping->path);
	add_registry(image, mapping);
	grown[target->image_cnt++] = image;
	return 0;
}

static int scan_mapping(const struct procfs_mapping *mapping, void *ctx)
{
	struct target *target = ctx;
	struct target_image *image;
	struct elfnote note;
	int fd, err;

	if (!mapping->exec || !mapping->ino)
		return 0;
	image = find_image(target, mapping);
	if (image) {
		add_registry(image, mapping);
		return 0;
	}
	if (is_seen(target, mapping))
		return 0;
	fd = procfs_open_mapping(target->pid, mapping);
	if (fd < 0)
		return 0; /* unmapped meanwhile, or not ours to read: next time */
	err = elfnote_parse(fd, &note);
	if (!err && elfnote_is_libsmap(&note)) {
		err = add_image(target, mapping, fd, &note);
		if (!err)
			return 0;
	} else if (err != -ENOMEM) {
		err = add_seen(target, mapping);
	}
	close(fd);
	return err;
}

int target_scan(struct target *target)
{
	uint64_t start_ticks;
	int mem_fd, err;

	/* An exec changes it. */
	(void)procfs_stat(target->pid, target->comm, &start_ticks);
	for (size_t i = 0; i < target->image_cnt; i++)
		target->image[i]->registry_cnt = 0;
	err = procfs_each_mapping(target->pid, scan_mapping, target);
	if (!err && !target_alive(target))
		err = -ESRCH;
	/* After an exec the old descriptor shows the old memory, which is no more. */
	mem_fd = open_mem(target->pid);
	if (mem_fd >= 0) {
		close(target->mem_fd);
		target->mem_fd = mem_fd;
	}
	return err;
}

int target_image_check(const struct target_image *image)
{
	const struct elfnote *note = &image->note;

	if (note->abi != SMAP_ABI_VERSION)
		return -EPROTO;
	if (!note->site_cnt)
		return -EOPNOTSUPP;
	for (unsigned i = 0; i < SMAP_PROBE_COUNT; i++)
		if (!note->probe[i].site_cnt || note->probe[i].bad_args ||
		    !note->probe[i].semaphore)
			return -ENODATA;
	return 0;
}

bool target_may_dlopen(const struct target *target)
{
	char path[64];
	uint64_t vaddr;
	int fd, err;

	snprintf(path, sizeof(path), "/proc/%d/exe", (int)target->pid);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return false;
	err = elfnote_symbol(fd, "dlopen", false, &vaddr);
	close(fd);
	return err == 0;
}

/* --- the dynamic linker ----------------------------------------------------- */

struct find_at {
	uint64_t addr;
	int fd;
	pid_t pid;
};

static int find_mapping_at(const struct procfs_mapping *mapping, void *ctx)
{
	struct find_at *find = ctx;

	if (mapping->start != find->addr || !mapping->ino)
		return 0;
	find->fd = procfs_open_mapping(find->pid, mapping);
	return 1;
}

int target_find_linker(pid_t pid, struct target_linker *ret_linker)
{
	struct target_linker linker = {.fd = -1};
	struct find_at find = {.fd = -ENOENT, .pid = pid};
	struct elfnote note;
	int err;

	err = procfs_auxv(pid, AT_BASE, &linker.base);
	if (err || !linker.base)
		return err ? err : -ENOENT;
	find.addr = linker.base;
	err = procfs_each_mapping(pid, find_mapping_at, &find);
	if (err < 0 || find.fd < 0)
		return err < 0 ? err : find.fd;
	linker.fd = find.fd;
	err = elfnote_parse(linker.fd, &note);
	if (!err)
		err = elfnote_symbol(linker.fd, "_dl_debug_state", true, &linker.brk_vaddr);
	if (!err)
		err = elfnote_offset(&note, linker.brk_vaddr, &linker.brk_offset);
	if (err) {
		close(linker.fd);
		return err;
	}
	if (elfnote_symbol(linker.fd, "_r_debug", true, &linker.rdebug_vaddr))
		linker.rdebug_vaddr = 0;
	*ret_linker = linker;
	return 0;
}

int target_cpu_ns(const struct target *target, uint64_t *ret_ns)
{
	struct timespec ts;
	clockid_t clock;
	int err = clock_getcpuclockid(target->pid, &clock);

	if (err)
		return -err;
	if (clock_gettime(clock, &ts))
		return -errno;
	/* Only now: the pid could have been somebody else's. */
	if (!target_alive(target))
		return -ESRCH;
	*ret_ns = (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
	return 0;
}
