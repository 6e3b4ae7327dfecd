/* SPDX-License-Identifier: MIT */
/*
 * recording.c - see recording.h. Model: gzip does the compression (samples are mostly
 * zeros) and a checksum over all; a CRC for each record finds a damaged one before
 * it is emitted, which the checksum at the end could only regret. Memory is one record.
 *
 * Rejected: a layout of its own for each record with variable-length integers. Deflate
 * comes within a few percent of it, and the structures are already fixed-width.
 */
#include "recording.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>
#include "stack.h"

#define MAGIC "SMAPREC"
#define BYTE_ORDER_MARK 0x01020304u
#define KIND_END 0xffffffffu
#define TARGET_HOLES 4096 /* numbers of targets are dense but for those that never came up */

struct file_head {
	char magic[8];
	__u32 version;
	__u32 order;
};

/* The counts say how samples are laid out: other ones are another format. */
struct file_meta {
	__u32 counters, probes, hists, slots;
	__u64 start_ns, start_unix_ns;
	__u32 interval_ms, duration_ms, exact, offcpu;
	char version[32];
	char kernel[128];
};

struct file_record {
	__u32 kind; /* enum record_kind, or KIND_END */
	__u32 size; /* of what follows */
	__u32 crc;  /* of it, begun with kind and size */
};

_Static_assert(sizeof(struct file_head) == 16, "file format");
_Static_assert(sizeof(struct file_meta) == 208, "file format");
_Static_assert(sizeof(struct file_record) == 12, "file format");

/* Exact size of each kind; 0 = no such kind. */
static size_t record_size(__u32 kind)
{
	static const size_t sizes[] = {
		[RECORD_TARGET] = sizeof(struct record_target),
		[RECORD_TARGET_END] = sizeof(struct record_target_end),
		[RECORD_MAP] = sizeof(struct record_map),
		[RECORD_SAMPLE] = sizeof(struct record_sample),
		[RECORD_EVENT] = sizeof(struct st_event),
		[RECORD_LOSS] = sizeof(struct record_loss),
		[RECORD_WINDOW] = sizeof(struct record_window),
		[RECORD_PRICE] = sizeof(struct record_price),
		[RECORD_SHED] = sizeof(struct record_shed),
		[RECORD_MISSING] = sizeof(struct record_missing),
		[RECORD_AUDIT] = sizeof(struct record_audit),
		[RECORD_FRAME] = sizeof(struct record_frame),
		[RECORD_STACK] = sizeof(struct record_stack),
		[RECORD_STACK_COUNT] = sizeof(struct record_stack_count),
		[RECORD_COMMAND] = sizeof(struct record_command),
		[RECORD_LOOKS] = sizeof(struct record_looks),
	};

	return kind < sizeof(sizes) / sizeof(sizes[0]) ? sizes[kind] : 0;
}

static __u32 record_crc(const struct file_record *head, const void *data)
{
	uLong crc = crc32(0, (const Bytef *)head, offsetof(struct file_record, crc));

	return (__u32)crc32(crc, data, head->size);
}

/* --- writing -------------------------------------------------------------- */

struct recording {
	gzFile file;
	int err; /* the first */
	__u64 count;
};

static void put(struct recording *recording, const void *data, size_t size)
{
	if (recording->err)
		return;
	errno = 0;
	if (gzwrite(recording->file, data, (unsigned)size) != (int)size)
		recording->err = errno > 0 ? -errno : -EIO;
}

static void put_record(struct recording *recording, __u32 kind, const void *data, size_t size)
{
	struct file_record head = {.kind = kind, .size = (__u32)size};

	head.crc = record_crc(&head, data);
	put(recording, &head, sizeof(head));
	put(recording, data, size);
}

static void put_head(struct recording *recording, const struct report_meta *meta)
{
	const struct file_head head = {MAGIC, RECORDING_VERSION, BYTE_ORDER_MARK};
	struct file_meta out = {
		.counters = ST_COUNTER_COUNT,
		.probes = SMAP_PROBE_COUNT,
		.hists = ST_HIST_COUNT,
		.slots = SMAP_HIST_SLOTS,
		.start_ns = meta->start_ns,
		.start_unix_ns = meta->start_unix_ns,
		.interval_ms = meta->interval_ms,
		.duration_ms = meta->duration_ms,
		.exact = meta->exact,
		.offcpu = meta->offcpu,
	};

	snprintf(out.version, sizeof(out.version), "%s", meta->version ? meta->version : "");
	snprintf(out.kernel, sizeof(out.kernel), "%s", meta->kernel);
	put(recording, &head, sizeof(head));
	put_record(recording, 0, &out, sizeof(out));
}

