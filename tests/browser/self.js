// SPDX-License-Identifier: MIT
/* The checks find what is wrong with broken.html, and the guard stops its requests. */
"use strict";

const path = require("node:path");
const { run, assert } = require("./harness");

const url = `file://${path.join(__dirname, "broken.html")}`;

async function main() {
	await run(async ({ open, checks }) => {
		const page = await open(url, { allow: [/./] });
		const contrast = await checks.contrast(page);
		const labels = await checks.labels(page);
		const overflow = await checks.overflow(page);

		assert.equal(contrast.length, 2, contrast.join("\n"));
		for (const what of ["language", "title", "main", "no name: <button", "no name: <input",
			"no alt", "no name: <canvas", "tabindex above 0", "id twice", "heading of level 4",
			"names nothing"])
			assert(labels.some((l) => l.includes(what)), `${what} was not found in:\n${labels.join("\n")}`);
		assert.equal(overflow.length, 1);
	});
	/* Its request for an image elsewhere makes the run fail: exactly that is wanted. */
	assert.equal(process.exitCode, 1, "a request that leaves the machine was not reported");
	process.exitCode = 0;
}

main();
