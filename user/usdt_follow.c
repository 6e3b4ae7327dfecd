/* SPDX-License-Identifier: MIT */
/*
 * usdt_follow.c - the usdt backend's part in following a command's processes.
 *
 * The kernel knows the tree (bpf/follow.bpf.h), so the probes go in once per file, for all
 * processes of the machine, and the BPF programs drop the hits of those that are not of
 * the tree. That is what makes a fork without an exec exact: a child has its parent's
 * breakpoints and is in the tree before its first instruction, so there is no moment to
 * miss. Rejected: a probe per process (a child runs before it can be attached to, since
 * nothing on Linux 6.1 stops another process from BPF; nine links each, whose removal
 * takes long). The price is a trap in other processes that use the same file.
 *
 * A process that was stopped goes on when the session has looked at it. Should we be
 * killed, a guard does that: it counts stops against answers.
 */
#include "backend.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "log.h"
#include "usdt.h"
#include "usdt.skel.h"
#include "usdt_stacks.h"

/* Inode of /proc/self/ns/pid in the first pid namespace; part of the kernel's ABI. */
#define FIRST_PIDNS_INO 0xeffffffcULL
/* A program that found nobody gone may stop a process a moment later. */
#define RESCUE_ROUNDS 20
#define RESCUE_PAUSE_NS 5000000

/* Before the load. */
void usdt_follow_configure(struct usdt *usdt, bool command, bool all)
{
	struct usdt_bpf *skel = usdt->skel;
	bool following = command || all;
	struct stat st;

	usdt->following = following;
	usdt->all = all;
	skel->rodata->follow_all = all;
	usdt->tree = following && access("/sys/kernel/btf/vmlinux", R_OK) == 0;
	skel->rodata->following = following;
	(void)bpf_program__set_autoload(skel->progs.on_exec, following);
	(void)bpf_program__set_autoload(skel->progs.on_fork, usdt->tree && !all);
	(void)bpf_program__set_autoload(skel->progs.on_exit, usdt->tree);
	if (command && !usdt->tree)
		log_warn("this kernel has no BTF: only the command itself is traced, not the "
			 "processes that it starts");
	if (stat("/proc/self/ns/pid", &st))
		return;
	skel->rodata->pidns_dev = st.st_dev;
	skel->rodata->pidns_ino = st.st_ino;
	skel->rodata->first_pidns = st.st_ino == FIRST_PIDNS_INO;
}

/* --- stops and answers --------------------------------------------------------------- */

static void answer(const struct usdt *usdt, __u32 key, pid_t pid, __u32 stops)
{
	if (pid > 0)
		(void)kill(pid, SIGCONT);
	(void)bpf_map_update_elem(bpf_map__fd(usdt->skel->maps.answered), &key, &stops, BPF_ANY);
}

/* Whoever was stopped and not answered goes on. */
static void answer_all(const struct usdt *usdt)
{
	int processes = bpf_map__fd(usdt->skel->maps.processes);
	int answered = bpf_map__fd(usdt->skel->maps.answered);
	__u32 key, *before = NULL;

	while (bpf_map_get_next_key(processes, before, &key) == 0) {
		struct st_process process;
		__u32 done = 0;

		before = &key;
		if (bpf_map_lookup_elem(processes, &key, &process))
			continue;
		(void)bpf_map_lookup_elem(answered, &key, &done);
		if (process.stops != done)
			answer(usdt, key, (pid_t)process.pid, process.stops);
	}
}

static void rescue(void *ctx)
{
	const struct usdt *usdt = ctx;
	const struct timespec pause = {.tv_nsec = RESCUE_PAUSE_NS};

	usdt->skel->bss->abandoned = 1;
	for (int i = 0; i < RESCUE_ROUNDS; i++) {
		answer_all(usdt);
		if (usdt->done)
			return;
		(void)nanosleep(&pause, NULL);
	}
}

void usdt_follow_end(struct usdt *usdt)
{
	if (!usdt->following)
		return;
	usdt->done = true;
	answer_all(usdt);
	guard_stop(&usdt->guard);
}

/* --- the tree ------------------------------------------------------------------------ */

