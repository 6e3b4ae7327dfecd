/* SPDX-License-Identifier: MIT */
/*
 * command.h - the commands as a table: name, arity, function, help. A command gets a
 * client with its arguments and appends exactly one reply to client->out.
 */
#ifndef COMMAND_H
#define COMMAND_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "resp.h"

struct keyspace;

/* Figures of the server that INFO and CONFIG show. */
struct server_info {
	const char *bind;
	unsigned port;
	unsigned threads;
	int64_t start_ms;
	uint64_t max_bulk;
	_Atomic uint64_t max_clients; /* CONFIG SET maxclients */
	_Atomic uint64_t clients;     /* connected now */
	_Atomic uint64_t accepted;    /* ever */
	_Atomic uint64_t rejected;    /* too many clients */
	_Atomic uint64_t commands;    /* done; added to in batches */
};

struct client {
	uint64_t id;
	struct server_info *info;
	struct keyspace *keyspace;
	const struct resp_arg *argv; /* argv[0] is the command */
	size_t argc;
	struct buf *out;
	bool close; /* after the replies are out */
	char name[64];
};

struct command {
	const char *name; /* lower case */
	int arity;	  /* arguments with the name; negative: at least so many */
	void (*run)(struct client *client);
	const char *flags; /* "readonly fast" ... as COMMAND shows them */
	int first_key, last_key, key_step;
	const char *help;
};

/* Ends with one of no name. The most frequent first: it is searched in order. */
extern const struct command commands[];
size_t command_count(void);
const struct command *command_find(const struct resp_arg *name);

/* Find, check the number of arguments, run inside a read section. */
void command_run(struct client *client);

/* Replies with the error of a failed keyspace operation. */
void command_fail(struct client *client, int err);

/* cmd_data.c */
void cmd_get(struct client *client);
void cmd_set(struct client *client);
void cmd_del(struct client *client);
void cmd_exists(struct client *client);
void cmd_cached(struct client *client);
void cmd_mget(struct client *client);
void cmd_mset(struct client *client);
void cmd_incr(struct client *client);
void cmd_decr(struct client *client);
void cmd_incrby(struct client *client);
void cmd_dbsize(struct client *client);
void cmd_flush(struct client *client);

/* cmd_server.c */
void cmd_ping(struct client *client);
void cmd_echo(struct client *client);
void cmd_info(struct client *client);
void cmd_command(struct client *client);
void cmd_config(struct client *client);
void cmd_client(struct client *client);
void cmd_select(struct client *client);
void cmd_debug(struct client *client); /* cmd_debug.c */
void cmd_quit(struct client *client);
void cmd_shutdown(struct client *client);

#endif
