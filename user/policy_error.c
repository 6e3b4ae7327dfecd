/* SPDX-License-Identifier: MIT */
/*
 * policy_error.c - see policy_error.h. Model: libcyaml tells its own errors with a
 * line, innermost first. For a value that only we find wrong, the file is parsed once
 * more for its events, and the path of each key compared with the one wanted.
 */
#include "policy_error.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>
#include "log.h"
#include "names.h"
#include "policy.h"

#define NAME_MAX_CMP 64
#define DEPTH_MAX 8

static const char *const known_names[] = {
#define NAME_OF(name, ...) #name,
#define NAMES_OF(trap, LIST) LIST(NAME_OF)
	TRAP_LIMITS(NAMES_OF) BUDGETS(NAME_OF)
#undef NAMES_OF
#undef NAME_OF
		"interval",
	"fail-on",
	"traps",
	"budgets",
	"maps",
	"pattern",
	"severity",
	"pseudo-expansion",
	"read-diffusion",
	"write-starvation",
	"off",
	"notice",
	"warning",
	"error",
};

void policy_error_log(cyaml_log_t level, void *ctx, const char *fmt, va_list args)
{
	struct policy_source *source = ctx;
	char text[256];
	const char *line;

	(void)level;
	vsnprintf(text, sizeof(text), fmt, args);
	text[strcspn(text, "\n")] = '\0';
	line = strstr(text, "(line: ");
	if (line && !source->line)
		source->line = (unsigned)strtoul(line + strlen("(line: "), NULL, 10);
	if (!*source->message)
		snprintf(source->message, sizeof(source->message), "%s",
			 strncmp(text, "Load: ", 6) == 0 ? text + 6 : text);
}

/* --- the nearest name ----------------------------------------------------------- */

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
	unsigned least = a < b ? a : b;

	return least < c ? least : c;
}

/* Levenshtein's distance, row by row. */
static unsigned distance(const char *a, const char *b)
{
	unsigned row[NAME_MAX_CMP + 1];
	size_t len = strlen(b);

	if (len > NAME_MAX_CMP || strlen(a) > NAME_MAX_CMP)
		return NAME_MAX_CMP;
	for (unsigned j = 0; j <= len; j++)
		row[j] = j;
	for (unsigned i = 1; a[i - 1]; i++) {
		unsigned diagonal = row[0];

		row[0] = i;
		for (unsigned j = 1; j <= len; j++) {
			unsigned above = row[j];

			row[j] =
				min3(row[j] + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1]));
			diagonal = above;
		}
	}
	return row[len];
}

/* NULL: nothing is near. */
static const char *nearest(const char *name)
{
	unsigned best = (unsigned)strlen(name) / 2 + 1;
	const char *found = NULL;

	for (size_t i = 0; i < sizeof(known_names) / sizeof(known_names[0]); i++) {
		unsigned d = distance(name, known_names[i]);

		if (d < best) {
			best = d;
			found = known_names[i];
		}
	}
	return found;
}

/* --- where a value stands ------------------------------------------------------- */

struct walk {
	yaml_parser_t parser;
	char key[DEPTH_MAX][64]; /* of each open mapping, or the index in a sequence */
	bool sequence[DEPTH_MAX];
	bool value_next[DEPTH_MAX]; /* a mapping's key has been read */
	unsigned index[DEPTH_MAX];
	bool seen[DEPTH_MAX]; /* the key that is looked for */
	bool is_key;	      /* the last event */
	int depth;
};

/* A node begins in the innermost collection: is it a key? */
static bool takes_key(struct walk *walk, const yaml_event_t *event)
{
	int top = walk->depth - 1;

	if (top < 0)
		return false;
	if (walk->sequence[top]) {
		snprintf(walk->key[top], sizeof(walk->key[top]), "%u", walk->index[top]++);
		return false;
	}
	walk->value_next[top] = !walk->value_next[top];
	if (!walk->value_next[top] || event->type != YAML_SCALAR_EVENT)
		return false;
	snprintf(walk->key[top], sizeof(walk->key[top]), "%.63s",
		 (const char *)event->data.scalar.value);
	return true;
}

