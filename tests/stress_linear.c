/* SPDX-License-Identifier: MIT */
/*
 * stress_linear.c - random operations by several threads, every history checked.
 *
 *	stress_linear [--seed N] [--rounds N] [--seconds N] [--yield N] [--clock]
 *
 * A map of random options lives for some rounds. In a round 2 to 6 threads do a few
 * dozen random operations each on 1 to 8 keys; then the history must be
 * linearizable, key by key, and as a whole when there were Clears (G1, G4, G5); what
 * was met in a section must not be freed in it (G6). One violation ends the program
 * with status 1, the seed, the setup, and a small part of the history that no
 * sequential map explains.
 *
 * Plain builds of this run in every check. `make torture` builds it with the library
 * under yield.h, which makes threads change places at every atomic access.
 */
#include "linear_check.h"
#include "linear_map.h"

#include <getopt.h>

#define ROUNDS_PER_MAP 16
#define MAX_OPS 48
#define LOG_ROOM (MAX_OPS * LIN_MAX_KEYS + 64)
#define WHOLE_OPS 1200 /* larger histories are only checked key by key */

static struct {
	uint64_t seed, rounds, seconds;
	int yield; /* -1: by chance */
} args = {.rounds = 700, .yield = -1};

static struct {
	uint64_t maps, rounds, operations, whole, undecided, promotions, rebuilds, expunged,
		growths;
} done;

#ifdef YIELD_H
static void set_yields(uint64_t seed)
{
	static const unsigned rates[] = {0, 8, 64, 256};

	yield_set(args.yield >= 0 ? (unsigned)args.yield
				  : rates[stress_seed(seed & 0xffff) >> 40 & 3],
		  seed);
}
#else
static void set_yields(uint64_t seed)
{
	(void)seed;
}
#endif

/* --- a setup by chance ---------------------------------------------------------------- */

static bool chance(uint64_t *rng, unsigned percent)
{
	return stress_random(rng) % 100 < percent;
}

static struct lm_setup random_setup(uint64_t seed)
{
	uint64_t rng = seed * 0x9e3779b97f4a7c15ULL | 1;
	struct lm_setup setup = {
		.keys = 1 + (chance(&rng, 50) ? stress_random(&rng) % 3
					      : stress_random(&rng) % LIN_MAX_KEYS),
		.threads = 2 + stress_random(&rng) % (LM_WORKERS - 1),
		.ops = 12 + stress_random(&rng) % (MAX_OPS - 12),
		.fill_percent = stress_random(&rng) % 3 * 15,
		.range_percent = chance(&rng, 40) ? 4 : 0,
		.u64 = chance(&rng, 50),
		.value_free = chance(&rng, 50),
		.flags = (uint32_t)(stress_random(&rng) & stress_random(&rng)) & SMAP_OPTIONS_TUNED,
		.policy = chance(&rng, 60) ? SMAP_POLICY_FIXED
					   : (uint32_t)(stress_random(&rng) % SMAP_POLICY_COUNT),
		.clears = chance(&rng, 30),
		.snapshots = chance(&rng, 20),
		.sections = chance(&rng, 30),
		.hash = (enum lm_hash)(stress_random(&rng) % LM_HASHES),
	};

	for (int kind = 0; kind < LIN_CLEAR; kind++) {
		setup.weight[kind] = stress_random(&rng) % 4 * 8;
		if (kind == LIN_LOAD)
			setup.weight[kind] += 8;
		setup.weights += setup.weight[kind];
	}
	setup.weight[LIN_CLEAR] = setup.clears ? 2 : 0;
	setup.weights += setup.weight[LIN_CLEAR];
	return setup;
}

static void print_setup(const struct lm_setup *setup)
{
	static const char *const hashes[] = {"own", "good", "truncated", "constant"};

	fprintf(stderr,
		"  %u threads, %u operations each, %u keys (%s), hash %s, policy %s, flags "
		"%#x%s%s%s%s\n",
		setup->threads, setup->ops, setup->keys, setup->u64 ? "u64" : "bytes",
		hashes[setup->hash], smap_policy_name(setup->policy), setup->flags,
		setup->value_free ? ", value_free" : "", setup->clears ? ", clears" : "",
		setup->snapshots ? ", snapshots" : "", setup->sections ? ", long sections" : "");
}

/* --- a round --------------------------------------------------------------------------- */

static enum lin_kind random_kind(struct lm_worker *w)
{
	unsigned r = stress_random(&w->rng) % w->lm->setup.weights;
	unsigned kind = 0;

