#!/bin/bash
# SPDX-License-Identifier: MIT
# many.sh - smap_load_many_u64 beside a loop of loads (many.c), in maps of three sizes. Environment: O.
cd "$(dirname "$0")/../.." || exit 1
. tests/bench/common.sh

PROGRAM=$O/tests/bench/many
[ -x "$PROGRAM" ] || make -s O="$O" "$PROGRAM" || die "cannot build $PROGRAM"
for entries in ${SIZES:-1000 100000 1000000}; do
	echo "$entries entries"
	"$PROGRAM" "$entries" || die "many $entries failed"
done
