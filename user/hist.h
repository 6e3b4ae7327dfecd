/* SPDX-License-Identifier: MIT */
/*
 * hist.h - log2 histograms as bpf/smaptrace.h counts them: slot 0 holds 0 and 1, slot k
 * holds [2^k, 2^(k+1)), the last slot everything above. Pure.
 */
#ifndef HIST_H
#define HIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "../bpf/smaptrace.h"
#include "sink.h"

struct hist {
	uint64_t sum; /* of the values */
	uint64_t slots[SMAP_HIST_SLOTS];
};

/* Name, unit and title of each histogram, by enum st_hist. */
struct hist_info {
	const char *name, *unit, *title;
};
extern const struct hist_info hist_info[ST_HIST_COUNT];

uint64_t hist_low(unsigned slot);  /* smallest value of a slot */
uint64_t hist_high(unsigned slot); /* largest; UINT64_MAX for the last */

void hist_add(struct hist *hist, uint64_t value);
void hist_merge(struct hist *into, const struct hist *from);
/*
 * A cumulative histogram goes on to these figures, and what is new is added to `more`, slot by
 * slot; what would be negative is not. False: nothing is new, and `more` was not touched.
 */
bool hist_advance(struct hist *hist, uint64_t sum, const __u64 slots[SMAP_HIST_SLOTS],
		  struct hist *more);
uint64_t hist_count(const struct hist *hist);
unsigned hist_used_slots(const struct hist *hist); /* 1 + the highest slot in use; 0 = empty */

/*
 * Estimate: the value below which `percent` of the values lie, taking the values of
 * a slot as spread evenly. Off by at most a factor of two. 0 when empty.
 */
uint64_t hist_percentile(const struct hist *hist, double percent);

/*
 * The sum, of values that are alike but for those of threads that lost the CPU meanwhile: one
 * above 16 times the median, in slots, counts as that much. At most hist->sum.
 */
uint64_t hist_steady_sum(const struct hist *hist);

/* No value, and nothing of one that has not ended (offcpu_*: a sum without slots). */
bool hist_empty(const struct hist *hist);

/*
 * A set by enum st_hist in few words, a tenth of its size in practice: nothing of what is
 * empty. `words` has room for HIST_PACKED_MAX; returns how many it took.
 */
#define HIST_PACKED_MAX (1 + ST_HIST_COUNT * (2 + SMAP_HIST_SLOTS))
/* `skip`: a bit for each that need not be looked at, because it is empty. */
size_t hist_pack(const struct hist *hists, uint32_t skip, uint64_t *words);
/* One of them; false: it is empty, and *ret_hist as it was. */
bool hist_unpack(const uint64_t *words, unsigned which, struct hist *ret_hist);

/*
 * As bcc prints them, "low -> high : count |****|", from the first to the last slot in
 * use, within 80 columns; stars give way only to counts above ten digits.
 */
void hist_print(struct sink *sink, const struct hist *hist, const char *unit);

#endif
