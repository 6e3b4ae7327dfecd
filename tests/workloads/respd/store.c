/* SPDX-License-Identifier: MIT */
/*
 * store.c - four prepared statements over one table.
 *
 * WAL without a sync per commit: a crash of the machine may lose the last writes, a
 * crash of the server none. Enough for something that stands behind a cache.
 */
#include "store.h"
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>

enum statement { GET, PUT, DELETE, CLEAR, STATEMENT_COUNT };

static const char *const sql[STATEMENT_COUNT] = {
	[GET] = "SELECT value, expire_ms FROM kv WHERE key = ?1 AND (expire_ms = 0 OR expire_ms > "
		"?2)",
	[PUT] = "INSERT OR REPLACE INTO kv(key, expire_ms, value) VALUES(?1, ?2, ?3)",
	/* An expired row goes too, but does not count as deleted. */
	[DELETE] = "DELETE FROM kv WHERE key = ?1 RETURNING expire_ms = 0 OR expire_ms > ?2",
	[CLEAR] = "DELETE FROM kv",
};

static const char schema[] =
	"PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
	"CREATE TABLE IF NOT EXISTS kv(key BLOB PRIMARY KEY, expire_ms INTEGER NOT NULL,"
	" value BLOB NOT NULL) WITHOUT ROWID";

struct store {
	pthread_mutex_t mutex;
	sqlite3 *db;
	_Atomic uint64_t reads;
	sqlite3_stmt *statements[STATEMENT_COUNT];
};

static int complain(const struct store *store, const char *what)
{
	fprintf(stderr, "respd: error: store: cannot %s: %s\n", what, sqlite3_errmsg(store->db));
	return -EIO;
}

static int prepare(struct store *store, const char *path)
{
	if (sqlite3_open(path, &store->db) != SQLITE_OK)
		return complain(store, path);
	sqlite3_busy_timeout(store->db, 5000);
	if (sqlite3_exec(store->db, schema, NULL, NULL, NULL) != SQLITE_OK)
		return complain(store, path);
	for (int i = 0; i < STATEMENT_COUNT; i++)
		if (sqlite3_prepare_v2(store->db, sql[i], -1, &store->statements[i], NULL) !=
		    SQLITE_OK)
			return complain(store, "prepare");
	return 0;
}

int store_open(struct store **ret_store, const char *path)
{
	struct store *store = calloc(1, sizeof(*store));
	int err;

	if (!store)
		return -ENOMEM;
	pthread_mutex_init(&store->mutex, NULL);
	err = prepare(store, path);
	if (err)
		store_close(store);
	else
		*ret_store = store;
	return err;
}

void store_close(struct store *store)
{
	if (!store)
		return;
	for (int i = 0; i < STATEMENT_COUNT; i++)
		sqlite3_finalize(store->statements[i]);
	sqlite3_close(store->db);
	pthread_mutex_destroy(&store->mutex);
	free(store);
}

void store_lock(struct store *store)
{
	pthread_mutex_lock(&store->mutex);
}

void store_unlock(struct store *store)
{
	pthread_mutex_unlock(&store->mutex);
}

/* A statement with the key bound. An empty key is an empty blob, not NULL. */
static sqlite3_stmt *begin(struct store *store, enum statement which, const void *key, size_t len)
{
	sqlite3_stmt *statement = store->statements[which];

	sqlite3_bind_blob64(statement, 1, len ? key : "", len, SQLITE_STATIC);
	return statement;
}

static void finish(sqlite3_stmt *statement)
{
	sqlite3_reset(statement);
	sqlite3_clear_bindings(statement);
}

int store_get(struct store *store, const void *key, size_t len, int64_t now_ms,
	      struct value **ret_value)
{
	sqlite3_stmt *get = begin(store, GET, key, len);
	struct value *value;
	int ret, found;

	/* Relaxed: a counter, only ever shown. */
	atomic_fetch_add_explicit(&store->reads, 1, memory_order_relaxed);
	sqlite3_bind_int64(get, 2, now_ms);
	ret = sqlite3_step(get);
	if (ret == SQLITE_ROW) {
		value = value_new(sqlite3_column_blob(get, 0), (size_t)sqlite3_column_bytes(get, 0),
				  sqlite3_column_int64(get, 1));
		found = value ? 1 : -ENOMEM;
		if (value)
			*ret_value = value;
	} else {
		found = ret == SQLITE_DONE ? 0 : complain(store, "read");
	}
	finish(get);
	return found;
}

uint64_t store_reads(const struct store *store)
{
	/* Relaxed: as above. */
	return atomic_load_explicit(&store->reads, memory_order_relaxed);
}

int store_put(struct store *store, const void *key, size_t len, const struct value *value)
{
	sqlite3_stmt *put = begin(store, PUT, key, len);
	int err;

	sqlite3_bind_int64(put, 2, value->expire_ms);
	sqlite3_bind_blob64(put, 3, value->len ? value->data : "", value->len, SQLITE_STATIC);
	err = sqlite3_step(put) == SQLITE_DONE ? 0 : complain(store, "write");
	finish(put);
	return err;
}

int store_delete(struct store *store, const void *key, size_t len, int64_t now_ms)
{
	sqlite3_stmt *del = begin(store, DELETE, key, len);
	int ret, deleted = 0;

	sqlite3_bind_int64(del, 2, now_ms);
	ret = sqlite3_step(del);
	if (ret == SQLITE_ROW) {
		deleted = sqlite3_column_int(del, 0);
		ret = sqlite3_step(del);
	}
	if (ret != SQLITE_DONE)
		deleted = complain(store, "delete");
	finish(del);
	return deleted;
}

int store_clear(struct store *store)
{
	sqlite3_stmt *clear = store->statements[CLEAR];
	int err = sqlite3_step(clear) == SQLITE_DONE ? 0 : complain(store, "clear");

	finish(clear);
	return err;
}
