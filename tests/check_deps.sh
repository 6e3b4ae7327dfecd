#!/bin/sh
# SPDX-License-Identifier: MIT
# Dependencies between folders run one way:
#   lib   includes nothing of ours outside lib
#   bpf   lib/smap_probes.h, lib/smap_state.h, and its own headers
#   user  those two, bpf/smaptrace.h, and its own headers; never lib's private ones
# tests may include everything. Reads #include "..." lines; what is generated
# (*.skel.h, *.gen.h, *.pb-c.h) is no source of ours. First shows that it can fail.
set -eu
cd "$(dirname "$0")/.."

# The quoted includes of folder $2 in tree $1 that the rule does not allow.
violations() {
	tree=$1
	folder=$2
	case $folder in
	lib) allowed= ;;
	bpf) allowed='smap_probes.h smap_state.h' ;;
	user) allowed='smap_probes.h smap_state.h smaptrace.h' ;;
	esac
	find "$tree/$folder" -name '*.[ch]' | sort | while read -r file; do
		sed -n 's/^[[:space:]]*#[[:space:]]*include[[:space:]]*"\([^"]*\)".*/\1/p' "$file" |
			while read -r inc; do
				base=${inc##*/}
				case $base in *.skel.h | *.gen.h | *.pb-c.h) continue ;; esac
				# A header of the folder itself, named without leaving it.
				case $inc in ../*) ;; *)
					[ -e "$tree/$folder/$inc" ] && continue ;;
				esac
				# One of the seams, and really the file of that name.
				case " $allowed " in
				*" $base "*) continue ;;
				esac
				echo "${file#"$tree/"} includes \"$inc\""
			done
		# Ours in angle brackets would get around the rule.
		sed -n 's/^[[:space:]]*#[[:space:]]*include[[:space:]]*<\([^>]*\)>.*/\1/p' "$file" |
			while read -r inc; do
				for ours in lib bpf user tests; do
					if [ -e "$tree/$ours/${inc##*/}" ]; then
						echo "${file#"$tree/"} includes <$inc>"
					fi
				done
			done
	done
}

all_violations() {
	for folder in lib bpf user; do
		violations "$1" "$folder"
	done
}

# Each of these lines, put into a tree of its own, must be caught.
self_test() {
	tmp=$(mktemp -d)
	trap 'rm -rf "$tmp"' EXIT
	mkdir -p "$tmp/lib" "$tmp/bpf" "$tmp/user"
	touch "$tmp/lib/smap.h" "$tmp/lib/smap_internal.h" "$tmp/lib/smap_state.h" \
		"$tmp/lib/smap_probes.h" "$tmp/bpf/smaptrace.h" "$tmp/bpf/common.bpf.h" \
		"$tmp/user/log.h"
	while read -r file include; do
		echo "#include $include" >"$tmp/$file"
		if [ -z "$(all_violations "$tmp")" ]; then
			echo "self-test: $file with $include was not caught" >&2
			exit 1
		fi
		rm "$tmp/$file"
	done <<-END
		lib/a.c "smaptrace.h"
		lib/a.c "../bpf/smaptrace.h"
		lib/a.c "../user/log.h"
		lib/a.c <log.h>
		bpf/a.bpf.c "smap.h"
		bpf/a.bpf.c "../lib/smap_internal.h"
		bpf/a.bpf.c "../user/log.h"
		user/a.c "smap_internal.h"
		user/a.c "../lib/smap_internal.h"
		user/a.h "../lib/smap.h"
		user/a.c <smap_internal.h>
		user/a.c "../bpf/common.bpf.h"
		user/sub.c "../tests/until.h"
	END
	printf '#include "smap.h"\n#include <stdio.h>\n' >"$tmp/lib/a.c"
	printf '#include "../lib/smap_state.h"\n#include "smaptrace.h"\n' >"$tmp/bpf/a.bpf.c"
	printf '#include "log.h"\n#include "../bpf/smaptrace.h"\n#include "a.skel.h"\n' >"$tmp/user/a.c"
	if [ -n "$(all_violations "$tmp")" ]; then
		echo "self-test: an allowed include was refused:" "$(all_violations "$tmp")" >&2
		exit 1
	fi
}

self_test
found=$(all_violations "$PWD")
[ -z "$found" ] || {
	echo "dependencies between folders run one way (see this script):"
	echo "$found"
	exit 1
} >&2
