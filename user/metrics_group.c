/* SPDX-License-Identifier: MIT */
/*
 * metrics_group.c - the table of groups: an array in order of appearance, which is the
 * order of the series, and an open-addressed index into it that is built anew when it
 * is half full or when groups have gone.
 */
#include "metrics_group.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define INDEX_SIZE_MIN 64

static uint64_t hash_bytes(uint64_t hash, const char *bytes)
{
	for (; *bytes; bytes++)
		hash = (hash ^ (unsigned char)*bytes) * 0x100000001b3ULL;
	return (hash ^ 0xff) * 0x100000001b3ULL;
}

static uint64_t hash_of(int pid, const char *comm, const char *name)
{
	uint64_t hash = 0xcbf29ce484222325ULL ^ (uint64_t)pid;

	hash = hash_bytes(hash_bytes(hash, comm), name);
	return hash ^ hash >> 29;
}

static bool same(const struct metrics_group *group, int pid, const char *comm, const char *name)
{
	return group->pid == pid && strcmp(group->comm, comm) == 0 &&
	       strcmp(group->name, name) == 0;
}

/* The place of a group in the index: where it is, or the free one where it would be. */
static size_t place_of(const struct metrics *metrics, int pid, const char *comm, const char *name)
{
	size_t mask = metrics->index_size - 1;
	size_t at = hash_of(pid, comm, name) & mask;

	while (metrics->index[at] &&
	       !same(metrics->groups[metrics->index[at] - 1], pid, comm, name))
		at = (at + 1) & mask;
	return at;
}

static void fill_index(struct metrics *metrics)
{
	memset(metrics->index, 0, metrics->index_size * sizeof(*metrics->index));
	for (size_t i = 0; i < metrics->group_count; i++) {
		const struct metrics_group *group = metrics->groups[i];

		metrics->index[place_of(metrics, group->pid, group->comm, group->name)] =
			(uint32_t)i + 1;
	}
}

static bool make_room(struct metrics *metrics)
{
	size_t room = metrics->group_room ? 2 * metrics->group_room : INDEX_SIZE_MIN / 2;
	struct metrics_group **groups;
	uint32_t *index;

	if (metrics->group_count < metrics->group_room)
		return true;
	groups = realloc(metrics->groups, room * sizeof(struct metrics_group *));
	if (!groups)
		return false;
	metrics->groups = groups;
	index = calloc(2 * room, sizeof(*index));
	if (!index)
		return false;
	free(metrics->index);
	metrics->index = index;
	metrics->index_size = 2 * room;
	metrics->group_room = room;
	fill_index(metrics);
	return true;
}

struct metrics_group *metrics_find(const struct metrics *metrics, int pid, const char *comm,
				   const char *name)
{
	size_t at;

	if (!metrics->index_size)
		return NULL;
	at = place_of(metrics, pid, comm, name);
	return metrics->index[at] ? metrics->groups[metrics->index[at] - 1] : NULL;
}

struct metrics_group *metrics_get(struct metrics *metrics, int pid, const char *comm,
				  const char *name)
{
	struct metrics_group *group = metrics_find(metrics, pid, comm, name);

	if (group)
		return group;
	if (!make_room(metrics))
		return NULL;
	group = calloc(1, sizeof(*group));
	if (!group)
		return NULL;
	group->pid = pid;
	strncpy(group->comm, comm, sizeof(group->comm) - 1);
	strncpy(group->name, name, sizeof(group->name) - 1);
	metrics->groups[metrics->group_count++] = group;
	metrics->index[place_of(metrics, pid, group->comm, group->name)] =
		(uint32_t)metrics->group_count;
	return group;
}

void metrics_remove(struct metrics *metrics,
		    bool (*gone)(const struct metrics_group *group, void *ctx), void *ctx)
{
	size_t kept = 0;

	for (size_t i = 0; i < metrics->group_count; i++) {
		struct metrics_group *group = metrics->groups[i];

		if (!gone(group, ctx)) {
			metrics->groups[kept++] = group;
			continue;
		}
		metrics->shown_count -= group->shown;
		free(group->hists);
		free(group);
	}
	if (kept == metrics->group_count)
		return;
	metrics->group_count = kept;
	fill_index(metrics);
}

static int clone_group(struct metrics_group *to, const struct metrics_group *from)
{
	*to = *from;
	if (!from->hists)
		return 0;
	to->hists = malloc(ST_HIST_COUNT * sizeof(*to->hists));
	if (!to->hists)
		return -ENOMEM;
	memcpy(to->hists, from->hists, ST_HIST_COUNT * sizeof(*to->hists));
	return 0;
}

int metrics_clone(struct metrics **ret_clone, const struct metrics *metrics)
{
	struct metrics *clone = malloc(sizeof(*clone));
	int err = 0;

	if (!clone)
		return -ENOMEM;
	*clone = *metrics;
	clone->index = NULL;
	clone->index_size = clone->group_room = clone->group_count = 0;
	clone->groups = calloc(metrics->shown_count + 1, sizeof(struct metrics_group *));
	err = clone_group(&clone->other, &metrics->other);
	for (size_t i = 0; i < metrics->group_count && clone->groups && !err; i++) {
		struct metrics_group *group;

		if (!metrics->groups[i]->shown)
			continue;
		group = malloc(sizeof(*group));
		if (group)
			clone->groups[clone->group_count++] = group;
		err = group ? clone_group(group, metrics->groups[i]) : -ENOMEM;
	}
	if (!clone->groups || err) {
		metrics_free(clone);
		return -ENOMEM;
	}
	*ret_clone = clone;
	return 0;
}
