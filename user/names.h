/* SPDX-License-Identifier: MIT */
/*
 * names.h - names that come out of a traced process are untrusted bytes. Here they become
 * something that can be shown. Pure; nothing allocates.
 *
 * All functions return the bytes written without the NUL, never write more than
 * dst_size, always end dst with a NUL (unless dst_size is 0), and cut only
 * between whole characters or whole escapes.
 */
#ifndef NAMES_H
#define NAMES_H

#include <stddef.h>

/* Room that the longest map name needs at worst: \xNN for each byte. */
#define NAME_ESCAPED_MAX (4 * 64)

/*
 * For terminals: C0, DEL, C1, invalid UTF-8, bidirectional controls, line separators, invisible
 * characters and the two that XML forbids (U+FFFE, U+FFFF) become \xNN, one for each byte; a
 * backslash becomes \x5c, so that two different names never look alike.
 */
size_t name_escape(char *dst, size_t dst_size, const char *src);

/* As name_escape, but at most `columns` wide: what does not fit becomes "..". */
size_t name_fit(char *dst, size_t dst_size, const char *src, size_t columns);

/* Columns that an escaped text takes on a terminal. */
size_t name_width(const char *escaped);

/* For JSON and the like: valid UTF-8; each invalid byte becomes U+FFFD. Controls stay. */
size_t name_utf8(char *dst, size_t dst_size, const char *src);

#endif
