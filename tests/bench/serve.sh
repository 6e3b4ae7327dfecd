#!/bin/bash
# SPDX-License-Identifier: MIT
#
# serve.sh [MAPS [SECONDS]] - what `smaptrace serve` costs with so many maps (1000), at one
# scrape every 5 s for so long (60): time of a scrape, memory, part of a core (processor time of
# all threads, by the scheduler's own count); without a listener on /events and with one. The
# maps do a little each, so that none is idle. SMAPTRACE=PROGRAM measures another one.
set -eu
cd "$(dirname "$0")/../.."
program=${SMAPTRACE:-} maps=${1:-1000} seconds=${2:-60}
. tests/bench/common.sh
SMAPTRACE=${program:-$SMAPTRACE}
need curl "$SMAPTRACE" "$LOAD"

cpu_ns() { awk '{ sum += $1 } END { printf "%.0f", sum }' /proc/"$1"/task/*/schedstat; }
kib() { awk -v key="$2:" '$1 == key { print $2 }' "/proc/$1/status"; }

"$LOAD" --maps "$maps" --keys 50 --mix promote --name bench --rate "${RATE:-20000}" \
	--seconds 3600 --hold-run >"$scratch/load" &
load=$!
started+=("$load")
wait_for "the load" grep -q '^hold' "$scratch/load"
kill -USR1 "$load"
"$SMAPTRACE" serve -p "$load" -i "${INTERVAL:-1}" --listen 127.0.0.1:0 >"$scratch/url" 2>"$scratch/err" &
server=$!
started+=("$server")
wait_for "the server" grep -q '^http' "$scratch/url"
url=$(cat "$scratch/url")
sleep 3

measure() { # title
	local before after end=$((SECONDS + seconds)) begin=$EPOCHREALTIME
	: >"$scratch/times"
	before=$(cpu_ns "$server")
	while [ $SECONDS -lt $end ]; do
		curl -s -o "$scratch/metrics" -w '%{time_total} %{size_download}\n' "${url}metrics" >>"$scratch/times"
		sleep 5
	done
	after=$(cpu_ns "$server")
	sort -n "$scratch/times" | awk -v title="$1" -v maps="$maps" -v ns=$((after - before)) -v load="$(cut -d' ' -f1 /proc/loadavg)" \
		-v begin="$begin" -v now="$EPOCHREALTIME" -v rss="$(kib "$server" VmRSS)" -v hwm="$(kib "$server" VmHWM)" '
		{ time[NR] = $1; size = $2 }
		END {
			printf "| %s | %d | %.1f ms / %.1f ms | %.0f kB | %.1f MB / %.1f MB | %.2f %% | %s |\n", title, maps,
				time[int((NR + 1) / 2)] * 1000, time[NR] * 1000, size / 1000, rss / 1024, hwm / 1024,
				ns / 1e9 / (now - begin) * 100, load
		}'
}

echo '| | maps | scrape, median / slowest | size | memory, now / most | of a core | load |'
echo '|---|---|---|---|---|---|---|'
measure 'metrics only'
curl -sN "${url}events" >/dev/null &
started+=("$!")
measure 'and a listener on /events'
