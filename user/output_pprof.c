/* SPDX-License-Identifier: MIT */
/*
 * output_pprof.c - a profile for `go tool pprof`, compressed; of the end only.
 *
 * Model: a sample for each stack of each map, with two values, events and nanoseconds, and
 * labels that say which map, process and kind. Modules become mappings; a place with its
 * inlined calls becomes one location; addresses are those of link time, so mappings begin
 * at 0. Everything is symbolised: pprof need not look for files.
 *
 * All that is built lives in one arena until it is written.
 */
#include "output.h"

#include <errno.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include "names.h"
#include "pprof.pb-c.h"
#include "record.h"

/* A string, a mapping or a function, and its number. */
struct named {
	char *text;	    /* of a string or mapping */
	int64_t name, file; /* of a function */
	int64_t number;
};

struct builder {
	void **block; /* the arena */
	size_t block_cnt, block_room;
	bool failed;			      /* no memory */
	void *strings, *mappings, *functions; /* search trees of struct named */
	Pprof__Location **location_of;	      /* by the id of its last frame */
	size_t location_room;
	Pprof__Profile profile;
};

/* --- arena and lists -------------------------------------------------------- */

static void *take(struct builder *b, size_t size)
{
	void *block, **grown;

	if (b->block_cnt == b->block_room) {
		b->block_room = b->block_room ? 2 * b->block_room : 256;
		grown = realloc(b->block, b->block_room * sizeof(*grown));
		if (!grown) {
			b->block_room = b->block_cnt;
			b->failed = true;
			return NULL;
		}
		b->block = grown;
	}
	block = calloc(1, size);
	if (block)
		b->block[b->block_cnt++] = block;
	b->failed |= !block;
	return block;
}

/* One more pointer in a list whose length is *count. False: no memory. */
static bool append(struct builder *b, void *list, size_t *count, void *item)
{
	void ***pointers = list, **grown = *pointers;

	if (!item)
		return false;
	if ((*count & (*count - 1)) == 0) {
		grown = realloc(grown, (*count ? 2 * *count : 1) * sizeof(*grown));
		if (!grown) {
			b->failed = true;
			return false;
		}
		*pointers = grown;
	}
	grown[(*count)++] = item;
	return true;
}

static int compare_text(const void *left, const void *right)
{
	return strcmp(((const struct named *)left)->text, ((const struct named *)right)->text);
}

static int compare_function(const void *left, const void *right)
{
	const struct named *a = left, *b = right;

	if (a->name != b->name)
		return a->name < b->name ? -1 : 1;
	return a->file < b->file ? -1 : a->file > b->file;
}

/* The entry that is like this one; a new one has the number -1. NULL: no memory. */
static struct named *find(struct builder *b, void **root, const struct named *like)
{
	int (*by)(const void *, const void *) =
		root == &b->functions ? compare_function : compare_text;
	void *const *found = tfind(like, root, by);
	struct named *fresh;

	if (found)
		return *found;
	fresh = take(b, sizeof(*fresh));
	if (!fresh)
		return NULL;
	*fresh = *like;
	fresh->number = -1;
	if (like->text) {
		fresh->text = take(b, strlen(like->text) + 1);
		if (!fresh->text)
			return NULL;
		strcpy(fresh->text, like->text);
	}
	if (!tsearch(fresh, root, by)) {
		b->failed = true;
		return NULL;
	}
	return fresh;
}

/* Index of a text that is valid UTF-8. */
static int64_t string_of(struct builder *b, const char *text)
{
	struct named *entry = find(b, &b->strings, &(struct named){.text = (char *)text});

	if (!entry)
		return 0;
	if (entry->number < 0) {
		entry->number = (int64_t)b->profile.n_string_table;
		(void)append(b, &b->profile.string_table, &b->profile.n_string_table, entry->text);
	}
	return entry->number;
}

/* Of an untrusted name. */
static int64_t name_of(struct builder *b, const char *name)
{
	char safe[4 * RECORD_PATH_LEN];

	name_escape(safe, sizeof(safe), name);
	return string_of(b, safe);
}

/* --- places ----------------------------------------------------------------- */

