#!/bin/sh
# SPDX-License-Identifier: MIT
# smap(3) is in step with smap.h: it names every function, option, flag and policy,
# every guarantee, and its example compiles and says what it should.
set -eu
cd "$(dirname "$0")/.."
O=${O:-.output}
CC=${CC:-gcc}
page=docs/smap.3.scd

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
status=0

# scdoc escapes; without them, words are words.
tr -d '\\*_' <"$page" >"$tmp/page"
names() {
	grep -o '\bsmap_[a-z0-9_]*(' lib/smap.h | tr -d '(' | grep -v '_u64$'
	echo smap_load_many_u64
	sed -n '/^struct smap_options {/,/^};/p' lib/smap.h |
		sed -n 's/^\t[a-z_0-9 ]*[ *]\([a-z_]*\);.*/\1/p; s/^\t.*(\*\([a-z_]*\))(.*/\1/p'
	grep -o '^#define SMAP_[A-Z_]*' lib/smap.h | awk '{ print $2 }' |
		grep -v -e '_H$' -e VERSION -e 'SMAP_POLICIES' -e 'SMAP_POLICY_ENUM'
	grep -o '^	X([A-Z_]*, "' lib/smap.h | sed 's/^	X(\([A-Z_]*\).*/SMAP_POLICY_\1/'
	grep -o '^ \* [GP][0-9]' lib/smap.h | awk '{ print $2 }'
}
names | sort -u >"$tmp/names"
[ "$(wc -l <"$tmp/names")" -ge 40 ] || { echo "cannot read smap.h" >&2; exit 1; }
while read -r name; do
	grep -qw -- "$(echo "$name" | tr -d '_')" "$tmp/page" || {
		echo "smap.h has $name, $page has not" >&2
		status=1
	}
done <"$tmp/names"

sed -n '/^# EXAMPLE/,/^# SEE/p' "$page" | sed '1,/^```/d; /^```/,$d; s/\\\\n/\\n/' >"$tmp/example.c"
"$CC" -std=gnu11 -pthread -Wall -Wextra -Werror -Ilib "$tmp/example.c" "$O/libsmap.a" -o "$tmp/example"
[ "$("$tmp/example")" = Alice ] || { echo "the example of $page does not print Alice" >&2; exit 1; }
exit $status
