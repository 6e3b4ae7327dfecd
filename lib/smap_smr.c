/* SPDX-License-Identifier: MIT */
/*
 * smap_smr.c - read sections and deferred reclamation.
 *
 * MODEL. Each thread has a section word, seq: odd inside a read section, even
 * outside, larger after each section. Memory that was unlinked (no new reader
 * can find it) waits in a bag of the thread that unlinked it. The reclaimer
 * collects the bags, starts a batch, and frees the batch when each thread that
 * was inside a section at the start has left it. Quiescence by a parity word is
 * the classic scheme of user-space RCU (Desnoyers et al., TPDS 2012); making
 * the writer pay for the reader's barrier through membarrier(2) is its `memb`
 * flavour. Nothing here is taken from it but the idea.
 *
 * PROOF that a reader R never touches freed memory X. start_batch() (smap_reclaim.c) runs after X
 * was unlinked, and executes a barrier on every CPU that runs a thread of this
 * process (membarrier, private expedited) between the unlinking and the first
 * look at R's word. Consider the barrier on R's CPU. Either R's store of the odd
 * word was before it: then we see the odd word (or a later one) and wait for it
 * to change; the change is a release after R's last access, our look an acquire.
 * Or it was after: then R's load of the pointer, which is later in program order,
 * is after the barrier too, and sees X unlinked. In both cases R does not hold
 * X when we free it. Words are 64 bit and do not wrap.
 *
 * Where membarrier is refused from the start (seccomp, old kernels), smap_self stays
 * at nobody, each enter goes to smap_enter_slow(), and a full fence after the store of
 * the word does the reader's half. Where it is refused later, see smap_heavy_barrier().
 *
 * Invariants
 * S1 A reader never waits and never allocates (but for its first section ever).
 * S2 Only the owner writes seq and fills its bag; only the reclaimer empties bags.
 * S3, S4: see smap_reclaim.c.
 */
#include <errno.h>
#include <linux/membarrier.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "smap_internal.h"

#define STATIC_THREADS 64 /* before the first mapping is needed */
#define CHUNK_THREADS 256

static struct smap_thread static_threads[STATIC_THREADS];

struct smap_thread_state smap_nobody = {.seq = 1};
/*
 * Protected: where two copies of the library are in a process, each of them, and what was linked
 * together with it, has its own. The record of one is none to the other's reclaimer.
 */
__attribute__((visibility("protected"))) __thread struct smap_thread_state *smap_self =
	&smap_nobody;
static _Thread_local struct smap_thread *self_always
	__attribute__((tls_model("initial-exec"))); /* this thread's record, once it has one */
_Thread_local bool smap_in_callback;
bool smap_fenced_readers;

static pthread_key_t key;
static bool has_key;

/* --- threads ---------------------------------------------------------------- */

static struct smap_thread *from_address(uint64_t address)
{
	return (struct smap_thread *)(uintptr_t)address;
}

static bool claim(struct smap_thread *thread, uint32_t tid)
{
	uint32_t expected = 0;

	/* Acquire: pairs with the release in thread_exit(): the record is empty. */
	return atomic_compare_exchange_strong_explicit(&thread->state.tid, &expected, tid,
						       memory_order_acquire, memory_order_relaxed);
}

/* Put n fresh records in front of the chain; the first is claimed. */
static struct smap_thread *link_threads(struct smap_thread *chunk, unsigned n, uint32_t tid)
{
	_Atomic uint64_t *head = &smap_registry.threads;
	/* relaxed: re-checked by the compare-and-swap */
	uint64_t first = atomic_load_explicit(head, memory_order_relaxed);

	for (unsigned i = 0; i < n; i++) {
		pthread_mutex_init(&chunk[i].lock, NULL);
		chunk[i].stripe = i % SMAP_STRIPES;
		/* relaxed: ordered by the compare-and-swap of the chain's head */
		atomic_store_explicit(&chunk[i].state.next, (uintptr_t)&chunk[i + 1],
				      memory_order_relaxed);
	}
	/* relaxed: as above */
	atomic_store_explicit(&chunk[0].state.tid, tid, memory_order_relaxed);
	do {
		/* relaxed: as above */
		atomic_store_explicit(&chunk[n - 1].state.next, first, memory_order_relaxed);
		/* Release: pairs with the acquire in smap_first_thread(); publishes the records. */
	} while (!atomic_compare_exchange_weak_explicit(
		head, &first, (uintptr_t)chunk, memory_order_release, memory_order_relaxed));
	return chunk;
}