static uint64_t mapping_of(struct builder *b, const struct stack_frame *frame)
{
	char text[RECORD_PATH_LEN + RECORD_BUILD_ID_LEN + 1];
	Pprof__Mapping *mapping;
	struct named *entry;

	snprintf(text, sizeof(text), "%s\n%s", frame->module, frame->build_id);
	entry = find(b, &b->mappings, &(struct named){.text = text});
	if (!entry)
		return 0;
	if (entry->number < 0) {
		mapping = take(b, sizeof(*mapping));
		entry->number = (int64_t)b->profile.n_mapping + 1;
		if (!append(b, &b->profile.mapping, &b->profile.n_mapping, mapping))
			return 0;
		pprof__mapping__init(mapping);
		mapping->id = (uint64_t)entry->number;
		mapping->filename = name_of(b, frame->module);
		mapping->build_id = string_of(b, frame->build_id);
		mapping->has_functions = mapping->has_filenames = true;
		mapping->has_line_numbers = mapping->has_inline_frames = true;
	}
	mapping = b->profile.mapping[entry->number - 1];
	if (mapping->memory_limit <= frame->offset)
		mapping->memory_limit = frame->offset + 1;
	return mapping->id;
}

static uint64_t function_of(struct builder *b, const struct stack_frame *frame)
{
	char name[STACK_TEXT_MAX];
	struct named like = {0}, *entry;
	Pprof__Function *function;

	stack_frame_name(name, sizeof(name), frame);
	like.name = string_of(b, name);
	like.file = name_of(b, frame->file);
	entry = find(b, &b->functions, &like);
	if (!entry)
		return 0;
	if (entry->number < 0) {
		function = take(b, sizeof(*function));
		entry->number = (int64_t)b->profile.n_function + 1;
		if (!append(b, &b->profile.function, &b->profile.n_function, function))
			return 0;
		pprof__function__init(function);
		function->id = (uint64_t)entry->number;
		function->name = function->system_name = like.name;
		function->filename = like.file;
	}
	return (uint64_t)entry->number;
}

static void add_line(struct builder *b, Pprof__Location *location, const struct stack_frame *frame)
{
	Pprof__Line *line = take(b, sizeof(*line));

	if (!append(b, &location->line, &location->n_line, line))
		return;
	pprof__line__init(line);
	line->function_id = function_of(b, frame);
	line->line = frame->line;
}

/* Where the location of this last frame is kept; NULL: no memory. */
static Pprof__Location **location_slot(struct builder *b, uint32_t id)
{
	size_t room = b->location_room ? b->location_room : 256;
	Pprof__Location **grown;

	while (room <= id)
		room *= 2;
	if (room > b->location_room) {
		grown = realloc(b->location_of, room * sizeof(*grown));
		if (!grown) {
			b->failed = true;
			return NULL;
		}
		memset(grown + b->location_room, 0, (room - b->location_room) * sizeof(*grown));
		b->location_of = grown;
		b->location_room = room;
	}
	return &b->location_of[id];
}

/* Of the frames first..last, which are one place. 0: no memory. */
static uint64_t location_of(struct builder *b, const struct stack *stack, size_t first, size_t last)
{
	const struct stack_frame *outer = stack->frame[last];
	Pprof__Location **slot = location_slot(b, outer->id), *location;

	if (!slot)
		return 0;
	if (*slot)
		return (*slot)->id;
	location = take(b, sizeof(*location));
	if (!append(b, &b->profile.location, &b->profile.n_location, location))
		return 0;
	pprof__location__init(location);
	*slot = location;
	location->id = b->profile.n_location;
	location->mapping_id = mapping_of(b, outer);
	location->address = outer->offset;
	for (size_t i = first; i <= last; i++)
		add_line(b, location, stack->frame[i]);
	return location->id;
}

/* --- samples ---------------------------------------------------------------- */

static void add_label(struct builder *b, Pprof__Sample *sample, const char *key, const char *name,
		      int64_t number)
{
	Pprof__Label *label = take(b, sizeof(*label));

	if (!append(b, &sample->label, &sample->n_label, label))
		return;
	pprof__label__init(label);
	label->key = string_of(b, key);
	if (name)
		label->str = name_of(b, name[0] ? name : "-");
	else
		label->num = number;
}

static void add_locations(struct builder *b, Pprof__Sample *sample, const struct stack *stack)
{
	sample->location_id = take(b, (stack->frame_count + 1) * sizeof(*sample->location_id));
	for (size_t i = 0, first = 0; sample->location_id && i < stack->frame_count; i++) {
		if (stack->frame[i]->inlined && i + 1 < stack->frame_count)
			continue;
		sample->location_id[sample->n_location_id++] = location_of(b, stack, first, i);
		first = i + 1;
	}
}

