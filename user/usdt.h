/* SPDX-License-Identifier: MIT */
/*
 * usdt.h - private to the usdt backend, whose two halves are backend_usdt.c (load,
 * attach, the table) and usdt_maps.c (events and samples).
 */
#ifndef USDT_H
#define USDT_H

#include <stdbool.h>
#include <stdint.h>
#include "attach.h"
#include "livemap.h"
#include "record.h"
#include "target.h"

struct ring_buffer;
struct usdt_bpf;

struct usdt_image {
	const struct target *target;
	const struct target_image *image;
	/* As of this round. */
	bool alive;
	bool walked; /* all its registries could be read */
	uint64_t cpu_ns;
	uint64_t sections;
};

struct usdt {
	struct usdt_bpf *skel;
	struct record_sink sink;
	struct ring_buffer *ring;
	enum attach_way way;
	struct attach_set attached;
	unsigned probe_cnt;
	bool exact, changed, last;
	unsigned max_maps;
	int cpus;
	struct st_stats *per_cpu; /* cpus of them: one lookup */
	struct usdt_image *image;
	size_t image_cnt;
	struct livemaps maps;
	uint64_t now;
	uint64_t audit, state_unread; /* our own losses */
};

/* Emit a MAP for each map of an image; `attaching`: what waits in batches is not ours. */
int usdt_walk_registries(struct usdt *usdt, struct usdt_image *in, bool attaching);
/* Callback of the ring buffer; ctx is the struct usdt. */
int usdt_event(void *ctx, void *data, size_t size);
/* Operations of the backend (backend.h). */
int usdt_drain(void *ctx);
int usdt_sample(void *ctx, bool last);

#endif
