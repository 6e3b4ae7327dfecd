/* SPDX-License-Identifier: MIT */
/*
 * mapload - makes maps do a chosen mix of operations and then says what they counted.
 *
 * It is the ground truth for traces: at the end, when all threads have joined and
 * everything retired has come back, it prints each map's own counters as JSON. It stops
 * where asked (--hold...) so that a tracer can be attached at a known point. What
 * the threads do is in mapload/mix.c.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>
#include "cli.h"
#include "hold.h"
#include "mapjson.h"
#include "mapload/mix.h"

#define SEC_NS 1000000000ULL
#define SETTLE_SECONDS 20
#define CTOR_MISSES 7

static unsigned map_cnt; /* opt.maps, and the constructor's if there is one */
static struct smap *ctor_map;
static _Atomic bool stop;
static pthread_barrier_t pause_point;

/* --- running ------------------------------------------------------------------ */

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * SEC_NS + (uint64_t)ts.tv_nsec;
}

static uint64_t now_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

static void sleep_until(uint64_t when_ns)
{
	struct timespec ts = {.tv_sec = (time_t)(when_ns / SEC_NS),
			      .tv_nsec = (long)(when_ns % SEC_NS)};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) == EINTR)
		;
}

static void run_until(struct worker *w, uint64_t ops)
{
	uint64_t start = now_ns();
	uint64_t before = w->ops;

	/* Relaxed: a flag alone; what the workers did is read after the join. */
	while (w->ops < ops && !atomic_load_explicit(&stop, memory_order_relaxed)) {
		mix_step(w);
		if (opt.rate)
			sleep_until(start + (w->ops - before) * SEC_NS / opt.rate);
	}
}

static void *worker_main(void *arg)
{
	struct worker *w = arg;

	pthread_barrier_wait(&pause_point);
	if (opt.hold_after) {
		run_until(w, opt.hold_after);
		pthread_barrier_wait(&pause_point);
		pthread_barrier_wait(&pause_point);
	}
	run_until(w, opt.seconds ? UINT64_MAX : opt.ops);
	return NULL;
}

static void create_maps(struct worker *w)
{
	char name[SMAP_NAME_LEN];

	opt.map.size = sizeof(opt.map);
	opt.map.name = name;
	opt.map.key_kind = opt.kind;
	opt.map.value_free = opt.value_free ? mix_value_free : NULL;
	for (; map_cnt < opt.maps; map_cnt++) {
		snprintf(name, sizeof(name), "%.50s.%u", opt.name, map_cnt);
		must(smap_create(&maps[map_cnt], &opt.map), "smap_create");
		mix_fill(w, map_cnt);
	}
	if (ctor_map)
		maps[map_cnt++] = ctor_map;
}

/* Runs all workers; returns the time they ran, without the pause in the middle. */
static uint64_t run_workers(struct worker *workers)
{
	uint64_t start, pause = 0;

	for (unsigned i = 0; i < opt.threads; i++)
		must(-pthread_create(&workers[i].thread, NULL, worker_main, &workers[i]),
		     "cannot start a thread");
	pthread_barrier_wait(&pause_point);
	start = now_ns();
	if (opt.hold_after) {
		pthread_barrier_wait(&pause_point);
		pause = now_ns();
		hold_wait("after");
		pause = now_ns() - pause;
		pthread_barrier_wait(&pause_point);
	}
	if (opt.seconds) {
		sleep_until(start + pause + opt.seconds * SEC_NS);
		/* Relaxed: see run_until(). */
		atomic_store_explicit(&stop, true, memory_order_relaxed);
	}
	for (unsigned i = 0; i < opt.threads; i++)
		pthread_join(workers[i].thread, NULL);
	return now_ns() - start - pause;
}

