/* SPDX-License-Identifier: MIT */
/*
 * keyspace.h - the keys of the cache: one or several maps of libsmap, and behind them, if
 * wanted, an SQLite file.
 *
 * Every function wants the caller inside a read section (smap_read_lock); values
 * that come out are valid until it ends. Expired values are never seen.
 */
#ifndef KEYSPACE_H
#define KEYSPACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "smap.h"
#include "value.h"

struct keyspace;

struct keyspace_options {
	struct smap_options map; /* policy and the like; the rest is filled in here */
	unsigned map_cnt;
	const char *store; /* SQLite file; NULL = none */
};

enum keyspace_set_flags {
	KEYSPACE_NX = 1,      /* only if the key is absent */
	KEYSPACE_XX = 2,      /* only if it is present */
	KEYSPACE_KEEPTTL = 4, /* the value expires when its predecessor would have */
};

/* 0, -ENOMEM, -EAGAIN, -EIO (the store; it has complained). */
int keyspace_open(struct keyspace **ret_keyspace, const struct keyspace_options *opts);
/* No other thread may use it any more. NULL is ignored. */
void keyspace_close(struct keyspace *keyspace);

/* NULL if absent. *ret_err (-ENOMEM, -EIO) is set when it could not be found out. */
const struct value *keyspace_get(struct keyspace *keyspace, const void *key, size_t len,
				 int *ret_err);
/* Whether it is in memory; the store is not asked. */
bool keyspace_has(struct keyspace *keyspace, const void *key, size_t len);
/*
 * 1 set, 0 the flags forbid it, -ENOMEM, -EIO. *ret_old (may be NULL) is the value before, NULL
 * if there was none; set on 0 and 1.
 */
int keyspace_set(struct keyspace *keyspace, const void *key, size_t len, const void *data,
		 size_t data_len, int64_t expire_ms, unsigned flags, const struct value **ret_old);
/* 1 deleted, 0 was not there, -EIO. */
int keyspace_delete(struct keyspace *keyspace, const void *key, size_t len);
/* Add to a decimal number. 0, -EINVAL (not a number), -ERANGE, -ENOMEM, -EIO. */
int keyspace_add(struct keyspace *keyspace, const void *key, size_t len, int64_t delta,
		 int64_t *ret_sum);
/* 0, -ENOMEM (some maps may be cleared), -EIO. */
int keyspace_clear(struct keyspace *keyspace);

/* What waits in dirty is promoted. */
void keyspace_promote(struct keyspace *keyspace);
/* How often the store was asked for a key; 0 without one. */
uint64_t keyspace_store_reads(struct keyspace *keyspace);

/* Keys in the maps; what is only in the store does not count. */
size_t keyspace_len(struct keyspace *keyspace);
unsigned keyspace_map_cnt(const struct keyspace *keyspace);
void keyspace_inspect(struct keyspace *keyspace, unsigned map, struct smap_state *ret_state);

/* CLOCK_REALTIME in milliseconds. */
int64_t keyspace_now_ms(void);

#endif
