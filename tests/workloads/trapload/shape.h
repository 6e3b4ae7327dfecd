/* SPDX-License-Identifier: MIT */
/*
 * shape.h - what a scenario of trapload is made of: a map, and actors on it. An actor is some
 * threads that repeat one step at a rate from one moment to another; phases are
 * actors whose times do not overlap. Scenarios are rows of two tables.
 */
#ifndef SHAPE_H
#define SHAPE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "smap.h"

#define SHAPE_ACTORS 5

struct shape_worker;
/* One step; false: this actor's thread has done its part. */
typedef bool (*shape_step)(struct shape_worker *w);

struct actor {
	shape_step step;
	uint64_t arg;
	double rate;	  /* steps a second and thread; 0 = no limit */
	double from, to;  /* seconds; to 0 = the end */
	unsigned threads; /* 0 = 1 */
};

struct shape {
	const char *name;
	const char *label; /* NULL = that of its table; two traps have a comma between */
	double seconds;
	double begins;	/* the trap: when the first actor starts that starts then */
	double minimum; /* seconds that it must last, by definition, to be one */
	uint64_t keys;	/* stored and promoted before the run */
	struct actor actors[SHAPE_ACTORS];
	unsigned calm;	    /* further maps, with loads that hit */
	unsigned cold : 1;  /* do not promote the first keys */
	unsigned bytes : 1; /* byte keys instead of u64 */
	unsigned frees : 1; /* values are freed by the map */
	unsigned slow : 1;  /* freeing a value takes a millisecond */
	struct smap_options map;
	struct smap_options remedy; /* with --remedy */
};

struct shape_table {
	const char *label; /* "none", or the trap; NULL: each row has one */
	const struct shape *shapes;
	size_t count;
};

#define SHAPE_TRAPS 3
extern const struct shape_table shape_traps[SHAPE_TRAPS];
extern const struct shape_table shapes_none;
extern const struct shape_table shapes_unseen;

struct shape_run {
	const struct shape *shape;
	const char *label;
	uint64_t keys, threads; /* threads 0 = as the actor says */
	double seconds;
	bool remedy;
	struct smap *map;
	struct smap **calm;
	_Atomic uint64_t serial; /* fresh keys so far */
	_Atomic uint64_t ops;
	_Atomic bool stop;
	uint64_t start_ns;
	_Atomic uint64_t trap_ns; /* when the trap began; 0 = not yet */
};

struct shape_worker {
	struct shape_run *run;
	const struct actor *actor;
	pthread_t thread;
	uint64_t rng, ops, cursor;
};

#define SHAPE_STEPS(X)                                                                             \
	X(hit)	    /* load an old key */                                                          \
	X(hot)	    /* the same, skewed */                                                         \
	X(absent)   /* load a key that is never there */                                           \
	X(trudge)   /* the same, then sleep arg milliseconds: makes up for nothing */              \
	X(newest)   /* load the newest fresh key */                                                \
	X(fresh)    /* store a new key */                                                          \
	X(window)   /* store a new key, delete the one arg keys before it */                       \
	X(reload)   /* a cache: look a new key up first, then as window */                         \
	X(burst)    /* store arg new keys, once */                                                 \
	X(chunk)    /* store arg new keys */                                                       \
	X(batch)    /* load arg absent keys */                                                     \
	X(cache)    /* load a key, skewed, and store it if it is absent */                         \
	X(expire)   /* delete an old key, skewed */                                                \
	X(ensure)   /* load-or-store an old key, skewed */                                         \
	X(take)	    /* load-and-delete an old key, then store it again */                          \
	X(gone)	    /* delete a key that is never there */                                         \
	X(refill)   /* store the old keys again, once */                                           \
	X(brief)    /* a map of its own: create, arg keys, misses, destroy */                      \
	X(sweep)    /* store a new key after a promotion: a rebuild */                             \
	X(cascade)  /* store a new key as window, then load arg absent ones */                     \
	X(replace)  /* store an old key */                                                         \
	X(remove)   /* delete the next old key; ends with the last */                              \
	X(restore)  /* delete an old key and store it again */                                     \
	X(roam)	    /* delete an old key if it is there, else store it */                          \
	X(compare)  /* delete the next old key by compare-and-delete */                            \
	X(promote)  /* Range, which promotes */                                                    \
	X(clear)    /* Clear */                                                                    \
	X(snapshot) /* take one, and let it go */                                                  \
	X(hold)	    /* stay in a section for arg milliseconds */                                   \
	X(spin)	    /* compute, without the map */                                                 \
	X(calm)	    /* load from the calm maps */                                                  \
	X(pause)    /* stop the process for arg milliseconds */                                    \
	X(starve)   /* take the CPU from the reclaimer, until the end */

#define SHAPE_STEP_DECLARE(name) bool step_##name(struct shape_worker *w);
SHAPE_STEPS(SHAPE_STEP_DECLARE)
#undef SHAPE_STEP_DECLARE

/* The article's experiments; each prints lines of JSON. */
void experiment_counter(void);
void experiment_prealloc(void);

/* Store the first keys. */
void shape_fill(struct shape_run *run);
/* smap_options.value_free; ctx not NULL: takes a millisecond. */
void shape_value_free(void *value, void *ctx);
uint64_t shape_now_ns(void);
void shape_sleep_until(uint64_t when_ns);
/* Ends the program with a message if err is negative. */
void shape_must(int err, const char *what);

#endif
