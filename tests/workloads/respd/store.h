/* SPDX-License-Identifier: MIT */
/*
 * store.h - key-value pairs in an SQLite file, behind the cache. One connection, one
 * lock; every function but open and close wants the lock held, because the caller
 * keeps the map and the file in step under it.
 */
#ifndef STORE_H
#define STORE_H

#include <stddef.h>
#include "value.h"

struct store;

/* 0, -ENOMEM, or -EIO with SQLite's words on stderr. Made if it does not exist. */
int store_open(struct store **ret_store, const char *path);
void store_close(struct store *store);

void store_lock(struct store *store);
void store_unlock(struct store *store);

/* 1 and a new value, 0 not there, -ENOMEM, -EIO. Expired rows are not there. */
int store_get(struct store *store, const void *key, size_t len, int64_t now_ms,
	      struct value **ret_value);
/* How many store_get() there were; needs no lock. */
uint64_t store_reads(const struct store *store);
/* 0, -EIO. */
int store_put(struct store *store, const void *key, size_t len, const struct value *value);
/* 1 deleted, 0 was not there, -EIO. */
int store_delete(struct store *store, const void *key, size_t len, int64_t now_ms);
/* 0, -EIO. */
int store_clear(struct store *store);

#endif
