/* SPDX-License-Identifier: MIT */
/*
 * mix.h - what mapload's threads do to the maps: a mix is a row of weights over steps,
 * a step is one to three operations of the map.
 */
#ifndef MIX_H
#define MIX_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "smap.h"

struct worker {
	pthread_t thread;
	unsigned index;
	uint64_t rng;
	uint64_t ops;
	uint64_t allocated; /* values made, less those the map did not take */
	uint64_t found;	    /* keeps loads from being optimised away */
	uint64_t *fresh;    /* per map: fresh keys stored so far */
};

struct mix;

struct load_options {
	uint64_t threads, maps, keys, ops, seconds, seed, rate, hold_after;
	uint32_t kind; /* enum smap_key_kind */
	const struct mix *mix;
	const char *name;
	bool hold, hold_run, hold_end, value_free, ctor, no_destroy;
	struct smap_options map;
};

/* Of the whole program; set before the first thread starts, constant from then on. */
extern struct load_options opt;
extern struct smap **maps;
/* Values that the maps have freed. */
extern _Atomic uint64_t values_freed;

/* NULL if there is none of this name. */
const struct mix *mix_find(const char *name);
const char *mix_name(const struct mix *mix);
void mix_help(void);

/* One step of opt.mix on a map chosen at random. */
void mix_step(struct worker *worker);
/* Store the keys [0, opt.keys) and promote them, so that a run starts from read. */
void mix_fill(struct worker *worker, unsigned map);
/* smap_options.value_free of --value-free. */
void mix_value_free(void *value, void *ctx);
/* Ends the program with a message if err is negative. */
void must(int err, const char *what);

#endif
