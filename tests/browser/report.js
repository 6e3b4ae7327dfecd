// SPDX-License-Identifier: MIT
/*
 * report.js FOLDER - the HTML reports of test_output there, from disk: its own style and script
 * run under its own policy, nothing is asked for, names stay text, it can be read in light,
 * dark, on a phone and on paper, by pointer and by keyboard.
 */
"use strict";

const path = require("node:path");
const { run } = require("./harness");

const golden = (name) => `file://${path.resolve(process.argv[2], name)}.html`;

async function readable(name, options, { open, checks, assert }) {
	const page = await open(golden(name), options);
	const complaints = [
		...await checks.contrast(page), ...await checks.labels(page), ...await checks.overflow(page),
	];

	assert.deepEqual(complaints, [], `${name} ${JSON.stringify(options)}`);
	await page.context().close();
}

async function full({ open, assert }) {
	const page = await open(golden("full"));
	const first = page.locator("main section").first();

	assert.equal(await page.locator("h1").textContent(), "Trap found");
	assert.equal(await first.getAttribute("id"), "findings");
	assert.deepEqual(await page.locator("nav a").allInnerTexts(),
		["Findings", "Maps", "Details", "Timeline", "Environment"]);
	assert.match(await first.locator("h3").first().innerText(), /^ERROR write-starvation in sessions$/);
	assert.notEqual(await page.evaluate(() => getComputedStyle(document.body).maxWidth), "none",
		"the style was refused");
	const box = await page.locator("svg.plot").first().boundingBox();

	assert(box.width > 100 && box.height > 10, "a chart has no size");

	// The timeline leads to the evidence.
	await page.locator("#timeline table.time a").first().click();
	assert.match(page.url(), /#finding-1$/);
	assert.equal(await page.locator("#finding-1 h3").innerText(), "WARNING read-diffusion in sessions");

	// The table: by pointer and by keyboard.
	const head = page.locator("table.maps thead th").filter({ hasText: "misses" });

	await head.locator("button").click();
	assert.equal(await head.getAttribute("aria-sort"), "descending");
	await head.locator("button").press("Enter");
	assert.equal(await head.getAttribute("aria-sort"), "ascending");

	// A chart.
	const figure = page.locator("figure.chart").filter({ hasText: "misses per second" }).first();

	await figure.locator("svg.plot").focus();
	await page.keyboard.press("ArrowRight");
	assert.match(await figure.locator("output").textContent(), /at 0 s: [\d.]+ 1\/s/);
	await page.keyboard.press("ArrowRight");
	assert.match(await figure.locator("output").textContent(), /at 1 s: /);
	await figure.locator("svg.plot").hover({ position: { x: 5, y: 5 } });
	assert.match(await figure.locator("output").textContent(), /at 0 s: /);

	// A flame graph: a frame that is not the whole becomes it, and the root brings all back.
	const branching = await page.locator("svg.flame").evaluateAll((all) => all.findIndex((flame) =>
		[...flame.children].some((frame) => parseFloat(frame.getAttribute("width")) < 99)));

	assert(branching >= 0, "no frame to zoom into");
	const frames = page.locator("svg.flame").nth(branching).locator("svg");
	const widths = () => frames.evaluateAll((all) => all.map((f) => f.getAttribute("width")));
	const before = await widths();
	const narrow = before.findIndex((width) => parseFloat(width) < 99);

	await frames.nth(narrow).click();
	assert.equal(parseFloat((await widths())[narrow]), 100);
	await frames.first().click();
	assert.deepEqual((await widths()).map(parseFloat), before.map(parseFloat));

	// On paper everything is open.
	await page.evaluate(() => document.querySelectorAll("details").forEach((d) => { d.open = false; }));
	await page.evaluate(() => window.dispatchEvent(new Event("beforeprint")));
	assert.equal(await page.locator("details:not([open])").count(), 0);
	await page.emulateMedia({ media: "print" });
	assert(!await page.locator("nav").isVisible());
	assert((await page.pdf()).length > 10000);
}

async function hostile({ open, assert }) {
	const page = await open(golden("hostile"));
	const names = await page.locator("h3 code").allTextContents();

	assert(names.length > 0);
	for (const name of names)
		assert(name.startsWith('\\x1b[2J"q"\\x5c<b>&\'\\x0d\\x0a\\xff\u00fc'), name);
	assert.equal(await page.locator("b:not(figcaption b)").count(), 0);
	const lines = await page.evaluate(() => document.getElementById("data").textContent.trim()
		.split("\n").map((line) => JSON.parse(line)));

	assert.equal(lines[0].type, "header");
	assert(lines.some((line) => line.name?.includes("<b>&'\r\n")));
	assert.equal(lines.at(-1).type, "end");

	// What markup would do if it got through: nothing, and the browser says so.
	const refused = await page.evaluate(() => new Promise((resolve) => {
		document.addEventListener("securitypolicyviolation", (event) => resolve(event.violatedDirective));
		setTimeout(() => resolve("nothing was refused"), 5000);
		document.body.insertAdjacentHTML("beforeend", "<p style='color:red'>x</p><img src=x onerror='window.bad=1'>");
	}));

	assert.match(refused, /^(style-src|img-src|script-src)/);
	assert.equal(await page.evaluate(() => window.bad), undefined);
}

(async () => {
	await run(async (tools) => {
		await readable("empty", {}, tools);
		for (const options of [{}, { dark: true }, { phone: true }])
			await readable("full", options, tools);
		await readable("hostile", { phone: true, dark: true }, tools);
		await full(tools);
	});
	// Its last part provokes what the harness takes for a fault.
	await run((tools) => hostile({
		...tools, open: (url) => tools.open(url, { allow: [/Content Security Policy/] }),
	}));
})();
