#!/bin/bash
# SPDX-License-Identifier: MIT
#
# fuzz.sh [LIBFUZZER-OPTION...] - build the fuzz target with lib/ under address and
# undefined-behaviour sanitizers, and run it. Without options: for 60 seconds. An input that
# fails is written into $O/fuzz; give its name as the argument to see it again. What was
# found interesting is kept in $O/fuzz/corpus, for the next run.
#
# Environment: O build tree (.output), CLANG compiler (clang), LIB library sources (lib).
set -eu
cd "$(dirname "$0")/../.."
O=${O:-.output}
CLANG=${CLANG:-clang}
LIB=${LIB:-lib}
mkdir -p "$O/fuzz/corpus"

newest=$(ls -t "$LIB"/*.[ch] tests/*.h tests/fuzz/* | head -n 1)
if [ ! "$O/fuzz/fuzz_ops" -nt "$newest" ]; then
	"$CLANG" -std=gnu11 -pthread -D_GNU_SOURCE -O1 -g -Wall -Wextra -I"$LIB" -Itests \
		-fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined \
		-fno-omit-frame-pointer tests/fuzz/fuzz_ops.c "$LIB"/*.c -o "$O/fuzz/fuzz_ops.new"
	mv "$O/fuzz/fuzz_ops.new" "$O/fuzz/fuzz_ops"
fi
[ $# -gt 0 ] || set -- -max_total_time=60 "$O/fuzz/corpus"
exec "$O/fuzz/fuzz_ops" -artifact_prefix="$O/fuzz/" -print_final_stats=1 "$@"
