/* SPDX-License-Identifier: MIT */
/*
 * list.c - `smaptrace list`: which processes use libsmap, and what their maps say
 * of themselves. Reads memory, attaches to nothing, needs no BPF: it also works
 * where the probes were left out.
 *
 * Without -p it looks at every process that it may look at, and says how many it
 * may not; a named process that cannot be listed is an error.
 */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "json_sink.h"
#include "log.h"
#include "names.h"
#include "options.h"
#include "sink.h"
#include "target.h"
#include "target_log.h"
#include "words.h"

#define COLUMNS 80
#define MAPS_MAX 65536
#define COMM_ESCAPED_MAX (4 * 16)
#define PATH_ESCAPED_MAX (4 * 256)

struct list {
	struct sink sink;
	bool json;
	unsigned process_cnt; /* that use libsmap */
	unsigned denied_cnt;
};

/* What is shown of a map. */
struct row {
	const struct target *target;
	const struct smap_state *state;
	uint64_t len;
	uint64_t counter[ST_COUNTER_COUNT];
};

static void fill_row(struct row *row, const struct target *target, const struct target_map *map)
{
	const struct smap_state *state = &map->state;
	const uint64_t counters[ST_COUNTER_COUNT] = {
#define COUNTER_VALUE(name) state->counters.name,
		SMAP_COUNTERS(COUNTER_VALUE)
#undef COUNTER_VALUE
	};

	*row = (struct row){.target = target, .state = state};
	memcpy(row->counter, counters, sizeof(counters));
	/* Threads go on while it is read: never negative. */
	if (map->has_stripes && map->stripes.inserts > map->stripes.deletes)
		row->len = map->stripes.inserts - map->stripes.deletes;
}

static const char *key_kind_name(const struct smap_state *state)
{
	return state->key_kind ? "u64" : "bytes";
}

/* --- text ------------------------------------------------------------------- */

/* Words with a value each, broken at the right margin. */
static void put_figure(struct sink *sink, size_t *column, const char *name, uint64_t value)
{
	char text[64];
	size_t len = (size_t)snprintf(text, sizeof(text), "%s %" PRIu64, name, value);

	if (*column && *column + 2 + len > COLUMNS) {
		sink_puts(sink, "\n");
		*column = 0;
	}
	sink_puts(sink, *column ? "  " : "    ");
	sink_puts(sink, text);
	*column += (*column ? 2 : 4) + len;
}

static void put_text(struct sink *sink, const struct row *row)
{
	const struct smap_state *state = row->state;
	char name[NAME_ESCAPED_MAX];
	size_t column = 0;

	name_fit(name, sizeof(name), state->name, COLUMNS - 2);
	sink_printf(sink, "  %s\n", name);
	sink_printf(sink, "    %s keys", key_kind_name(state));
	column = 4 + strlen(key_kind_name(state)) + 5;
	put_figure(sink, &column, "len", row->len);
	put_figure(sink, &column, "read", state->read_len);
	put_figure(sink, &column, "dirty", state->dirty_len);
	put_figure(sink, &column, "slots", state->slots);
	sink_puts(sink, "\n");
	column = 0;
	for (size_t i = 0; i < ST_COUNTER_COUNT; i++)
		put_figure(sink, &column, counter_names[i], row->counter[i]);
	sink_puts(sink, "\n");
}

static void put_process(struct sink *sink, const struct target *target,
			const struct target_image *image, size_t map_cnt)
{
	char comm[COMM_ESCAPED_MAX], path[PATH_ESCAPED_MAX], comm_nul[17] = {0};
	size_t used;

	memcpy(comm_nul, target->comm, sizeof(target->comm));
	name_escape(comm, sizeof(comm), comm_nul);
	used = (size_t)snprintf(NULL, 0, "%d %s: %zu maps in ", (int)target->pid, comm, map_cnt);
	name_fit(path, sizeof(path), image->path, used < COLUMNS - 20 ? COLUMNS - used : 20);
	sink_printf(sink, "%d %s: %zu map%s in %s\n", (int)target->pid, comm, map_cnt,
		    map_cnt == 1 ? "" : "s", path);
}

/* --- json ------------------------------------------------------------------- */

static int set(json_t *object, const char *key, json_t *value)
{
	return json_object_set_new(object, key, value); /* takes NULL for an error */
}

