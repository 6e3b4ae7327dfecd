/* SPDX-License-Identifier: MIT */
/*
 * test_smap_race2.c - two operations, every way in which one can interrupt the other.
 *
 * One thread, the victim, does one operation and is stopped at its n-th atomic access or
 * lock (yield.h); the other, the intruder, does a whole script; the victim goes on.
 * For n = 1, 2, ... until the operation has no n-th access, from each state that a key
 * can be in, for each operation and each script. After each run the history must be
 * linearizable, and what was freed must have been free to go. So every race of two that
 * needs one change of thread is met, each time:
 *
 *	R1  victim in the rebuild, intruder revives the key (and the other way round)
 *	R2  intruder: delete, expunge, promote, store again; the victim has the old view
 *	R3  intruder: Clear, and Clear and store again
 *	R4  victim in LoadAndDelete of a key in dirty, intruder stores it
 *	R5  victim before the mutex, intruder promotes (the count: test_smap_race.c)
 *	R6  victim between its look at dirty and the use of what it found
 *	R7  victim before its compare-and-swap, intruder frees the value it compared with
 *	growth: once and twice under the victim; the victim is the one that grows
 *
 * If the victim is stopped with a mutex that the intruder wants, the victim goes on at
 * that moment. The library must be built with yield.h; else the tests are skipped.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <semaphore.h>

#define LM_VALUES 512
#include "linear_check.h"
#include "linear_map.h"
#include "yield.h"

#define KEY 0 /* what it is all about; keys 1 and 2 only make things happen */
#define KEYS 3
#define LOG_ROOM 256

/* --- stopping ------------------------------------------------------------------- */

enum role { OTHER, VICTIM, INTRUDER };

static _Thread_local enum role role;
static struct {
	unsigned at, count; /* stop at this access; how many there were */
	unsigned locks;	    /* that the victim holds */
	bool stopped, resumed;
	sem_t start, event, go; /* event: the victim has stopped, or is done */
	void (*operation)(struct lm *lm);
	bool quit;
} stage;
static unsigned hook_calls;

static void resume(void)
{
	if (stage.stopped && !stage.resumed) {
		stage.resumed = true;
		sem_post(&stage.go);
	}
}

static void hook(const char *function, const char *what)
{
	(void)function;
	if (role == INTRUDER && stage.locks && (!strcmp(what, "lock") || !strcmp(what, "trylock")))
		resume();
	if (role != VICTIM)
		return;
	hook_calls++;
	if (!stage.resumed) {
		stage.locks += !strcmp(what, "locked");
		stage.locks -= !strcmp(what, "unlocked");
	}
	if (++stage.count != stage.at)
		return;
	stage.stopped = true;
	sem_post(&stage.event);
	sem_wait(&stage.go);
}

static void *victim_main(void *arg)
{
	struct lm *lm = arg;

	role = VICTIM;
	for (;;) {
		sem_wait(&stage.start);
		if (stage.quit)
			return NULL;
		stage.operation(lm);
		sem_post(&stage.event);
	}
}

/* --- what the victim does ----------------------------------------------------------- */

#define VICTIMS(X)                                                                                 \
	X(load, lm_do(w, KEY, LIN_LOAD))                                                           \
	X(store, lm_do(w, KEY, LIN_STORE))                                                         \
	X(swap, lm_do(w, KEY, LIN_SWAP))                                                           \
	X(load_or_store, lm_do(w, KEY, LIN_LOAD_OR_STORE))                                         \
	X(load_and_delete, lm_do(w, KEY, LIN_LOAD_AND_DELETE))                                     \
	X(compare_and_swap, lm_do(w, KEY, LIN_COMPARE_AND_SWAP))                                   \
	X(compare_and_delete, lm_do(w, KEY, LIN_COMPARE_AND_DELETE))                               \
	X(clear, lm_do(w, KEY, LIN_CLEAR))                                                         \
	X(range, lm_do_range(w, true))                                                             \
	X(miss, lm_do(w, 2, LIN_LOAD))                                                             \
	X(new_key, lm_do(w, 1, LIN_STORE))

#define VICTIM_FUNCTION(name, what)                                                                \
	static void victim_##name(struct lm *lm)                                                   \
	{                                                                                          \
		struct lm_worker *w = &lm->worker[0];                                              \
		what;                                                                              \
		lm_leave_now(w);                                                                   \
	}
VICTIMS(VICTIM_FUNCTION)

static const struct victim {
	const char *name;
	void (*operation)(struct lm *lm);
} victims[] = {
#define VICTIM_ENTRY(name, what) {#name, victim_##name},
	VICTIMS(VICTIM_ENTRY)};

