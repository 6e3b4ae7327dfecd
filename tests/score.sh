#!/bin/bash
# SPDX-License-Identifier: MIT
# score.sh - how good are the detectors? (make score)
#
# usage: tests/score.sh [-p] [-j JOBS] [-s SECONDS] [REGEX]
#
# Runs every scenario of trapload whose name or label matches, twice: under `check` with a
# recording, which is then replayed, and under `check --exact`. Compares the findings with the
# label: the traps of the label, on the map "suspect", and nothing else. Prints a line for each
# scenario: name, label, verdict, verdict with --exact, whether the replay found the very same,
# and in which window after the trap's minimum duration (docs/scoring.md) the finding came, by
# default and with --exact: windows from the trap's own start to the finding, less the minimum. Then label against verdict, precision and recall of each trap, and
# what is wrong. Status 1 if anything is: a verdict, a difference between the three, or a finding
# that came later than LATE windows (2; "" = does not matter) after the minimum duration.
#
# The recordings stay in $O/score, for tests/score-margins.sh. -s: scenarios run so long, with
# their phases scaled. -p: both runs at once. Timing matters: -j 1 without -p is the default.
# What is labelled "beyond" cannot be seen from outside (docs/scoring.md): it is named, not judged.
cd "$(dirname "$0")/.." || exit 1
. tests/bench/common.sh
TRAPLOAD=$O/tests/workloads/trapload
LATE=${LATE-2}
jobs=1 seconds= at_once=
while getopts pj:s: option; do
	case $option in
	j) jobs=$OPTARG ;;
	s) seconds=$OPTARG ;;
	p) at_once=1 ;;
	*) exit 2 ;;
	esac
done
shift $((OPTIND - 1))
need jq "$SMAPTRACE" "$TRAPLOAD"
mkdir -p "$O/score"

# One run under check: $1.json, $1.map (what trapload printed), $1.err. False if it failed. Each has
# a file of its own to trace: a probe is in all processes of a file, so that an --exact run would
# slow down the others.
trace() { # base, scenario, options of check...
	local base=$1 name=$2
	shift 2
	cp "$TRAPLOAD" "$base.trapload"
	# shellcheck disable=SC2086
	"$SMAPTRACE" check -o /dev/null --report "$base.json" "$@" -- \
		"$base.trapload" "$name" ${seconds:+--seconds $seconds} >"$base.map" 2>"$base.err"
	grep -q '"type":"end"' "$base.json" && grep -q '"type":"run"' "$base.map" && return
	echo "$name $*:" >&2
	tail -n 3 "$base.err" >&2
	false
}

