/* SPDX-License-Identifier: MIT */
/* markup.c - see markup.h. Model: five characters mean something; they become entities. */
#include "markup.h"

#include <string.h>
#include "finding_text.h"
#include "names.h"

void markup_put(struct sink *sink, const char *safe)
{
	static const char special[] = "&<>\"'";
	static const char *const entities[] = {"&amp;", "&lt;", "&gt;", "&quot;", "&apos;"};

	while (*safe) {
		size_t plain = strcspn(safe, special);

		sink_write(sink, safe, plain);
		safe += plain;
		if (*safe)
			sink_puts(sink, entities[strchr(special, *safe++) - special]);
	}
}

void markup_put_name(struct sink *sink, const char *bytes)
{
	char safe[FINDING_LINE_MAX];

	name_escape(safe, sizeof(safe), bytes ? bytes : "");
	markup_put(sink, safe);
}
