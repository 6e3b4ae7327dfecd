#!/bin/bash
# SPDX-License-Identifier: MIT
# The pictures in the docs are well-formed, reach for nothing outside and show the view; and
# screen.js, which draws them, keeps text text.
cd "$(dirname "$0")/.." || exit 1
status=0
bad() {
	echo "$*" >&2
	status=1
}
# The text of each row, as a reader sees it.
words() { xmllint --xpath '//*[local-name()="text"]/text()' - 2>/dev/null | tr '\n' ' '; }

for picture in docs/terminal-*.svg; do
	xmllint --noout --nonet "$picture" || bad "$picture is not well-formed"
	grep -qE '<(script|image|use|foreignObject|a)\b|href|@import|url\(' "$picture" &&
		bad "$picture reaches for something"
	words <"$picture" | grep -q smaptrace || bad "$picture does not show the view"
	grep -q "(${picture#docs/})" docs/terminal.md || bad "docs/terminal.md does not show $picture"
done
for picture in docs/*.png; do
	[ "$(head -c 4 "$picture" | tail -c 3)" = PNG ] || bad "$picture is no PNG"
	grep -q "(${picture#docs/})" docs/*.md || bad "no page of docs shows $picture"
done
[ -f docs/serve.png ] || bad "there is no picture of the live page: make pictures"
[ -f docs/terminal-list.svg ] || bad "there are no pictures: make pictures"

got=$(printf '\033[1m<b>\033[0m &amp; "q" \033[38;5;203mred\033[39m \033[7mrev\n' | node tests/screen.js 40)
[ "$(words <<<"$got")" = '&lt;b&gt; &amp;amp; "q" red rev ' ] || bad "text was not kept: $got"
grep -q 'font-weight="bold">&lt;b&gt;' <<<"$got" || bad "bold was lost: $got"
grep -q 'fill="#ff5f5f"[^>]*>red' <<<"$got" || bad "a colour was lost: $got"
grep -q '<rect [^>]*fill="#d8dee9"' <<<"$got" || bad "reverse was lost: $got"
for hostile in '\033]0;title\007' '\033[2J' '\033[5m' 'a\010b'; do
	printf "$hostile" | node tests/screen.js 40 >/dev/null 2>&1 &&
		bad "this was drawn: $hostile"
done
exit $status
