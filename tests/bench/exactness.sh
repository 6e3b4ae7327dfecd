#!/bin/bash
# SPDX-License-Identifier: MIT
# exactness.sh [NAME...] - is what smaptrace reports what the maps counted?
#
# Each workload is traced, from its start or attached in the middle of its run, by default
# or with --exact. Then the totals of the trace's `end` are compared with the maps' own
# counters, and each histogram's count with the number of events traced. Every
# difference must be 0; exit 1 otherwise. Environment: O, OPS (operations of each
# thread), QUIET=1 prints one line for each workload.
cd "$(dirname "$0")/../.." || exit 1
. tests/bench/common.sh
need jq "$SMAPTRACE" "$LOAD"

OPS=${OPS:-200000}
QUIET=${QUIET:-}

# name | start, late (after half of the operations) or live (traced until told to stop, while
# the maps are still there) | arguments of smaptrace | arguments of mapload
workloads='
miss-1t          |start|        |--mix miss
miss-4t          |start|        |--mix miss --threads 4 --kind bytes
miss-4t-50maps   |start|        |--mix miss --threads 4 --maps 50 --kind bytes
promote-1t       |start|        |--mix promote --keys 64
promote-4t-late  |late |        |--mix promote --keys 64 --threads 4 --kind bytes
promote-50maps   |late |        |--mix promote --keys 64 --threads 4 --maps 50
delete-4t        |start|        |--mix delete --keys 100 --threads 4 --value-free
delete-50maps    |late |        |--mix delete --keys 100 --threads 4 --maps 50 --kind bytes --value-free
churn-4t         |late |        |--mix churn --keys 100 --threads 4 --value-free
clear-4t         |start|        |--mix clear --threads 4 --keys 200
range-4t         |start|        |--mix range --threads 4 --keys 200
overflow-4t      |start|        |--mix miss --threads 4 --miss-counter-bits 16 --policy fixed:1000000000
no-destroy       |start|        |--mix churn --threads 4 --no-destroy
live             |live |        |--mix churn --keys 100 --threads 4 --maps 50 --value-free
ctor             |start|        |--mix miss --ctor
maps-1000        |start|        |--mix promote --maps 1000 --keys 20
exact-miss-1t    |start|--exact |--mix miss
exact-miss-late  |late |--exact |--mix miss --threads 4 --kind bytes
exact-promote-4t |start|--exact |--mix promote --keys 64 --threads 4 --maps 50
exact-delete-late|late |--exact |--mix delete --keys 100 --threads 4 --maps 50 --value-free
'

run_start() { # smaptrace arguments -- mapload arguments
	local trace=()
	while [ "$1" != -- ]; do trace+=("$1"); shift; done
	shift
	"$SMAPTRACE" "${trace[@]}" -f json -o "$scratch/trace" -- "$LOAD" "$@" \
		>"$scratch/load" 2>"$scratch/trace.err" || { cat "$scratch/trace.err" >&2; die "failed"; }
}

run_late() {
	local trace=()
	while [ "$1" != -- ]; do trace+=("$1"); shift; done
	shift
	load_start --hold-after $((OPS / 2)) "$@"
	trace_start "${trace[@]}" -p "$load_pid" -f json -o "$scratch/trace"
	load_go
	load_wait
	wait "$trace_pid" || { cat "$scratch/trace.err" >&2; die "smaptrace failed"; }
}

run_live() {
	local trace=()
	while [ "$1" != -- ]; do trace+=("$1"); shift; done
	shift
	load_start --hold-run --hold-end "$@"
	trace_start "${trace[@]}" -p "$load_pid" -f json -o "$scratch/trace"
	load_go
	wait_for "the results of mapload" grep -q '"type":"run"' "$scratch/load"
	kill -INT "$trace_pid"
	wait "$trace_pid" || { cat "$scratch/trace.err" >&2; die "smaptrace failed"; }
	load_go
	load_wait
}

compare() { # name
	local rows
	grep '^{' "$scratch/load" >"$scratch/truth"
	rows=$(jq -rs --slurpfile trace "$scratch/trace" -f tests/bench/exactness.jq "$scratch/truth") ||
		die "$1: cannot compare"
	if [ -z "$QUIET" ]; then
		printf '  %-24s %14s %14s %12s\n' "" maps smaptrace difference
		awk -F'\t' '{ printf "  %-24s %14d %14d %12d\n", $1, $2, $3, $4 }' <<<"$rows"
	fi
	awk -F'\t' -v name="$1" '
		$1 == "misses" { misses = $2 } $1 == "promotions" { promotions = $2 }
		$1 == "miss_wait.count" { traced = $2 }
		{ rows++; sum += $4 }
		END {
			if (rows < 19 || misses == 0 || traced == 0) bad = "nothing traced"
			else if (sum) bad = "difference " sum
			printf "%-20s %10d misses %8d promotions: %s\n", name, misses, promotions,
				bad ? bad : "difference 0"
			exit bad != ""
		}' <<<"$rows"
}

run_all() { # names, or none for all
	local name mode trace load status=0
	while IFS='|' read -r name mode trace load; do
		name=${name// /}
		[ -n "$name" ] || continue
		[ $# -eq 0 ] || [[ " $* " == *" $name "* ]] || continue
		[ -n "$QUIET" ] || echo "$name: ${mode// /}, smaptrace $trace, mapload $load --ops $OPS"
		# Words are meant to split.
		# shellcheck disable=SC2086
		run_"${mode// /}" $trace -- $load --ops "$OPS" </dev/null
		compare "$name" || status=1
		ran=$((ran + 1))
	done <<<"$workloads"
	return $status
}

# Two processes that do the same; the trace of one must show that one only.
run_one_of_two() {
	local other status=0
	"$LOAD" --mix miss --seconds 2 >"$scratch/other" &
	other=$!
	started+=("$other")
	run_late -- --mix miss --ops "$OPS"
	jq -e --argjson pid "$load_pid" 'select(.type == "end") | .maps | length == 1 and .[0].pid == $pid' \
		"$scratch/trace" >/dev/null || status=1
	compare one-of-two || status=1
	wait "$other" || die "mapload failed"
	ran=$((ran + 1))
	return $status
}

ran=0 status=0
run_all "$@" || status=1
if [ $# -eq 0 ] || [[ " $* " == *" one-of-two "* ]]; then
	run_one_of_two || status=1
fi
[ "$ran" -gt 0 ] || die "no such workload: $*"
[ "$status" = 0 ] || echo "exactness: there are differences" >&2
exit "$status"
