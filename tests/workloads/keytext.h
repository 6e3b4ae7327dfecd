/* SPDX-License-Identifier: MIT */
/* keytext.h - a number as a key of bytes, as the workloads with both kinds of keys make it. */
#ifndef KEYTEXT_H
#define KEYTEXT_H

#include <stdint.h>

#define KEY_LEN 17 /* 'k' and 16 hex digits */

/* Valid until the thread's next call. */
static inline const char *key_text(uint64_t key)
{
	static _Thread_local char text[KEY_LEN];

	text[0] = 'k';
	for (unsigned i = 0; i < 16; i++)
		text[1 + i] = "0123456789abcdef"[key >> (60 - 4 * i) & 15];
	return text;
}

#endif
