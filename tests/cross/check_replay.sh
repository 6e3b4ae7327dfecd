#!/bin/bash
# SPDX-License-Identifier: MIT
# A recording is read the same on every machine: for each of tests/fixtures, which were made on
# x86-64, what smaptrace of the other processor prints, and how it exits, is what the one of this machine does.
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/check.bash

same() { # arguments of smaptrace
	local host guest
	"$HOST_O/smaptrace" "$@" >"$dir/host" 2>&1
	host=$?
	# Words are meant to split.
	# shellcheck disable=SC2086
	$RUN "$O/smaptrace" "$@" >"$dir/guest" 2>&1
	guest=$?
	if [ "$host" != "$guest" ] || ! diff "$dir/host" "$dir/guest"; then
		echo "smaptrace $*: exit status $host here, $guest there"
		exit 1
	fi
	status="$status $host"
}

status=""
same --help
same --version
for file in tests/fixtures/*.smaprec; do
	same check --replay "$file"
	same report "$file"
	same report -f json "$file"
done
for found in 0 100; do
	[[ " $status " == *" $found "* ]] || { echo "no exit status $found among:$status"; exit 1; }
done
