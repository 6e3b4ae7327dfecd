/* SPDX-License-Identifier: MIT */
/*
 * usdt.h - private to the usdt backend, whose parts are backend_usdt.c (load,
 * attach, the table), usdt_maps.c (maps and events), usdt_sample.c (samples) and usdt_follow.c (the processes
 * of a command).
 */
#ifndef USDT_H
#define USDT_H

#include <stdbool.h>
#include <stdint.h>
#include "attach.h"
#include "backend.h"
#include "guard.h"
#include "livemap.h"
#include "record.h"
#include "target.h"

struct ring_buffer;
struct usdt_bpf;

/* What was attached to once for all processes; the index is the attach cookie. */
struct usdt_files {
	struct usdt_file {
		dev_t dev;
		uint64_t ino;
	} * file;
	size_t cnt;
};

struct usdt_image {
	const struct target *target;
	const struct target_image *image;
	uint32_t key; /* st_key.target; for the user it is image->number */
	/* As of this round. */
	bool alive;
	bool walked; /* all its registries could be read */
	uint64_t cpu_ns;
	uint64_t sections, reclaimer_runs;
};

struct usdt {
	struct usdt_bpf *skel;
	struct record_sink sink;
	struct ring_buffer *ring;
	enum attach_way way;
	struct attach_set attached;
	struct attach_set trial; /* to processes of our own, while attaching */
	unsigned probe_cnt;
	bool exact, lock_waits, want_stacks, changed, last;
	bool plain;	/* probes have to be kept plain (plain.h) */
	bool following; /* a command: targets are process number and file */
	bool tree;	/* ... with its children */
	bool done;	/* probes removed: nobody is looked at any more */
	struct backend_watcher watcher;
	struct guard guard;
	struct usdt_files files, linkers;
	unsigned max_maps;
	int cpus;
	struct st_stats *per_cpu; /* cpus of them: one lookup */
	struct usdt_image *image;
	size_t image_cnt;
	struct livemaps maps;
	struct usdt_stacks *stacks; /* NULL without want_stacks */
	uint64_t now;
	uint64_t audit, state_unread; /* our own losses */
	uint64_t strangers;	      /* maps of processes that nobody has looked at */
};

/* The image with this key of ours; NULL = no such. */
const struct usdt_image *usdt_image_of(const struct usdt *usdt, uint32_t key);
/* Emit a record of ours; its target gets the number that the user knows. */
int usdt_emit(const struct usdt *usdt, struct record *record, unsigned kind, size_t size);
/* A key of the kernel's table: the map, made known if it is new; NULL and maybe *ret_err. */
struct livemap *usdt_found_key(struct usdt *usdt, const struct st_key *key,
			       const struct st_info *info, int *ret_err);
/* Emit a MAP for each map of an image; `attaching`: what waits in batches is not ours. */
int usdt_walk_registries(struct usdt *usdt, struct usdt_image *in, bool attaching);
/* Callback of the ring buffer; ctx is the struct usdt. */
int usdt_event(void *ctx, void *data, size_t size);
/* Before the load. */
void usdt_follow_configure(struct usdt *usdt, bool following);
/* A record of kind ST_EVENT_PROCESS. */
int usdt_process_event(struct usdt *usdt, const struct st_event *event);
/* After the probes were removed: nothing stays stopped. */
void usdt_follow_end(struct usdt *usdt);
/* Index or -errno; *ret_new: it was not there yet. */
int usdt_file_index(struct usdt_files *files, dev_t dev, uint64_t ino, bool *ret_new);
/* Operations of the backend (backend.h). */
int usdt_drain(void *ctx);
int usdt_sample(void *ctx, bool last);
int usdt_follow(void *ctx, pid_t command, const struct backend_watcher *watcher);
bool usdt_tree_lives(const void *ctx);

#endif
