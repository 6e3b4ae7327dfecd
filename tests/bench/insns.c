/* SPDX-License-Identifier: MIT */
/*
 * insns - operations in a row, to be counted by callgrind: insns KIND N.
 *
 * Only what runs inside run_operations() is collected: the operations, and a loop around them.
 * Kinds of which the name ends in 16 have keys of 16 bytes, the others integers. `hit` and
 * `store` find their key in read, `absent` asks a map without new keys. `miss` asks for
 * an absent key while dirty holds a new one, under a threshold that is never reached, so
 * that every load takes the slow path; `filtered` does the same with the tuned options. `insert`
 * stores new keys in a row, while dirty has room for them; `drop` deletes keys that are in dirty
 * alone, `delete` keys in read.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "smap.h"

#define KEYS 1000

static bool ignore(const void *key, size_t len, void *value, void *ctx)
{
	(void)key, (void)len, (void)value, (void)ctx;
	return false;
}

static bool ignore_u64(uint64_t key, void *value, void *ctx)
{
	(void)key, (void)value, (void)ctx;
	return false;
}

struct name {
	char bytes[17];
};

static struct name name_of(uint64_t number)
{
	struct name name;

	snprintf(name.bytes, sizeof(name.bytes), "%016llx", (unsigned long long)number);
	return name;
}

static int store(struct smap *map, bool is_bytes, uint64_t number)
{
	struct name name = name_of(number);

	return is_bytes ? smap_store(map, name.bytes, 16, map) : smap_store_u64(map, number, map);
}

/* --- what is counted: `count` operations; returns how many found their key ------------------ */

static uint64_t loads(struct smap *map, uint64_t key, const char *name, uint64_t count)
{
	uint64_t found = 0;
	void *value;

	(void)name;
	for (uint64_t i = 0; i < count; i++)
		found += smap_load_u64(map, key, &value);
	return found;
}

static uint64_t loads16(struct smap *map, uint64_t key, const char *name, uint64_t count)
{
	uint64_t found = 0;
	void *value;

	(void)key;
	for (uint64_t i = 0; i < count; i++)
		found += smap_load(map, name, 16, &value);
	return found;
}

static uint64_t stores(struct smap *map, uint64_t key, const char *name, uint64_t count)
{
	uint64_t failed = 0;

	(void)name;
	for (uint64_t i = 0; i < count; i++)
		failed += smap_store_u64(map, key, map) != 0;
	return count - failed;
}

static uint64_t stores16(struct smap *map, uint64_t key, const char *name, uint64_t count)
{
	uint64_t failed = 0;

	(void)key;
	for (uint64_t i = 0; i < count; i++)
		failed += smap_store(map, name, 16, map) != 0;
	return count - failed;
}

/* Each of a row of keys, which no operation before had. */
static uint64_t inserts(struct smap *map, uint64_t key, const char *name, uint64_t count)
{
	uint64_t failed = 0;

	(void)name;
	for (uint64_t i = 0; i < count; i++)
		failed += smap_store_u64(map, key + i, map) != 0;
	return count - failed;
}

static uint64_t deletes(struct smap *map, uint64_t key, const char *name, uint64_t count)
{
	uint64_t found = 0;

	(void)name;
	for (uint64_t i = 0; i < count; i++)
		found += smap_delete_u64(map, key + i);
	return found;
}

enum row { ROW_NONE, ROW_ROOM, ROW_DIRTY, ROW_READ }; /* where `count` more keys are before */

static const struct kind {
	const char *name;
	uint64_t (*run)(struct smap *map, uint64_t key, const char *name, uint64_t count);
	bool is_bytes, is_present, is_amended, is_tuned;
	enum row row;
} kinds[] = {
	{"hit", loads, .is_present = true, .is_amended = true},
	{"absent", loads, .is_present = false},
	{"miss", loads, .is_amended = true},
	{"filtered", loads, .is_amended = true, .is_tuned = true},
	{"store", stores, .is_present = true},
	{"hit16", loads16, .is_bytes = true, .is_present = true, .is_amended = true},
	{"absent16", loads16, .is_bytes = true},
	{"miss16", loads16, .is_bytes = true, .is_amended = true},
	{"filtered16", loads16, .is_bytes = true, .is_amended = true, .is_tuned = true},
	{"store16", stores16, .is_bytes = true, .is_present = true},
	{"insert", inserts, .is_amended = true, .row = ROW_ROOM},
	{"insert-tuned", inserts, .is_amended = true, .is_tuned = true, .row = ROW_ROOM},
	{"drop", deletes, .is_amended = true, .row = ROW_DIRTY},
	{"drop-tuned", deletes, .is_amended = true, .is_tuned = true, .row = ROW_DIRTY},
	{"delete", deletes, .row = ROW_READ},
};

static const struct kind *find_kind(const char *name)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(kinds[i].name, name) == 0)
			return &kinds[i];
	return NULL;
}

/* Named on callgrind's command line. */
__attribute__((noinline, used)) uint64_t run_operations(const struct kind *kind, struct smap *map,
							uint64_t key, const char *name,
							uint64_t count);

uint64_t run_operations(const struct kind *kind, struct smap *map, uint64_t key, const char *name,
			uint64_t count)
{
	return kind->run(map, key, name, count);
}

static bool store_row(struct smap *map, const struct kind *kind, uint64_t from, uint64_t count)
{
	for (uint64_t key = from; key < from + count; key++)
		if (store(map, kind->is_bytes, key))
			return false;
	return true;
}

/* Not promoted by misses, ever; its first keys are in read. */
static struct smap *make_map(const struct kind *kind, uint64_t count)
{
	struct smap_options opts = {.size = sizeof(opts),
				    .name = "insns",
				    .key_kind = kind->is_bytes ? SMAP_KEY_BYTES : SMAP_KEY_U64,
				    .policy = SMAP_POLICY_FIXED,
				    .policy_arg = UINT64_MAX,
				    .initial_dirty = kind->row ? 2 * count : 0,
				    .flags = kind->is_tuned ? SMAP_OPTIONS_TUNED : 0};
	struct smap *map;

	if (smap_create(&map, &opts))
		return NULL;
	if (!store_row(map, kind, 0, KEYS) ||
	    (kind->row == ROW_READ && !store_row(map, kind, KEYS + 1, count)))
		return NULL;
	if (kind->is_bytes)
		smap_range(map, ignore, NULL); /* promotes */
	else
		smap_range_u64(map, ignore_u64, NULL);
	if ((kind->is_amended && store(map, kind->is_bytes, KEYS)) ||
	    (kind->row == ROW_DIRTY && !store_row(map, kind, KEYS + 1, count)))
		return NULL;
	return map;
}

int main(int argc, char **argv)
{
	const struct kind *kind = argc == 3 ? find_kind(argv[1]) : NULL;
	uint64_t count, found, key;
	struct name name;
	struct smap *map;

	if (!kind) {
		fprintf(stderr, "usage: insns KIND N\n");
		return 2;
	}
	count = strtoull(argv[2], NULL, 10);
	map = make_map(kind, count);
	if (!map)
		return 1;
	key = kind->is_present ? 1 : KEYS + 1;
	name = name_of(key);
	found = run_operations(kind, map, key, name.bytes, count);
	smap_destroy(map);
	return found == (kind->is_present || kind->row ? count : 0) ? 0 : 1;
}
