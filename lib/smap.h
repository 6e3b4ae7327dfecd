/* SPDX-License-Identifier: MIT */
/*
 * smap.h - a concurrent map with the algorithm of Go's classic sync.Map.
 *
 * Two views of one set of entries: `read` is published and read without locks;
 * `dirty` stands behind a mutex and holds every live entry of read plus the new
 * keys. An operation that has to go to dirty counts a miss; enough misses
 * promote dirty to read, one pointer store. The first new key after a promotion
 * rebuilds dirty from read and expunges what was deleted. The algorithm and its
 * names are those of Go 1.23's src/sync/map.go.
 *
 *	struct smap *map;
 *	struct smap_options opts = { .size = sizeof(opts), .name = "sessions" };
 *
 *	if (smap_create(&map, &opts) == 0) {
 *		smap_store(map, "alice", 5, session);
 *		smap_read_lock();
 *		if (smap_load(map, "alice", 5, &value))
 *			use(value);		// stays valid until the unlock
 *		smap_read_unlock();
 *		smap_destroy(map);
 *	}
 *
 * Keys are byte strings (any bytes, any length up to SMAP_KEY_MAX, copied in)
 * or uint64_t, chosen once per map; each operation has a `_u64` twin. Using the
 * wrong twin is -EINVAL from functions that return int, false from the others.
 * Values are any `void *` but NULL; a NULL value is -EINVAL (false from bool).
 *
 * Any thread may call any function at any time without registering, from a
 * Range callback too; not from signal handlers, and not from a value_free
 * callback on the same map's smap_destroy. The exceptions are named at each
 * function.
 *
 * FORK. The child of fork() may go on using its copy of every map, and destroy it: fork() waits
 * until nobody holds a lock of the library (short times; it waits for no reader, no
 * grace period and no value_free), and the child starts a reclaimer of its own when it first
 * needs one. The other threads are not in the child: their read sections have ended, and what
 * they were in the midst of has happened or not. So each of them may leave one value behind that
 * is never freed there and one key that smap_len() miscounts; a value that another
 * thread was giving to value_free at the fork counts as freed. Do not fork in a hash or
 * in a signal handler that may interrupt a call of this library; the children of vfork(),
 * _Fork() and a bare clone() may only exec or _exit, as the handlers do not run there.
 *
 * GUARANTEES
 *
 * G1 Each operation on one key is linearizable: it takes effect at one instant
 *    between its call and its return, in one order that all threads agree on.
 * G2 What a thread wrote before it stored a value is visible to the thread that
 *    gets the value (store releases, load acquires). A delete is a write, in this
 *    sense, only when it removed something.
 * G3 Misses, promotions, rebuilds, copies and expunges happen exactly when they
 *    would in Go 1.23 for the same sequence of operations, unless an option
 *    asks for better. Moving to a larger table changes none of them.
 * G4 Range meets no key twice; it meets every key that is present throughout
 *    the call, and of a key that is stored or deleted meanwhile it reports some
 *    mapping that held during the call, or none. It is no snapshot.
 * G5 Clear is one instant: afterwards nothing stored before it is there.
 * G6 Inside a read section, every value and key pointer got there stays valid
 *    until the section ends. With value_free set, a value that left the map is
 *    freed exactly once, after every section that could hold it has ended. (When
 *    no memory at all can be had, a thread keeps 32 deleted values waiting;
 *    what goes beyond is given up and counted in smap_state.leaked.)
 * G7 -ENOMEM leaves the map as it was, and the caller owns the value.
 * G8 The counters of smap_inspect() are exact, also while probes fire.
 *
 * PROGRESS
 *
 * P1 A load that finds its key in read, or finds it absent while dirty holds no
 *    new key, is wait-free: it takes no lock and writes no shared memory but
 *    its own thread's section word. It follows at most one forwarding pointer
 *    for each growth that overlaps it.
 * P2 A store or delete on a key in read that has a value, or had one since the last
 *    rebuild, takes no lock of the map, unless a snapshot is being taken. Without
 *    value_free it is lock-free; with it, the thread's own bag of retired values has a
 *    lock, which it shares only with the reclaimer, for as long as it takes to unhook a list.
 * P3 Readers are never blocked by promotion, rebuild, growth, Clear or
 *    reclamation; a reader that stays in its section for ever costs memory,
 *    never another thread's time.
 * P4 Operations that go to dirty take the map's mutex; its hold time is O(1)
 *    but for a rebuild (a byte per slot), a growth, a Clear and, with SMAP_ABSENT_FILTER,
 *    another filter (O(slots)).
 */
