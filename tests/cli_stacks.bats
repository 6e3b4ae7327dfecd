#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Call stacks of a program whose stacks are known by construction (tests/workloads/stackload.c).

load trace

STACKLOAD=$(realpath -m "${O:-.output}")/tests/workloads/stackload

stacks() { # options... -- command...
	timeout 60 "$SMAPTRACE" --stacks -i 0.2 -f json -o "$tmp/trace" "$@" >"$tmp/own" 2>"$tmp/err" 3>&-
}

# jq on the stacks of map "known" at the end; $own is what the program says it did.
check_stacks() { # filter
	jq -es --slurpfile own "$tmp/own" '($own | map(select(.type == "run")) | .[0]) as $own
		| map(select(.type == "end")) | .[0].maps | map(select(.name == "known")) | .[0]
		| . as $map | .stacks as $s
		| def of(kind): $s | map(select(.kind == kind));
		  def names: .frames | map(.function // "?");
		  def calls(path): (names | index(path)) != null;
		  def total(f): map(f) | add // 0;
		  if ('"$1"') then true else ($s | tostring | error) end' "$tmp/trace"
}

@test "stacks: promotions and rebuilds come from the functions that made them, each one" {
	stacks -- "$STACKLOAD"
	check_stacks '(of("promote") | length) == 1 and (of("promote")[0] | .count == 40 and .estimate == false
		and calls(["promoter", "run", "main"]))'
	check_stacks '(of("rebuild") | map(select(calls(["rebuilder", "run", "main"]))) | total(.count)) == 40'
	check_stacks '(of("rebuild") | total(.count)) == 41 and $map.rebuilds == 41'
	check_stacks '(of("rebuild") | total(.ns)) == $map.hists.rebuild_time.sum'
}

@test "stacks: misses add up to all, and are shared out as they happened" {
	stacks -- "$STACKLOAD" --rounds 400 --turns 250
	check_stacks '(of("miss") | total(.count)) == $map.misses and $map.misses == $own.alpha + $own.beta'
	check_stacks '(of("miss") | total(.ns)) == $map.hists.miss_wait.sum + $map.hists.miss_hold.sum'
	check_stacks '(of("miss") | map(select(calls(["alpha", "run", "main"]))) | total(.count)) / $map.misses
		| . > 0.6 and . < 0.9'
	check_stacks '(of("miss") | map(select(calls(["beta", "run", "main"]))) | total(.count)) / $map.misses
		| . > 0.1 and . < 0.4'
	check_stacks 'of("miss") | map(select(.estimate)) | length > 0'
}

@test "stacks: an inlined call has a frame, its file and its line" {
	line=$(grep -n 'line of alpha_inlined' tests/workloads/stackload.c | cut -d: -f1)
	stacks -- "$STACKLOAD"
	check_stacks "of(\"miss\") | map(select(calls([\"alpha_inlined\", \"alpha\", \"run\"]))) | .[0].frames
		| map(select(.function == \"alpha_inlined\")) | .[0]
		| .inlined and .line == $line and (.file | endswith(\"tests/workloads/stackload.c\"))"
}

@test "stacks: waits for the lock, by the function that waited" {
	stacks -- "$STACKLOAD" --contend
	check_stacks '(of("lock_wait") | total(.count)) >= 50 and (of("lock_wait") | all(
		(.frames | length) == 0 or calls(["contend", "contender"])))'
	check_stacks '(of("lock_wait") | total(.count)) == ($map.hists.lock_wait.slots | add)'
}

@test "stacks: a recording has the same, without paths" {
	timeout 60 "$SMAPTRACE" record --stacks -i 0.2 -o "$tmp/rec" -- "$STACKLOAD" >"$tmp/own" 3>&-
	"$SMAPTRACE" report -f json -o "$tmp/trace" "$tmp/rec"
	check_stacks 'of("promote")[0] | calls(["promoter", "run", "main"])'
	check_stacks '[$s[].frames[] | .file, .module | select(. != null)] | all(contains("/") | not)'
	"$SMAPTRACE" report "$tmp/rec" | grep -q '^        promoter (stackload.c:'
	"$SMAPTRACE" report -f folded "$tmp/rec" |
		grep -q '^stackload;known;promote;.*main;run;promoter;smap_range_u64;.* 40$'
}

@test "stacks: none without the option, and no parser is started" {
	timeout 60 "$SMAPTRACE" -f json -o "$tmp/trace" -- "$STACKLOAD" >"$tmp/own" 3>&-
	jq -es '.[] | select(.type == "end") | .maps | all(has("stacks") | not)' "$tmp/trace"
}
