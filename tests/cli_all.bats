#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# --all: every process that uses libsmap, as it starts and ends; here only those that these
# tests start are looked at. Needs root and BPF.

load trace
load serve

# All tests use a program file of their own, so that nobody else's process makes it known.
copy_load() {
	cp "$MAPLOAD" "$tmp/mload"
	MAPLOAD=$tmp/mload
}

# Of the whole machine, where others may have more busy maps than have series of their own.
serve_all() { # options...
	serve --all --series 10000 "$@"
}

follow_all() { # output file, options...
	local out=$1
	shift
	"$SMAPTRACE" --all -i 0.2 -f json -o "$out" "$@" 2>"$out.err" 3>&- </dev/null &
	tracer=$!
	pids+=("$tracer")
	wait_for grep -q '^Following' "$out.err"
}

seen() { # trace, pid: is it among the targets of the last window?
	tail -n 1 "$1" | jq -e --argjson pid "$2" '.targets | any(.pid == $pid)' >/dev/null 2>&1
}

finish() {
	kill -INT "$tracer"
	wait "$tracer"
}

@test "all: a process that is there, and one that comes: exact, as its file is known" {
	copy_load
	start "$tmp/there" '^hold .* run' "$MAPLOAD" --name there --hold-run
	there=$pid
	follow_all "$tmp/trace"
	wait_for seen "$tmp/trace" "$there"
	start "$tmp/own" '^hold .* end' "$MAPLOAD" --name comes --ops 5000 --mix promote --keys 100 --hold-end
	wait_for seen "$tmp/trace" "$pid"
	go_on "$pid"
	wait_for grep -q '"type":"map"' "$tmp/own"
	gone() { ! kill -0 "$pid" 2>/dev/null; }
	wait_for gone
	finish
	jq -es --slurpfile own <(grep '"type":"map"' "$tmp/own") --argjson there "$there" '
		(.[] | select(.type == "end")) as $last | $own[0] as $map
		| ($last.maps[] | select(.pid == $there) | .alive and .name == "there.0")
		and ($last.maps[] | select(.pid == $map.pid) | .name == "comes.0" and (.alive | not)
			and .misses == $map.misses and .traced.misses == $map.misses
			and .traced.promotions == $map.promotions and $map.promotions > 3)' "$tmp/trace"
}

# Linux 6.18 makes calls of probes (user/plain.c), which a forked child does not survive: for a
# program that runs already, from the first hit after the attach.
@test "all: the children of a process that hit its probes while they were attached live" {
	cp "$O/tests/workloads/forkmap" "$tmp/forks"
	start "$tmp/own" '^ready' "$tmp/forks" --busy --children 3
	follow_all "$tmp/trace"
	wait_for seen "$tmp/trace" "$pid"
	go_on "$pid"
	wait "$pid"
	finish
}

@test "all: another smaptrace that attaches is no loss" {
	copy_load
	start "$tmp/own" '^hold .* run' "$MAPLOAD" --hold-run
	follow_all "$tmp/trace"
	wait_for seen "$tmp/trace" "$pid"
	"$SMAPTRACE" -d 0.1 -o "$tmp/other" -p "$pid"
	finish
	jq -es 'map(select(.type == "end"))[0].losses.read_failed == 0' "$tmp/trace"
}

@test "all: a program whose file nobody has seen is found by itself, and its end, too" {
	follow_all "$tmp/trace"
	copy_load
	start "$tmp/own" '^hold .* run' "$MAPLOAD" --name new --hold-run --hold-end --ops 3000 --mix promote --keys 100
	wait_for seen "$tmp/trace" "$pid"
	go_on "$pid"
	wait_for grep -q '^hold .* end' "$tmp/own"
	go_on "$pid"
	ended() { tail -n 1 "$tmp/trace" | jq -e --argjson pid "$pid" '.targets[] | select(.pid == $pid) | .ended' >/dev/null 2>&1; }
	wait_for ended
	finish
	jq -es --argjson pid "$pid" --slurpfile own <(grep '"type":"map"' "$tmp/own") '.[] | select(.type == "end").maps[]
		| select(.pid == $pid) | .traced.misses == $own[0].misses' "$tmp/trace"
}

@test "all: a file that cannot be attached to does not end it, and is said once" {
	copy_load
	local bad=$tmp/bad at
	cp "$MAPLOAD" "$bad"
	# Before the names in a probe's note: its semaphore. No probe can have an odd one.
	at=$(($(LC_ALL=C grep -aboP -m 1 'smap\x00promote\x00' "$bad" | cut -d: -f1) - 8))
	printf "\\x$(printf %x $((16#$(od -An -tx1 -j $at -N 1 "$bad" | tr -d " ") | 1)))" |
		dd of="$bad" bs=1 seek=$at conv=notrunc 2>/dev/null
	build "$tmp/none" -DSMAP_NO_PROBES lib/*.c
	start "$tmp/first" '^hold .* run' "$bad" --hold-run
	follow_all "$tmp/trace"
	start "$tmp/second" '^hold .* run' "$bad" --hold-run
	start "$tmp/third" '^hold .* run' "$tmp/none" --hold-run
	start "$tmp/fourth" '^hold .* run' "$tmp/none" --hold-run
	start "$tmp/own" '^hold .* run' "$MAPLOAD" --hold-run
	wait_for seen "$tmp/trace" "$pid"
	finish
	[ "$(grep -c 'cannot attach .*/bad' "$tmp/trace.err")" = 1 ]
	[ "$(grep -c '/none .*has libsmap, but no probes' "$tmp/trace.err")" = 1 ]
}

