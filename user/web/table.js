// SPDX-License-Identifier: MIT
/*
 * table.js - one row per map. Only the rows in sight are in the page, so that a thousand
 * maps cost as much as forty: rows are of one height, and two empty ones stand for
 * what is above and below.
 *
 * While the keyboard is in the table, rows keep their places: nobody opens a map because
 * another one moved under the cursor.
 */
import { drawSpark, el, makeSpark } from "./charts.js";
import { duration, si } from "./format.js";

const AROUND = 8; // rows beyond the window, so that scrolling shows no gap

const debtShare = (map) => {
	const { miss_count: count, threshold, has_dirty: dirty } = map.data.state;

	return dirty && threshold > 0 ? Math.min(count / threshold, 1) : 0;
};
const severityRank = { notice: 1, warning: 2, error: 3 };

/* key, head, title, value to sort by (descending first unless `up`), and how it is drawn. */
const COLUMNS = [
	{ key: "name", head: "Map", title: "name, process and pid", up: true, value: (m) => m.label.toLowerCase(),
		make: () => [el("button", { class: "open", type: "button" }), el("span", { class: "sub" })],
		draw: (cell, m) => {
			setText(cell.firstChild, m.label);
			setText(cell.lastChild, m.process);
		} },
	{ key: "misses", head: "Misses/s", title: "operations that went to dirty", value: (m) => m.misses,
		make: () => [makeSpark(), el("span", { class: "number" })],
		draw: (cell, m) => {
			drawSpark(cell.firstChild, m.spark.misses);
			setText(cell.lastChild, si(m.misses));
		} },
	{ key: "promotions", head: "Promotions/s", title: "dirty became read", value: (m) => m.promotions,
		make: () => [makeSpark(), el("span", { class: "number" })],
		draw: (cell, m) => {
			drawSpark(cell.firstChild, m.spark.promotions);
			setText(cell.lastChild, si(m.promotions));
		} },
	{ key: "debt", head: "Miss debt", title: "misses since the last promotion, and at how many the next one comes",
		value: debtShare,
		make: () => [el("span", { class: "bar-box", "aria-hidden": "true" }, el("span", { class: "fill" })), el("span", { class: "number" })],
		draw: (cell, m) => {
			const state = m.data.state;

			cell.firstChild.firstChild.style.width = `${debtShare(m) * 100}%`;
			setText(cell.lastChild, state.has_dirty ? `${si(state.miss_count)} / ${si(state.threshold)}` : "–");
		} },
	{ key: "entries", head: "Read / dirty", title: "entries listed", value: (m) => m.data.state.read_len + m.data.state.dirty_len,
		draw: (cell, m) => setText(cell, `${si(m.data.state.read_len)} / ${si(m.data.state.dirty_len)}`) },
	{ key: "wait", head: "Lock wait P50 / P99", title: "in the window, of misses if no others are counted", value: (m) => m.p99 ?? -1,
		draw: (cell, m) => setText(cell, m.p99 === null ? "–" : `${duration(m.p50)} / ${duration(m.p99)}`) },
	{ key: "backlog", head: "Backlog", title: "retired items that wait for a grace period", value: (m) => m.data.state.backlog,
		draw: (cell, m) => setText(cell, si(m.data.state.backlog)) },
	{ key: "verdict", head: "Verdict", title: "the trap that holds", value: (m, s) => severityRank[s.verdict(m.key)?.severity] ?? 0,
		make: () => [el("span")],
		draw: (cell, m, s) => {
			const finding = s.verdict(m.key);

			cell.firstChild.className = finding ? `badge ${finding.severity}` : "muted";
			setText(cell.firstChild, finding ? finding.trap : m.ended ? "ended" : m.active ? "fine" : "idle");
		} },
];

function setText(node, text) {
	if (node.textContent !== text)
		node.textContent = text;
}

/* Made once: most of what a window of 1,000 maps costs would be making it for each pair. */
const byName = new Intl.Collator("en", { numeric: true }).compare;

export class Table {
	constructor(store, onOpen) {
		this.store = store;
		this.onOpen = onOpen;
		this.sortKey = "misses";
		this.up = false;
		this.filter = "";
		this.activeOnly = false;
		this.order = []; // of keys
		this.rows = new Map(); // key -> tr, those in the page
		this.body = document.getElementById("rows");
		this.above = this.spacer();
		this.below = this.spacer();
		this.body.append(this.above, this.below);
		this.makeHeads();
		addEventListener("scroll", () => this.draw(), { passive: true });
		addEventListener("resize", () => this.draw());
	}

	spacer() {
		return el("tr", { class: "spacer", "aria-hidden": "true" }, el("td")); // one cell: which columns are hidden is the style's
	}

	makeHeads() {
		const select = document.getElementById("sort");

		for (const column of COLUMNS) {
			const button = el("button", { type: "button", title: column.title, text: column.head });

			button.addEventListener("click", () => this.sortBy(column.key));
			document.getElementById("heads").append(el("th", { scope: "col", class: `c-${column.key}` }, button));
			select.append(el("option", { value: column.key, text: column.head }));
		}
		select.addEventListener("change", () => this.sortBy(select.value, true));
		this.showSort();
	}

