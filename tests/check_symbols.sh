#!/bin/sh
# SPDX-License-Identifier: MIT
# The shared library exports what smap.h declares, all of it and nothing else, and
# the header compiles alone, as C11 and as C++17.
set -eu
cd "$(dirname "$0")/.."
O=${O:-.output}
CC=${CC:-gcc}

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# Functions declared at the start of a line or after their type, and extern objects.
printf '#include "smap.h"\n' | "$CC" -DSMAP_NO_INLINE -E -P -Ilib - | tr '\n' ' ' | tr ';' '\n' |
	grep -o '\bsmap_[a-z0-9_]*(' | tr -d '(' | sort -u >"$tmp/declared"
grep -o '^extern struct [a-z_]* smap_[a-z_]*' lib/smap.h | awk '{ print $NF }' >>"$tmp/declared"
grep -o '^extern __thread struct [a-z_]* [*]smap_[a-z_]*' lib/smap_inline.h | sed 's/.*[*]//' >>"$tmp/declared"
sort -u -o "$tmp/declared" "$tmp/declared"
nm -D --defined-only "$O/libsmap.so" | awk '{ print $NF }' | sort -u >"$tmp/exported"

[ "$(wc -l <"$tmp/declared")" -ge 25 ] || { echo "cannot read smap.h" >&2; exit 1; }
diff "$tmp/declared" "$tmp/exported" >&2 || {
	echo "declared in smap.h (<) and exported by libsmap.so (>) differ" >&2
	exit 1
}
# Names that the static library could take away from a program.
nm -g --defined-only "$O/libsmap.a" 2>/dev/null | awk 'NF == 3 && $3 !~ /^smap_/ { print $3 }' |
	grep -v '^_.stapsdt' >"$tmp/foreign" || :
[ ! -s "$tmp/foreign" ] || {
	echo "libsmap.a defines names outside smap_:" >&2
	cat "$tmp/foreign" >&2
	exit 1
}

for lang in 'c -std=c11 -pedantic' 'c -std=gnu11' 'c++ -std=c++17 -pedantic'; do
	case $lang in c++*)
		command -v g++ >/dev/null || command -v clang++ >/dev/null || continue ;;
	esac
	printf '#include "smap.h"\nint main(void) { return smap_policy_name(0) == 0; }\n' >"$tmp/alone.c"
	# shellcheck disable=SC2086
	"$CC" -x $lang -Wall -Wextra -Werror -Ilib -fsyntax-only "$tmp/alone.c" || {
		echo "smap.h does not compile as $lang" >&2
		exit 1
	}
done
