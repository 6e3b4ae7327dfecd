/* SPDX-License-Identifier: MIT */
/*
 * otlp_post.c - see otlp_post.h. Model: a ring of bodies under a mutex, a thread that takes
 * the oldest and keeps it until it is sent, refused, or nobody wants it any more. What is
 * being sent still counts as queued but is not pushed out.
 *
 * The thread starts with the first request: by then the session has given up its
 * privileges, and the thread has none that the process has not.
 */
#include "otlp_post.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>
#include "log.h"
#include "otlp_curl.h"

#define BACKOFF_MS 1000
#define BACKOFF_MAX_MS 30000
#define FINISH_MS 5000

struct body {
	void *data;
	size_t size;
};

struct otlp_post {
	struct otlp_curl *curl; /* the thread's */
	unsigned backoff_ms, finish_ms;
	bool started;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	/* Below: under the lock. */
	struct body queue[OTLP_QUEUE_MAX]; /* ring */
	size_t first, count;
	bool busy;	 /* the thread has one in hand */
	bool closing;	 /* no more come; until `deadline` */
	bool trouble;	 /* the last attempt failed: has been told */
	bool complained; /* the last answer that took some did not take all: the same */
	struct timespec deadline;
	struct otlp_post_stats stats;
	atomic_bool abandon; /* the deadline is over; see otlp_curl_post() */
};

static struct timespec after_ms(uint64_t ms)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	now.tv_sec += (time_t)(ms / 1000);
	now.tv_nsec += (long)(ms % 1000) * 1000000;
	if (now.tv_nsec >= 1000000000) {
		now.tv_sec++;
		now.tv_nsec -= 1000000000;
	}
	return now;
}

/* --- the thread, with the lock -------------------------------------------------------- */

static struct body take_locked(struct otlp_post *post)
{
	struct body body = post->queue[post->first];

	post->first = (post->first + 1) % OTLP_QUEUE_MAX;
	post->count--;
	return body;
}

static bool abandoned(struct otlp_post *post)
{
	/* Relaxed: set and read under the lock here. */
	return atomic_load_explicit(&post->abandon, memory_order_relaxed);
}

/* One message when trouble begins, one when it ends: not one per attempt. */
static void tell_locked(struct otlp_post *post, const struct otlp_answer *answer)
{
	bool fine = answer->verdict == OTLP_TAKEN;
	bool complains = answer->rejected || answer->reason[0]; /* an advice: 0, with words */

	if (fine && complains && !post->complained)
		log_warn("the collector took metrics and rejected %llu data points of them: %s",
			 (unsigned long long)answer->rejected,
			 answer->reason[0] ? answer->reason : "it does not say why");
	if (fine)
		post->complained = complains;
	if (fine && post->trouble)
		log_info("smaptrace: the collector takes metrics again");
	if (!fine && !post->trouble)
		log_warn("the collector does not take metrics: %s; %s", answer->reason,
			 answer->verdict == OTLP_AGAIN ? "trying again" : "that request is lost");
	post->trouble = !fine;
}

/* From half of it to half as much again: many that lost one collector do not come back at once. */
uint64_t otlp_post_jitter(uint64_t ms)
{
	uint32_t random = 0;

	(void)!getrandom(&random, sizeof(random), GRND_NONBLOCK);
	return ms / 2 + random % (ms + 1);
}

static void wait_locked(struct otlp_post *post, uint64_t ms)
{
	struct timespec until = after_ms(ms);
	int err = 0;

	/* Closing does not cut a wait short: the deadline does. */
	while (err != ETIMEDOUT && !abandoned(post))
		err = pthread_cond_timedwait(&post->changed, &post->lock, &until);
}

/* Until it is sent, refused or abandoned. The lock is not held while it is on its way. */
static bool send_locked(struct otlp_post *post, const struct body *body)
{
	uint64_t backoff_ms = post->backoff_ms;
	struct otlp_answer answer;

	while (!abandoned(post)) {
		post->stats.attempts++;
		pthread_mutex_unlock(&post->lock);
		answer = otlp_curl_post(post->curl, body->data, body->size, &post->abandon);
		pthread_mutex_lock(&post->lock);
		if (!abandoned(post))
			tell_locked(post, &answer);
		post->stats.rejected += answer.rejected;
		if (answer.verdict != OTLP_AGAIN)
			return answer.verdict == OTLP_TAKEN;
		wait_locked(post, answer.retry_after_s ? answer.retry_after_s * 1000ULL
						       : otlp_post_jitter(backoff_ms));
		backoff_ms = backoff_ms * 2 < BACKOFF_MAX_MS ? backoff_ms * 2 : BACKOFF_MAX_MS;
	}
	return false;
}

