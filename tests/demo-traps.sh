#!/bin/bash
# SPDX-License-Identifier: MIT
# demo-traps.sh - each trap as smaptrace finds it, and the same traffic with the remedy, where it
# finds none, with what the remedy gained (make demo-traps): by trapload, and in a real server
# (tests/demo-respd.sh). Then the article's experiments. Status 1 on a wrong verdict.
cd "$(dirname "$0")/.." || exit 1
. tests/bench/common.sh
TRAPLOAD=$O/tests/workloads/trapload
need jq "$SMAPTRACE" "$TRAPLOAD"
wrong=0

# Runs one; prints its verdict and counters. Sets verdict.
trace_one() { # title, arguments of trapload
	local title=$1
	shift
	"$SMAPTRACE" -i 1 -f json -o "$scratch/trace" -- "$TRAPLOAD" "$@" >"$scratch/map" \
		2>"$scratch/err"
	grep -q '"type":"end"' "$scratch/trace" || { cat "$scratch/err" >&2; die "smaptrace failed"; }
	verdict=$(jq -rs '[.[] | select(.type == "finding") | .trap] | unique | join(",") |
		if . == "" then "none" else . end' "$scratch/trace")
	jq -rs --arg title "$title" --arg verdict "$verdict" '
		(.[] | select(.type == "map")) as $map | (.[] | select(.type == "run")) as $run |
		"  \($title): found \($verdict); \($run.ops_per_second) steps/s, " +
		"\($map.misses) misses, \($map.promotions) promotions, \($map.copied) copied, " +
		"backlog \($run.backlog)"' "$scratch/map"
}

gains() {
	jq -rs '(.[] | select(.type == "map")) as $map | (.[] | select(.type == "run")) as $run |
		"\($map.misses), \($map.copied), \($run.ops_per_second), \($run.backlog)"' "$scratch/map"
}

expect() { # verdict
	[ "$verdict" = "$1" ] && return
	echo "  WRONG: expected $1"
	wrong=1
}

for trap in pseudo-expansion read-diffusion write-starvation; do
	name=${trap#*-}
	[ "$trap" = pseudo-expansion ] && name=pseudo
	printf '\n--- %s: trapload %s-canonical\n' "$trap" "$name"
	trace_one "without the remedy" "$name-canonical"
	expect "$trap"
	before=$(gains)
	trace_one "with --remedy     " "$name-canonical" --remedy
	expect none
	echo "  gained: misses, entries copied, steps/s, backlog: $before -> $(gains)"
done
printf '\n--- a miss counter of 16 bits\n'
"$TRAPLOAD" --experiment counter
printf '\n--- room for the first dirty\n'
"$TRAPLOAD" --experiment prealloc
tests/demo-respd.sh || wrong=1
[ $wrong = 0 ] && printf '\nAll verdicts are as expected.\n'
exit $wrong
