#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# --offcpu against programs that hold a map's mutex for a known time: the kernel's sums are
# within 5 % of what holder and waiters measured themselves.

load trace

HOLDLOAD=${O:-.output}/tests/workloads/holdload

sum() { # trace, histogram
	jq "select(.type == \"end\") | [.maps[].hists.$2.sum] | add" "$1"
}

# Within 5 % of what the load says of itself: there is a least and a most (holdload.c).
agrees() { # trace, histogram; output of holdload, what it is there
	local got least most
	got=$(sum "$1" "$2")
	least=$(jq -s "map(select(.type == \"hold\").$4_least_ns) | add" "$3")
	most=$(jq -s "map(select(.type == \"hold\").$4_ns) | add" "$3")
	echo "$2 is $got, should be $least to $most"
	[ "$most" -gt 0 ]
	[ $((got * 100)) -le $((most * 105)) ]
	[ $((got * 100)) -ge $((least * 95)) ]
}

lost_nothing() { # trace
	[ "$(jq 'select(.type == "end").losses | add' "$1")" -eq 0 ]
}

@test "a holder that sleeps, and threads that wait for it: within 5 %" {
	"$SMAPTRACE" --offcpu -i 0.1 -f json -o "$tmp/trace" -- "$HOLDLOAD" --how sleep >"$tmp/out"
	agrees "$tmp/trace" offcpu_blocked "$tmp/out" off
	agrees "$tmp/trace" offcpu_wait "$tmp/out" waited
	# Each of them once: eight holds, three waiters.
	jq -e 'select(.type == "end").maps[0].hists
		| .offcpu_blocked.count >= 8 and .offcpu_wait.count >= 24' "$tmp/trace"
	lost_nothing "$tmp/trace"
	# Windows add up to the end.
	[ "$(jq -s 'map(select(.type == "window").maps[].hists.offcpu_wait.sum) | add' \
		"$tmp/trace")" -eq "$(sum "$tmp/trace" offcpu_wait)" ]
}

@test "a holder that is preempted: within 5 %; nobody waits" {
	"$SMAPTRACE" --offcpu -f json -o "$tmp/trace" -- \
		"$HOLDLOAD" --how run --waiters 0 --msec 40 >"$tmp/out"
	agrees "$tmp/trace" offcpu_preempted "$tmp/out" off
	[ "$(sum "$tmp/trace" offcpu_wait)" -eq 0 ]
	lost_nothing "$tmp/trace"
}

@test "attached late, to a process that runs" {
	start "$tmp/out" "^hold" "$HOLDLOAD" --hold-run --how sleep
	trace "$tmp/trace" --offcpu -p "$pid"
	go_on "$pid"
	wait "$tracer"
	sed -i 1d "$tmp/out" # "hold"
	agrees "$tmp/trace" offcpu_blocked "$tmp/out" off
	agrees "$tmp/trace" offcpu_wait "$tmp/out" waited
}

# The functions of the busiest stack of a kind, innermost first, and its share of the time.
busiest() { # trace, kind
	jq -r "select(.type == \"end\").maps[0].stacks | map(select(.kind == \"$2\"))
		| (max_by(.ns)) as \$top | (map(.ns) | add) as \$all
		| \"\(\$top.ns * 100 / \$all | floor) \(\$top.frames | map(.function // \"-\") | join(\" \"))\"" \
		"$1"
}

@test "call stacks say who waits and who holds, out of the C library, too" {
	"$SMAPTRACE" --offcpu -f json -o "$tmp/trace" -- "$HOLDLOAD" --how sleep >"$tmp/out"
	busiest "$tmp/trace" offcpu_wait >"$tmp/wait"
	busiest "$tmp/trace" offcpu_blocked >"$tmp/blocked"
	cat "$tmp/wait" "$tmp/blocked"
	grep -Eq '^(9[0-9]|100) .*lll_lock_wait .*smap_store_u64 waiter_main' "$tmp/wait"
	grep -Eq '^(9[0-9]|100) .*nanosleep .*smap_store_u64 run_rounds' "$tmp/blocked"
	# With stacks of nothing else: those are of --stacks.
	jq -e 'select(.type == "end").maps[0].stacks | all(.kind | startswith("offcpu_"))' "$tmp/trace"
	"$SMAPTRACE" --offcpu -- "$HOLDLOAD" --how sleep --rounds 2 >"$tmp/text"
	# Each of three waiters in each of two rounds, at least once: who is woken may find another.
	grep -Eq '^  off the CPU waiting for the lock: ([6-9]|[1-9][0-9]), ' "$tmp/text"
}

@test "the maps' own figure agrees: a wait is off the CPU but for its first and last moment" {
	"$SMAPTRACE" --offcpu -f json -o "$tmp/trace" -- \
		"$MAPLOAD" --threads 8 --mix churn --seconds 1 >"$tmp/out"
	wait_ns=$(jq 'select(.type == "end").maps[0].window.lock_wait_ns' "$tmp/trace")
	off=$(sum "$tmp/trace" offcpu_wait)
	echo "waited $wait_ns, off the CPU $off"
	[ "$off" -le $((wait_ns + wait_ns / 100)) ]
	[ "$off" -ge $((wait_ns / 2)) ]
	lost_nothing "$tmp/trace"
}

