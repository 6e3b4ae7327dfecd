// SPDX-License-Identifier: MIT
/*
 * checks.js - what makes a page readable and usable for everybody, checked in the page
 * itself. Each function returns a list of complaints; an empty one is good.
 *
 *	contrast   text against what is behind it: 4.5 to 1, large text 3 to 1 (WCAG 1.4.3)
 *	labels     everything that can be used or looked at has a name; language, title, headings
 *	overflow   nothing makes the page wider than the window
 */
"use strict";

/* Runs in the page. */
function contrastInPage() {
	const parse = (text) => {
		const n = (text.match(/[\d.]+/g) || []).map(Number);

		return text.startsWith("rgb") ? { r: n[0], g: n[1], b: n[2], a: n[3] ?? 1 } : null;
	};
	const over = (top, under) => ({
		r: top.r * top.a + under.r * (1 - top.a),
		g: top.g * top.a + under.g * (1 - top.a),
		b: top.b * top.a + under.b * (1 - top.a),
		a: 1,
	});
	const luminance = ({ r, g, b }) => {
		const [x, y, z] = [r, g, b].map((v) => {
			const c = v / 255;

			return c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
		});

		return 0.2126 * x + 0.7152 * y + 0.0722 * z;
	};
	const dark = matchMedia("(prefers-color-scheme: dark)").matches;
	const canvas = dark ? { r: 18, g: 18, b: 18, a: 1 } : { r: 255, g: 255, b: 255, a: 1 };
	const behind = (element) => {
		const layers = [];

		for (let e = element; e; e = e.parentElement) {
			const color = parse(getComputedStyle(e).backgroundColor);

			if (color && color.a > 0)
				layers.push(color);
			if (color && color.a === 1)
				break;
		}
		return layers.reverse().reduce((under, top) => over(top, under), canvas);
	};
	const opacity = (element) => {
		let all = 1;

		for (let e = element; e; e = e.parentElement)
			all *= Number(getComputedStyle(e).opacity);
		return all;
	};
	const complaints = new Map();
	const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);

	for (let node = walker.nextNode(); node; node = walker.nextNode()) {
		const element = node.parentElement;
		const text = node.textContent.trim();

		if (!text || !element.checkVisibility({ checkOpacity: true, checkVisibilityCSS: true }))
			continue;
		if (["SCRIPT", "STYLE", "TITLE", "DESC", "OPTION"].includes(element.tagName.toUpperCase()))
			continue;
		if (element.closest("[disabled], [aria-disabled=true], [aria-hidden=true]"))
			continue;
		const style = getComputedStyle(element);
		const svg = element instanceof SVGElement;
		const color = parse(svg ? style.fill : style.color);

		if (!color)
			continue;
		const back = behind(element);
		const front = over({ ...color, a: color.a * opacity(element) }, back);
		const [low, high] = [luminance(front), luminance(back)].sort((a, b) => a - b);
		const ratio = (high + 0.05) / (low + 0.05);
		const size = parseFloat(style.fontSize);
		const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);

		if (ratio < (large ? 3 : 4.5)) {
			const where = element.tagName.toLowerCase() +
				(element.className && typeof element.className === "string"
					? "." + element.className.trim().split(/\s+/).join(".") : "");
			const key = `${where} ${ratio.toFixed(2)}`;

			if (!complaints.has(key))
				complaints.set(key, `contrast ${ratio.toFixed(2)} of "${text.slice(0, 40)}" in ${where}`);
		}
	}
	return [...complaints.values()];
}

/* Runs in the page. */
function labelsInPage() {
	const complaints = [];
	const shown = (e) => e.checkVisibility();
	const say = (what, e) => complaints.push(`${what}: ${e.outerHTML.slice(0, 120)}`);
	const named = (e) => {
		const by = (e.getAttribute("aria-labelledby") || "").split(/\s+/).filter(Boolean);

		return (e.getAttribute("aria-label") || "").trim() ||
			by.some((id) => document.getElementById(id)?.textContent.trim()) ||
			(e.labels && [...e.labels].some((l) => l.textContent.trim())) ||
			(e.getAttribute("title") || "").trim() ||
			(!["INPUT", "SELECT", "TEXTAREA"].includes(e.tagName) && e.textContent.trim());
	};

	if (!document.documentElement.lang)
		complaints.push("the page has no language");
	if (!document.title.trim())
		complaints.push("the page has no title");
	if (!document.querySelector("main, [role=main]"))
		complaints.push("the page has no main part");
	for (const e of document.querySelectorAll("button, a[href], input, select, textarea, summary, [role=button], [role=tab], [tabindex='0']"))
		if (shown(e) && e.type !== "hidden" && !named(e))
			say("no name", e);
	for (const e of document.querySelectorAll("img"))
		if (shown(e) && !e.hasAttribute("alt"))
			say("no alt", e);
	for (const e of document.querySelectorAll("svg, canvas, [role=img], table"))
		if (shown(e) && !e.closest("[aria-hidden=true]") && !e.parentElement.closest("[role=img], button, a[href]") &&
			!named(e) && !e.querySelector(":scope > title, :scope > caption"))
			say("no name", e);
	for (const e of document.querySelectorAll("[tabindex]"))
		if (e.tabIndex > 0)
			say("tabindex above 0", e);
	for (const e of document.querySelectorAll("[aria-labelledby], [aria-describedby], [aria-controls]"))
		for (const name of ["aria-labelledby", "aria-describedby", "aria-controls"])
			for (const id of (e.getAttribute(name) || "").split(/\s+/).filter(Boolean))
				if (!document.getElementById(id))
					say(`${name} names nothing`, e);
	const ids = new Set();

	for (const e of document.querySelectorAll("[id]")) {
		if (ids.has(e.id))
			say("id twice", e);
		ids.add(e.id);
	}
	let level = 0;

	for (const e of document.querySelectorAll("h1, h2, h3, h4, h5, h6")) {
		const now = Number(e.tagName[1]);

		if (!shown(e))
			continue;
		if (now > level + 1)
			say(`heading of level ${now} after ${level}`, e);
		level = now;
	}
	return complaints;
}

function overflowInPage() {
	const root = document.scrollingElement;

	return root.scrollWidth > root.clientWidth
		? [`the page is ${root.scrollWidth} px wide, the window ${root.clientWidth}`] : [];
}

module.exports = {
	contrast: (page) => page.evaluate(contrastInPage),
	labels: (page) => page.evaluate(labelsInPage),
	overflow: (page) => page.evaluate(overflowInPage),
};
