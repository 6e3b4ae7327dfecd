/* SPDX-License-Identifier: MIT */
/*
 * stress_destroy.c - a map goes while a thread that used it before works on another one.
 *
 * The thread's bag holds values of the map that is destroyed, and at nearly any time a place
 * in it is reserved for a value of the other map. Nothing of the first may be left behind:
 * smap_destroy returns when all its values are freed, and nobody looks at it afterwards.
 */
#include "stress.h"

#include <stdatomic.h>

#define ROUNDS 1000
#define VALUES 10

enum phase { WAIT, USE, USED, OVER };

struct shared {
	struct smap *kept, *gone;
	_Atomic int phase;
	_Atomic uint64_t made, freed;
};

static struct shared s;

static void count_free(void *value, void *ctx)
{
	_Atomic uint64_t *freed = ctx;

	(*freed)++;
	free(value);
}

static void *make(void)
{
	void *value = malloc(16);

	CHECK(value, "no memory");
	return value;
}

static void create_and_destroy(void)
{
	for (unsigned i = 0; i < ROUNDS; i++) {
		_Atomic uint64_t freed = 0;
		struct smap_options opts = {
			.key_kind = SMAP_KEY_U64, .value_free = count_free, .ctx = &freed};

		s.gone = stress_map(&opts, "gone");
		s.phase = USE;
		while (s.phase != USED)
			;
		smap_destroy(s.gone);
		CHECK(freed == VALUES, "%lu of %d values freed by smap_destroy", freed, VALUES);
	}
	s.phase = OVER;
}

static void use_both(void)
{
	for (uint64_t i = 0; s.phase != OVER; i++) {
		if (s.phase == USE) {
			for (int k = 0; k < VALUES; k++)
				CHECK(!smap_store_u64(s.gone, 1, make()), "store");
			s.phase = USED;
		}
		CHECK(!smap_store_u64(s.kept, i % 8, make()), "store");
		s.made++;
	}
}

static void both(unsigned id, void *ctx)
{
	(void)ctx;
	if (id)
		use_both();
	else
		create_and_destroy();
}

int main(void)
{
	struct smap_options opts = {
		.key_kind = SMAP_KEY_U64, .value_free = count_free, .ctx = &s.freed};

	alarm(STRESS_ALARM_S);
	s.kept = stress_map(&opts, "kept");
	stress_run(2, both, NULL);
	smap_destroy(s.kept);
	CHECK(s.made == s.freed, "%lu made, %lu freed", s.made, s.freed);
	return 0;
}
