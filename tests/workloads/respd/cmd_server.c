/* SPDX-License-Identifier: MIT */
/*
 * cmd_server.c - the commands about the server. What redis-cli and redis-benchmark ask for
 * before they start is here: COMMAND DOCS, CONFIG GET, INFO, CLIENT SETINFO.
 */
#include "command.h"
#include <fnmatch.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "keyspace.h"

#define PATTERN_MAX 128

void cmd_ping(struct client *client)
{
	if (client->argc > 2)
		resp_error(client->out, "ERR wrong number of arguments for 'ping' command");
	else if (client->argc == 2)
		resp_bulk(client->out, client->argv[1].data, client->argv[1].len);
	else
		resp_simple(client->out, "PONG");
}

void cmd_echo(struct client *client)
{
	resp_bulk(client->out, client->argv[1].data, client->argv[1].len);
}

void cmd_select(struct client *client)
{
	if (resp_arg_is(&client->argv[1], "0"))
		resp_simple(client->out, "OK");
	else
		resp_error(client->out, "ERR DB index is out of range");
}

void cmd_quit(struct client *client)
{
	resp_simple(client->out, "OK");
	client->close = true;
}

/* The accepting thread waits for this signal; it ends the server as if from outside. */
void cmd_shutdown(struct client *client)
{
	client->close = true;
	kill(getpid(), SIGTERM);
}