/* Everything retired comes back by itself once no thread runs: then the counters are final. */
static void settle(void)
{
	uint64_t deadline = now_ns() + SETTLE_SECONDS * SEC_NS;
	struct smap_state state;

	for (unsigned i = 0; i < map_cnt; i++) {
		for (;;) {
			smap_inspect(maps[i], &state);
			if (state.counters.retired == state.counters.reclaimed)
				break;
			if (now_ns() > deadline) {
				fprintf(stderr,
					"mapload: warning: %s: reclamation did not finish\n",
					state.name);
				return;
			}
			sleep_until(now_ns() + SEC_NS / 1000);
		}
	}
}

static void print_results(const struct worker *workers, uint64_t run_ns, uint64_t cpu_ns)
{
	struct smap_state state;
	uint64_t ops = 0, misses = 0;
	double seconds = (double)run_ns / SEC_NS;

	for (unsigned i = 0; i < map_cnt; i++) {
		smap_inspect(maps[i], &state);
		misses += state.counters.misses;
		map_json(stdout, &state, smap_len(maps[i]));
	}
	for (unsigned i = 0; i < opt.threads; i++)
		ops += workers[i].ops;
	printf("{\"type\":\"run\",\"pid\":%d,\"mix\":\"%s\",\"ops\":%" PRIu64
	       ",\"seconds\":%.6f,\"cpu_seconds\":%.6f,\"ops_per_second\":%.0f"
	       ",\"misses_per_second\":%.0f}\n",
	       (int)getpid(), mix_name(opt.mix), ops, seconds, (double)cpu_ns / SEC_NS,
	       (double)ops / seconds, (double)misses / seconds);
	fflush(stdout);
}

/* With the maps gone every value must have been freed, once. */
static int destroy_maps(const struct worker *workers)
{
	uint64_t made = 0, freed;

	for (unsigned i = 0; i < map_cnt; i++)
		smap_destroy(maps[i]);
	for (unsigned i = 0; i <= opt.threads; i++)
		made += workers[i].allocated;
	/* Relaxed: smap_destroy() returned after the last callback. */
	freed = atomic_load_explicit(&values_freed, memory_order_relaxed);
	if (!opt.value_free || made == freed)
		return CLI_OK;
	fprintf(stderr, "mapload: error: %" PRIu64 " values made, %" PRIu64 " freed\n", made,
		freed);
	return CLI_FAILED;
}

/* --- command line --------------------------------------------------------------- */

static bool parse_kind(const char *text, void *value)
{
	bool u64 = strcmp(text, "u64") == 0;

	*(uint32_t *)value = u64 ? SMAP_KEY_U64 : SMAP_KEY_BYTES;
	return u64 || strcmp(text, "bytes") == 0;
}

static bool parse_mix(const char *text, void *value)
{
	const struct mix *mix = mix_find(text);

	if (mix)
		*(const struct mix **)value = mix;
	return mix;
}

/* clang-format off */
static const struct cli_option options[] = {
	{ "threads", "N", "threads (1)", CLI_U64, &opt.threads, 1, 1024, NULL },
	{ "maps", "N", "maps, named PREFIX.0 ... (1)", CLI_U64, &opt.maps, 1, 100000, NULL },
	{ "keys", "N", "keys in each map before the run (1000)", CLI_U64, &opt.keys, 1, 1u << 28, NULL },
	{ "kind", "u64|bytes", "u64 bytes", CLI_PARSE, &opt.kind, 0, 0, parse_kind },
	{ "ops", "N", "operations per thread (100000)", CLI_U64, &opt.ops, 0, UINT64_MAX - 1, NULL },
	{ "seconds", "N", "run so long instead", CLI_U64, &opt.seconds, 1, 86400, NULL },
	{ "mix", "NAME", "serve hit miss promote delete churn range clear absent", CLI_PARSE, &opt.mix, 0, 0, parse_mix },
	{ "seed", "N", "of the random numbers (1)", CLI_U64, &opt.seed, 0, UINT64_MAX, NULL },
	{ "rate", "OPS", "operations per second and thread (no limit)", CLI_U64, &opt.rate, 1, SEC_NS, NULL },
	{ "name", "PREFIX", "of the maps' names (load)", CLI_STRING, &opt.name, 0, 0, NULL },
	{ "value-free", NULL, "heap values, freed by the map; checked at the end", CLI_FLAG, &opt.value_free, 0, 0, NULL },
	{ "ctor", NULL, "a constructor makes one more map, \"ctor\", before main", CLI_FLAG, &opt.ctor, 0, 0, NULL },
	{ "hold", NULL, "hold before the maps are created", CLI_FLAG, &opt.hold, 0, 0, NULL },
	{ "hold-run", NULL, "hold when maps are filled, before the threads", CLI_FLAG, &opt.hold_run, 0, 0, NULL },
	{ "hold-after", "OPS", "hold all threads after OPS operations each", CLI_U64, &opt.hold_after, 1, UINT64_MAX - 1, NULL },
	{ "hold-end", NULL, "hold when results are printed, maps still there", CLI_FLAG, &opt.hold_end, 0, 0, NULL },
	{ "no-destroy", NULL, "exit without smap_destroy", CLI_FLAG, &opt.no_destroy, 0, 0, NULL },
	MAP_OPTIONS(opt.map),
};
/* clang-format on */

