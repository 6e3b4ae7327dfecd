#!/bin/bash
# SPDX-License-Identifier: MIT
# What is promised has a test of its name. Each G and P of smap.h is in the name of a test that
# runs (test_G1_..., test_P1_P2_...), and each race of the table in docs/testing.md likewise; no
# test is named after something that neither has; the files and tests that docs/testing.md
# names are there. First shows that it can fail.
set -u
cd "$(dirname "$0")/.." || exit 1
. tests/check.bash

promised() { # header, document
	sed -n 's/^ \* \([GP][0-9][0-9]*\) .*/\1/p' "$1"
	sed -n 's/^| \(R[0-9][0-9]*\) |.*/\1/p' "$2"
}

# The G1, P1, R1 in the names of tests that are in the list of a main().
tested() { # test sources
	sed -n 's/.*cmocka_unit_test(test_\(\([GPR][0-9][0-9]*_\)*\).*/\1/p' "$@" | tr _ '\n' | grep .
}

missing_names() { # document
	local name
	for name in $(sed 's/\.output[^ ]*//g' "$1" |
		grep -o '\btests/[a-z_0-9/]*\.[a-z]*\|\b\(test\|stress\)_[A-Za-z_0-9]*\(\.[ch]\)\?\|\b[a-z]*\.pml' |
		sort -u); do
		case $name in
		*.pml) [ -e "tests/models/${name##*/}" ] ;;
		tests/*) [ -e "$name" ] ;;
		*.c | *.h) [ -e "tests/$name" ] ;;
		*) [ -e "tests/$name.c" ] || grep -q "cmocka_unit_test($name)" tests/test_*.c ;;
		esac || echo "$1 names $name, which is not there"
	done
}

problems() { # header, document, test sources
	local header=$1 document=$2
	shift 2
	diff <(promised "$header" "$document" | sort -u) <(tested "$@" | sort -u) |
		sed -n 's/^< \(.*\)/\1 has no test named after it/p
			s/^> \(.*\)/a test is named after \1, which nobody promises/p'
	missing_names "$document"
}

printf ' * G1 One.\n *    more\n * P12 Two.\n' >"$dir/smap.h"
printf '| race | test |\n| R3 | test_R3_three |\ntests/none.sh, test_none.c, test_none\n' >"$dir/doc.md"
printf '\tcmocka_unit_test(test_G1_P9_one),\nvoid test_P12_not_run(void)\ncmocka_unit_test(test_other),\n' >"$dir/test.c"
printf '%s\n' 'P12 has no test named after it' 'a test is named after P9, which nobody promises' \
	'R3 has no test named after it' "$dir/doc.md names test_R3_three, which is not there" \
	"$dir/doc.md names test_none, which is not there" "$dir/doc.md names test_none.c, which is not there" \
	"$dir/doc.md names tests/none.sh, which is not there" | sort >"$dir/expected"
problems "$dir/smap.h" "$dir/doc.md" "$dir/test.c" | sort | diff "$dir/expected" - || {
	echo "self-test: not what was expected" >&2
	exit 1
}

[ "$(promised lib/smap.h docs/testing.md | wc -l)" -ge 26 ] || { echo "G, P and R are not found where they should be" >&2; exit 1; }
found=$(problems lib/smap.h docs/testing.md tests/test_smap_*.c)
[ -z "$found" ] || { echo "$found" >&2; exit 1; }
