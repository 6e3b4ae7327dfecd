/* SPDX-License-Identifier: MIT */
/*
 * collector.h - a collector that behaves badly on demand: an HTTP server on loopback, one
 * connection at a time, that answers each request as a script says.
 */
#ifndef COLLECTOR_H
#define COLLECTOR_H

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zlib.h>

struct collector_answer {
	int status;	     /* 0: close the connection; -1: never answer */
	const char *headers; /* further lines, each with \r\n */
	const char *body;
};

#define COLLECTOR_KEPT 32

struct collector {
	int fd, port;
	pthread_t thread;
	const struct collector_answer *script; /* the last one goes on for ever */
	size_t script_len;
	atomic_int requests;
	atomic_bool stop;
	char *bodies[COLLECTOR_KEPT]; /* unpacked; readable once `requests` says so */
	char heads[COLLECTOR_KEPT][2048];
};

static char *collector_unpack(const char *data, size_t len)
{
	char *text = calloc(1, 8 << 20);
	z_stream stream = {.next_in = (unsigned char *)data,
			   .avail_in = (unsigned)len,
			   .next_out = (unsigned char *)text,
			   .avail_out = (8 << 20) - 1};

	if (inflateInit2(&stream, 15 + 16) != Z_OK || inflate(&stream, Z_FINISH) != Z_STREAM_END)
		snprintf(text, 64, "not gzip");
	inflateEnd(&stream);
	return text;
}

/* The whole of one request; false: the other side has gone, or we are to stop. */
static bool collector_read(struct collector *c, int fd, char *head, char **ret_body)
{
	static const size_t room = 4 << 20;
	char *buffer = calloc(1, room), *end = NULL, *length;
	size_t have = 0, want = 0;

	while (!end || have < want) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		ssize_t got;

		if (atomic_load(&c->stop))
			break;
		if (poll(&p, 1, 20) != 1)
			continue;
		got = read(fd, buffer + have, room - 1 - have);
		if (got <= 0)
			break;
		have += (size_t)got;
		if (!end && (end = strstr(buffer, "\r\n\r\n"))) {
			length = strcasestr(buffer, "content-length:");
			want = (size_t)(end + 4 - buffer) +
			       (length ? (size_t)atoi(length + 15) : 0);
		}
	}
	if (end && have >= want) {
		snprintf(head, 2048, "%.*s", (int)(end - buffer), buffer);
		*ret_body = collector_unpack(end + 4, (size_t)(buffer + want - end - 4));
	}
	free(buffer);
	return end && have >= want;
}

static void collector_serve(struct collector *c, int fd)
{
	char head[2048], *body;

	while (collector_read(c, fd, head, &body)) {
		size_t n = (size_t)atomic_load(&c->requests);
		const struct collector_answer *answer =
			&c->script[n < c->script_len ? n : c->script_len - 1];

		if (n < COLLECTOR_KEPT) {
			strcpy(c->heads[n], head);
			c->bodies[n] = body;
		} else {
			free(body);
		}
		/* Release: pairs with collector_requests(). Publishes the body. */
		atomic_store_explicit(&c->requests, (int)n + 1, memory_order_release);
		if (answer->status == 0)
			return;
		if (answer->status > 0)
			dprintf(fd, "HTTP/1.1 %d x\r\nContent-Length: %zu\r\n%s\r\n%s",
				answer->status, strlen(answer->body ? answer->body : ""),
				answer->headers ? answer->headers : "",
				answer->body ? answer->body : "");
	}
}

static void *collector_run(void *ctx)
{
	struct collector *c = ctx;
	sigset_t pipe;

	/* The other side may go in the midst of an answer. */
	sigemptyset(&pipe);
	sigaddset(&pipe, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &pipe, NULL);
	while (!atomic_load(&c->stop)) {
		struct pollfd p = {.fd = c->fd, .events = POLLIN};
		int fd = poll(&p, 1, 20) == 1 ? accept(c->fd, NULL, NULL) : -1;

		if (fd < 0)
			continue;
		collector_serve(c, fd);
		close(fd);
	}
	return NULL;
}

static void collector_start(struct collector *c, const struct collector_answer *script, size_t len)
{
	struct sockaddr_in addr = {.sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(addr);

	memset(c, 0, sizeof(*c));
	c->script = script;
	c->script_len = len;
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(c->fd, (struct sockaddr *)&addr, sizeof(addr)) || listen(c->fd, 8) ||
	    getsockname(c->fd, (struct sockaddr *)&addr, &size))
		abort();
	c->port = ntohs(addr.sin_port);
	pthread_create(&c->thread, NULL, collector_run, c);
}

/* Acquire: pairs with collector_serve(). Without it a body may not be there yet. */
static int collector_requests(struct collector *c)
{
	return atomic_load_explicit(&c->requests, memory_order_acquire);
}

static void collector_stop(struct collector *c)
{
	atomic_store(&c->stop, true);
	pthread_join(c->thread, NULL);
	close(c->fd);
	for (size_t i = 0; i < COLLECTOR_KEPT; i++)
		free(c->bodies[i]);
}

#endif
