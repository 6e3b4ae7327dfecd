/* SPDX-License-Identifier: MIT */
/*
 * hist.c - see hist.h. Model: an array of counts and a sum, nothing derived is
 * kept, so that addition and subtraction are slot by slot and exact.
 */
#include "hist.h"

#include <string.h>

#define STEADY_SLOTS 4 /* 16 times */
#define STARS_MAX 40
#define LINE_MAX_COLUMNS 80

const struct hist_info hist_info[ST_HIST_COUNT] = {
#define HIST_INFO(name, unit, title) [ST_HIST_##name] = {#name, #unit, title},
	ST_HISTS(HIST_INFO)
#undef HIST_INFO
};

uint64_t hist_low(unsigned slot)
{
	return slot == 0 ? 0 : 1ULL << slot;
}

uint64_t hist_high(unsigned slot)
{
	return slot >= SMAP_HIST_SLOTS - 1 ? UINT64_MAX : (2ULL << slot) - 1;
}

void hist_add(struct hist *hist, uint64_t value)
{
	hist->slots[st_slot(value)]++;
	hist->sum += value;
}

void hist_merge(struct hist *into, const struct hist *from)
{
	for (unsigned i = 0; i < SMAP_HIST_SLOTS; i++)
		into->slots[i] += from->slots[i];
	into->sum += from->sum;
}

/* Without a way out of the loop: most are empty, and this is done many at a time. */
bool hist_empty(const struct hist *hist)
{
	uint64_t any = hist->sum;

	for (unsigned i = 0; i < SMAP_HIST_SLOTS; i++)
		any |= hist->slots[i];
	return !any;
}

/*
 * Word 0 has a bit for each that is not empty. Of each of these follow: the first slot in use
 * with, shifted by 8, how many slots there are from it to the last; the sum; those slots.
 */
size_t hist_pack(const struct hist *hists, uint32_t skip, uint64_t *words)
{
	size_t at = 1;

	words[0] = 0;
	for (unsigned i = 0; i < ST_HIST_COUNT; i++) {
		unsigned end, first = 0;

		if (skip & 1U << i || hist_empty(&hists[i]))
			continue;
		end = hist_used_slots(&hists[i]);
		while (first < end && hists[i].slots[first] == 0)
			first++;
		words[0] |= 1ULL << i;
		words[at++] = first | (end - first) << 8;
		words[at++] = hists[i].sum;
		memcpy(words + at, hists[i].slots + first, (end - first) * sizeof(*words));
		at += end - first;
	}
	return at;
}

bool hist_unpack(const uint64_t *words, unsigned which, struct hist *ret_hist)
{
	const uint64_t *at = words + 1;

	if (!(words[0] & 1ULL << which))
		return false;
	for (unsigned i = 0; i < which; i++)
		if (words[0] & 1ULL << i)
			at += 2 + (at[0] >> 8);
	*ret_hist = (struct hist){.sum = at[1]};
	memcpy(ret_hist->slots + (at[0] & 0xff), at + 2, (at[0] >> 8) * sizeof(*at));
	return true;
}

/* In one pass: this is done for all histograms of all maps, most of which do not change. */
bool hist_advance(struct hist *hist, uint64_t sum, const __u64 slots[SMAP_HIST_SLOTS],
		  struct hist *more)
{
	bool any = sum > hist->sum;

	if (sum == hist->sum && memcmp(hist->slots, slots, sizeof(hist->slots)) == 0)
		return false;
	if (any)
		more->sum += sum - hist->sum;
	hist->sum = sum;
	for (unsigned i = 0; i < SMAP_HIST_SLOTS; i++) {
		if (slots[i] == hist->slots[i])
			continue;
		if (slots[i] > hist->slots[i]) {
			more->slots[i] += slots[i] - hist->slots[i];
			any = true;
		}
		hist->slots[i] = slots[i];
	}
	return any;
}

uint64_t hist_count(const struct hist *hist)
{
	uint64_t count = 0;

	for (unsigned i = 0; i < SMAP_HIST_SLOTS; i++)
		count += hist->slots[i];
	return count;
}

