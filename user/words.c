/* SPDX-License-Identifier: MIT */
/* words.c - see words.h. */
#include "words.h"

const char *const counter_names[ST_COUNTER_COUNT] = {
#define COUNTER_NAME(name) #name,
	SMAP_COUNTERS(COUNTER_NAME)
#undef COUNTER_NAME
};
