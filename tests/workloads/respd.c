/* SPDX-License-Identifier: MIT */
/*
 * respd - a small multithreaded cache that speaks RESP2 on top of libsmap: a real server,
 * driven by real clients (redis-cli, redis-benchmark), to be traced.
 *
 *	respd.c			options, signals, life cycle
 *	respd/server.c		accepting, threads, epoll
 *	respd/conn.c		one connection: reading, back-pressure, writing
 *	respd/resp.c		the protocol (pure)
 *	respd/command.c		the table of commands; cmd_data.c, cmd_server.c
 *	respd/keyspace.c	keys and values in libsmap's maps; store.c: SQLite behind them
 *
 * It listens on 127.0.0.1 unless told otherwise: it has no authentication.
 */
#include <signal.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>
#include "cli.h"
#include "respd/keyspace.h"
#include "respd/server.h"

#define SPARE_FILES 64 /* epoll, pipes, SQLite, standard streams */

static struct {
	const char *bind;
	uint64_t port, threads, maps, max_clients, max_bulk;
	struct keyspace_options keyspace;
} opt = {
	.bind = "127.0.0.1",
	.port = 6379,
	.threads = 4,
	.maps = 1,
	.max_clients = 10000,
	.max_bulk = 64UL << 20,
};

/* clang-format off */
static const struct cli_option options[] = {
	{ "bind", "ADDRESS", "numeric address to listen on (127.0.0.1)", CLI_STRING, &opt.bind, 0, 0, NULL },
	{ "port", "N", "port (6379); 0 = any free one", CLI_U64, &opt.port, 0, 65535, NULL },
	{ "threads", "N", "threads that serve (4)", CLI_U64, &opt.threads, 1, 256, NULL },
	{ "max-clients", "N", "connections at a time (10000)", CLI_U64, &opt.max_clients, 1, 1000000, NULL },
	{ "max-bulk", "BYTES", "longest key or value (64 MiB)", CLI_U64, &opt.max_bulk, 1024, RESP_REQUEST_MAX / 2, NULL },
	{ "maps", "N", "spread the keys over N maps (1)", CLI_U64, &opt.maps, 1, 4096, NULL },
	{ "store", "FILE", "SQLite file behind reads; writes go through to it", CLI_STRING, &opt.keyspace.store, 0, 0, NULL },
	MAP_OPTIONS(opt.keyspace.map),
};
/* clang-format on */

static void print_commands(void)
{
	printf("\nCommands:\n");
	for (const struct command *c = commands; c->name; c++)
		printf("  %s\n", c->help);
}

static const struct cli cli = {
	.program = "respd",
	.summary = "A cache that speaks RESP2, on libsmap. Ends on SIGTERM, SIGINT or SHUTDOWN.",
	.options = options,
	.option_count = sizeof(options) / sizeof(options[0]),
	.notes = "Prints \"ready: ADDRESS:PORT pid PID\" on stdout when it listens.",
	.more = print_commands,
};

/* As many files as we may have; a hard limit is a limit on clients. */
static void raise_file_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_max != RLIM_INFINITY && limit.rlim_max > 2 * SPARE_FILES &&
	    opt.max_clients > limit.rlim_max - SPARE_FILES)
		opt.max_clients = limit.rlim_max - SPARE_FILES;
}

/* SIGTERM and SIGINT as a file; before any thread exists, so that all have them blocked. */
static int signals_as_file(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	if (sigprocmask(SIG_BLOCK, &set, NULL))
		return -1;
	return signalfd(-1, &set, SFD_CLOEXEC);
}

static int serve(int signal_fd)
{
	struct server_options so = {.bind = opt.bind,
				    .port = (unsigned)opt.port,
				    .threads = (unsigned)opt.threads,
				    .max_clients = opt.max_clients,
				    .max_bulk = opt.max_bulk};
	struct server *server;
	int err;

	err = keyspace_open(&so.keyspace, &opt.keyspace);
	if (err) {
		fprintf(stderr, "respd: error: cannot make the maps%s: %s\n",
			opt.keyspace.store ? " or open the store" : "", strerror(-err));
		return CLI_FAILED;
	}
	err = server_start(&server, &so);
	if (!err) {
		printf("ready: %s pid %d\n", server_address(server), (int)getpid());
		fflush(stdout);
		server_run(server, signal_fd);
		server_stop(server);
	}
	keyspace_close(so.keyspace);
	return err ? CLI_FAILED : CLI_OK;
}

int main(int argc, char **argv)
{
	int status, signal_fd;

	if (!cli_parse(&cli, argc, argv, &status))
		return status;
	opt.keyspace.map_cnt = (unsigned)opt.maps;
	raise_file_limit();
	signal_fd = signals_as_file();
	if (signal_fd < 0) {
		perror("respd: error: signals");
		return CLI_FAILED;
	}
	status = serve(signal_fd);
	close(signal_fd);
	return status;
}