#ifndef SMAP_H
#define SMAP_H

/* Counters and read sections are words of 64 bits that one instruction changes; hashing takes 128. */
#if __SIZEOF_POINTER__ < 8
#error "libsmap needs a processor, and a compiler's target, with 64-bit pointers"
#endif

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "smap_state.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SMAP_VERSION "0.1.0"
#define SMAP_KEY_MAX 0x7fffffffU

struct smap;

enum smap_key_kind {
	SMAP_KEY_BYTES, /* the default: byte strings with a length */
	SMAP_KEY_U64,	/* 64-bit integers */
};

/* When to promote; the list and what each means is SMAP_POLICIES in smap_state.h. */
enum smap_policy {
#define SMAP_POLICY_ENUM(upper, name) SMAP_POLICY_##upper,
	SMAP_POLICIES(SMAP_POLICY_ENUM)
#undef SMAP_POLICY_ENUM
		SMAP_POLICY_COUNT
};

/* Flags: what we do better than Go, each on its own. */
#define SMAP_GROW_PROMOTES 0x1u /* a growth of the table promotes: dirty is copied anyway */
#define SMAP_ABSENT_FILTER 0x2u /* absent keys need no lock while dirty has new keys; no miss */

/* The recommended set, for .flags. */
#define SMAP_OPTIONS_TUNED (SMAP_GROW_PROMOTES | SMAP_ABSENT_FILTER)

/*
 * All zero beyond `size` means exactly Go. `size` tells the library which
 * fields the caller was compiled with; later ones are taken as zero.
 */
struct smap_options {
	size_t size;		    /* sizeof(struct smap_options) */
	const char *name;	    /* shown by tracers; copied; NULL = "smap"; cut at 63 bytes */
	uint32_t key_kind;	    /* enum smap_key_kind */
	uint32_t policy;	    /* enum smap_policy */
	uint64_t policy_arg;	    /* FIXED: the threshold */
	uint64_t initial_dirty;	    /* entries that the first dirty has room for */
	uint32_t miss_counter_bits; /* 0 or 64; or 16: wraps, and a wrap promotes */
	uint32_t flags;		    /* SMAP_GROW_PROMOTES ... */
	/*
	 * Called once for each value that left the map, when no reader can hold it
	 * any more (G6), from the library's reclaimer thread, whose stack has 256 KiB,
	 * or from a smap_destroy. It may use other maps.
	 */
	void (*value_free)(void *value, void *ctx);
	void *ctx;
	/*
	 * The caller's own hash, of either kind of key (a u64 key as its 8 bytes). Called for
	 * each operation, also under the mutex: it must be a function of its arguments, and
	 * use no map. All 64 bits matter: the upper ones choose the place, the lowest
	 * twelve the tag and the overflow bit. NULL = the library's, see docs/design.md on its seed.
	 */
	uint64_t (*hash)(const void *key, size_t len, uint64_t seed);
};

/*
 * Create a map. opts may be NULL. 0; -EINVAL (unknown kind, policy, flag or
 * counter width, size too small), -ENOMEM, or -EAGAIN when the process may not
 * have another thread (the first map starts the reclaimer). *ret_map is
 * untouched on failure.
 */
int smap_create(struct smap **ret_map, const struct smap_options *opts);

