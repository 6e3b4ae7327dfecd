/* SPDX-License-Identifier: MIT */
/*
 * insns - loads in a row, to be counted by callgrind: insns hit|miss N.
 *
 * Two counts with different N, subtracted and divided, are the instructions of one load
 * without set-up and loop ends. Only what runs inside run_loads() is collected.
 * `hit` finds its key in read. `miss` asks for an absent key while dirty holds a new one,
 * under a threshold that is never reached, so that every load takes the slow path.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "smap.h"

#define KEYS 1000

static bool ignore(uint64_t key, void *value, void *ctx)
{
	(void)key, (void)value, (void)ctx;
	return false;
}

/* Named on callgrind's command line. */
__attribute__((noinline, used)) uint64_t run_loads(struct smap *map, uint64_t key, uint64_t count);

uint64_t run_loads(struct smap *map, uint64_t key, uint64_t count)
{
	uint64_t found = 0;
	void *value;

	for (uint64_t i = 0; i < count; i++)
		found += smap_load_u64(map, key, &value);
	return found;
}

int main(int argc, char **argv)
{
	struct smap_options opts = {.size = sizeof(opts),
				    .name = "insns",
				    .key_kind = SMAP_KEY_U64,
				    .policy = SMAP_POLICY_FIXED,
				    .policy_arg = UINT64_MAX};
	bool hit = argc == 3 && strcmp(argv[1], "hit") == 0;
	uint64_t count, found;
	struct smap *map;

	if (argc != 3 || (!hit && strcmp(argv[1], "miss") != 0)) {
		fprintf(stderr, "usage: insns hit|miss N\n");
		return 2;
	}
	count = strtoull(argv[2], NULL, 10);
	if (smap_create(&map, &opts))
		return 1;
	for (uint64_t key = 0; key < KEYS; key++)
		if (smap_store_u64(map, key, map))
			return 1;
	smap_range_u64(map, ignore, NULL);  /* promotes */
	if (smap_store_u64(map, KEYS, map)) /* amends */
		return 1;
	found = run_loads(map, hit ? 1 : KEYS + 1, count);
	smap_destroy(map);
	return found == (hit ? count : 0) ? 0 : 1;
}