struct smap_thread *smap_first_thread(void)
{
	/* Acquire: pairs with the release in link_threads(): the records are filled in. */
	return from_address(atomic_load_explicit(&smap_registry.threads, memory_order_acquire));
}

struct smap_thread *smap_next_thread(const struct smap_thread *thread)
{
	/* relaxed: constant since the head was acquired */
	return from_address(atomic_load_explicit(&thread->state.next, memory_order_relaxed));
}

static struct smap_thread *register_thread(void)
{
	uint32_t tid = (uint32_t)syscall(SYS_gettid);

	for (;;) {
		static _Atomic(bool) static_used;
		struct smap_thread *chunk;

		for (struct smap_thread *t = smap_first_thread(); t; t = smap_next_thread(t)) {
			/* relaxed: re-checked by claim() */
			if (!atomic_load_explicit(&t->state.tid, memory_order_relaxed) &&
			    claim(t, tid))
				return t;
		}
		/* relaxed: only decides who links the static records */
		if (!atomic_exchange_explicit(&static_used, true, memory_order_relaxed))
			return link_threads(static_threads, STATIC_THREADS, tid);
		chunk = aligned_alloc(_Alignof(struct smap_thread), CHUNK_THREADS * sizeof(*chunk));
		if (chunk) {
			memset(chunk, 0, CHUNK_THREADS * sizeof(*chunk));
			return link_threads(chunk, CHUNK_THREADS, tid);
		}
		sched_yield(); /* no memory for a new thread's record: until one is given back */
	}
}

/* pthread key destructor. What is in the bag stays there: the reclaimer looks at all records. */
static void thread_exit(void *arg)
{
	struct smap_thread *self = arg;

	/* relaxed: owner-only */
	uint64_t seq = atomic_load_explicit(&self->state.seq, memory_order_relaxed);

	smap_self = &smap_nobody;
	self_always = NULL;
	self->depth = 0;
	/* Ended inside a section (pthread_exit in a Range callback): the section ends here. */
	if (seq & 1)
		smap_exit(self, seq - 1);
	/* Release: pairs with the acquire in claim(). */
	atomic_store_explicit(&self->state.tid, 0, memory_order_release);
}

static struct smap_thread *self_register(void)
{
	struct smap_thread *self = register_thread();

	self->depth = 0;
	/* Without the key (out of memory) the record is not given back at exit; no harm else. */
	if (has_key)
		(void)pthread_setspecific(key, self);
	self_always = self;
	if (!smap_fenced_readers)
		smap_self = &self->state;
	return self;
}

struct smap_thread *smap_enter_slow(uint64_t *ret_seq)
{
	struct smap_thread *self = self_always;

	if (!self)
		self = self_register();
	/* relaxed: owner-only */
	*ret_seq = atomic_load_explicit(&self->state.seq, memory_order_relaxed);
	/* seq_cst: the reader's half of the barrier; pairs with start_batch(). */
	atomic_exchange_explicit(&self->state.seq, *ret_seq | 1, memory_order_seq_cst);
	smap_full_fence(); /* the exchange alone does not order later acquire loads in C11 */
	return self;
}

SMAP_PUBLIC void smap_read_lock(void)
{
	struct smap_thread *self = self_always;
	uint64_t seq;

	if (self && self->depth++)
		return;
	self = smap_enter(&seq);
	self->depth = 1;
	self->outer_seq = seq; /* odd when inside an operation: a Range callback */
}

SMAP_PUBLIC void smap_read_unlock(void)
{
	struct smap_thread *self = self_always;

	if (!self || !self->depth || --self->depth)
		return;
	smap_exit(self, self->outer_seq);
}

bool smap_cannot_wait(void)
{
	/* relaxed: owner-only */
	return smap_in_callback ||
	       (self_always &&
		(atomic_load_explicit(&self_always->state.seq, memory_order_relaxed) & 1));
}

/* --- retiring --------------------------------------------------------------- */

/*
 * The reserve is touched by the owner alone and without the lock, so that nothing is held between
 * begin and commit, when the owner may wait for a map's mutex.
 */
int smap_retire_begin(struct smap_thread *self, bool must)
{
	if (!self->reserve)
		self->reserve =
			malloc(sizeof(struct smap_bag) + SMAP_BAG_ITEMS * sizeof(struct smap_item));
	return self->reserve || must ? 0 : -ENOMEM;
}

static void push_bag(struct smap_thread *self, struct smap_bag *bag, uint32_t capacity,
		     _Atomic(bool) *own_busy)
{
	bag->count = 0;
	bag->capacity = capacity;
	bag->own_busy = own_busy;
	bag->since_ns = smap_now_ns();
	bag->next = self->bag;
	atomic_signal_fence(memory_order_release); /* a forked child finds the list whole */
	self->bag = bag;
}

