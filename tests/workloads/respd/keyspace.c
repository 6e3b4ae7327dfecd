/* SPDX-License-Identifier: MIT */
/*
 * keyspace.c - reads and writes over the maps and the store.
 *
 * Without a store every operation is lock-free on this level: a conditional write
 * looks at the present value and replaces exactly that one by compare-and-swap, and
 * starts again when somebody was faster. The read section keeps the value looked at
 * from being freed, so that its address cannot come back as another value (ABA).
 *
 * With a store, its lock is held from the first look to the last write, file first:
 * writers are one at a time, so map and file agree. A failed write to the file leaves
 * the map as it was; a failed write to the map (no memory) takes the key out of the
 * map, so that the next read finds the file's value. A reader takes the lock only when the map does not have
 * the key; load-or-store then keeps a value that came into the map meanwhile.
 */
#include "keyspace.h"
#include <errno.h>
#include <stdio.h>
#include <time.h>
#include "resp.h"
#include "store.h"

struct keyspace {
	struct store *store;
	unsigned map_cnt;
	struct smap *maps[];
};

int64_t keyspace_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void free_value(void *value, void *ctx)
{
	(void)ctx;
	free(value);
}

int keyspace_open(struct keyspace **ret_keyspace, const struct keyspace_options *opts)
{
	struct keyspace *ks = calloc(1, sizeof(*ks) + opts->map_cnt * sizeof(ks->maps[0]));
	struct smap_options map = opts->map;
	char name[SMAP_NAME_LEN] = "respd";
	int err = 0;

	if (!ks)
		return -ENOMEM;
	map.size = sizeof(map);
	map.name = name;
	map.key_kind = SMAP_KEY_BYTES;
	map.value_free = free_value;
	for (; !err && ks->map_cnt < opts->map_cnt; ks->map_cnt += !err) {
		if (opts->map_cnt > 1)
			snprintf(name, sizeof(name), "respd.%u", ks->map_cnt);
		err = smap_create(&ks->maps[ks->map_cnt], &map);
	}
	if (!err && opts->store)
		err = store_open(&ks->store, opts->store);
	if (err)
		keyspace_close(ks);
	else
		*ret_keyspace = ks;
	return err;
}

void keyspace_close(struct keyspace *ks)
{
	if (!ks)
		return;
	for (unsigned i = 0; i < ks->map_cnt; i++)
		smap_destroy(ks->maps[i]);
	store_close(ks->store);
	free(ks);
}

static void lock(struct keyspace *ks)
{
	if (ks->store)
		store_lock(ks->store);
}

static void unlock(struct keyspace *ks)
{
	if (ks->store)
		store_unlock(ks->store);
}

/* FNV-1a chooses the shard; the maps hash on their own. */
static struct smap *map_of(struct keyspace *ks, const void *key, size_t len)
{
	const unsigned char *bytes = key;
	uint64_t hash = 0xcbf29ce484222325ULL;

	if (ks->map_cnt == 1)
		return ks->maps[0];
	for (size_t i = 0; i < len; i++)
		hash = (hash ^ bytes[i]) * 0x100000001b3ULL;
	return ks->maps[(hash >> 32) % ks->map_cnt];
}

static bool expired(const struct value *value)
{
	return value->expire_ms && value->expire_ms <= keyspace_now_ms();
}

/* --- reads ------------------------------------------------------------------------ */

/* The value in the map; an expired one is taken out on the way. */
static struct value *map_get(struct smap *map, const void *key, size_t len)
{
	void *value;

	if (!smap_load(map, key, len, &value))
		return NULL;
	if (!expired(value))
		return value;
	smap_compare_and_delete(map, key, len, value);
	return NULL;
}

/* Bring the value from the store into the map. Store's lock held. */
static struct value *load_through(struct keyspace *ks, struct smap *map, const void *key,
				  size_t len, int *ret_err)
{
	struct value *value;
	void *actual;
	int ret = store_get(ks->store, key, len, keyspace_now_ms(), &value);

	if (ret == 1) {
		ret = smap_load_or_store(map, key, len, value, &actual);
		if (ret != 0)
			free(value);
		if (ret >= 0)
			return actual;
	}
	if (ret < 0)
		*ret_err = ret;
	return NULL;
}

/* Store's lock held, if there is a store. */
static struct value *get_locked(struct keyspace *ks, struct smap *map, const void *key, size_t len,
				int *ret_err)
{
	struct value *value = map_get(map, key, len);

	if (!value && ks->store)
		value = load_through(ks, map, key, len, ret_err);
	return value;
}

const struct value *keyspace_get(struct keyspace *ks, const void *key, size_t len, int *ret_err)
{
	struct smap *map = map_of(ks, key, len);
	struct value *value = map_get(map, key, len);

	if (!value && ks->store) {
		store_lock(ks->store);
		value = load_through(ks, map, key, len, ret_err);
		store_unlock(ks->store);
	}
	return value;
}

bool keyspace_has(struct keyspace *ks, const void *key, size_t len)
{
	return map_get(map_of(ks, key, len), key, len) != NULL;
}

/* --- writes ----------------------------------------------------------------------- */

/*
 * Put value where `old` is (NULL = nothing): to the file, then to the map. 1, 0 if it is no
 * longer so, -errno; the value is the caller's unless 1.
 */
static int replace(struct keyspace *ks, struct smap *map, const void *key, size_t len,
		   struct value *old, struct value *value)
{
	void *actual;
	int ret;

