/* SPDX-License-Identifier: MIT */
/*
 * smap.c - the operations: Load, Store, Swap, LoadOrStore.
 *
 * Each operation tries read without a lock, inside a read section, and goes on
 * under the mutex if it has to, where it looks at read again first: a promotion may
 * have come in between (R5). What each does on which path is Go 1.23's table, see
 * docs/design.md. The lock-free part ends in one of
 *
 *	a value, or absent for certain;
 *	not known: the cell says EXPUNGED, or the key is not in read and dirty has
 *	new keys: ask under the mutex.
 *
 * A cell that says MOVED sends the reader to the table's successor (follow()).
 *
 * Where an operation takes effect (G1): at its access to the cell; for an absent key,
 * at its load of read, or at the dirty lookup under mu.
 */
#include "smap_op.h"

/* --- Load ------------------------------------------------------------------------ */

/* Needs no read section: what mu guards is retired only by its holder. */
static void *load_slow(struct smap *map, const struct smap_key *key)
{
	struct smap_hold hold;
	struct place place;
	uintptr_t value;

	smap_lock(map, &hold);
	place = find_locked(map, key);
	value = is_found(place) ? load_cell(place_cell(map, place)) : SMAP_NIL;
	if (!place.in_read && place.amended)
		unlock_missed(map, &hold, key->hash);
	else
		smap_unlock(map);
	return smap_is_value(value) ? (void *)value : NULL;
}

/* The general way: registers the thread, follows cells that have moved. */
static __attribute__((noinline)) void *load_general(struct smap *map, const struct smap_key *key)
{
	struct smap_table *table;
	uintptr_t value = SMAP_NIL;
	bool amended = false;
	smap_cell *cell;
	uint64_t seq;
	struct smap_thread *self = smap_enter(&seq);

	cell = map->is_u64 ? find_read(map, key, true, &value, &amended, &table)
			   : find_read(map, key, false, &value, &amended, &table);
	if (!smap_is_value(value))
		value = !cell && amended ? (uintptr_t)load_slow(map, key) : SMAP_NIL;
	smap_exit(self, seq);
	return (void *)value;
}

/* What most of the rest are: a value behind the home group, or in a section of the caller. */
SMAP_INLINE void *load_again(struct smap *map, const struct smap_key *key, const bool is_u64)
{
	struct smap_thread_state *self = smap_self;
	uintptr_t value = SMAP_NIL;

	if (smap_likely(smap_has_record(self))) {
		uint64_t seq = smap_enter_state(self);
		const struct smap_view *view = load_read(map);
		size_t index = smap_view_find(view, key, is_u64);

		if (smap_likely(index != SMAP_NOT_FOUND))
			value = load_cell(slot_cell(view->slots, index, is_u64));
		smap_leave_state(self, seq);
	}
	return smap_likely((intptr_t)value > 0) ? (void *)value : load_general(map, key);
}

/* Where loads go on that smap_inline.h could not decide. */
SMAP_PUBLIC void *smap_load_rest(struct smap *map, const void *bytes, size_t len,
				 enum smap_look look)
{
	struct smap_key key;

	if (!key_bytes(map, bytes, len, &key))
		return NULL;
	return look == SMAP_LOOK_DIRTY ? load_slow(map, &key) : load_again(map, &key, false);
}

SMAP_PUBLIC void *smap_load_u64_rest(struct smap *map, uint64_t value, enum smap_look look)
{
	struct smap_key key;

	if (!key_u64(map, value, &key))
		return NULL;
	return look == SMAP_LOOK_DIRTY ? load_slow(map, &key) : load_again(map, &key, true);
}

SMAP_PUBLIC bool smap_load(struct smap *map, const void *key, size_t len, void **ret_value)
{
	void *value;

	/* Keys behind a pointer take the general way: it calls functions, which a hit must not. */
	if (smap_likely(len <= SMAP_INLINE_KEY && (key || !len)))
		return smap_quick_load(map, key, len, ret_value);
	value = smap_load_rest(map, key, len, SMAP_LOOK_AGAIN);
	if (value)
		*ret_value = value;
	return value != NULL;
}

SMAP_PUBLIC bool smap_load_u64(struct smap *map, uint64_t key, void **ret_value)
{
	return smap_quick_load_u64(map, key, ret_value);
}

