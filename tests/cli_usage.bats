#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What the command line says when nothing can be traced: help, usage errors, outputs that cannot
# be written. Nothing here needs privilege but the tests that say so.

setup() {
	tool=${O:-.output}/smaptrace
	load_prog=${O:-.output}/tests/workloads/mapload
}

# usage WORD... -- MESSAGE: status 2, the message on stderr, nothing on stdout.
usage() {
	local words=()
	while [ "$1" != "=>" ]; do
		words+=("$1")
		shift
	done
	shift
	run --separate-stderr "$tool" "${words[@]}"
	[ "$status" -eq 2 ]
	[ -z "$output" ]
	[[ "$stderr" == *"smaptrace: error: "*"$1"* ]]
	[[ "$stderr" == *"smaptrace: hint: "* ]]
}

can_trace() {
	[ "$(id -u)" -eq 0 ] || skip "tracing needs root"
	[ -x "$load_prog" ] || skip "no workload has been built"
}

bats_require_minimum_version 1.5.0

@test "--help: status 0, 80 columns, examples, every command and format" {
	for option in --help -h; do
		run --separate-stderr "$tool" $option
		[ "$status" -eq 0 ]
		[ -z "$stderr" ]
		[[ "$output" == *"Examples:"* ]]
		for word in list doctor text json --pid --interval --duration --format --output \
			--exact --max-maps; do
			[[ "$output" == *"$word"* ]]
		done
		[ "$(awk 'length > 80' <<<"$output" | wc -l)" -eq 0 ]
		# One column for all formats, however long their names.
		[ "$(sed -n '/^Formats:/,/^$/p' <<<"$output" | grep '^  ' |
			awk '{ match($0, /^  [^ ]+ +/); print RLENGTH }' | sort -u | wc -l)" -eq 1 ]
	done
	run "$tool" list --help
	[ "$status" -eq 0 ]
}

@test "--version" {
	run "$tool" --version
	[ "$status" -eq 0 ]
	[[ "$output" =~ ^smaptrace\ [0-9]+\.[0-9]+\.[0-9]+$ ]]
}

@test "--help into a full disk is an error" {
	run bash -c '"$0" --help >/dev/full' "$tool"
	[ "$status" -eq 125 ]
	[[ "$output" == *"No space left on device"* ]]
}

@test "nothing to trace: says what to give" {
	usage "=>" "give -p PID, or -- and a command"
	usage -i 2 "=>" "give -p PID, or -- and a command"
	usage -- "=>" "no command after '--'"
	usage -p 1 -- true "=>" "not both"
}

@test "a word that is no command: lists the commands, and how to trace a program" {
	usage frob "=>" "trace, check, list, doctor"
	usage ./server --port 1 "=>" "smaptrace -- ./server"
	usage list doctor "=>" "list takes no such argument"
	usage list -d 3 "=>" "list does not take --duration"
	usage doctor -- ls "=>" "doctor does not run a command"
}

@test "bad process ids" {
	for pid in 0 -1 x 1x 1,,2 1, 99999999999 ""; do
		usage -p "$pid" "=>" ""
	done
	usage -p 1,x "=>" "'1,x' is not a list of process ids"
	usage -p "=>" "--pid needs an argument"
}

@test "bad numbers" {
	for seconds in 0 -1 nan inf 1e3 0x10 1s 1.2.3 .; do
		usage -p 1 -i "$seconds" "=>" "--interval wants seconds from"
		usage -p 1 -d "$seconds" "=>" "--duration wants seconds from"
	done
	usage -p 1 --max-maps 0 "=>" "--max-maps wants a whole number"
	usage -p 1 --max-maps 1.5 "=>" "--max-maps wants a whole number"
}

@test "unknown options and formats" {
	usage -p 1 --frob "=>" "'--frob' is not an option"
	usage -p 1 -z "=>" "'-z' is not an option"
	usage -p 1 -f xml "=>" "the formats are: text, json"
	usage -o -- true "=>" "--output needs an argument"
}

@test "an output that cannot be written: status 125 before anything is attached" {
	for file in /nonexistent/out / /etc/passwd/out; do
		run --separate-stderr "$tool" -o "$file" -p $$
		[ "$status" -eq 125 ]
		[[ "$stderr" == *"cannot write $file: "* ]]
		[[ "$stderr" != *"Attached"* ]]
	done
}

@test "a full disk: status 125 and the reason, text and JSON (root)" {
	can_trace
	for format in text json; do
		run --separate-stderr timeout 60 "$tool" -f $format -i 0.1 -d 10 -o /dev/full -- \
			"$load_prog"
		[ "$status" -eq 125 ]
		[[ "$stderr" == *"cannot write /dev/full: No space left on device"* ]]
	done
}

@test "a closed pipe ends quietly (root)" {
	can_trace
	run --separate-stderr bash -c \
		'timeout 60 "$0" -f json -i 0.1 -d 10 -- "$1" --seconds 1 --rate 1000 | true
		exit ${PIPESTATUS[0]}' "$tool" "$load_prog"
	[ "$status" -eq 0 ]
	[[ "$stderr" != *"error"* ]]
}

@test "a new output file is its owner's only, an old one is replaced (root)" {
	can_trace
	file=$BATS_TEST_TMPDIR/out
	timeout 60 "$tool" -f json -o "$file" -- "$load_prog" >/dev/null
	[ "$(stat -c %a "$file")" = 600 ]
	printf 'old\n%0100000d' 0 >"$file"
	timeout 60 "$tool" -f json -o "$file" -- "$load_prog" >/dev/null
	[[ "$(head -n 1 "$file")" == '{"type":"header",'* ]]
	[[ "$(tail -n 1 "$file")" == '{"type":"end",'* ]]
}

# The command runs until it is told to go on; so does the trace, until the signal.
@test "Ctrl-C and SIGTERM: summary, losses, status 0 (root)" {
	can_trace
	for signal in INT TERM; do
		mkfifo "$BATS_TEST_TMPDIR/go.$signal" "$BATS_TEST_TMPDIR/err.$signal"
		"$load_prog" --hold-end <"$BATS_TEST_TMPDIR/go.$signal" >/dev/null 3>&- &
		load=$!
		exec 5>"$BATS_TEST_TMPDIR/go.$signal"
		"$tool" -p $load -o "$BATS_TEST_TMPDIR/out" 2>"$BATS_TEST_TMPDIR/err.$signal" 3>&- 5>&- &
		tracer=$!
		exec 4<"$BATS_TEST_TMPDIR/err.$signal"
		read -r -t 60 line <&4
		[[ "$line" =~ ^Attached\ [0-9]+\ probes?\ to\ 1\ process\. ]]
		kill -$signal $tracer
		wait $tracer
		echo >&5
		exec 4<&- 5>&-
		wait $load
		grep -q '^Summary: ' "$BATS_TEST_TMPDIR/out"
		[ "$(tail -n 1 "$BATS_TEST_TMPDIR/out")" = "Lost: nothing." ]
	done
}