int recording_create(struct recording **ret_recording, const char *path,
		     const struct report_meta *meta)
{
	struct recording *recording = calloc(1, sizeof(*recording));
	int fd, err;

	if (!recording)
		return -ENOMEM;
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0600);
	if (fd < 0) {
		err = -errno;
		free(recording);
		return err;
	}
	recording->file = gzdopen(fd, "wb6");
	if (!recording->file) {
		close(fd);
		free(recording);
		return -ENOMEM;
	}
	put_head(recording, meta);
	*ret_recording = recording;
	return recording->err;
}

/* A path tells where somebody lives; a string ends the same way in every file. */
static void clean_target(struct record_target *target)
{
	char file[sizeof(target->file)] = "", comm[sizeof(target->comm)] = "";
	const char *base;

	target->file[sizeof(target->file) - 1] = '\0';
	target->comm[sizeof(target->comm) - 1] = '\0';
	base = strrchr(target->file, '/');
	strcpy(file, base ? base + 1 : target->file);
	strcpy(comm, target->comm);
	memcpy(target->file, file, sizeof(file));
	memcpy(target->comm, comm, sizeof(comm));
}

static void clean_path(char *path, size_t size)
{
	char kept[RECORD_PATH_LEN] = "";

	path[size - 1] = '\0';
	strcpy(kept, stack_base_name(path));
	memcpy(path, kept, size);
}

static void clean_frame(struct record_frame *frame)
{
	clean_path(frame->module, sizeof(frame->module));
	clean_path(frame->file, sizeof(frame->file));
}

int recording_add(struct recording *recording, const struct record *record)
{
	size_t size = record_size(record->kind);
	union {
		struct record_target target;
		struct record_frame frame;
	} clean;

	if (size == 0)
		return -EINVAL;
	if (record->kind == RECORD_TARGET) {
		clean.target = record->target;
		clean_target(&clean.target);
		put_record(recording, record->kind, &clean, size);
	} else if (record->kind == RECORD_FRAME) {
		clean.frame = record->frame;
		clean_frame(&clean.frame);
		put_record(recording, record->kind, &clean, size);
	} else {
		put_record(recording, record->kind, &record->target, size);
	}
	recording->count++;
	/* A window at a time is on disk, so that a recording that is cut short has them. */
	if (record->kind == RECORD_WINDOW && !recording->err) {
		errno = 0;
		if (gzflush(recording->file, Z_SYNC_FLUSH) != Z_OK)
			recording->err = errno > 0 ? -errno : -EIO;
	}
	return recording->err;
}

int recording_close(struct recording *recording)
{
	int err;

	if (!recording)
		return 0;
	put_record(recording, KIND_END, &recording->count, sizeof(recording->count));
	errno = 0;
	if (gzclose(recording->file) != Z_OK && !recording->err)
		recording->err = errno > 0 ? -errno : -EIO;
	err = recording->err;
	free(recording);
	return err;
}

/* --- reading -------------------------------------------------------------- */

struct reader {
	gzFile file;
	const struct record_sink *sink;
	__u64 count;
	__u32 hists; /* that samples have: fewer in older files */
	struct record record;
	size_t target_count;
	unsigned char targets[MODEL_TARGETS_MAX / 8]; /* a bit for each that was announced */
};

static int get(struct reader *reader, void *data, size_t size)
{
	int got = gzread(reader->file, data, (unsigned)size), err = Z_OK;

	if (got == (int)size)
		return 0;
	(void)gzerror(reader->file, &err);
	if (err == Z_ERRNO)
		return errno > 0 ? -errno : -EIO;
	if (err == Z_MEM_ERROR)
		return -ENOMEM;
	return err == Z_OK || err == Z_BUF_ERROR ? -ENODATA : -EBADMSG;
}

