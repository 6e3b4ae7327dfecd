#!/bin/sh
# SPDX-License-Identifier: MIT
# The JUnit documents that test_output compares with are valid by the schema, and what
# their head counts is in them.
cd "$(dirname "$0")/.." || exit 1
command -v xmllint >/dev/null || { echo "xmllint is not installed: make deps"; exit 77; }
status=0

complain() {
	echo "$1"
	status=1
}

for file in tests/golden/*.junit.xml; do
	xmllint --nonet --noout --schema tests/fixtures/junit.xsd "$file" 2>&1 |
		grep -qx "$file validates" || complain "$file is not valid by tests/fixtures/junit.xsd"
	for pair in tests:testcase failures:failure errors:error; do
		head=$(xmllint --xpath "number(//testsuite/@${pair%:*})" "$file")
		found=$(xmllint --xpath "count(//${pair#*:})" "$file")
		[ "$head" = "$found" ] ||
			complain "$file says $head ${pair%:*}, but has $found ${pair#*:}"
	done
	twice=$(grep -o '<testcase[^>]*>' "$file" | sed 's/ time="[^"]*"//; s,/>$,>,' | sort | uniq -d | head -n 1)
	[ -z "$twice" ] || complain "$file has two cases of one name: $twice"
	whole=$(xmllint --xpath "number(//testsuite/@time)" "$file")
	sum=$(xmllint --xpath "sum(//testcase/@time)" "$file")
	[ "$whole" = "$sum" ] || complain "$file lasts $whole s, its cases $sum s"
done

# What must be refused: the schema can say no.
bad=$(mktemp) || exit 1
trap 'rm -f "$bad"' EXIT
for broken in 's/ failures="[0-9]*"//' 's/<system-err>.*<.system-err>//' 's/T\([0-9:]*\)"/T\1Z"/' \
	's/classname="[^"]*"/classname=""/' 's/<failure type="[^"]*"/<failure/'; do
	sed "$broken" tests/golden/full.junit.xml >"$bad"
	xmllint --nonet --noout --schema tests/fixtures/junit.xsd "$bad" 2>/dev/null &&
		complain "the schema lets pass: $broken"
done
exit $status