#define MANY 16		   /* keys whose cache misses overlap: about what a core has in flight */
#define CACHED_GROUPS 1024 /* a table of 256 KiB: what the caches of a core have misses nothing */

/* Ask for the memory that the loads of these keys will need, in the order of the need. */
static void prefetch_keys(const struct smap *map, const uint64_t *keys, size_t n)
{
	const struct smap_view *view = load_read(map);
	uint64_t hash[MANY];

	if (view->groups <= CACHED_GROUPS)
		return;
	for (size_t i = 0; i < n; i++) {
		hash[i] = smap_hash_u64(map, keys[i]);
		__builtin_prefetch(view->ctrl + smap_home(view->capacity, hash[i]));
	}
	for (size_t i = 0; i < n; i++) {
		size_t first = smap_group_first(smap_home(view->capacity, hash[i]));
		uint32_t mask = smap_group_match(view->ctrl + first, smap_tag(hash[i]));

		if (mask)
			__builtin_prefetch((const struct smap_slot_u64 *)view->slots + first +
					   (unsigned)__builtin_ctz(mask));
	}
}

/* In a section, where smap_load_u64() takes the general way. */
static void *load_inside_u64(struct smap *map, uint64_t key)
{
	const struct smap_quick_key k = {smap_hot_hash_u64(&map->hot, key), {key, 0}, 0};
	enum smap_look look = SMAP_LOOK_AGAIN;
	void *value = NULL;

	if (smap_likely(map->hot.quick == SMAP_QUICK_U64))
		value = smap_quick_look(&map->hot, &k, true, &look);
	if (value || smap_likely(look == SMAP_LOOK_ABSENT))
		return value;
	return smap_load_u64_rest(map, key, look);
}

SMAP_PUBLIC size_t smap_load_many_u64(struct smap *map, const uint64_t *keys, size_t n,
				      void **ret_values)
{
	struct smap_thread *self;
	size_t found = 0;
	uint64_t seq;

	self = smap_enter(&seq);
	for (size_t begin = 0; begin < n; begin += MANY) {
		size_t end = n - begin < MANY ? n : begin + MANY;

		if (smap_likely(map->is_u64))
			prefetch_keys(map, keys + begin, end - begin);
		for (size_t i = begin; i < end; i++) {
			ret_values[i] = load_inside_u64(map, keys[i]);
			found += ret_values[i] != NULL;
		}
	}
	smap_exit(self, seq);
	return found;
}

/* --- Store, Swap, LoadOrStore ------------------------------------------------------ */

/* What put() does with a value that is there. */
enum put_mode { PUT_SWAP, PUT_IF_ABSENT };

/*
 * Put value into the cell that held *old: true, with *old the value before (NIL if absent).
 * False when the cell became EXPUNGED or MOVED: start again.
 */
SMAP_INLINE bool put_cell(smap_cell *cell, uintptr_t *old, void *value, enum put_mode mode)
{
	for (;;) {
		if (*old == SMAP_EXPUNGED || *old == SMAP_MOVED)
			return false;
		if (*old != SMAP_NIL && mode == PUT_IF_ABSENT)
			return true;
		/* Release: publishes what the value points at (G2). Acquire: the value that
		 * comes out was published likewise. Pairs with load_cell(). */
		if (atomic_compare_exchange_weak_explicit(cell, old, (uintptr_t)value,
							  memory_order_acq_rel,
							  memory_order_acquire))
			return true;
	}
}

/* Under mu: 0 with *old, and counted, or -ENOMEM. */
static int put_slow(struct smap *map, const struct smap_key *key, void *value, enum put_mode mode,
		    uintptr_t *old)
{
	struct smap_hold hold;
	struct place place;
	smap_cell *cell;
	int err;

	smap_lock(map, &hold);
	place = find_locked(map, key);
	if (!is_found(place)) {
		*old = SMAP_NIL;
		err = smap_insert_locked(map, key, value);
		if (smap_likely(!err))
			count_store_locked(map, SMAP_NIL);
		smap_unlock(map);
		return err;
	}
	cell = place_cell(map, place);
	*old = load_cell(cell);
	if (*old == SMAP_EXPUNGED) {
		smap_unexpunge_locked(map, place.index, key);
		smap_refresh_dirty_locked(map);
		*old = SMAP_NIL;
	}
	/* Under mu a cell of the current table becomes neither EXPUNGED nor MOVED (V5). */
	(void)put_cell(cell, old, value, mode);
	if (mode == PUT_SWAP || *old == SMAP_NIL)
		count_store_locked(map, *old);
	if (!place.in_read && mode == PUT_IF_ABSENT)
		unlock_missed(map, &hold, key->hash);
	else
		smap_unlock(map);
	return 0;
}

