#!/bin/bash
# SPDX-License-Identifier: MIT
# The runner itself: in a tree of its own, each way of failing must be reported as a
# failure, skips with their reason, and the last line must count them.
set -u
run=$(dirname "$0")/run.sh
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
mkdir -p "$dir/out/tests" "$dir/src"

script() { # file, body
	printf '#!/bin/sh\n%s\n' "$2" >"$1"
	chmod +x "$1"
}

runner() { TESTS=$dir/src O=$dir/out DEADLINE=${DEADLINE:-20} "$run" "$@" >"$dir/log" 2>&1; }

expect() { # what, expected last line, expected status, status
	if [ "$(tail -n 1 "$dir/log")" != "$2" ] || [ "$3" != "$4" ]; then
		echo "$1: wanted '$2' and status $3, got status $4 and:"
		cat "$dir/log"
		exit 1
	fi
}

has() {
	grep -qF -- "$1" "$dir/log" || { echo "missing in the output: $1"; cat "$dir/log"; exit 1; }
}

runner
expect "no tests at all is a failure" "0 passed, 0 failed, 0 skipped" 1 $?

script "$dir/src/check_good.sh" 'echo quiet; exit 0'
script "$dir/src/check_skip.sh" 'echo "needs a unicorn"; exit 77'
runner
expect "pass and skip" "1 passed, 0 failed, 1 skipped" 0 $?
has "SKIP  check_skip.sh: needs a unicorn"
if grep -q quiet "$dir/log"; then echo "output of a test that passed was shown"; exit 1; fi
V=1 runner
has quiet

script "$dir/src/check_bad.sh" 'echo the reason; exit 3'
runner
expect "a failing script" "1 passed, 1 failed, 1 skipped" 1 $?
has "FAIL  check_bad.sh: exit status 3"
has "the reason"
runner good
expect "selection by substring" "1 passed, 0 failed, 0 skipped" 0 $?
rm "$dir"/src/check_*

script "$dir/out/tests/test_mixed" 'printf "1..3\nok 1 - a\nnot ok 2 - b\n# why b\nok 3 - c # SKIP no d\n"; exit 1'
runner
expect "cases of one program" "1 passed, 1 failed, 1 skipped" 1 $?
has "# why b"
script "$dir/out/tests/test_mixed" 'printf "1..2\nok 1 - a\n"; kill -SEGV $$'
runner
expect "a crash after a good case" "1 passed, 1 failed, 0 skipped" 1 $?
has "signal 11"
script "$dir/out/tests/test_mixed" 'printf "1..1\nok 1 - a\n"; exit 9'
runner
expect "a status that the cases do not explain" "1 passed, 1 failed, 0 skipped" 1 $?
script "$dir/out/tests/test_mixed" 'exit 0'
runner
expect "a program that ran nothing" "0 passed, 1 failed, 0 skipped" 1 $?
script "$dir/out/tests/test_mixed" 'printf "1..1\nok 1 - a\n1..1\nok 1 - b\n"'
runner
expect "two groups in one program" "2 passed, 0 failed, 0 skipped" 0 $?

# Under an emulator, which cannot do everything: cmocka's way to say "skip" has no reason.
script "$dir/emulator" 'export EMULATED=1; exec "$@"'
script "$dir/out/tests/test_mixed" 'test "$EMULATED" || exit 1
	printf "1..3\nnot ok 1 - a\nnot ok 2 # SKIP b\nok 3 - c\n"; exit 1'
script "$dir/out/tests/test_never" 'exit 1'
printf 'test_mixed:a cannot fork\ntest_mixed:b cannot step\ntest_never cannot start\n' >"$dir/cannot"
RUN=$dir/emulator CANNOT=$dir/cannot runner
expect "what an emulator cannot do" "1 passed, 0 failed, 3 skipped" 0 $?
for reason in "1 - a: cannot fork" "b: cannot step" "test_never: cannot start"; do has "$reason"; done
RUN=$dir/emulator runner
expect "the same with nothing listed" "1 passed, 2 failed, 1 skipped" 1 $?
rm "$dir"/out/tests/test_*

script "$dir/out/tests/stress_x.asan" 'exit 0'
script "$dir/out/tests/stress_x.tsan" 'echo WARNING: ThreadSanitizer; exit 66'
runner
expect "stress programs" "1 passed, 1 failed, 0 skipped" 1 $?
rm "$dir"/out/tests/stress_*

printf '@test "good" { true; }\n@test "bad" { false; }\n@test "later" { skip "not yet"; }\n' \
	>"$dir/src/cli_x.bats"
runner
expect "bats" "1 passed, 1 failed, 1 skipped" 1 $?
has "not yet"
rm "$dir"/src/cli_x.bats

# A pipe without a writer blocks for ever.
mkfifo "$dir/fifo"
script "$dir/src/check_hang.sh" "read line <'$dir/fifo'"
DEADLINE=1 runner
expect "a test that hangs" "0 passed, 1 failed, 0 skipped" 1 $?
has "deadline"
