#!/bin/bash
# SPDX-License-Identifier: MIT
#
# mutants.sh [-f] [NAME...] - is each broken line of tests/mutants/list found by its test?
#
# Each killer is built against lib/ first, and must pass: then a failure is the mutant's.
# A mutant is a copy of lib/ with one line changed; its killer must fail: exit status other than
# 0, a signal, or no end (a broken map may well loop). That deadline is far above what
# the killer needs for a good library, which is checked, so that a slow machine
# does not pass for a mutant found. A mutant that no longer applies is an error.
#
# -f: the fast ones only (a * in the list). NAMEs: only these.
# Environment: CC compiler (gcc), DEADLINE seconds for one run (60).
# The last line is "N mutants, N killed". Exit 1 if one survived, or on an error.
set -u
cd "$(dirname "$0")/.." || exit 1
CC=${CC:-gcc}
deadline=${DEADLINE:-60}
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
trap 'exit 130' INT TERM
export SMAP_SEED=1
fast=
[ "${1:-}" = -f ] && { fast=1; shift; }
wanted=" $* "

fatal() { echo "mutants.sh: $*" >&2; exit 1; }

kind_of() { # killer
	case $1 in
	*.*) echo "${1##*.}" ;;
	*) echo plain ;;
	esac
}

flags_of() { # kind
	case $1 in
	tsan) echo "-fsanitize=thread -fno-omit-frame-pointer" ;;
	asan) echo "-fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer" ;;
	yield) echo "-include tests/yield.h -DSMAP_STRESS" ;;
	esac
}

source_of() { # killer
	case $1 in
	*.*) [ -e "tests/stress_${1%.*}.c" ] && echo "tests/stress_${1%.*}.c" && return ;;
	esac
	echo "tests/test_smap_${1%.*}.c"
}

compile() { # kind, include dir, source, object
	# shellcheck disable=SC2046
	$CC -std=gnu11 -pthread -D_GNU_SOURCE -O1 -g -w $(flags_of "$1") -I"$2" -Itests -c "$3" -o "$4"
}

base_objects() { # kind: lib/ as it is, once
	local kind=$1 file
	[ -d "$tmp/$kind" ] && return
	mkdir "$tmp/$kind"
	for file in "$tmp"/lib/*.c; do
		compile "$kind" "$tmp/lib" "$file" "$tmp/$kind/${file##*/}.o" || fatal "$file does not compile"
	done
}

link_killer() { # killer, folder of objects, its object, program
	# shellcheck disable=SC2046
	$CC -pthread $(flags_of "$(kind_of "$1")") "$3" "$2"/*.c.o -lcmocka -ldl -o "$4"
}

run_killer() { # program, seconds for one that runs until it finds something
	local aslr= options=
	[[ $1 == *.tsan ]] && aslr="setarch -R"
	[[ $1 == *.linear.yield ]] && options="--seconds $2"
	# shellcheck disable=SC2086
	TSAN_OPTIONS=halt_on_error=1 timeout -k 5 "$deadline" $aslr "$1" $options >"$tmp/log" 2>&1 </dev/null
}

# The killer on the library as it is.
base_killer() {
	local killer=$1 kind began
	[ -e "$tmp/$killer.base.passed" ] && return
	kind=$(kind_of "$killer")
	base_objects "$kind"
	compile "$kind" "$tmp/lib" "$(source_of "$killer")" "$tmp/$killer.o" || fatal "$killer does not compile"
	link_killer "$killer" "$tmp/$kind" "$tmp/$killer.o" "$tmp/base.$killer" || fatal "$killer does not link"
	began=$SECONDS
	run_killer "$tmp/base.$killer" 5 || { cat "$tmp/log"; fatal "$killer fails without a mutant"; }
	[ $((SECONDS - began)) -le $((deadline / 2)) ] || fatal "$killer needs more than half of the $deadline s"
	: >"$tmp/$killer.base.passed"
}

mutate() { # file, function, sed command: a copy of lib in $tmp/mutant
	rm -rf "$tmp/mutant" "$tmp/objects"
	cp -pr "$tmp/lib" "$tmp/mutant"
	sed "/^[A-Za-z].*\\b$2(/,/^}/{
		$3
	}" "$tmp/lib/$1" >"$tmp/mutant/$1" || return 1
	! cmp -s "$tmp/lib/$1" "$tmp/mutant/$1"
}

build_mutant() { # file, killer: only what the change concerns
	local kind object=$tmp/$2.o file users
	kind=$(kind_of "$2")
	cp -r "$tmp/$kind" "$tmp/objects"
	if [[ $1 == *.c ]]; then
		compile "$kind" "$tmp/mutant" "$tmp/mutant/$1" "$tmp/objects/$1.o" || return 1
	else
		# The first comes with smap.h, into every file and the killer.
		[[ $1 == smap_inline.h || $1 == smap_match.h || $1 == smap_internal.h ]] && users=. || users="smap_op.h\|$1"
		for file in "$tmp"/mutant/*.c; do
			grep -q "$users" "$file" || continue
			compile "$kind" "$tmp/mutant" "$file" "$tmp/objects/${file##*/}.o" || return 1
		done
		object=$tmp/objects/killer.o
		compile "$kind" "$tmp/mutant" "$(source_of "$2")" "$object" || return 1
	fi
	link_killer "$2" "$tmp/objects" "$object" "$tmp/mutant.$2"
}

how() { # exit status
	case $1 in
	124 | 137) echo "no end in $deadline s" ;;
	*) [ "$1" -gt 128 ] && [ "$1" -lt 193 ] && echo "signal $(($1 - 128))" || echo "exit status $1" ;;
	esac
}

one() { # name, file, function, killer, sed command
	local status
	base_killer "$4"
	mutate "$2" "$3" "$5" || fatal "$1 changes nothing in $3() of lib/$2: bring tests/mutants/list up to date"
	build_mutant "$2" "$4" || fatal "$1 does not build"
	run_killer "$tmp/mutant.$4" 40
	status=$?
	total=$((total + 1))
	if [ $status -eq 0 ]; then
		printf 'SURVIVED  %-24s %s\n' "$1" "$4"
		return
	fi
	killed=$((killed + 1))
	printf 'killed    %-24s %-14s %s\n' "$1" "$4" "$(how $status)"
}

cp -pr lib "$tmp/lib"
total=0 killed=0
while read -r name file function killer command; do
	[[ -z $name || $name == '#'* ]] && continue
	[ -n "$fast" ] && [[ $name != *'*' ]] && continue
	name=${name%\*}
	[ "$wanted" = "  " ] || [[ $wanted == *" $name "* ]] || continue
	one "$name" "$file" "$function" "$killer" "$command"
done <tests/mutants/list
echo "$total mutants, $killed killed"
[ "$total" -gt 0 ] && [ "$killed" -eq "$total" ]