/* Relaxed everywhere: counters, only ever shown. */
static uint64_t read_counter(const _Atomic uint64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

/* --- INFO ------------------------------------------------------------------------- */

static void info_server(struct client *client, FILE *out)
{
	const struct server_info *info = client->info;

	fprintf(out,
		"respd_version:%s\r\nredis_mode:standalone\r\nprocess_id:%d\r\ntcp_port:%u\r\n"
		"io_threads:%u\r\nuptime_in_seconds:%" PRId64 "\r\n",
		SMAP_VERSION, (int)getpid(), info->port, info->threads,
		(keyspace_now_ms() - info->start_ms) / 1000);
}

static void info_clients(struct client *client, FILE *out)
{
	fprintf(out, "connected_clients:%" PRIu64 "\r\nmaxclients:%" PRIu64 "\r\n",
		read_counter(&client->info->clients), read_counter(&client->info->max_clients));
}

static void info_stats(struct client *client, FILE *out)
{
	fprintf(out,
		"total_connections_received:%" PRIu64 "\r\ntotal_commands_processed:%" PRIu64
		"\r\nrejected_connections:%" PRIu64 "\r\nstore_reads:%" PRIu64 "\r\n",
		read_counter(&client->info->accepted), read_counter(&client->info->commands),
		read_counter(&client->info->rejected), keyspace_store_reads(client->keyspace));
}

/* The totals over all maps, then a line for each map. */
static void info_smap(struct client *client, FILE *out)
{
	struct smap_counters total = {0};
	unsigned map_cnt = keyspace_map_cnt(client->keyspace);
	struct smap_state state;

	for (unsigned i = 0; i < map_cnt; i++) {
		keyspace_inspect(client->keyspace, i, &state);
		fprintf(out, "map%u:name=%s,addr=0x%" PRIx64 ",policy=%s", i, state.name,
			state.self, smap_policy_name(state.policy));
#define INFO_COUNTER(name)                                                                         \
	fprintf(out, "," #name "=%" PRIu64, (uint64_t)state.counters.name);                        \
	total.name += state.counters.name;
		SMAP_COUNTERS(INFO_COUNTER)
#undef INFO_COUNTER
		fprintf(out,
			",read_len=%" PRIu64 ",dirty_len=%" PRIu64 ",threshold=%" PRIu64
			",lock_waits=%" PRIu64 ",growths=%" PRIu64 ",table_bytes=%" PRIu64 "\r\n",
			state.read_len, state.dirty_len, state.threshold, state.lock_waits,
			state.growths, state.table_bytes);
	}
	fprintf(out, "maps:%u\r\n", map_cnt);
#define INFO_TOTAL(name) fprintf(out, #name ":%" PRIu64 "\r\n", (uint64_t)total.name);
	SMAP_COUNTERS(INFO_TOTAL)
#undef INFO_TOTAL
}

static void info_keyspace(struct client *client, FILE *out)
{
	size_t len = keyspace_len(client->keyspace);

	if (len)
		fprintf(out, "db0:keys=%zu,expires=0,avg_ttl=0\r\n", len);
}

static const struct info_section {
	const char *name;
	const char *title;
	void (*print)(struct client *client, FILE *out);
} info_sections[] = {
	{"server", "Server", info_server},	 {"clients", "Clients", info_clients},
	{"stats", "Stats", info_stats},		 {"smap", "Smap", info_smap},
	{"keyspace", "Keyspace", info_keyspace},
};

#define INFO_SECTIONS (sizeof(info_sections) / sizeof(info_sections[0]))

static bool info_wanted(const struct client *client, const char *name)
{
	for (size_t i = 1; i < client->argc; i++)
		if (resp_arg_is(&client->argv[i], name) || resp_arg_is(&client->argv[i], "all") ||
		    resp_arg_is(&client->argv[i], "everything") ||
		    resp_arg_is(&client->argv[i], "default"))
			return true;
	return client->argc == 1;
}

void cmd_info(struct client *client)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	const char *gap = "";

	for (size_t i = 0; out && i < INFO_SECTIONS; i++) {
		if (!info_wanted(client, info_sections[i].name))
			continue;
		fprintf(out, "%s# %s\r\n", gap, info_sections[i].title);
		info_sections[i].print(client, out);
		gap = "\r\n";
	}
	if (out && fclose(out) == 0)
		resp_bulk(client->out, text, len);
	else
		resp_error(client->out, "OOM out of memory");
	free(text);
}

/* --- COMMAND ---------------------------------------------------------------------- */

static void reply_command(struct client *client, const struct command *c)
{
	const char *flag = c->flags;
	size_t flag_cnt = *flag != 0;

	for (const char *s = flag; *s; s++)
		flag_cnt += *s == ' ';
	resp_array(client->out, 6);
	resp_text(client->out, c->name);
	resp_int(client->out, c->arity);
	resp_array(client->out, flag_cnt);
	while (*flag) {
		char word[16];
		size_t len = strcspn(flag, " ");

		snprintf(word, sizeof(word), "%.*s", (int)len, flag);
		resp_simple(client->out, word);
		flag += len + (flag[len] == ' ');
	}
	resp_int(client->out, c->first_key);
	resp_int(client->out, c->last_key);
	resp_int(client->out, c->key_step);
}

static void reply_docs(struct client *client, const struct command *c)
{
	resp_text(client->out, c->name);
	resp_array(client->out, 2);
	resp_text(client->out, "summary");
	resp_text(client->out, c->help);
}

static void command_docs(struct client *client)
{
	const struct command *c;
	size_t count = 0;

	for (size_t i = 2; i < client->argc; i++)
		count += command_find(&client->argv[i]) != NULL;
	if (client->argc == 2) {
		resp_array(client->out, 2 * command_count());
		for (c = commands; c->name; c++)
			reply_docs(client, c);
		return;
	}
	resp_array(client->out, 2 * count);
	for (size_t i = 2; i < client->argc; i++) {
		c = command_find(&client->argv[i]);
		if (c)
			reply_docs(client, c);
	}
}

static void command_info(struct client *client)
{
	resp_array(client->out, client->argc - 2);
	for (size_t i = 2; i < client->argc; i++) {
		const struct command *c = command_find(&client->argv[i]);

		if (c)
			reply_command(client, c);
		else
			buf_append(client->out, "*-1\r\n", 5);
	}
}

void cmd_command(struct client *client)
{
	if (client->argc == 1) {
		resp_array(client->out, command_count());
		for (const struct command *c = commands; c->name; c++)
			reply_command(client, c);
	} else if (resp_arg_is(&client->argv[1], "COUNT") && client->argc == 2) {
		resp_int(client->out, (int64_t)command_count());
	} else if (resp_arg_is(&client->argv[1], "DOCS")) {
		command_docs(client);
	} else if (resp_arg_is(&client->argv[1], "INFO")) {
		command_info(client);
	} else {
		resp_error(client->out, "ERR unknown subcommand or wrong number of arguments");
	}
}

/* --- CONFIG ----------------------------------------------------------------------- */

static void config_save(const struct server_info *info, char *text, size_t size)
{
	(void)info;
	snprintf(text, size, "%s", "");
}

static void config_appendonly(const struct server_info *info, char *text, size_t size)
{
	(void)info;
	snprintf(text, size, "no");
}

static void config_one(const struct server_info *info, char *text, size_t size)
{
	(void)info;
	snprintf(text, size, "1");
}

static void config_bind(const struct server_info *info, char *text, size_t size)
{
	snprintf(text, size, "%s", info->bind);
}

static void config_port(const struct server_info *info, char *text, size_t size)
{
	snprintf(text, size, "%u", info->port);
}

static void config_threads(const struct server_info *info, char *text, size_t size)
{
	snprintf(text, size, "%u", info->threads);
}

static void config_max_bulk(const struct server_info *info, char *text, size_t size)
{
	snprintf(text, size, "%" PRIu64, info->max_bulk);
}

static void config_max_clients(const struct server_info *info, char *text, size_t size)
{
	snprintf(text, size, "%" PRIu64, read_counter(&info->max_clients));
}

static bool config_set_max_clients(struct server_info *info, const struct resp_arg *arg)
{
	int64_t number;

	if (!resp_parse_int(arg->data, arg->len, &number) || number < 1)
		return false;
	/* Relaxed: a limit that counts from the next connection on. */
	atomic_store_explicit(&info->max_clients, (uint64_t)number, memory_order_relaxed);
	return true;
}

static const struct config {
	const char *name;
	void (*get)(const struct server_info *info, char *text, size_t size);
	bool (*set)(struct server_info *info, const struct resp_arg *arg); /* NULL: fixed */
} configs[] = {
	{"save", config_save, NULL},
	{"appendonly", config_appendonly, NULL},
	{"databases", config_one, NULL},
	{"bind", config_bind, NULL},
	{"port", config_port, NULL},
	{"io-threads", config_threads, NULL},
	{"proto-max-bulk-len", config_max_bulk, NULL},
	{"maxclients", config_max_clients, config_set_max_clients},
};

#define CONFIGS (sizeof(configs) / sizeof(configs[0]))

static bool config_wanted(const struct client *client, const char *name)
{
	char pattern[PATTERN_MAX];

	for (size_t i = 2; i < client->argc; i++) {
		snprintf(pattern, sizeof(pattern), "%.*s",
			 client->argv[i].len < PATTERN_MAX ? (int)client->argv[i].len : 0,
			 client->argv[i].data);
		if (fnmatch(pattern, name, FNM_CASEFOLD) == 0)
			return true;
	}
	return false;
}

static void config_get(struct client *client)
{
	char text[PATTERN_MAX];
	size_t count = 0;

	for (size_t i = 0; i < CONFIGS; i++)
		count += config_wanted(client, configs[i].name);
	resp_array(client->out, 2 * count);
	for (size_t i = 0; i < CONFIGS; i++) {
		if (!config_wanted(client, configs[i].name))
			continue;
		configs[i].get(client->info, text, sizeof(text));
		resp_text(client->out, configs[i].name);
		resp_text(client->out, text);
	}
}

static void config_set(struct client *client)
{
	const struct resp_arg *name = &client->argv[2], *value = &client->argv[3];

	for (size_t i = 0; i < CONFIGS; i++) {
		if (!resp_arg_is(name, configs[i].name))
			continue;
		if (!configs[i].set)
			resp_error(client->out,
				   "ERR CONFIG SET failed - '%s' can only be set at start",
				   configs[i].name);
		else if (configs[i].set(client->info, value))
			resp_simple(client->out, "OK");
		else
			resp_error(client->out, "ERR CONFIG SET failed - invalid value for '%s'",
				   configs[i].name);
		return;
	}
	resp_error(client->out, "ERR Unknown option or number of arguments for CONFIG SET");
}

void cmd_config(struct client *client)
{
	if (resp_arg_is(&client->argv[1], "GET") && client->argc >= 3)
		config_get(client);
	else if (resp_arg_is(&client->argv[1], "SET") && client->argc == 4)
		config_set(client);
	else
		resp_error(client->out, "ERR unknown subcommand or wrong number of arguments");
}

/* --- CLIENT ----------------------------------------------------------------------- */

void cmd_client(struct client *client)
{
	const struct resp_arg *sub = &client->argv[1], *arg = &client->argv[2];

	if (resp_arg_is(sub, "ID") && client->argc == 2) {
		resp_int(client->out, (int64_t)client->id);
	} else if (resp_arg_is(sub, "GETNAME") && client->argc == 2) {
		resp_text(client->out, client->name);
	} else if (resp_arg_is(sub, "SETNAME") && client->argc == 3) {
		if (arg->len >= sizeof(client->name)) {
			resp_error(client->out, "ERR Client names are at most %zu bytes long",
				   sizeof(client->name) - 1);
			return;
		}
		memcpy(client->name, arg->data, arg->len);
		client->name[arg->len] = 0;
		resp_simple(client->out, "OK");
	} else if (resp_arg_is(sub, "SETINFO") && client->argc == 4) {
		resp_simple(client->out, "OK");
	} else {
		resp_error(client->out, "ERR unknown subcommand or wrong number of arguments");
	}
}
