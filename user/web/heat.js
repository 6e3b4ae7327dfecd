// SPDX-License-Identifier: MIT
/*
 * heat.js - promotions of one map over time, by how many entries became read. Model: a column
 * is a window, a row a power of two; how dark a cell is, the logarithm of how many promotions
 * fell there. Small promotions that never end (a cascade) and a large one now and then look
 * different at a glance. As in the terminal view; by pointer or arrows each cell says its numbers.
 *
 * Of windows from before the map was opened the server has told how many promotions there were
 * and how large on average: these are there as about so many of that size.
 */
import { el } from "./charts.js";
import { clock, count, si, slotHigh, slotLow } from "./format.js";

const COLUMNS_MAX = 240;
const CELL = { width: 6, height: 14, gap: 1 };
const LABELS = 92; // px for the sizes
const ROWS_MIN = 6; // empty sizes around those in use say that nothing was there
const SLOTS = 40;
const LEVELS = [0, 0.28, 0.5, 0.74, 1];

/* 0: nothing, 1 to 4: ever more; as tui_draw_heat.c. */
export function heatLevel(number, most) {
	if (number === 0)
		return 0;
	return most <= 1 ? 4 : 1 + Math.round(3 * Math.log(number) / Math.log(most));
}

/* slots of a histogram, or about `number` promotions of this size; null: none. */
export function heatCells(slots) {
	return slots.flatMap((number, slot) => (number > 0 ? [{ slot, number }] : []));
}

export function heatAbout(number, size) {
	if (!(number > 0) || size === null || !(size >= 0))
		return [];
	return [{ slot: Math.min(SLOTS - 1, size < 2 ? 0 : Math.floor(Math.log2(size))), number: Math.max(1, Math.round(number)) }];
}

/* What is to be drawn of the last `width` points. */
export function heatMeasure(points, width) {
	const shown = points.slice(-width);
	const all = shown.flatMap((point) => point.cells);
	let low = Math.min(...all.map((cell) => cell.slot)), high = Math.max(...all.map((cell) => cell.slot));
	const measure = { shown, most: Math.max(...all.map((cell) => cell.number)),
		promotions: all.reduce((sum, cell) => sum + cell.number, 0),
		about: shown.some((point) => point.about && point.cells.length), used: [low, high] };

	while (all.length && high - low + 1 < ROWS_MIN) {
		high = Math.min(SLOTS - 1, high + 1);
		low = Math.max(0, low - (high - low + 1 < ROWS_MIN ? 1 : 0));
	}
	return { ...measure, low, high };
}

const sizes = (low, high) => `${si(slotLow(low))} – ${si(slotHigh(high))} entries`;

export class Heat {
	constructor(into) {
		this.points = []; // {ms, cells, about}, in order of time
		this.at = null; // {column from the right, slot} that is read
		this.canvas = el("canvas", { role: "img", tabindex: "0", "aria-describedby": "heat-read" });
		this.from = el("span");
		this.axis = el("p", { class: "muted heat-axis", "aria-hidden": "true" }, this.from, el("span", { text: "now" }));
		this.read = el("p", { class: "muted", id: "heat-read", role: "status" });
		this.box = el("figure", { class: "heat" }, el("figcaption", { text: "Promotions by size, over time" }),
			this.canvas, this.axis, this.read);
		into.append(this.box);
		this.canvas.addEventListener("keydown", (event) => this.onKey(event));
		this.canvas.addEventListener("pointermove", (event) => this.onPointer(event));
		for (const leaves of ["pointerleave", "blur"])
			this.canvas.addEventListener(leaves, () => this.point(null));
		this.draw(); // nothing yet, and so nothing to point at
	}

	/* The past, before what is there already. */
	addPast(points) {
		const first = this.points.length ? this.points[0].ms : Infinity;

		this.points.unshift(...points.filter((point) => point.ms < first));
		this.draw();
	}

	add(ms, hist) {
		if (this.points.length && this.points[this.points.length - 1].ms >= ms)
			return;
		this.points.push({ ms, cells: heatCells(hist.slots), about: false });
		if (this.points.length > COLUMNS_MAX)
			this.points.shift();
		if (this.at)
			this.at.column = Math.min(this.at.column + 1, this.columns() - 1); // it goes with its window
		this.draw();
	}

	columns() {
		const room = Math.floor((this.box.clientWidth - LABELS) / CELL.width); // the canvas may be hidden

		return Math.max(1, Math.min(COLUMNS_MAX, room));
	}