static int get_head(struct reader *reader)
{
	struct file_head head = {0};
	int err = get(reader, &head, sizeof(head));

	/* Neither the compression nor the magic: it never was one. */
	if (gzdirect(reader->file) && memcmp(head.magic, MAGIC, sizeof(head.magic)) != 0)
		return gztell(reader->file) == 0 ? -ENODATA : -ENOEXEC;
	if (err)
		return err;
	if (memcmp(head.magic, MAGIC, sizeof(head.magic)) != 0)
		return -ENOEXEC;
	if (head.order != BYTE_ORDER_MARK || head.version != RECORDING_VERSION)
		return -EPROTONOSUPPORT;
	return 0;
}

/* Checks kind, size and CRC; the data is then at `data`, which has room for `room`. */
static int get_record(struct reader *reader, struct file_record *head, void *data, size_t room)
{
	int err = get(reader, head, sizeof(*head));

	if (err)
		return err;
	if (head->size > room)
		return -EBADMSG;
	err = get(reader, data, head->size);
	if (err)
		return err;
	return record_crc(head, data) == head->crc ? 0 : -EBADMSG;
}

/* Histograms come to the end of the list: of an older file, the last ones are empty. */
#define HIST_BYTES sizeof(((struct record_sample *)NULL)->hist[0])
#define SUM_BYTES sizeof(((struct record_sample *)NULL)->sum[0])
_Static_assert(offsetof(struct record_sample, hist) ==
		       offsetof(struct record_sample, sum) + ST_HIST_COUNT * SUM_BYTES,
	       "widen_sample() knows the order");

static size_t expected_size(const struct reader *reader, __u32 kind)
{
	size_t missing = kind == RECORD_SAMPLE ? ST_HIST_COUNT - reader->hists : 0;

	return record_size(kind) - missing * (SUM_BYTES + HIST_BYTES);
}

/* From the back to the front, so that nothing is overwritten that is still to be moved. */
static void widen_sample(struct record_sample *sample, size_t hists)
{
	const size_t sums = offsetof(struct record_sample, sum);
	const size_t after = offsetof(struct record_sample, hist) + sizeof(sample->hist);
	char *bytes = (char *)sample;
	size_t missing = ST_HIST_COUNT - hists, old_hist = sums + hists * SUM_BYTES;

	memmove(bytes + after, bytes + old_hist + hists * HIST_BYTES, sizeof(*sample) - after);
	memmove(sample->hist, bytes + old_hist, hists * HIST_BYTES);
	memset(&sample->hist[hists], 0, missing * HIST_BYTES);
	memset(&sample->sum[hists], 0, missing * SUM_BYTES);
}

static int get_meta(struct reader *reader, struct recording_meta *ret_meta)
{
	struct file_record head;
	struct file_meta in;
	int err = get_record(reader, &head, &in, sizeof(in));

	if (err)
		return err;
	if (head.kind != 0 || head.size != sizeof(in) || in.version[sizeof(in.version) - 1] ||
	    in.kernel[sizeof(in.kernel) - 1])
		return -EBADMSG;
	if (in.counters != ST_COUNTER_COUNT || in.probes != SMAP_PROBE_COUNT ||
	    in.hists > ST_HIST_COUNT || !in.hists || in.slots != SMAP_HIST_SLOTS)
		return -EPROTONOSUPPORT;
	reader->hists = in.hists;
	*ret_meta = (struct recording_meta){0};
	memcpy(ret_meta->version, in.version, sizeof(in.version));
	memcpy(ret_meta->report.kernel, in.kernel, sizeof(in.kernel));
	ret_meta->report.start_ns = in.start_ns;
	ret_meta->report.start_unix_ns = in.start_unix_ns;
	ret_meta->report.interval_ms = in.interval_ms;
	ret_meta->report.duration_ms = in.duration_ms;
	ret_meta->report.exact = in.exact != 0;
	ret_meta->report.offcpu = in.offcpu != 0;
	return 0;
}

static bool ended(const char *text, size_t size)
{
	return memchr(text, '\0', size) != NULL;
}

static bool announced(const struct reader *reader, __u32 target)
{
	return target < MODEL_TARGETS_MAX && reader->targets[target / 8] >> target % 8 & 1;
}

static bool valid_frame(const struct record_frame *frame)
{
	return ended(frame->function, sizeof(frame->function)) &&
	       ended(frame->module, sizeof(frame->module)) &&
	       ended(frame->file, sizeof(frame->file)) &&
	       ended(frame->build_id, sizeof(frame->build_id));
}

