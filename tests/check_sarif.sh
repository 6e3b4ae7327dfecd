#!/bin/sh
# SPDX-License-Identifier: MIT
# The SARIF and GitLab documents that test_output compares with have the form that their
# specifications ask for (tests/fixtures/*.jq): required members, types, values of enumerations, indices that
# point at something.
cd "$(dirname "$0")/.." || exit 1
command -v jq >/dev/null || { echo "jq is not installed: make deps"; exit 77; }
status=0


holds() { # form, file
	[ "$(jq -f "tests/fixtures/$1.jq" "$2" 2>&1)" = true ]
}

for file in tests/golden/*.sarif; do
	holds sarif "$file" || { echo "$file is no SARIF 2.1.0"; status=1; }
done
for file in tests/golden/*.gitlab.json; do
	holds gitlab "$file" || { echo "$file is no Code Quality report"; status=1; }
done

# What must be refused: the programs can say no.
bad=$(mktemp) || exit 1
trap 'rm -f "$bad"' EXIT
while read -r change; do
	jq "$change" tests/golden/full.sarif >"$bad"
	holds sarif "$bad" && { echo "this change goes unnoticed: $change"; status=1; }
done <<-'END'
	.runs[0].results[0].ruleIndex = 0
	.runs[0].results[1].level = "fatal"
	.runs[0].results[0].message.text = "[x](http://example.org)"
	.runs[0].results[0].locations[0].physicalLocation.artifactLocation.uri = "/a b"
	.runs[0].invocations[0].executionSuccessful = true
	del(.runs[0].tool.driver.rules[0].help)
END
jq '.[1].fingerprint = .[0].fingerprint' tests/golden/full.gitlab.json >"$bad"
holds gitlab "$bad" && { echo "two equal fingerprints go unnoticed"; status=1; }
exit $status
