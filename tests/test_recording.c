/* SPDX-License-Identifier: MIT */
/* Recordings: what was written comes back, and nothing that is wrong with a file goes unsaid. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>
#include "recording.h"

#define RECORDS 7
#define FILE_MAX 65536

static char path[] = "/tmp/test_recording.XXXXXX";
static const struct report_meta meta = {
	.version = "1.2.3",
	.kernel = "6.1 x",
	.hostname = "secret-host",
	.start_ns = 5,
	.start_unix_ns = 7,
	.interval_ms = 250,
	.duration_ms = 9,
	.exact = true,
};
static struct record records[RECORDS];

struct heard {
	size_t count;
	struct record got[RECORDS + 1];
	struct model *model; /* may be NULL */
};

static int hear(void *ctx, const struct record *record)
{
	struct heard *heard = ctx;

	assert_true(heard->count < RECORDS + 1);
	heard->got[heard->count++] = *record;
	return heard->model ? model_add(heard->model, record) : 0;
}

static int read_back(struct heard *heard, struct recording_meta *ret_meta)
{
	const struct record_sink sink = {.emit = hear, .ctx = heard};

	heard->count = 0;
	return recording_read(path, ret_meta, &sink);
}

static void make_records(void)
{
	memset(records, 0, sizeof(records));
	records[0].kind = RECORD_TARGET;
	records[0].target.pid = 42;
	strcpy(records[0].target.comm, "prog");
	strcpy(records[0].target.file, "/home/somebody/prog");
	records[1].kind = RECORD_MAP;
	records[1].map.key.addr = 0x1000;
	strcpy(records[1].map.name, "cache");
	records[2].kind = RECORD_SAMPLE;
	records[2].sample.key.addr = 0x1000;
	records[2].sample.alive = records[2].sample.state_ok = 1;
	records[2].sample.total[ST_COUNTER_misses] = 77;
	records[2].sample.counted[ST_COUNTER_misses] = 70;
	records[3].kind = RECORD_LOSS;
	strcpy(records[3].loss.name, "ring_full");
	records[3].loss.count = 3;
	records[4].kind = RECORD_WINDOW;
	records[4].window.start_ns = 10;
	records[4].window.end_ns = 20;
	records[5].kind = RECORD_TARGET_END;
	records[5].target_end.exit_known = 1;
	records[6].kind = RECORD_COMMAND;
	records[6].command.status = 3 << 8;
}

static void write_all(void)
{
	struct recording *recording = NULL;

	assert_int_equal(recording_create(&recording, path, &meta), 0);
	for (size_t i = 0; i < RECORDS; i++)
		assert_int_equal(recording_add(recording, &records[i]), 0);
	assert_int_equal(recording_close(recording), 0);
}

static size_t load(unsigned char bytes[FILE_MAX])
{
	FILE *file = fopen(path, "rb");
	size_t size;

	assert_non_null(file);
	size = fread(bytes, 1, FILE_MAX, file);
	fclose(file);
	assert_in_range(size, 100, FILE_MAX - 1);
	return size;
}

static void store(const unsigned char *bytes, size_t size)
{
	FILE *file = fopen(path, "wb");

	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, size, file), size);
	assert_int_equal(fclose(file), 0);
}

/* What is inside the compression. */
static size_t unpack(unsigned char bytes[FILE_MAX])
{
	gzFile file = gzopen(path, "rb");
	int size = gzread(file, bytes, FILE_MAX);

	assert_in_range(size, 100, FILE_MAX - 1);
	gzclose(file);
	return (size_t)size;
}

static void pack(const unsigned char *bytes, size_t size)
{
	gzFile file = gzopen(path, "wb");

	assert_int_equal(gzwrite(file, bytes, (unsigned)size), size);
	assert_int_equal(gzclose(file), Z_OK);
}

static void check_prefix(const struct heard *heard)
{
	assert_true(heard->count <= RECORDS);
	for (size_t i = 1; i < heard->count; i++) {
		assert_int_equal(heard->got[i].kind, records[i].kind);
		assert_memory_equal(&heard->got[i].target, &records[i].target,
				    sizeof(struct record) - offsetof(struct record, target));
	}
}