/*
 * Destroy a map and free its values. No other thread may use the map any more.
 * Waits until all values have been freed, that is for the readers of any map that
 * are inside a section now, and helps the reclaimer meanwhile: value_free of other
 * maps may run on this thread, so hold no lock that one of them takes. If the
 * caller is inside a read section, or in value_free, it does not wait, and the
 * reclaimer does the work later. NULL is ignored.
 */
void smap_destroy(struct smap *map);

/*
 * A read section. Nestable; never blocks. What is loaded inside stays valid until
 * the outermost unlock (G6). Operations open one of their own, so a caller
 * needs this only to use values that may be deleted meanwhile, or to take the
 * cost once for many operations. Lock is a full acquire towards publications
 * by the library, unlock a release.
 */
void smap_read_lock(void);
void smap_read_unlock(void);

/* Set key to value. 0, -EINVAL, -ENOMEM. Never counts a miss. */
int smap_store(struct smap *map, const void *key, size_t len, void *value);
int smap_store_u64(struct smap *map, uint64_t key, void *value);

/*
 * True and *ret_value if key is present. Counts a miss if it had to go to dirty.
 *
 * In optimised builds these two names are macros, too (smap_inline.h): a call is compiled into the
 * caller, for smap_load() where len is a constant of at most 16. Each argument is evaluated
 * once. (smap_load)(...), &smap_load and dlsym() are the functions. Define SMAP_NO_INLINE before
 * the header to have the functions only, for example where the names are looked up at run time,
 * or are members of a class.
 */
bool smap_load(struct smap *map, const void *key, size_t len, void **ret_value);
bool smap_load_u64(struct smap *map, uint64_t key, void **ret_value);

/*
 * As store; 1 and *ret_previous when a value was replaced, 0 when the key was
 * new, -EINVAL, -ENOMEM. ret_previous may be NULL; it is set to NULL on 0.
 */
int smap_swap(struct smap *map, const void *key, size_t len, void *value, void **ret_previous);
int smap_swap_u64(struct smap *map, uint64_t key, void *value, void **ret_previous);

/*
 * 1 and the present value in *ret_actual, or 0 after storing value (*ret_actual =
 * value), -EINVAL, -ENOMEM. Counts a miss only when it found the key in dirty.
 */
int smap_load_or_store(struct smap *map, const void *key, size_t len, void *value,
		       void **ret_actual);
int smap_load_or_store_u64(struct smap *map, uint64_t key, void *value, void **ret_actual);

/*
 * Remove key. True if it was present; then *ret_value (may be NULL) is what was
 * removed, valid inside the caller's read section when value_free is set.
 * Counts a miss if it had to go to dirty. Needs no memory, cannot fail.
 */
bool smap_load_and_delete(struct smap *map, const void *key, size_t len, void **ret_value);
bool smap_load_and_delete_u64(struct smap *map, uint64_t key, void **ret_value);
bool smap_delete(struct smap *map, const void *key, size_t len);
bool smap_delete_u64(struct smap *map, uint64_t key);

/*
 * Replace old by new_value if key's value is old (the same pointer). 1 swapped, 0
 * not (other value, or absent), -EINVAL, -ENOMEM (only with value_free).
 */
int smap_compare_and_swap(struct smap *map, const void *key, size_t len, void *old,
			  void *new_value);
int smap_compare_and_swap_u64(struct smap *map, uint64_t key, void *old, void *new_value);

/* Remove key if its value is old (the same pointer). True if removed. */
bool smap_compare_and_delete(struct smap *map, const void *key, size_t len, void *old);
bool smap_compare_and_delete_u64(struct smap *map, uint64_t key, void *old);

/*
 * Call fn for each entry until it returns false (G4). Promotes first if dirty has
 * new keys. fn runs in a read section without any lock and may call anything, on
 * this map too; key and value are valid until the caller's own outermost
 * section ends. A long fn delays reclamation, nothing else. O(slots).
 */
typedef bool (*smap_range_fn)(const void *key, size_t len, void *value, void *ctx);
typedef bool (*smap_range_u64_fn)(uint64_t key, void *value, void *ctx);
void smap_range(struct smap *map, smap_range_fn fn, void *ctx);
void smap_range_u64(struct smap *map, smap_range_u64_fn fn, void *ctx);

