#!/bin/bash
# SPDX-License-Identifier: MIT
#
# page.sh [MAPS...] - how the live page answers with so many maps (1000): tests/browser/pace.js
# in Debian's chromium. Every map does something in every window.
set -eu
cd "$(dirname "$0")/../.."
. tests/bench/common.sh
need node "$SMAPTRACE" "$LOAD"
[ -e "$O/browser/node_modules/playwright-core" ] || die "no playwright-core: make deps"

echo '| maps | rows in the page | elements | tasks of 50 ms or more | from a key to paint, median / longest | sort by another column |'
echo '|---|---|---|---|---|---|'
for maps in ${*:-1000}; do
	"$LOAD" --maps "$maps" --keys 50 --mix promote --name many --rate $((20 * maps)) --seconds 3600 --hold-run \
		>"$scratch/load" &
	load=$!
	started+=("$load")
	wait_for "the load" grep -q '^hold' "$scratch/load"
	"$SMAPTRACE" serve -p "$load" --listen 127.0.0.1:0 >"$scratch/url" 2>/dev/null &
	started+=("$!")
	wait_for "the server" grep -q '^http' "$scratch/url"
	kill -USR1 "$load"
	node tests/browser/pace.js "$(cat "$scratch/url")" "$maps"
	kill "$!" "$load"
	wait "$!" "$load" 2>/dev/null || true
done