/* What the CRC cannot say: somebody may have written the file on purpose. */
static bool valid(struct reader *reader)
{
	const struct record *record = &reader->record;
	const struct record_target *target = &record->target;

	switch ((enum record_kind)record->kind) {
	case RECORD_TARGET:
		if (target->target >= MODEL_TARGETS_MAX ||
		    target->target > reader->target_count + TARGET_HOLES ||
		    !ended(target->comm, sizeof(target->comm)) ||
		    !ended(target->file, sizeof(target->file)))
			return false;
		reader->target_count += !announced(reader, target->target);
		reader->targets[target->target / 8] |= (unsigned char)(1u << target->target % 8);
		return true;
	case RECORD_TARGET_END:
		return announced(reader, record->target_end.target);
	case RECORD_MAP:
		return announced(reader, record->map.key.target) &&
		       ended(record->map.name, sizeof(record->map.name));
	case RECORD_SAMPLE:
		return announced(reader, record->sample.key.target);
	case RECORD_EVENT:
		return announced(reader, record->event.target) &&
		       record->event.kind < SMAP_PROBE_COUNT &&
		       record->event.size == sizeof(record->event);
	case RECORD_LOSS:
		return ended(record->loss.name, sizeof(record->loss.name)) &&
		       ended(record->loss.help, sizeof(record->loss.help));
	case RECORD_WINDOW:
		return record->window.start_ns <= record->window.end_ns;
	case RECORD_SHED:
		return ended(record->shed.step, sizeof(record->shed.step));
	case RECORD_MISSING:
		return announced(reader, record->missing.key.target);
	case RECORD_LOOKS:
		return announced(reader, record->looks.target);
	case RECORD_PRICE:
	case RECORD_AUDIT:
	case RECORD_COMMAND:
		return true;
	case RECORD_FRAME:
		return valid_frame(&record->frame);
	case RECORD_STACK: /* its frames are the model's to know */
		return announced(reader, record->stack.target) &&
		       record->stack.frame_count <= RECORD_STACK_FRAMES;
	case RECORD_STACK_COUNT:
		return announced(reader, record->stack_count.key.target) &&
		       record->stack_count.kind < ST_STACK_COUNT;
	}
	return false;
}

/* Reading on makes zlib check its own end. 1 = as it should be. */
static int get_end(struct reader *reader)
{
	char more;
	int zerr = Z_OK, err = get(reader, &more, 1);

	(void)gzerror(reader->file, &zerr);
	if (err == -ENODATA && zerr == Z_OK)
		return 1;
	return err ? err : -EBADMSG;
}

/* 1 = the end marker, as it should be. */
static int next(struct reader *reader)
{
	struct record *record = &reader->record;
	struct file_record head;
	__u64 count;
	int err;

	memset(record, 0, sizeof(*record));
	err = get_record(reader, &head, &record->target,
			 sizeof(*record) - offsetof(struct record, target));
	if (err)
		return err;
	if (head.kind == KIND_END) {
		memcpy(&count, &record->target, sizeof(count));
		if (head.size != sizeof(count) || count != reader->count)
			return -EBADMSG;
		return get_end(reader);
	}
	record->kind = head.kind;
	if (record_size(head.kind) == 0) /* its CRC is right: of a later version */
		return -EPROTONOSUPPORT;
	if (head.size != expected_size(reader, head.kind))
		return -EBADMSG;
	if (head.kind == RECORD_SAMPLE && reader->hists < ST_HIST_COUNT)
		widen_sample(&record->sample, reader->hists);
	record->size = (__u32)(offsetof(struct record, target) + record_size(head.kind));
	if (!valid(reader))
		return -EBADMSG;
	reader->count++;
	err = reader->sink->emit(reader->sink->ctx, record);
	return err == -EINVAL ? -EBADMSG : err < 0 ? err : 0;
}

int recording_read(const char *path, struct recording_meta *ret_meta,
		   const struct record_sink *sink)
{
	struct reader *reader = calloc(1, sizeof(*reader));
	int err;

	if (!reader)
		return -ENOMEM;
	errno = 0;
	reader->sink = sink;
	reader->file = gzopen(path, "rbe");
	if (!reader->file) {
		err = errno > 0 ? -errno : -ENOMEM;
		free(reader);
		return err;
	}
	err = get_head(reader);
	if (!err)
		err = get_meta(reader, ret_meta);
	while (!err && sink)
		err = next(reader);
	(void)gzclose(reader->file);
	free(reader);
	return err < 0 ? err : 0;
}
