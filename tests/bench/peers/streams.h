/* SPDX-License-Identifier: MIT */
/*
 * streams.h - keys and streams of operations, the same for every competitor.
 *
 * The program `streams` writes them once per run, as numbers of keys: for each size a uniform
 * and a zipf 0.99 stream for each of two threads, and dice (0..99) that say which
 * operation is a write. A key is a function of its number (key_make), in go/harness.go too.
 * A process turns the numbers into keys before it starts, one after the other in memory,
 * so that a loop reads its keys as a program reads requests, in order, and nobody
 * pays for random numbers or for fetching keys.
 */
#ifndef STREAMS_H
#define STREAMS_H

#include "peer.h"

#define STREAM_OPS (1u << 20) /* operations of a thread before it starts again */
#define STREAMS 2	      /* more threads share them, each from another place */

/* Numbers of keys that are not there at the start. */
#define ABSENT_KEYS (1ull << 32)
#define FRESH_KEYS (2ull << 32) /* and the thread's number << 28 */

enum dist { UNIFORM, ZIPF, DISTS };
static const char *const dist_names[DISTS] = {"uniform", "zipf"};

struct streams {
	char *base; /* keys 0 .. n-1 */
	char *hit[DISTS][STREAMS], *absent[DISTS][STREAMS], *fresh[STREAMS];
	uint8_t *dice[STREAMS];
};

PEER_INLINE uint64_t key_number(uint64_t i)
{
	uint64_t x = (i + 1) * 0x9e3779b97f4a7c15ULL;

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
	return x ^ (x >> 31);
}

/* The key with number i: 64 random bits, or the 16 hexadecimal digits of them. */
PEER_INLINE void key_make(uint64_t i, char *ret_key)
{
	uint64_t x = key_number(i);

#if KEY_STR
	for (int k = 0; k < KEY_BYTES; k++)
		ret_key[k] = "0123456789abcdef"[x >> (60 - 4 * k) & 15];
#else
	memcpy(ret_key, &x, sizeof(x));
#endif
}

PEER_INLINE peer_key key_at(const char *keys, size_t i)
{
#if KEY_STR
	return keys + i * KEY_BYTES;
#else
	return ((const uint64_t *)(const void *)keys)[i];
#endif
}

PEER_FN void *need_memory(size_t bytes)
{
	void *memory = malloc(bytes);

	if (!memory)
		die("no memory");
	return memory;
}

/* Keys first .. first + count - 1, one after the other. */
PEER_FN char *keys_in_order(uint64_t first, size_t count)
{
	char *keys = (char *)need_memory(count * KEY_BYTES);

	for (size_t i = 0; i < count; i++)
		key_make(first + i, keys + i * KEY_BYTES);
	return keys;
}

PEER_FN char *keys_of_stream(const uint32_t *numbers, uint64_t first)
{
	char *keys = (char *)need_memory((size_t)STREAM_OPS * KEY_BYTES);

	for (size_t i = 0; i < STREAM_OPS; i++)
		key_make(first + numbers[i], keys + i * KEY_BYTES);
	return keys;
}

PEER_FN void *read_stream(const char *dir, const char *name, size_t n, int t, size_t bytes)
{
	void *memory = need_memory(bytes);
	char path[4096];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s-%zu-%d", dir, name, n, t);
	file = fopen(path, "rb");
	if (!file || fread(memory, 1, bytes, file) != bytes)
		die("cannot read the streams: run the program streams first");
	fclose(file);
	return memory;
}

PEER_FN void streams_read(struct streams *s, const char *dir, size_t n)
{
	for (int t = 0; t < STREAMS; t++) {
		for (int d = 0; d < DISTS; d++) {
			uint32_t *numbers = (uint32_t *)read_stream(dir, dist_names[d], n, t,
								    STREAM_OPS * sizeof(uint32_t));

			s->hit[d][t] = keys_of_stream(numbers, 0);
			s->absent[d][t] = keys_of_stream(numbers, ABSENT_KEYS);
			free(numbers);
		}
		s->fresh[t] = keys_in_order(FRESH_KEYS + ((uint64_t)t << 28), STREAM_OPS);
		s->dice[t] = (uint8_t *)read_stream(dir, "dice", 0, t, STREAM_OPS);
	}
}

#endif
