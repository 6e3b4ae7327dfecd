/* SPDX-License-Identifier: MIT */
/*
 * conn.c - back-pressure in one rule: while more than OUT_HIGH bytes of replies wait for
 * the client, no request is run and nothing is read. So a client that sends and does
 * not read costs one read buffer and one reply over OUT_HIGH, and TCP stops it.
 */
#include "conn.h"
#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_BYTES (16 * 1024)
#define READ_BYTES_BULK (1024 * 1024) /* at a time, while a large argument comes in */
#define OUT_HIGH (1024 * 1024)
#define OUT_MAX (512UL << 20) /* one reply too many: MGET of huge values */

struct conn *conn_new(int fd, uint64_t id, struct server_info *info, struct keyspace *keyspace)
{
	struct conn *conn = calloc(1, sizeof(*conn));

	if (!conn)
		return NULL;
	conn->fd = fd;
	conn->out.limit = OUT_MAX;
	conn->parser.max_bulk = info->max_bulk;
	conn->client.id = id;
	conn->client.info = info;
	conn->client.keyspace = keyspace;
	conn->client.out = &conn->out;
	return conn;
}

void conn_free(struct conn *conn)
{
	if (!conn)
		return;
	close(conn->fd);
	buf_free(&conn->in);
	buf_free(&conn->out);
	resp_free(&conn->parser);
	free(conn);
}

static bool congested(const struct conn *conn)
{
	return buf_used(&conn->out) > OUT_HIGH;
}

/* One read; level-triggered epoll comes back for the rest, so all get their turn. */
static bool read_some(struct conn *conn)
{
	size_t room = READ_BYTES;
	ssize_t len;

	if (conn->parser.in_bulk && conn->parser.bulk_len > READ_BYTES_BULK)
		room = READ_BYTES_BULK;
	if (!buf_reserve(&conn->in, room))
		return false;
	len = recv(conn->fd, conn->in.data + conn->in.end, conn->in.cap - conn->in.end, 0);
	if (len > 0)
		conn->in.end += (size_t)len;
	else if (len == 0)
		conn->eof = true;
	else
		return errno == EAGAIN || errno == EINTR;
	return true;
}

/* Run what is complete. True when it stopped for congestion: there may be more. */
static bool run_requests(struct conn *conn)
{
	while (!conn->client.close) {
		if (congested(conn))
			return true;
		switch (resp_parse(&conn->parser, &conn->in)) {
		case RESP_MORE:
			return false;
		case RESP_READY:
			conn->client.argv = conn->parser.argv;
			conn->client.argc = conn->parser.argc;
			if (conn->client.argc) {
				command_run(&conn->client);
				conn->commands++;
			}
			resp_next(&conn->parser, &conn->in);
			break;
		case RESP_ERROR:
			resp_error(&conn->out, "ERR Protocol error: %s", conn->parser.error);
			conn->client.close = true;
			break;
		}
	}
	return false;
}

static bool write_some(struct conn *conn)
{
	while (buf_used(&conn->out)) {
		ssize_t len =
			send(conn->fd, buf_head(&conn->out), buf_used(&conn->out), MSG_NOSIGNAL);

		if (len < 0)
			return errno == EAGAIN || errno == EINTR;
		buf_consume(&conn->out, (size_t)len);
	}
	return true;
}

bool conn_ready(struct conn *conn, uint32_t events)
{
	bool more;

	if (events & (EPOLLERR | EPOLLHUP))
		return false;
	if (events & EPOLLIN && !congested(conn) && !read_some(conn))
		return false;
	do {
		more = run_requests(conn);
		if (conn->out.failed || !write_some(conn))
			return false;
	} while (more && !congested(conn));
	/* Over when nothing more comes and everything is out. */
	return !((conn->client.close || (conn->eof && !more)) && !buf_used(&conn->out));
}

uint32_t conn_interest(const struct conn *conn)
{
	uint32_t events = 0;

	if (!conn->eof && !conn->client.close && !congested(conn))
		events |= EPOLLIN;
	if (buf_used(&conn->out))
		events |= EPOLLOUT;
	return events;
}