unsigned hist_used_slots(const struct hist *hist)
{
	unsigned used = SMAP_HIST_SLOTS;

	while (used > 0 && hist->slots[used - 1] == 0)
		used--;
	return used;
}

uint64_t hist_percentile(const struct hist *hist, double percent)
{
	double want = (double)hist_count(hist) * percent / 100.0;
	double seen = 0;
	unsigned used = hist_used_slots(hist);

	for (unsigned i = 0; i < used; i++) {
		double here = (double)hist->slots[i];
		double low = (double)hist_low(i);
		double width = i == 0 ? 2.0 : low;

		if (here > 0 && seen + here >= want) {
			double part = (want - seen) / here * width;

			return (uint64_t)(low + (part > 0 ? part : 0));
		}
		seen += here;
	}
	return 0;
}

/* The slot of the median; of an empty histogram the first. */
static unsigned median_slot(const struct hist *hist)
{
	uint64_t half = (hist_count(hist) + 1) / 2, seen = 0;

	for (unsigned i = 0; i < SMAP_HIST_SLOTS; i++) {
		seen += hist->slots[i];
		if (seen >= half)
			return i;
	}
	return 0;
}

uint64_t hist_steady_sum(const struct hist *hist)
{
	unsigned last = median_slot(hist) + STEADY_SLOTS;
	double below = 0, beyond = 0;

	if (hist_used_slots(hist) <= last + 1)
		return hist->sum;
	for (unsigned i = 0; i < SMAP_HIST_SLOTS; i++) {
		if (i <= last) /* a value is one and a half times the low end, on average */
			below += (double)hist->slots[i] * (double)hist_low(i) * 1.5;
		else
			beyond += (double)hist->slots[i] * (double)hist_high(last);
	}
	return beyond > 0 && below + beyond < (double)hist->sum ? (uint64_t)(below + beyond)
								: hist->sum;
}

static unsigned digits(uint64_t value)
{
	unsigned count = 1;

	while (value >= 10) {
		value /= 10;
		count++;
	}
	return count;
}

static unsigned larger(unsigned a, unsigned b)
{
	return a > b ? a : b;
}

/* Column widths of one printed histogram. */
struct layout {
	unsigned value, count, stars;
	uint64_t most;
};

static struct layout layout_of(const struct hist *hist, unsigned used)
{
	struct layout l = {0};
	unsigned taken;

	for (unsigned i = 0; i < used; i++)
		if (hist->slots[i] > l.most)
			l.most = hist->slots[i];
	/* The last slot has no upper end: its lower one decides. */
	l.value = larger(10,
			 digits(used < SMAP_HIST_SLOTS ? hist_high(used - 1) : hist_low(used - 1)));
	l.count = larger(l.value > 10 ? 6 : 8, digits(l.most));
	taken = 2 * l.value + 4 + 3 + l.count + 3;
	l.stars = LINE_MAX_COLUMNS - taken < STARS_MAX ? LINE_MAX_COLUMNS - taken : STARS_MAX;
	return l;
}

void hist_print(struct sink *sink, const struct hist *hist, const char *unit)
{
	unsigned used = hist_used_slots(hist), first = 0;
	struct layout l;

	if (used == 0)
		return;
	while (hist->slots[first] == 0)
		first++;
	l = layout_of(hist, used);
	sink_printf(sink, "     %-*s : %-*s distribution\n", (int)(2 * l.value - 1), unit,
		    (int)l.count, "count");
	for (unsigned i = first; i < used; i++) {
		unsigned stars = (unsigned)((double)hist->slots[i] / (double)l.most * l.stars);
		char high[24] = "...";

		if (i < SMAP_HIST_SLOTS - 1)
			snprintf(high, sizeof(high), "%llu", (unsigned long long)hist_high(i));
		sink_printf(sink, "%*llu -> %-*s : %-*llu |", (int)l.value,
			    (unsigned long long)hist_low(i), (int)l.value, high, (int)l.count,
			    (unsigned long long)hist->slots[i]);
		sink_fill(sink, '*', stars);
		sink_fill(sink, ' ', l.stars - stars);
		sink_puts(sink, "|\n");
	}
}
