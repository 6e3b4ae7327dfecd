/* SPDX-License-Identifier: MIT */
/*
 * server.c - accepting, and the threads' loops.
 *
 *	accept thread --- fd through a pipe ---> thread i: epoll { pipe, its connections }
 *
 * The accepting thread hands out connections in turn, so that all threads get their
 * share even when a benchmark opens all of its connections at once (with
 * SO_REUSEPORT the kernel's hash decides, and two servers could share a port by
 * mistake). Closing the pipe ends a thread.
 */
#include "server.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <fcntl.h>
#include "conn.h"
#include "keyspace.h"

#define EVENTS 64
#define BACKLOG 511
#define NO_FILES_PAUSE_MS 100

struct worker {
	pthread_t thread;
	bool started;
	struct server *server;
	int epoll_fd;
	int pipe_read, pipe_write;
	struct conn *conns;
};

struct server {
	struct server_info info;
	struct keyspace *keyspace;
	int listen_fd;
	char address[80];
	unsigned turn;
	unsigned worker_cnt;
	struct worker workers[];
};

static int complain(int err, const char *what)
{
	fprintf(stderr, "respd: error: %s: %s\n", what, strerror(-err));
	return err;
}

/* Relaxed everywhere: counters. */
static uint64_t count(_Atomic uint64_t *counter, uint64_t n)
{
	return atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

/* --- threads ---------------------------------------------------------------------- */

static void drop(struct worker *w, struct conn *conn)
{
	if (conn->next)
		conn->next->prev = conn->prev;
	if (conn->prev)
		conn->prev->next = conn->next;
	else
		w->conns = conn->next;
	conn_free(conn); /* the close takes it out of epoll */
	count(&w->server->info.clients, (uint64_t)-1);
}

static void adopt(struct worker *w, int fd)
{
	struct server *s = w->server;
	struct epoll_event event = {.events = EPOLLIN};
	struct conn *conn = conn_new(fd, count(&s->info.accepted, 1) + 1, &s->info, s->keyspace);

	event.data.ptr = conn;
	if (conn && epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0) {
		conn->interest = event.events;
		conn->next = w->conns;
		if (conn->next)
			conn->next->prev = conn;
		w->conns = conn;
		return;
	}
	if (conn)
		conn_free(conn);
	else
		close(fd);
	count(&s->info.clients, (uint64_t)-1);
}

/* False when the pipe is closed. */
static bool adopt_all(struct worker *w)
{
	int fds[EVENTS];
	ssize_t len = read(w->pipe_read, fds, sizeof(fds));

	for (ssize_t i = 0; i < len / (ssize_t)sizeof(int); i++)
		adopt(w, fds[i]);
	return len > 0 || (len < 0 && errno == EINTR);
}

static void serve(struct worker *w, struct conn *conn, uint32_t events)
{
	bool open = conn_ready(conn, events);
	struct epoll_event event = {.data.ptr = conn};

	count(&w->server->info.commands, conn->commands);
	conn->commands = 0;
	if (!open) {
		drop(w, conn);
		return;
	}
	event.events = conn_interest(conn);
	if (event.events == conn->interest)
		return;
	conn->interest = event.events;
	if (epoll_ctl(w->epoll_fd, EPOLL_CTL_MOD, conn->fd, &event))
		drop(w, conn);
}

static void *worker_main(void *arg)
{
	struct worker *w = arg;
	struct epoll_event events[EVENTS];
	bool open = true;

	while (open) {
		int n = epoll_wait(w->epoll_fd, events, EVENTS, -1);

		for (int i = 0; i < n; i++) {
			if (events[i].data.ptr)
				serve(w, events[i].data.ptr, events[i].events);
			else
				open = adopt_all(w);
		}
	}
	while (w->conns)
		drop(w, w->conns);
	return NULL;
}

static int worker_start(struct worker *w, struct server *server)
{
	struct epoll_event event = {.events = EPOLLIN};
	int fds[2];
	int err;

	w->server = server;
	w->epoll_fd = w->pipe_read = w->pipe_write = -1;
	server->worker_cnt++;
	w->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (w->epoll_fd < 0 || pipe2(fds, O_CLOEXEC) < 0)
		return complain(-errno, "cannot set up a thread");
	w->pipe_read = fds[0];
	w->pipe_write = fds[1];
	if (epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, w->pipe_read, &event))
		return complain(-errno, "cannot set up a thread");
	err = -pthread_create(&w->thread, NULL, worker_main, w);
	if (err)
		return complain(err, "cannot start a thread");
	w->started = true;
	return 0;
}

