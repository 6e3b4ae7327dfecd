/* SPDX-License-Identifier: MIT */
/*
 * target.h - a process that is looked at from outside: which of its files contain
 * libsmap, and what its memory says about maps.
 *
 * Everything goes by descriptors that were opened once - a pidfd, /proc/PID/mem,
 * the mapped files themselves - so that a reused pid, a replaced or deleted
 * file or another mount namespace cannot mislead, and reading goes on after
 * privileges were given up. What is read is untrusted and checked here.
 */
#ifndef TARGET_H
#define TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "elfnote.h"

/* Copies of one file in a process: dlmopen() has 16 namespaces, each with its own data. */
#define TARGET_REGISTRIES_MAX 16

/* A mapped file that contains libsmap. The probes are attached once per file. */
struct target_image {
	dev_t dev;
	uint64_t ino;
	int fd;		 /* the file */
	char path[256];	 /* as the target sees it */
	uint32_t number; /* for the user: session's target index */
	bool numbered;	 /* it has one: not if it cannot be traced */
	struct elfnote note;
	size_t registry_cnt;
	uint64_t registry[TARGET_REGISTRIES_MAX]; /* addresses in the process */
};

struct target {
	pid_t pid;
	int pidfd; /* readable when the process has ended */
	int mem_fd;
	uint64_t start_ticks;
	char comm[16];
	uint32_t number; /* of a followed process: the backend's */
	struct target_image **image;
	size_t image_cnt;
	struct target_file *seen; /* files looked at, without libsmap */
	size_t seen_cnt;
};

/* -ESRCH no such process; -EACCES/-EPERM it exists but may not be read. */
int target_open(struct target **ret_target, pid_t pid);
void target_free(struct target *target);
bool target_alive(const struct target *target);
/* Its end has been seen: close its descriptors. What is known of it stays. */
void target_release(struct target *target);

/*
 * Look at the mapped files: images that are new are appended, registries of the known
 * ones follow the mappings. 0, or -ESRCH when the process has gone.
 */
int target_scan(struct target *target);

/*
 * Can this image be traced? 0; -EPROTO another ABI version; -EOPNOTSUPP built without
 * probes; -ENODATA probes there but not as the contract says.
 */
int target_image_check(const struct target_image *image);

/* Its program imports dlopen(): it may load libsmap later. */
bool target_may_dlopen(const struct target *target);

/* Exactly len bytes at addr, or -errno (-ESRCH: the process has gone; -EFAULT). */
int target_read(const struct target *target, uint64_t addr, void *buf, size_t len);

/* A checked copy of the state page at addr; -EINVAL if it is not a live map's. */
int target_read_state(const struct target *target, uint64_t addr, struct smap_state *ret_state);

/* Sums over the stripes of a map: what smap_len() is made of. */
struct target_stripes {
	uint64_t inserts, replaces, deletes;
};
int target_read_stripes(const struct target *target, const struct smap_state *state,
			struct target_stripes *ret_sum);

/*
 * The same of a map, with its stripes: one system call as long as those lie within so many bytes
 * of the state, as in a struct smap (tests/test_target.c holds that).
 */
#define TARGET_LOOK_BYTES 2304
struct target_map {
	struct smap_state state;
	struct target_stripes stripes;
	bool has_stripes; /* they could be read */
};
int target_read_map(const struct target *target, uint64_t addr, struct target_map *ret_map);

/*
 * All maps of one registry, at most max; the caller frees. The list is consistent unless
 * maps come and go faster than it can be read.
 */
int target_read_maps(const struct target *target, uint64_t registry, size_t max,
		     struct target_map **ret_maps, size_t *ret_cnt);

/* What one registry says of its process. */
struct target_activity {
	uint64_t sections;	 /* read sections that its threads have finished */
	uint64_t reclaimer_runs; /* rounds of its reclaimer */
};
int target_read_activity(const struct target *target, uint64_t registry,
			 struct target_activity *ret_activity);

/* CPU time that the process has used so far. */
int target_cpu_ns(const struct target *target, uint64_t *ret_ns);

/* The dynamic linker of a process: where it tells debuggers that the link map changed. */
struct target_linker {
	int fd;		       /* its file */
	uint64_t base;	       /* AT_BASE */
	uint64_t brk_vaddr;    /* _dl_debug_state, link-time */
	uint64_t brk_offset;   /* the same in the file */
	uint64_t rdebug_vaddr; /* _r_debug, link-time; 0 = not exported */
};

/* -ENOENT: statically linked, or a linker that does not have the hook. The caller closes fd. */
int target_find_linker(pid_t pid, struct target_linker *ret_linker);

#endif
