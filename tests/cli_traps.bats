#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# trapload, whose labels the detectors are measured on: enough scenarios, and each runs.

TRAPLOAD=${O:-.output}/tests/workloads/trapload

setup() { cd "$BATS_TEST_DIRNAME/.."; }

@test "trapload: at least 15 scenarios of each trap and 30 of none, each name once" {
	list=$("$TRAPLOAD" --list)
	for trap in pseudo-expansion read-diffusion write-starvation; do
		[ "$(grep -cP "\t$trap\t" <<<"$list")" -ge 15 ] || { echo "$trap"; return 1; }
	done
	[ "$(grep -cP '\tnone\t' <<<"$list")" -ge 30 ]
	[ -z "$(cut -f 1 <<<"$list" | sort | uniq -d)" ]
}

@test "trapload: every scenario runs, and with its remedy" {
	for name in $("$TRAPLOAD" --list | cut -f 1); do
		"$TRAPLOAD" "$name" --seconds 0.1 >"$BATS_TEST_TMPDIR/out" ||
			{ echo "$name: status $?"; return 1; }
		[ "$(jq -c 'select(.type == "map") | .name' "$BATS_TEST_TMPDIR/out")" = '"suspect"' ]
	done
	for name in pseudo-canonical diffusion-canonical starvation-canonical; do
		run "$TRAPLOAD" $name --seconds 0.1 --remedy
		[ "$status" = 0 ]
		[[ $output == *'"remedy":true'* ]]
	done
}

@test "trapload: bad input is named" {
	run "$TRAPLOAD" bogus
	[ "$status" = 2 ]
	[[ $output == *"no scenario 'bogus'"* ]]
	run "$TRAPLOAD" none-idle --seconds 0
	[ "$status" = 2 ]
	[[ $output == *"--seconds 0"* ]]
}

@test "trapload: a 16-bit counter promotes at miss 65536 and not before, a 64-bit one does not" {
	run "$TRAPLOAD" --experiment counter
	[ "$status" = 0 ]
	[ "$(jq -c '[.bits, .misses, .overflows, .promotions]' <<<"$output" | tr -d '\n')" = \
		"[16,65535,0,0][16,65536,1,1][64,65535,0,0][64,65536,0,0]" ]
}

@test "trapload: room for all keys means no growth, less room means more growths" {
	run "$TRAPLOAD" --experiment prealloc
	[ "$status" = 0 ]
	[ "$(jq -s '.[-1].growths' <<<"$output")" = 0 ]
	jq -es '.[0].growths > .[2].growths and .[2].growths > .[3].growths and
		.[2].initial_dirty == .[4].initial_dirty' <<<"$output"
}
