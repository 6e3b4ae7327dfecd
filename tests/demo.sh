#!/bin/bash
# SPDX-License-Identifier: MIT
# demo.sh - a real server under a real client, traced live (make demo).
#
# Starts respd, the cache on libsmap, with four threads on a free port of 127.0.0.1; drives it
# with redis-benchmark over a key space that grows, so that reads miss, misses promote and
# new keys rebuild; attaches smaptrace and shows its histograms for SECONDS_LIVE (6)
# seconds. A second smaptrace writes JSON meanwhile: the demo succeeds only if that one
# saw misses and promotions. Everything started is ended on every way out.
cd "$(dirname "$0")/.." || exit 1
. tests/bench/common.sh
RESPD=$O/tests/workloads/respd
SECONDS_LIVE=${SECONDS_LIVE:-6}
need jq redis-benchmark redis-cli "$SMAPTRACE" "$RESPD"

step() { printf '\n--- %s\n' "$*"; }

server_answers() { [ "$(redis-cli -p "$port" ping)" = PONG ]; }

# redis-benchmark, ended with the shell that waits for it (left alone, it retries for ever).
bench() {
	redis-benchmark -p "$port" -q -P 16 -c 20 "$@" &
	wait $!
}

# New keys keep coming: each round writes and reads a larger range, so that a part of it is new.
drive() {
	local range=2000
	trap 'kill $!; wait $!; exit' TERM
	while :; do
		bench -t set -n 4000 -r $range
		bench -t get -n 40000 -r $((2 * range))
		range=$((range < 500000 ? range * 5 / 4 : 2000))
	done
}

step "1. respd, a cache on libsmap: 4 threads"
"$RESPD" --threads 4 --port 0 >"$scratch/respd" &
respd_pid=$!
started+=("$respd_pid")
wait_for "respd to listen" grep -q '^ready:' "$scratch/respd"
port=$(sed -n 's/^ready: .*:\([0-9]*\) pid .*/\1/p' "$scratch/respd")
wait_for "respd to answer" server_answers
cat "$scratch/respd"

step "2. redis-benchmark: SET and GET over a growing range of random keys, in the background"
drive >/dev/null 2>&1 &
drive_pid=$!
started+=("$drive_pid")
wait_for "the first misses" \
	bash -c "redis-cli -p $port info smap | tr -d '\r' | grep -q '^misses:[1-9]'"

step "3. smaptrace -p $respd_pid -i 1 -d $SECONDS_LIVE"
"$SMAPTRACE" -p "$respd_pid" -i 1 -d "$SECONDS_LIVE" -f json -o "$scratch/trace" \
	2>"$scratch/trace.err" &
json_pid=$!
started+=("$json_pid")
"$SMAPTRACE" -p "$respd_pid" -i 1 -d "$SECONDS_LIVE" || die "smaptrace failed"
wait "$json_pid" || { cat "$scratch/trace.err" >&2; die "smaptrace -f json failed"; }

step "4. what the server itself counted, over its whole life"
redis-cli -p "$port" info smap | tr -d '\r' | grep -E '^(misses|promotions|rebuilds|copied):'

step "5. the same from the JSON of a second smaptrace that ran beside the first"
jq -r 'select(.type == "end") | .maps[] | "\(.name): \(.traced.misses) misses, " +
	"\(.traced.promotions) promotions, \(.traced.rebuilds) rebuilds traced"' "$scratch/trace"
jq -e 'select(.type == "end") | any(.maps[]; .traced.misses > 0 and .traced.promotions > 0)' \
	"$scratch/trace" >/dev/null || die "smaptrace saw no misses or no promotions"

step "6. the end: SIGTERM to respd"
kill "$drive_pid"
wait "$drive_pid" 2>/dev/null
kill "$respd_pid"
wait "$respd_pid" || die "respd did not end cleanly"
echo "respd ended cleanly. Try it yourself: $RESPD --help, $SMAPTRACE --help"
