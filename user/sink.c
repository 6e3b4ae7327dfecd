/* SPDX-License-Identifier: MIT */
/*
 * sink.c - see sink.h. Model: a stdio stream and one remembered error. stdio
 * buffers a whole report, and a flush per report makes a full disk show when the
 * report is written, not when the program ends.
 */
#include "sink.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* stdio may fail without setting errno; then "I/O error" is the truth we know. */
static void sink_fail(struct sink *sink)
{
	if (sink->err == 0)
		sink->err = errno > 0 ? -errno : -EIO;
}

void sink_init(struct sink *sink, FILE *file)
{
	*sink = (struct sink){.file = file};
}

int sink_open(struct sink *sink, const char *path)
{
	FILE *file;
	int fd, err;

	if (!path || strcmp(path, "-") == 0) {
		sink_init(sink, stdout);
		return 0;
	}
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0600);
	if (fd < 0)
		return -errno;
	file = fdopen(fd, "w");
	if (!file) {
		err = -errno;
		close(fd);
		return err;
	}
	*sink = (struct sink){.file = file, .owned = true};
	return 0;
}

int sink_memory_open(struct sink_memory *memory)
{
	FILE *file;

	*memory = (struct sink_memory){0};
	file = open_memstream(&memory->text, &memory->len);
	if (!file)
		return -ENOMEM;
	memory->sink = (struct sink){.file = file, .owned = true};
	return 0;
}

char *sink_memory_close(struct sink_memory *memory, size_t *ret_len)
{
	if (sink_close(&memory->sink)) {
		free(memory->text);
		return NULL;
	}
	if (ret_len)
		*ret_len = memory->len;
	return memory->text;
}

void sink_write(struct sink *sink, const void *data, size_t len)
{
	if (sink->err)
		return;
	errno = 0;
	if (fwrite(data, 1, len, sink->file) != len)
		sink_fail(sink);
}

void sink_puts(struct sink *sink, const char *text)
{
	sink_write(sink, text, strlen(text));
}

void sink_printf(struct sink *sink, const char *fmt, ...)
{
	va_list args;

	if (sink->err)
		return;
	errno = 0;
	va_start(args, fmt);
	if (vfprintf(sink->file, fmt, args) < 0)
		sink_fail(sink);
	va_end(args);
}

void sink_fill(struct sink *sink, char c, size_t count)
{
	while (count-- > 0)
		sink_write(sink, &c, 1);
}

bool sink_is_terminal(const struct sink *sink)
{
	return sink->file && isatty(fileno(sink->file)) == 1;
}

int sink_flush(struct sink *sink)
{
	errno = 0;
	if (!sink->err && fflush(sink->file) != 0)
		sink_fail(sink);
	return sink->err;
}

int sink_close(struct sink *sink)
{
	if (!sink->file)
		return sink->err;
	(void)sink_flush(sink);
	errno = 0;
	if (sink->owned && fclose(sink->file) != 0)
		sink_fail(sink);
	sink->file = NULL;
	return sink->err;
}
