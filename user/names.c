/* SPDX-License-Identifier: MIT */
/*
 * names.c - see names.h. Model: a name is read as a sequence of units, each either
 * one valid UTF-8 character or one invalid byte; each function maps a unit to
 * bytes. Validity is Unicode's: no overlong forms, no surrogates, nothing above
 * U+10FFFF. Widths come from a small table of ranges rather than wcwidth(), which
 * depends on the locale.
 */
#include "names.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

struct range {
	uint32_t first, last;
};

/* Characters that reorder, hide or break text. */
static const struct range unsafe[] = {
	{0x0000, 0x001f}, {0x005c, 0x005c}, {0x007f, 0x009f},	{0x00ad, 0x00ad}, {0x061c, 0x061c},
	{0x180e, 0x180e}, {0x200b, 0x200f}, {0x2028, 0x202e},	{0x2060, 0x206f}, {0xfeff, 0xfeff},
	{0xfff9, 0xfffb}, {0xfffe, 0xffff}, {0xe0000, 0xe0fff},
};

static const struct range combining[] = {
	{0x0300, 0x036f}, {0x0483, 0x0489}, {0x0591, 0x05bd}, {0x064b, 0x065f}, {0x1ab0, 0x1aff},
	{0x1dc0, 0x1dff}, {0x20d0, 0x20ff}, {0xfe00, 0xfe0f}, {0xfe20, 0xfe2f},
};

static const struct range wide[] = {
	{0x1100, 0x115f}, {0x2e80, 0xa4cf},   {0xac00, 0xd7a3},
	{0xf900, 0xfaff}, {0xfe30, 0xfe6f},   {0xff00, 0xff60},
	{0xffe0, 0xffe6}, {0x1f300, 0x1faff}, {0x20000, 0x3fffd},
};

#define IN(table, cp) in_ranges(table, sizeof(table) / sizeof((table)[0]), cp)

static bool in_ranges(const struct range *table, size_t count, uint32_t cp)
{
	for (size_t i = 0; i < count; i++)
		if (cp >= table[i].first && cp <= table[i].last)
			return true;
	return false;
}

static size_t width_of(uint32_t cp)
{
	return IN(combining, cp) ? 0 : IN(wide, cp) ? 2 : 1;
}

/* Length of the valid character at s and the character itself; 0 when invalid. */
static size_t utf8_decode(const unsigned char *s, uint32_t *ret_cp)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t len = s[0] < 0x80	     ? 1
		     : (s[0] & 0xe0) == 0xc0 ? 2
		     : (s[0] & 0xf0) == 0xe0 ? 3
		     : (s[0] & 0xf8) == 0xf0 ? 4
					     : 0;
	uint32_t cp = s[0];

	if (len == 0)
		return 0;
	if (len > 1)
		cp = s[0] & (0x7fU >> len);
	for (size_t i = 1; i < len; i++) {
		if ((s[i] & 0xc0) != 0x80) /* also stops at the NUL */
			return 0;
		cp = cp << 6 | (s[i] & 0x3f);
	}
	if (cp < least[len] || cp > 0x10ffff || (cp >= 0xd800 && cp <= 0xdfff))
		return 0;
	*ret_cp = cp;
	return len;
}

/* One unit of src as safe text; *ret_used bytes of src went into it. */
static size_t escape_unit(char unit[17], const char *src, size_t *ret_used, size_t *ret_width)
{
	uint32_t cp = 0;
	size_t len = utf8_decode((const unsigned char *)src, &cp);

	if (len > 0 && !IN(unsafe, cp)) {
		memcpy(unit, src, len);
		*ret_used = len;
		*ret_width = width_of(cp);
		return len;
	}
	*ret_used = len > 0 ? len : 1;
	for (size_t i = 0; i < *ret_used; i++)
		snprintf(unit + 4 * i, 5, "\\x%02x", (unsigned char)src[i]);
	*ret_width = 4 * *ret_used;
	return *ret_width;
}

static size_t escape_within(char *dst, size_t dst_size, const char *src, size_t columns,
			    bool *ret_cut)
{
	size_t out = 0, taken = 0;

	*ret_cut = false;
	if (dst_size == 0)
		return 0;
	while (*src) {
		char unit[17];
		size_t used, width;
		size_t len = escape_unit(unit, src, &used, &width);

		if (out + len >= dst_size || taken + width > columns) {
			*ret_cut = true;
			break;
		}
		memcpy(dst + out, unit, len);
		out += len;
		taken += width;
		src += used;
	}
	dst[out] = '\0';
	return out;
}

size_t name_escape(char *dst, size_t dst_size, const char *src)
{
	bool cut;

	return escape_within(dst, dst_size, src, SIZE_MAX, &cut);
}

size_t name_fit(char *dst, size_t dst_size, const char *src, size_t columns)
{
	bool cut;
	size_t out = escape_within(dst, dst_size, src, columns, &cut);

	if (!cut || columns < 2 || dst_size < 3)
		return out;
	out = escape_within(dst, dst_size - 2, src, columns - 2, &cut);
	memcpy(dst + out, "..", 3);
	return out + 2;
}

size_t name_width(const char *escaped)
{
	size_t width = 0;

	while (*escaped) {
		uint32_t cp = 0;
		size_t len = utf8_decode((const unsigned char *)escaped, &cp);

		width += len > 0 ? width_of(cp) : 1;
		escaped += len > 0 ? len : 1;
	}
	return width;
}

size_t name_utf8(char *dst, size_t dst_size, const char *src)
{
	size_t out = 0;

	if (dst_size == 0)
		return 0;
	while (*src) {
		uint32_t cp;
		size_t used = utf8_decode((const unsigned char *)src, &cp);
		const char *unit = used > 0 ? src : "\xef\xbf\xbd";
		size_t len = used > 0 ? used : 3;

		if (out + len >= dst_size)
			break;
		memcpy(dst + out, unit, len);
		out += len;
		src += used > 0 ? used : 1;
	}
	dst[out] = '\0';
	return out;
}
