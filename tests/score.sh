#!/bin/bash
# SPDX-License-Identifier: MIT
# score.sh - how good are the detectors? (make score)
#
# usage: tests/score.sh [-j JOBS] [REGEX]
#
# Runs every scenario of trapload whose name or label matches under smaptrace and compares the
# findings with the label: the trap of the label, on the map "suspect", and nothing else. Prints
# a table of label against verdict, precision and recall of each trap, the seconds from the start
# of the trace to the first right finding, and every wrong verdict by name. Status 1 if there
# is one. Timing matters: -j 1 is the default.
cd "$(dirname "$0")/.." || exit 1
. tests/bench/common.sh
TRAPLOAD=$O/tests/workloads/trapload
jobs=1
if [ "$1" = -j ]; then
	jobs=$2
	shift 2
fi
need jq "$SMAPTRACE" "$TRAPLOAD"

# One line: name, label, verdicts (comma between, "none" without), seconds to the first right one.
run_one() { # name, label
	local out=$scratch/$1
	"$SMAPTRACE" -i 1 -f json -o "$out" -- "$TRAPLOAD" "$1" >"$out.map" 2>"$out.err"
	if ! grep -q '"type":"end"' "$out" || ! grep -q '"type":"run"' "$out.map"; then
		printf '%s\t%s\tFAILED\t-\n' "$1" "$2"
		tail -n 3 "$out.err" >&2
		return
	fi
	jq -rs --arg name "$1" --arg want "$2" '
		def verdict: if .name == "suspect" then .trap else .trap + "@" + .name end;
		(map(select(.type == "header"))[0].start_ns) as $start |
		(reduce .[] as $r ({when: $start, found: []};
			if $r.type == "window" then .when = $r.end_ns
			elif $r.type == "finding" then .found += [$r + {at: .when}]
			else . end) | .found) as $found |
		[$name, $want,
		 ([$found[] | verdict] | unique | join(",") | if . == "" then "none" else . end),
		 ([$found[] | select(.name == "suspect" and .trap == $want)][0].at |
			if . then (. - $start) / 1e8 | round / 10 else "-" end)] | @tsv' "$out"
}
export -f run_one
export SMAPTRACE TRAPLOAD scratch

"$TRAPLOAD" --list | cut -f 1,2 | grep -E -- "${1:-.}" >"$scratch/todo" || die "no scenario matches '$1'"
xargs -P "$jobs" -L 1 bash -c 'run_one "$@"' _ <"$scratch/todo" | tee "$scratch/verdicts"
[ "$(wc -l <"$scratch/verdicts")" = "$(wc -l <"$scratch/todo")" ] || die "not every scenario has a verdict"

awk -F '\t' '
{
	runs++; label[$2] = 1; cell[$2, $3]++; shown[$3] = 1
	n = split($3, verdict, ","); right = 0
	for (i = 1; i <= n; i++) {
		if (verdict[i] == $2) right = 1
		else { sub(/@.*/, "", verdict[i]); false_pos[verdict[i]]++ }
	}
	has[$2]++; hit[$2] += right
	if ($4 != "-") { time[$2] += $4; times[$2]++; if ($4 > worst[$2]) worst[$2] = $4 }
	if ($3 != $2) wrong[++wrongs] = $1 ": is " $2 ", found " $3
}
END {
	print "\nlabel -> verdict: scenarios"
	for (l in label) for (v in shown) if (cell[l, v])
		printf "  %-18s -> %-40s %d\n", l, v, cell[l, v]
	print "\ntrap: precision, recall, seconds to the finding (mean, worst)"
	for (l in label) if (l != "none")
		printf "  %-18s %s %.3f  %s  %s\n", l,
			hit[l] + false_pos[l] ? sprintf("%.3f", hit[l] / (hit[l] + false_pos[l])) : "-",
			hit[l] / has[l], times[l] ? sprintf("%.1f", time[l] / times[l]) : "-", worst[l]
	printf "\n%d scenarios, %d wrong\n", runs, wrongs
	for (i = 1; i <= wrongs; i++) print "  WRONG " wrong[i]
	exit wrongs > 0
}' "$scratch/verdicts"
