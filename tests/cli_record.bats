#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# record, report, diff: what is recorded is what the maps counted. Needs root and BPF.

load trace

record() { # file, mapload's arguments...
	local out=$1
	shift
	"$SMAPTRACE" record -i 0.1 -o "$out" -- "$MAPLOAD" "$@" >"$out.own" 3>&-
}

@test "record: report has the totals of the maps themselves" {
	record "$tmp/rec" --ops 5000 --mix churn
	"$SMAPTRACE" report -f json -o "$tmp/json" "$tmp/rec"
	jq -es --slurpfile own <(grep '"type":"map"' "$tmp/rec.own") '
		(.[] | select(.type == "end")) as $last
		| ($last.maps | INDEX("\(.pid) \(.addr)")) as $ours
		| ($own | length) > 0 and ($last.losses | all(. == 0))
		and ($own | all(. as $o | $ours["\(.pid) \(.addr)"]
			| .name == $o.name and .misses == $o.misses
			and .promotions == $o.promotions and .rebuilds == $o.rebuilds
			and .copied == $o.copied and .expunged == $o.expunged))' "$tmp/json"
	"$SMAPTRACE" report "$tmp/rec" | grep -q 'Lost: nothing'
}

@test "record: says nothing about the machine or the place of the program" {
	HIDDEN_VALUE=secret-environment record "$tmp/rec" --ops 500
	gunzip <"$tmp/rec" >"$tmp/raw"
	grep -q mapload "$tmp/raw"
	! grep -q -a -e secret-environment -e "$(dirname "$MAPLOAD")" -e '--ops' "$tmp/raw"
	[ "$(stat -c %a "$tmp/rec")" = 600 ]
}

@test "record: a full disk is an error" {
	[ -c /dev/full ] || skip "no /dev/full"
	run "$SMAPTRACE" record -o /dev/full -- "$MAPLOAD" --ops 500
	[ "$status" = 125 ]
	[[ $output == *"cannot write /dev/full"*"No space left"* ]]
}

@test "report: a file that is cut short is used, and said to be" {
	record "$tmp/rec" --ops 5000
	head -c -9 "$tmp/rec" >"$tmp/cut"
	run "$SMAPTRACE" report "$tmp/cut"
	[ "$status" = 125 ]
	[[ $output == *"is cut short after"* ]]
	[[ $output == *"Lost: nothing"* ]]
}

@test "report: something else is no recording" {
	echo hello >"$tmp/text"
	run "$SMAPTRACE" report "$tmp/text"
	[ "$status" = 125 ]
	[[ $output == *"is no recording"* ]]
	run "$SMAPTRACE" report "$tmp/none"
	[ "$status" = 125 ]
	[[ $output == *"No such file"* ]]
}

@test "record, report: usage" {
	run "$SMAPTRACE" record -- true
	[ "$status" = 2 ]
	[[ $output == *"-o FILE"* ]]
	run "$SMAPTRACE" record -o "$tmp/rec"
	[ "$status" = 2 ]
	[ ! -e "$tmp/rec" ]
	run "$SMAPTRACE" report
	[ "$status" = 2 ]
	run "$SMAPTRACE" report a b
	[ "$status" = 2 ]
}

@test "check --replay: the verdict of a recording, without tracing" {
	record "$tmp/rec" --ops 5000 --mix churn
	run "$SMAPTRACE" check --replay "$tmp/rec"
	echo "$output"
	[ "$status" = 0 ] || [ "$status" = 100 ] || [ "$status" = 101 ]
	[[ $output == *"smaptrace: "*": "* ]]
	run "$SMAPTRACE" check --replay "$tmp/rec" --min-events 4000000000
	[ "$status" = 100 ] || [ "$status" = 101 ]
	run "$SMAPTRACE" check --replay "$tmp/rec" -- true
	[ "$status" = 2 ]
}

@test "report, check --replay: what is read is not written to" {
	record "$tmp/rec" --ops 500
	cp "$tmp/rec" "$tmp/kept"
	ln "$tmp/rec" "$tmp/same"
	for args in "report -o $tmp/same $tmp/rec" "check --replay $tmp/rec --record $tmp/same" \
		"check --replay $tmp/rec --junit $tmp/rec"; do
		run "$SMAPTRACE" $args
		[ "$status" = 125 ]
		[[ $output == *"would destroy it"* ]]
		cmp "$tmp/rec" "$tmp/kept"
	done
}

@test "report: more maps than --max-maps allows are refused" {
	record "$tmp/rec" --ops 500 --maps 3
	"$SMAPTRACE" report --max-maps 3 "$tmp/rec" >/dev/null
	run "$SMAPTRACE" report --max-maps 2 "$tmp/rec"
	[ "$status" = 125 ]
	[[ $output == *"more maps alive than --max-maps"* ]]
	run "$SMAPTRACE" diff --max-maps 2 "$tmp/rec" "$tmp/rec"
	[ "$status" = 125 ]
}

@test "diff: maps of several names, and of one name several times" {
	record "$tmp/a" --ops 5000 --mix hit --maps 3 --name some
	record "$tmp/b" --ops 50000 --mix churn --maps 4 --name some
	run "$SMAPTRACE" diff "$tmp/a" "$tmp/b"
	[ "$status" = 100 ]
	[[ $output == *"worse: some.0: misses"*"worse: some.2: misses"*"3 map names compared"* ]]
	[[ $output != *"some.3"* ]]
}

@test "diff: a trap that was not there is worse, one that was there is not" {
	run "$SMAPTRACE" diff tests/fixtures/none-idle-dirty.smaprec tests/fixtures/pseudo-canonical.smaprec
	[ "$status" = 100 ]
	[[ $output == *"worse: suspect: pseudo-expansion, which was not there"*" and 1 trap worse"* ]]
	run "$SMAPTRACE" diff tests/fixtures/pseudo-canonical.smaprec tests/fixtures/pseudo-canonical.smaprec
	[ "$status" = 0 ]
	[[ $output == *"0 figures and 0 traps worse"* ]]
	run "$SMAPTRACE" diff tests/fixtures/pseudo-canonical.smaprec tests/fixtures/starvation-slow-free.smaprec
	[[ $output == *"worse: suspect: write-starvation, which was not there"* ]]
}

@test "diff: nothing, something worse, nothing to compare" {
	record "$tmp/hit" --ops 5000 --mix hit
	record "$tmp/churn" --ops 50000 --mix churn
	run "$SMAPTRACE" diff "$tmp/churn" "$tmp/churn"
	[ "$status" = 0 ]
	[[ $output == *"1 map name compared, 0 figures and 0 traps worse"* ]]
	run "$SMAPTRACE" diff "$tmp/hit" "$tmp/churn"
	[ "$status" = 100 ]
	[[ $output == *"worse: load.0: misses"* ]]
	record "$tmp/other" --ops 5000 --name other
	run "$SMAPTRACE" diff "$tmp/other" "$tmp/churn"
	[ "$status" = 101 ]
	run "$SMAPTRACE" diff "$tmp/churn"
	[ "$status" = 2 ]
}