@test "all: a library that is loaded later, by a process that was there" {
	grep -q dlopen < <(nm -D "$O/tests/workloads/dlmap")
	start "$tmp/own" '^ready' "$O/tests/workloads/dlmap" --library "$O/libsmap.so" --name late \
		--hold --hold-loaded
	follow_all "$tmp/trace"
	go_on "$pid"
	wait_for seen "$tmp/trace" "$pid"
	go_on "$pid"
	wait_for grep -q '"type":"map"' "$tmp/own"
	finish
	jq -es --argjson pid "$pid" --slurpfile own <(grep '"type":"map"' "$tmp/own") '.[] | select(.type == "end").maps[]
		| select(.pid == $pid) | .traced.misses == $own[0].misses and .promotions == 10' "$tmp/trace"
}

@test "all: an exec into another program that uses it, under the same pid" {
	copy_load
	follow_all "$tmp/trace"
	start "$tmp/first" '^hold .* run' "$MAPLOAD" --name first --hold-run
	wait_for seen "$tmp/trace" "$pid"
	kill -9 "$pid"
	start "$tmp/second" '^hold .* run' bash -c "'$MAPLOAD' --name zero --ops 10 >/dev/null; exec '$MAPLOAD' --name second --hold-run"
	second() { tail -n 1 "$tmp/trace" | jq -e '.maps | any(.name == "second.0")' >/dev/null 2>&1; }
	wait_for second
	finish
	jq -es --argjson pid "$pid" '.[] | select(.type == "end").maps | any(.pid == $pid and .name == "second.0" and .alive)' "$tmp/trace"
}

@test "all: the server starts with no process, follows one, and nobody is stopped" {
	copy_load
	serve_all
	[ "$(status_of "$url/healthz")" = 200 ]
	start "$tmp/own" '^hold .* run' "$MAPLOAD" --name served --hold-run --hold-end --ops 3000 --mix promote --keys 100
	load=$pid
	labels="{pid=\"$load\",comm=\"mload\",name=\"served.0\"}"
	wait_for metric_is "smap_maps$labels" -eq 1
	[ "$(awk '{ print $3 }' "/proc/$load/stat")" != T ]
	go_on "$load"
	wait_for metric_is "smap_promotions_total$labels" -ge 3
	kill -9 "$load"
	gone() { [ -z "$(metric "smap_maps$labels")" ]; }
	wait_for gone
	metric_is smap_windows_total -ge 1
}

@test "all: it is one of -p, --all and a command" {
	run "$SMAPTRACE" --all -p 1
	[ "$status" = 2 ]
	run "$SMAPTRACE" serve --all -- true
	[ "$status" = 2 ]
	run "$SMAPTRACE" check --all -- true
	[ "$status" = 2 ]
}

# What memory is kept for must not grow with the processes that there ever were.
@test "all: a server forgets processes that have ended, and gives their numbers to others" {
	local batch i started=0 slots most
	serve_all -i 0.05
	windows() { metric smap_windows_total; }
	for batch in 1 2 3 4 5 6; do
		for i in $(seq 15); do
			"$MAPLOAD" --name brief --keys 20 --ops 100 >/dev/null 3>&-
			started=$((started + 1))
		done
		before=$(windows)
		wait_for metric_is smap_windows_total -ge $((before + 12))
	done
	start "$tmp/own" '^hold .* end' "$MAPLOAD" --name late --ops 5000 --mix promote --keys 100 --hold-end
	label="{pid=\"$pid\",comm=\"mapload\",name=\"late.0\"}"
	misses=$(grep '"type":"map"' "$tmp/own" | jq .misses)
	wait_for metric_is "smap_misses_total$label" -eq "$misses"
	slots=$(metric smap_process_slots)
	most=$((started / 2))
	echo "$slots slots after $started processes"
	[ "$slots" -lt $most ]
}

# Names of stacks take what reading the debug information takes.
@test "all: a server outlives names of stacks that come long after their process has ended" {
	serve_all --stacks -i 0.05
	later() { # windows
		local before
		before=$(metric smap_windows_total)
		wait_for metric_is smap_windows_total -ge $((before + $1))
	}
	# Not the first process: what the kernel calls that one is a number of the stream, too.
	start "$tmp/there" '^hold .* run' "$MAPLOAD" --name there --hold-run
	wait_for metric_is "smap_maps{pid=\"$pid\",comm=\"mapload\",name=\"there.0\"}" -eq 1
	namer=$(pgrep -P "$server")
	kill -STOP "$namer"
	start "$tmp/own" '^hold .* end' "$MAPLOAD" --name slow --ops 5000 --mix promote --keys 100 --hold-end
	wait_for metric_is "smap_misses_total{pid=\"$pid\",comm=\"mapload\",name=\"slow.0\"}" -gt 0
	later 4
	kill -KILL "$pid"
	later 30
	kill -CONT "$namer"
	later 8
	kill -INT "$server"
	wait "$server"
}
