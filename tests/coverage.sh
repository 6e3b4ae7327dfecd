#!/bin/bash
# SPDX-License-Identifier: MIT
#
# coverage.sh - line and branch coverage of lib/ by the unit tests and the stress programs.
#
# Builds lib/ and each of tests/test_smap_*.c and tests/stress_*.c with gcc --coverage in a
# folder of its own, runs them one after the other, and adds up what gcov says: a table by file,
# then the lines that nothing ran; docs/testing.md has the reason for each. Inline functions
# of headers are counted once, not once for each file that includes them.
#
# Environment: CC (gcc), GCOV (gcov), ONLY: a part of a test's name, such as ONLY=smap_oom.
# A test that fails is reported and makes the exit status 1; its lines count all the same.
set -u
cd "$(dirname "$0")/.." || exit 1
CC=${CC:-gcc}
GCOV=${GCOV:-gcov}
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
trap 'exit 130' INT TERM
failed=0

fatal() { echo "coverage.sh: $*" >&2; exit 1; }

build() {
	local file
	mkdir "$tmp/obj" "$tmp/bin"
	for file in lib/*.c; do
		$CC -std=gnu11 -pthread -D_GNU_SOURCE -O0 -g -w -fPIC --coverage -fprofile-update=atomic \
			-fprofile-abs-path -c "$file" -o "$tmp/obj/$(basename "$file" .c).o" ||
			fatal "$file does not compile"
	done
	for file in tests/test_smap_*.c tests/stress_*.c; do
		[[ $file == *${ONLY:-}* ]] || continue
		$CC -std=gnu11 -pthread -D_GNU_SOURCE -O1 -g -w -Ilib -Itests -c "$file" -o "$tmp/test.o" &&
			$CC -pthread "$tmp/test.o" "$tmp"/obj/*.o --coverage -lcmocka -ldl \
				-o "$tmp/bin/$(basename "$file" .c)" ||
			fatal "$file does not compile"
	done
}

run() {
	local program name
	for program in "$tmp"/bin/*; do
		name=${program##*/}
		timeout -k 5 200 "$program" >"$tmp/log" 2>&1 </dev/null || {
			echo "FAILED: $name, exit status $?"
			tail -n 5 "$tmp/log"
			failed=1
		}
	done
}

# gcov's text: "count: line: source" and "branch N taken P%" below the line. A header appears once
# for each file that includes it: the largest count of a line stands for it.
report() {
	awk '
	FNR == 1 { file = "" }
	/^ *-: *0:Source:/ {
		sub(/^ *-: *0:Source:/, "")
		file = $0
		sub(/^.*\/lib\//, "lib/", file)
		if (file !~ /^lib\/[^\/]*$/)
			file = ""
		next
	}
	file == "" { next }
	/^branch/ {
		key = file SUBSEP line
		n = ++branch[FILENAME, key]
		if (n > branches[key])
			branches[key] = n
		if ($3 == "taken" && $4 + 0 > 0)
			taken[key, n] = 1
		next
	}
	match($0, /^ *[0-9=#%*-]+[*]?: *[0-9]+:/) {
		split($0, part, ":")
		count = part[1]
		line = part[2] + 0
		gsub(/[ *]/, "", count)
		if (count == "-" || line == 0)
			next
		key = file SUBSEP line
		files[file] = 1
		if (line > last[file])
			last[file] = line
		if (!(key in ran))
			ran[key] = 0
		if (count !~ /[#=]/)
			ran[key] = 1
		if (!(key in text))
			text[key] = substr($0, index($0, part[2] ":") + length(part[2]) + 1)
	}
	function row(name, l, lr, b, bt) {
		printf "%-22s %6d %6d %6.1f%% %8d %6d %6.1f%%\n", name, l, lr, l ? 100 * lr / l : 100,
			b, bt, b ? 100 * bt / b : 100
	}
	END {
		printf "%-22s %6s %6s %7s %8s %6s %7s\n", "file", "lines", "run", "", "branches", "taken", ""
		count = 0
		for (f in files)
			sorted[++count] = f
		for (i = 2; i <= count; i++)
			for (j = i; j > 1 && sorted[j - 1] > sorted[j]; j--) {
				swap = sorted[j]
				sorted[j] = sorted[j - 1]
				sorted[j - 1] = swap
			}
		for (i = 1; i <= count; i++) {
			f = sorted[i]
			l = lr = b = bt = 0
			for (n = 1; n <= last[f]; n++) {
				key = f SUBSEP n
				if (!(key in ran))
					continue
				l++
				lr += ran[key]
				for (m = 1; m <= branches[key]; m++) {
					b++
					bt += (key, m) in taken
				}
			}
			row(f, l, lr, b, bt)
			L += l; LR += lr; B += b; BT += bt
		}
		row("all", L, LR, B, BT)
		print "\nnot run:"
		for (i = 1; i <= count; i++)
			for (n = 1; n <= last[sorted[i]]; n++)
				if ((sorted[i], n) in ran && !ran[sorted[i], n])
					print sorted[i] ":" n ":" text[sorted[i], n]
	}' "$@"
}

build
run
mkdir "$tmp/gcov"
for object in "$tmp"/obj/*.o; do
	# One folder each: several files bring the same headers.
	mkdir "$tmp/gcov/$(basename "$object" .o)"
	(cd "$tmp/gcov/$(basename "$object" .o)" && "$GCOV" -b -c "$object" >/dev/null 2>&1)
done
report "$tmp"/gcov/*/*.gcov
exit $failed
