#!/bin/bash
# SPDX-License-Identifier: MIT
# insns.sh - instructions of one load, by callgrind, with and without -DSMAP_NO_PROBES.
#
# Exact and repeatable, unlike time. The library is built both ways into a folder of its
# own with the flags of the Makefile. Probes are not listened to: this is the cost of
# having them. Exit 1 if a hit costs one instruction more with probes, or a miss more
# than MAX_MISS (6).
cd "$(dirname "$0")/../.." || exit 1
. tests/bench/common.sh
need valgrind "${CC:=gcc}"

MAX_MISS=${MAX_MISS:-6}
LOW=20000 HIGH=120000

build() { # name, flags
	# Words are meant to split.
	# shellcheck disable=SC2086
	"$CC" -std=gnu11 -pthread -D_GNU_SOURCE -O2 -g -fPIE -pie -fvisibility=hidden \
		-fstack-protector-strong -D_FORTIFY_SOURCE=2 ${2:-} -Ilib \
		lib/*.c tests/bench/insns.c -o "$scratch/$1" || die "cannot build $1"
}

collected() { # program, hit|miss, count
	valgrind --tool=callgrind --callgrind-out-file="$scratch/out" --collect-atstart=no \
		--toggle-collect=run_loads "$scratch/$1" "$2" "$3" 2>"$scratch/log" ||
		{ cat "$scratch/log" >&2; die "callgrind failed"; }
	awk '/^(summary|totals):/ { print $2; exit }' "$scratch/out"
}

per_load() { # program, hit|miss
	local low high
	low=$(collected "$1" "$2" $LOW) && high=$(collected "$1" "$2" $HIGH) || exit 1
	awk -v l="$low" -v h="$high" -v n=$((HIGH - LOW)) 'BEGIN { printf "%.2f", (h - l) / n }'
}

build probes
build none -DSMAP_NO_PROBES
echo "instructions per load (u64 keys, one thread, $(uname -m), $("$CC" -dumpfullversion))"
printf '  %-10s %12s %16s %12s\n' "" probes SMAP_NO_PROBES difference
status=0
for kind in hit miss; do
	with=$(per_load probes $kind) && without=$(per_load none $kind) || exit 1
	max=0
	[ $kind = miss ] && max=$MAX_MISS
	awk -v k=$kind -v a="$with" -v b="$without" -v max="$max" 'BEGIN {
		printf "  %-10s %12.2f %16.2f %12.2f   at most %d\n", k, a, b, a - b, max
		exit a - b > max + 0.005 }' || status=1
done
exit $status
