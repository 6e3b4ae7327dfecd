#!/bin/bash
# SPDX-License-Identifier: MIT
#
# torture.sh MINUTES              stress_linear under yields, plain, TSan and ASan in turn
# torture.sh build OUT LIB FLAGS  only build it: library sources LIB, extra FLAGS, to OUT
#
# The library is compiled with tests/yield.h before everything else and with
# -DSMAP_STRESS (tables as small as they can be): threads change places at atomic
# accesses, tables move at almost every new key. Each turn has a new seed, which is
# printed; the first violation ends the run with status 1.
#
# Environment: O build tree (.output), CC compiler (gcc).
set -eu
cd "$(dirname "$0")/.."
O=${O:-.output}
CC=${CC:-gcc}
turn=60 # seconds of one build, before the next has its turn

# One object for each source, those of LIB that did not change taken from OUT.d as they are.
build() {
	local out=$1 lib=$2 source
	shift 2
	mkdir -p "$out.d"
	for source in "$lib"/*.c tests/stress_linear.c; do
		echo "$source"
	done | xargs -P 2 -I '{}' sh -c '
		object=$1/$(basename "$2").o
		newest=$(ls -t "$3"/*.[ch] tests/*.h "$2" | head -n 1)
		[ "$object" -nt "$newest" ] && exit 0
		shift 1
		source=$1 lib=$2
		shift 2
		exec "$@" -Wall -Wextra -Werror -I"$lib" -Itests -include tests/yield.h -DSMAP_STRESS \
			-c "$source" -o "$object"' \
		sh "$out.d" '{}' "$lib" "$CC" -std=gnu11 -pthread -D_GNU_SOURCE -O1 -g "$@"
	for source in "$lib"/*.c stress_linear.c; do
		echo "$out.d/$(basename "$source").o"
	done | xargs "$CC" -pthread "$@" -o "$out"
}

run() { # program, seconds
	local aslr=
	case $1 in *.tsan) aslr="setarch -R" ;; esac
	nice $aslr "$1" --seconds "$2"
}

if [ "${1:-}" = build ]; then
	shift
	build "$@"
	exit 0
fi
[ $# -eq 1 ] || { echo "usage: torture.sh MINUTES" >&2; exit 2; }
mkdir -p "$O/torture"
build "$O/torture/linear.plain" lib
build "$O/torture/linear.tsan" lib -fsanitize=thread -fno-omit-frame-pointer
build "$O/torture/linear.asan" lib -fsanitize=address,undefined -fno-sanitize-recover=undefined
left=$(($1 * 60))
while [ "$left" -gt 0 ]; do
	for kind in plain tsan asan; do
		[ "$left" -gt 0 ] || break
		run "$O/torture/linear.$kind" $((left < turn ? left : turn))
		left=$((left - turn))
	done
done
