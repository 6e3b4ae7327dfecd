#!/bin/bash
# SPDX-License-Identifier: MIT
# score-margins.sh - how far is each threshold from a wrong verdict? (make score MARGINS=1)
#
# usage: tests/score-margins.sh [-j JOBS] [REGEX]
#
# Replays the recordings that `make score` has left, with one threshold at a time moved away from its
# default, and counts the wrong verdicts: traps no longer found (missed), and lookalikes in
# which one is (false). A line for each threshold; the default is in brackets. "0" on both sides
# of it is the margin: the nearest lookalike is beyond one end, the nearest trap beyond the other.
# Of `clear` the second number is of scenarios in which a trap on one map is told more than once.
# REGEX: of the thresholds, as in "read_diffusion.min_cost_share".
cd "$(dirname "$0")/.." || exit 1
. tests/bench/common.sh
TRAPLOAD=$O/tests/workloads/trapload
jobs=2
if [ "$1" = -j ]; then
	jobs=$2
	shift 2
fi
need "$SMAPTRACE" "$TRAPLOAD"

"$TRAPLOAD" --list | cut -f 1,2 | grep -v "	beyond$" | while IFS=$'\t' read -r name label; do
	[ -s "$O/score/$name.rec" ] && printf '%s\t%s\n' "$name" "$label"
done >"$scratch/labels"
[ -s "$scratch/labels" ] || die "no recordings in $O/score: run make score first"

# trap, threshold, default, min, max: from the only list there is.
thresholds() {
	sed -n -e 's/^#define \([A-Z_]*\)_LIMITS(X).*/\L\1/p' \
		-e 's/^\tX(\([a-z_]*\), \([0-9.e]*\), \([0-9.e]*\), \([0-9.e]*\),.*/\1 \2 \3 \4/p' user/policy.h |
		awk 'NF == 1 { trap = $1 } NF == 4 && trap != "trap" { print trap, $0 }'
}

# Whole numbers of windows step by step, others by factors; raise and of are kept in order. `clear`
# finds nothing more or less: of it the traps are counted that are told more than once.
values() { # threshold, default, min, max
	case $1 in
	raise | of | retained_windows)
		awk -v d="$2" 'BEGIN { for (v = d - 3; v <= d + 4; v++) if (v >= 1) print v }' ;;
	clear) awk -v d="$2" 'BEGIN { for (v = 1; v <= d + 3; v++) print v }' ;;
	*) awk -v d="$2" -v min="$3" -v max="$4" 'BEGIN {
		for (f = 1 / 16; f <= 16; f *= 2) if (d * f >= min && d * f <= max) print d * f }' ;;
	esac
}

policy() { # trap, threshold, value
	local more=
	[ "$2" = raise ] && more="of: $(($3 > 3 ? $3 : 3)), "
	[ "$2" = of ] && more="raise: 1, "
	[ "$2.$1" = of.write_starvation ] && more="raise: $(($3 < 3 ? $3 : 3)), "
	[ "$2.$1" = of.read_diffusion ] && more="raise: $(($3 < 2 ? $3 : 2)), "
	printf 'traps:\n  %s: {%s%s: %s}\n' "${1//_/-}" "$more" "$2" "$3"
}

# Prints "missed false" over all recordings under a policy; of `clear` "missed again".
count_wrong() { # policy file, threshold
	while IFS=$'\t' read -r name label; do
		"$SMAPTRACE" check --policy "$1" --replay "$O/score/$name.rec" 2>/dev/null |
			sed -n 's/^\(notice\|warning\|error\): \([a-z-]*\) in \(.*\)/\2 \3/p' |
			awk -v label="$label" -v clear="$([ "$2" = clear ] && echo 1)" '
				{ found[$1] = 1; again = again || told[$0]++ }
				END {
					n = split(label, want, ",")
					for (i = 1; i <= n; i++) wanted[want[i]] = 1
					for (trap in wanted) if (trap != "none" && !(trap in found)) missed = 1
					for (trap in found) if (!(trap in wanted)) wrong = 1
					print missed + 0, clear ? again + 0 : wrong + 0
				}'
	done <"$scratch/labels" | awk '{ missed += $1; wrong += $2 } END { print missed + 0, wrong + 0 }'
}

judge() { # trap, threshold, value
	local file=$scratch/$1.$2.$3
	policy "$@" >"$file.yaml"
	printf '%s %s %s %s\n' "$1" "$2" "$3" "$(count_wrong "$file.yaml" "$2")"
}
export -f judge policy count_wrong
export SMAPTRACE O scratch

thresholds | grep -E -- "${1:-.}" | while read -r trap threshold default min max; do
	values "$threshold" "$default" "$min" "$max" | sed "s/^/$trap $threshold /"
done >"$scratch/todo"
xargs -P "$jobs" -L 1 bash -c 'judge "$@"' _ <"$scratch/todo" >"$scratch/judged"

echo "$(wc -l <"$scratch/labels") recordings; value: traps missed / lookalikes found (of clear: told again)"
thresholds | while read -r trap threshold default _; do
	sort -g -k 3 "$scratch/judged" | awk -v trap="$trap" -v name="$threshold" -v d="$default" '
		$1 == trap && $2 == name {
			text = $3 ": " $4 "/" $5
			line = line "  " ($3 == d ? "[" text "]" : text)
		}
		END { if (line) printf "%s.%s\n  %s\n", trap, name, line }'
done
