// SPDX-License-Identifier: MIT
/*
 * charts.js - small pictures: sparklines and histogram bars of our own, charts over time
 * by uPlot.
 */
/* global uPlot */
import { clock, slotHigh, slotLow } from "./format.js";

const SVG = "http://www.w3.org/2000/svg";

export function el(tag, attributes = {}, ...children) {
	const element = document.createElement(tag);

	for (const [name, value] of Object.entries(attributes)) {
		if (name === "class")
			element.className = value;
		else if (name === "text")
			element.textContent = value;
		else if (value !== null && value !== false)
			element.setAttribute(name, value === true ? "" : value);
	}
	element.append(...children.filter((child) => child !== null && child !== undefined));
	return element;
}

/* A sparkline says nothing that the number beside it does not: hidden from readers. */
export function makeSpark() {
	const svg = document.createElementNS(SVG, "svg");
	const area = document.createElementNS(SVG, "path");
	const line = document.createElementNS(SVG, "path");

	svg.setAttribute("viewBox", "0 0 60 20");
	svg.setAttribute("preserveAspectRatio", "none");
	svg.setAttribute("class", "spark");
	svg.setAttribute("aria-hidden", "true");
	area.setAttribute("class", "area");
	line.setAttribute("class", "line");
	svg.append(area, line);
	return svg;
}

export function drawSpark(svg, values) {
	const most = Math.max(...values, 0);
	const first = 60 - values.length;
	const points = values.map((value, i) =>
		`${first + i + 0.5},${most > 0 && value ? (19 - (value / most) * 18).toFixed(1) : "19"}`);
	const line = points.length ? `M${points.join("L")}` : "";

	svg.lastChild.setAttribute("d", line);
	svg.firstChild.setAttribute("d", line ? `${line}L59.5,20L${first + 0.5},20Z` : "");
}

const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/* series: [{label, color (a CSS variable), dash}], format: of values. */
export function makeChart(into, title, series, format) {
	const options = {
		width: Math.max(into.clientWidth, 240),
		height: 150,
		cursor: { y: false, drag: { x: false, y: false } },
		legend: { live: true },
		scales: { x: { time: true }, y: { range: (u, low, high) => [0, high > 0 ? high * 1.1 : 1] } },
		axes: [
			{ stroke: () => color("--muted"), grid: { show: false }, ticks: { show: false },
				values: (u, splits) => splits.map((s) => clock(s * 1000)), space: 90, size: 30 },
			{ stroke: () => color("--muted"), grid: { stroke: () => color("--rule"), width: 1 },
				ticks: { show: false }, values: (u, splits) => splits.map(format), size: 58, space: 34 },
		],
		series: [
			{ label: "time", value: (u, v) => (v === null ? "–" : clock(v * 1000)) },
			...series.map((s) => ({ label: s.label, stroke: () => color(s.color), width: 1.5,
				dash: s.dash, points: { show: false }, spanGaps: false,
				value: (u, v) => (v === null || v === undefined ? "–" : format(v)) })),
		],
	};
	const chart = new uPlot(options, [[], ...series.map(() => [])], into);

	chart.root.setAttribute("role", "img");
	chart.root.setAttribute("aria-label", title);
	return chart;
}

/* A histogram as a table: its numbers are its picture. */
export function histogram(title, hist, format) {
	const used = hist.slots.map((count, slot) => ({ count, slot })).filter((s) => s.count > 0);
	const first = used[0].slot, last = used[used.length - 1].slot;
	const most = Math.max(...hist.slots);
	const body = el("tbody");

	for (let slot = first; slot <= last; slot++) {
		const bar = el("span", { class: "fill" });
		const count = hist.slots[slot];

		bar.style.width = `${(count / most) * 100}%`;
		body.append(el("tr", {},
			el("th", { scope: "row", text: `${format(slotLow(slot))} – ${format(slotHigh(slot))}` }),
			el("td", { class: "bars" }, bar),
			el("td", { class: "number", text: count.toLocaleString("en") })));
	}
	return el("table", { class: "hist" }, el("caption", { text: title }), body);
}
