#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The audit: nothing is missing when nothing is lost; and hits that are dropped on purpose
# (SMAPTRACE_FAULT) are missing to the last one, by map and counter.
load trace.bash
bats_require_minimum_version 1.5.0

# A command that makes known numbers, traced. Leaves $tmp/trace, $tmp/truth and $tmp/err.
audit() { # options of smaptrace ... -- of mapload
	local opts=()
	while [ "$1" != -- ]; do opts+=("$1"); shift; done
	shift
	timeout 60 "$SMAPTRACE" -f json -o "$tmp/trace" "${opts[@]}" -- "$MAPLOAD" "$@" \
		>"$tmp/truth" 2>"$tmp/err" 3>&-
	grep '"type":"map"' "$tmp/truth" >"$tmp/maps"
}

# The map's own figure of a counter less what was reported, of all maps.
difference() { # counter
	jq -n --arg c "$1" '([inputs | .[$c]] | add)' "$tmp/maps" >"$tmp/own"
	jq --arg c "$1" --slurpfile own "$tmp/own" \
		'select(.type == "end") | $own[0] - ([.maps[][$c]] | add)' "$tmp/trace"
}

end() { jq -e "select(.type == \"end\") | $1" "$tmp/trace"; }

@test "audit: nothing lost, nothing missing; at the end of maps and of the trace" {
	audit -- --mix churn --threads 2 --maps 3 --ops 20000 --value-free
	end '.audit.missing == 0 and .losses.audit == 0 and .audit.compared >= 24'
	end '[.maps[] | has("missing") or has("uncounted")] | any | not'
	audit -- --mix promote --maps 2 --ops 20000 --no-destroy
	end '.audit.missing == 0 and .losses.audit == 0'
	! grep -q 'audit:' "$tmp/err"
}

@test "audit: a library that is loaded again and again, with its map where the last one was" {
	"$SMAPTRACE" -i 3600 -f json -o "$tmp/trace" -- "$O/tests/test_smap_dlopen" >/dev/null 2>&1 3>&-
	end '(.maps | length) == 100 and .losses.audit == 0 and .losses.unmatched == 0'
}

@test "audit: each third promotion dropped" {
	SMAPTRACE_FAULT=promote/3 audit -- --mix promote --keys 20 --ops 20000
	lost=$(difference promotions)
	[ "$lost" -gt 10 ]
	[ "$lost" -eq $(($(jq .promotions "$tmp/maps") / 3)) ]
	end ".losses.audit == $lost and .audit.missing == $lost"
	end ".maps[0].missing.promotions == $lost and .maps[0].missing.misses == 0"
	grep -q "audit: $lost promotions of map load.0 .* were not seen" "$tmp/err"
}

@test "audit: all batches dropped, so that not one event of its kind is seen" {
	SMAPTRACE_FAULT=miss_batch/1 audit -- --mix miss --ops 20000
	misses=$(jq .misses "$tmp/maps")
	end ".losses.audit == $misses and .maps[0].missing.misses == $misses"
	end ".maps[0].traced.misses == 0"
}

@test "audit: rebuilds dropped, with what they copied; --exact and stacks change nothing" {
	for opt in "" --exact --stacks; do
		SMAPTRACE_FAULT=rebuild/5 audit $opt -- --mix churn --keys 100 --threads 2 --maps 2 --ops 20000
		sum=0
		for counter in rebuilds copied expunged; do
			lost=$(difference $counter)
			end "([.maps[].missing.$counter // 0] | add) == $lost"
			sum=$((sum + lost))
		done
		[ "$sum" -gt 0 ]
		end ".losses.audit == $sum"
	done
}

@test "audit: text says it, check cannot conclude, a recording keeps it" {
	SMAPTRACE_FAULT=promote/2 audit -- --mix promote --keys 20 --ops 5000
	lost=$(jq 'select(.type == "end") | .losses.audit' "$tmp/trace")
	export SMAPTRACE_FAULT=promote/2
	run -101 "$SMAPTRACE" check --record "$tmp/rec" -- "$MAPLOAD" --mix promote --keys 20 --ops 5000 3>&-
	unset SMAPTRACE_FAULT
	"$SMAPTRACE" report "$tmp/rec" >"$tmp/text" 3>&-
	grep -q "^Audit: .* $lost events missing" "$tmp/text"
	grep -A1 '^  MISSED, but counted by the map:' "$tmp/text" | grep -Eq "^  promotions +$lost\$"
	grep -A2 '^Lost:' "$tmp/text" | grep -q "audit $lost"
}

# The window is an hour long: it is the audit's own clock that finds it.
@test "audit: --audit finds it while the map lives on" {
	start "$tmp/own" ' run$' "$MAPLOAD" --hold-run --hold-end --mix promote --keys 20 --ops 20000
	load=$pid
	SMAPTRACE_FAULT=promote/4 trace "$tmp/trace" -i 3600 --audit -p "$load"
	go_on "$load"
	wait_for grep -q ' end$' "$tmp/own"
	wait_for grep -q 'audit: .* promotions' "$tmp/trace.err"
	kill -0 "$load"
	kill -INT "$tracer"
	wait "$tracer"
	grep '"type":"map"' "$tmp/own" >"$tmp/maps"
	lost=$(difference promotions)
	[ "$lost" -gt 10 ]
	end ".losses.audit == $lost and .audit.rounds >= 2"
	go_on "$load"
	wait "$load"
}

@test "audit: --audit of a busy map makes nothing up" {
	start "$tmp/own" ' run$' "$MAPLOAD" --hold-run --seconds 4 --threads 2 --maps 3 --mix churn --value-free
	load=$pid
	trace "$tmp/trace" --audit -p "$load"
	go_on "$load"
	wait "$load"
	wait "$tracer"
	end '.losses.audit == 0 and .audit.rounds >= 3 and .audit.compared >= 48'
}
