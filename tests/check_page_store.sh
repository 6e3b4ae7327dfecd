#!/bin/sh
# SPDX-License-Identifier: MIT
# What the live page makes of events: tests/browser/store.mjs.
set -eu
cd "$(dirname "$0")/.."
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cp user/web/*.js tests/browser/store.mjs "$tmp"
echo '{ "type": "module" }' >"$tmp/package.json"
node "$tmp/store.mjs"