static const struct cli cli = {
	.program = "mapload",
	.summary = "Makes maps do a mix of operations, then prints their own counters as JSON.",
	.options = options,
	.option_count = sizeof(options) / sizeof(options[0]),
	.notes = "Holding ends by a byte on stdin or by SIGUSR1. The first hold prints\n"
		 "\"ready PID\" (--hold) on stdout, the others \"hold PID "
		 "run|after|end\".\n\nMixes:",
	.more = mix_help,
};

/* Before any thread exists, and for --ctor before main. */
__attribute__((constructor)) static void before_main(int argc, char **argv)
{
	struct smap_options opts = {.size = sizeof(opts), .name = "ctor", .key_kind = SMAP_KEY_U64};
	void *value;

	if (!hold_init()) {
		perror("mapload: error: signalfd");
		exit(CLI_FAILED);
	}
	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], "--ctor") == 0 && !ctor_map) {
			must(smap_create(&ctor_map, &opts), "smap_create");
			must(smap_store_u64(ctor_map, 1, &opts), "store");
			for (unsigned n = 0; n < CTOR_MISSES; n++) {
				smap_load_u64(ctor_map, 2, &value); /* a miss, promotes */
				must(smap_store_u64(ctor_map, 100 + n, &opts), "store");
			}
		}
}

static struct worker *workers_new(void)
{
	struct worker *workers = calloc(opt.threads + 1, sizeof(*workers));

	maps = calloc(opt.maps + 1, sizeof(struct smap *));
	for (unsigned i = 0; workers && maps && i <= opt.threads; i++) {
		workers[i].index = i;
		workers[i].rng = (opt.seed + 1) * 0x9e3779b97f4a7c15ULL ^ (i + 1ULL) << 32;
		workers[i].fresh = calloc(opt.maps, sizeof(uint64_t));
		if (!workers[i].fresh)
			return NULL;
	}
	return maps ? workers : NULL;
}

static void workers_free(struct worker *workers)
{
	for (unsigned i = 0; i <= opt.threads; i++)
		free(workers[i].fresh);
	free(workers);
	free(maps);
}

int main(int argc, char **argv)
{
	struct worker *workers;
	uint64_t run_ns, cpu_ns;
	int status;

	opt.mix = mix_find("miss");
	if (!cli_parse(&cli, argc, argv, &status))
		return status;
	workers = workers_new();
	if (!workers || pthread_barrier_init(&pause_point, NULL, (unsigned)opt.threads + 1))
		must(-ENOMEM, "set-up");
	if (opt.hold)
		hold_wait(NULL);
	create_maps(&workers[opt.threads]);
	if (opt.hold_run)
		hold_wait("run");
	cpu_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	run_ns = run_workers(workers);
	cpu_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu_ns;
	settle();
	print_results(workers, run_ns, cpu_ns);
	if (opt.hold_end)
		hold_wait("end");
	status = opt.no_destroy ? CLI_OK : destroy_maps(workers);
	workers_free(workers);
	return status;
}
