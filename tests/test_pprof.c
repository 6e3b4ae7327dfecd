/* SPDX-License-Identifier: MIT */
/* The profile that output_pprof writes: what comes out of it is what went in. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <unistd.h>
#include <zlib.h>
#include "pprof.pb-c.h"
#include "scenarios.h"

#define BYTES_MAX (1 << 20)

static Pprof__Profile *profile_of(const struct scenario *scenario)
{
	static uint8_t bytes[BYTES_MAX];
	char path[] = "/tmp/test_pprof.XXXXXX";
	Pprof__Profile *profile;
	struct sink sink;
	int fd = mkstemp(path), size;
	gzFile file;

	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(sink_open(&sink, path), 0);
	assert_int_equal(render_to(&output_pprof, &sink, scenario), 0);
	assert_int_equal(sink_close(&sink), 0);
	file = gzopen(path, "rb");
	assert_non_null(file);
	size = gzread(file, bytes, sizeof(bytes));
	assert_true(size > 0);
	assert_int_equal(gzdirect(file), 0);
	assert_int_equal(gzclose(file), Z_OK);
	unlink(path);
	profile = pprof__profile__unpack(NULL, (size_t)size, bytes);
	assert_non_null(profile);
	return profile;
}

static const char *text(const Pprof__Profile *profile, int64_t index)
{
	assert_in_range(index, 0, profile->n_string_table - 1);
	return profile->string_table[index];
}

/* Every number points to something, and every text is safe. */
static void check(const Pprof__Profile *p)
{
	assert_string_equal(p->string_table[0], "");
	for (size_t i = 0; i < p->n_string_table; i++)
		for (const char *c = p->string_table[i]; *c; c++)
			assert_true((unsigned char)*c >= 0x20 && *c != 0x7f);
	for (size_t i = 0; i < p->n_sample; i++) {
		assert_int_equal(p->sample[i]->n_value, p->n_sample_type);
		for (size_t j = 0; j < p->sample[i]->n_location_id; j++)
			assert_in_range(p->sample[i]->location_id[j], 1, p->n_location);
	}
	for (size_t i = 0; i < p->n_location; i++) {
		const Pprof__Location *l = p->location[i];

		assert_int_equal(l->id, i + 1);
		assert_in_range(l->mapping_id, 1, p->n_mapping);
		assert_true(l->address < p->mapping[l->mapping_id - 1]->memory_limit);
		assert_true(l->n_line > 0);
		for (size_t j = 0; j < l->n_line; j++)
			assert_in_range(l->line[j]->function_id, 1, p->n_function);
	}
	for (size_t i = 0; i < p->n_function; i++)
		assert_true(text(p, p->function[i]->name)[0]);
}

static void test_all_scenarios(void **state)
{
	(void)state;
	for (size_t i = 0; i < SCENARIO_COUNT; i++) {
		Pprof__Profile *profile = profile_of(&scenarios[i]);

		check(profile);
		assert_int_equal(profile->n_sample_type, 2);
		assert_string_equal(text(profile, profile->sample_type[0]->type), "events");
		assert_string_equal(text(profile, profile->sample_type[1]->unit), "nanoseconds");
		pprof__profile__free_unpacked(profile, NULL);
	}
}

static const char *label(const Pprof__Profile *p, const Pprof__Sample *sample, const char *key)
{
	for (size_t i = 0; i < sample->n_label; i++)
		if (strcmp(text(p, sample->label[i]->key), key) == 0)
			return text(p, sample->label[i]->str);
	fail_msg("no label %s", key);
	return NULL;
}

static void test_values(void **state)
{
	Pprof__Profile *p = profile_of(&scenarios[2]);
	const Pprof__Sample *sample = p->sample[0];
	const Pprof__Location *outer;

	(void)state;
	assert_int_equal(p->n_sample, 5);
	assert_int_equal(sample->value[0], 1400);
	assert_int_equal(sample->value[1], 1800000);
	assert_string_equal(label(p, sample, "map"), "sessions");
	assert_string_equal(label(p, sample, "kind"), "miss");
	/* smap_store_u64; the inlined call and the function it is in are one place. */
	assert_int_equal(sample->n_location_id, 2);
	outer = p->location[sample->location_id[1] - 1];
	assert_int_equal(outer->n_line, 2);
	assert_int_equal(outer->address, 0x1200);
	assert_int_equal(outer->line[0]->line, 42);
	assert_string_equal(text(p, p->function[outer->line[0]->function_id - 1]->name),
			    "sessions;lookup");
	assert_string_equal(text(p, p->function[outer->line[1]->function_id - 1]->name), "serve");
	assert_string_equal(text(p, p->mapping[outer->mapping_id - 1]->build_id),
			    "0123456789abcdef");
	assert_int_equal(p->time_nanos, (int64_t)(1700000000ULL * SECOND));
	pprof__profile__free_unpacked(p, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_scenarios),
		cmocka_unit_test(test_values),
	};

	return cmocka_run_group_tests_name("pprof", tests, NULL, NULL);
}
