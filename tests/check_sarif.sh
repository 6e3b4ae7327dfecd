#!/bin/sh
# SPDX-License-Identifier: MIT
# The SARIF and GitLab documents that test_output compares with have the form that their
# specifications ask for: required members, types, values of enumerations, indices that
# point at something.
cd "$(dirname "$0")/.." || exit 1
command -v jq >/dev/null || { echo "jq is not installed: make deps"; exit 77; }
status=0

sarif='
def text: type == "object" and (.text | type == "string" and length > 0);
def uri: type == "string" and test("^[A-Za-z0-9._~:/#%-]+$") and (test("%(?![0-9A-F]{2})") | not);
def time: type == "string" and test("^[0-9-]{10}T[0-9:]{8}[.][0-9]{3}Z$");
def level: IN("none", "note", "warning", "error");
.version == "2.1.0" and (."$schema" | test("sarif-2.1.0")) and (.runs | length == 1) and
(.runs[0] |
 (.tool.driver | (.name | type == "string") and (.version | type == "string")) and
 (.tool.driver.rules | length >= 3 and ([.[].id] | length == (unique | length)) and
  all(.[]; (.id | type == "string") and (.shortDescription | text) and
           (.helpUri | uri and test("^[a-z]+:")) and (.defaultConfiguration.level | level))) and
 (.invocations | length == 1) and
 (.invocations[0] | (.executionSuccessful | type == "boolean") and
  (.startTimeUtc | time) and (.endTimeUtc | time) and
  (.executionSuccessful == (has("toolExecutionNotifications") | not)) and
  all(.toolExecutionNotifications[]?; (.level | level) and (.message | text))) and
 (.originalUriBaseIds.ROOT.uri | endswith("/")) and
 .tool.driver.rules as $rules |
 (.results | type == "array") and
 all(.results[];
  $rules[.ruleIndex].id == .ruleId and (.level | level) and (.message | text) and
  (.message.text | test("(?<!\\\\)[\\[\\]]") | not) and
  (.locations | length == 1) and
  (.locations[0] | (.physicalLocation |
    (.artifactLocation.uri | uri and (startswith("/") | not)) and
    .artifactLocation.uriBaseId == "ROOT" and .region.startLine == 1) and
   ([.logicalLocations[].kind] == ["map", "process"]) and
   all(.logicalLocations[].name; type == "string")) and
  (.partialFingerprints | length == 1 and all(.[]; test("^[0-9a-f]{16}$"))) and
  (.properties | (.evidence | type == "object") and (.since | time) and
   ([.limits | keys[]] - [.evidence | keys[]] == []))))
'

gitlab='
type == "array" and ([.[].fingerprint] | length == (unique | length)) and
all(.[];
 (.description | type == "string" and length > 0) and (.check_name | type == "string") and
 (.fingerprint | test("^[0-9a-f]{24}$")) and
 (.severity | IN("info", "minor", "major", "critical", "blocker")) and
 (.location | (.path | test("^[^/.]")) and .lines.begin == 1))
'

holds() { # program, file
	[ "$(jq "$1" "$2" 2>&1)" = true ]
}

for file in tests/golden/*.sarif; do
	holds "$sarif" "$file" || { echo "$file is no SARIF 2.1.0"; status=1; }
done
for file in tests/golden/*.gitlab.json; do
	holds "$gitlab" "$file" || { echo "$file is no Code Quality report"; status=1; }
done

# What must be refused: the programs can say no.
bad=$(mktemp) || exit 1
trap 'rm -f "$bad"' EXIT
while read -r change; do
	jq "$change" tests/golden/full.sarif >"$bad"
	holds "$sarif" "$bad" && { echo "this change goes unnoticed: $change"; status=1; }
done <<-'END'
	.runs[0].results[0].ruleIndex = 0
	.runs[0].results[1].level = "fatal"
	.runs[0].results[0].message.text = "[x](http://example.org)"
	.runs[0].results[0].locations[0].physicalLocation.artifactLocation.uri = "/a b"
	.runs[0].invocations[0].executionSuccessful = true
	del(.runs[0].tool.driver.rules[0].helpUri)
END
jq '.[1].fingerprint = .[0].fingerprint' tests/golden/full.gitlab.json >"$bad"
holds "$gitlab" "$bad" && { echo "two equal fingerprints go unnoticed"; status=1; }
exit $status
