#!/bin/sh
# SPDX-License-Identifier: MIT
# run.sh [NAME...] - the benchmarks: all of them, or insns, attached, exactness ...
# Each is a script that prints its table; one that fails does not stop the others.
set -u
here=$(dirname "$0")
status=0

[ $# -gt 0 ] || set -- $(cd "$here" && ls ./*.sh | sed 's|^\./||; s|\.sh$||; /^common$/d; /^deps$/d; /^run$/d')
for name in "$@"; do
	if [ ! -x "$here/$name.sh" ]; then
		echo "bench: no such benchmark: $name" >&2
		exit 2
	fi
	echo "=== $name"
	"$here/$name.sh" || { echo "bench: $name failed" >&2; status=1; }
	echo
done
exit $status
