/* SPDX-License-Identifier: MIT */
/*
 * log.h - diagnostics to stderr: what was tried, on what, why it failed, what to do.
 *
 * Only main, session, backends and target may log, once, where the context is;
 * the pure modules return -errno.
 */
#ifndef LOG_H
#define LOG_H

#include <stddef.h>

extern int log_verbose; /* -v: also debug lines and libbpf's own */

/* "smaptrace: error: <fmt>: <strerror(-err)>" (no suffix when err is 0). Returns err. */
int log_err(int err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* "smaptrace: hint: ..." - what to do about the error before. */
void log_hint(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/*
 * Lines go there, not to stderr: a screen is on it. NULL: to stderr again. The function may be
 * called by any thread that logs; the line ends with a newline and is not NUL-ended.
 */
void log_divert(void (*divert)(void *ctx, const char *line, size_t len), void *ctx);
void log_debug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
