#!/bin/bash
# SPDX-License-Identifier: MIT
# attached.sh - what tracing costs the traced program, and what smaptrace costs itself.
#
# Throughput: each round runs the workload detached, traced by smaptrace, by smaptrace
# --exact, and by bpftrace with the same histograms from the `miss` probe; forwards in one
# round, backwards in the next. Printed is the median over the rounds of the ratio to
# the detached run of the same round, with the lowest and highest, of operations per second
# and of operations per second of CPU time, which other programs disturb less.
# Environment: O, ROUNDS (10), RUN_SECONDS (1), FIGURES (serve full self), SERVE_ARGS.
# FIGURES=stacks compares detached, smaptrace and smaptrace --stacks. A budget: budget.sh.
cd "$(dirname "$0")/../.." || exit 1
. tests/bench/common.sh
need jq "$SMAPTRACE" "$LOAD"

ROUNDS=${ROUNDS:-10}
RUN_SECONDS=${RUN_SECONDS:-1}
MIN_MISSES=500000
FIGURES=${FIGURES:-serve full self}
SERVE_ARGS=${SERVE_ARGS:---threads 2}

run_detached() { :; }
run_smaptrace() { trace_start -p "$load_pid" -i 1 -o /dev/null; }
run_stacks() { trace_start -p "$load_pid" -i 1 -o /dev/null --stacks; }
run_exact() { trace_start -p "$load_pid" -i 1 -o /dev/null --exact; }
run_bpftrace() {
	sed "s|BINARY|$LOAD|" tests/bench/misses.bt >"$scratch/misses.bt"
	rm -f "$scratch/bpftrace"
	bpftrace -p "$load_pid" "$scratch/misses.bt" >"$scratch/bpftrace" 2>&1 9>&- &
	trace_pid=$!
	started+=("$trace_pid")
	wait_for "bpftrace to attach" grep -q ready "$scratch/bpftrace"
}