# Verdicts with commas between ("none" without), and windows after the minimum duration or "-".
judge() { # base, label
	jq -rs --arg want "$2" --slurpfile own "$1.map" '
		def verdict: if .name == "suspect" then .trap else .trap + "@" + .name end;
		($want | split(",")) as $wants |
		($own[] | select(.type == "run")) as $run |
		(reduce .[] as $r ({when: 0, found: [], ends: []};
			if $r.type == "window" then .when = $r.end_ns | .ends += [$r.end_ns]
			elif $r.type == "finding" then .found += [$r + {at: .when}]
			else . end)) as $all | $all.found as $found |
		[$wants[] as $trap | [$found[] | select(.name == "suspect" and .trap == $trap)][0] |
			.at // empty] as $right |
		[([$found[] | verdict] | unique | join(",") | if . == "" then "none" else . end),
		 (if $right == [] or $run.trap_ns == 0 or $run.trap_ns > ($right | max) then "-"
		  else [$all.ends[] | select(. > $run.trap_ns and . <= ($right | max))] |
			length - $run.minimum_s end)] | @tsv' "$1.json"
}

# All of them, but of the files in a stack only the last part: recordings have no more.
findings() { # file
	jq -c 'select(.type == "finding") |
		walk(if type == "object" then
			with_entries(if (.key == "file" or .key == "module") and (.value | type) == "string"
				then .value |= (split("/") | last) else . end)
		else . end)' "$1"
}

run_one() { # name, label
	local keep=$O/score/$1 base=$scratch/$1 verdict=FAILED late=- exact=FAILED later=- same=same
	local pid
	[ -z "$at_once" ] || trace "$base.exact" "$1" --exact &
	pid=$! # process substitution sets it anew
	if trace "$base" "$1" --record "$keep.rec"; then
		IFS=$'\t' read -r verdict late < <(judge "$base" "$2")
		"$SMAPTRACE" check -o /dev/null --report "$base.again" --replay "$keep.rec" 2>/dev/null
		diff -q <(findings "$base.json") <(findings "$base.again") >/dev/null || same=DIFFERS
	fi
	if if [ "$at_once" ]; then wait "$pid"; else trace "$base.exact" "$1" --exact; fi; then
		IFS=$'\t' read -r exact later < <(judge "$base.exact" "$2")
	fi
	printf '%s\t%s\t%s\t%s\t%s\t%s\t%s\n' "$1" "$2" "$verdict" "$exact" "$same" "$late" "$later"
	rm -f "$base".*
}
export -f run_one trace judge findings
export SMAPTRACE TRAPLOAD scratch O seconds at_once

"$TRAPLOAD" --list | cut -f 1,2 | grep -v "	beyond$" | grep -E -- "${1:-.}" >"$scratch/todo" || die "no scenario matches '$1'"
# Those that take a CPU for themselves, by a nice value, come last and alone: they starve others, too.
burners='^(starvation-idle-reclaimer|unseen-starved-writers)	'
{
	grep -vE "$burners" "$scratch/todo" | xargs -r -P "$jobs" -L 1 bash -c 'run_one "$@"' _
	grep -E "$burners" "$scratch/todo" | xargs -r -P 1 -L 1 bash -c 'run_one "$@"' _
} | tee "$scratch/verdicts"
[ "$(wc -l <"$scratch/verdicts")" = "$(wc -l <"$scratch/todo")" ] || die "not every scenario has a verdict"

awk -F '\t' -v limit="$LATE" -v beyond="$("$TRAPLOAD" --list | grep "	beyond	" | cut -f 1 | paste -s -d ' ')" '
function wrong(text) { wrongs[++wrong_count] = text }
function note_time(trap, late) {
	if (late == "-") return
	time[trap] += late; times[trap]++
	if (times[trap] == 1 || late > worst[trap]) worst[trap] = late
}
{
	runs++; label[$2] = 1; cell[$2, $3]++; shown[$3] = 1
	wants = split($2, want, ","); n = split($3, verdict, ",")
	for (i = 1; i <= wants; i++) {
		has[want[i]]++
		hit[want[i]] += index("," $3 ",", "," want[i] ",") > 0
	}
	for (i = 1; i <= n; i++)
		if (!index("," $2 ",", "," verdict[i] ",")) {
			sub(/@.*/, "", verdict[i])
			false_pos[verdict[i]]++
		}
	if ($2 != "none" && wants == 1) { note_time($2, $6); note_time($2, $7) }
	if ($3 != $2) wrong($1 ": is " $2 ", found " $3)
	if ($4 != $2) wrong($1 ": is " $2 ", found " $4 " with --exact")
	if ($5 != "same") wrong($1 ": the replay found something else")
	if (limit != "" && $6 != "-" && $6 > limit) wrong($1 ": found " $6 " windows late")
	if (limit != "" && $7 != "-" && $7 > limit) wrong($1 ": found " $7 " windows late with --exact")
}
END {
	print "\nlabel -> verdict: scenarios"
	for (l in label) for (v in shown) if (cell[l, v])
		printf "  %-34s -> %-34s %d\n", l, v, cell[l, v]
	print "\ntrap: precision, recall, windows after the minimum duration (mean, worst)"
	for (l in has) if (l != "none")
		printf "  %-18s %s %.3f  %s  %s\n", l,
			hit[l] + false_pos[l] ? sprintf("%.3f", hit[l] / (hit[l] + false_pos[l])) : "-",
			hit[l] / has[l], times[l] ? sprintf("%.1f", time[l] / times[l]) : "-", worst[l]
	if (beyond) print "\nnot judged, cannot be seen from outside: " beyond
	printf "\n%d scenarios, each by default, with --exact and replayed; %d wrong\n", runs, wrong_count
	for (i = 1; i <= wrong_count; i++) print "  WRONG " wrongs[i]
	exit wrong_count > 0
}' "$scratch/verdicts"
