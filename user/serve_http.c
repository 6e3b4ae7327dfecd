/* SPDX-License-Identifier: MIT */
/*
 * serve_http.c - see serve_http.h. Model: libmicrohttpd runs one thread that does all
 * sockets; handlers only look at snapshots and the stream, and never at the trace. A
 * second thread looks once a second at connections that take too long: the library's
 * own timeout begins anew with each byte, and a client that sends one now and then would
 * stay forever.
 */
#include "serve_http.h"

#include <errno.h>
#include <inttypes.h>
#include <microhttpd.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "log.h"
#include "serve_answer.h"
#include "serve_listen.h"

#define WATCH_S 1
#define SEND_BYTES (256 << 10) /* of the kernel, for a listener */
#define END_MS 1000	       /* for clients to read the end */
#define END_STEP_MS 10

enum state {
	STATE_WAITING, /* for a request, or for the rest of one */
	STATE_ANSWERING,
	STATE_STREAMING, /* as long as it likes */
};

struct connection {
	struct connection *next;
	int fd;
	enum state state;
	time_t since;
};

struct http {
	struct MHD_Daemon *daemon;
	struct http_options opts;
	pthread_t watch;
	bool watching, stop;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct connection *connections;
	struct http_counts counts;
};

static time_t now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

/* --- connections and their time --------------------------------------------------- */

static void on_connection(void *ctx, struct MHD_Connection *mhd, void **socket_ctx,
			  enum MHD_ConnectionNotificationCode code)
{
	struct http *http = ctx;
	struct connection *connection = *socket_ctx;

	pthread_mutex_lock(&http->lock);
	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		connection = calloc(1, sizeof(*connection));
		if (connection) {
			connection->fd =
				MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD)
					->connect_fd;
			connection->since = now_s();
			connection->next = http->connections;
			http->connections = connection;
			pthread_cond_signal(&http->changed);
		}
		*socket_ctx = connection;
	} else if (connection) {
		struct connection **at = &http->connections;

		while (*at != connection)
			at = &(*at)->next;
		*at = connection->next;
		free(connection);
		*socket_ctx = NULL;
	}
	pthread_mutex_unlock(&http->lock);
}

static void set_state(struct http *http, struct MHD_Connection *mhd, enum state state)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	struct connection *connection = info ? info->socket_context : NULL;

	if (!connection)
		return;
	pthread_mutex_lock(&http->lock);
	connection->state = state;
	connection->since = now_s();
	pthread_mutex_unlock(&http->lock);
}

static void *watch(void *ctx)
{
	static const time_t limit[] = {
		[STATE_WAITING] = HTTP_REQUEST_S, [STATE_ANSWERING] = HTTP_RESPONSE_S};
	struct http *http = ctx;

	pthread_mutex_lock(&http->lock);
	while (!http->stop) {
		struct timespec until;
		time_t now = now_s();

		for (struct connection *c = http->connections; c; c = c->next) {
			if (c->state == STATE_STREAMING || now - c->since < limit[c->state])
				continue;
			http->counts.late++;
			(void)shutdown(c->fd, SHUT_RDWR); /* the other thread closes it */
			c->since = now;
		}
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_sec += WATCH_S;
		if (http->connections)
			pthread_cond_timedwait(&http->changed, &http->lock, &until);
		else
			pthread_cond_wait(&http->changed, &http->lock);
	}
	pthread_mutex_unlock(&http->lock);
	return NULL;
}

/* --- events ----------------------------------------------------------------------- */

struct listener {
	struct http *http;
	struct MHD_Connection *mhd;
	struct stream_client *client;
	int fd;
};

static void listener_wake(void *ctx)
{
	struct listener *listener = ctx;

	MHD_resume_connection(listener->mhd);
}

/* What it has not read will never be: do not wait for it. */
static void listener_drop(void *ctx)
{
	struct listener *listener = ctx;

	(void)shutdown(listener->fd, SHUT_RDWR);
}

static void listener_asleep(void *ctx)
{
	struct listener *listener = ctx;

	MHD_suspend_connection(listener->mhd);
}

static ssize_t listener_read(void *ctx, uint64_t pos, char *buf, size_t max)
{
	struct listener *listener = ctx;
	ssize_t got = stream_read(listener->http->opts.stream, listener->client, buf, max,
				  listener_asleep);

	(void)pos;
	if (got >= 0)
		return got;
	return got == -1 ? MHD_CONTENT_READER_END_OF_STREAM : MHD_CONTENT_READER_END_WITH_ERROR;
}

static void listener_free(void *ctx)
{
	struct listener *listener = ctx;

	stream_leave(listener->http->opts.stream, listener->client);
	free(listener);
}

