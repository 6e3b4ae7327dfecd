/* SPDX-License-Identifier: MIT */
/*
 * policy_strict.c - libcyaml takes "50us" for 50, ends a text at its first NUL, reads the
 * first document only, and names the line before the one that is no YAML. Model: one walk over libyaml's events, which know their line; a
 * scalar that begins like a number must be one, unless it is the value of `pattern`.
 */
#include "policy_strict.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>
#include "log.h"
#include "names.h"

static const char *wrong(const yaml_event_t *event, bool is_pattern)
{
	const char *text = (const char *)event->data.scalar.value;
	char *end;

	if (strlen(text) != event->data.scalar.length)
		return "holds a NUL";
	if (is_pattern || !*text || !strchr("+-.0123456789", *text))
		return NULL;
	(void)strtod(text, &end);
	return *end ? "is no number" : NULL;
}

/* Of bytes that are no text libyaml knows the offset only. */
static size_t problem_line(const yaml_parser_t *parser, const char *text, size_t len)
{
	size_t line = 1;

	if (parser->error != YAML_READER_ERROR)
		return parser->problem_mark.line + 1;
	for (size_t i = 0; i < len && i < parser->problem_offset; i++)
		line += text[i] == '\n';
	return line;
}

static int no_yaml(const char *path, const yaml_parser_t *parser, size_t line)
{
	log_err(0, "policy %s:%zu: %s", path, line,
		parser->problem ? parser->problem : "no memory");
	log_hint("docs/policy.md has an example");
	return -EINVAL;
}

static int check_scalar(const char *path, const yaml_event_t *event, bool is_pattern)
{
	const char *what = wrong(event, is_pattern);
	char shown[NAME_ESCAPED_MAX];

	if (!what)
		return 0;
	name_escape(shown, sizeof(shown), (const char *)event->data.scalar.value);
	log_err(0, "policy %s:%zu: '%s' %s", path, event->start_mark.line + 1, shown, what);
	return -EINVAL;
}

int policy_strict(const char *path, const char *text, size_t len)
{
	bool is_pattern = false, more = true;
	unsigned documents = 0;
	yaml_parser_t parser;
	yaml_event_t event;
	int err = 0;

	if (!yaml_parser_initialize(&parser))
		return log_err(-ENOMEM, "cannot read the policy %s", path);
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
	while (more && !err) {
		if (!yaml_parser_parse(&parser, &event)) {
			err = no_yaml(path, &parser, problem_line(&parser, text, len));
			break;
		}
		if (event.type == YAML_DOCUMENT_START_EVENT && ++documents > 1) {
			log_err(0, "policy %s:%zu: a second document", path,
				event.start_mark.line + 1);
			err = -EINVAL;
		} else if (event.type == YAML_SCALAR_EVENT) {
			err = check_scalar(path, &event, is_pattern);
			is_pattern = strcmp((const char *)event.data.scalar.value, "pattern") == 0;
		}
		more = event.type != YAML_STREAM_END_EVENT;
		yaml_event_delete(&event);
	}
	yaml_parser_delete(&parser);
	return err;
}
