// SPDX-License-Identifier: MIT
/*
 * shot.js FILE.html OUT.png [SELECTOR] [--dark] [--phone] - a picture of a page from disk, as
 * the documentation has them. With a selector, of that element. Fails if the page is not clean.
 */
"use strict";

const path = require("node:path");
const { run } = require("./harness");

const words = process.argv.slice(2).filter((word) => !word.startsWith("--"));
const has = (option) => process.argv.includes(option);
const [file, out, selector] = words;

run(async ({ open }) => {
	const page = await open(`file://${path.resolve(file)}`, {
		dark: has("--dark"), phone: has("--phone"), viewport: { width: 1120, height: 1400 },
	});

	await (selector ? page.locator(selector).first() : page).screenshot({ path: out });
});
