/* SPDX-License-Identifier: MIT */
/* symbol_name.h - C++'s names of functions as people write them. Pure, and needs no memory. */
#ifndef SYMBOL_NAME_H
#define SYMBOL_NAME_H

#include <stdbool.h>
#include <stddef.h>

/*
 * "_ZN5Cache3getEm" becomes "Cache::get", cut to dst. False: not such a name, or one that makes too
 * much work; dst is unchanged. The name may be anybody's.
 */
bool symbol_demangle(char *dst, size_t dst_size, const char *name);

#endif
