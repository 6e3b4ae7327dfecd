/* SPDX-License-Identifier: MIT */
/*
 * dlmap - a program that is not linked with libsmap and loads it while it runs.
 *
 * A tracer that was attached before sees no library at first; it has to notice the
 * dlopen. Single-threaded, so that the number of misses and promotions is known:
 * each round stores one new key into an empty dirty and loads absent keys until
 * the policy (exactly Go) promotes. Prints the map's counters as mapload does.
 */
#define SMAP_NO_INLINE /* nothing of the library is linked */
#include <dlfcn.h>
#include "cli.h"
#include "hold.h"
#include "mapjson.h"

/* Types come from the header; no symbol of the library is used by name. */
#define DL_FUNCTIONS(X)                                                                            \
	X(smap_create)                                                                             \
	X(smap_destroy)                                                                            \
	X(smap_store_u64)                                                                          \
	X(smap_load_u64)                                                                           \
	X(smap_len)                                                                                \
	X(smap_inspect)

static struct {
#define DL_POINTER(name) __typeof__(name) *name;
	DL_FUNCTIONS(DL_POINTER)
#undef DL_POINTER
} lib;

static struct {
	const char *library;
	const char *name;
	uint64_t rounds;
	bool hold, hold_loaded, hold_end, no_destroy;
} opt = {.name = "dlmap", .rounds = 10};

static const struct cli_option options[] = {
	{"library", "PATH", "libsmap.so to load (required)", CLI_STRING, &opt.library, 0, 0, NULL},
	{"name", "NAME", "of the map (dlmap)", CLI_STRING, &opt.name, 0, 0, NULL},
	{"rounds", "N", "promotions to cause (10)", CLI_U64, &opt.rounds, 1, 100000, NULL},
	{"hold", NULL, "hold before the dlopen", CLI_FLAG, &opt.hold, 0, 0, NULL},
	{"hold-loaded", NULL, "hold when the library is loaded, before the map", CLI_FLAG,
	 &opt.hold_loaded, 0, 0, NULL},
	{"hold-end", NULL, "hold when results are printed, the map still there", CLI_FLAG,
	 &opt.hold_end, 0, 0, NULL},
	{"no-destroy", NULL, "exit without smap_destroy", CLI_FLAG, &opt.no_destroy, 0, 0, NULL},
};

static const struct cli cli = {
	.program = "dlmap",
	.summary = "Loads libsmap with dlopen, makes a map miss and promote, prints its counters.",
	.options = options,
	.option_count = sizeof(options) / sizeof(options[0]),
	.notes = "Holding ends by a byte on stdin or by SIGUSR1.",
};

static bool load_library(void)
{
	void *handle = dlopen(opt.library, RTLD_NOW | RTLD_LOCAL);

	if (!handle) {
		fprintf(stderr, "dlmap: error: cannot load %s: %s\n", opt.library, dlerror());
		return false;
	}
#define DL_LOOKUP(function)                                                                        \
	lib.function = (__typeof__(function) *)dlsym(handle, #function);                           \
	if (!lib.function) {                                                                       \
		fprintf(stderr, "dlmap: error: %s has no " #function "\n", opt.library);           \
		return false;                                                                      \
	}
	DL_FUNCTIONS(DL_LOOKUP)
#undef DL_LOOKUP
	return true;
}

/* The n-th round has n keys, so n absent loads promote. */
static int run(struct smap *map)
{
	void *value;
	int err;

	for (uint64_t round = 1; round <= opt.rounds; round++) {
		err = lib.smap_store_u64(map, round, &lib);
		if (err)
			return err;
		for (uint64_t miss = 0; miss < round; miss++)
			lib.smap_load_u64(map, UINT64_MAX, &value);
	}
	return 0;
}

static int trace_me(void)
{
	struct smap_options opts = {
		.size = sizeof(opts), .name = opt.name, .key_kind = SMAP_KEY_U64};
	struct smap_state state;
	struct smap *map;
	int err;

	err = lib.smap_create(&map, &opts);
	if (err) {
		fprintf(stderr, "dlmap: error: smap_create: %s\n", strerror(-err));
		return CLI_FAILED;
	}
	err = run(map);
	if (err)
		fprintf(stderr, "dlmap: error: store: %s\n", strerror(-err));
	lib.smap_inspect(map, &state);
	map_json(stdout, &state, lib.smap_len(map));
	fflush(stdout);
	if (opt.hold_end)
		hold_wait("end");
	if (!opt.no_destroy)
		lib.smap_destroy(map);
	return err ? CLI_FAILED : CLI_OK;
}

int main(int argc, char **argv)
{
	int status;

	if (!cli_parse(&cli, argc, argv, &status))
		return status;
	if (!opt.library) {
		fprintf(stderr, "dlmap: error: --library PATH is needed; try --help\n");
		return CLI_USAGE;
	}
	if (!hold_init()) {
		perror("dlmap: error: signalfd");
		return CLI_FAILED;
	}
	if (opt.hold)
		hold_wait(NULL);
	if (!load_library())
		return CLI_FAILED;
	if (opt.hold_loaded)
		hold_wait("loaded");
	return trace_me();
}
