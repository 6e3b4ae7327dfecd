/* SPDX-License-Identifier: MIT */
/*
 * recording.h - the record stream of a session (record.h) in a file, and back.
 *
 * The file is one gzip stream of: magic, format version, byte order; a header; then
 * records, each with kind, size and CRC32; at the end a marker with their number.
 * Numbers are as in memory: a file is read on machines of the byte order that wrote it.
 *
 * Safe to send to somebody else: no host name, environment or command line, and of the
 * path of a program or source file only its last part. Names of maps, programs and
 * functions, process ids, and addresses of maps are in it.
 */
#ifndef RECORDING_H
#define RECORDING_H

#include "record.h"
#include "report.h"

#define RECORDING_VERSION 2

struct recording;

/* 0 or -errno. A new file is readable by its owner only. */
int recording_create(struct recording **ret_recording, const char *path,
		     const struct report_meta *meta);
/* 0 or the first error of the file's life; nothing is written after it. */
int recording_add(struct recording *recording, const struct record *record);
/* Writes the end; 0 or the first error. NULL is legal. */
int recording_close(struct recording *recording);

struct recording_meta {
	struct report_meta report; /* without its version, which is: */
	char version[32];	   /* of the smaptrace that wrote it */
};

/*
 * Emits what the file holds; *ret_meta is set before the first record, and is all
 * that is read when sink is NULL. The file is not
 * trusted: each record is checked before it is emitted, and -EINVAL of the sink says
 * that one breaks the rules of record.h.
 *
 * 0; -ENODATA truncated, -EBADMSG corrupt, -EPROTONOSUPPORT another format version or
 * byte order, or a kind of record that came later: what was emitted before is good.
 * -ENOEXEC no recording at all. Other -errno of the file or the sink.
 */
int recording_read(const char *path, struct recording_meta *ret_meta,
		   const struct record_sink *sink);

#endif
