/* SPDX-License-Identifier: MIT */
/*
 * policy_file.c - reading a policy file (docs/policy.md).
 *
 * Model: libcyaml checks the file against a schema that is made of the X-lists of
 * policy.h, so that a new threshold is a key at once. Everything is a pointer in
 * the raw form, NULL = not said, and is then laid over the limits that hold
 * without: the defaults, or for a pattern the file's general part. What a schema
 * cannot say (bounds, raise <= of) is checked as it is laid over; policy_error.c
 * finds the line.
 */
#include <cyaml/cyaml.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "log.h"
#include "policy_data.h"
#include "policy_error.h"
#include "policy_strict.h"

#define FILE_BYTES_MAX (1U << 20) /* a policy is a page; this stops a wrong file */
#define PATTERN_MAX 256

/* --- the raw form ----------------------------------------------------------- */

#define RAW_FIELD(name, ...) double *name;
#define RAW_TRAP(trap, LIST)                                                                       \
	struct raw_##trap {                                                                        \
		enum finding_severity *severity;                                                   \
		LIST(RAW_FIELD)                                                                    \
	};
TRAP_LIMITS(RAW_TRAP)

struct raw_traps {
#define RAW_MEMBER(trap, LIST) struct raw_##trap *trap;
	TRAP_LIMITS(RAW_MEMBER)
};

struct raw_budgets {
	BUDGETS(RAW_FIELD)
};

struct raw_map {
	char *pattern;
	struct raw_traps *traps;
	struct raw_budgets *budgets;
};

struct raw_policy {
	double *interval;
	enum finding_severity *fail_on;
	struct raw_traps *traps;
	struct raw_budgets *budgets;
	struct raw_map *maps;
	unsigned maps_count;
};

/* --- the schema -------------------------------------------------------------- */

#define OPTIONAL (CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL)

static const cyaml_strval_t severities[] = {
	{"off", FINDING_OFF},
	{"notice", FINDING_NOTICE},
	{"warning", FINDING_WARNING},
	{"error", FINDING_ERROR},
};

#define FLOAT_IN(where, name) CYAML_FIELD_FLOAT_PTR(#name, OPTIONAL, struct where, name),
#define SCHEMA_PSEUDO(name, ...) FLOAT_IN(raw_pseudo_expansion, name)
#define SCHEMA_DIFFUSION(name, ...) FLOAT_IN(raw_read_diffusion, name)
#define SCHEMA_STARVATION(name, ...) FLOAT_IN(raw_write_starvation, name)
#define SCHEMA_BUDGET(name, ...) FLOAT_IN(raw_budgets, name)
#define SCHEMA_SEVERITY(trap)                                                                      \
	CYAML_FIELD_ENUM_PTR("severity", OPTIONAL | CYAML_FLAG_STRICT, struct raw_##trap,          \
			     severity, severities, 4)

static const cyaml_schema_field_t pseudo_expansion_fields[] = {
	SCHEMA_SEVERITY(pseudo_expansion), PSEUDO_EXPANSION_LIMITS(SCHEMA_PSEUDO) CYAML_FIELD_END};
static const cyaml_schema_field_t read_diffusion_fields[] = {
	SCHEMA_SEVERITY(read_diffusion), READ_DIFFUSION_LIMITS(SCHEMA_DIFFUSION) CYAML_FIELD_END};
static const cyaml_schema_field_t write_starvation_fields[] = {
	SCHEMA_SEVERITY(write_starvation),
	WRITE_STARVATION_LIMITS(SCHEMA_STARVATION) CYAML_FIELD_END};

static const cyaml_schema_field_t traps_fields[] = {
	CYAML_FIELD_MAPPING_PTR("pseudo-expansion", OPTIONAL, struct raw_traps, pseudo_expansion,
				pseudo_expansion_fields),
	CYAML_FIELD_MAPPING_PTR("read-diffusion", OPTIONAL, struct raw_traps, read_diffusion,
				read_diffusion_fields),
	CYAML_FIELD_MAPPING_PTR("write-starvation", OPTIONAL, struct raw_traps, write_starvation,
				write_starvation_fields),
	CYAML_FIELD_END};

static const cyaml_schema_field_t budgets_fields[] = {BUDGETS(SCHEMA_BUDGET) CYAML_FIELD_END};

