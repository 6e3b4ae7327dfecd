#!/bin/sh
# SPDX-License-Identifier: MIT
# Each explicit atomic access in lib/ has a comment, on its line or within the six
# lines above it that belong to the same function, which says what it pairs with
# or why it needs no order. Default (seq_cst) accesses are refused: whoever means
# one says so. First shows that it can fail.
set -eu
cd "$(dirname "$0")/.."

# Print file:line of each access without a comment, in the files given.
bare_accesses() {
	awk '
	function is_comment(s) { return s ~ /\/\*/ || s ~ /^[ \t]*\*/ || s ~ /\/\// }
	FNR == 1 { last = -100; open = 0 }
	{
		code = $0
		comment = is_comment(code) || open
		if (code ~ /\/\*/) open = 1
		if (code ~ /\*\//) open = 0
		if (comment) last = FNR
		gsub(/\/\*.*\*\//, "", code)
		sub(/\/\*.*/, "", code)
		sub(/\/\/.*/, "", code)
		if (comment && code ~ /^[ \t]*\*/) code = ""
		if (code ~ /^}/) last = -100
	}
	code ~ /atomic_(load|store|exchange|compare_exchange_(weak|strong)|fetch_[a-z]+)_explicit[ \t]*\(/ ||
	code ~ /atomic_(thread|signal)_fence[ \t]*\(/ ||
	code ~ /__atomic_[a-z_]+[ \t]*\(/ ||
	code ~ /__sync_[a-z_]+[ \t]*\(/ {
		if (FNR - last > 6) print FILENAME ":" FNR ": no comment within 6 lines:" code
	}
	code ~ /atomic_(load|store|exchange|compare_exchange_(weak|strong)|fetch_[a-z]+)[ \t]*\(/ &&
	code !~ /_explicit[ \t]*\(/ {
		print FILENAME ":" FNR ": an atomic access without an explicit order:" code
	}
	' "$@"
}

expect_bare() {
	if [ -z "$(bare_accesses "$1")" ]; then
		echo "self-test: not caught:" >&2
		cat "$1" >&2
		exit 1
	fi
}

self_test() {
	tmp=$(mktemp -d)
	trap 'rm -rf "$tmp"' EXIT
	cat >"$tmp/bare.c" <<-END
		/* A comment far above. */
		1
		2
		3
		4
		5
		6
			x = atomic_load_explicit(&a, memory_order_relaxed);
	END
	expect_bare "$tmp/bare.c"
	cat >"$tmp/other.c" <<-END
		/* A comment in another function. */
		}
		{
			atomic_compare_exchange_strong_explicit(&a, &b, c, memory_order_acq_rel,
	END
	expect_bare "$tmp/other.c"
	printf '/* said */\n\tatomic_store(&a, 1);\n' >"$tmp/plain.c"
	expect_bare "$tmp/plain.c"
	printf '\tx = __atomic_load_n(&a, __ATOMIC_RELAXED);\n' >"$tmp/builtin.c"
	expect_bare "$tmp/builtin.c"
	cat >"$tmp/good.c" <<-END
		{
			/* Release: pairs with the acquire in find(); it is a long
			 * story. */
			atomic_store_explicit(&a, 1, memory_order_release);
			x = atomic_load_explicit(&a, memory_order_relaxed); /* counter */
		}
	END
	if [ -n "$(bare_accesses "$tmp/good.c")" ]; then
		echo "self-test: refused:" "$(bare_accesses "$tmp/good.c")" >&2
		exit 1
	fi
}

self_test
found=$(bare_accesses lib/*.c lib/*.h)
[ -z "$found" ] || {
	echo "each atomic access says what it pairs with (see this script):"
	echo "$found"
	exit 1
} >&2
