/* SPDX-License-Identifier: MIT */
/*
 * assets.h - files in the program itself: those of the live page and those of the HTML
 * report. The table is made when the program is built: user/assets.sh, of user/web/,
 * user/html/ and of uPlot from npm.
 */
#ifndef ASSETS_H
#define ASSETS_H

#include <stddef.h>

struct asset {
	const char *path;   /* "/page.js": what a server hands out; without the slash it does not */
	const char *type;   /* MIME */
	const char *sha256; /* base64, as a Content-Security-Policy wants it */
	const unsigned char *bytes;
	size_t len;
};

extern const struct asset assets[]; /* NULL-ended by path */

const struct asset *asset_find(const char *path); /* NULL = there is none */

#endif
