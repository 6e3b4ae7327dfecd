#!/bin/sh
# SPDX-License-Identifier: MIT
# The probe contract, seen in what was built: libsmap.so, a program linked with
# libsmap.a, and both stripped. Every probe of SMAP_PROBES stands there exactly
# once, with its arguments in the argument registers, a semaphore of its own in
# writable memory, and a site that is the nop of the machine (five bytes on x86-64) within one
# page; the note that leads to the registry is there too. Built with -DSMAP_NO_PROBES, none is.
# RUN: what runs programs of another machine (tests/cross.sh).
set -eu
cd "$(dirname "$0")/.."
O=${O:-.output}
CC=${CC:-gcc}

case $("$CC" -dumpmachine) in
x86_64-*) registers="%rdi %rsi %rdx %rcx %r8 %r9" nop="0f 1f 44 00 00" nop_size=5 ;;
aarch64-*) registers="x0 x1 x2 x3 x4 x5" nop=d503201f nop_size=4 ;;
*) echo "the argument registers of this machine are not known"; exit 77 ;;
esac
for tool in readelf objdump strip; do
	command -v $tool >/dev/null || { echo "no $tool here"; exit 77; }
done

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

fail() {
	echo "$*" >&2
	exit 1
}

# "name arguments semaphore location", one line each: what a binary has
probes_of() {
	readelf -nW "$1" 2>/dev/null | awk '
		/Provider:/ { ours = ($NF == "smap") }
		!ours { next }
		/Name:/ { name = $2 }
		/Location:/ { gsub(",", ""); at = $2; sem = $6 }
		/Arguments:/ { sub(/^ *Arguments: */, ""); print name ";" $0 ";" sem ";" at }'
}

# "name;arguments": what the list promises
promised() {
	printf '#include "lib/smap_probes.h"\n#define P(name, n, ...) @ name n\nSMAP_PROBES(P)\n' |
		"$CC" -E -P -I. - | tr '@' '\n' | awk -v registers="$registers" '
		BEGIN { split(registers, reg) }
		NF == 2 {
			args = ""
			for (i = 1; i <= $2; i++) args = args (i > 1 ? " " : "") "8@" reg[i]
			print $1 ";" args
		}'
}

# Is address $2 inside a writable segment of $1?
writable() {
	readelf -lW "$1" | awk -v at="$(($2))" '
		function hex(s,  i, n) {
			s = tolower(substr(s, 3))
			for (i = 1; i <= length(s); i++)
				n = n * 16 + index("0123456789abcdef", substr(s, i, 1)) - 1
			return n
		}
		$1 == "LOAD" && /RW/ && at >= hex($3) && at + 2 <= hex($3) + hex($6) { found = 1 }
		END { exit !found }'
}

check_site() { # binary, name, address
	[ $((($3) % 4096)) -le $((4096 - nop_size)) ] || fail "$1: $2: the nop at $3 crosses a page"
	objdump -d --start-address="$3" --stop-address=$(($3 + nop_size)) "$1" |
		grep -q "$nop" || fail "$1: $2: no nop ($nop) at $3"
}

check_binary() {
	probes_of "$1" >"$tmp/got"
	cut -d';' -f1,2 "$tmp/got" | sort >"$tmp/got.args"
	diff "$tmp/want" "$tmp/got.args" >&2 ||
		fail "$1: probes and arguments are not those of smap_probes.h (<)"
	while IFS=';' read -r name _ semaphore location; do
		[ $((semaphore)) -ne 0 ] || fail "$1: $name has no semaphore"
		writable "$1" "$semaphore" || fail "$1: $name: semaphore $semaphore is not writable"
		check_site "$1" "$name" "$location"
	done <"$tmp/got"
	[ "$(cut -d';' -f3 "$tmp/got" | sort -u | wc -l)" = "$(wc -l <"$tmp/want")" ] ||
		fail "$1: probes share a semaphore"
	check_note "$1"
}

check_note() {
	[ "$(readelf -nW "$1" 2>/dev/null | grep -c '^ *smap  *0x00000010')" = 1 ] ||
		fail "$1: not exactly one note of owner smap"
	readelf -SW "$1" | grep '\.note\.smap' | grep -q ' A ' ||
		fail "$1: .note.smap is not loaded with the program"
}

make_program() { # output, library, further flags
	cat >"$tmp/main.c" <<-END
		#include "smap.h"
		int main(void)
		{
			struct smap *map;
			if (smap_create(&map, 0))
				return 1;
			smap_destroy(map);
			return 0;
		}
	END
	out=$1
	lib=$2
	shift 2
	"$CC" -O2 -pthread -Ilib "$@" "$tmp/main.c" "$lib" -o "$out"
	# Words are meant to split.
	# shellcheck disable=SC2086
	${RUN:-} "$out" || fail "$out does not run"
}

promised | sort >"$tmp/want"
[ "$(wc -l <"$tmp/want")" -ge 12 ] || fail "the list of probes could not be read"

cp "$O/libsmap.so" "$tmp/libsmap.so"
make_program "$tmp/pie" "$O/libsmap.a" -pie -fPIE
make_program "$tmp/static" "$O/libsmap.a" -static -Wl,--gc-sections
for f in libsmap.so pie static; do
	check_binary "$tmp/$f"
	strip --strip-all -o "$tmp/$f.stripped" "$tmp/$f"
	check_binary "$tmp/$f.stripped"
done

# A binary without probes must be caught, and is what SMAP_NO_PROBES builds.
unset MAKEFLAGS MFLAGS MAKELEVEL 2>/dev/null || :
make -s O="$tmp/none" CC="$CC" LIB_DEFS=-DSMAP_NO_PROBES "$tmp/none/libsmap.a" \
	"$tmp/none/libsmap.so" >/dev/null
make_program "$tmp/noprobes" "$tmp/none/libsmap.a"
for f in "$tmp/none/libsmap.so" "$tmp/noprobes"; do
	[ -z "$(probes_of "$f")" ] || fail "$f: built without probes, but has some"
	check_note "$f"
	! (check_binary "$f") 2>/dev/null || fail "self-test: a binary without probes was accepted"
done