static struct MHD_Response *open_events(struct http *http, struct MHD_Connection *mhd)
{
	const char *last = MHD_lookup_connection_value(mhd, MHD_HEADER_KIND, "Last-Event-ID");
	struct listener *listener = calloc(1, sizeof(*listener));
	struct stream_waker waker = {listener_wake, listener_drop, listener};
	struct MHD_Response *response;

	if (!listener)
		return NULL;
	listener->http = http;
	listener->mhd = mhd;
	listener->fd = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
	listener->client = stream_join(http->opts.stream, last, &waker);
	if (!listener->client) {
		free(listener);
		return NULL;
	}
	response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 65536, listener_read,
						     listener, listener_free);
	if (!response)
		listener_free(listener);
	return response;
}

/* HEAD has the headers of GET and no body, hence nobody to tell anything. */
static void answer_events(struct http *http, struct MHD_Connection *mhd, bool head,
			  struct answer *answer)
{
	const int send_bytes = SEND_BYTES;

	if (head) {
		answer_static(answer, MHD_HTTP_OK, "text/event-stream", "");
		return;
	}
	answer->response = open_events(http, mhd);
	if (!answer->response) {
		answer_static(answer, MHD_HTTP_SERVICE_UNAVAILABLE, "text/plain",
			      "too many listeners\n");
		answer_header(answer, "Retry-After", "5");
		return;
	}
	/* It may be silent for long; and the stream, not the kernel, says how far behind it may be. */
	(void)MHD_set_connection_option(mhd, MHD_CONNECTION_OPTION_TIMEOUT, 0U);
	(void)setsockopt(
		MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd,
		SOL_SOCKET, SO_SNDBUF, &send_bytes, sizeof(send_bytes));
	answer->status = MHD_HTTP_OK;
	answer_header(answer, "Content-Type", "text/event-stream");
	set_state(http, mhd, STATE_STREAMING);
}

/* --- requests --------------------------------------------------------------------- */

static enum MHD_Result count_value(void *ctx, enum MHD_ValueKind kind, const char *key,
				   const char *value)
{
	(void)kind;
	(void)value;
	*(unsigned *)ctx += strcasecmp(key, "Host") == 0;
	return MHD_YES;
}

static bool host_fits(const struct http *http, struct MHD_Connection *mhd)
{
	unsigned hosts = 0;

	MHD_get_connection_values(mhd, MHD_HEADER_KIND, count_value, &hosts);
	return hosts == 1 && host_allowed(MHD_lookup_connection_value(mhd, MHD_HEADER_KIND, "Host"),
					  http->opts.hosts);
}

static bool has_body(struct MHD_Connection *mhd)
{
	const char *len = MHD_lookup_connection_value(mhd, MHD_HEADER_KIND, "Content-Length");

	return (len && strcmp(len, "0") != 0) ||
	       MHD_lookup_connection_value(mhd, MHD_HEADER_KIND, "Transfer-Encoding");
}

/* Of another site, and not somebody who followed a link. Only browsers say this. */
static bool from_other_site(struct MHD_Connection *mhd)
{
	const char *site = MHD_lookup_connection_value(mhd, MHD_HEADER_KIND, "Sec-Fetch-Site");
	const char *mode = MHD_lookup_connection_value(mhd, MHD_HEADER_KIND, "Sec-Fetch-Mode");

	return site && strcmp(site, "cross-site") == 0 && !(mode && strcmp(mode, "navigate") == 0);
}

/* True: refused, and the answer says why. */
static bool refuse(const struct http *http, struct MHD_Connection *mhd, const char *method,
		   struct answer *answer)
{
	if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0) {
		answer_static(answer, MHD_HTTP_METHOD_NOT_ALLOWED, "text/plain",
			      "only GET and HEAD\n");
		answer_header(answer, "Allow", "GET, HEAD");
	} else if (!host_fits(http, mhd)) {
		answer_static(answer, MHD_HTTP_FORBIDDEN, "text/plain",
			      "not for this host name: smaptrace serve --allow-host NAME\n");
	} else if (has_body(mhd)) {
		answer_static(answer, MHD_HTTP_BAD_REQUEST, "text/plain", "no body, please\n");
	} else if (from_other_site(mhd)) {
		answer_static(answer, MHD_HTTP_FORBIDDEN, "text/plain", "not for other sites\n");
	} else {
		return false;
	}
	return true;
}

static struct http_counts counts_now(struct http *http)
{
	struct http_counts counts;

	pthread_mutex_lock(&http->lock);
	counts = http->counts;
	pthread_mutex_unlock(&http->lock);
	return counts;
}