/* 1 and *ret_old when there was a value, 0 when there was none, -EINVAL, -ENOMEM. */
SMAP_INLINE int put_common(struct smap *map, const struct smap_key *key, const bool is_u64,
			   void *value, enum put_mode mode, void **ret_old)
{
	uintptr_t old = SMAP_NIL;
	struct smap_table *table;
	struct smap_thread *self;
	bool amended, stored;
	smap_cell *cell;
	uint64_t seq;
	int err;

	if (smap_unlikely(!value))
		return -EINVAL;
	self = smap_enter(&seq);
	err = retire_begin(map, self, false);
	if (smap_unlikely(err)) {
		smap_exit(self, seq);
		return err;
	}
	do {
		cell = find_to_write(map, key, is_u64, &old, &amended, &table);
		stored = cell && put_cell(cell, &old, value, mode);
	} while (cell && !stored && old == SMAP_MOVED);
	if (!stored)
		err = put_slow(map, key, value, mode, &old);
	else if (mode == PUT_SWAP || old == SMAP_NIL)
		count_store(map, self, old);
	stored = !err && (mode == PUT_SWAP || old == SMAP_NIL);
	retire_commit(map, self, stored && old != (uintptr_t)value ? old : SMAP_NIL);
	smap_exit(self, seq);
	if (err)
		return err;
	*ret_old = (void *)old;
	return old != SMAP_NIL;
}

SMAP_PUBLIC int smap_swap(struct smap *map, const void *key, size_t len, void *value,
			  void **ret_previous)
{
	struct smap_key k;
	void *old = NULL;
	int ret;

	if (!key_bytes(map, key, len, &k))
		return -EINVAL;
	ret = put_common(map, &k, false, value, PUT_SWAP, &old);
	if (ret >= 0 && ret_previous)
		*ret_previous = old;
	return ret;
}

SMAP_PUBLIC int smap_swap_u64(struct smap *map, uint64_t key, void *value, void **ret_previous)
{
	struct smap_key k;
	void *old = NULL;
	int ret;

	if (!key_u64(map, key, &k))
		return -EINVAL;
	ret = put_common(map, &k, true, value, PUT_SWAP, &old);
	if (ret >= 0 && ret_previous)
		*ret_previous = old;
	return ret;
}

static __attribute__((noinline)) int store_rest(struct smap *map, const void *key, size_t len,
						void *value)
{
	int ret = smap_swap(map, key, len, value, NULL);

	return ret < 0 ? ret : 0;
}

static __attribute__((noinline)) int store_u64_rest(struct smap *map, uint64_t key, void *value)
{
	int ret = smap_swap_u64(map, key, value, NULL);

	return ret < 0 ? ret : 0;
}

/* A key that read does not list, where nothing has to be retired; by value, as below. */
static __attribute__((noinline)) int store_new(struct smap *map, uint64_t hash, uint64_t word0,
					       uint64_t word1, size_t len, void *value)
{
	const struct smap_key key = {.hash = hash, .word = {word0, word1}, .len = len};
	uintptr_t old;

	return put_slow(map, &key, value, PUT_SWAP, &old);
}

/* How store_quick() ended; nothing has happened but with QUICK_STORED. */
enum quick { QUICK_STORED, QUICK_NEW, QUICK_OTHER };

/* Overwrite a value. */
SMAP_INLINE enum quick cell_quick(struct smap *map, struct smap_thread_state *self, smap_cell *cell,
				  void *value)
{
	uintptr_t old;

	if (gate_is_closed(map))
		return QUICK_OTHER;
	old = load_cell(cell);
	/* Release and acquire: as in put_cell(). */
	if (smap_unlikely(!smap_is_value(old) ||
			  !atomic_compare_exchange_strong_explicit(cell, &old, (uintptr_t)value,
								   memory_order_acq_rel,
								   memory_order_relaxed)))
		return QUICK_OTHER;
	count(&stripe(map, (struct smap_thread *)self)->replaces);
	return QUICK_STORED;
}

