/* SPDX-License-Identifier: MIT */
/*
 * The reader of recordings under libFuzzer, with the model behind it. An odd first byte: the
 * rest is the file. Else the rest is records, written with the right checksums, so that the
 * fuzzer gets past them: a kind and a number of bytes each, zeros behind them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "recording.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int add(void *ctx, const struct record *record)
{
	return model_add(ctx, record);
}

static void forge(const char *path, const uint8_t *data, size_t size)
{
	const struct report_meta meta = {.version = "fuzz"};
	struct recording *recording = NULL;

	if (recording_create(&recording, path, &meta))
		abort();
	while (size >= 2) {
		struct record record = {.kind = data[0] % (RECORD_COMMAND + 1)};
		size_t len = data[1] < size - 2 ? data[1] : size - 2;

		memcpy(&record.target, data + 2, len);
		data += 2 + len;
		size -= 2 + len;
		(void)recording_add(recording, &record);
	}
	if (recording_close(recording))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct recording_meta meta;
	struct model *model;
	char path[64];
	int fd;

	if (size < 1 || model_create(&model))
		return 0;
	fd = memfd_create("fuzz", MFD_CLOEXEC);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (!(data[0] & 1))
		forge(path, data + 1, size - 1);
	else if (write(fd, data + 1, size - 1) != (ssize_t)(size - 1))
		abort();
	(void)recording_read(path, &meta, &(struct record_sink){add, model});
	close(fd);
	model_free(model);
	return 0;
}