/* With the thread's lock: a bag with room for one more item, or NULL. */
static struct smap_bag *bag_with_room(struct smap_thread *self)
{
	if (self->bag && self->bag->count < self->bag->capacity)
		return self->bag;
	if (self->reserve) {
		push_bag(self, self->reserve, SMAP_BAG_ITEMS, NULL);
		self->reserve = NULL;
		return self->bag;
	}
	/* Acquire: pairs with the release in smap_reclaim.c: its items have been freed. */
	if (!atomic_load_explicit(&self->own_busy, memory_order_acquire)) {
		/* relaxed: owner-only until the bag is handed over under the lock */
		atomic_store_explicit(&self->own_busy, true, memory_order_relaxed);
		push_bag(self, &self->own, SMAP_SPARE, &self->own_busy);
		return self->bag;
	}
	return NULL;
}

void smap_retire_commit(struct smap_thread *self, struct smap *map, void *value)
{
	struct smap_bag *bag;
	bool first = false;

	if (!value)
		return;
	pthread_mutex_lock(&self->lock);
	bag = bag_with_room(self);
	if (bag) {
		first = bag->count == 0;
		bag->items[bag->count] = (struct smap_item){value, map};
		atomic_signal_fence(memory_order_release); /* as in push_bag() */
		bag->count++;
	}
	pthread_mutex_unlock(&self->lock);
	if (!bag)
		/* relaxed: counter */
		atomic_fetch_add_explicit(&map->state.leaked, 1, memory_order_relaxed);
	/* Asleep means that all bags were empty: only a bag's first item can find it so. */
	if (first)
		smap_wake_keeper();
}

/*
 * In the child of a fork: the other threads are gone, wherever they were. Their sections end, and
 * what they have retired stays in their bags. A bag is changed by one store at a time, so that
 * its lock, which one of them may have held, guards nothing that is half done.
 */
void smap_threads_forked(void)
{
	for (struct smap_thread *t = smap_first_thread(); t; t = smap_next_thread(t)) {
		uint32_t tid = t == self_always ? (uint32_t)syscall(SYS_gettid) : 0;
		/* relaxed: there is no other thread, here and below */
		uint64_t seq = atomic_load_explicit(&t->state.seq, memory_order_relaxed);

		/* relaxed: as above */
		atomic_store_explicit(&t->state.tid, tid, memory_order_relaxed);
		if (tid)
			continue;
		/* relaxed: as above */
		atomic_store_explicit(&t->state.seq, seq + (seq & 1), memory_order_relaxed);
		pthread_mutex_init(&t->lock, NULL);
		if (t->reserve == t->bag) /* handed over, but not yet forgotten */
			t->reserve = NULL;
	}
}

/* True if membarrier(2) may be used; to be asked again when it fails later. */
static bool register_barrier(void)
{
	return syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0;
}

#if defined(__x86_64__)
/*
 * Taking write permission from a page that was just written makes the kernel interrupt every CPU
 * that runs a thread of the process, which is a full barrier there.
 */
static bool barrier_by_interrupt(void)
{
	static char *page;
	const size_t size = 4096;

	if (!page) {
		void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			       0);

		if (p == MAP_FAILED)
			return false;
		page = p;
	}
	if (mprotect(page, size, PROT_READ | PROT_WRITE))
		return false;
	*(volatile char *)page = 1;
	return mprotect(page, size, PROT_READ) == 0;
}
#else
static bool barrier_by_interrupt(void)
{
	return false;
}
#endif

/*
 * The writer's half of the barrier, on all CPUs that run our threads. A program may forbid
 * membarrier after it was loaded (seccomp): then another way, and if there is none, false,
 * and nothing is freed any more: memory is lost, never safety. The backlog shows it.
 */
bool smap_heavy_barrier(void)
{
	if (smap_fenced_readers) {
		smap_full_fence();
		return true;
	}
	if (syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) == 0)
		return true;
	if (register_barrier() &&
	    syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) == 0)
		return true;
	return barrier_by_interrupt();
}

/* Before the constructors of the program: they may make maps. */
__attribute__((constructor(101))) static void smr_load(void)
{
	has_key = pthread_key_create(&key, thread_exit) == 0;
	smap_fenced_readers = !register_barrier();
}

/* dlclose(): let no thread's exit call into code that is gone. */
__attribute__((destructor)) static void smr_unload(void)
{
	if (has_key)
		pthread_key_delete(key);
}
