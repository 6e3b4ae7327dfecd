/* SPDX-License-Identifier: MIT */
/*
 * serve_stream.c - see serve_stream.h. Model: one mutex, held only to move pointers and
 * copy bytes to a client; JSON is made outside of it. A second mutex is of the history,
 * which only the stream's thread and a look at one map need.
 *
 * A client is a place in the sequence of windows. New ones, and those that come back too
 * late, first get a frame of their own with all that is known; then each goes through
 * the ring by itself.
 */
#include "serve_stream.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "history.h"
#include "serve_frame.h"

#define HISTORY_POINTS 120 /* with 1,000 maps 6 MB; a page that is open keeps more itself */
#define QUEUE_MAX 8	   /* windows that wait for the thread */
#define KEPT_S 30	   /* frames are made so long after the last client, for its return */
#define HEARTBEAT_S 15	   /* so that a client that has gone is noticed */
#define TICK_S 1

static const char heartbeat[] = ":\n\n";

struct stream_client {
	struct stream_client *next;
	struct stream_waker waker;
	uint64_t seq; /* of the frame it reads next */
	bool fresh;   /* needs to be told everything first */
	bool asleep, dropped;
	struct frame *frame; /* being read; NULL = none */
	size_t at;
	time_t beat; /* when it was last sent anything */
};

struct stream {
	struct report_meta meta;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool started, stop, finished, aborted;
	bool busy; /* the thread makes a frame */
	struct snapshot *latest;
	struct snapshot *queue[QUEUE_MAX];
	size_t queued;
	struct frame *ring[STREAM_FRAMES_MAX]; /* of consecutive windows, the oldest first */
	size_t frames, bytes;
	uint64_t next_seq; /* of the window that comes next, once known */
	struct stream_client *clients;
	struct stream_counts counts;
	time_t left; /* when the last client did */
	/* Of the thread. */
	struct snapshot *shown; /* the last one it took from the queue */
	pthread_mutex_t history_lock;
	struct history *history;
};

static time_t now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

/* --- with the lock held ----------------------------------------------------------- */

static void wake(struct stream_client *client)
{
	if (!client->asleep)
		return;
	client->asleep = false;
	client->waker.wake(client->waker.ctx);
}

static void wake_all(struct stream *stream)
{
	for (struct stream_client *c = stream->clients; c; c = c->next)
		wake(c);
}

static uint64_t oldest_seq(const struct stream *stream)
{
	return stream->frames ? stream->ring[0]->seq : stream->next_seq;
}

static void drop_oldest(struct stream *stream)
{
	stream->bytes -= stream->ring[0]->len;
	frame_put(stream->ring[0]);
	stream->frames--;
	memmove(stream->ring, stream->ring + 1, stream->frames * sizeof(struct frame *));
}

static void empty_ring(struct stream *stream)
{
	while (stream->frames)
		drop_oldest(stream);
}

static void drop_slow(struct stream *stream)
{
	for (struct stream_client *c = stream->clients; c; c = c->next) {
		if (c->dropped || c->fresh || c->seq >= oldest_seq(stream))
			continue;
		c->dropped = true;
		stream->counts.dropped++;
		c->waker.drop(c->waker.ctx);
		wake(c);
	}
}

/* There is no memory to tell them anything. */
static void drop_fresh(struct stream *stream)
{
	for (struct stream_client *c = stream->clients; c; c = c->next) {
		if (!c->fresh)
			continue;
		c->fresh = false;
		c->dropped = true;
		wake(c);
	}
}

/* Who is fresh gets a frame of its own first. */
static bool oldest_is_read(const struct stream *stream)
{
	for (const struct stream_client *c = stream->clients; c; c = c->next)
		if (!c->dropped && !c->fresh && c->seq <= stream->ring[0]->seq)
			return false;
	return true;
}

static void push_frame(struct stream *stream, struct frame *frame)
{
	while (stream->frames == STREAM_FRAMES_MAX ||
	       (stream->frames && stream->bytes + frame->len > STREAM_BYTES_MAX) ||
	       (stream->frames && stream->bytes + frame->len > STREAM_READ_BYTES_MAX &&
		oldest_is_read(stream)))
		drop_oldest(stream);
	stream->ring[stream->frames++] = frame;
	stream->bytes += frame->len;
}

/* Is there anybody for whom a frame would be made? */
static bool wanted(const struct stream *stream)
{
	return stream->clients || (stream->left && now_s() - stream->left < KEPT_S);
}

static bool any_fresh(const struct stream *stream)
{
	for (const struct stream_client *c = stream->clients; c; c = c->next)
		if (c->fresh && !c->frame)
			return true;
	return false;
}

static void hand_out(struct stream *stream, struct frame *frame)
{
	for (struct stream_client *c = stream->clients; c; c = c->next) {
		if (!c->fresh || c->frame)
			continue;
		frame->refs++;
		c->frame = frame;
		c->at = 0;
		c->fresh = false;
		c->seq = frame->seq + 1;
		wake(c);
	}
	frame_put(frame);
}