/*
 * Overwrite a value that is in its home group of read, where nothing has to be retired: most
 * stores. A key that read does not list is for the mutex; the general way would only look once more.
 * The caller is in a section, and stays in it for what it does then: an operation is one section
 * (smap_policy.c counts them).
 */
SMAP_INLINE enum quick store_quick(struct smap *map, struct smap_thread_state *self,
				   const struct smap_key *key, const bool is_u64, void *value)
{
	const struct smap_view *view = load_read(map);
	const struct smap_quick_key k = {key->hash, {key->word[0], key->word[1]}, key->len};
	size_t home = smap_home(view->capacity, key->hash);
	/* A load's look: it has no cell to write to. */
	smap_cell *cell = (smap_cell *)(uintptr_t)smap_quick_find(
		(const struct smap_look_view *)(const void *)view, home, &k, is_u64);

	if (smap_likely(cell != NULL))
		return cell_quick(map, self, cell, value);
	return smap_overflowed(view->overflow, home / SMAP_GROUP, key->hash) ? QUICK_OTHER
									     : QUICK_NEW;
}

SMAP_PUBLIC int smap_store(struct smap *map, const void *key, size_t len, void *value)
{
	struct smap_thread_state *self = smap_self;
	struct smap_key k;
	int err = 0;

	if (smap_likely(map->quick_store == SMAP_QUICK_BYTES && smap_has_record(self) && value &&
			len <= SMAP_INLINE_KEY && (key || !len))) {
		enum quick quick;
		uint64_t seq;

		smap_hash_short(map, key, len, &k);
		seq = smap_enter_state(self);
		quick = store_quick(map, self, &k, false, value);
		if (quick == QUICK_NEW)
			err = store_new(map, k.hash, k.word[0], k.word[1], len, value);
		else if (smap_unlikely(quick == QUICK_OTHER))
			err = store_rest(map, key, len, value);
		smap_leave_state(self, seq);
		return err;
	}
	err = store_rest(map, key, len, value);
	__asm__ volatile(""); /* no jump: the stack is to show the function that was called */
	return err;
}

SMAP_PUBLIC int smap_store_u64(struct smap *map, uint64_t key, void *value)
{
	struct smap_thread_state *self = smap_self;
	int err = 0;

	if (smap_likely(map->quick_store == SMAP_QUICK_U64 && smap_has_record(self) && value)) {
		const struct smap_key k = {.hash = smap_hot_hash_u64(&map->hot, key),
					   .word = {key}};
		enum quick quick;
		uint64_t seq;

		seq = smap_enter_state(self);
		quick = store_quick(map, self, &k, true, value);
		if (quick == QUICK_NEW)
			err = store_new(map, k.hash, key, 0, 0, value);
		else if (smap_unlikely(quick == QUICK_OTHER))
			err = store_u64_rest(map, key, value);
		smap_leave_state(self, seq);
		return err;
	}
	err = store_u64_rest(map, key, value);
	__asm__ volatile(""); /* no jump: the stack is to show the function that was called */
	return err;
}

SMAP_PUBLIC int smap_load_or_store(struct smap *map, const void *key, size_t len, void *value,
				   void **ret_actual)
{
	struct smap_key k;
	void *old = NULL;
	int ret;

	if (!key_bytes(map, key, len, &k))
		return -EINVAL;
	ret = put_common(map, &k, false, value, PUT_IF_ABSENT, &old);
	if (ret >= 0 && ret_actual)
		*ret_actual = ret ? old : value;
	return ret;
}

SMAP_PUBLIC int smap_load_or_store_u64(struct smap *map, uint64_t key, void *value,
				       void **ret_actual)
{
	struct smap_key k;
	void *old = NULL;
	int ret;

	if (!key_u64(map, key, &k))
		return -EINVAL;
	ret = put_common(map, &k, true, value, PUT_IF_ABSENT, &old);
	if (ret >= 0 && ret_actual)
		*ret_actual = ret ? old : value;
	return ret;
}
