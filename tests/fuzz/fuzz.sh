#!/bin/bash
# SPDX-License-Identifier: MIT
#
# fuzz.sh [LIBFUZZER-OPTION...] - build the fuzz target with lib/ under address and
# undefined-behaviour sanitizers, and run it. Without options: for 60 seconds. An input that
# fails is written into $O/fuzz; give its name as the argument to see it again. What was
# found interesting is kept in $O/fuzz/corpus, for the next run.
#
# Environment: TARGET fuzz_ops (the library; default), fuzz_recording (the reader of
# recordings) or fuzz_policy (the reader of policy files), O build tree (.output), CLANG
# compiler (clang), LIB library sources (lib).
set -eu
cd "$(dirname "$0")/../.."
O=${O:-.output}
CLANG=${CLANG:-clang}
LIB=${LIB:-lib}
mkdir -p "$O/fuzz/corpus"

TARGET=${TARGET:-fuzz_ops}
case $TARGET in
fuzz_ops) sources=$(echo "$LIB"/*.c) ;;
fuzz_recording) sources="$(echo user/{recording,model*,stack,overhead,hist,sink,names}.c) -Iuser -lz" ;;
fuzz_policy) sources="$(echo user/{policy,policy_file,policy_error,policy_strict,log,names}.c) -Iuser -lcyaml -lyaml -lm" ;;
*) echo "no such fuzz target: $TARGET" >&2; exit 2 ;;
esac
newest=$(ls -t "$LIB"/*.[ch] user/*.[ch] tests/*.h tests/fuzz/* | head -n 1)
if [ ! "$O/fuzz/$TARGET" -nt "$newest" ]; then
	# shellcheck disable=SC2086 # a list of words
	"$CLANG" -std=gnu11 -pthread -D_GNU_SOURCE -O1 -g -Wall -Wextra -I"$LIB" -Itests \
		-fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined \
		-fno-omit-frame-pointer "tests/fuzz/$TARGET.c" $sources -o "$O/fuzz/$TARGET.new"
	mv "$O/fuzz/$TARGET.new" "$O/fuzz/$TARGET"
fi
[ $# -gt 0 ] || set -- -max_total_time=60 "$O/fuzz/corpus"
exec "$O/fuzz/$TARGET" -artifact_prefix="$O/fuzz/" -print_final_stats=1 "$@"
