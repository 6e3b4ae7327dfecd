/* SPDX-License-Identifier: MIT */
/*
 * The reader of policy files under libFuzzer. An odd first byte: the rest is the file. Else the
 * rest chooses among pieces of policies, one for each byte, so that the fuzzer gets past the
 * parser to what is checked behind it. A policy that was taken must be within its bounds.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include "policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const pieces[] = {
	"\n",
	"\n  ",
	"\n    ",
	"\n- ",
	"\n  - ",
	": ",
	", ",
	"{",
	"}",
	"[",
	"]",
	"\"",
	"'",
	"# ",
	"---\n",
	"&a ",
	"*a",
	"!!int ",
	"| ",
	"traps",
	"budgets",
	"maps",
	"interval",
	"fail-on",
	"pattern",
	"severity",
	"pseudo-expansion",
	"read-diffusion",
	"write-starvation",
	"raise",
	"of",
	"clear",
	"min_age_s",
	"retained_windows",
	"min_cost_share",
	"misses",
	"miss_p99_ns",
	"off",
	"warning",
	"hot*",
	"1",
	"0",
	"60",
	"1.5",
	"-1",
	"1e300",
	".nan",
	".inf",
	"0x10",
	"\\0",
	"traps: {read-diffusion: {raise: ",
	"\nmaps:\n  - pattern: a\n",
	"\nbudgets: {misses: ",
};

#define PIECES (sizeof(pieces) / sizeof(pieces[0]))

/* What a detector relies on. */
static void check(const struct limits *limits)
{
#define WITHIN(name, value, min, max, help)                                                        \
	if (!(t->name >= (min) && t->name <= (max)))                                               \
		abort();
#define ALL_WITHIN(trap, LIST)                                                                     \
	{                                                                                          \
		const struct trap##_limits *t = &limits->trap;                                     \
		LIST(WITHIN)                                                                       \
		if (t->raise > t->of)                                                              \
			abort();                                                                   \
	}
	TRAP_LIMITS(ALL_WITHIN)
}

static void put(int fd, const uint8_t *data, size_t size)
{
	FILE *file = fdopen(dup(fd), "w");

	if (!file)
		abort();
	if (data[0] & 1)
		(void)fwrite(data + 1, 1, size - 1, file);
	else
		for (size_t i = 1; i < size; i++)
			fputs(pieces[data[i] % PIECES], file);
	fclose(file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct policy *policy = NULL;
	char path[64];
	int fd;

	if (size < 1)
		return 0;
	fd = memfd_create("fuzz", MFD_CLOEXEC);
	put(fd, data, size);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (policy_load(&policy, path) == 0) {
		check(policy_limits(policy, "hot"));
		check(policy_limits(policy, "a"));
		policy_free(policy);
	}
	close(fd);
	return 0;
}