/* False: there is no more. */
static bool step(struct walk *walk, const yaml_event_t *event)
{
	bool sequence = event->type == YAML_SEQUENCE_START_EVENT;

	walk->is_key = false;
	switch (event->type) {
	case YAML_SCALAR_EVENT:
		walk->is_key = takes_key(walk, event);
		return true;
	case YAML_MAPPING_START_EVENT:
	case YAML_SEQUENCE_START_EVENT:
		(void)takes_key(walk, event);
		if (walk->depth == DEPTH_MAX)
			return false;
		walk->key[walk->depth][0] = '\0';
		walk->value_next[walk->depth] = false;
		walk->index[walk->depth] = 0;
		walk->seen[walk->depth] = false;
		walk->sequence[walk->depth++] = sequence;
		return true;
	case YAML_MAPPING_END_EVENT:
	case YAML_SEQUENCE_END_EVENT:
		walk->depth--;
		return true;
	case YAML_STREAM_END_EVENT:
		return false;
	default:
		return true;
	}
}

typedef bool (*wanted_fn)(struct walk *walk, const yaml_event_t *event, const char *text);

static bool stands_at(struct walk *walk, const yaml_event_t *event, const char *path)
{
	char here[DEPTH_MAX * 64] = "";

	(void)event;
	for (int i = 0; i < walk->depth; i++)
		snprintf(here + strlen(here), sizeof(here) - strlen(here), "%s%s", i ? "." : "",
			 walk->key[i]);
	return strcmp(here, path) == 0;
}

/* The second key of that name in its mapping. */
static bool repeats_key(struct walk *walk, const yaml_event_t *event, const char *name)
{
	int top = walk->depth - 1;
	bool seen;

	(void)event;
	if (!walk->is_key || strcmp(walk->key[top], name) != 0)
		return false;
	seen = walk->seen[top];
	walk->seen[top] = true;
	return seen;
}

/* The document's first node, which libcyaml names without a line. */
static bool is_node(struct walk *walk, const yaml_event_t *event, const char *text)
{
	(void)walk;
	(void)text;
	return event->type == YAML_SCALAR_EVENT || event->type == YAML_SEQUENCE_START_EVENT ||
	       event->type == YAML_MAPPING_START_EVENT;
}

/* The line of the first event that is wanted; 0: there is none. */
static unsigned line_of(const struct policy_source *source, wanted_fn wanted, const char *text)
{
	struct walk walk = {0};
	yaml_event_t event;
	unsigned line = 0;
	bool more = true;

	if (!yaml_parser_initialize(&walk.parser))
		return 0;
	yaml_parser_set_input_string(&walk.parser, (const unsigned char *)source->text,
				     source->len);
	while (more && !line && yaml_parser_parse(&walk.parser, &event)) {
		more = step(&walk, &event);
		if (more && wanted(&walk, &event, text))
			line = (unsigned)event.start_mark.line + 1;
		yaml_event_delete(&event);
	}
	yaml_parser_delete(&walk.parser);
	return line;
}

/* --- messages -------------------------------------------------------------------- */

static void where(char *dst, size_t dst_size, const struct policy_source *source, unsigned line)
{
	if (line)
		snprintf(dst, dst_size, "%s:%u", source->path, line);
	else
		snprintf(dst, dst_size, "%s", source->path);
}

/* Of a key that comes twice libcyaml names the line of what is before it. */
static unsigned schema_line(const struct policy_source *source, const char *said)
{
	static const char twice[] = "Mapping field already seen: ";

	if (strncmp(said, twice, sizeof(twice) - 1) == 0)
		return line_of(source, repeats_key, said + sizeof(twice) - 1);
	return source->line ? source->line : line_of(source, is_node, NULL);
}

int policy_error_schema(struct policy_source *source, const char *reason)
{
	const char *said = *source->message ? source->message : reason;
	const char *name = strrchr(said, ' ');
	char place[512], safe[4 * sizeof(source->message) + 1];
	const char *meant = name ? nearest(name + 1) : NULL;

	where(place, sizeof(place), source, schema_line(source, said));
	name_escape(safe, sizeof(safe), said);
	log_err(0, "policy %s: %s", place, safe);
	if (meant && strcmp(meant, name + 1) != 0)
		log_hint("did you mean '%s'? docs/policy.md has all keys", meant);
	else
		log_hint("docs/policy.md has all keys, with their defaults");
	return -EINVAL;
}

int policy_error_value(const struct policy_source *source, const char *path, const char *fmt, ...)
{
	char place[512], text[256];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	where(place, sizeof(place), source, line_of(source, stands_at, path));
	log_err(0, "policy %s: %s %s", place, path, text);
	log_hint("docs/policy.md has the bounds of each value");
	return -EINVAL;
}
