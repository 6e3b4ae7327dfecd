#!/bin/sh
# SPDX-License-Identifier: MIT
# The harness of the browser tests can fail: see tests/browser/self.js. Each call of `run` in
# a test is one browser.
set -eu
cd "$(dirname "$0")/.."
O=${O:-.output}
[ -e "$O/browser/node_modules/playwright-core" ] || { echo "run make deps" >&2; exit 1; }
node tests/browser/self.js 2>/dev/null || node tests/browser/self.js
