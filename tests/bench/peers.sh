#!/bin/bash
# SPDX-License-Identifier: MIT
# peers.sh [--quick] [--detail] [--best] [--table] - libsmap against the maps that one would use instead.
#
# Every competitor is a program with the same harness (peers/harness.h), the same keys and
# the same streams of operations. Each repeat runs all of them, size by size, forwards and
# backwards in turn; printed are medians, their ratios, and their spread. Takes about 12
# minutes on an idle machine, --quick about one (one repeat, no 1M, no histograms:
# it shows that all run).
# --detail prints every figure too, --best the tables once more from the best repeat of each cell
# (on a virtual machine neighbours slow down whole repeats by half, and no counter says so).
# --table only prints the tables of the last run again.
# Environment, for a look at one thing: O, REPEATS (5), SIZES, KINDS, PEERS, MIXES,
# WINDOW_MS (25), LONG_MS (60: churn, amended and 64 threads), ONCE= (nothing that is measured once).
cd "$(dirname "$0")/../.." || exit 1
. tests/bench/common.sh

# label | program | variant | mixes, or all
competitors='
array              |array      |0|hit
absl               |absl       |0|all
boost              |boost      |0|all
smap               |smap       |0|all
smap-tuned         |smap       |1|all
lfht-memb          |lfht-memb  |0|all
lfht-memb-presized |lfht-memb  |1|all
lfht-qsbr          |lfht-qsbr  |0|all
lfht-qsbr-presized |lfht-qsbr  |1|all
ck                 |ck         |0|all
tbb                |tbb        |0|all
cuckoo             |cuckoo     |0|all
glib               |glib       |0|all
go-sync            |go-sync    |0|all
go-rwmutex         |go-rwmutex |0|all
'

quick="" detail="" best="" table=""
for arg; do
	case $arg in
	--quick) quick=1 ;;
	--detail) detail=1 ;;
	--best) best=1 ;;
	--table) table=1 ;;
	*) die "usage: peers.sh [--quick] [--detail] [--best] [--table]" ;;
	esac
done

if [ -n "$quick" ]; then
	: "${REPEATS:=1}" "${SIZES:=1000 100000}" "${WINDOW_MS:=5}" "${LONG_MS:=12}"
	ONCE=${ONCE-bytes rebuild}
fi
REPEATS=${REPEATS:-5}
SIZES=${SIZES:-1000 100000 1000000}
KINDS=${KINDS:-u64 str16}
MIXES=${MIXES:-hit,r99,r95,absent,many,boxed,amended,churn}
WINDOW_MS=${WINDOW_MS:-25}
LONG_MS=${LONG_MS:-60}
ONCE=${ONCE-bytes rebuild latency}
PEERS=${PEERS:-$(awk -F'|' 'NF > 1 { print $1 }' <<<"$competitors")}
LARGE=1000000
out=$O/peers
raw=$out/raw

is_chosen() { # label
	[[ " $(echo $PEERS) " == *" $1 "* ]]
}

build() {
	{ tests/bench/deps.sh && make -s O="$O" "$O/libsmap.a" && make -s -C tests/bench/peers O="$O"; } >&2 ||
		die "cannot build the competitors"
	mkdir -p "$out/streams"
	# The streams never change: written once for each size.
	for n in $SIZES; do
		[ -s "$out/streams/zipf-$n-1" ] || "$out/streams-write" "$out/streams" "$n" || die "no streams"
	done
}

# A competitor that fails or hangs costs its own rows only.
run_peer() { # program, kind, arguments
	timeout 60 "$out/$1-$2" "${@:3}" || echo "bench: $1-$2 ${*:3} failed: $?" >&2
}

run_size() { # repeat, kind, size, competitors...
	local repeat=$1 kind=$2 size=$3 line label program variant mixes
	shift 3
	for line; do
		IFS='|' read -r label program variant mixes <<<"${line// /}"
		[ "$mixes" != all ] || mixes=$MIXES
		run_peer "$program" "$kind" cells size="$size" streams="$out/streams" mixes="$mixes" \
			variant="$variant" window="$WINDOW_MS" long="$LONG_MS" |
			sed "s/^/cell $repeat $label /" >>"$raw"
	done
}

run_all() {
	local repeat kind size line label list=()
	while read -r line; do
		label=${line%% *}
		[ -n "$line" ] && is_chosen "$label" && list+=("$line")
	done <<<"$competitors"
	for ((repeat = 1; repeat <= REPEATS; repeat++)); do
		for kind in $KINDS; do
			for size in $SIZES; do
				run_size $repeat "$kind" "$size" "${list[@]}"
			done
		done
		mapfile -t list < <(printf '%s\n' "${list[@]}" | tac)
		echo "  repeat $repeat of $REPEATS done, $SECONDS s" >&2
	done
}

# Memory of all, rebuilds of those with two views, single operations of libsmap.
run_once() {
	local what kind line label program variant mixes
	for what in $ONCE; do
		while IFS='|' read -r label program variant mixes; do
			label=${label// /} program=${program// /}
			[ -n "$label" ] && [ "$label" != array ] && is_chosen "$label" || continue
			[ "$what" != rebuild ] || [[ $label == smap* || $label == go-sync ]] || continue
			[ "$what" != latency ] || [[ $label == smap* ]] || continue
			for kind in $KINDS; do
				run_peer "$program" "$kind" "$what" size=$LARGE variant="$variant"
			done | sed "s/^/once $label /" | sed 's/ [0-9]* \(latency\|longest\) / \1 /' >>"$raw"
		done <<<"$competitors"
	done
}

if [ -z "$table" ]; then
	build
	: >"$raw"
	run_all
	run_once
fi
[ -s "$raw" ] || die "there is no last run: $raw"
echo "$(uname -m), $(nproc) processors, $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1); $REPEATS repeats, windows of $WINDOW_MS and $LONG_MS ms"
echo
awk -f tests/bench/peers/table.awk "$raw"
if [ -n "$best" ]; then
	printf "\n=== the same from the best repeat of each cell\n\n"
	awk -v stat=min -f tests/bench/peers/table.awk "$raw"
fi
[ -z "$detail" ] || awk -v part=detail -f tests/bench/peers/table.awk "$raw"
