/* SPDX-License-Identifier: MIT */
/*
 * until.h - wait for a condition, never for a time.
 *
 *	for (struct until u = until_begin(); !done(x) && until_again(&u);)
 *		;
 *	assert_true(done(x));
 *
 * The deadline only bounds how long a broken program may hang.
 */
#ifndef UNTIL_H
#define UNTIL_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#define UNTIL_DEADLINE_S 20

struct until {
	time_t deadline;
};

static inline time_t until_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec;
}

static inline struct until until_begin(void)
{
	return (struct until){.deadline = until_now() + UNTIL_DEADLINE_S};
}

/* False when the deadline has passed; else lets others run for a moment. */
static inline bool until_again(const struct until *u)
{
	const struct timespec moment = {.tv_nsec = 200000};

	nanosleep(&moment, NULL);
	return until_now() < u->deadline;
}

#endif
