#!/bin/bash
# SPDX-License-Identifier: MIT
# Two copies of the library in one process: a program with one, and its plugin with another. Each way
# to link them has to keep what belongs to one copy together: a value that was deleted in a section
# stays until the section ends, whichever copy's functions the linker chose for the plugin.
set -u
cd "$(dirname "$0")/.." || exit 1
. tests/check.bash
: "${O:=.output}" "${CC:=gcc}"
status=0

cat >"$dir/plugin.c" <<'END'
#include <stdatomic.h>
#include <time.h>
#include "smap.h"

static char object, others[1000];
static _Atomic unsigned freed; /* object */

static void value_free(void *value, void *ctx)
{
	(void)ctx;
	freed += value == &object;
}

int plugin_run(void);
int plugin_run(void)
{
	struct smap_options opts = {
		.size = sizeof(opts), .key_kind = SMAP_KEY_U64, .value_free = value_free};
	struct smap *map;
	void *value;
	int wrong;

	if (smap_create(&map, &opts) || smap_store_u64(map, 1, &object))
		return 1;
	smap_read_lock();
	if (!smap_load_u64(map, 1, &value) || !smap_delete_u64(map, 1))
		return 2;
	for (unsigned i = 0; i < sizeof(others); i++)
		smap_store_u64(map, 2, others + i);
	/* After some rounds the reclaimer waits for us, or has freed it. The other copy's has none. */
	for (uint64_t runs = smap_registry_get()->reclaimer_runs, n = 0;
	     n < 200 && smap_registry_get()->reclaimer_runs - runs < 2; n++)
		nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	wrong = freed ? 3 : 0;
	smap_read_unlock();
	smap_destroy(map);
	return wrong ? wrong : freed == 1 ? 0 : 4;
}
END
cat >"$dir/program.c" <<'END'
#include "smap.h"

int plugin_run(void);

static int use(void)
{
	struct smap_options opts = {.size = sizeof(opts), .key_kind = SMAP_KEY_U64};
	struct smap *map;
	void *value;
	int err = smap_create(&map, &opts) || smap_store_u64(map, 1, &opts) ||
		  !smap_load_u64(map, 1, &value);

	smap_destroy(map);
	return err;
}

int main(int argc, char **argv)
{
	(void)argv;
	return (argc > 1 && use()) || plugin_run() || use();
}
END

run() { # what it is, then what the program is linked with
	local what=$1 first status_of
	shift
	$CC -O2 -Ilib "$dir/program.c" "$@" -L"$dir" -Wl,-rpath-link="$dir" -lplugin -pthread -o "$dir/program" || exit 1
	for first in "" use; do # with a map of the program before the plugin's, and without
		# shellcheck disable=SC2086
		LD_LIBRARY_PATH=$dir timeout 60 "$dir/program" $first
		status_of=$?
		[ $status_of = 0 ] && continue
		echo "$what${first:+, a map of the program first}: exit status $status_of"
		status=1
	done
}

plugin() { # flags and objects
	$CC -O2 -fPIC -shared -Ilib "$dir/plugin.c" "$@" -pthread -o "$dir/libplugin.so" || exit 1
}

cp "$O"/libsmap.so.* "$dir" || exit 1
for name in "$dir"/libsmap.so.*; do ln -s "$(basename "$name")" "$dir/libsmap.so"; done
plugin -L"$dir" -lsmap
run "static library in the program, shared one for the plugin" "$O/libsmap.a"
for flag in -Wl,-Bsymbolic-functions -Wl,-Bsymbolic ""; do
	# shellcheck disable=SC2086
	plugin "$O"/lib/*.pic.o $flag
	run "shared library, and a copy in the plugin ${flag:-without -Bsymbolic}" -lsmap
	run "static library, exported, and a copy in the plugin ${flag:-without -Bsymbolic}" \
		"$O/libsmap.a" -rdynamic
done
exit $status
