/* SPDX-License-Identifier: MIT */
/*
 * log.h - diagnostics to stderr: what was tried, on what, why it failed, what to do.
 *
 * Only main, session, backends and target may log, once, where the context is;
 * the pure modules return -errno.
 */
#ifndef LOG_H
#define LOG_H

extern int log_verbose; /* -v: also debug lines and libbpf's own */

/* "smaptrace: error: <fmt>: <strerror(-err)>" (no suffix when err is 0). Returns err. */
int log_err(int err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* "smaptrace: hint: ..." - what to do about the error before. */
void log_hint(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
