#!/bin/bash
# SPDX-License-Identifier: MIT
# A short torture run (tests/torture.sh) must find nothing; and on libraries with one
# line broken, it must find that within seconds. Mutants, each a sed on one function:
#   unexpunge   a deleted key stored again is not listed in dirty
#   close       a deleted entry's cell stays open while the table grows
#   passed      the reclaimer does not wait for readers
set -eu
cd "$(dirname "$0")/.."
O=${O:-.output}
dir=$O/torture
seconds=8
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
mkdir -p "$dir"

# name, file, sed program: the mutant must build, and must not survive.
killed() {
	local name=$1 file=$2 program=$3
	mkdir -p "$tmp/$name"
	cp -p lib/*.[ch] "$tmp/$name/"
	cp -pr "$dir/linear.plain.d" "$tmp/$name.run.d"
	sed "$program" "lib/$file" >"$tmp/$name/$file"
	if cmp -s "lib/$file" "$tmp/$name/$file"; then
		echo "mutant $name: nothing to change in lib/$file any more; bring this script up to date"
		return 1
	fi
	rm -f "$tmp/$name.run.d/$file.o"
	find "$tmp/$name.run.d" -name '*.o' -exec touch {} +
	tests/torture.sh build "$tmp/$name.run" "$tmp/$name"
	if timeout 60 nice "$tmp/$name.run" --seconds 30 >"$tmp/log" 2>&1; then
		echo "mutant $name was not found:"
		cat "$tmp/log"
		return 1
	fi
	echo "mutant $name: $(grep -m 1 -e 'not linearizable' -e 'does not hold' "$tmp/log" || echo died)"
}

tests/torture.sh build "$dir/linear.plain" lib
nice "$dir/linear.plain" --seconds $seconds
killed unexpunge smap_dirty.c \
	'/^void smap_unexpunge_locked/,/^}/ s/map->dirty->ctrl\[index\] = .*;/(void)key;/'
killed close smap_move.c '/^SMAP_INLINE void close_cell/,/^}/ {
	s/^\tdo {$/\tif (value == SMAP_NIL) {\n\t\t*cell = SMAP_NIL;\n\t\treturn;\n\t}\n&/
}'
killed passed smap_reclaim.c '/^static bool passed/,/^}/ s/return false;/continue;/'
