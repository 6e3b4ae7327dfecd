#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The report as a page, of real traces. What is in a page: tests/check_html.sh and
# tests/test_output.c. Needs root and BPF.

load trace

data_of() { perl -0777 -ne 'print $1 if m{id="data">\n(.*?)</script>}s' "$1"; }

@test "html: check writes it; a trap comes first" {
	run "$SMAPTRACE" check --html "$tmp/page.html" -o "$tmp/text" -- "$MAPLOAD" --seconds 4 --name sessions
	[ "$status" = 100 ]
	grep -q '<h1 class="trap">Trap found</h1>' "$tmp/page.html"
	grep -q '<span class="severity">warning</span> read-diffusion in <code>sessions.0</code>' "$tmp/page.html"
	grep -q '<b>duration of a rebuild</b>' "$tmp/page.html"
	grep -q '<b>promotions by size</b>' "$tmp/page.html"
	grep -q 'aria-label="flame graph of rebuilds"' "$tmp/page.html"
	grep -q '<text x="3" y="13">step_store_fresh</text>' "$tmp/page.html"
	grep -q 'aria-label="promotions per second over time"' "$tmp/page.html"
	data_of "$tmp/page.html" | jq -es 'map(.type) | sort == ["end", "finding", "header"]'
}

@test "html: a recording gives the page, with the maps' own totals" {
	"$SMAPTRACE" record -i 0.1 -o "$tmp/rec" -- "$MAPLOAD" --ops 20000 --mix churn >"$tmp/own" 3>&-
	"$SMAPTRACE" report -f html -o "$tmp/a.html" "$tmp/rec"
	"$SMAPTRACE" report -f html "$tmp/rec" >"$tmp/b.html"
	cmp "$tmp/a.html" "$tmp/b.html"
	data_of "$tmp/a.html" | jq -es --slurpfile own <(grep '"type":"map"' "$tmp/own") '
		(.[] | select(.type == "end").maps | INDEX(.addr)) as $ours
		| ($own | length) > 0 and ($own | all(. as $o | $ours["\(.addr)"]
			| .misses == $o.misses and .copied == $o.copied))'
}

# A recording says nothing about the host and the places of files: nothing else differs.
@test "html: a trace and the report of its recording are the same page" {
	run "$SMAPTRACE" check --html "$tmp/live.html" --record "$tmp/rec" -o "$tmp/text" -- \
		"$MAPLOAD" --seconds 2 --maps 3 --name sessions
	"$SMAPTRACE" report -f html -o "$tmp/replayed.html" "$tmp/rec"
	for page in live replayed; do
		sed "s,$(dirname "$MAPLOAD")/,,g; s/\"file\":\"[^\"]*\//\"file\":\"/g; s,<dt>host</dt><dd>[^<]*</dd>,,; s/\"hostname\":\"[^\"]*\"//" \
			"$tmp/$page.html" | grep -v '^$' >"$tmp/$page"
	done
	grep -q '<h2>Timeline</h2>' "$tmp/live"
	diff "$tmp/live" "$tmp/replayed" | cut -c1-300
	cmp "$tmp/live" "$tmp/replayed"
}

@test "html: a full disk is an error" {
	run "$SMAPTRACE" check --html /dev/full -o "$tmp/text" -- "$MAPLOAD" --ops 500
	[ "$status" = 125 ]
	[[ $output == *"cannot write /dev/full"*"No space left"* ]]
}
