/* SPDX-License-Identifier: MIT */
/*
 * conn.h - one connection: bytes in, requests, replies, bytes out. Owned by one thread.
 */
#ifndef CONN_H
#define CONN_H

#include "command.h"
#include "resp.h"

struct conn {
	struct conn *next, *prev; /* of its thread */
	int fd;
	uint32_t interest; /* epoll events it is registered for */
	bool eof;	   /* the peer sends no more */
	struct buf in, out;
	struct resp_parser parser;
	struct client client;
	uint64_t commands; /* run since the last look, by the thread */
};

/* NULL without memory; the caller keeps fd then. */
struct conn *conn_new(int fd, uint64_t id, struct server_info *info, struct keyspace *keyspace);
/* Closes the socket too. NULL is ignored. */
void conn_free(struct conn *conn);

/*
 * Something happened on the socket: read, run requests, write, as far as it goes without
 * waiting. False: the connection is over. Then conn_interest() says what to wait for.
 */
bool conn_ready(struct conn *conn, uint32_t events);
uint32_t conn_interest(const struct conn *conn);

#endif
