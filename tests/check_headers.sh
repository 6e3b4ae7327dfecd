#!/bin/sh
# SPDX-License-Identifier: MIT
# Each header of lib/ and user/ compiles on its own; the public ones as C++17 and C11 too.
cd "$(dirname "$0")/.." || exit 1
: "${O:=.output}" "${CC:=gcc}"
status=0

try() { # compiler and flags..., header
	for header in "$@"; do :; done
	if ! "$@"; then
		echo "$header does not compile alone: $*"
		status=1
	fi
}

warn="-Wall -Wextra -Werror -fsyntax-only -fmax-errors=2"
for header in lib/*.h user/*.h; do
	# shellcheck disable=SC2086
	try $CC -std=gnu11 -pthread $warn -Wno-unused-function -Wno-unused-const-variable \
		-D_GNU_SOURCE -Ilib -Iuser -I"$O/bpf" -x c "$header"
done
for header in lib/smap.h lib/smap_match.h lib/smap_state.h; do
	# shellcheck disable=SC2086
	try $CC -std=c11 -pedantic $warn -x c "$header"
	if command -v g++ >/dev/null; then
		# shellcheck disable=SC2086
		try g++ -std=c++17 -pedantic -O2 $warn -x c++ "$header"
		# shellcheck disable=SC2086
		try g++ -std=c++17 -pedantic -DSMAP_NO_INLINE $warn -x c++ "$header"
	elif command -v clang++ >/dev/null; then
		# shellcheck disable=SC2086
		try clang++ -std=c++17 -Wall -Wextra -Werror -fsyntax-only -x c++ "$header"
	else
		echo "no C++ compiler: make deps"
		status=1
	fi
done
# What a program includes gives no warnings of its own, whatever the program asks for.
many="-Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wcast-align -Wcast-qual -Wundef -Werror"
for flags in -O2 "-O2 -DSMAP_PORTABLE" -O0; do
	for cc in "$CC" clang; do
		command -v "$cc" >/dev/null || continue
		# shellcheck disable=SC2086
		try "$cc" -std=c11 $flags $many -Wshadow -Wbad-function-cast -fsyntax-only -x c lib/smap.h
	done
	for cc in g++ clang++; do
		command -v "$cc" >/dev/null || continue
		# shellcheck disable=SC2086
		try "$cc" -std=c++17 $flags $many -Wold-style-cast -Wzero-as-null-pointer-constant \
			-fsyntax-only -x c++ lib/smap.h
	done
done
exit $status
