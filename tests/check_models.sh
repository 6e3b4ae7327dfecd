#!/bin/bash
# SPDX-License-Identifier: MIT
# Check the spin models in tests/models: each correct model is searched to the end and has no
# error, and each of its mutants (every M_ name that a # line of the model asks for) has one:
# a model whose mutants pass proves nothing. FULL=1 searches larger instances too.
set -u
cd "$(dirname "$0")/.." || exit 1
. tests/check.bash
needs spin
models=$PWD/tests/models
failed=0
deadline=120 # seconds
[ -z "${FULL:-}" ] || deadline=1200

# Deadlocks count against a correct model; a mutant has to break a claim (-E: assertions only).
run_options=()
cc_options=-O1

# Search one instance; prints the verdict: a number of errors, or what went wrong.
search() { # model, definitions
	local model=$1
	shift
	(
		cd "$dir" && rm -f pan* ./*.trail || exit 1
		spin -a "$@" "$models/$model.pml" >spin.log 2>&1 || { echo "spin: $(tail -n 1 spin.log)"; exit; }
		gcc $cc_options -w -DSAFETY -DCOLLAPSE -o pan pan.c 2>cc.log || { echo "gcc: $(head -n 1 cc.log)"; exit; }
		timeout $deadline nice ./pan -m100000 -w20 ${run_options[@]+"${run_options[@]}"} >pan.log 2>&1 || { echo "the search did not end"; exit; }
		grep -qE 'max search depth too small|out of memory|Search not completed' pan.log &&
			! grep -q '^pan:1: ' pan.log && { echo "the search was cut short"; exit; }
		sed -n 's/.*errors: \([0-9]*\)$/\1/p' pan.log
	)
}

why() { sed -n 's/^pan:1: \(.*\) (at depth.*/\1/p' "$dir/pan.log"; }
states() { sed -n 's/^ *\([0-9.e+]*\) states, stored.*/\1/p' "$dir/pan.log"; }

expect_correct() { # model, definitions
	local errors
	errors=$(search "$@")
	if [ "$errors" = 0 ]; then
		echo "$*: correct, $(states) states"
	else
		echo "$*: $errors errors: $(why)" >&2
		failed=1
	fi
}

expect_error() { # model, mutant
	local errors filters=-DFILTERS=1 # publish without them has fewer states
	[[ $2 == *FILTER* ]] && filters=
	errors=$(run_options=(-E) cc_options=-O0; search "$1" "-D$2" $filters)
	case $errors in
	[1-9]*) echo "$1 $2: refuted: $(why)" ;;
	0) echo "$1 $2: the mutant passes" >&2 && failed=1 ;;
	*) echo "$1 $2: $errors" >&2 && failed=1 ;;
	esac
}

mutants() { # model
	grep '^#' "$models/$1.pml" | grep -ow 'M_[A-Z_]*' | sort -u
}

check() { # models
	local model names name
	for model; do
		expect_correct "$model"
		names=$(mutants "$model")
		if [ "$(wc -w <<<"$names")" -lt 4 ]; then
			echo "$model: only these mutants: $names" >&2
			failed=1
		fi
		for name in $names; do
			expect_error "$model" "$name"
		done
	done
}

# On two processors, where there are two: the first takes as long as the others together.
mkdir "$dir/publish" || exit 1
(dir=$dir/publish; check publish; exit $failed) &
check reclaim destroy order
wait $! || failed=1
count=$(for model in publish reclaim destroy order; do mutants $model; done | wc -l)
grep -q "| four spin models, $count mutants of theirs |" docs/testing.md || {
	echo "docs/testing.md does not say that there are $count mutants" >&2
	failed=1
}
if [ -n "${FULL:-}" ]; then
	expect_correct publish -DCHANGES=3
	expect_correct publish -DFILTERS=1 -DOPS0=2 -DCHANGES=2
	expect_correct publish -DFILTERS=1 -DOPS0=2 -DCHANGES=3
	expect_correct reclaim -DROUNDS=2
fi
exit $failed
