/* SPDX-License-Identifier: MIT */
/* smap.c - libsmap as a program would use it: through its functions, linked statically. */
#include "peer.h"
#include "smap.h"

#include <time.h>

#define PEER_SHARED 1
#define PEER_PROMOTES 1
#define PEER_LOAD_MANY (!KEY_STR)

PEER_FN struct peer *peer_create(size_t n, bool tuned)
{
	struct smap_options opts = {
		.size = sizeof(opts),
		.name = "bench",
		.key_kind = KEY_STR ? SMAP_KEY_BYTES : SMAP_KEY_U64,
		.flags = tuned ? SMAP_OPTIONS_TUNED : 0,
	};
	struct smap *map;

	(void)n;
	if (smap_create(&map, &opts))
		die("smap_create failed");
	return (struct peer *)map;
}

PEER_INLINE void *peer_load(struct peer *peer, peer_key key)
{
	struct smap *map = (struct smap *)peer;
	void *value;

#if KEY_STR
	return smap_load(map, key, KEY_BYTES, &value) ? value : NULL;
#else
	return smap_load_u64(map, key, &value) ? value : NULL;
#endif
}

PEER_INLINE void peer_store(struct peer *peer, peer_key key, void *value)
{
	struct smap *map = (struct smap *)peer;

#if KEY_STR
	if (smap_store(map, key, KEY_BYTES, value))
#else
	if (smap_store_u64(map, key, value))
#endif
		die("smap_store failed");
}

PEER_INLINE void peer_insert(struct peer *peer, peer_key key, void *value)
{
	peer_store(peer, key, value);
}

PEER_INLINE bool peer_erase(struct peer *peer, peer_key key)
{
	struct smap *map = (struct smap *)peer;

#if KEY_STR
	return smap_delete(map, key, KEY_BYTES);
#else
	return smap_delete_u64(map, key);
#endif
}

#if PEER_LOAD_MANY
PEER_INLINE size_t peer_load_many(struct peer *peer, const uint64_t *keys, size_t n, void **values)
{
	return smap_load_many_u64((struct smap *)peer, keys, n, values);
}
#endif

PEER_FN void peer_thread_begin(void)
{
}

PEER_FN void peer_thread_end(void)
{
}

PEER_INLINE void peer_quiescent(void)
{
}

#if KEY_STR
PEER_FN bool stop_at_once(const void *key, size_t len, void *value, void *ctx)
{
	(void)key, (void)len, (void)value, (void)ctx;
	return false;
}
#else
PEER_FN bool stop_at_once(uint64_t key, void *value, void *ctx)
{
	(void)key, (void)value, (void)ctx;
	return false;
}
#endif

PEER_FN void peer_settle(struct peer *peer)
{
#if KEY_STR
	smap_range((struct smap *)peer, stop_at_once, NULL);
#else
	smap_range_u64((struct smap *)peer, stop_at_once, NULL);
#endif
}

/* Promote, and wait until the tables that were outgrown have been freed. */
PEER_FN void peer_built(struct peer *peer)
{
	const struct timespec pause = {.tv_nsec = 1000000};
	struct smap_state state;

	peer_settle(peer);
	for (int i = 0; i < 2000; i++) {
		smap_inspect((struct smap *)peer, &state);
		if (state.counters.retired == state.counters.reclaimed)
			return;
		nanosleep(&pause, NULL);
	}
	die("retired tables were not freed in 2 s");
}

#include "harness.h"
