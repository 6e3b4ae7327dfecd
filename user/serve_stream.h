/* SPDX-License-Identifier: MIT */
/*
 * serve_stream.h - between the trace, which must never wait, and clients, which may be slow.
 *
 *	trace --publish--> queue --own thread--> history, frames --read--> clients
 *	                     '--latest--> /metrics
 *
 * Publishing moves a pointer. Frames are made by a thread of the stream, only while there
 * are clients, once for all of them, and kept in a ring of a bounded size. A client that the
 * ring has overtaken is dropped, and counted: nobody holds up anybody.
 *
 * All functions may be called by any thread, publish and finish only by the trace's.
 */
#ifndef SERVE_STREAM_H
#define SERVE_STREAM_H

#include <stdint.h>
#include <sys/types.h>
#include "serve_snapshot.h"

#define STREAM_CLIENTS_MAX 16
#define STREAM_FRAMES_MAX 32
#define STREAM_BYTES_MAX (16U << 20) /* of all frames; the newest stays whatever its size */
/* ... as long as only clients that come back could want the oldest: all others have read it. */
#define STREAM_READ_BYTES_MAX (8U << 20)

struct stream;
struct stream_client;

/* What a client wants to be told; both are called with the stream locked. */
struct stream_waker {
	void (*wake)(void *ctx); /* it may read again, after a read that returned 0 */
	void (*drop)(void *ctx); /* it is too slow: its next read ends it; do not wait for that */
	void *ctx;
};

struct stream_counts {
	unsigned clients;
	uint64_t dropped; /* clients that were too slow */
	uint64_t skipped; /* windows that found no room in the queue */
};

int stream_create(struct stream **ret_stream, const struct report_meta *meta);
/* Ends the thread; all clients must have been freed. */
void stream_free(struct stream *stream);

/* Takes the reference. */
void stream_publish(struct stream *stream, struct snapshot *snapshot);
/* Nothing more will come: clients read what there is, and then the end. */
void stream_finish(struct stream *stream);
/* At once: who reads now is at the end. */
void stream_abort(struct stream *stream);
/* The last one published, with a reference for the caller; NULL = none yet. */
struct snapshot *stream_latest(struct stream *stream);
void stream_count(struct stream *stream, struct stream_counts *ret_counts);
/* As frame_history(). */
char *stream_history(struct stream *stream, int pid, uint64_t addr, uint64_t id, size_t *ret_len);

/* `last_id`: of the last event that it has seen, or NULL. NULL: too many clients, or no memory. */
struct stream_client *stream_join(struct stream *stream, const char *last_id,
				  const struct stream_waker *waker);
void stream_leave(struct stream *stream, struct stream_client *client);
/*
 * Up to `size` bytes for it. 0: nothing now, wake() will be called, and `asleep` was called
 * before that could happen. -1: the end. -2: it was too slow.
 */
ssize_t stream_read(struct stream *stream, struct stream_client *client, char *dst, size_t size,
		    void (*asleep)(void *ctx));

#endif