static json_t *make_json(const struct row *row)
{
	const struct smap_state *state = row->state;
	char comm[4 * 16], name[4 * SMAP_NAME_LEN], comm_nul[17] = {0};
	json_t *object = json_object();
	int err;

	memcpy(comm_nul, row->target->comm, sizeof(row->target->comm));
	name_utf8(comm, sizeof(comm), comm_nul);
	name_utf8(name, sizeof(name), state->name);
	err = set(object, "type", json_string("list"));
	err |= set(object, "pid", json_integer(row->target->pid));
	err |= set(object, "comm", json_string(comm));
	err |= set(object, "addr", json_addr(state->self));
	err |= set(object, "id", json_u64(state->id));
	err |= set(object, "name", json_string(name));
	err |= set(object, "key_kind", json_string(key_kind_name(state)));
	for (size_t i = 0; i < ST_COUNTER_COUNT; i++)
		err |= set(object, counter_names[i], json_u64(row->counter[i]));
	err |= set(object, "len", json_u64(row->len));
	err |= set(object, "read_len", json_u64(state->read_len));
	err |= set(object, "dirty_len", json_u64(state->dirty_len));
	err |= set(object, "slots", json_u64(state->slots));
	if (err) {
		json_decref(object);
		return NULL;
	}
	return object;
}

static int put_json(struct sink *sink, const struct row *row)
{
	json_t *object = make_json(row);
	char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;

	json_decref(object);
	if (!text)
		return -ENOMEM;
	sink_puts(sink, text);
	sink_puts(sink, "\n");
	free(text);
	return 0;
}

/* --- processes -------------------------------------------------------------- */

static int list_image(struct list *list, const struct target *target,
		      const struct target_image *image)
{
	int err = 0;

	for (size_t i = 0; i < image->registry_cnt && !err; i++) {
		struct target_map *maps;
		size_t cnt;

		/* Loaded a moment ago, and not relocated yet: nothing to show. */
		if (target_read_maps(target, image->registry[i], MAPS_MAX, &maps, &cnt))
			continue;
		if (!list->json)
			put_process(&list->sink, target, image, cnt);
		for (size_t j = 0; j < cnt && !err; j++) {
			struct row row;

			fill_row(&row, target, &maps[j]);
			if (list->json)
				err = put_json(&list->sink, &row);
			else
				put_text(&list->sink, &row);
		}
		free(maps);
	}
	return err;
}

static int list_target(struct list *list, const struct target *target)
{
	int err = 0;

	list->process_cnt += target->image_cnt != 0;
	for (size_t i = 0; i < target->image_cnt && !err; i++) {
		const struct target_image *image = target->image[i];

		if (image->note.abi == SMAP_ABI_VERSION)
			err = list_image(list, target, image);
		else
			log_warn("process %d has libsmap with ABI version %u, smaptrace knows %u",
				 (int)target->pid, image->note.abi, SMAP_ABI_VERSION);
	}
	return err;
}

static int list_pid(struct list *list, pid_t pid, bool *ret_found)
{
	struct target *target;
	int err = target_open(&target, pid);

	if (err)
		return err;
	err = target_scan(target);
	if (!err) {
		*ret_found = target->image_cnt != 0;
		err = list_target(list, target);
	}
	target_free(target);
	return err;
}

static int list_named(struct list *list, const struct options *opts)
{
	for (size_t i = 0; i < opts->pid_count; i++) {
		bool found = false;
		int err = list_pid(list, opts->pids[i], &found);

		if (err)
			return target_open_failed(err, opts->pids[i]);
		if (!found) {
			log_err(0, "process %d does not use libsmap", (int)opts->pids[i]);
			return -ENOEXEC;
		}
	}
	return 0;
}

static int list_all(struct list *list)
{
	DIR *proc = opendir("/proc");
	const struct dirent *entry;
	int err = 0;

	if (!proc)
		return log_err(-errno, "cannot read /proc");
	while (err != -ENOMEM && (entry = readdir(proc))) {
		char *end;
		long pid = strtol(entry->d_name, &end, 10);
		bool found;

		if (*end || pid <= 0)
			continue;
		err = list_pid(list, (pid_t)pid, &found);
		/* Processes end while we look; kernel threads have nothing to show. */
		if (err == -EACCES || err == -EPERM)
			list->denied_cnt++;
	}
	closedir(proc);
	if (err == -ENOMEM)
		return log_err(err, "cannot list");
	if (list->denied_cnt)
		target_log_denied(list->denied_cnt);
	if (!list->process_cnt)
		log_info("No process uses libsmap.");
	return 0;
}

int command_list(const struct options *opts)
{
	struct list list = {.json = strcmp(opts->format, "json") == 0};
	int err, write_err;

	if (!list.json && strcmp(opts->format, "text") != 0) {
		log_err(0, "list has no format '%s': it has text and json", opts->format);
		log_hint("'smaptrace list -f json' for jq and others");
		return EXIT_USAGE;
	}
	err = sink_open(&list.sink, opts->output);
	if (err) {
		log_err(err, "cannot write %s", opts->output);
		return EXIT_CANNOT_TRACE;
	}
	err = opts->pid_count ? list_named(&list, opts) : list_all(&list);
	write_err = sink_close(&list.sink);
	if (write_err)
		log_err(write_err, "cannot write the list");
	return err || write_err ? EXIT_CANNOT_TRACE : EXIT_CLEAN;
}
