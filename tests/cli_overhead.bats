#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What tracing costs, and the budget: on a workload whose misses are known, what is shed is
# really gone, what is said of it adds up, and it comes back.
load trace.bash

own() { # file of mapload: its map's misses
	grep '"type":"map"' "$1" | jq .misses
}

# Nothing is lost, and what was not traced is told to the last miss.
adds_up() { # trace, misses that the map counted
	jq -e --argjson misses "$2" 'select(.type == "end") | .losses.audit == 0
		and .maps[0].misses == $misses
		and .maps[0].window.misses == .maps[0].traced.misses + (.maps[0].uncounted.misses // 0)
		' "$1"
}

shed() { # trace, step: the period it is at now; nothing if it was never shed
	jq --arg step "$2" 'select(.type == "end") | .overhead.shed[] | select(.step == $step) | .period' "$1"
}

# The semaphore of a probe in a process: how many listen.
semaphore() { # pid, probe
	local at base
	at=$(nm "$MAPLOAD" | awk -v s="smap_$2_semaphore" '$3 == s { print $1 }')
	base=$(awk -v f="$MAPLOAD" '$6 == f && $3 == "00000000" { split($1, a, "-"); print a[1]; exit }' "/proc/$1/maps")
	dd if="/proc/$1/mem" bs=1 count=2 skip=$((0x$base + 0x$at)) iflag=skip_bytes 2>/dev/null |
		od -An -tu2 | tr -d ' '
}

# At rest after its last operation it is let go by the tracer first, then by us.
end_load() {
	wait_for grep -q ' end$' "$tmp/own"
	kill -INT "$tracer"
	wait "$tracer"
	go_on "$load"
	wait "$load"
}

nobody_listens() { [ "$(semaphore "$1" "$2")" = 0 ]; }

@test "overhead: hits times price, of a known number of hits" {
	"$SMAPTRACE" -f json --exact -o "$tmp/trace" -- "$MAPLOAD" --mix miss --ops 40000 \
		>"$tmp/own" 2>"$tmp/err" 3>&-
	jq -e --argjson misses "$(own "$tmp/own")" 'select(.type == "end")
		| (.overhead.hits_per_s * .seconds | round) as $hits
		| $hits > $misses and $hits < $misses * 1.2
		and .overhead.hit_ns > 50 and .overhead.hit_ns < 100000 and .overhead.shed == []
		and .overhead.budget == null' "$tmp/trace"
	"$SMAPTRACE" -d 1 -i 0.5 -- "$MAPLOAD" --mix miss --seconds 2 >"$tmp/text" 2>&1 3>&-
	grep -Eq '^  tracing costs the target [0-9.]+ % \([0-9]+ hits/s x [0-9]+ ns\)$' "$tmp/text"
}

@test "overhead: --exact over the budget: the trap is gone, the figures add up" {
	# One hit for each miss costs a multiple of the process's own time, one for 64 a tenth:
	# between them whatever the machine.
	for way in multi perf; do
		start "$tmp/own" ' run$' "$MAPLOAD" --hold-run --hold-end --mix miss --threads 2 --seconds 5
		load=$pid
		SMAPTRACE_ATTACH=$way trace "$tmp/trace" --exact --max-overhead 50 -p "$load"
		[ "$(semaphore "$load" miss)" = 1 ]
		go_on "$load"
		wait_for grep -q '^Over the budget of 50 %.*: single misses and expunges\.$' "$tmp/trace.err"
		wait_for nobody_listens "$load" miss
		wait_for nobody_listens "$load" expunge
		end_load
		[ "$(shed "$tmp/trace" exact)" = 0 ]
		adds_up "$tmp/trace" "$(own "$tmp/own")"
		jq -e 'select(.type == "end") | .overhead.budget == 0.5
			and .maps[0].hists.miss_wait.sample and (.maps[0].hists.promote_misses.sample | not)' \
			"$tmp/trace"
	done
}

@test "overhead: over any budget, misses are sampled; a recording shows the same" {
	"$SMAPTRACE" check --record "$tmp/rec" --max-overhead 0.01 --junit "$tmp/junit" -f json \
		-o "$tmp/trace" -- "$MAPLOAD" --mix miss --threads 2 --seconds 3 >"$tmp/own" 2>"$tmp/err" 3>&- ||
		[ $? = 100 ] # whether it is a trap is not the question
	[ "$(shed "$tmp/trace" misses)" -gt 1 ]
	adds_up "$tmp/trace" "$(own "$tmp/own")"
	jq -e 'select(.type == "end") | .maps[0].uncounted.misses > 0' "$tmp/trace"
	grep -q 'name="estimates" value="estimates: .*misses traced 1/' "$tmp/junit"
	"$SMAPTRACE" report -f json "$tmp/rec" >"$tmp/again" 3>&-
	jq 'select(.type == "end") | .overhead, .maps[0].uncounted' "$tmp/trace" >"$tmp/a"
	jq 'select(.type == "end") | .overhead, .maps[0].uncounted' "$tmp/again" >"$tmp/b"
	cmp "$tmp/a" "$tmp/b"
}

@test "overhead: comes back when the rate has fallen" {
	start "$tmp/own" ' run$' "$MAPLOAD" --hold-run --hold-after 1500000 --hold-end --mix miss --ops 1500100
	load=$pid
	trace "$tmp/trace" --exact --max-overhead 50 --audit -p "$load"
	go_on "$load"
	wait_for grep -q '^Over the budget.*: single misses' "$tmp/trace.err"
	wait_for grep -q ' after$' "$tmp/own"
	wait_for grep -q '^Within the budget of 50 %: traced again: single misses' "$tmp/trace.err"
	[ "$(semaphore "$load" miss)" = 1 ]
	go_on "$load"
	end_load
	[ "$(shed "$tmp/trace" exact)" = 1 ]
	adds_up "$tmp/trace" "$(own "$tmp/own")"
}

looks_at_switches() { # pid of smaptrace
	grep -qs 'tp_name:.*sched_switch' "/proc/$1/fdinfo/"*
}

@test "overhead: --offcpu has its price, and is shed: the program is gone, and comes back" {
	start "$tmp/own" ' run$' "$MAPLOAD" --hold-run --hold-end --hold-after 500 --mix churn --threads 8 \
		--rate 500 --ops 510
	load=$pid
	trace "$tmp/trace" --offcpu --max-overhead 0.5 -p "$load"
	looks_at_switches "$tracer"
	go_on "$load"
	wait_for grep -q '^Over the budget of 0.5 %.*: threads off the CPU\.$' "$tmp/trace.err"
	gone() { ! looks_at_switches "$tracer"; }
	wait_for gone
	wait_for grep -q ' after$' "$tmp/own"
	wait_for grep -q '^Within the budget of 0.5 %: traced again: threads off the CPU' "$tmp/trace.err"
	looks_at_switches "$tracer"
	go_on "$load"
	end_load
	adds_up "$tmp/trace" "$(own "$tmp/own")"
	jq -e 'select(.type == "end") | .overhead.switch_ns > 50 and .overhead.switch_ns < 100000
		and (.maps[0].hists | .offcpu_wait.sample and .offcpu_preempted.sample
			and (.rebuild_time.sample | not))' "$tmp/trace"
}

@test "overhead: a time off the CPU that lasts when --offcpu is shed stays in the sum" {
	start "$tmp/hold" "^holding" "$O/tests/workloads/holdload" --say --rounds 1 --msec 60000 --waiters 2
	holder=$pid
	start "$tmp/own" ' run$' "$MAPLOAD" --hold-run --mix churn --threads 8 --rate 500 --seconds 60
	trace "$tmp/trace" --offcpu --max-overhead 0.5 -p "$holder,$pid"
	lasts() { jq -es 'map(select(.type == "window").maps[] | select(.name == "held")
		.hists.offcpu_blocked.sum) | add > 400000000' "$tmp/trace"; }
	wait_for lasts
	go_on "$pid"
	wait_for grep -q '^Over the budget of 0.5 %.*: threads off the CPU\.$' "$tmp/trace.err"
	after=$(jq -s 'map(select(.type == "window")) | length' "$tmp/trace")
	more() { [ "$(jq -s 'map(select(.type == "window")) | length' "$tmp/trace")" -ge $((after + 3)) ]; }
	wait_for more
	kill -INT "$tracer"
	wait "$tracer"
	jq -es 'map(select(.type == "window").maps[] | select(.name == "held").hists
			| .offcpu_blocked.sum) as $windows
		| map(select(.type == "end"))[0].maps[] | select(.name == "held")
		| .hists.offcpu_blocked | .sum == ($windows | add) and .sum > 400000000 and .sample
			and $windows[-1] == 0' "$tmp/trace"
	jq -e 'select(.type == "end").maps[] | select(.name == "held").stacks
		| map(select(.kind == "offcpu_blocked").ns) | add > 400000000' "$tmp/trace"
}

