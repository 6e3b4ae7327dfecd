/* SPDX-License-Identifier: MIT */
/*
 * server.h - sockets: one thread accepts (the caller's), N threads serve. A connection
 * belongs to one thread for its whole life, so nothing of it is shared.
 */
#ifndef SERVER_H
#define SERVER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include "command.h"
#include "resp.h"

struct server;

struct server_options {
	const char *bind; /* numeric address */
	unsigned port;	  /* 0 = any */
	unsigned threads;
	uint64_t max_clients;
	uint64_t max_bulk; /* bytes of one argument */
	struct keyspace *keyspace;
};

/* Listens and starts the threads. 0 or -errno (complained to stderr). */
int server_start(struct server **ret_server, const struct server_options *opts);
/* Accepts until signal_fd (SIGTERM, SIGINT) becomes readable. */
void server_run(struct server *server, int signal_fd);
/* Ends the threads and their connections. NULL is ignored. */
void server_stop(struct server *server);

/* "ADDRESS:PORT" as it listens. */
const char *server_address(const struct server *server);

#endif
