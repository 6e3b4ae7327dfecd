/* SPDX-License-Identifier: MIT */
/* backend.c - the table of backends; order is preference. */
#include "backend.h"

#include <errno.h>
#include <stddef.h>

static const struct backend *const backends[] = {
#define BACKEND_ENTRY(name) &backend_##name,
	BACKENDS(BACKEND_ENTRY)
#undef BACKEND_ENTRY
		NULL,
};

const struct backend *backend_find(const struct target_image *image, int *ret_err)
{
	int err = -ENOEXEC;

	for (const struct backend *const *at = backends; *at; at++) {
		int match = (*at)->match(image);

		if (match == 1)
			return *at;
		if (match < 0)
			err = match;
	}
	*ret_err = err;
	return NULL;
}
