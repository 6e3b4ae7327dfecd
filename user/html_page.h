/* SPDX-License-Identifier: MIT */
/*
 * html_page.h - the frame of the HTML report: head, styles, policy, data, script. One file
 * that asks for nothing: no network, no other file.
 *
 * The policy (Content-Security-Policy in a <meta>) lets in exactly our style sheet and our
 * script, by their SHA-256. So there is no style="" and no on...="" anywhere: what
 * charts need is in attributes of SVG.
 */
#ifndef HTML_PAGE_H
#define HTML_PAGE_H

#include "report.h"
#include "sink.h"

/* Up to and with <body>. The title is safe text. */
void html_begin(struct sink *sink, const char *title);
/* JSON lines, inert and safe inside <script>: nothing in them ends it. */
void html_data(struct sink *sink, const char *json, size_t len);
/* The script, and the end. */
void html_end(struct sink *sink);

#endif
