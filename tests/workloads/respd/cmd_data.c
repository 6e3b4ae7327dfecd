/* SPDX-License-Identifier: MIT */
/*
 * cmd_data.c - the commands on keys. Replies and syntax are those of Redis 7.
 */
#include "command.h"
#include <errno.h>
#include "keyspace.h"

struct set_options {
	unsigned flags;
	int64_t expire_ms;
	bool get;
	bool ttl; /* one of EX, PX, KEEPTTL was given */
};

static void reply_value(struct client *client, const struct value *value)
{
	if (value)
		resp_bulk(client->out, value->data, value->len);
	else
		resp_nil(client->out);
}

void cmd_get(struct client *client)
{
	int err = 0;
	const struct value *value =
		keyspace_get(client->keyspace, client->argv[1].data, client->argv[1].len, &err);

	if (err)
		command_fail(client, err);
	else
		reply_value(client, value);
}

void cmd_mget(struct client *client)
{
	resp_array(client->out, client->argc - 1);
	for (size_t i = 1; i < client->argc; i++) {
		int err = 0;

		/* An array cannot be taken back: a key that cannot be read is nil. */
		reply_value(client, keyspace_get(client->keyspace, client->argv[i].data,
						 client->argv[i].len, &err));
	}
}

/* EX seconds / PX milliseconds at argv[i + 1]. */
static bool parse_expiry(struct client *client, size_t i, int64_t unit, struct set_options *set)
{
	int64_t amount;

	if (i + 1 >= client->argc || set->ttl) {
		resp_error(client->out, "ERR syntax error");
		return false;
	}
	if (!resp_parse_int(client->argv[i + 1].data, client->argv[i + 1].len, &amount)) {
		command_fail(client, -EINVAL);
		return false;
	}
	if (amount <= 0 || __builtin_mul_overflow(amount, unit, &amount) ||
	    __builtin_add_overflow(amount, keyspace_now_ms(), &set->expire_ms)) {
		resp_error(client->out, "ERR invalid expire time in 'set' command");
		return false;
	}
	set->ttl = true;
	return true;
}

static bool parse_set(struct client *client, struct set_options *set)
{
	for (size_t i = 3; i < client->argc; i++) {
		const struct resp_arg *arg = &client->argv[i];

		if (resp_arg_is(arg, "NX") && !(set->flags & KEYSPACE_XX)) {
			set->flags |= KEYSPACE_NX;
		} else if (resp_arg_is(arg, "XX") && !(set->flags & KEYSPACE_NX)) {
			set->flags |= KEYSPACE_XX;
		} else if (resp_arg_is(arg, "GET")) {
			set->get = true;
		} else if (resp_arg_is(arg, "KEEPTTL") && !set->ttl) {
			set->ttl = true;
			set->flags |= KEYSPACE_KEEPTTL;
		} else if (resp_arg_is(arg, "EX") || resp_arg_is(arg, "PX")) {
			if (!parse_expiry(client, i++, resp_arg_is(arg, "EX") ? 1000 : 1, set))
				return false;
		} else {
			resp_error(client->out, "ERR syntax error");
			return false;
		}
	}
	return true;
}

void cmd_set(struct client *client)
{
	const struct resp_arg *key = &client->argv[1], *data = &client->argv[2];
	struct set_options set = {0};
	const struct value *old = NULL;
	int ret;

	if (!parse_set(client, &set))
		return;
	ret = keyspace_set(client->keyspace, key->data, key->len, data->data, data->len,
			   set.expire_ms, set.flags, set.get ? &old : NULL);
	if (ret < 0)
		command_fail(client, ret);
	else if (set.get || ret == 0)
		reply_value(client, old);
	else
		resp_simple(client->out, "OK");
}

void cmd_mset(struct client *client)
{
	if (client->argc % 2 == 0) {
		resp_error(client->out, "ERR wrong number of arguments for 'mset' command");
		return;
	}
	for (size_t i = 1; i < client->argc; i += 2) {
		const struct resp_arg *key = &client->argv[i], *data = &client->argv[i + 1];
		int ret = keyspace_set(client->keyspace, key->data, key->len, data->data, data->len,
				       0, 0, NULL);

		if (ret < 0) {
			command_fail(client, ret);
			return;
		}
	}
	resp_simple(client->out, "OK");
}

void cmd_del(struct client *client)
{
	int64_t count = 0;

	for (size_t i = 1; i < client->argc; i++) {
		int ret = keyspace_delete(client->keyspace, client->argv[i].data,
					  client->argv[i].len);

		if (ret < 0) {
			command_fail(client, ret);
			return;
		}
		count += ret;
	}
	resp_int(client->out, count);
}

void cmd_exists(struct client *client)
{
	int64_t count = 0;

	for (size_t i = 1; i < client->argc; i++) {
		int err = 0;

		count += keyspace_get(client->keyspace, client->argv[i].data, client->argv[i].len,
				      &err) != NULL;
		if (err) {
			command_fail(client, err);
			return;
		}
	}
	resp_int(client->out, count);
}

void cmd_cached(struct client *client)
{
	int64_t count = 0;

	for (size_t i = 1; i < client->argc; i++)
		count += keyspace_has(client->keyspace, client->argv[i].data, client->argv[i].len);
	resp_int(client->out, count);
}

static void add(struct client *client, int64_t delta)
{
	int64_t sum;
	int err = keyspace_add(client->keyspace, client->argv[1].data, client->argv[1].len, delta,
			       &sum);

	if (err)
		command_fail(client, err);
	else
		resp_int(client->out, sum);
}

void cmd_incr(struct client *client)
{
	add(client, 1);
}

void cmd_decr(struct client *client)
{
	add(client, -1);
}

void cmd_incrby(struct client *client)
{
	int64_t delta;

	if (resp_parse_int(client->argv[2].data, client->argv[2].len, &delta))
		add(client, delta);
	else
		command_fail(client, -EINVAL);
}

void cmd_dbsize(struct client *client)
{
	resp_int(client->out, (int64_t)keyspace_len(client->keyspace));
}

void cmd_flush(struct client *client)
{
	int err;

	if (client->argc > 2 || (client->argc == 2 && !resp_arg_is(&client->argv[1], "ASYNC") &&
				 !resp_arg_is(&client->argv[1], "SYNC"))) {
		resp_error(client->out, "ERR syntax error");
		return;
	}
	err = keyspace_clear(client->keyspace);
	if (err)
		command_fail(client, err);
	else
		resp_simple(client->out, "OK");
}
