/* SPDX-License-Identifier: MIT */
/*
 * html_page.c - see html_page.h. Model: user/html/report.css and report.js are in the
 * binary as they are, and go into the page as they are: their hashes, made by the
 * Makefile, are only good for these very bytes.
 */
#include "html_page.h"

#include <string.h>
#include "html_hash.gen.h"
#include "markup.h"

#define ASSET(name, file)                                                                          \
	__asm__(".pushsection .rodata\n"                                                           \
		".global html_" #name "\n"                                                         \
		".global html_" #name "_end\n"                                                     \
		"html_" #name ":\n"                                                                \
		".incbin \"" file "\"\n"                                                           \
		"html_" #name "_end:\n"                                                            \
		".popsection\n");                                                                  \
	extern const char html_##name[] __attribute__((visibility("hidden")));                     \
	extern const char html_##name##_end[] __attribute__((visibility("hidden")))

ASSET(css, "user/html/report.css");
ASSET(js, "user/html/report.js");

void html_begin(struct sink *sink, const char *title)
{
	sink_puts(sink,
		  "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n"
		  "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
		  "style-src 'sha256-" HTML_CSS_HASH "'; script-src 'sha256-" HTML_JS_HASH "'; "
		  "base-uri 'none'; form-action 'none'\"/>\n"
		  "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n"
		  "<meta name=\"referrer\" content=\"no-referrer\"/>\n"
		  "<meta name=\"color-scheme\" content=\"light dark\"/>\n<title>");
	markup_put(sink, title);
	sink_puts(sink, "</title>\n<style>");
	sink_write(sink, html_css, (size_t)(html_css_end - html_css));
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
	sink_puts(sink, "<script>");
	sink_write(sink, html_js, (size_t)(html_js_end - html_js));
	sink_puts(sink, "</script>\n</body>\n</html>\n");
}
