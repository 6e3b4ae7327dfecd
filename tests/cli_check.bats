#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The gate: verdict, exit status, what it refuses. The forms for CI are tested in cli_ci.bats.

bats_require_minimum_version 1.5.0
load trace

# A cascade: promotions and rebuilds in every window. Its map is "hot.0".
cascade() { echo "$MAPLOAD --seconds 4 --keys 1000 --name hot"; }
calm() { echo "$MAPLOAD --mix hit --ops 20000 --name calm"; }

check() { timeout 60 "$SMAPTRACE" check -o /dev/null "$@" 2>"$tmp/err" 3>&-; }

@test "check: a trap is status 100, and the last line says which" {
	run -100 check -- $(cascade)
	[[ $(tail -n 1 "$tmp/err") == "smaptrace: trap found: "*"read-diffusion"* ]]
}

@test "check: a calm command is clean, and its output is its own" {
	run -0 check -- $(calm)
	[[ $output == *'"name":"calm.0"'* ]]
	[[ $(tail -n 1 "$tmp/err") == "smaptrace: clean: 1 map, "* ]]
}

@test "check: the command's own failure goes through" {
	run -3 check -- sh -c "$(calm); exit 3"
	run -137 check -- sh -c 'kill -9 $$'
	run -127 check -- /nonexistent/command
	run -126 check -- /etc/passwd
}

@test "check: without a map, or with too few events, nothing can be concluded" {
	run -101 check -- true
	grep -q 'inconclusive: no map' "$tmp/err"
	run -101 check --min-events 1000000000 -- $(calm)
	grep -q 'inconclusive: .*min-events' "$tmp/err"
}

@test "check: ended by a signal, it cannot say that the rest would have been clean" {
	mkfifo "$tmp/fifo"
	local status=0
	"$SMAPTRACE" check --html "$tmp/page" --sarif "$tmp/sarif" --junit "$tmp/junit" -- \
		$MAPLOAD --hold-end --mix hit --ops 1000 \
		>"$tmp/out" 2>"$tmp/err" 3>&- <>"$tmp/fifo" &
	pids+=("$!")
	wait_for grep -q '^hold .* end' "$tmp/out"
	pids+=("$(sed -n 's/^hold \([0-9]*\) .*/\1/p' "$tmp/out")")
	kill -TERM "$!"
	wait "$!" || status=$?
	[ "$status" = 101 ]
	[[ $(tail -n 1 "$tmp/err") == "smaptrace: inconclusive: a signal ended the trace"* ]]
	grep -q '<h1 class="inconclusive">' "$tmp/page"
	grep -q '<error type="inconclusive" message="a signal ended the trace' "$tmp/junit"
	jq -e '.runs[0].invocations[0].executionSuccessful == false' "$tmp/sarif"
}

@test "check: grandchildren are traced, and a trap in one of them is found" {
	run -100 check --report "$tmp/report" -- sh -c "sh -c '$(cascade); true' & $(calm); wait"
	jq -se '[.[] | select(.type == "finding")] | length == 1 and .[0].name == "hot.0" and
		.[0].trap == "read-diffusion"' "$tmp/report"
	jq -e 'select(.type == "end") | [.maps[].name] | sort == ["calm.0", "hot.0"]' "$tmp/report"
}

@test "check: --trap looks for that one only" {
	run -0 check --trap write-starvation --trap pseudo-expansion -- $(cascade)
}

@test "check: --fail-on error lets a warning pass, and a policy can fail it on budget" {
	run -0 check --fail-on error -- $(cascade)
	printf 'budgets: {misses: 10}\n' >"$tmp/policy"
	run -100 check --policy "$tmp/policy" --fail-on error -- $(cascade)
	grep -q 'budget-misses' "$tmp/err"
	printf 'traps:\n  read-diffusion: {severity: off}\n' >"$tmp/policy"
	run -0 check --policy "$tmp/policy" -- $(cascade)
}

@test "check: a policy that is wrong runs nothing" {
	printf 'traps:\n  read-diffusion: {min_promotion: 1}\n' >"$tmp/policy"
	run -2 check --policy "$tmp/policy" -- touch "$tmp/ran"
	grep -q 'policy:2: Unexpected key: min_promotion' "$tmp/err"
	grep -q "did you mean 'min_promotions'" "$tmp/err"
	[ ! -e "$tmp/ran" ]
}

@test "check: a file that cannot be written runs nothing" {
	run -125 check --junit /nonexistent/junit.xml -- touch "$tmp/ran"
	[ ! -e "$tmp/ran" ]
}

@test "check: the same findings when it is replayed" {
	run -0 timeout 60 "$SMAPTRACE" record -o "$tmp/rec" -- $(cascade)
	run -100 check --report "$tmp/report" --replay "$tmp/rec"
	jq -se '[.[] | select(.type == "finding")] | length == 1 and .[0].name == "hot.0" and
		.[0].trap == "read-diffusion"' "$tmp/report"
	run -0 check --fail-on error --replay "$tmp/rec"
}

@test "check: a replay has the windows that were recorded, and says so" {
	run -0 check --record "$tmp/rec" -- $(calm)
	printf 'interval: 5\n' >"$tmp/policy"
	run -0 check --policy "$tmp/policy" --replay "$tmp/rec"
	grep -q "policy's interval is 5 s, but the windows of $tmp/rec are of 1 s" "$tmp/err"
	printf 'interval: 1\n' >"$tmp/policy"
	run -0 check --policy "$tmp/policy" --replay "$tmp/rec"
	! grep -q interval "$tmp/err"
	run -2 check -i 5 --replay "$tmp/rec"
	grep -q -- '--interval is for a trace' "$tmp/err"
}

@test "check: a replay has the status of the command that was recorded" {
	run -3 check --record "$tmp/rec" -- sh -c "$(calm); exit 3"
	run -3 check --replay "$tmp/rec"
	run -137 check --record "$tmp/rec" -- sh -c "$(calm); kill -9 \$\$"
	run -137 check --replay "$tmp/rec"
}

@test "check: --record keeps what was judged, and a replay finds the very same" {
	run -100 check --record "$tmp/rec" --report "$tmp/live" -- $(cascade)
	run -100 check --replay "$tmp/rec" --report "$tmp/again"
	grep '"type":"finding"' "$tmp/live" >"$tmp/findings"
	[ -s "$tmp/findings" ]
	grep '"type":"finding"' "$tmp/again" | diff "$tmp/findings" -
	run -0 "$SMAPTRACE" diff "$tmp/rec" "$tmp/rec"
	run -125 check --record /nonexistent/rec -- touch "$tmp/ran"
	[ ! -e "$tmp/ran" ]
}

@test "check: stdout has the findings and a summary, -o the tables" {
	run -100 timeout 60 "$SMAPTRACE" check -- $(cascade)
	[[ $output == *"warning: read-diffusion in hot.0"*"Summary: "*"1 finding."* ]]
	[[ $output != *"histograms of"* ]]
	run -100 timeout 60 "$SMAPTRACE" check -o "$tmp/long" -- $(cascade)
	grep -q 'histograms of' "$tmp/long"
}

@test "check: a command whose children bring the maps is said to be followed" {
	run -0 check -- sh -c "$(calm); true"
	grep -q '^Attached to the command, which has no libsmap yet' "$tmp/err"
}

@test "check: GitHub's job summary is appended" {
	echo "# before" >"$tmp/summary"
	GITHUB_STEP_SUMMARY=$tmp/summary run -100 check --github -- $(cascade)
	grep -q '^# before' "$tmp/summary"
	grep -q 'hot' "$tmp/summary"
}