	while (r >= w->lm->setup.weight[kind])
		r -= w->lm->setup.weight[kind++];
	return (enum lin_kind)kind;
}

static void random_operation(struct lm_worker *w)
{
	const struct lm_setup *setup = &w->lm->setup;

	if (chance(&w->rng, setup->fill_percent))
		lm_fill(w);
	if (setup->snapshots && chance(&w->rng, 3))
		lm_do_snapshot(w);
	else if (!chance(&w->rng, setup->range_percent))
		lm_do(w, stress_random(&w->rng) % setup->keys, random_kind(w));
	else if (setup->u64 && chance(&w->rng, 30))
		lm_do_load_many(w);
	else
		lm_do_range(w, chance(&w->rng, 80));
}

static void *work(void *arg)
{
	struct lm_worker *w = arg;
	struct lm *lm = w->lm;

	for (;;) {
		pthread_barrier_wait(&lm->begin);
		if (lm->stop)
			return NULL;
		for (unsigned i = 0; i < lm->setup.ops; i++)
			random_operation(w);
		lm_leave_now(w);
		pthread_barrier_wait(&lm->end);
	}
}

/* Alone: begin the round with some keys present, some absent, some expunged. */
static void prepare(struct lm_worker *w)
{
	unsigned keys = w->lm->setup.keys;

	for (unsigned i = 0; i < 2 * keys; i++) {
		unsigned key = stress_random(&w->rng) % keys;

		if (chance(&w->rng, 30))
			lm_do(w, key, LIN_DELETE);
		else if (chance(&w->rng, 50))
			lm_do(w, key, LIN_STORE);
		if (chance(&w->rng, 15))
			lm_fill(w);
	}
	lm_leave_now(w);
}

/* Alone again: what is there now, which is what the next round begins with. */
static void look(struct lm_worker *w, struct lin_state *ret_state)
{
	for (unsigned key = 0; key < w->lm->setup.keys; key++) {
		lm_do(w, key, LIN_LOAD);
		ret_state->value[key] = w->log.ops[w->log.count - 1].out;
	}
	lm_leave_now(w);
}

/* --- the check -------------------------------------------------------------------------- */

__attribute__((noreturn)) static void violation(const struct lm *lm, uint64_t seed,
						const char *what, const struct lin_op *ops,
						size_t n, const struct lin_state *initial)
{
	fprintf(stderr, "stress_linear: not linearizable: %s, in round %lu (--seed %lu)\n", what,
		done.rounds, seed);
	print_setup(&lm->setup);
	fprintf(stderr, "  present before:");
	for (unsigned key = 0; key < lm->setup.keys; key++)
		fprintf(stderr, " %u", initial->value[key]);
	fprintf(stderr, " (or whatever came before the first call shown)\n");
	for (size_t i = 0; i < n; i++)
		lin_print(stderr, &ops[i]);
	_exit(1);
}

/* *ret_whole: there are operations on all keys at once. */
static size_t gather(struct lm *lm, struct lin_op *ret_ops, bool *ret_whole)
{
	size_t n = 0;

	*ret_whole = false;
	for (unsigned t = 0; t <= LM_WORKERS; t++) {
		struct lin_log *log = &lm->worker[t].log;

		memcpy(ret_ops + n, log->ops, log->count * sizeof(*ret_ops));
		for (size_t i = 0; i < log->count; i++)
			*ret_whole |= log->ops[i].kind >= LIN_CLEAR;
		n += log->count;
		log->count = 0;
	}
	return n;
}

static void check_history(struct lm *lm, uint64_t seed, const struct lin_state *initial)
{
	static struct lin_op all[(LM_WORKERS + 1) * LOG_ROOM], ops[(LM_WORKERS + 1) * LOG_ROOM];
	bool whole;
	size_t n = gather(lm, all, &whole);
	enum lin_verdict verdict = LIN_OK;
	char what[32];

	done.operations += n;
	for (unsigned key = 0; key < lm->setup.keys; key++) {
		size_t count = lin_of_key(all, n, key, ops);

		verdict = lin_check(ops, count, initial);
		done.undecided += verdict == LIN_UNDECIDED;
		if (verdict != LIN_VIOLATION)
			continue;
		count = lin_minimise(ops, count, key, initial);
		snprintf(what, sizeof(what), "key %u", key);
		violation(lm, seed, what, ops, count, initial);
	}
	if (!whole || lm->setup.keys == 1 || n > WHOLE_OPS)
		return;
	done.whole++;
	verdict = lin_check(all, n, initial);
	done.undecided += verdict == LIN_UNDECIDED;
	if (verdict == LIN_VIOLATION) {
		n = lin_cut_end(all, n, initial);
		n = lin_drop_reads(all, n, initial);
		violation(lm, seed, "all keys together", all, n, initial);
	}
}

