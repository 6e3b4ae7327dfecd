/* SPDX-License-Identifier: MIT */
/*
 * target_maps.c - what the memory of a process says about its maps.
 *
 * Model: a map is one read. The library keeps the stripes a little behind the state, so that
 * a look at both costs one system call and both are of one moment; wherever they lie instead,
 * they are found at the address in the state.
 */
#include "target.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A list that changes under us is read again; after so many tries the last one counts. */
#define WALK_TRIES 8
#define THREADS_MAX 65536
#define STRIPES_MAX 256

/* At least `least` bytes at addr, and up to len of those behind: how many, or -errno. */
static ssize_t read_some(const struct target *target, uint64_t addr, void *buf, size_t least,
			 size_t len)
{
	ssize_t n;

	if (addr > INT64_MAX)
		return -EFAULT;
	n = pread(target->mem_fd, buf, len, (off_t)addr);
	if (n >= (ssize_t)least)
		return n;
	/* No memory left at all reads as end of file. */
	return n == 0 ? -ESRCH : -EFAULT;
}

int target_read(const struct target *target, uint64_t addr, void *buf, size_t len)
{
	ssize_t n = read_some(target, addr, buf, len, len);

	return n < 0 ? (int)n : 0;
}

/* --- a map ------------------------------------------------------------------ */

static int check_state(uint64_t addr, struct smap_state *state)
{
	if (state->magic != SMAP_STATE_MAGIC || state->abi != SMAP_ABI_VERSION ||
	    state->size < sizeof(*state) || state->self != addr)
		return -EINVAL;
	state->name[SMAP_NAME_LEN - 1] = '\0';
	return 0;
}

int target_read_state(const struct target *target, uint64_t addr, struct smap_state *ret_state)
{
	struct smap_state state;
	int err = target_read(target, addr, &state, sizeof(state));

	if (!err)
		err = check_state(addr, &state);
	if (!err)
		*ret_state = state;
	return err;
}

static struct target_stripes add_stripes(const void *bytes, uint32_t cnt)
{
	struct target_stripes sum = {0};

	for (uint32_t i = 0; i < cnt; i++) {
		struct smap_stripe stripe;

		memcpy(&stripe, (const char *)bytes + i * sizeof(stripe), sizeof(stripe));
		sum.inserts += stripe.inserts;
		sum.replaces += stripe.replaces;
		sum.deletes += stripe.deletes;
	}
	return sum;
}

static bool stripes_known(const struct smap_state *state)
{
	return state->stripe_count <= STRIPES_MAX &&
	       state->stripe_size == sizeof(struct smap_stripe);
}

int target_read_stripes(const struct target *target, const struct smap_state *state,
			struct target_stripes *ret_sum)
{
	struct smap_stripe stripe[STRIPES_MAX];
	int err;

	if (!stripes_known(state))
		return -EINVAL;
	err = target_read(target, state->stripes, stripe, state->stripe_count * sizeof(*stripe));
	if (!err)
		*ret_sum = add_stripes(stripe, state->stripe_count);
	return err;
}

int target_read_map(const struct target *target, uint64_t addr, struct target_map *ret_map)
{
	struct target_map map = {0};
	unsigned char bytes[TARGET_LOOK_BYTES];
	ssize_t len = read_some(target, addr, bytes, sizeof(map.state), sizeof(bytes));
	uint64_t behind, room;
	int err;

	if (len < 0)
		return (int)len;
	memcpy(&map.state, bytes, sizeof(map.state));
	err = check_state(addr, &map.state);
	if (err)
		return err;
	behind = map.state.stripes - addr; /* anything, of an address before it */
	room = stripes_known(&map.state) ? map.state.stripe_count * sizeof(struct smap_stripe)
					 : sizeof(bytes) + 1;
	if (behind < (uint64_t)len && room <= (uint64_t)len - behind) {
		map.stripes = add_stripes(bytes + behind, map.state.stripe_count);
		map.has_stripes = true;
	} else {
		map.has_stripes = !target_read_stripes(target, &map.state, &map.stripes);
	}
	*ret_map = map;
	return 0;
}

/* --- all maps ---------------------------------------------------------------- */

static int read_registry(const struct target *target, uint64_t addr,
			 struct smap_registry *ret_registry)
{
	int err = target_read(target, addr, ret_registry, sizeof(*ret_registry));

	if (err)
		return err;
	if (ret_registry->magic != SMAP_REGISTRY_MAGIC || ret_registry->abi != SMAP_ABI_VERSION)
		return -EINVAL;
	return 0;
}

struct walk {
	struct target_map *map;
	size_t cnt, cap;
};

static int walk_grow(struct walk *walk)
{
	size_t cap = walk->cap ? 2 * walk->cap : 16;
	struct target_map *grown = realloc(walk->map, cap * sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	walk->map = grown;
	walk->cap = cap;
	return 0;
}

static int walk_maps(const struct target *target, uint64_t first, size_t max, struct walk *walk)
{
	int err;

	walk->cnt = 0;
	for (uint64_t addr = first; addr && walk->cnt < max;) {
		if (walk->cnt == walk->cap) {
			err = walk_grow(walk);
			if (err)
				return err;
		}
		err = target_read_map(target, addr, &walk->map[walk->cnt]);
		if (err)
			return err;
		addr = walk->map[walk->cnt++].state.next;
	}
	return 0;
}

int target_read_maps(const struct target *target, uint64_t registry, size_t max,
		     struct target_map **ret_maps, size_t *ret_cnt)
{
	struct walk walk = {0};
	struct smap_registry before, after;
	int err = 0;

	for (int i = 0; i < WALK_TRIES; i++) {
		err = read_registry(target, registry, &before);
		if (err)
			break;
		err = walk_maps(target, before.first, max, &walk);
		if (err == -ESRCH || err == -ENOMEM)
			break;
		err = read_registry(target, registry, &after);
		if (err || (before.generation == after.generation && before.generation % 2 == 0))
			break;
	}
	if (err) {
		free(walk.map);
		return err;
	}
	*ret_maps = walk.map;
	*ret_cnt = walk.cnt;
	return 0;
}

/* --- the process ------------------------------------------------------------- */

int target_read_activity(const struct target *target, uint64_t registry,
			 struct target_activity *ret_activity)
{
	struct smap_registry reg;
	struct smap_thread_state thread;
	uint64_t sections = 0, addr;
	int err = read_registry(target, registry, &reg);

	if (err)
		return err;
	addr = reg.threads;
	for (unsigned i = 0; addr && i < THREADS_MAX; i++) {
		err = target_read(target, addr, &thread, sizeof(thread));
		if (err)
			return err;
		sections += thread.seq / 2;
		addr = thread.next;
	}
	*ret_activity = (struct target_activity){.sections = sections,
						 .reclaimer_runs = reg.reclaimer_runs};
	return 0;
}