static const cyaml_schema_field_t map_fields[] = {
	CYAML_FIELD_STRING_PTR("pattern", CYAML_FLAG_POINTER, struct raw_map, pattern, 1,
			       PATTERN_MAX),
	CYAML_FIELD_MAPPING_PTR("traps", OPTIONAL, struct raw_map, traps, traps_fields),
	CYAML_FIELD_MAPPING_PTR("budgets", OPTIONAL, struct raw_map, budgets, budgets_fields),
	CYAML_FIELD_END};

static const cyaml_schema_value_t map_schema = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct raw_map, map_fields)};

static const cyaml_schema_field_t policy_fields[] = {
	CYAML_FIELD_FLOAT_PTR("interval", OPTIONAL, struct raw_policy, interval),
	CYAML_FIELD_ENUM_PTR("fail-on", OPTIONAL | CYAML_FLAG_STRICT, struct raw_policy, fail_on,
			     severities + 1, 3), /* "off" makes no sense */
	CYAML_FIELD_MAPPING_PTR("traps", OPTIONAL, struct raw_policy, traps, traps_fields),
	CYAML_FIELD_MAPPING_PTR("budgets", OPTIONAL, struct raw_policy, budgets, budgets_fields),
	CYAML_FIELD_SEQUENCE("maps", OPTIONAL, struct raw_policy, maps, &map_schema, 0,
			     CYAML_UNLIMITED),
	CYAML_FIELD_END};

static const cyaml_schema_value_t policy_schema = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct raw_policy, policy_fields)};

/* --- laying over -------------------------------------------------------------- */

struct place {
	struct policy_source *source;
	char path[128]; /* "traps.read-diffusion", for messages */
};