static void test_round_trip(void **state)
{
	struct heard heard = {0};
	struct recording_meta got;

	(void)state;
	write_all();
	assert_int_equal(model_create(&heard.model), 0);
	assert_int_equal(read_back(&heard, &got), 0);
	assert_int_equal(heard.count, RECORDS);
	check_prefix(&heard);
	assert_string_equal(heard.got[0].target.file, "prog");
	assert_string_equal(heard.got[0].target.comm, "prog");
	assert_string_equal(got.version, "1.2.3");
	assert_string_equal(got.report.kernel, "6.1 x");
	assert_string_equal(got.report.hostname, "");
	assert_int_equal(got.report.interval_ms, 250);
	assert_int_equal(got.report.start_unix_ns, 7);
	assert_true(got.report.exact);
	assert_int_equal(heard.model->maps[0]->total[ST_COUNTER_misses], 77);
	assert_int_equal(heard.model->maps[0]->traced[ST_COUNTER_misses], 70);
	model_free(heard.model);
}

static void test_cut_everywhere(void **state)
{
	static unsigned char bytes[FILE_MAX];
	struct heard heard = {0};
	struct recording_meta got;
	size_t size;

	(void)state;
	write_all();
	size = load(bytes);
	for (size_t cut = 0; cut < size; cut++) {
		int err;

		store(bytes, cut);
		err = read_back(&heard, &got);
		if (err != -ENODATA && !(cut < 20 && err == -ENOEXEC))
			fail_msg("cut to %zu of %zu bytes: %d", cut, size, err);
		check_prefix(&heard);
	}
	/* All windows were on disk before the end was. */
	store(bytes, size - 9);
	assert_int_equal(read_back(&heard, &got), -ENODATA);
	assert_true(heard.count >= 5);
}

/* Inside the compression too, where no checksum of zlib helps. */
static void test_cut_inside(void **state)
{
	static unsigned char bytes[FILE_MAX];
	struct heard heard = {0};
	struct recording_meta got;
	size_t size;

	(void)state;
	write_all();
	size = unpack(bytes);
	for (size_t cut = 16; cut < size; cut++) {
		pack(bytes, cut);
		assert_int_equal(read_back(&heard, &got), -ENODATA);
		check_prefix(&heard);
	}
}

/* In a run of zeros, a match at another distance is the same bytes. */
static void test_flip_everywhere(void **state)
{
	static unsigned char bytes[FILE_MAX], want[FILE_MAX], got_bytes[FILE_MAX];
	struct heard heard = {0};
	struct recording_meta got;
	size_t size, unpacked;

	(void)state;
	write_all();
	size = load(bytes);
	unpacked = unpack(want);
	for (size_t i = 0; i < size; i++) {
		bytes[i] ^= 0x55;
		store(bytes, size);
		/* Time, flags and system in gzip's header mean nothing to us. */
		if (read_back(&heard, &got) == 0 && i >= 10 &&
		    (unpack(got_bytes) != unpacked || memcmp(want, got_bytes, unpacked) != 0))
			fail_msg("byte %zu of %zu: no error", i, size);
		check_prefix(&heard);
		bytes[i] ^= 0x55;
	}
}

static void test_flip_inside(void **state)
{
	static unsigned char bytes[FILE_MAX];
	struct heard heard = {0};
	struct recording_meta got;
	size_t size;

	(void)state;
	write_all();
	size = unpack(bytes);
	for (size_t i = 0; i < size; i++) {
		bytes[i] ^= 0x55;
		pack(bytes, size);
		if (read_back(&heard, &got) == 0)
			fail_msg("byte %zu of %zu: no error", i, size);
		check_prefix(&heard);
		bytes[i] ^= 0x55;
	}
}