	sortBy(key, keep = false) {
		const column = COLUMNS.find((c) => c.key === key);

		this.up = this.sortKey === key && !keep ? !this.up : Boolean(column.up);
		this.sortKey = key;
		this.showSort();
		this.arrange(true);
	}

	sortByNext() {
		const at = COLUMNS.findIndex((c) => c.key === this.sortKey);

		this.sortBy(COLUMNS[(at + 1) % COLUMNS.length].key);
	}

	showSort() {
		document.getElementById("sort").value = this.sortKey;
		document.querySelectorAll("#heads th").forEach((th, i) => {
			const here = COLUMNS[i].key === this.sortKey;

			if (here)
				th.setAttribute("aria-sort", this.up ? "ascending" : "descending");
			else
				th.removeAttribute("aria-sort");
		});
	}

	wanted(map) {
		return map.data && (!this.activeOnly || map.active) && (!this.filter || map.search.includes(this.filter));
	}

	/* Which rows in which order, and then those in sight. */
	arrange(force = false) {
		const maps = [...this.store.maps.values()].filter((m) => this.wanted(m));
		const held = !force && this.body.contains(document.activeElement);

		if (held) {
			const place = new Map(this.order.map((key, i) => [key, i]));

			maps.sort((a, b) => (place.get(a.key) ?? Infinity) - (place.get(b.key) ?? Infinity) || 0);
		} else {
			const { value } = COLUMNS.find((c) => c.key === this.sortKey);
			const sign = this.up ? 1 : -1;
			const by = new Map(maps.map((m) => [m, value(m, this.store)]));

			maps.sort((a, b) => {
				const [x, y] = [by.get(a), by.get(b)];

				return x < y ? -sign : x > y ? sign : byName(a.label, b.label) || (a.key < b.key ? -1 : 1);
			});
		}
		this.order = maps.map((m) => m.key);
		document.getElementById("table").setAttribute("aria-rowcount", this.order.length + 1);
		this.draw();
	}

	rowHeight() {
		return this.rows.size ? this.rows.values().next().value.offsetHeight || 45 : 45;
	}

	makeRow(key) {
		const row = el("tr", { "data-key": key });

		for (const column of COLUMNS)
			row.append(el("td", { class: `c-${column.key}` }, ...(column.make?.() ?? [])));
		row.addEventListener("click", () => this.onOpen(key));
		this.rows.set(key, row);
		return row;
	}

	drawRow(row, map, index) {
		COLUMNS.forEach((column, i) => column.draw(row.children[i], map, this.store));
		row.setAttribute("aria-rowindex", index + 2);
		const fresh = this.store.window && map.promotedAt === this.store.window.seq;

		row.classList.toggle("promoted", Boolean(fresh));
		row.classList.toggle("ended", Boolean(map.ended));
	}

	draw() {
		const height = this.rowHeight();
		const top = -this.above.getBoundingClientRect().top;
		const count = this.order.length;
		const first = Math.min(Math.max(0, Math.floor(top / height) - AROUND), Math.max(0, count - AROUND));
		const last = Math.min(count, Math.max(Math.ceil((top + innerHeight) / height), first) + AROUND);
		const keys = this.order.slice(first, last);
		const focused = document.activeElement?.closest?.("#rows tr")?.dataset.key;

		for (const [key, row] of this.rows) {
			if (!keys.includes(key) && key !== focused) {
				row.remove();
				this.rows.delete(key);
			}
		}
		let before = this.above;

		keys.forEach((key, i) => {
			const row = this.rows.get(key) ?? this.makeRow(key);

			if (before.nextSibling !== row)
				before.after(row);
			before = row;
			this.drawRow(row, this.store.maps.get(key), first + i);
		});
		this.above.firstChild.style.height = `${first * height}px`;
		this.below.firstChild.style.height = `${(count - last) * height}px`;
		this.showCount();
	}

	showCount() {
		const all = this.store.maps.size, shown = this.order.length;
		const none = document.getElementById("maps-none");

		setText(document.getElementById("shown"), shown === all ? "" : `${shown} of ${all}`);
		none.hidden = shown > 0;
		setText(none, all === 0 ? "No map seen yet. A process that makes one appears here by itself."
			: "No map fits the filter.");
	}

	/* The next or previous row gets the focus. */
	move(step) {
		const here = document.activeElement?.closest?.("#rows tr")?.dataset.key;
		const at = here ? this.order.indexOf(here) + step : 0;
		const key = this.order[Math.min(Math.max(at, 0), this.order.length - 1)];

		if (!key)
			return;
		if (!this.rows.has(key) || !this.rows.get(key).isConnected) {
			scrollTo({ top: scrollY + this.above.getBoundingClientRect().top + at * this.rowHeight() - innerHeight / 2 });
			this.draw();
		}
		const button = this.rows.get(key)?.querySelector(".open");

		button?.focus({ preventScroll: true });
		button?.scrollIntoView({ block: "nearest" });
	}
}
