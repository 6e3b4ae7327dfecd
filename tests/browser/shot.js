// SPDX-License-Identifier: MIT
/*
 * shot.js PAGE OUT.png [SELECTOR] [--dark] [--phone] [--open NAME] - a picture of a page, a file
 * or a URL, as the documentation has them. With a selector, of that element; with a name, of
 * the live page with that map open. Fails if the page is not clean.
 */
"use strict";

const path = require("node:path");
const { run } = require("./harness");

const { parseArgs } = require("node:util");

const { values, positionals } = parseArgs({
	allowPositionals: true,
	options: { dark: { type: "boolean" }, phone: { type: "boolean" }, open: { type: "string" } },
});
const [place, out, selector] = positionals;
const live = place.startsWith("http:");
const FILLING_MS = 5000; // so that there is something in the charts

run(async ({ open }) => {
	const page = await open(live ? place : `file://${path.resolve(place)}`, {
		dark: values.dark, phone: values.phone, viewport: { width: 1120, height: live ? 900 : 1400 },
	});

	if (live)
		await page.locator("#rows tr[data-key]").first().waitFor();
	if (values.open) {
		await page.locator("#rows .open", { hasText: values.open }).first().click();
		await page.waitForTimeout(FILLING_MS);
	}

	await (selector ? page.locator(selector).first() : page).screenshot({ path: out, ...(live && !selector && { fullPage: true }) });
});