static enum MHD_Result on_request(void *ctx, struct MHD_Connection *mhd, const char *url,
				  const char *method, const char *version, const char *upload,
				  size_t *upload_size, void **request_ctx)
{
	static int begun;
	struct http *http = ctx;
	struct answer answer = {0};
	struct http_counts counts;

	(void)version;
	(void)upload;
	if (!*request_ctx) { /* headers only so far: a refusal need not wait for the rest */
		*request_ctx = &begun;
		set_state(http, mhd, STATE_ANSWERING);
		if (!refuse(http, mhd, method, &answer))
			return MHD_YES;
		pthread_mutex_lock(&http->lock);
		http->counts.refused++;
		pthread_mutex_unlock(&http->lock);
		return answer_send(&answer, mhd);
	}
	if (*upload_size)
		return MHD_NO;
	counts = counts_now(http);
	if (strcmp(url, "/events") == 0)
		answer_events(http, mhd, strcmp(method, "HEAD") == 0, &answer);
	else if (strcmp(url, "/metrics") == 0)
		answer_metrics(&answer, http->opts.stream, &counts);
	else if (strcmp(url, "/healthz") == 0)
		answer_health(&answer, http->opts.stream, http->opts.interval_ms);
	else if (strcmp(url, "/history") == 0)
		answer_history(&answer, http->opts.stream, mhd);
	else
		answer_file(&answer, url);
	return answer_send(&answer, mhd);
}

static void on_completed(void *ctx, struct MHD_Connection *mhd, void **request_ctx,
			 enum MHD_RequestTerminationCode code)
{
	(void)code;
	*request_ctx = NULL;
	set_state(ctx, mhd, STATE_WAITING);
}

/* --- life ------------------------------------------------------------------------- */

static void on_message(void *ctx, const char *fmt, va_list args)
{
	char text[256];

	(void)ctx;
	vsnprintf(text, sizeof(text), fmt, args);
	text[strcspn(text, "\n")] = '\0';
	log_debug("http: %s", text);
}

/* A path ends where its string ends: %00 stays a character that no path has. */
static size_t on_unescape(void *ctx, struct MHD_Connection *mhd, char *text)
{
	size_t len = MHD_http_unescape(text);

	(void)ctx;
	(void)mhd;
	for (size_t i = 0; i < len; i++)
		if (!text[i])
			text[i] = '\x7f';
	return len;
}

static struct MHD_Daemon *start_daemon(struct http *http)
{
	return MHD_start_daemon(
		MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0,
		NULL, NULL, on_request, http, MHD_OPTION_EXTERNAL_LOGGER, on_message, NULL,
		MHD_OPTION_LISTEN_SOCKET, http->opts.fd, MHD_OPTION_CONNECTION_LIMIT,
		HTTP_CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT, HTTP_REQUEST_S,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HTTP_MEMORY,
		MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_UNESCAPE_CALLBACK, on_unescape, NULL,
		MHD_OPTION_NOTIFY_CONNECTION, on_connection, http, MHD_OPTION_NOTIFY_COMPLETED,
		on_completed, http, MHD_OPTION_END);
}

/* Signals are the trace's: no thread of ours may take one. */
static int start_threads(struct http *http)
{
	sigset_t all, before;
	int err = 0;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	http->daemon = start_daemon(http);
	if (!http->daemon)
		err = errno ? -errno : -EIO;
	if (!err)
		err = -pthread_create(&http->watch, NULL, watch, http);
	http->watching = !err;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return err;
}

int http_start(struct http **ret_http, const struct http_options *opts)
{
	struct http *http = calloc(1, sizeof(*http));
	pthread_condattr_t attr;
	int err;

	if (!http)
		return -ENOMEM;
	http->opts = *opts;
	pthread_mutex_init(&http->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&http->changed, &attr);
	pthread_condattr_destroy(&attr);
	err = start_threads(http);
	if (err) {
		http_stop(http);
		return err;
	}
	*ret_http = http;
	return 0;
}

static void wait_for_clients(struct http *http)
{
	const struct timespec step = {.tv_nsec = END_STEP_MS * 1000000};

	for (int i = 0; i < END_MS / END_STEP_MS; i++) {
		struct stream_counts counts;

		stream_count(http->opts.stream, &counts);
		if (!counts.clients)
			return;
		(void)nanosleep(&step, NULL);
	}
}

void http_stop(struct http *http)
{
	if (!http)
		return;
	pthread_mutex_lock(&http->lock);
	http->stop = true;
	pthread_cond_signal(&http->changed);
	pthread_mutex_unlock(&http->lock);
	if (http->watching)
		pthread_join(http->watch, NULL);
	if (http->daemon) {
		stream_finish(http->opts.stream);
		wait_for_clients(http);
		stream_abort(http->opts.stream); /* no connection may be asleep now */
		MHD_stop_daemon(http->daemon);
	} else {
		close(http->opts.fd);
	}
	pthread_cond_destroy(&http->changed);
	pthread_mutex_destroy(&http->lock);
	free(http);
}
