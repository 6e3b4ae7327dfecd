#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# mapload and dlmap, which the exactness tests rest on: do they check themselves?

LOAD=${O:-.output}/tests/workloads/mapload
DLMAP=${O:-.output}/tests/workloads/dlmap

setup() { cd "$BATS_TEST_DIRNAME/.."; }

wait_for() { # command... within 20 s
	local deadline=$((SECONDS + 20))
	until "$@"; do
		[ "$SECONDS" -lt "$deadline" ] || { echo "waited too long for: $*"; return 1; }
		sleep 0.02
	done
}

refused() { # text, arguments
	local text=$1
	shift
	run "$@"
	[ "$status" = 2 ] || { echo "$*: status $status"; return 1; }
	[[ $output == *"$text"* ]] || { echo "$*: $output"; return 1; }
}

@test "mapload: bad input is named, with what is allowed" {
	refused "--threads 0: not a whole number from 1 to 1024" "$LOAD" --threads 0
	refused "--keys 1x: not a whole number" "$LOAD" --keys 1x
	refused "--ops -1: not a whole number" "$LOAD" --ops -1
	refused "--keys 99999999999999999999: not" "$LOAD" --keys 99999999999999999999
	refused "--mix bogus: not one of" "$LOAD" --mix bogus
	refused "promote" "$LOAD" --mix bogus
	refused "--kind text: not one of: u64 bytes" "$LOAD" --kind text
	refused "half-dirty" "$LOAD" --policy bogus
	refused "--policy fixed:x" "$LOAD" --policy fixed:x
	refused "--miss-counter-bits 32" "$LOAD" --miss-counter-bits 32
	refused "--name: empty" "$LOAD" --name ""
	refused "what is 'word'?" "$LOAD" word
	refused "--help" "$LOAD" --bogus
	refused "--library PATH is needed" "$DLMAP"
	run "$DLMAP" --library /nonexistent/libsmap.so
	[ "$status" = 1 ]
	[[ $output == *"cannot load /nonexistent/libsmap.so"* ]]
}

@test "mapload: --help lists options and mixes" {
	run "$LOAD" --help
	[ "$status" = 0 ]
	[[ $output == *"--hold-after OPS"* && $output == *"  churn "* ]]
}

@test "mapload: every mix runs, for both kinds, and frees each value once" {
	for mix in $("$LOAD" --help | sed -n '/^Mixes:/,$ s/^  \([a-z]*\) .*/\1/p'); do
		for kind in u64 bytes; do
			"$LOAD" --mix "$mix" --kind $kind --threads 3 --maps 2 --ops 20000 --keys 100 \
				--value-free >/dev/null || { echo "$mix $kind"; return 1; }
		done
	done
}

@test "mapload: one thread and one seed do the same every time; another seed does not" {
	counts() { "$LOAD" --mix churn --keys 100 --ops 30000 "$@" |
		jq -c 'select(.type == "map") | [.misses, .promotions, .rebuilds, .copied, .expunged, .len]'; }
	one=$(counts --seed 5)
	[ "$one" = "$(counts --seed 5)" ]
	[ "$one" != "$(counts --seed 6)" ]
}

@test "mapload: names and numbers of maps" {
	run "$LOAD" --maps 3 --name 'a"b\c' --ops 10 --ctor
	[ "$status" = 0 ]
	names=$(jq -c 'select(.type == "map") | .name' <<<"$output")
	[ "$names" = $'"a\\"b\\\\c.0"\n"a\\"b\\\\c.1"\n"a\\"b\\\\c.2"\n"ctor"' ]
}

@test "mapload: holds end by a byte or by SIGUSR1, end of file is no go" {
	tmp=$(mktemp -d)
	mkfifo "$tmp/in"
	"$LOAD" --hold --hold-run --hold-after 100 --hold-end --threads 2 --ops 200 \
		<"$tmp/in" >"$tmp/out" 3>&- &
	pid=$!
	exec 4>"$tmp/in"
	wait_for grep -qx "ready $pid" "$tmp/out"
	printf x >&4
	wait_for grep -qx "hold $pid run" "$tmp/out"
	exec 4>&-
	kill -USR1 $pid
	wait_for grep -qx "hold $pid after" "$tmp/out"
	! grep -q '^{' "$tmp/out"
	kill -USR1 $pid
	wait_for grep -qx "hold $pid end" "$tmp/out"
	[ "$(grep -c '^{' "$tmp/out")" = 2 ]
	kill -USR1 $pid
	wait $pid
	rm -rf "$tmp"
}

@test "dlmap: known numbers of misses and promotions, and nothing of libsmap inside" {
	run "$DLMAP" --library "${O:-.output}/libsmap.so" --rounds 20
	[ "$status" = 0 ]
	[ "$(jq -c '[.name, .misses, .promotions, .len]' <<<"$output")" = '["dlmap",210,20,20]' ]
	[ -z "$(nm "$DLMAP" | grep ' smap_')" ]
}
