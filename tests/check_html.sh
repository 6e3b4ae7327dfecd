#!/bin/bash
# SPDX-License-Identifier: MIT
# The pages of tests/golden, whole: well-formed, by their own policy nothing but their own style
# and script runs, nothing points outside, the data inside is that of the JSON output, and
# what a check of accessibility can tell without a browser.
set -eu
cd "$(dirname "$0")/.."
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
page='' status=0

bad() { echo "$page: $*" >&2; status=1; }

# Between the first line that ends in tag $1 and its end, as bytes.
inside() { # tag, file
	perl -0777 -ne 'print $1 if m{<'"$1"'>(.*?)</'"$1"'>}s' "$2"
}
hash_of() { openssl dgst -sha256 -binary | base64; }
data_of() { # file
	perl -0777 -ne 'print $1 if m{<script type="application/jsonl" id="data">\n(.*?)</script>}s' "$1"
}
sections() { # file without style and script
	xmllint --xpath '//main/section/@id' "$1" | tr -d '"' | sed 's/.*=//' | tr '\n' ' '
}
none() { # what, xpath
	local found
	found=$(xmllint --xpath "$2" "$tmp/page.xml" 2>/dev/null) || return 0 # nothing there
	bad "$1: $(head -c 300 <<<"$found")"
}

check_page() { # file, JSON file
	local csp
	page=$1
	# What is between <style> and <script> is no markup.
	perl -0777 -pe 's{(<(style|script)[^>]*>).*?(</\2>)}{$1$3}sg' "$1" >"$tmp/page.xml"
	xmllint --noout "$tmp/page.xml" || bad "not well-formed"
	csp=$(xmllint --xpath 'string(//meta[@http-equiv="Content-Security-Policy"]/@content)' "$tmp/page.xml")
	[[ $csp == "default-src 'none'; "* ]] || bad "policy: $csp"
	[[ $csp == *"style-src 'sha256-$(inside style "$1" | hash_of)';"* ]] || bad "hash of the style"
	[[ $csp == *"script-src 'sha256-$(inside script "$1" | hash_of)';"* ]] || bad "hash of the script"
	[[ $csp != *unsafe* && $csp != *http* ]] || bad "policy: $csp"
	none "event handlers" '//@*[starts-with(name(),"on")]'
	none "styles in attributes" '//@style'
	none "a way out" '//@href[not(starts-with(.,"#"))] | //@src | //@action | //@data | //iframe | //form'
	none "text of a target as markup" '//b[not(parent::figcaption)]'
	none "links to nothing" '//a[not(substring(@href,2)=//@id)]/@href'
	none "an id twice" '//@id[.=../following::*/@id]'
	none "a picture without a name" '//svg[not(ancestor::svg) and not(@aria-label) and not(@aria-hidden="true")]'
	none "a header without a scope" '//th[not(@scope)]'
	none "a region without a name" '//*[@role="region" and not(@aria-label and @tabindex)]'
	[[ $(sections "$tmp/page.xml") =~ ^findings\ maps\ (details\ )?timeline\ environment\ $ ]] ||
		bad "other sections, or another order: $(sections "$tmp/page.xml")"
	none "a chart before the evidence" \
		'//*[contains(@class,"plot") or @class="time"][following::section[@id="findings" or @id="maps"]]'
	[ "$(xmllint --xpath 'count(//h1)' "$tmp/page.xml")" = 1 ] || bad "not one h1"
	data_of "$1" >"$tmp/data"
	! grep -q -e '<' -e $'\xe2\x80[\xa8\xa9]' "$tmp/data" || bad "data that a script could end in"
	# A finding is as it stands at the end, there as it was when it was new.
	jq -cS 'select(.type != "window") | if .type == "finding" then del(.until, .stack) else . end' \
		"$tmp/data" | sort -u >"$tmp/ours"
	jq -cS 'select(.type != "window") | if .type == "finding" then del(.until, .stack) else . end' \
		"$2" | sort -u >"$tmp/theirs"
	[ -s "$tmp/ours" ] || bad "no data"
	cmp -s "$tmp/ours" "$tmp/theirs" || bad "other data than -f json"
}

self_test() { # each of these spoils the page
	local spoil
	while read -r spoil; do
		perl -0777 -pe "$spoil" "$tmp/full.html" >"$tmp/spoilt.html"
		cmp -s "$tmp/spoilt.html" "$tmp/full.html" && { echo "self-test: no change: $spoil" >&2; exit 1; }
		(check_page "$tmp/spoilt.html" "$tmp/full.json"; exit $status) 2>/dev/null &&
			{ echo "self-test: not noticed: $spoil" >&2; exit 1; }
	done <<-'END'
		s{</main>}{}
		s{<style>}{<style> }
		s{\n</script>\n</body>}{ \n</script>\n</body>}
		s{<main>}{<main onclick="x">}
		s{<main>}{<main style="x">}
		s{href="#maps"}{href="https://example.org"}
		s{<section id="maps"}{<section id="other"}
		s{(<section id="findings".*?</section>)(.*)(<section id="timeline".*?</section>)}{$1$3$2}s
		s{<td>4000</td>}{<td><b>4000</b></td>}
		s{aria-label="promotions}{title="promotions}
		s{"misses":2000}{"misses":2001}
		s{"sessions"}{"<sessions"}
	END
	true
}

WHOLE_TO=$tmp "${O:-.output}/tests/test_output" >"$tmp/test" 2>&1 || { cat "$tmp/test"; exit 1; }
self_test
for scenario in empty idle full hostile; do
	check_page "$tmp/$scenario.html" "$tmp/$scenario.json"
done
exit $status