static void test_versions(void **state)
{
	static unsigned char bytes[FILE_MAX];
	struct heard heard = {0};
	struct recording_meta got;
	size_t size;

	(void)state;
	write_all();
	size = unpack(bytes);
	bytes[8] = RECORDING_VERSION + 1;
	pack(bytes, size);
	assert_int_equal(read_back(&heard, &got), -EPROTONOSUPPORT);
	bytes[8] = RECORDING_VERSION - 1;
	pack(bytes, size);
	assert_int_equal(read_back(&heard, &got), -EPROTONOSUPPORT);
	bytes[8] = RECORDING_VERSION;
	bytes[12] ^= bytes[15]; /* the byte order */
	pack(bytes, size);
	assert_int_equal(read_back(&heard, &got), -EPROTONOSUPPORT);
	assert_int_equal(heard.count, 0);
	store((const unsigned char *)"no recording, but long enough", 29);
	assert_int_equal(read_back(&heard, &got), -ENOEXEC);
}

/* Of a kind that came after this program: no damage, and what was before it is good. */
static void test_later_kind(void **state)
{
	static unsigned char bytes[FILE_MAX];
	const size_t second = 16 + 12 + 208 + 12 + sizeof(struct record_target);
	const size_t head = 2 * sizeof(__u32); /* kind and size; then the CRC */
	const __u32 kind = 99;
	struct heard heard = {0};
	struct recording_meta got;
	__u32 crc;
	size_t size;

	(void)state;
	write_all();
	size = unpack(bytes);
	memcpy(bytes + second, &kind, sizeof(kind));
	crc = (__u32)crc32(crc32(0, bytes + second, head), bytes + second + head + sizeof(crc),
			   sizeof(struct record_map));
	memcpy(bytes + second + head, &crc, sizeof(crc));
	pack(bytes, size);
	assert_int_equal(read_back(&heard, &got), -EPROTONOSUPPORT);
	assert_int_equal(heard.count, 1);
}

/* With the right checksums: somebody wrote it on purpose. */
static void refused(const struct record *bad)
{
	struct recording *recording = NULL;
	struct heard heard = {0};
	struct recording_meta got;

	assert_int_equal(recording_create(&recording, path, &meta), 0);
	assert_int_equal(recording_add(recording, &records[0]), 0);
	assert_int_equal(recording_add(recording, bad), 0);
	assert_int_equal(recording_close(recording), 0);
	assert_int_equal(model_create(&heard.model), 0);
	assert_int_equal(read_back(&heard, &got), -EBADMSG);
	model_free(heard.model);
}

static void test_forged(void **state)
{
	struct record bad;

	(void)state;
	bad = records[1];
	memset(bad.map.name, 'x', sizeof(bad.map.name));
	refused(&bad);
	bad = records[1];
	bad.map.key.target = 1; /* never announced */
	refused(&bad);
	refused(&records[2]); /* a sample without its map */
	bad = records[3];
	memset(bad.loss.help, 'x', sizeof(bad.loss.help));
	refused(&bad);
	bad = records[4];
	bad.window.end_ns = 1;
	refused(&bad);
	bad = (struct record){.kind = RECORD_EVENT};
	bad.event.kind = SMAP_PROBE_COUNT;
	bad.event.size = sizeof(bad.event);
	refused(&bad);
	bad = records[0];
	bad.target.target = MODEL_TARGETS_MAX;
	refused(&bad);
}

static void test_full_disk(void **state)
{
	struct recording *recording = NULL;
	int err;

	(void)state;
	if (access("/dev/full", W_OK) != 0)
		skip();
	err = recording_create(&recording, "/dev/full", &meta);
	assert_true(err == 0 || err == -ENOSPC);
	for (size_t i = 0; i < RECORDS; i++)
		err = recording_add(recording, &records[i]);
	assert_int_equal(err, -ENOSPC);
	assert_int_equal(recording_close(recording), -ENOSPC);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),  cmocka_unit_test(test_cut_everywhere),
		cmocka_unit_test(test_cut_inside),  cmocka_unit_test(test_flip_everywhere),
		cmocka_unit_test(test_flip_inside), cmocka_unit_test(test_versions),
		cmocka_unit_test(test_later_kind),  cmocka_unit_test(test_forged),
		cmocka_unit_test(test_full_disk),
	};
	int fd = mkstemp(path), failed;

	if (fd < 0)
		return 1;
	close(fd);
	make_records();
	failed = cmocka_run_group_tests_name("recording", tests, NULL, NULL);
	unlink(path);
	return failed;
}
