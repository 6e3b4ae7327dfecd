/* SPDX-License-Identifier: MIT */
/*
 * serve_snapshot.c - see serve_snapshot.h. Model: everything lies in a few large chunks
 * that are freed together. Histograms would be the bulk, of which most slots are empty: they
 * are packed, and only maps in which something happened have any.
 */
#include "serve_snapshot.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_BYTES 65536

struct chunk {
	struct chunk *next;
	size_t used, size;
	_Alignas(max_align_t) unsigned char bytes[];
};

struct owned {
	struct snapshot snapshot; /* first: what others see */
	atomic_uint refs;
	struct report_meta meta;
	struct chunk *chunks;
	bool failed; /* no memory */
};

/* Never NULL while `failed` is false. */
static void *take(struct owned *owned, size_t size)
{
	struct chunk *chunk = owned->chunks;
	void *bytes;

	size = (size + sizeof(max_align_t) - 1) / sizeof(max_align_t) * sizeof(max_align_t);
	if (!chunk || chunk->size - chunk->used < size) {
		size_t room = size > CHUNK_BYTES ? size : CHUNK_BYTES;

		chunk = malloc(sizeof(*chunk) + room);
		if (!chunk) {
			owned->failed = true;
			return NULL;
		}
		*chunk = (struct chunk){.next = owned->chunks, .size = room};
		owned->chunks = chunk;
	}
	bytes = chunk->bytes + chunk->used;
	chunk->used += size;
	return bytes;
}

static void *copy(struct owned *owned, const void *from, size_t size)
{
	void *to = take(owned, size);

	if (to && size)
		memcpy(to, from, size);
	return to;
}

static const char *copy_text(struct owned *owned, const char *text)
{
	return text ? copy(owned, text, strlen(text) + 1) : NULL;
}

static void copy_targets(struct owned *owned, const struct report *from)
{
	struct report_target *targets =
		copy(owned, from->targets, from->target_count * sizeof(*targets));

	for (size_t i = 0; i < from->target_count && !owned->failed; i++) {
		targets[i].comm = copy_text(owned, targets[i].comm);
		targets[i].file = copy_text(owned, targets[i].file);
	}
	owned->snapshot.report.targets = targets;
}

static const uint64_t *pack_hists(struct owned *owned, const struct report_map *map)
{
	uint64_t words[HIST_PACKED_MAX];

	if (!map->hists)
		return NULL;
	return copy(owned, words, hist_pack(map->hists, map->hists_empty, words) * sizeof(*words));
}

static void copy_maps(struct owned *owned, const struct report *from)
{
	struct report_map *maps = copy(owned, from->maps, from->map_count * sizeof(*maps));

	for (size_t i = 0; i < from->map_count && !owned->failed; i++) {
		maps[i].name = copy_text(owned, maps[i].name);
		/* Neighbours are mostly of one process. */
		maps[i].comm = i > 0 && from->maps[i].comm == from->maps[i - 1].comm
				       ? maps[i - 1].comm
				       : copy_text(owned, maps[i].comm);
		maps[i].packed_hists = maps[i].active ? pack_hists(owned, &maps[i]) : NULL;
		maps[i].hists = NULL;
		/* The stacks themselves never change, and live as long as the model. */
		maps[i].stacks =
			copy(owned, maps[i].stacks, maps[i].stack_count * sizeof(*maps[i].stacks));
	}
	owned->snapshot.report.maps = maps;
}

static void copy_finding(struct owned *owned, struct finding *to, const struct finding *from)
{
	*to = *from;
	to->name = copy_text(owned, from->name);
	to->comm = copy_text(owned, from->comm);
	to->remedy = copy_text(owned, from->remedy);
	/* The names, units, shapes and links in it are words of the program. */
	to->evidence = copy(owned, from->evidence, from->evidence_count * sizeof(*to->evidence));
	to->stack = from->stack ? copy(owned, from->stack, sizeof(*to->stack)) : NULL;
}

/* Those that hold and the latest, in their order; the new ones stay at the end. */
static void copy_findings(struct owned *owned, const struct report *from)
{
	struct report *report = &owned->snapshot.report;
	size_t first = from->known_count > SNAPSHOT_FINDINGS_MAX
			       ? from->known_count - SNAPSHOT_FINDINGS_MAX
			       : 0;
	size_t first_new = from->known_count - from->finding_count, count = 0;
	struct finding *known;

	if (first > first_new)
		first = first_new;
	for (size_t i = 0; i < from->known_count; i++)
		count += i >= first || finding_holds(&from->known[i], from->end_ns);
	known = take(owned, count * sizeof(*known));
	count = 0;
	for (size_t i = 0; i < from->known_count && !owned->failed; i++)
		if (i >= first || finding_holds(&from->known[i], from->end_ns))
			copy_finding(owned, &known[count++], &from->known[i]);
	if (owned->failed)
		return;
	report->known = known;
	report->known_count = count;
	report->findings = known + count - from->finding_count;
}

int snapshot_create(struct snapshot **ret_snapshot, const struct report *report,
		    const struct metrics *metrics)
{
	struct owned *owned = calloc(1, sizeof(*owned));
	int err;

	if (!owned)
		return -ENOMEM;
	atomic_init(&owned->refs, 1);
	owned->meta = *report->meta;
	owned->snapshot.report = *report;
	owned->snapshot.report.meta = &owned->meta;
	owned->snapshot.report.model = NULL; /* it goes on: single events are not kept */
	owned->snapshot.report.history = NULL;
	owned->snapshot.report.forgotten = NULL; /* the metrics have them */
	owned->snapshot.report.forgotten_count = 0;
	owned->snapshot.report.losses =
		copy(owned, report->losses, report->loss_count * sizeof(*report->losses));
	copy_targets(owned, report);
	copy_maps(owned, report);
	copy_findings(owned, report);
	err = owned->failed ? -ENOMEM : metrics_clone(&owned->snapshot.metrics, metrics);
	if (err) {
		snapshot_put(&owned->snapshot);
		return err;
	}
	*ret_snapshot = &owned->snapshot;
	return 0;
}

struct snapshot *snapshot_get(struct snapshot *snapshot)
{
	struct owned *owned = (struct owned *)snapshot;

	/* Relaxed: counter; who calls has a reference already. */
	atomic_fetch_add_explicit(&owned->refs, 1, memory_order_relaxed);
	return snapshot;
}

void snapshot_put(struct snapshot *snapshot)
{
	struct owned *owned = (struct owned *)snapshot;

	/*
	 * Acquire and release: pairs with itself in the other threads. What they read of the
	 * snapshot before they put it happens before the free of the last one.
	 */
	if (!owned || atomic_fetch_sub_explicit(&owned->refs, 1, memory_order_acq_rel) > 1)
		return;
	while (owned->chunks) {
		struct chunk *next = owned->chunks->next;

		free(owned->chunks);
		owned->chunks = next;
	}
	metrics_free(owned->snapshot.metrics);
	free(owned);
}