/* --- what is done before, and meanwhile: scripts --------------------------------------- */

/*
 * A letter an operation: s store, d delete, D CompareAndDelete, c CompareAndSwap,
 * w Swap, o LoadOrStore, l load; C Clear, p promote (a Range), m a miss, n a new key
 * (so that dirty is rebuilt and what was deleted is expunged), g as many as it takes for
 * the table to grow, f one less: the next one will.
 */
static const char *const before[] = {
	"",	  /* absent, nothing there */
	"np",	  /* absent, clean */
	"n",	  /* absent, amended */
	"sp",	  /* in read */
	"spn",	  /* in both */
	"spd",	  /* nil in read, no dirty */
	"spnd",	  /* nil in both */
	"spdn",	  /* expunged */
	"spdnp",  /* expunged and promoted away */
	"s",	  /* in dirty alone */
	"sld",	  /* was in dirty alone */
	"slD",	  /* nil in dirty alone */
	"spf",	  /* in both, and the table is full */
	"spdf",	  /* expunged, and the table is full */
	"f",	  /* absent, and the table is full */
	"spnlgl", /* in both, after a growth */
};

static const char *const scripts[] = {
	"s",   "d", "ld", "lc", "w",  "o",  "p",  "dn", "dnp", "dnps", "dnpsn", "dnpns", "C",  "Cs",
	"Csp", "g", "gd", "gs", "gg", "gp", "gC", "dg", "dgs", "sm",   "dsd",	"n",	 "mm",
};

static unsigned room; /* new keys that fit before the table grows: what f stores */

static uint64_t growths(struct lm *lm)
{
	struct smap_state state;

	smap_inspect(lm->map, &state);
	return state.growths;
}

/* A new key that stays. */
static void fill_one(struct lm *lm, struct lm_worker *w)
{
	uint32_t number, key = 500000 + w->id * 1000 + w->next_value;
	void *value = lm_value(w, &number);

	lm->values[number].taken = 1;
	CHECK(!LM_CALL(lm, key, store, value), "store of %u", key);
}

/* Returns how many went in before the one that made the table grow. */
static unsigned fill_until_growth(struct lm *lm, struct lm_worker *w)
{
	uint64_t begin = growths(lm);
	unsigned n = 0;

	for (fill_one(lm, w); growths(lm) == begin; fill_one(lm, w))
		CHECK(++n < 100, "the table does not grow");
	return n;
}

static void run_letter(struct lm *lm, struct lm_worker *w, char letter)
{
	static const char letters[] = "lswo-dcDC"; /* in the order of LIN_KINDS */
	const char *at = strchr(letters, letter);

	if (at)
		lm_do(w, KEY, (enum lin_kind)(at - letters));
	else if (letter == 'p')
		lm_do_range(w, true);
	else if (letter == 'm')
		lm_do(w, 2, LIN_LOAD);
	else if (letter == 'n')
		lm_fill(w);
	else if (letter == 'g')
		(void)fill_until_growth(lm, w);
	else
		for (unsigned i = 0; i < room; i++)
			fill_one(lm, w);
}

static void run_script(struct lm *lm, struct lm_worker *w, const char *script)
{
	for (; *script; script++)
		run_letter(lm, w, *script);
	lm_leave_now(w);
}

/* --- one run ------------------------------------------------------------------------- */

static struct lm lm;

static void setup_map(unsigned variant)
{
	struct lm_setup setup = {
		.keys = KEYS,
		.u64 = variant & 1,
		.flags = variant & 2   ? SMAP_OPTIONS_TUNED
			 : variant & 8 ? SMAP_GROW_PROMOTES
				       : 0,
		.value_free = variant & 4,
		.policy = variant & 1 ? SMAP_POLICY_FIXED : SMAP_POLICY_GO,
		.hash = variant & 4 ? LM_HASH_OWN : LM_HASH_CONSTANT,
	};

	lm_create(&lm, &setup, variant);
}

static size_t gather(struct lin_op *ret_ops)
{
	size_t n = 0;

	for (unsigned t = 0; t <= LM_WORKERS; t++) {
		struct lin_log *log = &lm.worker[t].log;

		memcpy(ret_ops + n, log->ops, log->count * sizeof(*ret_ops));
		n += log->count;
	}
	return n;
}

static void check_run(const char *start, const char *victim, const char *script)
{
	static struct lin_op ops[3 * LOG_ROOM];
	struct lm_worker *w = &lm.worker[LM_WORKERS];
	size_t n;

	for (unsigned key = 0; key < KEYS; key++)
		lm_do(w, key, LIN_LOAD);
	lm_do_range(w, true);
	n = gather(ops);
	if (lin_check(ops, n, NULL) == LIN_OK)
		return;
	n = lin_cut_end(ops, n, NULL);
	for (size_t i = 0; i < n; i++)
		lin_print(stderr, &ops[i]);
	fail_msg("from \"%s\", %s stopped at access %u, meanwhile \"%s\"", start, victim, stage.at,
		 script);
}

