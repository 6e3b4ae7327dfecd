#!/bin/bash
# SPDX-License-Identifier: MIT
# insns.sh - instructions of one operation, by callgrind, with and without -DSMAP_NO_PROBES.
#
# Exact and repeatable, unlike time. The library is built both ways into a folder of its
# own with the flags of the Makefile, and linked statically: valgrind cannot start a program whose
# ld.so another process has breakpoints in. Probes are not listened to: this is the cost of
# having them. Exit 1 if anything costs one instruction more with probes, or, of what takes the
# mutex, more than MAX_LOCKED (12). Rows of keys differ a little from run to run. Else one key is asked for again and again; of three runs the one with
# the fewest counts, because the seed of a map is random and keys collide now and then.
cd "$(dirname "$0")/../.." || exit 1
. tests/bench/common.sh
need valgrind "${CC:=gcc}"

MAX_LOCKED=${MAX_LOCKED:-12}
OPERATIONS=100000
RUNS=3
KINDS=${KINDS:-hit absent miss filtered store hit16 absent16 miss16 filtered16 store16
	insert insert-tuned drop drop-tuned delete}

build() { # name, flags
	# Words are meant to split.
	# shellcheck disable=SC2086
	"$CC" -std=gnu11 -pthread -D_GNU_SOURCE -O2 -g -fno-omit-frame-pointer -fPIE -static-pie -fvisibility=hidden \
		-fstack-protector-strong -D_FORTIFY_SOURCE=2 ${2:-} -Ilib \
		lib/*.c tests/bench/insns.c -o "$scratch/$1" || die "cannot build $1"
}

collected() { # program, kind, count
	valgrind --tool=callgrind --callgrind-out-file="$scratch/out" --collect-atstart=no \
		--toggle-collect=run_operations "$scratch/$1" "$2" "$3" 2>"$scratch/log" ||
		{ cat "$scratch/log" >&2; die "callgrind failed"; }
	awk '/^(summary|totals):/ { print $2; exit }' "$scratch/out"
}

per_operation() { # program, kind
	local i counted=()
	for ((i = 0; i < RUNS; i++)); do
		counted+=("$(collected "$1" "$2" $OPERATIONS)") || exit 1
	done
	printf "%s\n" "${counted[@]}" | stats | awk -v n=$OPERATIONS '{ printf "%.2f", $2 / n }'
}

build probes
build none -DSMAP_NO_PROBES
echo "instructions per operation (one thread, $(uname -m), $("$CC" -dumpfullversion))"
echo "u64 keys, and 16-byte strings where the name ends in 16; absent: of a clean map; miss: of an"
echo "amended one; filtered: the same, tuned; store: an overwrite in read; insert: a new key, while dirty"
echo "has room; drop: a delete of a key that only dirty has; delete: of one in read"
printf '  %-12s %12s %16s %12s\n' "" probes SMAP_NO_PROBES difference
status=0
for kind in $KINDS; do
	with=$(per_operation probes "$kind") && without=$(per_operation none "$kind") || exit 1
	case $kind in
	miss* | insert* | drop*) max=$MAX_LOCKED ;;
	delete*) max=1 ;;
	*) max=0 ;;
	esac
	awk -v k="$kind" -v a="$with" -v b="$without" -v max="$max" 'BEGIN {
		printf "  %-12s %12.2f %16.2f %12.2f   at most %d\n", k, a, b, a - b, max
		exit a - b > max + 0.005 }' || status=1
done
exit $status
