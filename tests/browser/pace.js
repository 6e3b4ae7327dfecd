// SPDX-License-Identifier: MIT
/*
 * pace.js URL N - how the live page answers with N maps named many.* that all do something: what
 * a window keeps the page busy for, and how long a key takes until what it did is painted.
 * Prints a row of a table (tests/bench/page.sh); passes no judgement.
 */
"use strict";

const { run } = require("./harness");

const [url, maps] = process.argv.slice(2);
const SECONDS = 15;
const KEYS = 40;

const middle = (list) => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)];
const ms = (list) => (list.length ? `${middle(list).toFixed(0)} / ${Math.max(...list).toFixed(0)} ms` : "none");

/* Runs in the page. Tasks of 50 ms or more, as the browser sees them. */
function watchTasks() {
	globalThis.tasks = [];
	new PerformanceObserver((list) => globalThis.tasks.push(...list.getEntries().map((e) => e.duration))).observe({ type: "longtask" });
}

/* Runs in the page. From the event to the frame after the one that shows it. */
function watchKeys() {
	globalThis.painted = [];
	addEventListener("keydown", (event) => requestAnimationFrame(() => {
		const channel = new MessageChannel();

		channel.port1.onmessage = () => globalThis.painted.push(performance.now() - event.timeStamp);
		channel.port2.postMessage(null);
	}), true);
}

run(async ({ open, assert }) => {
	const page = await open(url);
	const rows = () => page.evaluate(() => document.querySelectorAll("#rows tr[data-key]").length);
	const nodes = () => page.evaluate(() => document.querySelectorAll("*").length);

	await page.waitForFunction((n) => document.getElementById("table").getAttribute("aria-rowcount") === String(n + 1), Number(maps));
	await page.evaluate(watchTasks);
	await page.waitForTimeout(SECONDS * 1000);
	const tasks = await page.evaluate(() => globalThis.tasks.splice(0));

	await page.evaluate(watchKeys);
	for (let i = 0; i < KEYS; i++) {
		await page.keyboard.press("j");
		await page.waitForFunction((n) => globalThis.painted.length > n, i);
	}
	const keys = await page.evaluate(() => globalThis.painted.splice(0));

	await page.keyboard.press("s"); // another order of all maps
	await page.waitForFunction(() => globalThis.painted.length > 0);
	const sort = await page.evaluate(() => globalThis.painted.splice(0));

	assert.equal(keys.length, KEYS);
	console.log(`| ${maps} | ${await rows()} | ${await nodes()} | ${tasks.length} in ${SECONDS} s, ${ms(tasks)} | ${ms(keys)} | ${sort[0].toFixed(0)} ms |`);
});
