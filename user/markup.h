/* SPDX-License-Identifier: MIT */
/*
 * markup.h - text into XML and HTML, for the outputs that write them. Whatever is put
 * stays text, in content and in quoted attributes alike.
 */
#ifndef MARKUP_H
#define MARKUP_H

#include "sink.h"

/* Text that is safe already (names.h, finding_text.h, our own words). */
void markup_put(struct sink *sink, const char *safe);

/* Any bytes, as name_escape() shows them. NULL is "". */
void markup_put_name(struct sink *sink, const char *bytes);

#endif
