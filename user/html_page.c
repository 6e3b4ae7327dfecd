/* SPDX-License-Identifier: MIT */
/*
 * html_page.c - see html_page.h. Model: the style sheet and the script of user/html/ are in
 * the binary as they are, and go into the page as they are: the hashes that the policy has
 * of them (assets.h) are only good for these very bytes.
 */
#include "html_page.h"

#include <assert.h>
#include <string.h>
#include "assets.h"
#include "markup.h"

static const struct asset *part(const char *name)
{
	const struct asset *asset = asset_find(name);

	assert(asset); /* the Makefile puts it there */
	return asset;
}

void html_begin(struct sink *sink, const char *title)
{
	const struct asset *css = part("report.css"), *js = part("report.js");

	sink_printf(sink,
		    "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n"
		    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
		    "style-src 'sha256-%s'; script-src 'sha256-%s'; "
		    "base-uri 'none'; form-action 'none'\"/>\n"
		    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n"
		    "<meta name=\"referrer\" content=\"no-referrer\"/>\n"
		    "<meta name=\"color-scheme\" content=\"light dark\"/>\n<title>",
		    css->sha256, js->sha256);
	markup_put(sink, title);
	sink_puts(sink, "</title>\n<style>");
	sink_write(sink, css->bytes, css->len);
	sink_puts(sink, "</style>\n</head>\n<body>\n");
}

/*
 * '<' stands only in strings of JSON, and so do U+2028 and U+2029, which older readers of
 * scripts take for the end of a line: as \u escapes they are the same strings.
 */
void html_data(struct sink *sink, const char *json, size_t len)
{
	static const char separator[] = "\xe2\x80"; /* then a8 or a9 */
	const char *end = json + len, *from = json;

	sink_puts(sink, "<script type=\"application/jsonl\" id=\"data\">\n");
	for (const char *c = json; c < end; c++) {
		bool line = end - c >= 3 && memcmp(c, separator, 2) == 0 &&
			    (c[2] == '\xa8' || c[2] == '\xa9');

		if (*c != '<' && !line)
			continue;
		sink_write(sink, from, (size_t)(c - from));
		sink_puts(sink, !line ? "\\u003c" : c[2] == '\xa8' ? "\\u2028" : "\\u2029");
		c += line ? 2 : 0;
		from = c + 1;
	}
	sink_write(sink, from, (size_t)(end - from));
	sink_puts(sink, "</script>\n");
}

void html_end(struct sink *sink)
{
	const struct asset *js = part("report.js");

	sink_puts(sink, "<script>");
	sink_write(sink, js->bytes, js->len);
	sink_puts(sink, "</script>\n</body>\n</html>\n");
}
