/* SPDX-License-Identifier: MIT */
/*
 * follow.bpf.h - which processes belong to the command, and which of them acts.
 *
 * The kernel keeps the tree by itself: a child is in `processes` before it can run,
 * because the fork's tracepoint comes before its first wake-up, and leaves with its last
 * thread. Keys are process ids of the first pid namespace, which are at hand everywhere.
 * Each address space that user space is told of has its own number: a child gets one, and
 * so does each exec, so that the maps of a parent and the copies of them in its child are
 * different maps.
 *
 * A process is stopped, and user space told, where something may be new to it: after an
 * exec, when the dynamic linker has mapped files, and at the first probe hit. A child
 * that forks and does nothing with maps is left alone.
 */
#ifndef FOLLOW_BPF_H
#define FOLLOW_BPF_H

#include "common.bpf.h"
#include <bpf/bpf_core_read.h>

#define SIGSTOP 19
#define COMMAND_NUMBER 0

/* What of the kernel's structures is read; the loader finds the offsets. */
struct signal_struct {
	struct {
		int counter;
	} live;
} __attribute__((preserve_access_index));

struct thread_struct {
#if defined(__TARGET_ARCH_x86)
	unsigned long fsbase;
#else
	struct {
		unsigned long tp_value;
	} uw;
#endif
} __attribute__((preserve_access_index));

struct sched_entity {
	__u64 sum_exec_runtime;
} __attribute__((preserve_access_index));

struct task_struct {
	int pid;
	int tgid;
	struct sched_entity se;
	struct thread_struct thread;
	struct signal_struct *signal;
} __attribute__((preserve_access_index));

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, __u32);
	__type(value, struct st_process);
} processes SEC(".maps");

/* By the same key, written by user space: how many of its stops have been answered. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, __u32);
	__type(value, __u32);
} answered SEC(".maps");

/* Trace a command and all its descendants; else the cookie alone says which target. */
const volatile __u32 following = 0;
/*
 * Follow all processes of the machine instead: each is in `processes` from its first probe
 * hit on, or since user space has put it there. None is ever stopped: they are not ours.
 */
const volatile __u32 follow_all = 0;
/* smaptrace's pid namespace; `first_pidns`: it is the one that the kernel itself uses. */
const volatile __u64 pidns_dev = 0, pidns_ino = 0;
const volatile __u32 first_pidns = 0;

/* The command as smaptrace knows it, set before anything is attached. */
__u32 command_pid, command_known;
__u32 last_number;
__u32 live;	 /* processes in the tree */
__u32 abandoned; /* nobody answers stops any more */

static __always_inline __u32 current_tgid(void)
{
	return bpf_get_current_pid_tgid() >> 32;
}

/* As smaptrace would call it; 0: it cannot see it. */
static __always_inline __u32 current_pid_for_user(void)
{
	struct bpf_pidns_info id;

	if (first_pidns)
		return current_tgid();
	if (bpf_get_ns_current_pid_tgid(pidns_dev, pidns_ino, &id, sizeof(id)))
		return 0;
	return id.tgid;
}

/* Likewise of the thread. */
static __always_inline __u32 current_tid_for_user(void)
{
	struct bpf_pidns_info id;

	if (first_pidns)
		return (__u32)bpf_get_current_pid_tgid();
	if (bpf_get_ns_current_pid_tgid(pidns_dev, pidns_ino, &id, sizeof(id)))
		return 0;
	return id.pid;
}

static __always_inline bool process_add(__u32 tgid, const struct st_process *process)
{
	long err = bpf_map_update_elem(&processes, &tgid, process, BPF_NOEXIST);

	if (err) {
		lose(ST_LOSS_maps_full);
		return false;
	}
	__sync_fetch_and_add(&live, 1);
	return true;
}

static __always_inline struct st_process *process_current(void)
{
	const struct st_process command = {
		.number = COMMAND_NUMBER, .pid = command_pid, .announced = 1};
	__u32 tgid = current_tgid();
	struct st_process *process = bpf_map_lookup_elem(&processes, &tgid);

	if (follow_all)
		return process;
	/* Once only: later another process may have its id. */
	if (process || command_known || current_pid_for_user() != command_pid)
		return process;
	command_known = 1;
	if (!process_add(tgid, &command))
		return NULL;
	return bpf_map_lookup_elem(&processes, &tgid);
}

