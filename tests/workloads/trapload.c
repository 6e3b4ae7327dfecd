/* SPDX-License-Identifier: MIT */
/*
 * trapload - traffic with a label: programs that walk into one of the three traps, each in many
 * shapes, and lookalikes that walk into none. Detectors are measured on it (make score).
 *
 * A scenario is a row of a table (trapload/traps.c, none.c, unseen.c). The map in question is
 * named "suspect"; calm ones stand beside it. At the end each map's own counters and
 * the throughput are printed as JSON, so that a remedy's gain can be seen.
 */
#include <stdatomic.h>
#include "cli.h"
#include "mapjson.h"
#include "trapload/shape.h"

#define SEC_NS 1000000000ULL
#define CALM_KEYS 100
#define MAX_WORKERS 128

static struct shape_run run;
static struct shape_worker workers[MAX_WORKERS];
static unsigned worker_count;
static struct {
	double seconds;
	uint64_t keys, threads;
	bool list, remedy;
	void (*experiment)(void);
} opt;

static bool stopped(void)
{
	/* Relaxed: a flag alone; results are read after the join. */
	return atomic_load_explicit(&run.stop, memory_order_relaxed);
}

/* Sleep, but not beyond the end. */
static void sleep_within(uint64_t when)
{
	uint64_t now;

	while (!stopped() && (now = shape_now_ns()) < when)
		shape_sleep_until(when - now > SEC_NS / 20 ? now + SEC_NS / 20 : when);
}

/* The first actor that starts when the trap is to begin makes it begin. */
static void note_begin(const struct actor *actor)
{
	uint64_t none = 0;

	/* Relaxed: a moment, read after the join. */
	if (run.shape->minimum > 0 && actor->from == run.shape->begins)
		atomic_compare_exchange_strong_explicit(&run.trap_ns, &none, shape_now_ns(),
							memory_order_relaxed, memory_order_relaxed);
}

static void *worker_main(void *arg)
{
	struct shape_worker *w = arg;
	const struct actor *a = w->actor;
	double scale = run.seconds / run.shape->seconds;
	uint64_t from = run.start_ns + (uint64_t)(a->from * scale * SEC_NS);
	uint64_t to = a->to > 0 ? run.start_ns + (uint64_t)(a->to * scale * SEC_NS) : UINT64_MAX;

	sleep_within(from);
	note_begin(a);
	for (uint64_t n = 1; !stopped(); n++) {
		if (!a->step(w))
			break;
		if (a->rate > 0)
			sleep_within(from + (uint64_t)((double)n * SEC_NS / a->rate));
		if ((a->rate > 0 || n % 64 == 0) && shape_now_ns() >= to)
			break;
	}
	/* Relaxed: a sum, read after the join. */
	atomic_fetch_add_explicit(&run.ops, w->ops, memory_order_relaxed);
	return NULL;
}

static void start_worker(const struct actor *actor)
{
	struct shape_worker *w = &workers[worker_count];

	if (worker_count == MAX_WORKERS)
		shape_must(-E2BIG, "too many threads");
	*w = (struct shape_worker){
		.run = &run, .actor = actor, .rng = 0x9e3779b97f4a7c15ULL * (worker_count + 1)};
	shape_must(-pthread_create(&w->thread, NULL, worker_main, w), "cannot start a thread");
	worker_count++;
}

static void create_maps(void)
{
	struct smap_options options =
		opt.remedy && run.shape->remedy.size ? run.shape->remedy : run.shape->map;
	struct smap_options calm = {.size = sizeof(calm), .key_kind = SMAP_KEY_U64};
	char name[SMAP_NAME_LEN];

	options.size = sizeof(options);
	options.name = "suspect";
	options.key_kind = run.shape->bytes ? SMAP_KEY_BYTES : SMAP_KEY_U64;
	options.value_free = run.shape->frees ? shape_value_free : NULL;
	options.ctx = run.shape->slow && !opt.remedy ? &run : NULL;
	shape_must(smap_create(&run.map, &options), "smap_create");
	run.calm = calloc(run.shape->calm + 1, sizeof(struct smap *));
	shape_must(run.calm ? 0 : -ENOMEM, "set-up");
	for (unsigned i = 0; i < run.shape->calm; i++) {
		snprintf(name, sizeof(name), "calm.%u", i);
		calm.name = name;
		shape_must(smap_create(&run.calm[i], &calm), "smap_create");
		for (uint64_t key = 0; key < CALM_KEYS; key++)
			shape_must(smap_store_u64(run.calm[i], key, &run), "store");
		for (uint64_t n = 0; n < CALM_KEYS; n++) {
			void *value;

			smap_load_u64(run.calm[i], n, &value); /* misses, which promote */
		}
	}
	shape_fill(&run);
}

