// SPDX-License-Identifier: MIT
/*
 * many.js URL N - the live page with N maps, named many.0 to many.(N-1): as many rows in the
 * page as fit into the window, all of them within reach.
 */
"use strict";

const { run } = require("./harness");

const [url, count] = process.argv.slice(2);
const ROWS_MAX = 60;

run(async ({ open, assert, checks }) => {
	const page = await open(url);
	const rows = page.locator("#rows tr[data-key]");
	const shown = () => page.evaluate(() => document.querySelectorAll("#rows tr[data-key]").length);

	await page.waitForFunction((n) => document.getElementById("table").getAttribute("aria-rowcount") === String(n + 1), Number(count));
	assert(await shown() <= ROWS_MAX, `${await shown()} rows`);
	await page.fill("#filter", "many.777");
	await page.waitForFunction(() => document.querySelectorAll("#rows tr[data-key]").length === 1);
	assert.equal(await rows.locator(".open").textContent(), "many.777");
	assert.equal(await page.locator("#shown").textContent(), `1 of ${count}`);
	await page.fill("#filter", "");
	await page.locator("th.c-name button").click(); // by name, ascending
	await rows.first().locator(".open", { hasText: /^many\.0$/ }).waitFor();
	await page.evaluate(() => scrollTo(0, document.getElementById("log").offsetTop - innerHeight));
	await rows.locator(".open", { hasText: `many.${count - 1}` }).waitFor();
	assert(await shown() <= ROWS_MAX, `${await shown()} rows at the end`);
	const elements = await page.evaluate(() => document.querySelectorAll("*").length);

	assert(elements < 5000, `${elements} elements`);
	assert.deepEqual(await checks.overflow(page), []);
	await rows.last().hover(); // another background
	assert.deepEqual(await checks.contrast(page), []);
});
