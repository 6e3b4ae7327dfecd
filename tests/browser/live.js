// SPDX-License-Identifier: MIT
/*
 * live.js URL MAPLOAD TRAPLOAD - the live page of a server with --all, with real processes
 * that this test starts: each appears by itself, and so do a promotion that really happens, a
 * finding, and an end. By keyboard, light and dark, on a desk and on a phone.
 */
"use strict";

const { spawn } = require("node:child_process");
const { run } = require("./harness");

const [url, mapload, trapload] = process.argv.slice(2);
const HOSTILE = "<img src=x onerror=alert(1)>\"&'\u202e";
const children = [];

function start(program, ...args) {
	const child = spawn(program, args, { stdio: "ignore" });

	children.push(child);
	return child;
}

/* A row, by what its name contains. */
const rowOf = (page, name) => page.locator("#rows tr[data-key]").filter({ has: page.locator(".open", { hasText: name }) });
const logOf = (page, text) => page.locator("#log-list li").filter({ hasText: text });

async function clean(page, checks, assert, where) {
	for (const what of ["contrast", "labels", "overflow"])
		assert.deepEqual(await checks[what](page), [], `${where}: ${what}`);
}

async function testHostile(page, assert) {
	const child = start(mapload, "--name", HOSTILE, "--hold-run", "--keys", "10");

	await page.fill("#filter", String(child.pid));
	await rowOf(page, "<img src=x").waitFor();
	await logOf(page, `pid ${child.pid}`).first().waitFor();
	const name = await rowOf(page, "<img src=x").locator(".open").textContent();

	assert.equal(name, "<img src=x onerror=alert(1)>\"&'\\xe2\\x80\\xae.0");
	assert.equal(await page.locator("img").count(), 0);
	child.kill("SIGKILL");
	await logOf(page, `pid ${child.pid}, has ended`).waitFor();
	await rowOf(page, "<img src=x").waitFor({ state: "detached" });
}

async function metric(series) {
	const text = await (await fetch(`${url}/metrics`)).text();
	const line = text.split("\n").find((l) => l.startsWith(`${series} `));

	return line && Number(line.split(" ").pop());
}

async function windows(page, count) {
	const before = await metric("smap_windows_total");

	while (await metric("smap_windows_total") < before + count)
		await page.waitForTimeout(100);
}

async function testPromotion(page, assert) {
	const child = start(mapload, "--name", "live", "--hold-run", "--hold-end", "--mix", "promote", "--keys", "100", "--ops", "5000");

	await page.fill("#filter", String(child.pid));
	await rowOf(page, "live.0").waitFor();
	await windows(page, 8); // filling it promoted, too; after a while that is old
	const before = await logOf(page, "live.0 promoted").count();

	child.kill("SIGUSR1");
	await logOf(page, "live.0 promoted").nth(before).waitFor();
	await windows(page, 2); // the heatmap has it although it is over
	/* By keyboard alone: filter, go there, open. */
	await page.locator("h1").click();
	await page.keyboard.press("/");
	await page.keyboard.press("Control+A");
	await page.keyboard.type("live.0");
	await page.keyboard.press("Escape");
	await page.keyboard.press("j");
	assert.equal(await page.evaluate(() => document.activeElement.textContent), "live.0");
	await page.keyboard.press("Enter");
	await page.locator("#detail-title", { hasText: "live.0" }).waitFor();
	assert.equal(await page.locator("#detail .charts canvas").count(), 6);
	await page.locator("#detail .heat canvas").waitFor();
	const label = `{pid="${child.pid}",comm="mapload",name="live.0"}`;
	const promotions = await metric(`smap_promotions_total${label}`);

	assert(promotions >= 3, `${promotions} promotions`);
	const said = await page.locator("#detail .facts div", { hasText: "lifetime misses / promotions" }).locator("dd").textContent();

	assert.equal(said.split(" / ")[1], String(promotions), "the page and /metrics agree");
	return child;
}

/* By keyboard: where the newest promotion is, and what the cell beside it says. */
async function testHeat(page, assert) {
	const child = start(mapload, "--name", "warm", "--mix", "promote", "--keys", "100", "--rate", "5000", "--seconds", "60");
	const heat = page.locator("#detail .heat");
	const reading = heat.locator("[role=status]");

	await page.fill("#filter", String(child.pid));
	await rowOf(page, "warm.0").click();
	await page.locator("#detail-title", { hasText: "warm.0" }).waitFor();
	await heat.locator("canvas").waitFor();
	await windows(page, 3);
	assert.match(await heat.locator("canvas").getAttribute("aria-label"), /^(About )?[\d,]+ promotions? since .*, of [\d.k]+ – [\d.k]+ entries/);
	await heat.locator("canvas").focus();
	await page.keyboard.press("ArrowLeft");
	await page.waitForFunction((e) => /entries: (about )?[1-9][\d,]* promotion/.test(e.textContent), await reading.elementHandle());
	await page.keyboard.press("p"); // it stands still, and is not in the way of other keys
	await page.locator("#state[data-state=pause]").waitFor();
	const before = await reading.textContent();

	await page.keyboard.press("ArrowUp");
	assert.notEqual(await reading.textContent(), before);
	await page.keyboard.press("ArrowDown");
	assert.equal(await reading.textContent(), before);
	/* One of a map of which nothing has come yet, under a pointer: an error would be heard. */
	await page.evaluate(async () => {
		const { Heat } = await import("./heat.js");
		const box = document.body.appendChild(document.createElement("div"));

		new Heat(box);
		box.querySelector("canvas").dispatchEvent(new PointerEvent("pointermove", { clientX: 5, clientY: 5 }));
		box.remove();
	});
	assert(await heat.locator("canvas").evaluate((canvas) => {
		const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);

		return new Set(new Uint32Array(data.buffer)).size;
	}) > 3, "cells in several colours");
	await page.keyboard.press("p");
	await page.locator("#state[data-state=live]").waitFor();
	await page.keyboard.press("Escape");
	child.kill("SIGKILL");
	await page.fill("#filter", "");
}

