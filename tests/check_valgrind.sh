#!/bin/bash
# SPDX-License-Identifier: MIT
# The library under valgrind's memcheck: no invalid access, nothing lost, no use of what was not
# set. The sanitizers see other things, and only what they compiled. Shows that it can fail first.
# valgrind does not get over other people's breakpoints. A tracer of the whole machine sets them
# in ld.so: hence a copy of it. Where one traces the programs themselves, the test is skipped.
set -u
cd "$(dirname "$0")/.." || exit 1
. tests/check.bash
needs valgrind
O=${O:-.output}
tests="api free"

memcheck() { # program
	local status
	timeout 100 valgrind -q --error-exitcode=99 --fair-sched=yes --leak-check=full \
		--errors-for-leak-kinds=definite,indirect "$dir/ld.so" "$@" >"$dir/log" 2>&1
	status=$?
	[ $status -ne $((128 + 5)) ] || {
		echo "somebody traces $1, and valgrind cannot run what has breakpoints"
		exit 77
	}
	return $status
}

loader=$(readelf -l "$O/tests/test_smap_api" | sed -n 's/.*program interpreter: \(.*\)\]/\1/p')
cp "$loader" "$dir/ld.so" || exit 1
cat >"$dir/late.c" <<-END
	#include <stdlib.h>
	int main(void)
	{
		int *volatile value = malloc(sizeof(*value));

		free(value);
		return *value == 1;
	}
END
"${CC:-gcc}" -w -O0 "$dir/late.c" -o "$dir/late" || exit 1
memcheck "$dir/late"
[ $? -eq 99 ] || { echo "a use after free is not found" >&2; exit 1; }

for name in $tests; do
	memcheck "$O/tests/test_smap_$name" || {
		echo "test_smap_$name under valgrind:"
		cat "$dir/log"
		exit 1
	}
done
