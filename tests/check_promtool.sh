#!/bin/sh
# SPDX-License-Identifier: MIT
# What -f prometheus writes is what Prometheus reads: promtool finds no fault in any golden
# file, and does find one in a broken copy.
set -eu
cd "$(dirname "$0")/.."

command -v promtool >/dev/null || { echo "no promtool: run make deps" >&2; exit 1; }
for file in tests/golden/*.prom; do
	complaints=$(promtool check metrics <"$file" 2>&1) && [ -z "$complaints" ] || {
		echo "$file: $complaints" >&2
		exit 1
	}
done
! sed 's/smap_misses_total/smap_misses_count/' tests/golden/full.prom |
	promtool check metrics >/dev/null 2>&1 ||
	{ echo "self-test: promtool let a bad name pass" >&2; exit 1; }
