#!/bin/sh
# SPDX-License-Identifier: MIT
# The HTML report in a real browser: tests/browser/report.js.
set -eu
cd "$(dirname "$0")/.."
O=${O:-.output}
[ -e "$O/browser/node_modules/playwright-core" ] || { echo "run make deps" >&2; exit 1; }
node tests/browser/report.js
