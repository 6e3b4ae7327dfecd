#!/bin/bash
# SPDX-License-Identifier: MIT
# demo-respd.sh - the traps in a real server: respd, a cache on libsmap, with SQLite behind it, under
# redis-cli, redis-benchmark and respload; each as it happens, and again with its remedy.
#
# usage: tests/demo-respd.sh [NAME...]     (the names are the functions demo_NAME below)
#
# Prints the verdict of smaptrace, attached to the running server, and what the remedy gained.
# Status 1 on a wrong verdict. SECONDS_LIVE: how long each runs (8).
cd "$(dirname "$0")/.." || exit 1
. tests/bench/common.sh
RESPD=$O/tests/workloads/respd
RESPLOAD=$O/tests/workloads/respload
LIVE=${SECONDS_LIVE:-8}
need jq redis-cli redis-benchmark chrt taskset "$SMAPTRACE" "$RESPD" "$RESPLOAD"
wrong=0

# --- the server ---------------------------------------------------------------

cli() { redis-cli -p "$port" "$@"; }

answers() { [ "$(cli ping)" = PONG ]; }

server_start() { # options of respd
	rm -f "$scratch"/store* "$scratch/respd"
	"$RESPD" --threads 4 --port 0 "$@" >"$scratch/respd" &
	respd_pid=$!
	started+=("$respd_pid")
	wait_for "respd to listen" grep -q '^ready:' "$scratch/respd"
	port=$(sed -n 's/^ready: .*:\([0-9]*\) pid .*/\1/p' "$scratch/respd")
	wait_for "respd to answer" answers
}

server_stop() {
	kill "$respd_pid" 2>/dev/null
	wait "$respd_pid" 2>/dev/null
}

