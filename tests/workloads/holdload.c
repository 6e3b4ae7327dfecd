/* SPDX-License-Identifier: MIT */
/*
 * holdload - holds a map's mutex for a known time, with threads that wait for it.
 *
 * It is the ground truth for `smaptrace --offcpu`. A hash function of ours is called with
 * the mutex held when the table grows, for every key that moves. The holder stores new keys
 * until that happens, and then, once in each round, sleeps there (--how sleep) or runs there
 * beside a thread that wants the same CPU (--how run). Meanwhile each waiter stores one key;
 * the holder goes to sleep when all of them do.
 * Holder and waiters measure themselves: what of the time they were not on a CPU. On a busy
 * machine they are so for other reasons, too. That is the most that it can have been; the least
 * leaves out what had a switch of the other kind in it.
 */
#pragma GCC optimize("no-omit-frame-pointer") /* its call stacks are known, too */

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>
#include "cli.h"
#include "hold.h"
#include "mapjson.h"

#define MSEC_NS 1000000ULL
#define WAITERS_MAX 64
#define WAITER_KEYS (1ULL << 40) /* above those of the holder */

static uint64_t rounds = 8, msec = 20, waiters = 3;
static bool run_there, hold_run, say;

static struct smap *map;
static sem_t go[WAITERS_MAX], rival_go, done;
static _Atomic bool ended, rival_runs;

/* Of the holder. */
static _Thread_local bool armed;
static _Thread_local uint64_t storing;
static uint64_t round_now, held_ns;

struct off {
	uint64_t most_ns, least_ns;
};

static struct off held_off; /* from the moment that it has the mutex */
static struct off slept_off;

static struct waiter {
	pthread_t thread;
	unsigned index;
	_Atomic pid_t tid;
	_Atomic uint64_t stores; /* begun */
	struct off off;
} all[WAITERS_MAX];

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* How long the calling thread was off the CPU since then. */
struct stretch {
	uint64_t wall, cpu;
	long others; /* times that it left the CPU otherwise than it is to be measured */
	bool forced; /* that is: it would rather not have left */
};

static long other_switches(bool forced)
{
	struct rusage usage;

	getrusage(RUSAGE_THREAD, &usage);
	return forced ? usage.ru_nvcsw : usage.ru_nivcsw;
}

static struct stretch stretch_begin(bool forced)
{
	return (struct stretch){
		.others = other_switches(forced),
		.forced = forced,
		.wall = clock_ns(CLOCK_MONOTONIC),
		.cpu = clock_ns(CLOCK_THREAD_CPUTIME_ID),
	};
}

static void stretch_end(const struct stretch *begin, struct off *off)
{
	uint64_t cpu = clock_ns(CLOCK_THREAD_CPUTIME_ID) - begin->cpu;
	uint64_t wall = clock_ns(CLOCK_MONOTONIC) - begin->wall;
	uint64_t ns = wall > cpu ? wall - cpu : 0;

	off->most_ns += ns;
	if (other_switches(begin->forced) == begin->others)
		off->least_ns += ns;
}

/* --- the holder ------------------------------------------------------------------- */

static bool sleeps(pid_t tid)
{
	char path[64], line[512];
	const char *state = NULL;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", (int)tid);
	file = fopen(path, "re");
	if (!file)
		return false;
	if (fgets(line, sizeof(line), file))
		state = strrchr(line, ')');
	fclose(file);
	return state && strncmp(state, ") S", 3) == 0;
}

/* Each has begun its store, and there is only the mutex to sleep at. */
static void await_waiters(void)
{
	const struct timespec nap = {.tv_nsec = MSEC_NS};

	/* Relaxed, both: numbers alone. */
	for (uint64_t i = 0; i < waiters; i++)
		while (atomic_load_explicit(&all[i].stores, memory_order_relaxed) <= round_now ||
		       !sleeps(atomic_load_explicit(&all[i].tid, memory_order_relaxed)))
			nanosleep(&nap, NULL);
}

static void sleep_there(void)
{
	struct timespec ts = {.tv_sec = (time_t)(msec / 1000),
			      .tv_nsec = (long)(msec % 1000 * MSEC_NS)};
	struct stretch begin = stretch_begin(false);

	while (nanosleep(&ts, &ts) && errno == EINTR)
		;
	stretch_end(&begin, &slept_off);
}

/* Relaxed, all three: a flag alone. */
static void run_beside_rival(void)
{
	uint64_t start = clock_ns(CLOCK_THREAD_CPUTIME_ID);

	atomic_store_explicit(&rival_runs, true, memory_order_relaxed);
	sem_post(&rival_go);
	while (clock_ns(CLOCK_THREAD_CPUTIME_ID) - start < msec * MSEC_NS)
		;
	atomic_store_explicit(&rival_runs, false, memory_order_relaxed);
}

__attribute__((noinline)) static void hold_mutex(void)
{
	struct stretch begin = stretch_begin(run_there);

	for (uint64_t i = 0; i < waiters; i++)
		sem_post(&go[i]);
	if (!run_there)
		await_waiters();
	if (say) {
		printf("holding\n");
		fflush(stdout);
	}
	if (run_there)
		run_beside_rival();
	else
		sleep_there();
	stretch_end(&begin, &held_off);
	held_ns += clock_ns(CLOCK_MONOTONIC) - begin.wall;
}