/* How the map stood when the time was up, with its readers still inside. */
static void print_results(const struct smap_state *state, double seconds)
{
	/* Relaxed: the threads have ended. */
	uint64_t ops = atomic_load_explicit(&run.ops, memory_order_relaxed);

	map_json(stdout, state, smap_len(run.map));
	printf("{\"type\":\"run\",\"scenario\":\"%s\",\"label\":\"%s\",\"remedy\":%s,"
	       "\"seconds\":%.3f,\"ops\":%" PRIu64 ",\"ops_per_second\":%.0f,\"backlog\":%" PRIu64
	       ",\"trap_ns\":%" PRIu64 ",\"minimum_s\":%g}\n",
	       run.shape->name, run.label, opt.remedy ? "true" : "false", seconds, ops,
	       (double)ops / seconds,
	       (uint64_t)(state->counters.retired - state->counters.reclaimed),
	       /* Relaxed: as above. */
	       atomic_load_explicit(&run.trap_ns, memory_order_relaxed), run.shape->minimum);
}

static int run_scenario(void)
{
	static const struct actor calm = {.step = step_calm, .rate = 1000};
	struct smap_state state;
	double seconds;

	run.keys = opt.keys ? opt.keys : run.shape->keys;
	run.seconds = opt.seconds > 0 ? opt.seconds : run.shape->seconds;
	run.remedy = opt.remedy;
	create_maps();
	run.start_ns = shape_now_ns();
	for (const struct actor *a = run.shape->actors;
	     a < run.shape->actors + SHAPE_ACTORS && a->step; a++)
		for (uint64_t i = 0; i < (opt.threads ? opt.threads : a->threads + !a->threads);
		     i++)
			start_worker(a);
	if (run.shape->calm)
		start_worker(&calm);
	shape_sleep_until(run.start_ns + (uint64_t)(run.seconds * SEC_NS));
	/* Relaxed: see stopped(). */
	atomic_store_explicit(&run.stop, true, memory_order_relaxed);
	seconds = (double)(shape_now_ns() - run.start_ns) / SEC_NS;
	smap_inspect(run.map, &state);
	for (unsigned i = 0; i < worker_count; i++)
		pthread_join(workers[i].thread, NULL);
	print_results(&state, seconds);
	fflush(stdout);
	if (run.shape->slow) /* to destroy the map would wait for each value */
		_exit(CLI_OK);
	smap_destroy(run.map);
	for (unsigned i = 0; i < run.shape->calm; i++)
		smap_destroy(run.calm[i]);
	free(run.calm);
	return CLI_OK;
}

#define TABLES (SHAPE_TRAPS + 2)

static const struct shape_table *table(size_t i)
{
	if (i < SHAPE_TRAPS)
		return &shape_traps[i];
	return i == SHAPE_TRAPS ? &shapes_none : &shapes_unseen;
}

static const char *label(size_t t, size_t i)
{
	return table(t)->label ? table(t)->label : table(t)->shapes[i].label;
}

static bool find_scenario(const char *name)
{
	for (size_t t = 0; t < TABLES; t++)
		for (size_t i = 0; i < table(t)->count; i++)
			if (strcmp(table(t)->shapes[i].name, name) == 0) {
				run.shape = &table(t)->shapes[i];
				run.label = label(t, i);
			}
	return run.shape;
}

static int list(void)
{
	for (size_t t = 0; t < TABLES; t++)
		for (size_t i = 0; i < table(t)->count; i++)
			printf("%s\t%s\t%g\n", table(t)->shapes[i].name, label(t, i),
			       table(t)->shapes[i].seconds);
	return CLI_OK;
}

static bool parse_experiment(const char *text, void *value)
{
	void (**experiment)(void) = value;

	*experiment = strcmp(text, "counter") == 0 ? experiment_counter : experiment_prealloc;
	return strcmp(text, "counter") == 0 || strcmp(text, "prealloc") == 0;
}

static bool parse_seconds(const char *text, void *value)
{
	char *end;

	*(double *)value = strtod(text, &end);
	return !*end && *(double *)value > 0 && *(double *)value <= 86400;
}

/* clang-format off */
static const struct cli_option options[] = {
	{ "list", NULL, "print name, label and seconds of every scenario", CLI_FLAG, &opt.list, 0, 0, NULL },
	{ "experiment", "NAME", "counter prealloc", CLI_PARSE, &opt.experiment, 0, 0, parse_experiment },
	{ "seconds", "S", "run so long; phases are scaled", CLI_PARSE, &opt.seconds, 0, 0, parse_seconds },
	{ "keys", "N", "keys before the run", CLI_U64, &opt.keys, 1, 1u << 28, NULL },
	{ "threads", "N", "threads of each actor", CLI_U64, &opt.threads, 1, 16, NULL },
	{ "remedy", NULL, "the same traffic, with the trap's remedy", CLI_FLAG, &opt.remedy, 0, 0, NULL },
};
/* clang-format on */

static const struct cli cli = {
	.program = "trapload SCENARIO",
	.summary =
		"Traffic with a known trap, or with none: the first argument names the scenario.",
	.options = options,
	.option_count = sizeof(options) / sizeof(options[0]),
};

int main(int argc, char **argv)
{
	int status, named = argc > 1 && argv[1][0] != '-';

	if (!cli_parse(&cli, argc - named, argv + named, &status))
		return status;
	if (opt.list)
		return list();
	if (opt.experiment) {
		opt.experiment();
		return CLI_OK;
	}
	if (named && find_scenario(argv[1]))
		return run_scenario();
	fprintf(stderr, "trapload: error: no scenario '%s': see --list\n", named ? argv[1] : "");
	return CLI_USAGE;
}
