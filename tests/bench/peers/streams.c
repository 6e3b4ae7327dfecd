/* SPDX-License-Identifier: MIT */
/*
 * streams - write the streams of operations: streams DIR N...
 *
 * Zipf: the rank comes from the inverse of the distribution function, and ranks are
 * shuffled over the keys, so that popular keys are neighbours nowhere. Seeds are constants:
 * every run has the same streams.
 */
#include "streams.h"

#include <math.h>

#define EXPONENT 0.99

static uint64_t random_state;

static uint64_t random_next(void)
{
	return key_number(random_state++);
}

static size_t random_below(size_t n)
{
	return (size_t)(((unsigned __int128)random_next() * n) >> 64);
}

static void write_stream(const char *dir, const char *name, size_t n, int t, const void *data,
			 size_t bytes)
{
	char path[4096];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s-%zu-%d", dir, name, n, t);
	file = fopen(path, "wb");
	if (!file || fwrite(data, 1, bytes, file) != bytes || fclose(file)) {
		perror(path);
		exit(1);
	}
}

/* The first rank whose share of all accesses reaches x. */
static size_t rank_of(const double *reached, size_t n, double x)
{
	size_t low = 0, high = n - 1;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (reached[middle] < x)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static double *zipf_distribution(size_t n)
{
	double *reached = need_memory(n * sizeof(*reached)), sum = 0;

	for (size_t i = 0; i < n; i++)
		reached[i] = sum += pow((double)(i + 1), -EXPONENT);
	for (size_t i = 0; i < n; i++)
		reached[i] /= sum;
	return reached;
}

static uint32_t *shuffled(size_t n)
{
	uint32_t *order = need_memory(n * sizeof(*order));

	for (size_t i = 0; i < n; i++)
		order[i] = (uint32_t)i;
	for (size_t i = n - 1; i > 0; i--) {
		size_t j = random_below(i + 1);
		uint32_t swap = order[i];

		order[i] = order[j];
		order[j] = swap;
	}
	return order;
}

static void write_size(const char *dir, size_t n)
{
	uint32_t *numbers = need_memory(STREAM_OPS * sizeof(*numbers)), *order;
	double *reached = zipf_distribution(n);

	random_state = n << 32;
	order = shuffled(n);
	for (int t = 0; t < STREAMS; t++) {
		for (size_t i = 0; i < STREAM_OPS; i++)
			numbers[i] = (uint32_t)random_below(n);
		write_stream(dir, "uniform", n, t, numbers, STREAM_OPS * sizeof(*numbers));
		for (size_t i = 0; i < STREAM_OPS; i++)
			numbers[i] =
				order[rank_of(reached, n, (double)(random_next() >> 11) * 0x1p-53)];
		write_stream(dir, "zipf", n, t, numbers, STREAM_OPS * sizeof(*numbers));
	}
	free(order);
	free(reached);
	free(numbers);
}

int main(int argc, char **argv)
{
	uint8_t *dice = need_memory(STREAM_OPS);

	if (argc < 3) {
		fprintf(stderr, "usage: streams DIR N...\n");
		return 2;
	}
	random_state = 1;
	for (int t = 0; t < STREAMS; t++) {
		for (size_t i = 0; i < STREAM_OPS; i++)
			dice[i] = (uint8_t)random_below(100);
		write_stream(argv[1], "dice", 0, t, dice, STREAM_OPS);
	}
	for (int i = 2; i < argc; i++)
		write_size(argv[1], strtoull(argv[i], NULL, 10));
	free(dice);
	return 0;
}