# One run; sets ops and misses (per second), of the run alone.
measure() { # how, arguments of mapload
	local how=$1
	shift
	load_start --hold-run --seconds "$RUN_SECONDS" "$@"
	trace_pid=
	run_"$how"
	load_go
	load_wait
	[ -z "$trace_pid" ] || wait "$trace_pid" || die "$how failed: $(tail -1 "$scratch/trace.err")"
	read -r ops misses per_cpu < <(jq -rs 'map(select(.type == "run"))[0]
		| "\(.ops_per_second) \(.misses_per_second) \(.ops / .cpu_seconds)"' \
		< <(grep '^{' "$scratch/load"))
	[ "${ops:-0}" -gt 0 ] || die "$how: mapload printed no result"
}

round() { # number, arguments of mapload
	local order=("${hows[@]}") how
	[ $(($1 % 2)) = 0 ] || order=($(printf '%s\n' "${hows[@]}" | tac))
	shift
	for how in "${order[@]}"; do
		measure "$how" "$@"
		eval "ops_$how=$ops per_cpu_$how=$per_cpu"
		echo "$ops" >>"$scratch/ops.$how"
		echo "$misses" >>"$scratch/misses.$how"
	done
	for how in "${hows[@]}"; do
		eval "awk -v a=\$ops_$how -v b=\$ops_detached 'BEGIN { print a / b }'" \
			>>"$scratch/ratio.$how"
		eval "awk -v a=\$per_cpu_$how -v b=\$per_cpu_detached 'BEGIN { print a / b }'" \
			>>"$scratch/percpu.$how"
	done
}

all_ways() {
	hows=(detached smaptrace exact)
	! command -v bpftrace >/dev/null || hows+=(bpftrace)
}

stacks_ways() { hows=(detached smaptrace stacks); }

throughput() { # title, arguments of mapload
	local i how median low high rate missed
	rm -f "$scratch"/percpu.* "$scratch"/ratio.* "$scratch"/ops.* "$scratch"/misses.*
	echo "$1: mapload ${*:2}, $ROUNDS rounds of $RUN_SECONDS s"
	shift
	for ((i = 0; i < ROUNDS; i++)); do
		round $i "$@"
	done
	printf '  %-14s %12s %9s   %-7s %-18s  %s\n' "" ops/s misses/s ratio "lowest .. highest" \
		"per CPU second"
	for how in "${hows[@]}"; do
		read -r rate _ < <(stats <"$scratch/ops.$how")
		read -r missed _ < <(stats <"$scratch/misses.$how")
		read -r median low high < <(stats <"$scratch/ratio.$how")
		printf '  %-14s %12.0f %9.0f   %.3f   (%.3f .. %.3f)' "$how" "$rate" "$missed" \
			"$median" "$low" "$high"
		read -r median low high < <(stats <"$scratch/percpu.$how")
		printf '   %.3f (%.3f .. %.3f)\n' "$median" "$low" "$high"
	done
	read -r missed _ < <(stats <"$scratch/misses.detached")
	[ "${missed%.*}" -ge "$MIN_MISSES" ] ||
		echo "  note: fewer than $MIN_MISSES misses/s detached: a slow or busy machine"
	echo
}

cpu_ticks() { # pid
	awk '{ sub(/.*\) /, ""); print $12 + $13 }' "/proc/$1/stat"
}

# CPU and memory over ten windows of a steady trace; not counting attach and detach.
self_cost() {
	local before after seconds=10
	echo "smaptrace itself: 100 maps, 2 threads of 100,000 operations/s, windows of 1 s"
	load_start --hold-run --seconds $((seconds + 3)) --maps 100 --threads 2 --rate 100000 \
		--mix churn --value-free
	trace_start -p "$load_pid" -i 1 -f json -o "$scratch/trace"
	load_go
	sleep 1
	before=$(cpu_ticks "$trace_pid")
	sleep $seconds
	after=$(cpu_ticks "$trace_pid")
	awk -v t=$((after - before)) -v s=$seconds -v hz="$(getconf CLK_TCK)" \
		'BEGIN { printf "  CPU    %.2f %% of a core\n", 100 * t / hz / s }'
	awk '/VmHWM/ { printf "  memory %.1f MB at most\n", $2 / 1024 }' "/proc/$trace_pid/status"
	load_wait
	wait "$trace_pid" || die "smaptrace failed"
	echo
}

# From the start of the process to "Attached", and from SIGINT to its end.
attach_cost() {
	local i begin name
	load_start --hold-run --hold-end --maps 100 --ops 1000
	for ((i = 0; i < ROUNDS; i++)); do
		mkfifo "$scratch/err"
		begin=${EPOCHREALTIME/[.,]/}
		"$SMAPTRACE" -p "$load_pid" -o /dev/null 2>"$scratch/err" 9>&- &
		trace_pid=$!
		started+=("$trace_pid")
		exec 8<"$scratch/err"
		until read -r line <&8 && [[ $line == *Attached* ]]; do
			kill -0 "$trace_pid" || die "smaptrace ended early: $line"
		done
		awk "BEGIN { print (${EPOCHREALTIME/[.,]/} - $begin) / 1000 }" >>"$scratch/attach"
		begin=${EPOCHREALTIME/[.,]/}
		kill -INT "$trace_pid"
		wait "$trace_pid" || die "smaptrace failed"
		awk "BEGIN { print (${EPOCHREALTIME/[.,]/} - $begin) / 1000 }" >>"$scratch/detach"
		exec 8<&-
		rm "$scratch/err"
	done
	load_go
	wait_for "mapload to finish" grep -q '^hold .* end' "$scratch/load"
	load_go
	load_wait
	for name in attach detach; do
		stats <"$scratch/$name" | awk -v n=$name \
			'{ printf "  %-6s %.0f ms (%.0f .. %.0f)\n", n, $1, $2, $3 }'
	done
}

for figure in $FIGURES; do
	case $figure in
	serve) all_ways && throughput "a server's reads" --mix serve $SERVE_ARGS ;;
	full) all_ways && throughput "nothing but misses" --mix miss ;;
	stacks) stacks_ways && throughput "with call stacks" --mix serve $SERVE_ARGS ;;
	self) self_cost && attach_cost ;;
	*) die "no such figure: $figure" ;;
	esac
done