/* --- the thread ------------------------------------------------------------------- */

/* Takes the first of the queue. Unlocks meanwhile. */
static void take_window(struct stream *stream)
{
	struct snapshot *snapshot = stream->queue[0], *before = stream->shown;
	const struct report *report = &snapshot->report;
	struct frame *frame = NULL;
	bool make = wanted(stream);

	stream->busy = true;
	stream->queued--;
	memmove(stream->queue, stream->queue + 1, stream->queued * sizeof(struct snapshot *));
	pthread_mutex_unlock(&stream->lock);
	pthread_mutex_lock(&stream->history_lock);
	(void)history_add(stream->history, report); /* a gap in a chart */
	pthread_mutex_unlock(&stream->history_lock);
	if (make)
		frame = frame_window(report);
	snapshot_put(before);
	pthread_mutex_lock(&stream->lock);
	stream->busy = false;
	stream->shown = snapshot;
	if (report->window_count > stream->next_seq) /* some were skipped */
		empty_ring(stream);
	stream->next_seq = report->window_count + 1;
	if (report->kind == REPORT_END && frame)
		frame->seq = stream->next_seq++; /* it has no number of its own */
	if (frame)
		push_frame(stream, frame);
	else
		empty_ring(stream); /* a gap: who comes back begins anew */
	drop_slow(stream);
	wake_all(stream);
}

static void tell_everything(struct stream *stream)
{
	struct snapshot *shown = snapshot_get(stream->shown);
	struct frame *frame;

	pthread_mutex_unlock(&stream->lock);
	pthread_mutex_lock(&stream->history_lock);
	frame = frame_connect(&shown->report, stream->history);
	pthread_mutex_unlock(&stream->history_lock);
	snapshot_put(shown);
	pthread_mutex_lock(&stream->lock);
	if (frame)
		hand_out(stream, frame);
	else
		drop_fresh(stream);
}

static void beat(struct stream *stream)
{
	time_t now = now_s();

	for (struct stream_client *c = stream->clients; c; c = c->next)
		if (now - c->beat >= HEARTBEAT_S)
			wake(c);
}

static void wait_for_change(struct stream *stream)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += TICK_S;
	/* With nobody there is nothing to beat for. */
	if (stream->clients)
		pthread_cond_timedwait(&stream->changed, &stream->lock, &until);
	else
		pthread_cond_wait(&stream->changed, &stream->lock);
}

static void *run(void *ctx)
{
	struct stream *stream = ctx;

	pthread_mutex_lock(&stream->lock);
	while (!stream->stop) {
		if (stream->queued)
			take_window(stream);
		else if (stream->shown && any_fresh(stream))
			tell_everything(stream);
		else
			wait_for_change(stream);
		beat(stream);
	}
	pthread_mutex_unlock(&stream->lock);
	return NULL;
}

/* --- life ------------------------------------------------------------------------- */

int stream_create(struct stream **ret_stream, const struct report_meta *meta)
{
	struct stream *stream = calloc(1, sizeof(*stream));
	pthread_condattr_t attr;
	int err;

	if (!stream)
		return -ENOMEM;
	stream->meta = *meta;
	pthread_mutex_init(&stream->lock, NULL);
	pthread_mutex_init(&stream->history_lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&stream->changed, &attr);
	pthread_condattr_destroy(&attr);
	err = history_create(&stream->history, &(struct history_options){.points = HISTORY_POINTS});
	if (!err)
		err = -pthread_create(&stream->thread, NULL, run, stream);
	if (err) {
		stream_free(stream);
		return err;
	}
	stream->started = true;
	*ret_stream = stream;
	return 0;
}

void stream_free(struct stream *stream)
{
	if (!stream)
		return;
	pthread_mutex_lock(&stream->lock);
	stream->stop = true;
	pthread_cond_signal(&stream->changed);
	pthread_mutex_unlock(&stream->lock);
	if (stream->started)
		pthread_join(stream->thread, NULL);
	empty_ring(stream);
	for (size_t i = 0; i < stream->queued; i++)
		snapshot_put(stream->queue[i]);
	snapshot_put(stream->shown);
	snapshot_put(stream->latest);
	history_free(stream->history);
	pthread_cond_destroy(&stream->changed);
	pthread_mutex_destroy(&stream->history_lock);
	pthread_mutex_destroy(&stream->lock);
	free(stream);
}

/* --- for the trace ---------------------------------------------------------------- */

void stream_publish(struct stream *stream, struct snapshot *snapshot)
{
	struct snapshot *before, *waited = NULL;

	pthread_mutex_lock(&stream->lock);
	before = stream->latest;
	stream->latest = snapshot_get(snapshot);
	if (stream->queued == QUEUE_MAX) {
		waited = stream->queue[0];
		stream->queued--;
		memmove(stream->queue, stream->queue + 1,
			stream->queued * sizeof(struct snapshot *));
		stream->counts.skipped++;
	}
	stream->queue[stream->queued++] = snapshot;
	pthread_cond_signal(&stream->changed);
	pthread_mutex_unlock(&stream->lock);
	snapshot_put(before);
	snapshot_put(waited);
}

