/* SPDX-License-Identifier: MIT */
/*
 * offcpu.c - see offcpu.h. Model: the two things that bpf/offcpu.bpf.h asks of a kernel
 * are tried one by one: its types (BTF), for where a thread's pointer stands, and a
 * program on the raw tracepoint sched_switch.
 */
#include "offcpu.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stddef.h>
#include <unistd.h>
#include "log.h"

static int try_switch(void)
{
	const struct bpf_insn insns[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0},
		{.code = BPF_JMP | BPF_EXIT},
	};
	int prog = bpf_prog_load(BPF_PROG_TYPE_RAW_TRACEPOINT, "offcpu", "GPL", insns, 2, NULL);
	int link;

	if (prog < 0)
		return prog;
	link = bpf_raw_tracepoint_open("sched_switch", prog);
	close(prog);
	if (link < 0)
		return link;
	close(link);
	return 0;
}

int offcpu_check(const char **ret_why, const char **ret_remedy)
{
	int err;

	if (access("/sys/kernel/btf/vmlinux", R_OK)) {
		*ret_why = "the kernel has no BTF";
		*ret_remedy = "use a kernel with CONFIG_DEBUG_INFO_BTF=y, and mount /sys";
		return -ENOENT;
	}
	err = try_switch();
	if (err == -EPERM || err == -EACCES) {
		*ret_why = "the tracepoint sched_switch is not permitted";
		*ret_remedy = "run as root, or with CAP_BPF and CAP_PERFMON";
	} else if (err) {
		*ret_why = "the tracepoint sched_switch cannot be used";
		*ret_remedy = "use a kernel with CONFIG_BPF_EVENTS=y and CONFIG_TRACEPOINTS=y";
	}
	return err;
}

bool offcpu_possible(void)
{
	const char *why, *remedy;

	if (offcpu_check(&why, &remedy) == 0)
		return true;
	log_warn("threads off the CPU are not seen: %s", why);
	log_hint("%s; all else is traced", remedy);
	return false;
}
