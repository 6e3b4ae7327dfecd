// SPDX-License-Identifier: MIT
/*
 * format.js - numbers, times and names as people read them. Pure.
 */

/* Controls, invisible and reordering characters, and the backslash that writes them. */
const HIDDEN = /[\\\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff\ufff0-\ufffb\ufffe\uffff]/g;
const bytes = new TextEncoder();

/* A name that came out of a traced process: as \xNN what could not be seen. */
export function visible(name) {
	return name.replace(HIDDEN, (c) =>
		[...bytes.encode(c)].map((b) => `\\x${b.toString(16).padStart(2, "0")}`).join(""));
}

export function mapName(map) {
	return map.name ? visible(map.name) : `(no name, ${map.addr})`;
}

/* Three digits and k, M, G; small numbers as they are. */
export function si(value) {
	if (value === null || value === undefined || !Number.isFinite(value))
		return "–";
	const units = ["", "k", "M", "G", "T", "P"];
	let i = 0;

	while (Math.abs(value) >= 999.5 && i < units.length - 1) {
		value /= 1000;
		i++;
	}
	if (i === 0 && Number.isInteger(value))
		return String(value);
	return value === 0 ? "0" : `${Number(value.toPrecision(value < 0.1 && i === 0 ? 1 : 3))}${units[i]}`;
}

export function duration(ns) {
	if (ns === null || ns === undefined || !Number.isFinite(ns))
		return "–";
	for (const [size, unit] of [[3.6e12, "h"], [6e10, "min"], [1e9, "s"], [1e6, "ms"], [1e3, "µs"]])
		if (ns >= size)
			return `${Number((ns / size).toPrecision(3))} ${unit}`;
	return `${Math.round(ns)} ns`;
}

export function percent(share) {
	return share >= 0.0005 ? `${Number((share * 100).toPrecision(2))} %` : "0 %";
}

export function clock(ms) {
	return new Date(ms).toLocaleTimeString([], { hour12: false });
}

export function count(number, one, many) {
	return `${number.toLocaleString("en")} ${number === 1 ? one : many}`;
}

/* Log2 histograms as user/hist.h has them: slot 0 is 0 and 1, slot k is 2^k .. 2^(k+1) - 1. */
export const slotLow = (slot) => (slot === 0 ? 0 : 2 ** slot);
export const slotHigh = (slot) => 2 ** (slot + 1) - 1;

/* As hist_percentile(): values of a slot are taken as spread evenly; null when empty. */
export function percentile(hist, part) {
	const want = (hist.count * part) / 100;
	let seen = 0;

	for (let slot = 0; slot < hist.slots.length; slot++) {
		const here = hist.slots[slot];

		if (here > 0 && seen + here >= want)
			return Math.floor(slotLow(slot) + ((want - seen) / here) * (slot === 0 ? 2 : slotLow(slot)));
		seen += here;
	}
	return null;
}
