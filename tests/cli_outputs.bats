#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Every format there is, on a recording of a real process: something comes, and a full disk or
# a reader that has enough is noticed. Needs no root. What each format says is in
# tests/golden (tests/test_output.c).
bats_require_minimum_version 1.5.0

setup() {
	cd "$BATS_TEST_DIRNAME/.."
	O=${O:-.output}
	recording=$(ls tests/fixtures/*.smaprec | head -1)
	formats=$("$O/smaptrace" --help | sed -n '/^Formats:/,/^$/s/^  \([a-z]*\) .*/\1/p')
	[ "$(wc -w <<<"$formats")" -ge 6 ]
}

@test "outputs: a recording in every format" {
	for format in $formats; do
		"$O/smaptrace" report -f "$format" -o "$BATS_TEST_TMPDIR/out" "$recording"
		# There are recordings without stacks, or without findings.
		case $format in
		folded | github) ;;
		*) [ -s "$BATS_TEST_TMPDIR/out" ] ;;
		esac
		# No byte that a terminal acts on, and valid UTF-8.
		[ "$format" = pprof ] && continue
		! LC_ALL=C grep -qP '[\x00-\x08\x0b-\x1f\x7f]' "$BATS_TEST_TMPDIR/out"
		iconv -f UTF-8 -t UTF-8 "$BATS_TEST_TMPDIR/out" >/dev/null
	done
}

@test "outputs: a full disk in every format" {
	for format in $formats; do
		[ -s "$BATS_TEST_TMPDIR/out" ] || true
		"$O/smaptrace" report -f "$format" -o "$BATS_TEST_TMPDIR/out" "$recording"
		[ -s "$BATS_TEST_TMPDIR/out" ] || continue # nothing to write, nothing to fail
		run -125 "$O/smaptrace" report -f "$format" -o /dev/full "$recording"
		grep -q 'cannot write /dev/full: No space left' <<<"$output"
		run -125 sh -c '"$1" report -f "$2" "$3" >/dev/full' sh "$O/smaptrace" "$format" "$recording"
		grep -q 'cannot write to standard output: No space left' <<<"$output"
	done
}
