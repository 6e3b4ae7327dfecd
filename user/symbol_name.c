/* SPDX-License-Identifier: MIT */
/*
 * symbol_name.c - see symbol_name.h. Model: libiberty's demangler, which gdb and perf use, hands over
 * what it prints in pieces. A name of some hundred bytes can stand for one that would fill the world,
 * because each part may mean twice the part before it; so we leave from the piece that
 * makes it too long. The demangler keeps all that it needs on the stack and limits its depth by
 * itself: nothing is left behind, neither memory nor state.
 *
 * Without parameters, as in perf: frames have file and line, and a name has to fit. Rejected:
 * __cxa_demangle(), which knows no other limit than memory.
 */
#include "symbol_name.h"

#include <libiberty/demangle.h>
#include <setjmp.h>
#include <string.h>

#define MANGLED_MAX 4096
#define PRINTED_MAX 4096 /* of what a name stands for; only its beginning is kept */

struct printed {
	jmp_buf too_long;
	char text[PRINTED_MAX];
	size_t len;
};

static void add(const char *piece, size_t len, void *opaque)
{
	struct printed *printed = opaque;

	if (len > sizeof(printed->text) - printed->len)
		longjmp(printed->too_long, 1);
	memcpy(printed->text + printed->len, piece, len);
	printed->len += len;
}

bool symbol_demangle(char *dst, size_t dst_size, const char *name)
{
	struct printed printed;

	if (strncmp(name, "_Z", 2) != 0 || strnlen(name, MANGLED_MAX) == MANGLED_MAX || !dst_size)
		return false;
	printed.len = 0;
	if (setjmp(printed.too_long) ||
	    !cplus_demangle_v3_callback(name, DMGL_ANSI, add, &printed) || !printed.len)
		return false;
	if (printed.len > dst_size - 1)
		printed.len = dst_size - 1;
	memcpy(dst, printed.text, printed.len);
	dst[printed.len] = '\0';
	return true;
}
