/* SPDX-License-Identifier: MIT */
/*
 * smap_policy.c - when to promote: a table of policies.
 *
 * A policy is the threshold that the misses since the last promotion are compared
 * with. It is asked after every change of the views, under mu, and not on hits.
 *
 * rw-ratio follows the article that the project started from: every 30 s the ratio of
 * reads to writes gives a factor 1 + 0.8 log2(ratio), clamped to 0.5 .. 2, on Go's
 * threshold. Reads are the process's read sections, since maps do not count hits.
 *
 * cost treats promotion as the ski-rental problem (Karlin et al., 1988): misses are
 * rent, a promotion makes the next new key pay the price of a rebuild; buy when the
 * rent paid equals the price. That costs at most twice what a policy would that
 * knows the future, as far as both are known. A miss is measured as the time that its thread
 * waited for and held the mutex, smoothed: one in SMAP_MEASURED_MISSES, and at most OUTLIER times
 * the mean, since who waited for a rebuild, or for a holder that lost its processor, has learnt
 * nothing about misses (believing it makes misses dear, so promotions frequent, so rebuilds that
 * misses wait for). A rebuild is the last one, with its memory, scaled to the size of the table,
 * and counts twice: the other half is paid by the readers, whose caches have the old view, and by
 * the reclaimer. Never later than Go.
 */
#include "smap_clock.h"

#define SAMPLE_NS 30000000000ULL
#define ONE (1U << 16)	 /* factors are in units of 2^-16 */
#define MISS_GUESS_NS 50 /* until the first has been measured */
#define SMOOTHING 16
#define OUTLIER 4
#define PRICE_REBUILDS 2

static uint64_t at_least_one(uint64_t n)
{
	return n ? n : 1;
}

/* Go: misses >= len(dirty); of an emptied dirty the next miss makes an empty read. */
static uint64_t threshold_GO(const struct smap *map)
{
	return map->state.dirty_len;
}

static uint64_t threshold_READ_LEN(const struct smap *map)
{
	return at_least_one(map->state.read_len);
}

static uint64_t threshold_HALF_DIRTY(const struct smap *map)
{
	return at_least_one(map->state.dirty_len / 2);
}

static uint64_t threshold_FIXED(const struct smap *map)
{
	return at_least_one(map->state.policy_arg);
}

static uint64_t threshold_RW_RATIO(const struct smap *map)
{
	unsigned __int128 scaled = (unsigned __int128)map->state.dirty_len * map->policy.factor;

	return at_least_one((uint64_t)(scaled / ONE));
}

static uint64_t threshold_COST(const struct smap *map)
{
	const struct smap_policy_data *data = &map->policy;
	uint64_t go = at_least_one(map->state.dirty_len), price, threshold;

	if (!data->rebuild_groups || !map->table)
		return go;
	price = data->rebuild_ns / data->rebuild_groups * map->table->groups +
		data->rebuild_ns % data->rebuild_groups * map->table->groups / data->rebuild_groups;
	threshold = at_least_one(PRICE_REBUILDS * price * SMOOTHING / data->miss_ns);
	return threshold < go ? threshold : go;
}

static const struct policy {
	const char *name;
	uint64_t (*threshold)(const struct smap *map);
} policies[SMAP_POLICY_COUNT] = {
#define POLICY_ENTRY(upper, policy_name) [SMAP_POLICY_##upper] = {policy_name, threshold_##upper},
	SMAP_POLICIES(POLICY_ENTRY)
#undef POLICY_ENTRY
};

uint64_t smap_policy_threshold_of(const struct smap *map)
{
	return policies[map->state.policy].threshold(map);
}

/* COST: the rent of one miss. */
void smap_policy_missed(struct smap *map, uint64_t ns)
{
	struct smap_policy_data *data = &map->policy;
	uint64_t mean = at_least_one(data->miss_ns / SMOOTHING);

	if (ns > OUTLIER * mean)
		ns = OUTLIER * mean;
	data->miss_ns = at_least_one(data->miss_ns - data->miss_ns / SMOOTHING + ns);
}

/* COST: the price that was paid, but for what others pay. */
void smap_policy_rebuilt(struct smap *map, uint64_t ns)
{
	map->policy.rebuild_ns = ns;
	map->policy.rebuild_groups = map->table->groups;
	if (!map->policy.miss_ns)
		map->policy.miss_ns = MISS_GUESS_NS * SMOOTHING;
}

/* log2 of n / d in units of 2^-16, to four digits: the whole part, then a bit per squaring. */
static int64_t log2_ratio(uint64_t n, uint64_t d)
{
	int64_t result = 0;
	double x = (double)at_least_one(n) / (double)at_least_one(d);

	for (; x >= 2; x /= 2)
		result += ONE;
	for (; x < 1; x *= 2)
		result -= ONE;
	for (int64_t bit = ONE / 2; bit; bit /= 2) {
		x *= x;
		if (x >= 2) {
			x /= 2;
			result += bit;
		}
	}
	return result;
}

/* Read sections that the threads of the process have finished. */
static uint64_t count_sections(void)
{
	uint64_t sum = 0;

	for (struct smap_thread *t = smap_first_thread(); t; t = smap_next_thread(t))
		/* relaxed: counter */
		sum += atomic_load_explicit(&t->state.seq, memory_order_relaxed) / 2;
	return sum;
}

static uint64_t count_writes(const struct smap *map)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < SMAP_ALL_STRIPES; i++) {
		/* relaxed: counters */
		sum += atomic_load_explicit(&map->stripes[i].inserts, memory_order_relaxed);
		/* relaxed: as above */
		sum += atomic_load_explicit(&map->stripes[i].replaces, memory_order_relaxed);
		/* relaxed: as above */
		sum += atomic_load_explicit(&map->stripes[i].deletes, memory_order_relaxed);
	}
	return sum;
}

/* RW_RATIO: look at the traffic, at most every 30 s. */
void smap_policy_sample(struct smap *map, uint64_t now)
{
	struct smap_policy_data *data = &map->policy;
	uint64_t sections, writes, reads;
	int64_t factor;

	if (map->state.policy != SMAP_POLICY_RW_RATIO ||
	    (data->factor && now - data->sampled_ns < SAMPLE_NS))
		return;
	sections = count_sections();
	writes = count_writes(map);
	reads = sections - data->sections;
	reads -= reads < writes - data->writes ? reads : writes - data->writes;
	factor = ONE + log2_ratio(reads, writes - data->writes + 1) * 8 / 10;
	if (!data->factor)
		factor = ONE; /* nothing to compare with yet */
	data->factor = (uint32_t)(factor < ONE / 2 ? ONE / 2 : factor > 2 * ONE ? 2 * ONE : factor);
	data->sampled_ns = now;
	data->sections = sections;
	data->writes = writes;
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
