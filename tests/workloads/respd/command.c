/* SPDX-License-Identifier: MIT */
/*
 * command.c - the table and the way into it.
 *
 * The read section around a command is what lets it use values while other clients
 * replace them: they are freed after the reply has been copied to the buffer.
 */
#include "command.h"
#include <errno.h>
#include <string.h>
#include "smap.h"

/* clang-format off */
const struct command commands[] = {
	{ "get", 2, cmd_get, "readonly fast", 1, 1, 1, "GET key: the value, or nil" },
	{ "set", -3, cmd_set, "write denyoom", 1, 1, 1, "SET key value [NX|XX] [GET] [EX s|PX ms|KEEPTTL]" },
	{ "incr", 2, cmd_incr, "write denyoom fast", 1, 1, 1, "INCR key: add 1 to a number" },
	{ "mget", -2, cmd_mget, "readonly fast", 1, -1, 1, "MGET key...: the values" },
	{ "mset", -3, cmd_mset, "write denyoom", 1, -1, 2, "MSET key value...: set each (not all at once)" },
	{ "del", -2, cmd_del, "write", 1, -1, 1, "DEL key...: how many were there" },
	{ "exists", -2, cmd_exists, "readonly fast", 1, -1, 1, "EXISTS key...: how many are there" },
	{ "cached", -2, cmd_cached, "readonly fast", 1, -1, 1, "CACHED key...: how many are in memory; the store is not asked" },
	{ "decr", 2, cmd_decr, "write denyoom fast", 1, 1, 1, "DECR key: take 1 from a number" },
	{ "incrby", 3, cmd_incrby, "write denyoom fast", 1, 1, 1, "INCRBY key n: add n to a number" },
	{ "ping", -1, cmd_ping, "fast", 0, 0, 0, "PING [message]" },
	{ "echo", 2, cmd_echo, "fast", 0, 0, 0, "ECHO message" },
	{ "dbsize", 1, cmd_dbsize, "readonly fast", 0, 0, 0, "DBSIZE: keys in the maps" },
	{ "flushall", -1, cmd_flush, "write", 0, 0, 0, "FLUSHALL [ASYNC|SYNC]: remove everything" },
	{ "flushdb", -1, cmd_flush, "write", 0, 0, 0, "FLUSHDB [ASYNC|SYNC]: remove everything" },
	{ "info", -1, cmd_info, "", 0, 0, 0, "INFO [section...]: server, clients, stats, smap, keyspace" },
	{ "command", -1, cmd_command, "", 0, 0, 0, "COMMAND [COUNT|DOCS [name...]|INFO name...]" },
	{ "config", -2, cmd_config, "admin", 0, 0, 0, "CONFIG GET pattern... | SET name value" },
	{ "client", -2, cmd_client, "", 0, 0, 0, "CLIENT ID|GETNAME|SETNAME name|SETINFO attribute value" },
	{ "debug", -2, cmd_debug, "admin", 0, 0, 0, "DEBUG SLEEP s [OUTSIDE] | PROMOTE: see cmd_debug.c" },
	{ "select", 2, cmd_select, "fast", 0, 0, 0, "SELECT 0: there is one database" },
	{ "quit", -1, cmd_quit, "fast", 0, 0, 0, "QUIT: close the connection" },
	{ "shutdown", -1, cmd_shutdown, "admin", 0, 0, 0, "SHUTDOWN [NOSAVE]: end the server" },
	{ 0 },
};
/* clang-format on */

size_t command_count(void)
{
	return sizeof(commands) / sizeof(commands[0]) - 1;
}

const struct command *command_find(const struct resp_arg *name)
{
	for (const struct command *c = commands; c->name; c++)
		if (resp_arg_is(name, c->name))
			return c;
	return NULL;
}

void command_fail(struct client *client, int err)
{
	switch (err) {
	case -EINVAL:
		resp_error(client->out, "ERR value is not an integer or out of range");
		break;
	case -ERANGE:
		resp_error(client->out, "ERR increment or decrement would overflow");
		break;
	case -ENOMEM:
		resp_error(client->out, "OOM out of memory");
		break;
	default:
		resp_error(client->out, "ERR the store failed: %s", strerror(-err));
	}
}

void command_run(struct client *client)
{
	const struct command *c = command_find(&client->argv[0]);
	int argc = (int)client->argc;

	if (!c) {
		int len = client->argv[0].len < 64 ? (int)client->argv[0].len : 64;

		resp_error(client->out, "ERR unknown command '%.*s'", len, client->argv[0].data);
		return;
	}
	if (c->arity > 0 ? argc != c->arity : argc < -c->arity) {
		resp_error(client->out, "ERR wrong number of arguments for '%s' command", c->name);
		return;
	}
	smap_read_lock();
	c->run(client);
	smap_read_unlock();
}