async function testClose(page, assert, child) {
	await page.keyboard.press("Escape");
	await page.locator("#detail").waitFor({ state: "hidden" });
	assert.equal(await page.evaluate(() => document.activeElement.textContent), "live.0", "the focus is back");
	await page.fill("#filter", "");
	child.kill("SIGKILL");
	await rowOf(page, "live.0").waitFor({ state: "detached" });
}

async function testPause(page, assert) {
	await page.keyboard.press("Escape");
	await page.locator("h1").click();
	await page.keyboard.press("p");
	await page.locator("#state[data-state=pause]").waitFor();
	const before = await page.locator("#totals").textContent();

	await windows(page, 3);
	assert.equal(await page.locator("#totals").textContent(), before, "paused, and yet it changed");
	await page.keyboard.press("p");
	await page.locator("#state[data-state=live]").waitFor();
	await page.waitForFunction((text) => document.getElementById("totals").textContent !== text, before);
}

async function testFinding(page, assert) {
	const child = start(trapload, "starvation-canonical", "--seconds", "60");
	const card = page.locator("#findings .finding", { hasText: `pid ${child.pid}` });

	await card.waitFor();
	assert.match(await card.textContent(), /write-starvation in suspect/);
	assert.match(await card.textContent(), /What to do: /);
	await card.locator("summary").first().click();
	assert(await card.locator(".evidence tr").count() >= 3);
	await page.fill("#filter", String(child.pid)); // others may use the machine, too
	await rowOf(page, "suspect").locator(".badge", { hasText: "write-starvation" }).first().waitFor();
	await card.locator("button.link").click();
	await page.locator("#detail .finding").first().waitFor();
	/* Where it comes from: folded, and an opened one stays open. */
	const stack = page.locator("#detail > div .stack").first();

	await stack.locator("summary").click();
	await windows(page, 3);
	assert.match(await stack.locator("li").first().textContent(), /\w/);
	assert(await stack.locator("ol").isVisible());
	return child;
}

/* As many stacks as a window may have, again and again: those seen stay, and open ones open. */
async function testManyStacks(page, assert) {
	const [opened, first, count] = await page.evaluate(async () => {
		const { Stacks } = await import("/stacks.js");
		const into = document.createElement("div");
		const stacks = new Stacks(into);
		const some = (from, to) => Array.from({ length: to - from }, (_, i) =>
			({ kind: "miss", count: 1, ns: 0, frames: [{ function: `f${from + i}` }] }));

		stacks.update(some(0, 80));
		into.firstChild.open = true;
		for (let i = 80; i < 1000; i += 80)
			stacks.update([...some(0, 1), ...some(i, i + 79)]);
		return [into.querySelectorAll("[open]").length, into.firstChild.textContent, into.children.length];
	});

	assert.equal(opened, 1);
	assert.match(first, /from f0/);
	assert(count <= 100, `${count} stacks`);
}

run(async ({ open, assert, checks }) => {
	try {
		const page = await open(url);

		await page.locator("#state[data-state=live]").waitFor();
		await testHostile(page, assert);
		const child = await testPromotion(page, assert);

		await clean(page, checks, assert, "a map, light");
		await testClose(page, assert, child);
		await testHeat(page, assert);
		await testPause(page, assert);
		await testManyStacks(page, assert);
		const trapped = await testFinding(page, assert);

		await clean(page, checks, assert, "a finding, light");
		await page.close();
		const phone = await open(url, { dark: true, phone: true });

		await phone.locator("#findings .finding.warning, #findings .finding.error").first().waitFor();
		await phone.fill("#filter", String(trapped.pid));
		await rowOf(phone, "suspect").first().waitFor();
		await clean(phone, checks, assert, "a finding, dark, phone");
		await rowOf(phone, "suspect").first().click();
		await phone.locator("#detail canvas").first().waitFor();
		await clean(phone, checks, assert, "a map, dark, phone");
	} finally {
		for (const child of children)
			child.kill("SIGKILL");
	}
});