@test "overhead: call stacks that were shed come back" {
	start "$tmp/calm" ' run$' "$MAPLOAD" --hold-run --mix promote --keys 10 --rate 10 --seconds 60
	calm=$pid
	start "$tmp/busy" ' run$' "$MAPLOAD" --hold-run --mix churn --threads 8 --maps 20 --keys 16 \
		--rate 500 --seconds 60
	busy=$pid
	trace "$tmp/trace" --stacks --max-overhead 0.3 -p "$calm,$busy"
	windows() { jq -s 'map(select(.type == "window")) | length' "$tmp/trace"; }
	seen_after() { # this many windows: stacks of the calm one
		jq -es --argjson pid "$calm" --argjson from "$1" 'map(select(.type == "window"))[$from:]
			| any(.[].maps[] | select(.pid == $pid) | .stacks[]?; .frames != [])' "$tmp/trace"
	}
	go_on "$calm"
	wait_for seen_after 0
	go_on "$busy"
	wait_for grep -q '^Over the budget of 0.3 %.*: call stacks\.$' "$tmp/trace.err"
	kill -9 "$busy"
	wait_for grep -q '^Within the budget of 0.3 %: traced again: call stacks\.$' "$tmp/trace.err"
	wait_for seen_after "$(($(windows) + 1))"
	kill -INT "$tracer"
	wait "$tracer"
	[ "$(shed "$tmp/trace" stacks)" = 1 ]
}

@test "overhead: within the budget nothing is shed; bad budgets are refused" {
	"$SMAPTRACE" -f json --max-overhead 100 -o "$tmp/trace" -- "$MAPLOAD" --mix miss --ops 20000 \
		--rate 20000 >"$tmp/own" 2>"$tmp/err" 3>&-
	jq -e 'select(.type == "end") | .overhead.shed == [] and .overhead.budget == 1' "$tmp/trace"
	adds_up "$tmp/trace" "$(own "$tmp/own")"
	for bad in 0 101 -1 two 2%; do
		run "$SMAPTRACE" --max-overhead "$bad" -p 1
		[ "$status" -eq 2 ]
		grep -q 'wants a percentage from 0.01 to 100' <<<"$output"
	done
}