@test "a hold without an end is seen while it lasts" {
	start "$tmp/out" "^hold" "$HOLDLOAD" --hold-run --how sleep --rounds 1 --msec 60000 --waiters 2
	trace "$tmp/trace" --offcpu -d 1.5 -p "$pid"
	go_on "$pid"
	wait "$tracer"
	# In the last window but one, between samples: the holder all the time, two waiters twice that.
	jq -e -s 'map(select(.type == "window")) | .[-2].maps[0] | .window.ns as $ns | .hists
		| (.offcpu_blocked.sum / $ns - 1 | fabs) < 0.01
			and (.offcpu_wait.sum / $ns / 2 - 1 | fabs) < 0.01' "$tmp/trace"
	# What was added before the end is not added again: not more than there was time.
	jq -e 'select(.type == "end") | .seconds as $s | .maps[0].hists
		| .offcpu_blocked.sum / 1e9 <= $s and .offcpu_wait.sum / 1e9 <= 2 * $s' "$tmp/trace"
}

@test "a process that hangs already: who waits, who holds, and where" {
	start "$tmp/out" "^holding" "$HOLDLOAD" --say --rounds 1 --msec 60000 --waiters 2
	# Of a window, as the map was sampled: the whole trace begins before smaptrace is attached, and
	# a window ends later than its samples on a machine that has other things to do.
	"$SMAPTRACE" --offcpu -i 0.3 -d 1 -f json -o "$tmp/trace" -p "$pid"
	jq -e -s 'map(select(.type == "window")) | .[1].maps[0] | .window.ns as $ns | .hists
		| (.offcpu_blocked.sum / $ns - 1 | fabs) < 0.01
			and (.offcpu_wait.sum / $ns / 2 - 1 | fabs) < 0.01' "$tmp/trace"
	busiest "$tmp/trace" offcpu_wait | grep -E '^100 .*smap_store_u64 waiter_main'
	busiest "$tmp/trace" offcpu_blocked | grep -E '^100 .*nanosleep .*smap_store_u64 run_rounds'
	"$SMAPTRACE" --offcpu -i 0.2 -d 0.5 -o "$tmp/text" -p "$pid"
	grep -q '1 of 1 map active' "$tmp/text"
	lost_nothing "$tmp/trace"
	"$SMAPTRACE" --all --offcpu -i 0.2 -d 0.5 -f json -o "$tmp/all"
	jq -e -s --argjson pid "$pid" 'map(select(.type == "end")) | .[0].maps
		| map(select(.pid == $pid)) | .[0].hists.offcpu_wait.sum > 0' "$tmp/all"
}

@test "a long wait counts once in each window, while others come and go" {
	start "$tmp/out" "^holding" "$HOLDLOAD" --say --rounds 1 --msec 60000 --waiters 8
	local holder=$pid
	start "$tmp/own" 'hold .* run' "$MAPLOAD" --hold-run --threads 48 --keys 16 --mix promote --seconds 60
	go_on "$pid"
	"$SMAPTRACE" --offcpu -i 0.01 -d 3 -f json -o "$tmp/trace" -p "$holder,$pid"
	# Added up from the second window on: never more than there was time for eight of them.
	jq -s 'map(select(.type == "window") | [.seconds, (.maps[] | select(.name == "held")
		| .hists.offcpu_wait.sum / 8e9)]) | .[1:]
		| reduce .[] as $w ([0, 0]; [.[0] + $w[1] - $w[0], ([.[1], .[0] + $w[1] - $w[0]] | max)])
		| .[1]' "$tmp/trace" >"$tmp/lead"
	cat "$tmp/lead"
	jq -e '. < 0.1' "$tmp/lead"
}

@test "children of a command are looked at, too; nothing is without --offcpu" {
	"$SMAPTRACE" --offcpu -f json -o "$tmp/trace" -- \
		sh -c '"$0" --how sleep --rounds 2 & "$0" --how sleep --rounds 2; wait' "$HOLDLOAD" >"$tmp/out"
	agrees "$tmp/trace" offcpu_blocked "$tmp/out" off
	"$SMAPTRACE" -f json -o "$tmp/trace" -- "$HOLDLOAD" --rounds 1 >"$tmp/out"
	[ "$(sum "$tmp/trace" offcpu_blocked)" -eq 0 ]
	[ "$(jq 'select(.type == "header").offcpu' "$tmp/trace")" = false ]
}

@test "a program with maps that becomes another one, which is looked at on" {
	cat >"$tmp/become.c" <<-'EOF'
		#include <smap.h>
		#include <unistd.h>

		int main(int argc, char **argv)
		{
			struct smap *map;

			return argc < 2 || smap_create(&map, NULL) || smap_store(map, "k", 1, argv) ||
			       execv(argv[1], argv + 1);
		}
	EOF
	"$CC" -Ilib "$tmp/become.c" "$O/libsmap.a" -pthread -lm -o "$tmp/become"
	"$SMAPTRACE" --offcpu -i 0.05 -f json -o "$tmp/trace" -- \
		"$tmp/become" "$HOLDLOAD" --how sleep --rounds 16 --waiters 1 >"$tmp/out"
	agrees "$tmp/trace" offcpu_blocked "$tmp/out" off
	agrees "$tmp/trace" offcpu_wait "$tmp/out" waited
}

@test "doctor says whether it can be done" {
	"$SMAPTRACE" doctor | grep -q '^ok .*threads off the CPU'
}