# A counter of INFO, the backlog, or a field of the map's line there.
backlog() { cli info smap | tr -d '\r' | awk -F : '$1 == "retired" { b += $2 }
	$1 == "reclaimed" { b -= $2 } END { print b }'; }
info() { cli info | tr -d '\r' | sed -n "s/^$1:\\([0-9]*\\)\$/\\1/p"; }
field() { cli info smap | tr -d '\r' | sed -n "s/^map0:.*[,=]*$1=\\([0-9]*\\).*/\\1/p"; }

# Commands into redis-cli --pipe, all at once.
mass() { cli --pipe >"$scratch/pipe" || die "redis-cli --pipe: $(cat "$scratch/pipe")"; }

keys() { # format, count: SETs of so many keys
	awk -v format="SET $1 value\r\n" -v count="$2" \
		'BEGIN { for (i = 0; i < count; i++) printf format, i }' | mass
}

# In the background until the demo of it is over.
background() { # command...
	"$@" >/dev/null 2>&1 &
	started+=("$!")
	behind+=("$!")
}

quiet_down() {
	local pid
	for pid in "${behind[@]}"; do
		kill "$pid" 2>/dev/null
		wait "$pid" 2>/dev/null
	done
	behind=()
}
behind=()

# --- the trace ------------------------------------------------------------------

watch_start() {
	"$SMAPTRACE" -p "$respd_pid" -i 1 -d "$LIVE" -f json -o "$scratch/trace" \
		2>"$scratch/trace.err" &
	watch_pid=$!
	started+=("$watch_pid")
	wait_for "smaptrace to attach" trace_said
}

trace_said() { grep -q '^Attached' "$scratch/trace.err"; }

# Waits for the trace; compares what it found.
watch_end() { # expected trap, or none
	wait "$watch_pid" || { cat "$scratch/trace.err" >&2; die "smaptrace failed"; }
	verdict=$(jq -rs '[.[] | select(.type == "finding") | .trap] | unique | join(",") |
		if . == "" then "none" else . end' "$scratch/trace")
	shape=$(jq -rs '[.[] | select(.type == "finding") | .shape][0] // ""' "$scratch/trace")
	[ "$verdict" = "$1" ] && return
	echo "  WRONG: expected $1, found $verdict"
	wrong=1
}

row() { printf '  %-17s found %-17s %s\n' "$1" "$verdict:" "$2"; }

both() { # function, title
	local before
	printf '\n--- %s\n' "$2"
	"$1" "without"
	before=$figure
	"$1" "with the remedy"
	echo "  gained: $figure_name $before -> $figure"
}

want() { if [ "$2" = without ]; then echo "$1"; else echo none; fi; }

# --- read-diffusion -----------------------------------------------------------

# Sessions are written all the time, each a new key, and expire after five seconds. Eight clients
# read pages: who of 400 is in memory, and the data of 20. Those that have expired are missed by the
# map, which promotes, and copies itself for the next new key; the 20 are asked of SQLite as well.
# Remedy: the filter of absent keys.
diffusion() {
	local options=(--store "$scratch/store") load
	[ "$1" = without ] || options+=(--tuned)
	server_start "${options[@]}"
	keys 'old:%012d' 1000
	"$RESPLOAD" --port "$port" --clients 8 --peek 400 --batch 20 --window 8000 --first 1000000 --rate 400 \
		--ttl 5000 --seconds "$LIVE" >"$scratch/load" &
	load=$!
	started+=("$load")
	watch_start
	watch_end "$(want read-diffusion "$1")"
	wait "$load" || die "respload failed"
	figure_name="misses that took the lock, and P99 of a page, us:"
	figure="$(field misses), $(jq .p99_us "$scratch/load")"
	row "$1" "$(jq -r '"\(.pages_per_second) pages/s, P50 \(.p50_us) us, P99 \(.p99_us) us"' \
		"$scratch/load"), $(field misses) misses, $(field promotions) promotions, $(field copied) copied, $(info store_reads) reads of the store"
	quiet_down
	server_stop
}

demo_diffusion() { both diffusion "read-diffusion: sessions expire, eight clients read pages, SQLite behind"; }

# --- pseudo-expansion ---------------------------------------------------------

# Fifty thousand keys, then a thousand new ones, then reads that keep hitting the old ones. Now and
# then somebody reads a new one, under the lock. Remedy: promote after the load.
pseudo() {
	local before
	server_start
	keys 'key:%012d' 50000
	cli debug promote >/dev/null
	keys 'new:%012d' 1000
	[ "$1" = without ] || cli debug promote >/dev/null
	before=$(field misses)
	background redis-benchmark -p "$port" -q -l -t get -r 50000 -c 4
	background redis-cli -p "$port" -r 1000000 -i 0.02 get new:000000000007
	watch_start
	watch_end "$(want pseudo-expansion "$1")"
	figure_name="reads that took the lock:" figure=$(($(field misses) - before))
	row "$1" "$(($(field misses) - before)) reads took the lock, $(field table_bytes) bytes of tables"
	quiet_down
	server_stop
}

demo_pseudo() { both pseudo "pseudo-expansion: new keys wait in dirty, reads hit the old ones"; }

# --- write-starvation -----------------------------------------------------------

rss() { awk '/^VmRSS/ { print $2 }' "/proc/$respd_pid/status"; }

# One client runs a slow command, which every command does inside a read section. Remedy: it
# leaves the section before it waits.
reader() {
	local outside=
	[ "$1" = without ] || outside=outside
	server_start
	keys 'key:%012d' 10000
	cli debug promote >/dev/null
	# shellcheck disable=SC2086
	background redis-cli -p "$port" debug sleep $((LIVE + 5)) $outside
	background redis-benchmark -p "$port" -q -l -t set -r 10000 -c 2 -d 100
	watch_start
	watch_end "$(want write-starvation "$1")"
	figure_name="kB resident:" figure=$(rss)
	row "$1" "$(backlog) values wait to be freed, $(rss) kB resident${shape:+ ($shape)}"
	quiet_down
	server_stop
}

demo_reader() { both reader "write-starvation: a slow command stays inside its read section"; }

reclaimer_tid() {
	local task
	for task in /proc/"$respd_pid"/task/*; do
		[ "$(cat "$task/comm")" = smap-reclaim ] && basename "$task"
	done
}

# The reclaimer thread has the lowest priority there is, on a processor that somebody else burns.
# Remedy: it gets CPU time like others.
reclaimer() {
	local tid
	server_start
	keys 'key:%012d' 10000
	cli debug promote >/dev/null
	tid=$(reclaimer_tid)
	if [ "$1" = without ]; then
		chrt --idle -p 0 "$tid" >/dev/null && taskset -pc 0 "$tid" >/dev/null || die "chrt"
		background nice -n -20 taskset -c 0 bash -c 'while :; do :; done'
	fi
	background redis-benchmark -p "$port" -q -l -t set -r 10000 -c 2 -d 100
	watch_start
	watch_end "$(want write-starvation "$1")"
	figure_name="kB resident:" figure=$(rss)
	row "$1" "$(backlog) values counted as waiting, $(rss) kB resident${shape:+ ($shape)}"
	quiet_down
	server_stop
}

demo_reclaimer() { both reclaimer "write-starvation: the reclaimer gets no CPU time"; }

sweep() {
	local n=0
	while sleep 1; do
		cli debug promote
		cli set "new:$((n++))" value
	done
}

# A purge of old keys, and no new key that would make the map drop them. Remedy: promote, and
# store a new key, once a second.
tombs() {
	server_start
	keys 'session:%012d' 50000
	cli debug promote >/dev/null
	background "$RESPLOAD" --port "$port" --purge --rate 2000 --seconds 3600
	[ "$1" = without ] || background sweep
	watch_start
	watch_end "$(want write-starvation "$1")"
	quiet_down
	figure_name="entries listed that are dead:" figure=$(($(field read_len) - $(cli dbsize)))
	row "$1" "$(field read_len) entries listed, $(cli dbsize) of them alive${shape:+ ($shape)}"
	server_stop
}

demo_tombs() { both tombs "write-starvation: deleted entries that nothing sweeps"; }

# --- the article's experiments -------------------------------------------------

counters() { printf '  %-28s %s overflows, %s promotions, %s entries in dirty\n' "$1" \
	"$(info overflows)" "$(info promotions)" "$(field dirty_len)"; }

absent() { awk -v count="$1" 'BEGIN { for (i = 0; i < count; i++) printf "GET absent\r\n" }' | mass; }

# Seventy thousand new keys: more misses than 16 bits can count are needed to promote them.
demo_counter() {
	local bits
	for bits in 16 64; do
		printf '\n--- 70000 new keys and a miss counter of %s bits\n' "$bits"
		server_start --miss-counter-bits "$bits"
		keys 'key:%012d' 70000
		absent 65535
		counters "after 65535 misses"
		[ "$(info promotions)" = 0 ] || wrong=1
		absent 1
		counters "after 65536"
		[ "$(info overflows)" = "$((bits == 16))" ] || wrong=1
		cli set another value >/dev/null
		absent 70000
		counters "a new key and 70000 further"
		server_stop
	done
}

demo_prealloc() {
	local size estimate=272
	printf '\n--- room for the first dirty: 8500 new keys of 128 bytes, as in a second of the article\n'
	for size in 0 64 "$estimate" 1024 8500; do
		server_start --initial-dirty "$size"
		redis-benchmark -p "$port" -q --csv -t set -n 8500 -r 1000000000 -d 128 -c 1 >"$scratch/csv"
		printf '  initial_dirty %-5s %s growths, %s bytes of tables; SET P99 and longest, ms: %s\n' \
			"$size" "$(field growths)" "$(field table_bytes)" \
			"$(tail -n 1 "$scratch/csv" | tr -d '"' | cut -d , -f 7,8)"
		server_stop
	done
}

[ $# -gt 0 ] || set -- diffusion pseudo reader reclaimer tombs counter prealloc
for name in "$@"; do
	declare -F "demo_$name" >/dev/null || die "no demo '$name'"
	"demo_$name"
done
exit $wrong