static void *run(void *ctx)
{
	struct otlp_post *post = ctx;

	pthread_mutex_lock(&post->lock);
	while (true) {
		struct body body;

		while (post->count == 0 && !post->closing)
			pthread_cond_wait(&post->changed, &post->lock);
		if (post->count == 0)
			break;
		body = take_locked(post);
		post->busy = true;
		if (send_locked(post, &body))
			post->stats.sent++;
		else
			post->stats.lost++;
		post->busy = false;
		free(body.data);
	}
	pthread_cond_broadcast(&post->changed);
	pthread_mutex_unlock(&post->lock);
	return NULL;
}

/* --- the others -------------------------------------------------------------------------- */

/* Signals are for the thread that traces. */
static int start(struct otlp_post *post)
{
	sigset_t all, before;
	int err;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = pthread_create(&post->thread, NULL, run, post);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	post->started = err == 0;
	return -err;
}

int otlp_post_create(struct otlp_post **ret_post, const struct otlp_post_options *opts)
{
	struct otlp_post *post = calloc(1, sizeof(*post));
	pthread_condattr_t attr;
	int err;

	if (!post)
		return log_err(-ENOMEM, "cannot send metrics");
	err = otlp_curl_create(&post->curl, opts);
	if (err) {
		free(post);
		return err;
	}
	post->backoff_ms = opts->backoff_ms ? opts->backoff_ms : BACKOFF_MS;
	post->finish_ms = opts->finish_ms ? opts->finish_ms : FINISH_MS;
	pthread_mutex_init(&post->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&post->changed, &attr);
	pthread_condattr_destroy(&attr);
	*ret_post = post;
	return 0;
}

int otlp_post_push(struct otlp_post *post, void *body, size_t size)
{
	int err = post->started ? 0 : start(post);

	pthread_mutex_lock(&post->lock);
	if (err || post->closing) {
		post->stats.lost++;
		free(body);
	} else {
		if (post->count == OTLP_QUEUE_MAX) {
			struct body oldest = take_locked(post);

			free(oldest.data);
			post->stats.lost++;
		}
		post->queue[(post->first + post->count) % OTLP_QUEUE_MAX] =
			(struct body){body, size};
		post->count++;
		pthread_cond_broadcast(&post->changed);
	}
	pthread_mutex_unlock(&post->lock);
	return err;
}

struct otlp_post_stats otlp_post_stats(struct otlp_post *post)
{
	struct otlp_post_stats stats;

	pthread_mutex_lock(&post->lock);
	stats = post->stats;
	stats.queued = post->count + post->busy;
	pthread_mutex_unlock(&post->lock);
	return stats;
}

/* The thread goes by itself when all is sent; at the deadline it is told to leave the rest. */
static void finish(struct otlp_post *post)
{
	struct timespec deadline = after_ms(post->finish_ms);
	int err = 0;

	pthread_mutex_lock(&post->lock);
	post->closing = true;
	pthread_cond_broadcast(&post->changed);
	while (err != ETIMEDOUT && (post->count > 0 || post->busy))
		err = pthread_cond_timedwait(&post->changed, &post->lock, &deadline);
	/* Relaxed: see abandoned(); libcurl's thread only takes it for a wish. */
	atomic_store_explicit(&post->abandon, true, memory_order_relaxed);
	pthread_cond_broadcast(&post->changed);
	pthread_mutex_unlock(&post->lock);
	pthread_join(post->thread, NULL);
}

void otlp_post_close(struct otlp_post *post, struct otlp_post_stats *ret_stats)
{
	if (!post)
		return;
	if (post->started)
		finish(post);
	while (post->count > 0) {
		free(take_locked(post).data);
		post->stats.lost++;
	}
	if (ret_stats)
		*ret_stats = post->stats;
	pthread_cond_destroy(&post->changed);
	pthread_mutex_destroy(&post->lock);
	otlp_curl_free(post->curl);
	free(post);
}
