/* SPDX-License-Identifier: MIT */
/*
 * policy_error.h - what is wrong with a policy file: file, line, and the name that was
 * probably meant.
 */
#ifndef POLICY_ERROR_H
#define POLICY_ERROR_H

#include <cyaml/cyaml.h>
#include <stdarg.h>
#include <stddef.h>

struct policy_source {
	const char *path;
	char *text;
	size_t len;
	/* What libcyaml said first, and the innermost line that it named. */
	char message[256];
	unsigned line;
};

/* A cyaml_log_fn_t; ctx is the source. */
void policy_error_log(cyaml_log_t level, void *ctx, const char *fmt, va_list args);
/* The file does not fit the schema, as policy_error_log() heard. Logs; -EINVAL. */
int policy_error_schema(struct policy_source *source, const char *reason);
/* path: "traps.read-diffusion.raise", of what is there. Logs; -EINVAL. */
int policy_error_value(const struct policy_source *source, const char *path, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
