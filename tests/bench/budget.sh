#!/bin/bash
# SPDX-License-Identifier: MIT
#
# budget.sh - what a budget (--max-overhead, BUDGET, 2 %) leaves of the target's speed.
#
# One process misses all the time; it is traced and let go again in turn, in each way, and each
# time its misses per second, by its own counter, are compared with the mean of the times just
# before and just after without a trace. In one process, because two of them differ by more than is
# asked for (hash, memory); with "nothing" among the ways, because that is what the machine does.
# ROUNDS (9) of all ways; SECONDS_EACH (1.5) for each measurement, and before that of a trace: what
# is over the budget is shed at the end of its first window.
cd "$(dirname "$0")/../.." || exit 1
. tests/bench/common.sh
BUDGET=${BUDGET:-2}
ROUNDS=${ROUNDS:-9}
SECONDS_EACH=${SECONDS_EACH:-1.5}
need jq "$SMAPTRACE" "$LOAD"
ways=(nothing default --exact --stacks --offcpu)

misses() { "$SMAPTRACE" list -p "$load_pid" -f json | jq .misses; }

# Of the load, per second.
rate() {
	local before after start end
	before=$(misses) start=$EPOCHREALTIME
	sleep "$SECONDS_EACH"
	after=$(misses) end=$EPOCHREALTIME
	awk -v n=$((after - before)) -v start="$start" -v end="$end" 'BEGIN { print n / (end - start) }'
}

traced_rate() { # way
	local options=(-p "$load_pid" -f json -o /dev/null --max-overhead "$BUDGET")
	[ "$1" = default ] || options+=("$1")
	trace_start "${options[@]}"
	sleep "$SECONDS_EACH"
	traced=$(rate)
	kill -INT "$trace_pid"
	wait "$trace_pid" || die "smaptrace failed"
}

load_start --mix serve --threads 1 --seconds 86400 --hold-run
load_go
missing() { [ "$(misses)" -gt 0 ]; }
wait_for "misses" missing
for ((round = 0; round < ROUNDS; round++)); do
	for way in "${ways[@]}"; do
		before=$(rate)
		if [ "$way" = nothing ]; then
			sleep "$SECONDS_EACH"
			traced=$(rate)
		else
			traced_rate "$way"
		fi
		after=$(rate)
		awk "BEGIN { print $traced / (($before + $after) / 2) }" >>"$scratch/ratio$way"
		echo "$before" >>"$scratch/detached"
	done
done
kill "$load_pid"
wait "$load_pid"

stats <"$scratch/detached" | awk -v budget="$BUDGET" -v rounds="$ROUNDS" '{
	printf "a budget of %s %%, %d rounds; without a trace %.0f misses/s (%.0f .. %.0f)\n", budget, rounds, $1, $2, $3 }'
for way in "${ways[@]}"; do
	stats <"$scratch/ratio$way" | awk -v way="$way" '{ printf "  %-9s %.3f (%.3f .. %.3f)\n", way, $1, $2, $3 }'
done