static bool counts_windows(const char *name)
{
	static const char *const names[] = {"raise", "of", "clear", "retained_windows"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

static int lay_number(const struct place *place, const char *name, const double *raw, double min,
		      double max, double *ret_value)
{
	char path[192];

	if (!raw)
		return 0;
	snprintf(path, sizeof(path), "%s%s%s", place->path, *place->path ? "." : "", name);
	if (counts_windows(name) && *raw != floor(*raw))
		return policy_error_value(place->source, path,
					  "counts windows: a whole number, not %g", *raw);
	if (*raw >= min && *raw <= max) { /* false for NaN */
		*ret_value = *raw;
		return 0;
	}
	return policy_error_value(place->source, path, "must be from %g to %g, not %g", min, max,
				  *raw);
}

/* "raise in of windows" must be possible. */
static int check_windows(const struct place *place, double raise, double of)
{
	char path[192];

	if (raise <= of)
		return 0;
	snprintf(path, sizeof(path), "%s.raise", place->path);
	return policy_error_value(place->source, path, "must be at most of: not %g of %g", raise,
				  of);
}

#define LAY_NUMBER(name, value, min, max, help)                                                    \
	if (!err)                                                                                  \
		err = lay_number(place, #name, raw->name, min, max, &into->name);

#define LAY_TRAP(trap, LIST)                                                                       \
	static int lay_##trap(const struct place *place, const struct raw_##trap *raw,             \
			      struct trap##_limits *into, enum finding_severity *severity)         \
	{                                                                                          \
		int err = 0;                                                                       \
                                                                                                   \
		if (raw->severity)                                                                 \
			*severity = *raw->severity;                                                \
		LIST(LAY_NUMBER)                                                                   \
		return err ? err : check_windows(place, into->raise, into->of);                    \
	}
TRAP_LIMITS(LAY_TRAP)

static void enter(struct place *into, const struct place *from, const char *name)
{
	into->source = from->source;
	snprintf(into->path, sizeof(into->path), "%.90s%s%s", from->path, *from->path ? "." : "",
		 name);
	for (char *c = into->path; *c; c++)
		if (*c == '_')
			*c = '-';
}

static int lay_traps(const struct place *place, const struct raw_traps *raw, struct limits *into)
{
	struct place inner;
	int err = 0;

#define LAY_ONE(trap, LIST)                                                                        \
	if (raw->trap && !err) {                                                                   \
		enter(&inner, place, "traps." #trap);                                              \
		err = lay_##trap(&inner, raw->trap, &into->trap, &into->severity.trap);            \
	}
	TRAP_LIMITS(LAY_ONE)
#undef LAY_ONE
	return err;
}

static int lay_budgets(const struct place *outer, const struct raw_budgets *raw,
		       struct limits *limits)
{
	struct place inner, *place = &inner;
	int err = 0;

	enter(&inner, outer, "budgets");
#define LAY_BUDGET(name, ...)                                                                      \
	if (!err)                                                                                  \
		err = lay_number(place, #name, raw->name, 0, 1e18, &limits->budget.name);
	BUDGETS(LAY_BUDGET)
#undef LAY_BUDGET
	return err;
}

static int lay_limits(const struct place *place, const struct raw_traps *traps,
		      const struct raw_budgets *budgets, struct limits *into)
{
	int err = traps ? lay_traps(place, traps, into) : 0;

	return !err && budgets ? lay_budgets(place, budgets, into) : err;
}

static int lay_maps(const struct place *place, const struct raw_policy *raw, struct policy *policy)
{
	int err = 0;

	if (!raw->maps_count)
		return 0;
	policy->maps = calloc(raw->maps_count, sizeof(*policy->maps));
	if (!policy->maps)
		return log_err(-ENOMEM, "cannot read the policy");
	for (unsigned i = 0; i < raw->maps_count && !err; i++) {
		struct policy_map *map = &policy->maps[policy->map_count++];
		struct place inner = {.source = place->source};

		snprintf(inner.path, sizeof(inner.path), "maps.%u", i);
		map->limits = policy->limits;
		map->pattern = strdup(raw->maps[i].pattern);
		err = map->pattern ? lay_limits(&inner, raw->maps[i].traps, raw->maps[i].budgets,
						&map->limits)
				   : log_err(-ENOMEM, "cannot read the policy");
	}
	return err;
}

static int lay(struct policy_source *source, const struct raw_policy *raw, struct policy *policy)
{
	struct place place = {.source = source};
	double interval = 0;
	int err;

	err = lay_number(&place, "interval", raw->interval, 0.01, 86400, &interval);
	if (err)
		return err;
	policy->interval_ms = (unsigned)(interval * 1000 + 0.5);
	if (raw->fail_on)
		policy->fail_on = *raw->fail_on;
	err = lay_limits(&place, raw->traps, raw->budgets, &policy->limits);
	return err ? err : lay_maps(&place, raw, policy);
}

/* --- the file ------------------------------------------------------------------ */

/* To its end and not by its size: it may be a pipe, as of --policy <(...). */
static int read_file(struct policy_source *source)
{
	int fd = open(source->path, O_RDONLY | O_CLOEXEC | O_NOCTTY), err = 0;
	ssize_t len = 1;

	if (fd < 0)
		return -errno;
	source->text = malloc(FILE_BYTES_MAX + 1);
	if (!source->text)
		err = -ENOMEM;
	while (!err && len > 0) {
		len = read(fd, source->text + source->len, FILE_BYTES_MAX + 1 - source->len);
		if (len < 0)
			err = -errno;
		else
			source->len += (size_t)len;
		if (source->len > FILE_BYTES_MAX)
			err = -EFBIG;
	}
	close(fd);
	return err;
}

static int parse(struct policy_source *source, struct policy *policy)
{
	const cyaml_config_t config = {
		.log_fn = policy_error_log,
		.log_ctx = source,
		.mem_fn = cyaml_mem,
		.log_level = CYAML_LOG_ERROR,
		.flags = CYAML_CFG_NO_ALIAS,
	};
	struct raw_policy *raw = NULL;
	cyaml_err_t bad;
	int err = 0;

	bad = cyaml_load_data((const uint8_t *)source->text, source->len, &config, &policy_schema,
			      (cyaml_data_t **)&raw, NULL);
	if (bad != CYAML_OK)
		return policy_error_schema(source, cyaml_strerror(bad));
	if (raw) /* an empty file says nothing */
		err = lay(source, raw, policy);
	cyaml_free(&config, &policy_schema, raw, 0);
	return err;
}

int policy_load(struct policy **ret_policy, const char *path)
{
	struct policy_source source = {.path = path};
	struct policy *policy = NULL;
	int err = read_file(&source);

	if (err) {
		log_err(err, "cannot read the policy %s", path);
		log_hint("--policy wants a YAML file of at most 1 MB: docs/policy.md");
		free(source.text);
		return err;
	}
	err = policy_create(&policy);
	if (!err)
		err = policy_strict(path, source.text, source.len);
	if (!err)
		err = parse(&source, policy);
	free(source.text);
	if (err) {
		policy_free(policy);
		return err;
	}
	*ret_policy = policy;
	return 0;
}
