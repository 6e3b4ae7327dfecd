#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# A command with all processes that it starts, from the first instruction of each to its end.

load trace

# Trace a command; each map that its processes print must be in the trace, exactly.
follow() { # command...
	timeout 60 "$SMAPTRACE" $EXACT -i 0.2 -f json -o "$tmp/trace" -- "$@" >"$tmp/own" 2>"$tmp/err" 3>&-
	grep '^{"type":"map"' "$tmp/own" >"$tmp/maps"
	jq -es --slurpfile own "$tmp/maps" '.[] | select(.type == "end") | .maps as $maps
		| [$own[] as $o | [$maps[] | select(.pid == $o.pid and .addr == $o.addr)]
			| if length == 1 then .[0] else {} end
			| . as $m | ["misses", "promotions", "rebuilds", "copied", "expunged"][]
			| select($m[.] != $o[.]) | [$o.pid, ., $o[.], $m[.]]] as $wrong
		| if $wrong == [] and ($maps | length) == ($own | length)
			and (.targets | all(.from_start and .ended)) and (.losses | all(. == 0))
		  then true else {wrong: $wrong, losses, targets, maps: ($maps | length)} end
		| if . == true then . else (tostring | error) end' "$tmp/trace"
	[ "$(wc -l <"$tmp/maps")" = "$MAPS" ] || { echo "$(wc -l <"$tmp/maps") maps"; cat "$tmp/own"; return 1; }
}

@test "follow: a shell's children, side by side" {
	MAPS=3 follow sh -c "$MAPLOAD --ops 20000 & $MAPLOAD --ops 30000 --mix churn & env A=1 $MAPLOAD --ops 10000 & wait"
}

@test "follow: grandchildren, one after the other and side by side" {
	MAPS=4 follow bash -c "(bash -c '$MAPLOAD --ops 5000; $MAPLOAD --ops 6000 & wait' & wait); (cat /dev/null | (cat; $MAPLOAD --ops 3000; true)); $MAPLOAD --ops 10; true"
}

@test "follow: a static and a dynamic program, and one that loads the library" {
	build "$tmp/static" -static "$O/libsmap.a"
	build "$tmp/dynamic" -L"$O" -lsmap -Wl,-rpath,"$O"
	MAPS=4 follow sh -c "$tmp/static --ops 20000 & $tmp/dynamic --ops 20000 --ctor & $O/tests/workloads/dlmap --library $O/libsmap.so & wait"
}

@test "follow: the parent ends first" {
	MAPS=1 follow sh -c "$MAPLOAD --ops 100000 & exit 3"
	jq -es '.[] | select(.type == "end") | .targets | length == 1' "$tmp/trace"
}

@test "follow: sixty short processes" {
	MAPS=60 follow sh -c "for i in \$(seq 60); do $MAPLOAD --ops 500 --keys 50 & done; wait"
}

@test "follow: many programs, more than descriptors are allowed at first" {
	local list=
	for i in $(seq 60); do
		cp "$MAPLOAD" "$tmp/prog.$i"
		list+="$tmp/prog.$i --ops 200 --keys 20; "
	done
	ulimit -Sn 128
	MAPS=60 follow sh -c "$list true"
	rm "$tmp"/prog.*
}

@test "follow: --exact" {
	EXACT=--exact MAPS=2 follow sh -c "$MAPLOAD --ops 3000 & $MAPLOAD --ops 3000 --mix churn & wait"
}

@test "follow: killed, smaptrace leaves no process of the command stopped" {
	"$SMAPTRACE" -o /dev/null -- sh -c "$O/tests/workloads/dlmap --hold --library $O/libsmap.so & \
		$O/tests/workloads/dlmap --hold --library $O/libsmap.so & wait" >"$tmp/own" 2>"$tmp/err" 3>&- </dev/null &
	tracer=$!
	pids+=("$tracer")
	two() { [ "$(grep -c "$1" "$tmp/own")" = 2 ]; }
	wait_for two ready
	local children
	mapfile -t children < <(sed -n 's/^ready //p' "$tmp/own")
	pids+=("${children[@]}")
	kill -STOP "$tracer" # now nobody lets them go on
	stopped() { grep -q '^State:.T' "/proc/$1/status"; }
	for pid in "${children[@]}"; do
		go_on "$pid"
		wait_for stopped "$pid"
	done
	kill -9 "$tracer"
	wait_for two '"type":"map"'
}

@test "follow: a process that somebody else stops is not let go on" {
	"$SMAPTRACE" -i 0.05 -f json -o "$tmp/trace" -- sh -c "$MAPLOAD --hold --ops 1000 & wait" \
		>"$tmp/own" 2>"$tmp/err" 3>&- </dev/null &
	tracer=$!
	pids+=("$tracer")
	wait_for grep -q ready "$tmp/own"
	pid=$(sed -n 's/^ready //p' "$tmp/own")
	pids+=("$pid")
	stopped() { grep -q '^State:.T' "/proc/$pid/status"; }
	kill -STOP "$pid"
	wait_for stopped
	lines=$(wc -l <"$tmp/trace")
	more() { [ "$(wc -l <"$tmp/trace")" -gt $((lines + 5)) ]; }
	wait_for more
	stopped
	kill -CONT "$pid"
	go_on "$pid"
	wait "$tracer"
	grep -q '"type":"map"' "$tmp/own"
}

@test "follow: two commands at a time, of the same program" {
	"$SMAPTRACE" -o /dev/null -- "$O/tests/workloads/dlmap" --hold --library "$O/libsmap.so" \
		>"$tmp/other" 2>"$tmp/err" 3>&- </dev/null &
	tracer=$!
	pids+=("$tracer")
	wait_for grep -q ready "$tmp/other"
	pids+=("$(sed -n 's/^ready //p' "$tmp/other")")
	MAPS=1 follow "$MAPLOAD" --ops 5000
	MAPS=1 follow "$O/tests/workloads/dlmap" --library "$O/libsmap.so"
	go_on "${pids[1]}"
	wait "$tracer"
	grep -q '"type":"map"' "$tmp/other"
}

@test "follow: a fork without exec, the map used on both sides" {
	FORKMAP=$O/tests/workloads/forkmap
	MAPS=2 follow "$FORKMAP"
	MAPS=2 follow "$FORKMAP" --before
	MAPS=13 follow "$FORKMAP" --children 3 --depth 2 --no-destroy
	EXACT=--exact MAPS=3 follow "$FORKMAP" --before --children 2
	SMAPTRACE_ATTACH=perf MAPS=3 follow "$FORKMAP" --before --children 2
}

# Linux 6.18 made a call of the probe, to a page that the child does not have.
@test "follow: with -p children are not traced, and not harmed" {
	for way in multi perf; do
		start "$tmp/own" ready "$O/tests/workloads/forkmap" --hold --before --children 2
		SMAPTRACE_ATTACH=$way trace "$tmp/trace" -p "$pid"
		go_on "$pid"
		wait "$pid" # fails if a child did
		wait "$tracer"
		[ "$(grep -c '"type":"map"' "$tmp/own")" = 3 ]
		jq -es --arg pid "$pid" '.[] | select(.type == "end")
			| ([.maps[].pid] == [$pid | tonumber]) and (.losses | all(. == 0))' "$tmp/trace"
	done
}