	if (ks->store) {
		ret = store_put(ks->store, key, len, value);
		if (ret)
			return ret;
	}
	if (old) {
		ret = smap_compare_and_swap(map, key, len, old, value);
	} else {
		ret = smap_load_or_store(map, key, len, value, &actual);
		ret = ret < 0 ? ret : !ret;
	}
	if (ret < 0 && ks->store)
		smap_delete(map, key, len);
	return ret;
}

/* Unconditional and nobody asks for the old value: no look before. */
static int set_plain(struct keyspace *ks, struct smap *map, const void *key, size_t len,
		     struct value *value)
{
	int err = ks->store ? store_put(ks->store, key, len, value) : 0;

	if (err)
		return err;
	err = smap_store(map, key, len, value);
	if (err && ks->store)
		smap_delete(map, key, len);
	return err ? err : 1;
}

static int set_locked(struct keyspace *ks, struct smap *map, const void *key, size_t len,
		      struct value *value, unsigned flags, struct value **ret_old)
{
	struct value *old;
	int ret;

	do {
		ret = 0;
		old = get_locked(ks, map, key, len, &ret);
		if (ret)
			return ret;
		*ret_old = old;
		if ((old && flags & KEYSPACE_NX) || (!old && flags & KEYSPACE_XX))
			return 0;
		if (flags & KEYSPACE_KEEPTTL)
			value->expire_ms = old ? old->expire_ms : 0;
		ret = replace(ks, map, key, len, old, value);
	} while (ret == 0);
	return ret;
}

int keyspace_set(struct keyspace *ks, const void *key, size_t len, const void *data,
		 size_t data_len, int64_t expire_ms, unsigned flags, const struct value **ret_old)
{
	struct smap *map = map_of(ks, key, len);
	struct value *value = value_new(data, data_len, expire_ms);
	struct value *old = NULL;
	int ret;

	if (!value)
		return -ENOMEM;
	lock(ks);
	if (!flags && !ret_old)
		ret = set_plain(ks, map, key, len, value);
	else
		ret = set_locked(ks, map, key, len, value, flags, &old);
	unlock(ks);
	if (ret != 1)
		free(value);
	if (ret >= 0 && ret_old)
		*ret_old = old;
	return ret;
}

int keyspace_delete(struct keyspace *ks, const void *key, size_t len)
{
	struct smap *map = map_of(ks, key, len);
	void *value;
	int stored = 0, cached = 0;

	lock(ks);
	if (ks->store)
		stored = store_delete(ks->store, key, len, keyspace_now_ms());
	if (stored >= 0)
		cached = smap_load_and_delete(map, key, len, &value) && !expired(value);
	unlock(ks);
	return stored < 0 ? stored : stored || cached;
}

/* One attempt: 1 done, 0 somebody was faster, -errno. */
static int try_add(struct keyspace *ks, struct smap *map, const void *key, size_t len,
		   int64_t delta, int64_t *ret_sum)
{
	struct value *old, *value;
	int64_t number = 0;
	char text[24];
	int ret = 0;

	old = get_locked(ks, map, key, len, &ret);
	if (ret)
		return ret;
	if (old && !resp_parse_int(old->data, old->len, &number))
		return -EINVAL;
	if (__builtin_add_overflow(number, delta, &number))
		return -ERANGE;
	ret = snprintf(text, sizeof(text), "%lld", (long long)number);
	value = value_new(text, (size_t)ret, old ? old->expire_ms : 0);
	if (!value)
		return -ENOMEM;
	ret = replace(ks, map, key, len, old, value);
	if (ret != 1)
		free(value);
	else
		*ret_sum = number;
	return ret;
}

int keyspace_add(struct keyspace *ks, const void *key, size_t len, int64_t delta, int64_t *ret_sum)
{
	struct smap *map = map_of(ks, key, len);
	int ret;

	lock(ks);
	do
		ret = try_add(ks, map, key, len, delta, ret_sum);
	while (ret == 0);
	unlock(ks);
	return ret < 0 ? ret : 0;
}

int keyspace_clear(struct keyspace *ks)
{
	int err;

	lock(ks);
	err = ks->store ? store_clear(ks->store) : 0;
	for (unsigned i = 0; !err && i < ks->map_cnt; i++)
		err = smap_clear(ks->maps[i]);
	unlock(ks);
	return err;
}

static bool first_is_enough(const void *key, size_t len, void *value, void *ctx)
{
	(void)key, (void)len, (void)value, (void)ctx;
	return false;
}

void keyspace_promote(struct keyspace *ks)
{
	for (unsigned i = 0; i < ks->map_cnt; i++)
		smap_range(ks->maps[i], first_is_enough, NULL);
}

uint64_t keyspace_store_reads(struct keyspace *ks)
{
	return ks->store ? store_reads(ks->store) : 0;
}

/* --- figures ---------------------------------------------------------------------- */

size_t keyspace_len(struct keyspace *ks)
{
	size_t len = 0;

	for (unsigned i = 0; i < ks->map_cnt; i++)
		len += smap_len(ks->maps[i]);
	return len;
}

unsigned keyspace_map_cnt(const struct keyspace *ks)
{
	return ks->map_cnt;
}

void keyspace_inspect(struct keyspace *ks, unsigned map, struct smap_state *ret_state)
{
	smap_inspect(ks->maps[map], ret_state);
}
