// SPDX-License-Identifier: MIT
/*
 * findings.js - what the detectors say: which trap, where, since when, by which numbers,
 * and what to do. Those that hold come first; cleared ones are folded away.
 */
import { el } from "./charts.js";
import { clock, mapName, percent, visible } from "./format.js";
import { stackView } from "./stacks.js";
import { keyOf } from "./store.js";

const IN_FULL_MAX = 3; // more that hold are a line each until they are opened: the maps come below
const HOLDING_MAX = 50; // the title counts them all

function evidence(finding) {
	const body = el("tbody");

	for (const [name, value] of Object.entries(finding.evidence))
		body.append(el("tr", {},
			el("th", { scope: "row", text: name }),
			el("td", { class: "number", text: value === null ? "infinite" : Number(value.toPrecision(6)).toLocaleString("en") }),
			el("td", { text: finding.limits[name] ?? "" })));
	return el("table", { class: "evidence" }, el("caption", { text: "Evidence, and what it was compared with" }), body);
}

/* `onOpen` NULL: the map is open already. */
export function findingCard(finding, onOpen) {
	const where = onOpen ? el("button", { type: "button", class: "link", text: mapName(finding) })
		: el("span", { text: mapName(finding) });
	const over = finding.clearedAt ?? Date.parse(finding.until); // NaN: its map has gone, long ago
	const times = `since ${clock(Date.parse(finding.since))}` +
		(finding.holds ? "" : over ? `, cleared ${clock(over)}` : ", over");
	const card = el("li", { class: `finding ${finding.holds ? finding.severity : "cleared"}`, "data-key": finding.key },
		el("p", { class: "what" },
			el("span", { class: `badge ${finding.holds ? finding.severity : "gone"}`, text: finding.severity }),
			" ", el("strong", { text: finding.trap }), " in ", where,
			el("span", { class: "muted", text: ` ${visible(finding.comm)}, pid ${finding.pid}, ${times}` })),
		finding.shape ? el("p", { text: `${finding.shape[0].toUpperCase()}${finding.shape.slice(1)}.` }) : null,
		finding.remedy ? el("p", {}, el("strong", { text: "What to do: " }), visible(finding.remedy)) : null,
		el("details", {},
			el("summary", { text: `Evidence; cost share ${percent(finding.cost_share ?? 0)}` }),
			evidence(finding)),
		finding.stack ? stackView(finding.stack) : null);

	if (onOpen)
		where.addEventListener("click", () => onOpen(keyOf(finding)));
	return card;
}

/* Cards are kept, so that an opened one stays open. */
export class Findings {
	constructor(store, onOpen) {
		this.store = store;
		this.onOpen = onOpen;
		this.cards = new Map();
		this.list = document.getElementById("findings-list");
	}

	card(finding) {
		const old = this.cards.get(finding.key);

		if (old && old.holds === finding.holds)
			return old.card;
		const card = findingCard(finding, this.onOpen);

		if (old) {
			const before = old.card.querySelectorAll("details");

			card.querySelectorAll("details").forEach((d, i) => { d.open = before[i]?.open ?? false; });
			old.card.remove();
		}
		this.cards.set(finding.key, { card, holds: finding.holds });
		return card;
	}

	/* At most a screen of cleared ones: the rest is in the log and in recordings. */
	draw() {
		const all = [...this.store.findings.values()].reverse();
		const holding = all.filter((f) => f.holds);
		const shown = [...holding.slice(0, HOLDING_MAX), ...all.filter((f) => !f.holds).slice(0, 5)];
		const keys = new Set(shown.map((f) => f.key));
		let before = null;

		for (const [key, { card }] of this.cards) {
			if (keys.has(key))
				continue;
			card.remove();
			this.cards.delete(key);
		}
		for (const finding of shown) {
			const card = this.card(finding);
			const next = before ? before.nextSibling : this.list.firstChild;

			if (next !== card)
				this.list.insertBefore(card, next);
			before = card;
		}
		this.list.classList.toggle("many", holding.length > IN_FULL_MAX);
		document.getElementById("findings-none").hidden = shown.length > 0;
	}
}
