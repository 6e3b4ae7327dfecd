/* SPDX-License-Identifier: MIT */
/*
 * step.c - the steps that actors repeat.
 *
 * Old keys are [0, keys), fresh ones are numbered per run and never used twice, absent ones are
 * never stored.
 */
#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "keytext.h"
#include "shape.h"

#define FRESH_BASE (1ULL << 40)
#define ABSENT_BASE (1ULL << 50)
#define SEC_NS 1000000000ULL
#define MS_NS 1000000ULL
#define SPIN_ROUNDS 20000

uint64_t shape_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * SEC_NS + (uint64_t)ts.tv_nsec;
}

void shape_sleep_until(uint64_t when_ns)
{
	struct timespec ts = {.tv_sec = (time_t)(when_ns / SEC_NS),
			      .tv_nsec = (long)(when_ns % SEC_NS)};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) == EINTR)
		;
}

void shape_must(int err, const char *what)
{
	if (err >= 0)
		return;
	fprintf(stderr, "trapload: error: %s: %s\n", what, strerror(-err));
	exit(EXIT_FAILURE);
}

#define KEYED(op, run, key, ...)                                                                   \
	((run)->shape->bytes ? op((run)->map, key_text(key), KEY_LEN, ##__VA_ARGS__)               \
			     : op##_u64((run)->map, key, ##__VA_ARGS__))

/* xorshift64* */
static uint64_t draw(struct shape_worker *w)
{
	w->rng ^= w->rng >> 12;
	w->rng ^= w->rng << 25;
	w->rng ^= w->rng >> 27;
	return w->rng * 0x2545f4914f6cdd1dULL >> 16;
}

void shape_value_free(void *value, void *ctx)
{
	if (ctx)
		nanosleep(&(struct timespec){.tv_nsec = MS_NS}, NULL);
	free(value);
}

static void put(struct shape_run *run, uint64_t key)
{
	void *value = run->shape->frees ? malloc(sizeof(uint64_t)) : run;

	shape_must(value ? KEYED(smap_store, run, key, value) : -ENOMEM, "store");
}

static bool get(struct shape_worker *w, uint64_t key)
{
	void *value;

	w->ops++;
	return KEYED(smap_load, w->run, key, &value);
}

static uint64_t next_fresh(struct shape_run *run)
{
	/* Relaxed: a serial number, nothing hangs on it. */
	return atomic_fetch_add_explicit(&run->serial, 1, memory_order_relaxed);
}

bool step_hit(struct shape_worker *w)
{
	get(w, draw(w) % w->run->keys);
	return true;
}

/* Half of the draws are of an eighth of the keys. */
static uint64_t draw_hot(struct shape_worker *w)
{
	double at = (double)(draw(w) % 65536) / 65536;

	return (uint64_t)(at * at * at * (double)w->run->keys);
}

bool step_hot(struct shape_worker *w)
{
	get(w, draw_hot(w));
	return true;
}

bool step_cache(struct shape_worker *w)
{
	uint64_t key = draw_hot(w);

	if (!get(w, key))
		put(w->run, key);
	return true;
}

bool step_expire(struct shape_worker *w)
{
	w->ops += KEYED(smap_delete, w->run, draw_hot(w));
	return true;
}

bool step_ensure(struct shape_worker *w)
{
	void *value = w->run, *actual;

	shape_must(KEYED(smap_load_or_store, w->run, draw_hot(w), value, &actual), "ensure");
	w->ops++;
	return true;
}

bool step_take(struct shape_worker *w)
{
	uint64_t key = draw(w) % w->run->keys;
	void *value;

	smap_read_lock(); /* the value is freed once we have left */
	w->ops += KEYED(smap_load_and_delete, w->run, key, &value);
	smap_read_unlock();
	put(w->run, key);
	return true;
}

bool step_gone(struct shape_worker *w)
{
	w->ops += !KEYED(smap_delete, w->run, ABSENT_BASE + draw(w) % w->run->keys);
	return true;
}

bool step_roam(struct shape_worker *w)
{
	uint64_t key = draw(w) % w->run->keys;

	if (!KEYED(smap_delete, w->run, key))
		put(w->run, key);
	w->ops++;
	return true;
}

bool step_refill(struct shape_worker *w)
{
	for (uint64_t key = 0; key < w->run->keys; key++)
		put(w->run, key);
	w->ops += w->run->keys;
	return false;
}

/* Stored, missed until it promotes, and gone. */
bool step_brief(struct shape_worker *w)
{
	struct smap_options options = {
		.size = sizeof(options), .name = "brief", .key_kind = SMAP_KEY_U64};
	struct smap *map;
	void *value;

	shape_must(smap_create(&map, &options), "smap_create");
	for (uint64_t key = 0; key < w->actor->arg; key++)
		shape_must(smap_store_u64(map, key, w), "store");
	for (uint64_t key = 0; key <= w->actor->arg; key++)
		smap_load_u64(map, key, &value);
	smap_destroy(map);
	w->ops++;
	return true;
}

bool step_sweep(struct shape_worker *w)
{
	step_promote(w);
	return step_fresh(w);
}

bool step_absent(struct shape_worker *w)
{
	get(w, ABSENT_BASE + draw(w) % (w->run->keys + 1));
	return true;
}

bool step_trudge(struct shape_worker *w)
{
	step_absent(w);
	shape_sleep_until(shape_now_ns() + w->actor->arg * MS_NS);
	return true;
}

bool step_newest(struct shape_worker *w)
{
	/* Relaxed: as above. */
	get(w, FRESH_BASE + atomic_load_explicit(&w->run->serial, memory_order_relaxed) - 1);
	return true;
}

bool step_fresh(struct shape_worker *w)
{
	put(w->run, FRESH_BASE + next_fresh(w->run));
	w->ops++;
	return true;
}

bool step_window(struct shape_worker *w)
{
	uint64_t serial = next_fresh(w->run);

	put(w->run, FRESH_BASE + serial);
	w->ops++;
	if (serial >= w->actor->arg)
		w->ops += KEYED(smap_delete, w->run, FRESH_BASE + serial - w->actor->arg);
	return true;
}

bool step_reload(struct shape_worker *w)
{
	/* Relaxed: as above. */
	get(w, FRESH_BASE + atomic_load_explicit(&w->run->serial, memory_order_relaxed));
	return step_window(w);
}

bool step_chunk(struct shape_worker *w)
{
	for (uint64_t i = 0; i < w->actor->arg; i++)
		step_fresh(w);
	return true;
}

bool step_batch(struct shape_worker *w)
{
	for (uint64_t i = 0; i < w->actor->arg; i++)
		step_absent(w);
	return true;
}

/* The remedy is one Range after the load. */
bool step_burst(struct shape_worker *w)
{
	for (uint64_t i = 0; i < w->actor->arg; i++)
		step_fresh(w);
	if (w->run->remedy)
		step_promote(w);
	return false;
}

/* The window is as long as there are old keys. */
bool step_cascade(struct shape_worker *w)
{
	uint64_t serial = next_fresh(w->run);

	put(w->run, FRESH_BASE + serial);
	if (serial >= w->run->keys)
		KEYED(smap_delete, w->run, FRESH_BASE + serial - w->run->keys);
	for (uint64_t i = 0; i < w->actor->arg; i++)
		step_absent(w);
	w->ops++;
	return true;
}

bool step_replace(struct shape_worker *w)
{
	put(w->run, draw(w) % w->run->keys);
	w->ops++;
	return true;
}

bool step_remove(struct shape_worker *w)
{
	w->ops += KEYED(smap_delete, w->run, w->cursor);
	return ++w->cursor < w->run->keys;
}

bool step_restore(struct shape_worker *w)
{
	uint64_t key = draw(w) % w->run->keys;

	KEYED(smap_delete, w->run, key);
	put(w->run, key);
	w->ops += 2;
	return true;
}

bool step_compare(struct shape_worker *w)
{
	void *value;

	smap_read_lock();
	if (KEYED(smap_load, w->run, w->cursor, &value))
		w->ops += KEYED(smap_compare_and_delete, w->run, w->cursor, value);
	smap_read_unlock();
	return ++w->cursor < w->run->keys;
}

static bool seen_bytes(const void *key, size_t len, void *value, void *ctx)
{
	(void)key, (void)len, (void)value, (void)ctx;
	return false;
}

static bool seen_u64(uint64_t key, void *value, void *ctx)
{
	(void)key, (void)value, (void)ctx;
	return false;
}

bool step_promote(struct shape_worker *w)
{
	if (w->run->shape->bytes)
		smap_range(w->run->map, seen_bytes, NULL);
	else
		smap_range_u64(w->run->map, seen_u64, NULL);
	return true;
}

bool step_clear(struct shape_worker *w)
{
	shape_must(smap_clear(w->run->map), "clear");
	w->ops++;
	return true;
}

/* The remedy is a section of a millisecond. */
bool step_hold(struct shape_worker *w)
{
	uint64_t end = shape_now_ns() + (w->run->remedy ? 1 : w->actor->arg) * MS_NS;

	smap_read_lock();
	step_hit(w);
	/* Relaxed: a flag alone. */
	while (shape_now_ns() < end && !atomic_load_explicit(&w->run->stop, memory_order_relaxed))
		shape_sleep_until(shape_now_ns() + MS_NS);
	smap_read_unlock();
	return true;
}

bool step_spin(struct shape_worker *w)
{
	for (volatile unsigned i = 0; i < SPIN_ROUNDS; i++)
		;
	(void)w;
	return true;
}

bool step_calm(struct shape_worker *w)
{
	void *value;

	if (!w->run->shape->calm)
		return false;
	smap_load_u64(w->run->calm[draw(w) % w->run->shape->calm], draw(w) % 100, &value);
	return true;
}

/* Of values that the map does not free. */
bool step_snapshot(struct shape_worker *w)
{
	struct smap_snapshot *snapshot;

	shape_must(smap_snapshot(w->run->map, &snapshot, NULL), "smap_snapshot");
	smap_snapshot_unref(snapshot);
	w->ops++;
	return true;
}

/* The child wakes us; it touches no map. */
bool step_pause(struct shape_worker *w)
{
	pid_t parent = getpid(), child = fork();

	shape_must(child < 0 ? -errno : 0, "fork");
	if (!child) {
		kill(parent, SIGSTOP);
		shape_sleep_until(shape_now_ns() + w->actor->arg * MS_NS);
		kill(parent, SIGCONT);
		_exit(0);
	}
	waitpid(child, NULL, 0);
	return false;
}

static pid_t find_reclaimer(void)
{
	char path[64], name[32] = "";
	struct dirent *entry;
	DIR *dir = opendir("/proc/self/task");
	pid_t found = 0;

	while (dir && !found && (entry = readdir(dir))) {
		FILE *file;

		snprintf(path, sizeof(path), "/proc/self/task/%.16s/comm", entry->d_name);
		file = fopen(path, "r");
		if (file && fgets(name, sizeof(name), file) && strcmp(name, "smap-reclaim\n") == 0)
			found = (pid_t)atoi(entry->d_name);
		if (file)
			fclose(file);
	}
	if (dir)
		closedir(dir);
	return found;
}

/*
 * The trap begins with the last round of the reclaimer: the least that there is of it may still
 * run now and then, and frees everything. Not later than when it is due to be found.
 */
static void note_round(struct shape_run *run, uint64_t *rounds)
{
	/* Relaxed: only this thread changes it from here on; read after the join. */
	uint64_t since = atomic_load_explicit(&run->trap_ns, memory_order_relaxed);
	uint64_t made = *(volatile const smap_u64 *)&smap_registry.reclaimer_runs;
	uint64_t now = shape_now_ns();

	if (made != *rounds && (double)(now - since) <= (run->shape->minimum + 1) * SEC_NS)
		atomic_store_explicit(&run->trap_ns, now, memory_order_relaxed);
	*rounds = made;
}

/* The reclaimer idles on one CPU, and this thread, at the best nice value it may have, burns it. */
bool step_starve(struct shape_worker *w)
{
	struct sched_param param = {0};
	pid_t tid = find_reclaimer();
	uint64_t rounds = 0;
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(sched_getcpu(), &set);
	sched_setaffinity(0, sizeof(set), &set);
	setpriority(PRIO_PROCESS, (id_t)gettid(), -20);
	if (!tid || sched_setaffinity(tid, sizeof(set), &set) ||
	    sched_setscheduler(tid, SCHED_IDLE, &param))
		shape_must(-EPERM, "cannot slow the reclaimer down");
	/* Relaxed: a flag alone. */
	while (!atomic_load_explicit(&w->run->stop, memory_order_relaxed)) {
		for (unsigned i = 0; i < 64; i++)
			step_spin(w);
		note_round(w->run, &rounds);
	}
	return false;
}

void shape_fill(struct shape_run *run)
{
	struct shape_worker w = {.run = run};

	for (uint64_t key = 0; key < run->keys; key++)
		put(run, key);
	if (!run->shape->cold)
		step_promote(&w);
}