int usdt_follow(void *ctx, pid_t command, const struct backend_watcher *watcher)
{
	struct usdt *usdt = ctx;
	const int keep[] = {bpf_map__fd(usdt->skel->maps.processes),
			    bpf_map__fd(usdt->skel->maps.answered)};
	int err;

	usdt->watcher = *watcher;
	usdt->skel->bss->command_pid = (__u32)command;
	/* Before the links, which it must not keep. */
	err = usdt->all ? 0
			: guard_start(&usdt->guard, keep, sizeof(keep) / sizeof(keep[0]), rescue,
				      usdt);
	if (!err)
		err = attach_add_auto(&usdt->attached, usdt->skel->progs.on_exec);
	if (!err && usdt->tree)
		err = attach_add_auto(&usdt->attached, usdt->skel->progs.on_exit);
	if (!err && usdt->tree && !usdt->all)
		err = attach_add_auto(&usdt->attached, usdt->skel->progs.on_fork);
	return err ? log_err(err, "cannot follow %s",
			     usdt->all ? "all processes" : "the processes of the command")
		   : 0;
}

bool usdt_tree_lives(const void *ctx)
{
	const struct usdt *usdt = ctx;
	const volatile struct usdt_bpf__bss *bss = usdt->skel->bss;

	return usdt->tree && bss->command_known && bss->live;
}

/* It stands still: what it has mapped can be noted in time for its stacks. */
static void look(struct usdt *usdt, pid_t pid, uint32_t number)
{
	for (size_t i = usdt->stacks ? usdt->image_cnt : 0; i-- > 0;) {
		const struct target *target = usdt->image[i].target;

		if (target->pid != pid || target->number != number)
			continue;
		usdt_stacks_look(usdt, target);
		return;
	}
}

int usdt_process_event(struct usdt *usdt, const struct st_event *event)
{
	pid_t pid = (pid_t)event->args[1];
	int err = 0;

	if (!usdt->done && pid > 0) {
		err = usdt->watcher.process(usdt->watcher.ctx, pid, (uint32_t)event->args[0]);
		look(usdt, pid, (uint32_t)event->args[0]);
	}
	if (!usdt->all)
		answer(usdt, (__u32)event->args[2], pid, (__u32)event->args[3]);
	return err;
}

/* --- all processes ------------------------------------------------------------------- */

int usdt_look_event(struct usdt *usdt, const struct st_event *event)
{
	pid_t pid = (pid_t)event->args[0];

	if (usdt->done || pid <= 0 || !usdt->watcher.look)
		return 0;
	return usdt->watcher.look(usdt->watcher.ctx, pid, (uint32_t)event->args[1],
				  event->args[2] != 0);
}

int usdt_number(void *ctx, uint32_t key, pid_t pid, uint32_t *ret_number)
{
	struct usdt *usdt = ctx;
	int processes = bpf_map__fd(usdt->skel->maps.processes);
	struct st_process process;

	/* In the first pid namespace both are the same. */
	if (!key && usdt->skel->rodata->first_pidns)
		key = (uint32_t)pid;
	if (key && !bpf_map_lookup_elem(processes, &key, &process)) {
		if (process.announced) {
			*ret_number = process.number;
			return 0;
		}
		(void)bpf_map_delete_elem(processes, &key); /* it became another program */
	}
	/*
	 * Sequentially consistent: as the kernel counts it; no number may be given twice.
	 */
	process = (struct st_process){
		.number = __atomic_add_fetch(&usdt->skel->bss->last_number, 1, __ATOMIC_SEQ_CST),
		.announced = 1,
		.pid = (__u32)pid,
	};
	if (process.number >= ST_NUMBER_MAX)
		return -ENOSPC;
	*ret_number = process.number;
	/* Without a key the kernel tells of it at its first hit, with a number of its own. */
	if (!key || !bpf_map_update_elem(processes, &key, &process, BPF_NOEXIST))
		return 0;
	/* It hit a probe meanwhile: that number counts. */
	if (bpf_map_lookup_elem(processes, &key, &process) || !process.announced)
		return -EAGAIN;
	*ret_number = process.number;
	return 0;
}

/* --- files --------------------------------------------------------------------------- */

int usdt_file_index(struct usdt_files *files, dev_t dev, uint64_t ino, bool *ret_new)
{
	struct usdt_file *grown;

	*ret_new = false;
	for (size_t i = 0; i < files->cnt; i++)
		if (files->file[i].dev == dev && files->file[i].ino == ino)
			return (int)i;
	if (files->cnt == 1U << ST_FILE_BITS)
		return -ENFILE;
	grown = realloc(files->file, (files->cnt + 1) * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	files->file = grown;
	grown[files->cnt] = (struct usdt_file){.dev = dev, .ino = ino};
	*ret_new = true;
	return (int)files->cnt++;
}