/*
 * User space sends SIGCONT when it sees the record, hence this order: with no room for the
 * record no stop, and the stop before the record.
 */
static __always_inline void process_tell(struct st_process *process)
{
	struct st_event *event;

	if (!process->announced && last_number >= ST_NUMBER_MAX) {
		lose(ST_LOSS_maps_full);
		return;
	}
	event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
	if (!event) {
		lose(ST_LOSS_ring_full);
		return;
	}
	__builtin_memset(event, 0, sizeof(*event));
	event->kind = ST_EVENT_PROCESS;
	event->size = sizeof(*event);
	event->ts_ns = bpf_ktime_get_ns();
	if (!process->announced)
		process->number = __sync_fetch_and_add(&last_number, 1) + 1;
	process->announced = 1;
	process->pid = current_pid_for_user();
	if (!abandoned && !follow_all && process->pid) {
		__sync_fetch_and_add(&process->stops, 1);
		bpf_send_signal(SIGSTOP);
	}
	event->args[0] = process->number;
	event->args[1] = process->pid;
	event->args[2] = current_tgid();
	event->args[3] = process->stops;
	bpf_ringbuf_submit(event, BPF_RB_FORCE_WAKEUP);
}

/* It hit a probe, and nobody knew that it uses libsmap. */
static __always_inline struct st_process *process_new(void)
{
	const struct st_process process = {0};
	__u32 tgid = current_tgid();

	process_add(tgid, &process);
	return bpf_map_lookup_elem(&processes, &tgid);
}

/*
 * User space looks at it when it has time: most programs that start do not use libsmap. Those
 * whose files are known already are met at their first hit, too.
 */
static __always_inline void process_look(bool exec)
{
	struct st_event *event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);

	if (!event) {
		lose(ST_LOSS_ring_full);
		return;
	}
	__builtin_memset(event, 0, sizeof(*event));
	event->kind = ST_EVENT_LOOK;
	event->size = sizeof(*event);
	event->ts_ns = bpf_ktime_get_ns();
	event->args[0] = current_pid_for_user();
	event->args[1] = current_tgid();
	event->args[2] = exec;
	bpf_ringbuf_submit(event, BPF_RB_NO_WAKEUP);
}

/* The target of a probe hit; false: of no interest. */
static __always_inline bool follow_target(__u64 cookie, __u32 *ret_target)
{
	struct st_process *process;

	*ret_target = cookie;
	if (cookie == ST_COOKIE_NONE)
		return false;
	if (!following || cookie == ST_COOKIE_COST)
		return true;
	process = process_current();
	if (!process && follow_all)
		process = process_new();
	if (!process)
		return false;
	/* Before the hit is counted, so that user space meets the process first. */
	if (!process->announced)
		process_tell(process);
	if (!process->announced)
		return false;
	*ret_target = process->number << ST_FILE_BITS | (__u32)cookie;
	return true;
}

static __always_inline void follow_fork(const struct task_struct *child)
{
	const struct st_process process = {0};
	__u32 tgid = 0;

	if (bpf_core_read(&tgid, sizeof(tgid), &child->tgid) || tgid == current_tgid())
		return; /* a thread */
	if (process_current())
		process_add(tgid, &process);
}

static __always_inline void follow_exec(void)
{
	struct st_process *process = process_current();

	if (process)
		process->announced = 0;
	if (follow_all)
		process_look(true);
	else if (process)
		process_tell(process);
}

static __always_inline void follow_exit(const struct task_struct *task)
{
	__u32 tgid = current_tgid();
	struct st_event *event;

	if (!process_current() || BPF_CORE_READ(task, signal, live.counter) > 0)
		return;
	/* Two last threads at once: one of them finds it. */
	if (bpf_map_delete_elem(&processes, &tgid))
		return;
	bpf_map_delete_elem(&answered, &tgid);
	if (__sync_fetch_and_add(&live, -1) != 1 || follow_all)
		return;
	event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
	if (!event)
		return; /* the end is found at the next window */
	__builtin_memset(event, 0, sizeof(*event));
	event->kind = ST_EVENT_LINK_MAP;
	event->size = sizeof(*event);
	bpf_ringbuf_submit(event, BPF_RB_FORCE_WAKEUP);
}

#endif
