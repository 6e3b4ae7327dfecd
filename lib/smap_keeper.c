/* SPDX-License-Identifier: MIT */
/*
 * smap_keeper.c - the reclaimer thread: one per process, started with the first map.
 *
 * It takes steps of reclamation with naps between, shorter ones when there is much
 * to do, looks now and then for batches of misses that are due, and sleeps when
 * there is nothing. Falling asleep is the usual two-sided handshake: the thread
 * raises `sleeping` and then looks at everything once more; who retires something
 * puts it down first and then looks at `sleeping`. Both sides look under a lock,
 * so at least one of them sees the other.
 */
#include <errno.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "smap_internal.h"

#define BUSY_ITEMS 1024		  /* a round with so many: come back soon */
#define BUSY_NAP_NS 1000000	  /* 1 ms */
#define IDLE_NAP_NS 5000000	  /* 5 ms */
#define IDLE_ROUNDS 20		  /* then sleep until somebody retires something */
#define BATCH_LOOK_NS 20000000	  /* how often to look for batches of misses that are due */
#define KEEPER_STACK (256 * 1024) /* value_free runs on it */

static struct {
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool sleeping, stop, running;
	pid_t pid; /* of the process that has the thread: not a forked child */
	pthread_t thread;
} keeper = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.wake = PTHREAD_COND_INITIALIZER,
};

/* Sleep, but not through a stop. */
static bool nap(uint64_t ns)
{
	struct timespec until;
	bool stop;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += (long)ns;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	pthread_mutex_lock(&keeper.lock);
	if (!keeper.stop)
		pthread_cond_clockwait(&keeper.wake, &keeper.lock, CLOCK_MONOTONIC, &until);
	stop = keeper.stop;
	pthread_mutex_unlock(&keeper.lock);
	return !stop;
}

/*
 * Sleep until there is something to do. The flag is raised first and everything looked at once
 * more after it: who retired before the look was seen, who retires after it sees the flag.
 */
static bool sleep_until_woken(void)
{
	uint64_t items;
	bool stop;

	pthread_mutex_lock(&keeper.lock);
	keeper.sleeping = true;
	pthread_mutex_unlock(&keeper.lock);
	if (smap_reclaim_step(&items) || smap_flush_stale_batches(false))
		smap_wake_keeper();
	pthread_mutex_lock(&keeper.lock);
	while (keeper.sleeping && !keeper.stop)
		pthread_cond_wait(&keeper.wake, &keeper.lock);
	stop = keeper.stop;
	pthread_mutex_unlock(&keeper.lock);
	return !stop;
}

static void *keeper_main(void *arg)
{
	uint64_t looked_ns = 0;
	bool pending = false;
	unsigned idle = 0;

	(void)arg;
	for (;;) {
		uint64_t items, now = smap_now_ns();
		bool busy = smap_reclaim_step(&items);

		if (now - looked_ns >= BATCH_LOOK_NS) { /* goes over all maps: not every round */
			looked_ns = now;
			pending = smap_flush_stale_batches(false);
		}
		idle = busy || pending ? 0 : idle + 1;
		if (idle >= IDLE_ROUNDS) {
			idle = 0;
			if (!sleep_until_woken())
				break;
		} else if (!nap(items >= BUSY_ITEMS ? BUSY_NAP_NS : IDLE_NAP_NS)) {
			break;
		}
	}
	return NULL;
}

static int start_thread(void)
{
	pthread_attr_t attr;
	sigset_t all, old;
	int err;

	err = pthread_attr_init(&attr);
	if (err)
		return -err;
	(void)pthread_attr_setstacksize(&attr, KEEPER_STACK);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old); /* signals are the program's, not ours */
	err = pthread_create(&keeper.thread, &attr, keeper_main, NULL);
	if (err == EINVAL) /* the program's thread-local data alone is larger than our stack */
		err = pthread_create(&keeper.thread, NULL, keeper_main, NULL);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	if (err)
		return -err;
	pthread_setname_np(keeper.thread, "smap-reclaim");
	keeper.running = true;
	keeper.pid = getpid();
	return 0;
}

void smap_wake_keeper(void)
{
	pthread_mutex_lock(&keeper.lock);
	if (keeper.sleeping) {
		keeper.sleeping = false;
		pthread_cond_signal(&keeper.wake);
	} else if (smap_unlikely(!keeper.running)) {
		(void)start_thread(); /* a forked child's first; if refused, with the next item */
	}
	pthread_mutex_unlock(&keeper.lock);
}

int smap_smr_start(void)
{
	int err = 0;

	if (!smap_fork_handled)
		return -ENOMEM;
	pthread_mutex_lock(&keeper.lock);
	if (!keeper.running)
		err = start_thread();
	pthread_mutex_unlock(&keeper.lock);
	return err;
}

void smap_keeper_fork_lock(void)
{
	pthread_mutex_lock(&keeper.lock);
}

/* The child is without the thread, unless that has forked; the next item retired starts it. */
void smap_keeper_fork_unlock(bool is_child)
{
	if (is_child) {
		keeper.wake = (pthread_cond_t)PTHREAD_COND_INITIALIZER; /* nobody waits here */
		keeper.sleeping = false;
		keeper.running = keeper.running && pthread_equal(keeper.thread, pthread_self());
		keeper.pid = getpid();
	}
	pthread_mutex_unlock(&keeper.lock);
}

/*
 * exit() or dlclose(): stop the thread, unless we are it, and tell listeners the last misses. A
 * forked child may be without the thread, and, made by _Fork(), have a lock that nobody will
 * ever release.
 */
__attribute__((destructor)) static void keeper_unload(void)
{
	if (!keeper.running || keeper.pid != getpid())
		return;
	pthread_mutex_lock(&keeper.lock);
	keeper.stop = true;
	pthread_cond_broadcast(&keeper.wake);
	pthread_mutex_unlock(&keeper.lock);
	if (!pthread_equal(keeper.thread, pthread_self()))
		pthread_join(keeper.thread, NULL);
	smap_flush_stale_batches(true);
}