/* False when the operation had no such access. */
static bool run(unsigned variant, const char *start, const struct victim *victim,
		const char *script, unsigned at)
{
	bool stopped;

	setup_map(variant);
	run_script(&lm, &lm.worker[LM_WORKERS], start);
	lm.worker[0].seen[KEY] = lm.worker[1].seen[KEY] = lm.worker[LM_WORKERS].seen[KEY];
	for (size_t i = 0; i < lm.worker[LM_WORKERS].log.count; i++) {
		const struct lin_op *op = &lm.worker[LM_WORKERS].log.ops[i];

		if (op->kind == LIN_STORE && op->key == KEY)
			lm.worker[0].seen[KEY] = lm.worker[1].seen[KEY] = op->value;
	}
	stage.at = at;
	stage.count = stage.locks = 0;
	stage.stopped = stage.resumed = false;
	stage.operation = victim->operation;
	sem_post(&stage.start);
	sem_wait(&stage.event);
	stopped = stage.stopped;
	if (stopped) {
		role = INTRUDER;
		run_script(&lm, &lm.worker[1], script);
		role = OTHER;
		resume();
		sem_wait(&stage.event);
	}
	check_run(start, victim->name, script);
	lm_destroy(&lm);
	return stopped;
}

/* How many new keys fit after the script? Tried on a map of its own. */
static void measure_room(unsigned variant, const char *start)
{
	struct lm_worker *w = &lm.worker[LM_WORKERS];

	room = 0;
	if (!strchr(start, 'f'))
		return;
	setup_map(variant);
	run_script(&lm, w, start);
	room = fill_until_growth(&lm, w);
	lm_destroy(&lm);
}

static void run_all_from(const char *start)
{
	static uint64_t rng = 1; /* the same maps in each run of the program */
	unsigned stops = 0;

	for (size_t v = 0; v < sizeof(victims) / sizeof(*victims); v++) {
		for (size_t s = 0; s < sizeof(scripts) / sizeof(*scripts); s++) {
			unsigned variant = stress_random(&rng) % 16;
			unsigned at = 1;

			measure_room(variant, start);
			while (run(variant, start, &victims[v], scripts[s], at))
				at++;
			stops += at - 1;
		}
	}
	print_message("# from \"%s\": %u interruptions\n", start, stops);
	assert_true(stops > 100);
}

static void test_from(void **state)
{
	run_all_from(*state);
}

/* --- once for all ------------------------------------------------------------------------ */

static pthread_t victim_thread;

static int begin(void **state)
{
	(void)state;
	alarm(STRESS_ALARM_S);
	lm.values = lin_alloc((LM_WORKERS + 1) * LM_VALUES, sizeof(*lm.values));
	for (unsigned t = 0; t <= LM_WORKERS; t++)
		if (lin_log_init(&lm.worker[t].log, t, LOG_ROOM))
			return -1;
	sem_init(&stage.start, 0, 0);
	sem_init(&stage.event, 0, 0);
	sem_init(&stage.go, 0, 0);
	yield_hook = hook;
	return pthread_create(&victim_thread, NULL, victim_main, &lm);
}

static int end(void **state)
{
	(void)state;
	stage.at = 0; /* a thread that ends has accesses too */
	stage.quit = true;
	sem_post(&stage.start);
	pthread_join(victim_thread, NULL);
	for (unsigned t = 0; t <= LM_WORKERS; t++)
		free(lm.worker[t].log.ops);
	free(lm.values);
	return 0;
}

/* Is the library built with yield.h? */
static bool library_calls_hooks(void)
{
	struct smap *map;

	yield_hook = hook;
	role = VICTIM;
	map = stress_map_u64("hooks");
	CHECK(!smap_store_u64(map, 1, map), "store");
	smap_destroy(map);
	role = OTHER;
	yield_hook = NULL;
	return hook_calls > 0;
}

int main(void)
{
	struct CMUnitTest tests[sizeof(before) / sizeof(*before)];

	if (!library_calls_hooks()) {
		puts("1..1\nok 1 # skip the library was built without yield.h");
		return 0;
	}
	for (size_t i = 0; i < sizeof(before) / sizeof(*before); i++)
		tests[i] = (struct CMUnitTest){.name = before[i],
					       .test_func = test_from,
					       .initial_state = (void *)before[i]};
	return cmocka_run_group_tests(tests, begin, end);
}
