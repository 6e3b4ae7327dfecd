#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What smaptrace reports is what the maps counted: a short part of tests/bench/exactness.sh.
# Needs root and a kernel with BPF.

setup() {
	cd "$BATS_TEST_DIRNAME/.."
	export O=${O:-.output} QUIET=1 OPS=50000
	[ "$(id -u)" = 0 ] || skip "not root"
}

exact() { timeout 120 tests/bench/exactness.sh "$@" 3>&-; }

@test "exact: traced from the start, one thread and four" { exact miss-1t miss-4t promote-1t delete-4t; }

@test "exact: attached in the middle of the run" { exact promote-4t-late churn-4t delete-50maps; }

@test "exact: many maps" { exact miss-4t-50maps maps-1000; }

@test "exact: --exact" { exact exact-miss-1t exact-delete-late; }

@test "exact: the trace ends before the maps do" { exact live; }

@test "exact: a process that exits without destroying its maps" { exact no-destroy; }

@test "exact: Clear, Range, counter overflow" { exact clear-4t range-4t overflow-4t; }

@test "exact: a map made before main" { exact ctor; }

@test "exact: one of two equal processes" { exact one-of-two; }

@test "exact: a library loaded by dlopen after the attach" {
	tmp=$(mktemp -d)
	timeout 60 "$O/smaptrace" -f json -o "$tmp/trace" -- \
		"$O/tests/workloads/dlmap" --library "$O/libsmap.so" --rounds 50 >"$tmp/truth" 3>&-
	jq -e --slurpfile truth "$tmp/truth" 'select(.type == "end") | .maps[0]
		| .name == "dlmap" and .misses == 1275 and .misses == $truth[0].misses
		and .promotions == 50 and .promotions == $truth[0].promotions
		and .rebuilds == $truth[0].rebuilds and .copied == $truth[0].copied' "$tmp/trace"
	rm -rf "$tmp"
}