static void add_sample(struct builder *b, const struct report_map *map,
		       const struct stack_cost *cost)
{
	Pprof__Sample *sample = take(b, sizeof(*sample));

	if (!append(b, &b->profile.sample, &b->profile.n_sample, sample))
		return;
	pprof__sample__init(sample);
	add_locations(b, sample, cost->stack);
	sample->value = take(b, 2 * sizeof(*sample->value));
	if (!sample->value)
		return;
	sample->n_value = 2;
	sample->value[0] = (int64_t)cost->count;
	sample->value[1] = (int64_t)cost->ns;
	add_label(b, sample, "map", map->name, 0);
	add_label(b, sample, "kind", stack_kind_name(cost->kind), 0);
	add_label(b, sample, "process", map->comm, 0);
	add_label(b, sample, "pid", NULL, map->pid);
}

static void add_type(struct builder *b, const char *type, const char *unit)
{
	Pprof__ValueType *value = take(b, sizeof(*value));

	if (!append(b, &b->profile.sample_type, &b->profile.n_sample_type, value))
		return;
	pprof__value_type__init(value);
	value->type = string_of(b, type);
	value->unit = string_of(b, unit);
}

static void build(struct builder *b, const struct report *report)
{
	pprof__profile__init(&b->profile);
	(void)string_of(b, ""); /* the first, by the format */
	add_type(b, "events", "count");
	add_type(b, "time", "nanoseconds");
	b->profile.default_sample_type = string_of(b, "events");
	b->profile.time_nanos = (int64_t)report_unix_ns(report->meta, report->start_ns);
	b->profile.duration_nanos = (int64_t)(report->end_ns - report->start_ns);
	for (size_t i = 0; i < report->map_count; i++)
		for (size_t s = 0; s < report->maps[i].stack_count && !b->failed; s++)
			add_sample(b, &report->maps[i], &report->maps[i].stacks[s]);
}

static void keep(void *entry)
{
	(void)entry; /* in the arena */
}

static void builder_free(struct builder *b)
{
	Pprof__Profile *p = &b->profile;

	for (size_t i = 0; i < p->n_sample; i++)
		free(p->sample[i]->label);
	for (size_t i = 0; i < p->n_location; i++)
		free(p->location[i]->line);
	free(p->sample_type);
	free(p->sample);
	free(p->mapping);
	free(p->location);
	free(p->function);
	free(p->string_table);
	free(b->location_of);
	tdestroy(b->strings, keep);
	tdestroy(b->mappings, keep);
	tdestroy(b->functions, keep);
	for (size_t i = 0; i < b->block_cnt; i++)
		free(b->block[i]);
	free(b->block);
}

/* --- bytes ------------------------------------------------------------------ */

static int compress_into(struct sink *sink, unsigned char *data, size_t size)
{
	z_stream z = {.next_in = data, .avail_in = (uInt)size};
	unsigned char out[4096];
	int err;

	if (size > UINT32_MAX)
		return -EFBIG;
	/* 16: with a gzip header, that of nobody and no time. */
	if (deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		return -ENOMEM;
	do {
		z.next_out = out;
		z.avail_out = sizeof(out);
		err = deflate(&z, Z_FINISH);
		sink_write(sink, out, sizeof(out) - z.avail_out);
	} while (err == Z_OK);
	(void)deflateEnd(&z);
	return err == Z_STREAM_END ? 0 : -EIO;
}

static int pprof_report(struct sink *sink, const struct report *report)
{
	struct builder builder = {0};
	unsigned char *data = NULL;
	int err = -ENOMEM;

	if (report->kind != REPORT_END)
		return 0;
	build(&builder, report);
	if (!builder.failed)
		data = malloc(pprof__profile__get_packed_size(&builder.profile));
	if (data)
		err = compress_into(sink, data, pprof__profile__pack(&builder.profile, data));
	free(data);
	builder_free(&builder);
	return err;
}

const struct output output_pprof = {
	.name = "pprof",
	.help = "a profile for `go tool pprof`, with -o FILE",
	.suffix = "pb.gz",
	.stacks = true,
	.report = pprof_report,
};
