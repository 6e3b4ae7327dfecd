#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The live page in a real browser: tests/browser/live.js says what. Needs root and BPF.

load trace
load serve

@test "page: promotions, findings and processes appear; keyboard, dark, phone; nothing leaves the machine" {
	[ -e "$O/browser/node_modules/playwright-core" ]
	serve --all --stacks
	node tests/browser/live.js "$url" "$MAPLOAD" "$O/tests/workloads/trapload" 3>&-
}

@test "page: a thousand maps are forty rows, and can be filtered, sorted and scrolled" {
	start "$tmp/own" '^hold .* run' "$MAPLOAD" --hold-run --maps 1000 --keys 10 --name many --rate 200 --seconds 60
	serve -p "$pid" -i 1
	go_on "$pid"
	node tests/browser/many.js "$url" 1000 3>&-
}