static uint64_t hash(const void *bytes, size_t len, uint64_t seed)
{
	uint64_t key;

	(void)len;
	memcpy(&key, bytes, sizeof(key));
	/* Another key than the one that is being stored: the table grows. */
	if (armed && key != storing) {
		armed = false;
		hold_mutex();
	}
	key = (key ^ seed) * 0x9e3779b97f4a7c15ULL;
	return key ^ key >> 29;
}

static bool run_rounds(void)
{
	static char value;

	for (round_now = 0; round_now < rounds; round_now++) {
		armed = true;
		while (armed)
			if (smap_store_u64(map, ++storing, &value))
				return false;
		for (uint64_t w = 0; w < waiters; w++)
			sem_wait(&done);
	}
	return true;
}

/* --- the others ------------------------------------------------------------------- */

static void *waiter_main(void *arg)
{
	struct waiter *w = arg;
	static char value;

	/* Relaxed, both: see await_waiters(). */
	atomic_store_explicit(&w->tid, gettid(), memory_order_relaxed);
	for (uint64_t i = 0; i < rounds; i++) {
		uint64_t key = WAITER_KEYS + w->index * rounds + i;
		struct stretch begin;

		sem_wait(&go[w->index]);
		atomic_store_explicit(&w->stores, i + 1, memory_order_relaxed);
		begin = stretch_begin(false);
		if (smap_store_u64(map, key, &value))
			exit(CLI_FAILED);
		stretch_end(&begin, &w->off);
		sem_post(&done);
	}
	return NULL;
}

static void *rival_main(void *arg)
{
	(void)arg;
	for (;;) {
		sem_wait(&rival_go);
		/* relaxed: flags alone */
		if (atomic_load_explicit(&ended, memory_order_relaxed))
			return NULL;
		/* relaxed: likewise */
		while (atomic_load_explicit(&rival_runs, memory_order_relaxed))
			;
	}
}

/* The holder and its rival, on the CPU where we are; the waiters keep all. */
static bool pin(pthread_t rival)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET((unsigned)sched_getcpu(), &cpus);
	return pthread_setaffinity_np(pthread_self(), sizeof(cpus), &cpus) == 0 &&
	       pthread_setaffinity_np(rival, sizeof(cpus), &cpus) == 0;
}

static bool parse_how(const char *text, void *value)
{
	*(bool *)value = strcmp(text, "run") == 0;
	return strcmp(text, "run") == 0 || strcmp(text, "sleep") == 0;
}

static const struct cli_option options[] = {
	{"rounds", "N", "how often the mutex is held", CLI_U64, &rounds, 1, 16, NULL},
	{"msec", "MS", "for so long", CLI_U64, &msec, 1, 60000, NULL},
	{"waiters", "N", "threads that wait meanwhile", CLI_U64, &waiters, 0, WAITERS_MAX, NULL},
	{"how", "HOW", "sleep, or run beside a thread on the same CPU", CLI_PARSE, &run_there, 0, 0,
	 parse_how},
	{"say", NULL, "print \"holding\" whenever the mutex is held", CLI_FLAG, &say, 0, 0, NULL},
	{"hold-run", NULL, "hold before the first round", CLI_FLAG, &hold_run, 0, 0, NULL},
};

static int run(void)
{
	struct off waited = {0};
	struct smap_state state;
	pthread_t rival;

	for (uint64_t i = 0; i < waiters; i++) {
		all[i].index = (unsigned)i;
		sem_init(&go[i], 0, 0);
		if (pthread_create(&all[i].thread, NULL, waiter_main, &all[i]))
			return CLI_FAILED;
	}
	if (pthread_create(&rival, NULL, rival_main, NULL) || (run_there && !pin(rival)))
		return CLI_FAILED;
	if (hold_run)
		hold_wait("run");
	if (!run_rounds())
		return CLI_FAILED;
	for (uint64_t i = 0; i < waiters; i++) {
		pthread_join(all[i].thread, NULL);
		waited.most_ns += all[i].off.most_ns;
		waited.least_ns += all[i].off.least_ns;
	}
	/* relaxed: the semaphore orders it */
	atomic_store_explicit(&ended, true, memory_order_relaxed);
	sem_post(&rival_go);
	pthread_join(rival, NULL);
	smap_inspect(map, &state);
	map_json(stdout, &state, smap_len(map));
	printf("{\"type\":\"hold\",\"rounds\":%" PRIu64 ",\"held_ns\":%" PRIu64
	       ",\"off_ns\":%" PRIu64 ",\"off_least_ns\":%" PRIu64 ",\"waited_ns\":%" PRIu64
	       ",\"waited_least_ns\":%" PRIu64 "}\n",
	       rounds, held_ns, held_off.most_ns,
	       run_there ? held_off.least_ns : slept_off.least_ns, waited.most_ns, waited.least_ns);
	return fflush(stdout) ? CLI_FAILED : CLI_OK;
}

int main(int argc, char **argv)
{
	const struct cli cli = {
		.program = "holdload",
		.summary = "Holds a map's mutex for a known time, with threads that wait for it.",
		.options = options,
		.option_count = sizeof(options) / sizeof(options[0]),
	};
	const struct smap_options opts = {
		.size = sizeof(opts), .name = "held", .key_kind = SMAP_KEY_U64, .hash = hash};
	int status;

	if (!cli_parse(&cli, argc, argv, &status))
		return status;
	sem_init(&rival_go, 0, 0);
	sem_init(&done, 0, 0);
	if (!hold_init() || smap_create(&map, &opts))
		return CLI_FAILED;
	status = run();
	smap_destroy(map);
	return status;
}
