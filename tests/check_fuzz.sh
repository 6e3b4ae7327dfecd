#!/bin/bash
# SPDX-License-Identifier: MIT
# A short run of the fuzz target (tests/fuzz/fuzz.sh), the same in each run: a number of inputs
# from a fixed seed, not a time. Skips where clang has no libFuzzer.
set -euo pipefail
cd "$(dirname "$0")/.."
export O=${O:-.output}
if ! echo 'int LLVMFuzzerTestOneInput(const char *d, unsigned long n) { return !d + !n; }' |
	"${CLANG:-clang}" -w -fsanitize=fuzzer -x c - -o /dev/null 2>/dev/null; then
	echo "clang cannot link -fsanitize=fuzzer: make deps"
	exit 77
fi
tests/fuzz/fuzz.sh -runs=20000 -seed=1 -max_len=200 -len_control=0
# Each refused file is explained, on stderr.
TARGET=fuzz_policy tests/fuzz/fuzz.sh -runs=3000 -seed=1 -max_len=300 -len_control=0 2>&1 |
	grep -v '^smaptrace: '
TARGET=fuzz_recording tests/fuzz/fuzz.sh -runs=3000 -seed=1 -max_len=1000 -len_control=0