void stream_finish(struct stream *stream)
{
	pthread_mutex_lock(&stream->lock);
	stream->finished = true;
	wake_all(stream);
	pthread_mutex_unlock(&stream->lock);
}

void stream_abort(struct stream *stream)
{
	pthread_mutex_lock(&stream->lock);
	stream->aborted = true;
	wake_all(stream);
	pthread_mutex_unlock(&stream->lock);
}

/* --- for clients ------------------------------------------------------------------ */

struct snapshot *stream_latest(struct stream *stream)
{
	struct snapshot *latest;

	pthread_mutex_lock(&stream->lock);
	latest = stream->latest ? snapshot_get(stream->latest) : NULL;
	pthread_mutex_unlock(&stream->lock);
	return latest;
}

void stream_count(struct stream *stream, struct stream_counts *ret_counts)
{
	pthread_mutex_lock(&stream->lock);
	*ret_counts = stream->counts;
	pthread_mutex_unlock(&stream->lock);
}

char *stream_history(struct stream *stream, int pid, uint64_t addr, uint64_t id, size_t *ret_len)
{
	char *text;

	pthread_mutex_lock(&stream->history_lock);
	text = frame_history(stream->history, &stream->meta, pid, addr, id, ret_len);
	pthread_mutex_unlock(&stream->history_lock);
	return text;
}

struct stream_client *stream_join(struct stream *stream, const char *last_id,
				  const struct stream_waker *waker)
{
	struct stream_client *client = calloc(1, sizeof(*client));
	uint64_t seq;

	if (!client)
		return NULL;
	client->waker = *waker;
	client->fresh = true;
	pthread_mutex_lock(&stream->lock);
	if (stream->counts.clients >= STREAM_CLIENTS_MAX) {
		pthread_mutex_unlock(&stream->lock);
		free(client);
		return NULL;
	}
	if (frame_parse_id(last_id, &stream->meta, &seq) && stream->frames &&
	    seq + 1 >= oldest_seq(stream) && seq < stream->next_seq) {
		client->fresh = false;
		client->seq = seq + 1;
	}
	client->beat = now_s();
	client->next = stream->clients;
	stream->clients = client;
	stream->counts.clients++;
	pthread_cond_signal(&stream->changed);
	pthread_mutex_unlock(&stream->lock);
	return client;
}

void stream_leave(struct stream *stream, struct stream_client *client)
{
	pthread_mutex_lock(&stream->lock);
	for (struct stream_client **at = &stream->clients; *at; at = &(*at)->next) {
		if (*at != client)
			continue;
		*at = client->next;
		break;
	}
	stream->counts.clients--;
	stream->left = now_s();
	frame_put(client->frame);
	pthread_mutex_unlock(&stream->lock);
	free(client);
}

/* The next frame for a client that reads none: NULL = there is none yet. */
static struct frame *next_frame(struct stream *stream, struct stream_client *client)
{
	uint64_t oldest = oldest_seq(stream);

	if (client->fresh || client->seq < oldest || client->seq >= oldest + stream->frames)
		return NULL;
	client->at = 0;
	client->frame = stream->ring[client->seq - oldest];
	client->frame->refs++;
	client->seq++;
	return client->frame;
}

/* It has read all that there will be. */
static bool has_ended(const struct stream *stream, const struct stream_client *client)
{
	return stream->finished && !stream->queued && !stream->busy &&
	       !(client->fresh && stream->shown);
}

static ssize_t read_some(struct stream *stream, struct stream_client *client, char *dst,
			 size_t size)
{
	time_t now = now_s();
	size_t rest;

	if (!client->frame && !next_frame(stream, client)) {
		if (now - client->beat < HEARTBEAT_S || size < sizeof(heartbeat))
			return has_ended(stream, client) ? -1 : 0;
		client->beat = now;
		memcpy(dst, heartbeat, sizeof(heartbeat) - 1);
		return sizeof(heartbeat) - 1;
	}
	client->beat = now;
	rest = client->frame->len - client->at;
	size = size < rest ? size : rest;
	memcpy(dst, client->frame->text + client->at, size);
	client->at += size;
	if (client->at == client->frame->len) {
		frame_put(client->frame);
		client->frame = NULL;
	}
	return (ssize_t)size;
}

ssize_t stream_read(struct stream *stream, struct stream_client *client, char *dst, size_t size,
		    void (*asleep)(void *ctx))
{
	ssize_t got;

	pthread_mutex_lock(&stream->lock);
	got = client->dropped || stream->aborted ? -2 : read_some(stream, client, dst, size);
	if (got == 0) {
		client->asleep = true;
		asleep(client->waker.ctx);
	}
	pthread_mutex_unlock(&stream->lock);
	return got;
}
