#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The timeline of real processes: complete against the maps' own counters, and the same
# from a recording.

load trace

# Slices of one track follow each other or nest: none ends within a later one.
nested() { # trace
	jq -e '[.traceEvents[] | select(.ph == "X") | 
			{tid, ts: (.ts * 1000 | round), end: ((.ts + .dur) * 1000 | round)}]
		| group_by(.tid) | map(sort_by(.ts, -.end)
			| [., .[1:]] | transpose | map(select(.[1] != null)
			| select(.[1].ts < .[0].end and .[1].end > .[0].end)))
		| flatten == []' "$1"
}

# What the map counted = what is shown on its track + what is said not to be shown. At the
# end of a window, an event may be counted in it and shown in the next.
complete() { # trace, the workload's output
	local name field want shown absent slack
	for name in promote:promotions rebuild:rebuilds lock_wait:lock_waits; do
		field=${name#*:} name=${name%:*}
		want=$(jq -s "map(select(.type == \"map\").$field) | add" "$2")
		shown=$(jq "[.traceEvents[] | select(.name == \"$name\")
			| select(.tid > 4194304 or .name == \"lock_wait\")] | length" "$1")
		absent=$(jq "[.traceEvents[] | .args.not_shown.$name // 0] | add" "$1")
		slack=$(jq '[.traceEvents[] | select(.args.not_shown)] | length' "$1")
		[ "$name" != lock_wait ] || slack=$((slack + want / 20))
		echo "$name: counted $want, shown $shown, not shown $absent"
		[ "$want" -gt 0 ]
		[ $((shown + absent)) -ge "$want" ]
		[ $((shown + absent)) -le $((want + (slack))) ]
	done
}

@test "a timeline has each promotion and rebuild, and each wait or how many it lacks" {
	"$SMAPTRACE" -i 0.2 -f trace -o "$tmp/trace" -- \
		"$MAPLOAD" --threads 4 --mix churn --seconds 1 >"$tmp/out"
	[ "$(jq '[.traceEvents[] | .args.lost // 0] | max' "$tmp/trace")" -eq 0 ]
	complete "$tmp/trace" "$tmp/out"
	nested "$tmp/trace"
	# Threads and the map have tracks of their own, below the process.
	pid=$(jq -s 'map(select(.type == "map"))[0].pid' "$tmp/out")
	[ "$(jq "[.traceEvents[] | select(.pid == $pid and .ph == \"X\" and .tid < 4194304).tid]
		| unique | length" "$tmp/trace")" -ge 4 ]
	jq -e ".traceEvents[] | select(.ph == \"M\" and .pid == $pid and .tid == 4194305)
		| .args.name | startswith(\"map load.0 0x\")" "$tmp/trace"
	jq -e 'any(.traceEvents[]; .ph == "C" and .name == "misses load.0"
		and .args["per second"] > 0)' "$tmp/trace"
	jq -e 'any(.traceEvents[]; .name == "miss debt load.0")' "$tmp/trace"
}

@test "waits become events at a bounded rate, and what is left out is counted" {
	"$SMAPTRACE" -i 0.5 -f trace -o "$tmp/trace" -- \
		"$MAPLOAD" --threads 8 --mix churn --keys 10000 --seconds 1 >"$tmp/out"
	complete "$tmp/trace" "$tmp/out"
	# Short ones: 100 in each 10 ms, and as many more as there are CPUs to race.
	most=$(jq '[.traceEvents[] | select(.name == "lock_wait" and .dur < 999)
		| ((.ts + .dur) / 10000 | floor)] | group_by(.) | map(length) | max' "$tmp/trace")
	echo "at most $most in 10 ms"
	[ "$most" -gt 0 ]
	[ "$most" -le $((100 + 8 * $(nproc))) ]
}

@test "a recording with lock waits gives the timeline that the trace would have given" {
	"$SMAPTRACE" record --lock-waits -i 0.2 -o "$tmp/rec" -- \
		"$MAPLOAD" --threads 4 --mix churn --ops 200000 >"$tmp/out"
	"$SMAPTRACE" report "$tmp/rec" -f trace -o "$tmp/trace"
	complete "$tmp/trace" "$tmp/out"
	nested "$tmp/trace"
	# Without them, and without --exact, no wait is an event; all are told of.
	"$SMAPTRACE" record -o "$tmp/rec" -- "$MAPLOAD" --threads 4 --mix churn --ops 200000 >"$tmp/out"
	"$SMAPTRACE" report "$tmp/rec" -f trace -o "$tmp/trace"
	[ "$(jq '[.traceEvents[] | select(.name == "lock_wait")] | length' "$tmp/trace")" -eq 0 ]
	[ "$(jq '[.traceEvents[] | .args.not_shown.lock_wait // 0] | add' "$tmp/trace")" -eq \
		"$(jq -s 'map(select(.type == "map").lock_waits) | add' "$tmp/out")" ]
}

@test "a timeline of a trap has its finding, on the track of the map" {
	"$SMAPTRACE" -i 0.2 -f trace -o "$tmp/trace" -- \
		"$O/tests/workloads/trapload" diffusion-canonical --seconds 3 >"$tmp/out" 2>&1
	jq -e 'any(.traceEvents[]; .cat == "finding" and .name == "read-diffusion"
		and .tid > 4194304 and (.args.remedy | length) > 0)' "$tmp/trace"
}
