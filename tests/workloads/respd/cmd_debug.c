/* SPDX-License-Identifier: MIT */
/*
 * cmd_debug.c - DEBUG, for walking into the traps of docs/traps.md on purpose, and out of them.
 *
 *	DEBUG SLEEP seconds [OUTSIDE]	a slow command, as in Redis. Like every command it runs inside
 *					a read section, so that nothing is freed meanwhile;
 *					OUTSIDE leaves the section first
 *	DEBUG PROMOTE			one smap_range() over each map, which promotes
 */
#include "command.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "keyspace.h"
#include "smap.h"

#define SLEEP_MAX 3600

/* "1.5"; as Redis has it. */
static bool parse_seconds(const struct resp_arg *arg, double *ret_seconds)
{
	char text[16] = "", *end;

	if (!arg->len || arg->len >= sizeof(text))
		return false;
	memcpy(text, arg->data, arg->len);
	*ret_seconds = strtod(text, &end);
	return !*end && *ret_seconds >= 0 && *ret_seconds <= SLEEP_MAX;
}

static void sleep_for(double seconds)
{
	struct timespec left = {.tv_sec = (time_t)seconds};

	left.tv_nsec = (long)((seconds - (double)left.tv_sec) * 1e9);
	while (nanosleep(&left, &left) && errno == EINTR)
		;
}

static void debug_sleep(struct client *client, bool outside)
{
	double seconds;

	if (!parse_seconds(&client->argv[2], &seconds)) {
		resp_error(client->out, "ERR value is not a valid float");
		return;
	}
	if (outside)
		smap_read_unlock();
	sleep_for(seconds);
	if (outside)
		smap_read_lock();
	resp_simple(client->out, "OK");
}

void cmd_debug(struct client *client)
{
	bool outside = client->argc == 4 && resp_arg_is(&client->argv[3], "OUTSIDE");

	if (resp_arg_is(&client->argv[1], "SLEEP") && (client->argc == 3 || outside)) {
		debug_sleep(client, outside);
	} else if (resp_arg_is(&client->argv[1], "PROMOTE") && client->argc == 2) {
		keyspace_promote(client->keyspace);
		resp_simple(client->out, "OK");
	} else {
		resp_error(client->out, "ERR unknown subcommand or wrong number of arguments");
	}
}