static void worker_stop(struct worker *w)
{
	if (w->pipe_write >= 0)
		close(w->pipe_write);
	if (w->started)
		pthread_join(w->thread, NULL);
	if (w->pipe_read >= 0)
		close(w->pipe_read);
	if (w->epoll_fd >= 0)
		close(w->epoll_fd);
}

/* --- listening -------------------------------------------------------------------- */

static int listen_on(struct server *server, const char *bind_to, unsigned port)
{
	struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_PASSIVE,
				 .ai_socktype = SOCK_STREAM};
	struct addrinfo *info;
	char text[96], service[8];
	int one = 1, fd, err;

	snprintf(text, sizeof(text), "cannot listen on %.64s port %u", bind_to, port);
	snprintf(service, sizeof(service), "%u", port);
	err = getaddrinfo(bind_to, service, &hints, &info);
	if (err) {
		fprintf(stderr, "respd: error: %s: %s\n", text, gai_strerror(err));
		return -EINVAL;
	}
	fd = socket(info->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    bind(fd, info->ai_addr, info->ai_addrlen) || listen(fd, BACKLOG))
		err = complain(-errno, text);
	freeaddrinfo(info);
	server->listen_fd = fd;
	return err;
}

static void learn_address(struct server *server)
{
	struct sockaddr_storage address;
	socklen_t len = sizeof(address);
	char host[64] = "?", port[8] = "0";

	if (getsockname(server->listen_fd, (struct sockaddr *)&address, &len) == 0)
		getnameinfo((struct sockaddr *)&address, len, host, sizeof(host), port,
			    sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV);
	server->info.port = (unsigned)strtoul(port, NULL, 10);
	snprintf(server->address, sizeof(server->address), strchr(host, ':') ? "[%s]:%s" : "%s:%s",
		 host, port);
}

static void reject(struct server *server, int fd)
{
	static const char message[] = "-ERR max number of clients reached\r\n";

	(void)!send(fd, message, sizeof(message) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
	close(fd);
	count(&server->info.rejected, 1);
}

/* False when there are no files left: wait a little, the listener stays readable. */
static bool accept_one(struct server *server)
{
	struct worker *w = &server->workers[server->turn++ % server->worker_cnt];
	int one = 1;
	int fd = accept4(server->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0)
		return errno != EMFILE && errno != ENFILE && errno != ENOMEM && errno != ENOBUFS;
	/* Relaxed: only this thread adds, so the limit holds. */
	if (atomic_load_explicit(&server->info.clients, memory_order_relaxed) >=
	    atomic_load_explicit(&server->info.max_clients, memory_order_relaxed)) {
		reject(server, fd);
		return true;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	count(&server->info.clients, 1);
	/* Four bytes into a pipe go in one piece. */
	if (write(w->pipe_write, &fd, sizeof(fd)) != sizeof(fd)) {
		close(fd);
		count(&server->info.clients, (uint64_t)-1);
	}
	return true;
}

/* --- life ------------------------------------------------------------------------- */

int server_start(struct server **ret_server, const struct server_options *opts)
{
	struct server *server =
		calloc(1, sizeof(*server) + opts->threads * sizeof(server->workers[0]));
	int err;

	if (!server)
		return complain(-ENOMEM, "cannot start");
	server->keyspace = opts->keyspace;
	server->info.bind = opts->bind;
	server->info.threads = opts->threads;
	server->info.start_ms = keyspace_now_ms();
	server->info.max_bulk = opts->max_bulk;
	atomic_init(&server->info.max_clients, opts->max_clients);
	err = listen_on(server, opts->bind, opts->port);
	if (!err)
		learn_address(server);
	for (unsigned i = 0; !err && i < opts->threads; i++)
		err = worker_start(&server->workers[i], server);
	if (err)
		server_stop(server);
	else
		*ret_server = server;
	return err;
}

void server_run(struct server *server, int signal_fd)
{
	struct pollfd fds[2] = {{.fd = signal_fd, .events = POLLIN},
				{.fd = server->listen_fd, .events = POLLIN}};

	while (!fds[0].revents) {
		if (poll(fds, 2, -1) < 0)
			continue;
		if (!fds[1].revents || accept_one(server))
			continue;
		poll(fds, 1, NO_FILES_PAUSE_MS);
	}
}

void server_stop(struct server *server)
{
	if (!server)
		return;
	for (unsigned i = 0; i < server->worker_cnt; i++)
		worker_stop(&server->workers[i]);
	if (server->listen_fd >= 0)
		close(server->listen_fd);
	free(server);
}

const char *server_address(const struct server *server)
{
	return server->address;
}