/* Remove everything (G5). 0 or -ENOMEM, and then nothing was removed. */
int smap_clear(struct smap *map);

/* Number of present keys: exact when no other thread changes the map. O(1). */
size_t smap_len(struct smap *map);

/*
 * Load n keys at once; ret_values[i] is the value or NULL. Returns how many were
 * found. Each key is linearizable on its own, the set is not.
 */
size_t smap_load_many_u64(struct smap *map, const uint64_t *keys, size_t n, void **ret_values);

/*
 * All entries as of one instant between call and return (G1: all operations agree on which),
 * as an immutable object of its own: reading it needs no section and blocks nobody, and it
 * outlives the map. Waits for the readers that are inside a section now, as smap_destroy()
 * does; meanwhile operations that write go under the mutex, and for the time of the copy
 * (O(slots)) they wait. Loads never do. Counts no miss and promotes nothing.
 *
 * With value_free set, values leave the map while the snapshot has them: retain is called for
 * each, under the mutex (it must use no map, not fork, and take no lock that may be held
 * over a call of this library or a fork), and returns what the snapshot is to have, for
 * example the same value with a reference more; NULL means no memory. value_free is called
 * for each when the snapshot is freed. Without value_free, retain must be NULL, and values are the
 * caller's matter, as everywhere.
 *
 * 0; -EINVAL; -ENOMEM; -EDEADLK inside a read section, a Range or a value_free callback.
 */
struct smap_snapshot;
typedef void *(*smap_retain_fn)(void *value, void *ctx);
int smap_snapshot(struct smap *map, struct smap_snapshot **ret_snapshot, smap_retain_fn retain);
/* References: it begins with one, the last unref frees it. NULL is ignored by unref. */
struct smap_snapshot *smap_snapshot_ref(struct smap_snapshot *snapshot);
void smap_snapshot_unref(struct smap_snapshot *snapshot);
bool smap_snapshot_load(const struct smap_snapshot *snapshot, const void *key, size_t len,
			void **ret_value);
bool smap_snapshot_load_u64(const struct smap_snapshot *snapshot, uint64_t key, void **ret_value);
void smap_snapshot_range(const struct smap_snapshot *snapshot, smap_range_fn fn, void *ctx);
void smap_snapshot_range_u64(const struct smap_snapshot *snapshot, smap_range_u64_fn fn, void *ctx);
size_t smap_snapshot_len(const struct smap_snapshot *snapshot);
/* The map's epoch then: raised by every promotion and every Clear. */
uint64_t smap_snapshot_epoch(const struct smap_snapshot *snapshot);

/* A consistent copy of the map's state (taken under its mutex). */
void smap_inspect(struct smap *map, struct smap_state *ret_state);

/*
 * How many entries a first dirty should have room for, from the rate of new records and their
 * size: ceil(qps * record_bytes / 4096), rounded up to a multiple of 16, at least 16. For
 * .initial_dirty. The rule is the article's that the project started from.
 */
uint64_t smap_estimate_initial_dirty(uint64_t qps, uint64_t record_bytes);

/* "go", "read-len" ...; NULL for an unknown policy. */
const char *smap_policy_name(uint32_t policy);

/*
 * All live maps of this copy of the library: what tracers and debuggers follow. Read it through
 * the function: a program that is linked to the shared library would otherwise get a
 * copy of the variable from its linker, made before there was any map.
 */
const struct smap_registry *smap_registry_get(void);
extern struct smap_registry smap_registry;

/* Code for C and C++ has C's casts. (g++ does not look for them in extern "C".) */
#if defined(__cplusplus) && defined(__clang__)
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wold-style-cast"
#pragma clang diagnostic ignored "-Wzero-as-null-pointer-constant"
#endif
#include "smap_inline.h"
#if defined(__cplusplus) && defined(__clang__)
#pragma clang diagnostic pop
#endif

#ifdef __cplusplus
}
#endif

#endif
