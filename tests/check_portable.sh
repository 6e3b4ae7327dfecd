#!/bin/bash
# SPDX-License-Identifier: MIT
# Without SIMD instructions the library passes the same tests: those in which it matters what a
# group of control bytes says. -DSMAP_PORTABLE is what processors other than x86 compile. Where
# pointers have 32 bits the library says that it cannot work.
set -u
cd "$(dirname "$0")/.." || exit 1
. tests/check.bash
export CC=${CC:-gcc}
tests="model go api snapshot"

compile() { # source, object
	"$CC" -std=gnu11 -pthread -D_GNU_SOURCE -O1 -Wall -Wextra -Werror -DSMAP_PORTABLE -Ilib -Itests -c "$1" -o "$2"
}
export -f compile

{
	for source in lib/*.c; do echo "$source $dir/$(basename "$source" .c).o"; done
	for name in $tests; do echo "tests/test_smap_$name.c $dir/$name.test"; done
} | xargs -P 2 -L 1 bash -c 'compile "$@"' compile || exit 1
if objdump -d "$dir"/*.o | grep -q pcmpeqb; then
	echo "SMAP_PORTABLE has SSE2 in it"
	exit 1
fi
for name in $tests; do
	"$CC" -pthread "$dir/$name.test" "$dir"/*.o -lcmocka -o "$dir/$name" || exit 1
	timeout 100 "$dir/$name" >"$dir/log" 2>&1 || {
		echo "test_smap_$name without SIMD: exit status $?"
		cat "$dir/log"
		exit 1
	}
done

needs clang
for target in i386-linux-gnu arm-linux-gnueabihf x86_64-linux-gnux32; do
	clang --target=$target -fsyntax-only -x c lib/smap.h 2>&1 | grep -q 'error: "libsmap needs' || {
		echo "smap.h compiles for $target"
		exit 1
	}
done
if clang --target=x86_64-linux-gnu -fsyntax-only -x c lib/smap.h 2>&1 | grep 'libsmap needs'; then
	exit 1
fi
