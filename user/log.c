/* SPDX-License-Identifier: MIT */
/*
 * log.c - diagnostics to stderr. Model: one call is one line, written with one
 * write so that lines of smaptrace and of the traced command do not mix. Never
 * allocates; a line that is too long is cut and says so by "...".
 */
#include "log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LOG_LINE_MAX 2048

int log_verbose;

static void (*diverted)(void *ctx, const char *line, size_t len);
static void *divert_ctx;

void log_divert(void (*divert)(void *ctx, const char *line, size_t len), void *ctx)
{
	diverted = divert;
	divert_ctx = ctx;
}

static void log_line(const char *prefix, int err, const char *fmt, va_list args)
{
	char line[LOG_LINE_MAX];
	size_t room = sizeof(line) - 1; /* for the newline */
	int saved = errno;
	int used = snprintf(line, room, "%s", prefix);
	int len;

	len = vsnprintf(line + used, room - (size_t)used, fmt, args);
	used += len < 0 ? 0 : len;
	if (err && (size_t)used < room)
		used += snprintf(line + used, room - (size_t)used, ": %s", strerror(err));
	if ((size_t)used >= room) {
		used = (int)room - 1;
		memcpy(line + used - 3, "...", 3);
	}
	line[used++] = '\n';
	if (diverted)
		diverted(divert_ctx, line, (size_t)used);
	/* Nobody is left to tell when stderr is gone. */
	else if (write(STDERR_FILENO, line, (size_t)used) < 0)
		errno = saved;
	errno = saved;
}

int log_err(int err, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	log_line("smaptrace: error: ", err < 0 ? -err : err, fmt, args);
	va_end(args);
	return err;
}

void log_hint(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	log_line("smaptrace: hint: ", 0, fmt, args);
	va_end(args);
}

void log_warn(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	log_line("smaptrace: warning: ", 0, fmt, args);
	va_end(args);
}

void log_info(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	log_line("", 0, fmt, args);
	va_end(args);
}

void log_debug(const char *fmt, ...)
{
	va_list args;

	if (!log_verbose)
		return;
	va_start(args, fmt);
	log_line("smaptrace: debug: ", 0, fmt, args);
	va_end(args);
}
