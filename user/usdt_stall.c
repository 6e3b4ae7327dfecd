/* SPDX-License-Identifier: MIT */
/*
 * usdt_stall.c - the stack of a reader that stays inside its section.
 *
 * The stall probe fires in another thread and names the reader. That one sleeps as a rule,
 * so its registers lie in the kernel (bpf/regs.bpf.h) and its stack does not change: it is
 * unwound by the call frame information of its files, which the parser's process reads; where
 * there is none, by frame pointers. The thread is not stopped and does not notice. One that
 * runs, or ran meanwhile, gives no stack this time; the probe fires again in a second.
 *
 * Rejected: ptrace, which stops the thread and makes some of its system calls return EINTR.
 */
#include "usdt_stacks_impl.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "log.h"
#include "usdt.skel.h"

/* For all frames: files may be made to take long. The next time, what was read is known. */
#define PATIENCE_NS 2000000000ULL

#if defined(__x86_64__)
#define REG_FP 6
#define REG_SP 7
#define REG_PC 16
#else
#define REG_FP 29
#define REG_SP 31
#define REG_PC 32
#endif

void usdt_stall_configure(const struct usdt *usdt)
{
	bool btf = access("/sys/kernel/btf/vmlinux", R_OK) == 0;

	(void)bpf_program__set_autoload(usdt->skel->progs.on_task, btf);
}

/* --- the thread -------------------------------------------------------------- */

/* The last number of "NSpid:": what the thread calls itself. */
static bool is_thread(const char *status_path, unsigned long tid)
{
	FILE *file = fopen(status_path, "re");
	char line[256];
	bool found = false;

	while (file && !found && fgets(line, sizeof(line), file)) {
		const char *last;

		if (strncmp(line, "NSpid:", 6) != 0)
			continue;
		last = strrchr(line, '\t');
		found = last && strtoul(last + 1, NULL, 10) == tid;
		break;
	}
	if (file)
		fclose(file);
	return found;
}

/* Its number as we see it; 0 = it has gone. */
static pid_t find_thread(pid_t pid, unsigned long tid)
{
	char path[320];
	struct dirent *entry;
	pid_t found = 0;
	DIR *dir;

	/* Unless it is in a container, as we are not; there may be thousands of threads. */
	snprintf(path, sizeof(path), "/proc/%d/task/%lu/status", (int)pid, tid);
	if (is_thread(path, tid))
		return (pid_t)tid;
	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	dir = opendir(path);
	while (dir && !found && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/proc/%d/task/%s/status", (int)pid, entry->d_name);
		if (is_thread(path, tid))
			found = atoi(entry->d_name);
	}
	if (dir)
		closedir(dir);
	return found;
}

/* False: not to be had, or the thread runs. */
static bool read_regs(const struct usdt *usdt, pid_t tid, struct st_regs *ret_regs)
{
	union bpf_iter_link_info info = {.task = {.tid = (__u32)tid}};
	LIBBPF_OPTS(bpf_iter_attach_opts, opts, .link_info = &info, .link_info_len = sizeof(info));
	struct bpf_link *link;
	bool got = false;
	int fd;

	if (!bpf_program__autoload(usdt->skel->progs.on_task))
		return false;
	link = bpf_program__attach_iter(usdt->skel->progs.on_task, &opts);
	if (!link)
		return false;
	fd = bpf_iter_create(bpf_link__fd(link));
	if (fd >= 0) {
		got = read(fd, ret_regs, sizeof(*ret_regs)) == (ssize_t)sizeof(*ret_regs);
		close(fd);
	}
	bpf_link__destroy(link);
	return got && !ret_regs->running;
}

/* --- unwinding --------------------------------------------------------------- */

/* By the chain of frame pointers. False: it ends here. */
static bool step_fp(const struct target *target, uint64_t reg[ST_REGS])
{
	uint64_t pair[2], fp = reg[REG_FP];

	if (fp % 8 || fp < reg[REG_SP] || target_read(target, fp, pair, sizeof(pair)))
		return false;
	reg[REG_FP] = pair[0];
	reg[REG_SP] = fp + sizeof(pair);
	reg[REG_PC] = pair[1];
	return true;
}

