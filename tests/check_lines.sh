#!/bin/sh
# SPDX-License-Identifier: MIT
# No file that people edit has over 500 lines; main.c stays under 120.
cd "$(dirname "$0")/.." || exit 1
status=0
for file in lib/*.[ch] user/*.[ch] bpf/*.[ch] tests/*.[ch] tests/*/*.[ch] tests/*/*/*.[ch] \
	tests/*.sh tests/*.bats tests/*/*.sh Makefile; do
	[ -f "$file" ] || continue
	most=500
	[ "$file" = user/main.c ] && most=120
	lines=$(wc -l <"$file")
	if [ "$lines" -gt "$most" ]; then
		echo "$file has $lines lines, $most are allowed"
		status=1
	fi
done
exit $status
