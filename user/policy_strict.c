/* SPDX-License-Identifier: MIT */
/*
 * policy_strict.c - libcyaml takes "50us" for 50, ends a text at its first NUL, and reads the
 * first document only. Model: one walk over libyaml's events, which know their line; a
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
	while (more && !err && yaml_parser_parse(&parser, &event)) {
		size_t line = event.start_mark.line + 1;

		if (event.type == YAML_DOCUMENT_START_EVENT && ++documents > 1) {
			log_err(0, "policy %s:%zu: a second document", path, line);
			err = -EINVAL;
		} else if (event.type == YAML_SCALAR_EVENT) {
			const char *what = wrong(&event, is_pattern);
			char shown[NAME_ESCAPED_MAX];

			name_escape(shown, sizeof(shown), (const char *)event.data.scalar.value);
			if (what) {
				log_err(0, "policy %s:%zu: '%s' %s", path, line, shown, what);
				err = -EINVAL;
			}
			is_pattern = strcmp((const char *)event.data.scalar.value, "pattern") == 0;
		}
		more = event.type != YAML_STREAM_END_EVENT;
		yaml_event_delete(&event);
	}
	yaml_parser_delete(&parser);
	return err;
}