/* By what the file says of this place. False: not possible; *ret_end: it is the outermost. */
static bool step_cfi(const struct target *target, const struct symbol_cfi *cfi,
		     uint64_t reg[ST_REGS], bool *ret_end)
{
	uint64_t cfa, next[ST_REGS];

	if (cfi->cfa_reg >= ST_REGS)
		return false;
	cfa = reg[cfi->cfa_reg] + (uint64_t)cfi->cfa_offset;
	memcpy(next, reg, sizeof(next));
	for (unsigned i = 0; i < ST_REGS; i++) {
		uint64_t at = cfa + (uint64_t)cfi->offset[i];

		if (cfi->rule[i] == SYMBOL_CFI_VALUE)
			next[i] = at;
		else if (cfi->rule[i] == SYMBOL_CFI_SAVED &&
			 target_read(target, at, &next[i], sizeof(next[i])))
			return false;
	}
	next[REG_SP] = cfa;
	*ret_end = cfi->rule[REG_PC] == SYMBOL_CFI_UNDEFINED;
	/* A stack only grows outwards, else a hostile one leads us in circles. */
	if (cfa <= reg[REG_SP])
		return false;
	memcpy(reg, next, sizeof(next));
	return true;
}

/* 0: not now, because its files take long to read. By frame pointers alone it might be wrong. */
static uint32_t unwind(struct usdt *usdt, const struct target *target, uint64_t reg[ST_REGS],
		       uint64_t ip[ST_STACK_DEPTH])
{
	uint64_t until = usdt_now_ns() + PATIENCE_NS;
	uint32_t depth = 0;
	bool end = false;

	while (depth < ST_STACK_DEPTH && reg[REG_PC] && !end) {
		uint64_t addr = reg[REG_PC] - (depth ? 1 : 0);
		struct symbol_cfi cfi;
		int err = usdt_stacks_cfi(usdt, target, addr, &cfi);

		if (err == -EAGAIN || usdt_now_ns() > until)
			return 0;
		ip[depth++] = reg[REG_PC];
		if (!err && step_cfi(target, &cfi, reg, &end))
			continue;
		if (!step_fp(target, reg))
			break;
	}
	return depth;
}

/* --- the event --------------------------------------------------------------- */

static __u64 hash_stack(const struct st_stack *stack)
{
	__u64 hash = stack->target;

	for (__u32 i = 0; i < stack->depth; i++) {
		hash = (hash ^ stack->ip[i]) * 0x9e3779b97f4a7c15ULL;
		hash ^= hash >> 29;
	}
	return hash | 1;
}

static bool take_stack(struct usdt *usdt, const struct target *target, unsigned long thread,
		       struct st_stack *stack)
{
	struct st_regs regs, after;
	pid_t tid = find_thread(target->pid, thread);
	uint64_t reg[ST_REGS];

	if (!tid || !read_regs(usdt, tid, &regs))
		return false;
	memcpy(reg, regs.reg, sizeof(reg));
	stack->depth = unwind(usdt, target, reg, (uint64_t *)stack->ip);
	return stack->depth && read_regs(usdt, tid, &after) && after.switches == regs.switches;
}

int usdt_stall(struct usdt *usdt, const struct st_event *event)
{
	struct usdt_image *in = usdt_image_of(usdt, event->target);
	struct st_stack_key key = {
		.map = {.target = event->target, .addr = event->addr, .id = event->id},
		.kind = ST_STACK_stall,
	};
	struct st_stack stack = {.target = event->target};
	uint64_t age = event->args[1], before;

	if (!in)
		return 0;
	if (!usdt->stacks && usdt_stacks_create(usdt))
		return 0; /* a finding has no stack then */
	if (!take_stack(usdt, in->target, (unsigned long)event->args[0], &stack)) {
		log_debug("no stack of the stalled thread %llu of process %d: it runs, its "
			  "files take long to read, or the kernel lacks what it takes",
			  (unsigned long long)event->args[0], (int)in->target->pid);
		return 0;
	}
	key.id = stack.id = hash_stack(&stack);
	/*
	 * The probe tells its age so far: what is new is the difference. It fires for each map that
	 * waits for the reader, of which the first one has the time.
	 */
	before = in->stall_thread == event->args[0] && in->stall_age <= age ? in->stall_age : 0;
	in->stall_thread = event->args[0];
	in->stall_age = age;
	usdt_stacks_count(usdt, &key, age - before);
	return usdt_stacks_event(usdt, &stack, sizeof(stack));
}