/* --- maps --------------------------------------------------------------------------------- */

static void count_map(struct lm *lm)
{
	struct smap_state state;

	smap_inspect(lm->map, &state);
	done.maps++;
	done.promotions += state.counters.promotions;
	done.rebuilds += state.counters.rebuilds;
	done.expunged += state.counters.expunged;
	done.growths += state.growths;
}

static void one_map(struct lm *lm, uint64_t seed)
{
	const struct lm_setup setup = random_setup(seed);
	struct lin_state initial = {{0}}, next = {{0}};
	pthread_t thread[LM_WORKERS];

	set_yields(seed);
	lm_create(lm, &setup, seed);
	pthread_barrier_init(&lm->begin, NULL, setup.threads + 1);
	pthread_barrier_init(&lm->end, NULL, setup.threads + 1);
	for (unsigned t = 0; t < setup.threads; t++)
		CHECK(!pthread_create(&thread[t], NULL, work, &lm->worker[t]), "thread %u", t);
	for (unsigned round = 0; round < ROUNDS_PER_MAP; round++) {
		prepare(&lm->worker[LM_WORKERS]);
		pthread_barrier_wait(&lm->begin);
		pthread_barrier_wait(&lm->end);
		look(&lm->worker[LM_WORKERS], &next);
		check_history(lm, seed, &initial);
		initial = next;
		done.rounds++;
	}
	lm->stop = true;
	pthread_barrier_wait(&lm->begin);
	for (unsigned t = 0; t < setup.threads; t++)
		pthread_join(thread[t], NULL);
	pthread_barrier_destroy(&lm->begin);
	pthread_barrier_destroy(&lm->end);
	count_map(lm);
	lm_destroy(lm);
}

/* --- the command line ------------------------------------------------------------------------ */

static void parse(int argc, char **argv)
{
	static const struct option options[] = {
		{"seed", required_argument, NULL, 's'},	   {"rounds", required_argument, NULL, 'r'},
		{"seconds", required_argument, NULL, 't'}, {"yield", required_argument, NULL, 'y'},
		{"clock", no_argument, NULL, 'c'},	   {0},
	};
	int opt;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (opt == 's')
			args.seed = strtoull(optarg, NULL, 0);
		else if (opt == 'r')
			args.rounds = strtoull(optarg, NULL, 0);
		else if (opt == 't')
			args.seconds = strtoull(optarg, NULL, 0);
		else if (opt == 'y')
			args.yield = atoi(optarg);
		else if (opt == 'c')
			lin_use_clock = true;
		else
			exit(2);
	}
}

static uint64_t now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec;
}

int main(int argc, char **argv)
{
	static struct lm lm;
	struct timespec now;
	uint64_t end;

	clock_gettime(CLOCK_REALTIME, &now);
	args.seed = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
	parse(argc, argv);
	alarm(STRESS_ALARM_S + (unsigned)args.seconds); /* a deadlock ends too */
	printf("stress_linear: --seed %lu\n", args.seed);
	fflush(stdout);
	lm.values = lin_alloc((LM_WORKERS + 1) * LM_VALUES, sizeof(*lm.values));
	for (unsigned t = 0; t <= LM_WORKERS; t++)
		CHECK(!lin_log_init(&lm.worker[t].log, t, LOG_ROOM), "log");
	end = now_s() + args.seconds;
	for (uint64_t seed = args.seed; args.seconds ? now_s() < end : done.rounds < args.rounds;
	     seed++)
		one_map(&lm, seed);
	printf("stress_linear: %lu maps, %lu rounds, %lu operations linearizable; %lu rounds as a "
	       "whole, %lu undecided; %lu promotions, %lu rebuilds, %lu expunged, %lu growths\n",
	       done.maps, done.rounds, done.operations, done.whole, done.undecided, done.promotions,
	       done.rebuilds, done.expunged, done.growths);
	for (unsigned t = 0; t <= LM_WORKERS; t++)
		free(lm.worker[t].log.ops);
	free(lm.values);
	return done.undecided ? 1 : 0;
}
