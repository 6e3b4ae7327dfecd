/* SPDX-License-Identifier: MIT */
/*
 * attach.h - one BPF program on the sites of one probe, in one process or in all.
 *
 * Two ways. A uprobe_multi link takes all sites at once and goes away fast; perf
 * events work on every kernel, but closing each waits some 30 ms. A program has to
 * be loaded for the way it will be attached, so the way is chosen first.
 */
#ifndef ATTACH_H
#define ATTACH_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct bpf_program;

enum attach_way {
	ATTACH_PERF,
	ATTACH_MULTI,
};

/*
 * The best way that this kernel has, found out by trying. Multi links count only where
 * they filter by process: before Linux 6.10 they silently dropped the events of
 * all threads but one. SMAPTRACE_ATTACH=perf in the environment forbids them.
 */
enum attach_way attach_best_way(void);

/*
 * Load this program and attach it to a place in this process's own file, then undo
 * both: does it work here and now? 0 or -errno.
 */
struct bpf_insn;
int attach_trial(const struct bpf_insn *insns, size_t insn_cnt, enum attach_way way,
		 uint64_t offset);

/* Before the load. */
int attach_prepare(struct bpf_program *prog, enum attach_way way);

/* In each process that has the file mapped, now or later. */
#define ATTACH_ALL 0

struct attach_point {
	const char *path; /* the file, best as /proc/self/fd/N */
	pid_t pid;	  /* or ATTACH_ALL */
	uint64_t cookie;
	const uint64_t *offset; /* of each site in the file */
	size_t offset_cnt;
	uint64_t semaphore; /* its offset in the file; 0 = none */
};

/* Attached probes, to be detached together. Zero-initialised is empty. */
struct attach_set {
	struct attach_link *link;
	size_t cnt;
};

/* 0 or -errno; then nothing of this point is attached. */
int attach_add(struct attach_set *set, const struct bpf_program *prog, enum attach_way way,
	       const struct attach_point *point);
/* A program that says itself where it belongs (SEC). 0 or -errno. */
int attach_add_auto(struct attach_set *set, const struct bpf_program *prog);
/* `from` becomes empty; without memory its links are removed, one set after the other. */
void attach_join(struct attach_set *set, struct attach_set *from);
/* All but the first so many. */
void attach_remove_after(struct attach_set *set, size_t first);
/* Returns when no program runs any more. The set is empty afterwards. */
void attach_remove_all(struct attach_set *set);

#endif
