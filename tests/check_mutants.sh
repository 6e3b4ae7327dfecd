#!/bin/bash
# SPDX-License-Identifier: MIT
# The mutants that are found within a second or two; all of them: make mutants. And docs/testing.md
# says how many there are.
cd "$(dirname "$0")/.." || exit 1
count=$(grep -c '^[a-z]' tests/mutants/list)
grep -q "| $count mutants of the C code |" docs/testing.md || {
	echo "docs/testing.md does not say that there are $count mutants"
	exit 1
}
exec tests/mutants.sh -f
