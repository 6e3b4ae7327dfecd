/* SPDX-License-Identifier: MIT */
/*
 * smap_policy.c - when to promote: a table of policies.
 *
 * A policy is the threshold that the misses since the last promotion are compared
 * with. It is asked after every change of the views, under mu, and not on hits.
 */
#include "smap_internal.h"

static uint64_t at_least_one(uint64_t n)
{
	return n ? n : 1;
}

/* Go: misses >= len(dirty); of an emptied dirty the next miss makes an empty read. */
static uint64_t threshold_GO(const struct smap_state *state)
{
	return state->dirty_len;
}

static uint64_t threshold_READ_LEN(const struct smap_state *state)
{
	return at_least_one(state->read_len);
}

static uint64_t threshold_HALF_DIRTY(const struct smap_state *state)
{
	return at_least_one(state->dirty_len / 2);
}

static uint64_t threshold_FIXED(const struct smap_state *state)
{
	return at_least_one(state->policy_arg);
}

static const struct policy {
	const char *name;
	uint64_t (*threshold)(const struct smap_state *state);
} policies[SMAP_POLICY_COUNT] = {
#define POLICY_ENTRY(upper, policy_name) [SMAP_POLICY_##upper] = {policy_name, threshold_##upper},
	SMAP_POLICIES(POLICY_ENTRY)
#undef POLICY_ENTRY
};

uint64_t smap_policy_threshold(const struct smap *map)
{
	return policies[map->state.policy].threshold(&map->state);
}

SMAP_PUBLIC const char *smap_policy_name(uint32_t policy)
{
	return policy < SMAP_POLICY_COUNT ? policies[policy].name : NULL;
}

SMAP_PUBLIC uint64_t smap_estimate_initial_dirty(uint64_t qps, uint64_t record_bytes)
{
	const uint64_t page = 4096, step = 16;
	uint64_t bytes, entries;

	if (__builtin_mul_overflow(qps, record_bytes, &bytes))
		return UINT64_MAX / step * step;
	entries = bytes / page + (bytes % page != 0);
	entries = (entries + step - 1) / step * step;
	return entries ? entries : step;
}
