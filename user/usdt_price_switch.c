/* SPDX-License-Identifier: MIT */
/*
 * usdt_price_switch.c - what --offcpu costs here, measured with the program and the link of
 * the trace.
 *
 * Model: two threads of ours on one CPU wake each other and sleep, in short rounds, each
 * handing over being a switch: without the program; with it; while they say that they wait
 * for the mutex of a map that looks like one in use; and with call stacks of that. A price is what
 * the fastest round of each took longer than that of the one before. No real map is needed: the
 * program finds a thread's word by its distance from the thread pointer, and reads of a map
 * only the head.
 *
 * Rejected: running the program by BPF_PROG_RUN, which is a system call each time and leaves
 * out how it is reached; the kernel's own statistics of run time, which take CAP_SYS_ADMIN.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>
#include "log.h"
#include "usdt.h"
#include "usdt.skel.h"

#define ROUNDS 60
#define TURNS 10 /* per round: there and back */
/* For the rounds of a kind: where others take the CPU at each hand-over, all would take seconds. */
#define PATIENCE_NS 100000000ULL
#define FALLBACK_NS 300 /* of each, where it cannot be measured */

/* Initial-exec, as libsmap's own: the distance is the same in both threads. */
static __thread struct smap_held held __attribute__((tls_model("initial-exec")));

static int64_t held_distance(void)
{
	uintptr_t thread = 0;

#if defined(__x86_64__)
	__asm__("mov %%fs:0, %0" : "=r"(thread));
#elif defined(__aarch64__)
	__asm__("mrs %0, tpidr_el0" : "=r"(thread));
#endif
	return thread ? (int64_t)((uintptr_t)&held - thread) : 0;
}

/* --- two threads that hand over ---------------------------------------------------- */

struct pair {
	sem_t there, back;
	bool at_mutex; /* as of this turn; ordered by the semaphores */
	bool over;     /* likewise */
};

/* What this thread says when it leaves its CPU, which is where the program reads it. */
static void say(bool at_mutex)
{
	uint64_t word = at_mutex ? usdt_price_map.self | SMAP_HELD_WAITS : 0;

	held.frame = (uintptr_t)__builtin_frame_address(0);
	/* Relaxed: read in this thread only, by the program. */
	atomic_store_explicit(&held.map, word, memory_order_relaxed);
}

static void wait_for(sem_t *sem)
{
	while (sem_wait(sem) && errno == EINTR)
		;
}

static void *other_main(void *arg)
{
	struct pair *pair = arg;

	for (;;) {
		say(pair->at_mutex);
		wait_for(&pair->there);
		say(false);
		if (pair->over)
			return NULL;
		sem_post(&pair->back);
	}
}

/* Nanoseconds per switch in the fastest round: on a busy machine others run in most of them. */
static double time_switches(const struct usdt *usdt, struct pair *pair, bool at_mutex)
{
	uint64_t until = usdt_now_ns() + PATIENCE_NS;
	double best = 0;

	pair->at_mutex = at_mutex;
	for (unsigned i = 0; i < ROUNDS && (!i || usdt_now_ns() < until); i++) {
		uint64_t start = usdt_now_ns();
		double took;

		for (unsigned turn = 0; turn < TURNS; turn++) {
			sem_post(&pair->there);
			say(at_mutex);
			wait_for(&pair->back);
			say(false);
		}
		took = (double)(usdt_now_ns() - start) / (2 * TURNS);
		if (!i || took < best)
			best = took;
		(void)ring_buffer__consume(usdt->ring); /* stacks of nobody */
	}
	return best;
}

/* --- measuring ---------------------------------------------------------------------- */

/* Both on the CPU that we are on: a switch is then all that handing over takes. */
static int stay_here(cpu_set_t *ret_before)
{
	int cpu = sched_getcpu();
	cpu_set_t here;

	if (cpu < 0 || cpu >= CPU_SETSIZE)
		return -ENOSYS;
	if (sched_getaffinity(0, sizeof(*ret_before), ret_before))
		return -errno;
	CPU_ZERO(&here);
	CPU_SET(cpu, &here);
	return sched_setaffinity(0, sizeof(here), &here) ? -errno : 0;
}

static int show_ourselves(const struct usdt *usdt, bool on)
{
	int fd = bpf_map__fd(usdt->skel->maps.holders);
	__u32 pid = (__u32)getpid();
	struct st_holders at = {
		.count = 1,
		.holder = {{.offset = held_distance(), .target = ST_COOKIE_COST}},
	};

	if (!on)
		return bpf_map_delete_elem(fd, &pid);
	return at.holder[0].offset ? bpf_map_update_elem(fd, &pid, &at, BPF_ANY) : -ENOSYS;
}

static double difference(double now, double before)
{
	return now > before + 1 ? now - before : 1;
}

/* *ret_attach_err: of the one thing that has to be done in any case. */
static void measure(struct usdt *usdt, struct pair *pair, int *ret_attach_err)
{
	double bare = time_switches(usdt, pair, false), looked, kept, stacks;

	*ret_attach_err = usdt_offcpu_attach(usdt);
	if (*ret_attach_err || show_ourselves(usdt, true))
		return;
	looked = time_switches(usdt, pair, false);
	usdt->skel->bss->stacks_paused = 1;
	kept = time_switches(usdt, pair, true);
	usdt->skel->bss->stacks_paused = 0;
	stacks = time_switches(usdt, pair, true);
	usdt->price.look = difference(looked, bare);
	usdt->price.interval = difference(kept, looked);
	if (!usdt->probe_stacks) /* else measured at a probe */
		usdt->price.stack = difference(stacks, kept);
}

/* A switch that was not traced may have left one of ours; there are no others yet. */
static void clean_up(const struct usdt *usdt)
{
	int fd = bpf_map__fd(usdt->skel->maps.offcpu);
	__u32 tid;

	(void)show_ourselves(usdt, false);
	while (bpf_map_get_next_key(fd, NULL, &tid) == 0 && bpf_map_delete_elem(fd, &tid) == 0)
		;
	usdt->skel->bss->offcpu_now = 0;
	usdt_price_forget(usdt);
}

int usdt_measure_switches(struct usdt *usdt)
{
	struct pair pair = {0};
	cpu_set_t before;
	pthread_t other;
	int pinned, err, attach_err = 0;

	if (!usdt->offcpu)
		return 0;
	usdt->price.look = usdt->price.interval = FALLBACK_NS;
	if (!usdt->probe_stacks)
		usdt->price.stack = FALLBACK_NS;
	sem_init(&pair.there, 0, 0);
	sem_init(&pair.back, 0, 0);
	pinned = stay_here(&before);
	err = pinned ? pinned : -pthread_create(&other, NULL, other_main, &pair);
	if (err) {
		log_debug("cannot measure what a switch costs, taking %d ns: %s", FALLBACK_NS,
			  strerror(-err));
		attach_err = usdt_offcpu_attach(usdt);
	} else {
		measure(usdt, &pair, &attach_err);
		pair.over = true;
		sem_post(&pair.there);
		pthread_join(other, NULL);
		clean_up(usdt);
	}
	if (!pinned)
		(void)sched_setaffinity(0, sizeof(before), &before);
	log_debug("with --offcpu a switch costs %.0f ns, at a mutex %.0f more, with its stack "
		  "%.0f more",
		  usdt->price.look, usdt->price.interval, usdt->price.stack);
	return attach_err;
}