	draw() {
		const heat = this.heat = heatMeasure(this.points, this.columns());
		const any = heat.promotions > 0;

		this.canvas.hidden = this.axis.hidden = !any;
		this.from.textContent = heat.shown.length ? clock(heat.shown[0].ms) : "";
		this.axis.style.paddingLeft = `${Math.max(0, this.left(heat.shown.length - 1))}px`;
		if (any) {
			this.canvas.setAttribute("aria-label", `${heat.about ? "About " : ""}${count(heat.promotions, "promotion", "promotions")} since ` +
				`${clock(heat.shown[0].ms)}, of ${sizes(...heat.used)}. Arrows read single cells.`);
			this.paint(heat);
		}
		this.say();
	}

	paint(heat) {
		const rows = heat.high - heat.low + 1;
		const style = getComputedStyle(this.box);
		const scale = devicePixelRatio || 1;
		const width = this.canvas.clientWidth, height = rows * CELL.height;
		const g = this.canvas.getContext("2d");

		this.canvas.style.height = `${height}px`;
		this.canvas.width = width * scale;
		this.canvas.height = height * scale;
		g.scale(scale, scale);
		g.font = `12px ${style.fontFamily}`;
		g.textAlign = "right";
		g.textBaseline = "middle";
		for (let slot = heat.low; slot <= heat.high; slot++) {
			g.fillStyle = style.getPropertyValue("--muted");
			g.fillText(`${si(slotLow(slot))} – ${si(slotHigh(slot))}`, LABELS - 8, this.top(slot) + CELL.height / 2);
		}
		heat.shown.forEach((point, i) => this.paintColumn(g, style, point, heat, this.left(heat.shown.length - 1 - i)));
		if (this.at) {
			g.strokeStyle = style.getPropertyValue("--two");
			g.lineWidth = 2;
			g.strokeRect(this.left(this.at.column), this.top(this.at.slot), CELL.width, CELL.height);
		}
	}

	paintColumn(g, style, point, heat, x) {
		g.fillStyle = style.getPropertyValue("--rule");
		g.globalAlpha = 0.35;
		g.fillRect(x, 0, CELL.width - CELL.gap, (heat.high - heat.low + 1) * CELL.height);
		g.fillStyle = style.getPropertyValue("--one");
		for (const { slot, number } of point.cells) {
			g.globalAlpha = LEVELS[heatLevel(number, heat.most)];
			g.fillRect(x, this.top(slot), CELL.width - CELL.gap, CELL.height - CELL.gap);
		}
		g.globalAlpha = 1;
	}

	/* Columns count from the right, the present, and sizes from the bottom. */
	left(column) {
		return this.canvas.clientWidth - (column + 1) * CELL.width;
	}

	top(slot) {
		return (this.heat.high - slot) * CELL.height;
	}

	say() {
		const { heat, at } = this;

		if (!heat.promotions) {
			this.read.textContent = "No promotion in this time.";
			return;
		}
		const point = at && heat.shown[heat.shown.length - 1 - at.column];

		if (!point) {
			this.read.textContent = `The darkest cell is ${count(heat.most, "promotion", "promotions")} in a window` +
				`${heat.about ? "; before the map was opened, sizes are averages" : ""}.`;
			return;
		}
		const here = point.cells.find((cell) => cell.slot === at.slot)?.number ?? 0;

		this.read.textContent = `${clock(point.ms)}, ${sizes(at.slot, at.slot)}: ` +
			`${point.about && here ? "about " : ""}${count(here, "promotion", "promotions")}`;
	}

	point(at) {
		this.at = at;
		if (this.heat.promotions)
			this.paint(this.heat);
		this.say();
	}

	onPointer(event) {
		const { heat } = this;
		const column = Math.floor((this.canvas.clientWidth - event.offsetX) / CELL.width);
		const slot = heat.high - Math.floor(event.offsetY / CELL.height);

		this.point(column < heat.shown.length && slot >= heat.low && slot <= heat.high ? { column, slot } : null);
	}

	onKey(event) {
		const { heat } = this;
		const last = heat.shown.length - 1;
		const newest = heat.shown.findLast((point) => point.cells.length);
		const at = this.at ?? { column: last - heat.shown.indexOf(newest), slot: newest.cells[0].slot };
		const moves = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1],
			Home: [last, 0], End: [-last, 0] };
		const move = this.at ? moves[event.key] : moves[event.key] && [0, 0]; // the first key only shows where

		if (!move || event.ctrlKey || event.altKey || event.metaKey)
			return;
		event.preventDefault();
		event.stopPropagation();
		this.point({ column: Math.max(0, Math.min(last, at.column + move[0])),
			slot: Math.max(heat.low, Math.min(heat.high, at.slot + move[1])) });
	}
}
