// SPDX-License-Identifier: MIT
/*
 * harness.js - a page in a real browser: Debian's chromium through playwright-core.
 *
 *	const { run, checks } = require("./harness");
 *	run(async ({ open, assert }) => {
 *		const page = await open(url, { dark: true, phone: true });
 *		...
 *	});
 *
 * Whatever a test looks for, it also fails when a page it opened wrote an error to the
 * console, threw, or asked for anything that is not of the page's own origin (or, for a page
 * from disk, for anything at all but that file): such requests are stopped and reported.
 */
"use strict";

const assert = require("node:assert/strict");
const path = require("node:path");
const checks = require("./checks");

const modules = path.resolve(process.env.O || ".output", "browser/node_modules");
const { chromium } = require(path.join(modules, "playwright-core"));

const PHONE = { width: 390, height: 844 };
const DESK = { width: 1280, height: 800 };
const PATIENCE_MS = 90000; // the machine may be loaded; nothing waits that long in vain

/* Every request but those of the page itself ends here. */
async function guard(context, url, faults) {
	const own = new URL(url);

	await context.route("**/*", (route) => {
		const asked = new URL(route.request().url());
		const ours = own.protocol === "file:"
			? asked.href.split("#")[0] === own.href.split("#")[0]
			: asked.origin === own.origin;

		if (ours || asked.protocol === "data:" || asked.protocol === "blob:")
			return route.continue();
		faults.push(`asked for ${asked.href}`);
		return route.abort();
	});
}

function listen(page, faults, allowed) {
	const fault = (text) => {
		if (!allowed.some((pattern) => pattern.test(text)))
			faults.push(text);
	};

	page.on("console", (message) => {
		if (["error", "warning"].includes(message.type()))
			fault(`console: ${message.text()} (${message.location().url})`);
	});
	page.on("pageerror", (error) => fault(`exception: ${error.stack}`));
	page.on("crash", () => fault("the page crashed"));
}

/* options: dark, phone, allow (patterns of console messages that are wanted), reducedMotion */
async function openPage(browser, url, options, faults) {
	const context = await browser.newContext({
		viewport: options.phone ? PHONE : options.viewport || DESK,
		colorScheme: options.dark ? "dark" : "light",
		reducedMotion: options.reducedMotion ? "reduce" : "no-preference",
		deviceScaleFactor: options.scale || 1,
		serviceWorkers: "block",
	});
	const page = await context.newPage();

	page.setDefaultTimeout(PATIENCE_MS);
	await guard(context, url, faults);
	listen(page, faults, options.allow || []);
	await page.goto(url, { waitUntil: "domcontentloaded" });
	return page;
}

/* Runs the test in a browser of its own; exit status 0 when it and all pages were clean. */
async function run(test) {
	const faults = [];
	let browser;

	try {
		browser = await chromium.launch({
			executablePath: process.env.CHROMIUM || "/usr/bin/chromium",
			args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
				"--no-proxy-server", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"],
		});
		await test({
			assert,
			checks,
			open: (url, options = {}) => openPage(browser, url, options, faults),
		});
		assert.deepEqual(faults, [], "the page was not clean");
	} catch (error) {
		console.error(error.stack || String(error));
		for (const fault of faults)
			console.error(`fault: ${fault}`);
		process.exitCode = 1;
	} finally {
		if (browser)
			await browser.close();
	}
}

module.exports = { run, checks, assert };
