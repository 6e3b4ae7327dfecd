#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The CI examples of docs/ci do what they say: their own lines are run, on a test suite with
# a trap in it and on one without, and what they leave behind is valid.

bats_require_minimum_version 1.5.0
load trace

# A project whose `make test` is the command given, with the tools that the examples expect.
project() { # command
	mkdir -p "$tmp/bin" "$tmp/project"
	ln -sf "$SMAPTRACE" "$tmp/bin/smaptrace"
	printf '#!/bin/sh\n[ "$1" = -E ] && shift\nexec "$@"\n' >"$tmp/bin/sudo"
	chmod +x "$tmp/bin/sudo"
	printf 'test:\n\t@%s\n' "$1" >"$tmp/project/Makefile"
}

# Run an example's lines in the project.
example() { # script
	[ -n "$1" ] || { echo "the example has no such line"; return 1; }
	(cd "$tmp/project" && PATH=$tmp/bin:$PATH timeout 60 sh -ec "$1") >"$tmp/out" 2>"$tmp/err" 3>&-
}

github_example() { sed -n '/touch junit.xml/,/make test/s/^ *//p' docs/ci/github.yml; }
gitlab_example() { sed -n 's/^ *- \(smaptrace check.*\)/\1/p' docs/ci/gitlab.yml; }

valid() { # file, form
	[ "$(jq -f "tests/fixtures/$2.jq" "$1")" = true ]
}

junit_valid() {
	xmllint --nonet --noout --schema tests/fixtures/junit.xsd "$tmp/project/junit.xml"
}

@test "ci: the GitHub example finds a trap" {
	project "$MAPLOAD --seconds 4 --name sessions"
	run -100 example "$(github_example)"
	junit_valid
	grep -q 'name="sessions.0: read-diffusion">' "$tmp/project/junit.xml"
	valid "$tmp/project/smaptrace.sarif" sarif
	jq -e '.runs[0].results[] | select(.ruleId == "read-diffusion") |
		.locations[0].logicalLocations[0].name == "sessions.0"' "$tmp/project/smaptrace.sarif"
	grep -q '^::warning title=read-diffusion in sessions.0 (mapload%2C pid [0-9]*)::since ' "$tmp/out"
}

@test "ci: the GitLab example finds a trap" {
	project "$MAPLOAD --seconds 4 --name sessions"
	run -100 example "$(gitlab_example)"
	junit_valid
	valid "$tmp/project/smaptrace.sarif" sarif
	valid "$tmp/project/gl-code-quality.json" gitlab
	jq -e 'any(.[]; .check_name == "read-diffusion")' "$tmp/project/gl-code-quality.json"
}

@test "ci: a clean suite passes in both" {
	project "$MAPLOAD --mix hit --ops 20000"
	run -0 example "$(github_example)"
	junit_valid
	grep -q 'tests="6" failures="0" errors="0"' "$tmp/project/junit.xml"
	jq -e '.runs[0] | .results == [] and .invocations[0].executionSuccessful' "$tmp/project/smaptrace.sarif"
	grep -q '^smaptrace: nothing found, maps seen: 1$' "$tmp/out"
	run -0 example "$(gitlab_example)"
	[ "$(cat "$tmp/project/gl-code-quality.json")" = "[]" ]
}

@test "ci: a suite without a map is inconclusive" {
	project true
	run -101 example "$(github_example)"
	junit_valid
	grep -q 'failures="0" errors="1"' "$tmp/project/junit.xml"
	jq -e '.runs[0].invocations[0].executionSuccessful | not' "$tmp/project/smaptrace.sarif"
	grep -q '^::error title=smaptrace is inconclusive::no map was seen$' "$tmp/out"
}
