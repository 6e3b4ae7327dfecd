/* SPDX-License-Identifier: MIT */
/*
 * harness.h - main() of each competitor, included at the end of its file.
 *
 *	PEER cells size=N streams=DIR mixes=hit,r95 [variant=1] [window=MS] [long=MS]
 *	PEER bytes|rebuild|latency size=N [variant=1]
 *
 * cells prints a line for each mix, distribution and number of threads:
 *	KIND N THREADS DIST MIX NS_PER_OPERATION_OF_A_THREAD SHARE_WAITED_FOR_A_PROCESSOR
 * T=1 and T=2 of a mix follow each other, so that their ratio sees the same machine.
 */
#ifndef HARNESS_H
#define HARNESS_H

#include "once.h"

struct args {
	const char *mode, *streams, *mixes;
	size_t n;
	bool variant;
	unsigned window_ms, long_ms;
};

static bool is_wanted(const char *list, const char *name)
{
	size_t len = strlen(name);

	for (const char *at = list; (at = strstr(at, name)) != NULL; at += len)
		if ((at == list || at[-1] == ',') && (at[len] == ',' || !at[len]))
			return true;
	return false;
}

/* With 64 threads boxed, the others with one and two. */
static bool is_possible(enum mix mix)
{
	if (mix == MIX_boxed)
		return KEY_STR && PEER_SHARED;
#if defined(PEER_LOAD_MANY) && PEER_LOAD_MANY
	return true;
#else
	return mix != MIX_many;
#endif
}

static void print_cell(struct bench *b, enum mix mix, enum dist dist, unsigned threads)
{
	struct figure figure = run_cell(b, mix, dist, threads);

	printf(KEY_KIND " %zu %u %s %s %.3f %.4f\n", b->n, threads, dist_names[dist],
	       mix_names[mix], figure.ns, figure.wait);
	fflush(stdout);
}

static void run_cells(struct bench *b, const struct args *args)
{
	uint64_t start;

	streams_read(&b->streams, args->streams, b->n);
	for (int t = 0; t < STREAMS; t++) {
		b->fresh[t].keys = b->streams.fresh[t];
		b->fresh[t].lag = b->n / 8 < 4096 ? b->n / 8 : 4096;
	}
	start = now_ns();
	build(b, args->variant);
	printf(KEY_KIND " %zu 1 none build %.3f 0\n", b->n,
	       (double)(now_ns() - start) / (double)b->n);
	for (int mix = 0; mix < MIX_COUNT; mix++) {
		if (!is_wanted(args->mixes, mix_names[mix]) || !is_possible((enum mix)mix))
			continue;
		for (int dist = 0; dist < DISTS; dist++) {
			if (mix == MIX_boxed) {
				print_cell(b, (enum mix)mix, (enum dist)dist, MAX_THREADS);
				continue;
			}
			print_cell(b, (enum mix)mix, (enum dist)dist, 1);
			if (PEER_SHARED)
				print_cell(b, (enum mix)mix, (enum dist)dist, 2);
		}
	}
}

static bool parse(int argc, char **argv, struct args *args)
{
	*args = (struct args){"", ".", "hit", 1000, false, 25, 100};
	if (argc < 2)
		return false;
	args->mode = argv[1];
	for (int i = 2; i < argc; i++) {
		const char *value = strchr(argv[i], '=');

		if (!value++)
			return false;
		if (strncmp(argv[i], "size=", 5) == 0)
			args->n = strtoull(value, NULL, 10);
		else if (strncmp(argv[i], "streams=", 8) == 0)
			args->streams = value;
		else if (strncmp(argv[i], "mixes=", 6) == 0)
			args->mixes = value;
		else if (strncmp(argv[i], "variant=", 8) == 0)
			args->variant = strcmp(value, "1") == 0;
		else if (strncmp(argv[i], "window=", 7) == 0)
			args->window_ms = (unsigned)strtoul(value, NULL, 10);
		else if (strncmp(argv[i], "long=", 5) == 0)
			args->long_ms = (unsigned)strtoul(value, NULL, 10);
		else
			return false;
	}
	return args->n >= 16 && args->window_ms && args->long_ms;
}

int main(int argc, char **argv)
{
	static struct bench b;
	struct args args;

	if (!parse(argc, argv, &args)) {
		fprintf(stderr, "usage: %s cells|bytes|rebuild|latency [NAME=VALUE...]\n", argv[0]);
		return 2;
	}
	b.n = args.n;
	b.window_ns = args.window_ms * 1000000ull;
	b.long_ns = args.long_ms * 1000000ull;
	if (strcmp(args.mode, "cells") == 0)
		run_cells(&b, &args);
	else if (strcmp(args.mode, "bytes") == 0)
		run_bytes(&b, args.variant);
	else if (strcmp(args.mode, "rebuild") == 0)
		run_rebuild(&b, args.variant);
	else if (strcmp(args.mode, "latency") == 0)
		run_latency(&b, args.variant);
	else
		return 2;
	fflush(stdout);
	_exit(0); /* without destructors: nobody is to pay for those either */
}

#endif
