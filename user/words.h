/* SPDX-License-Identifier: MIT */
/* words.h - words that many files say: names of counters, the plural's s. */
#ifndef WORDS_H
#define WORDS_H

#include <stdint.h>
#include "../bpf/smaptrace.h"

/* By enum st_counter: the names that JSON, metrics and docs use. */
extern const char *const counter_names[ST_COUNTER_COUNT];

/* What a noun takes behind this number: "s", or "" of one. */
static inline const char *plural(uint64_t count)
{
	return count == 1 ? "" : "s";
}

#endif
