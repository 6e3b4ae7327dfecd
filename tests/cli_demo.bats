#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The traps in a real server (tests/demo-respd.sh), the short ones of make demo-traps. Needs root
# and BPF. All at once: each has a server of its own.

load trace

@test "demo: read-diffusion, a stuck reader and the 16-bit counter, with and without the remedy" {
	export SECONDS_LIVE=6
	for name in diffusion reader counter; do
		timeout 100 tests/demo-respd.sh $name >"$tmp/$name" 2>&1 3>&- &
		eval "$name=$!"
	done
	for name in diffusion reader counter; do
		wait "${!name}" || { cat "$tmp/$name"; return 1; }
	done
	grep -q 'without .* found read-diffusion: ' "$tmp/diffusion"
	grep -q 'with the remedy .* found none: ' "$tmp/diffusion"
	grep -q 'without .* found write-starvation: .*a reader does not leave' "$tmp/reader"
	grep -q 'with the remedy .* found none: ' "$tmp/reader"
	grep -q 'after 65536 .* 1 overflows, 1 promotions' "$tmp/counter"
	grep -q 'after 65536 .* 0 overflows, 0 promotions' "$tmp/counter"
}

@test "demo: an unknown name is refused" {
	run tests/demo-respd.sh bogus
	[ "$status" = 1 ]
	[[ $output == *"no demo 'bogus'"* ]]
}

@test "respd: DEBUG sleeps and promotes, INFO counts reads of the store" {
	start "$tmp/out" '^ready:' "$O/tests/workloads/respd" --port 0 --store "$tmp/store"
	port=$(sed -n 's/^ready: .*:\([0-9]*\) pid .*/\1/p' "$tmp/out")
	[ "$(redis-cli -p "$port" set a 1)" = OK ]
	[ "$(redis-cli -p "$port" get absent)" = "" ]
	redis-cli -p "$port" info stats | tr -d '\r' | grep -qx 'store_reads:1'
	redis-cli -p "$port" info smap | tr -d '\r' | grep -qx 'promotions:[01]'
	redis-cli -p "$port" set b 2
	before=$(redis-cli -p "$port" info smap | tr -d '\r' | sed -n 's/^promotions://p')
	[ "$(redis-cli -p "$port" debug promote)" = OK ]
	[ "$(redis-cli -p "$port" info smap | tr -d '\r' | sed -n 's/^promotions://p')" = $((before + 1)) ]
	[ "$(redis-cli -p "$port" debug sleep 0.01)" = OK ]
	[ "$(redis-cli -p "$port" debug sleep 0.01 outside)" = OK ]
	[[ $(redis-cli -p "$port" debug sleep x) == *"not a valid float"* ]]
	[[ $(redis-cli -p "$port" debug bogus) == *"unknown subcommand"* ]]
}

@test "respload: sessions are written, expire, and pages are read" {
	start "$tmp/out" '^ready:' "$O/tests/workloads/respd" --port 0
	port=$(sed -n 's/^ready: .*:\([0-9]*\) pid .*/\1/p' "$tmp/out")
	"$O/tests/workloads/respload" --port "$port" --clients 2 --batch 10 --window 100 --rate 500 \
		--seconds 1 >"$tmp/load"
	jq -e '.written > 0 and .pages > 0 and .p99_us >= .p50_us and .p50_us > 0' "$tmp/load"
	[ "$(redis-cli -p "$port" dbsize)" -gt 0 ]
	"$O/tests/workloads/respload" --port "$port" --purge --rate 5000 --seconds 1 >"$tmp/load"
	run "$O/tests/workloads/respload" --port "$port" --clients 1000
	[ "$status" = 2 ]
}
