/* SPDX-License-Identifier: MIT */
/*
 * web_assets.h - the files of the live page, in the program itself. The table is made
 * when the program is built: user/web/embed.sh, of user/web/ and of uPlot from npm.
 */
#ifndef WEB_ASSETS_H
#define WEB_ASSETS_H

#include <stddef.h>

struct web_asset {
	const char *path; /* of the request: "/page.js" */
	const char *type; /* MIME */
	const unsigned char *bytes;
	size_t len;
};

extern const struct web_asset web_assets[]; /* NULL-ended by path */

#endif
