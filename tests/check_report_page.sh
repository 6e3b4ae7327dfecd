#!/bin/sh
# SPDX-License-Identifier: MIT
# The HTML report in a real browser: tests/browser/report.js.
set -eu
cd "$(dirname "$0")/.."
O=${O:-.output}
[ -e "$O/browser/node_modules/playwright-core" ] || { echo "run make deps" >&2; exit 1; }
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
# The pages of tests/golden, whole.
WHOLE_TO=$tmp "$O/tests/test_output" >"$tmp/test" 2>&1 || { cat "$tmp/test"; exit 1; }
node tests/browser/report.js "$tmp"
