#!/bin/bash
# SPDX-License-Identifier: MIT
#
# run.sh [SUBSTRING...] - run all tests, or those whose name contains a SUBSTRING.
#
# What is a test, and who says how it went:
#   $O/tests/test_*            cmocka; each case in its TAP output counts
#   tests/check_*.sh           a script; exit 0 pass, 77 skip (reason on stdout), else fail
#   $O/tests/stress_*.tsan     a program; exit 0 pass (TSan without address randomisation:
#   $O/tests/stress_*.asan     where that is high, its runtime refuses to start)
#   $O/tests/stress_*.ubsan
#   tests/cli_*.bats           bats; each of its tests counts
# A program that crashes, runs into its deadline or prints a plan that it does
# not keep has failed, whatever its cases said. Output is shown of failures only.
#
# Environment: O build tree (.output), V=1 shows all output, TESTS folder of the
# sources (tests), DEADLINE seconds for each program (300), RUN a command that runs the
# programs of the build tree (an emulator), CANNOT a file with what cannot work there:
# "PROGRAM reason", which is not run, or "PROGRAM:CASE reason", of which a failure is a skip.
#
# The last line is "N passed, N failed, N skipped". Exit 1 if anything failed or
# nothing passed.
set -u
cd "$(dirname "$0")/.." || exit 1

export O=${O:-.output}
tests=${TESTS:-tests}
deadline=${DEADLINE:-300}
passed=0 failed=0 skipped=0
log=$(mktemp) || exit 1
trap 'rm -f "$log"' EXIT
trap 'exit 130' INT TERM

selected() { # name, then the substrings
	local name=$1 part
	shift
	[ $# -eq 0 ] && return 0
	for part in "$@"; do
		[[ $name == *"$part"* ]] && return 0
	done
	return 1
}

# Why a program, or PROGRAM:CASE, cannot work here; fails if nothing says so.
cannot() { # name
	[ -n "${CANNOT:-}" ] && sed -n "s/^$1[[:space:]]\{1,\}//p" "$CANNOT" | grep .
}

pass() { passed=$((passed + 1)); echo "  PASS  $1"; }
skip() { skipped=$((skipped + 1)); echo "  SKIP  $1: ${2:-no reason given}"; }
fail() { failed=$((failed + 1)); echo "  FAIL  $1: $2"; }

# Output of what failed, indented; all of it with V=1.
show() { # failed?
	if [ "$1" = 1 ] || [ -n "${V:-}" ]; then
		sed 's/^/        /' "$log"
	fi
}

why() { # exit status -> words
	if [ "$1" = 124 ] || [ "$1" = 137 ]; then
		echo "deadline of $deadline s"
	elif [ "$1" -gt 128 ]; then
		echo "signal $(($1 - 128))"
	else
		echo "exit status $1"
	fi
}

limited() { # everything it starts goes with it
	timeout -k 10 "$deadline" "$@" >"$log" 2>&1 </dev/null
}

# TAP in $log. Counts its cases; then the program's own status.
count_tap() { # name, exit status
	local name=$1 status=$2 line plan=-1 seen=0 bad=0 plans=0 reason
	while IFS= read -r line; do
		case $line in
		[0-9]*..[0-9]*)
			# One program may run several groups, each with a plan.
			plans=$((${line#*..} + plans)) plan=$plans
			;;
		"ok "*"# skip"* | "ok "*"# SKIP"*)
			seen=$((seen + 1))
			line=${line#ok }
			skip "$name: ${line%% # *}" "$(sed 's/.*# [sS][kK][iI][pP] *//' <<<"$line")"
			;;
		"not ok "*"# SKIP "*) # so cmocka says it, with the name and no reason
			seen=$((seen + 1))
			line=${line#*# SKIP }
			skip "$name: $line" "$(cannot "$name:$line")"
			;;
		"ok "*) seen=$((seen + 1)) passed=$((passed + 1)) ;;
		"not ok "*)
			seen=$((seen + 1)) line=${line#not ok }
			if reason=$(cannot "$name:${line#* - }"); then
				skip "$name: $line" "$reason"
				[ "$status" -ge 124 ] || status=0 # it counts such cases
				continue
			fi
			bad=$((bad + 1))
			fail "$name: $line" "see below"
			;;
		esac
	done <"$log"
	if [ "$plan" -lt 0 ]; then
		fail "$name" "printed no plan, $(why "$status")" && bad=1
	elif [ "$seen" -ne "$plan" ]; then
		fail "$name" "planned $plan cases, ran $seen, $(why "$status")" && bad=1
	elif [ "$status" -ne 0 ] && [ "$bad" -eq 0 ]; then
		fail "$name" "$(why "$status") after all cases passed" && bad=1
	fi
	[ "$bad" -eq 0 ] && echo "  PASS  $name ($seen cases)"
	show $((bad > 0))
}

run_cmocka() {
	CMOCKA_MESSAGE_OUTPUT=TAP limited ${RUN:-} "$1"
	count_tap "${1##*/}" $?
}

run_bats() {
	limited bats --tap "$1"
	count_tap "${1##*/}" $?
}

run_script() {
	local name=${1##*/} status
	limited "$1"
	status=$?
	case $status in
	0) pass "$name" ;;
	77) skip "$name" "$(tail -n 1 "$log")" ;;
	*) fail "$name" "$(why $status)" ;;
	esac
	show $((status != 0 && status != 77))
}

run_stress() {
	local name=${1##*/} status
	case $1 in
	*.tsan) limited setarch -R "$1" ;;
	*) limited ${RUN:-} "$1" ;;
	esac
	status=$?
	if [ $status -eq 0 ]; then
		pass "$name"
	else
		fail "$name" "$(why $status)"
	fi
	show $((status != 0))
}

each() { # runner, files; the substrings are in "${wanted[@]}"
	local runner=$1 file reason
	shift
	for file in "$@"; do
		[ -f "$file" ] || continue # a pattern that matched nothing
		[[ $file == *.d ]] && continue # what make knows about a test
		selected "${file##*/}" ${wanted[@]+"${wanted[@]}"} || continue
		if reason=$(cannot "${file##*/}"); then
			skip "${file##*/}" "$reason"
		else
			"$runner" "$file"
		fi
	done
}

wanted=("$@")
each run_cmocka "$O"/tests/test_*
each run_script "$tests"/check_*.sh
each run_bats "$tests"/cli_*.bats
each run_stress "$O"/tests/stress_*.tsan "$O"/tests/stress_*.asan "$O"/tests/stress_*.ubsan

echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
