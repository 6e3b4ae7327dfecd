// SPDX-License-Identifier: MIT
/*
 * detail.js - one map: its figures, its findings, charts over time, histograms. The past
 * comes from /history when it is opened, then each window adds a point.
 */
import { el, histogram, makeChart } from "./charts.js";
import { duration, percent, si } from "./format.js";
import { findingCard } from "./findings.js";
import { Heat, heatAbout } from "./heat.js";
import { Stacks } from "./stacks.js";
import { keyOf } from "./store.js";

const POINTS_MAX = 600;

const TITLES = {
	miss_wait: "Wait for the lock on a miss", miss_hold: "Lock held on a miss",
	promote_misses: "Misses at promotion", promote_entries: "Entries at promotion",
	promote_interval: "Time between promotions", rebuild_time: "Duration of a rebuild",
	rebuild_copied: "Entries copied by a rebuild", rebuild_expunged: "Entries expunged by a rebuild",
	reclaim_backlog: "Backlog after a reclaim", reclaim_age: "Age of the oldest item at a reclaim",
	lock_wait: "Wait for the lock, any operation",
	offcpu_wait: "Off the CPU waiting for the lock",
	offcpu_preempted: "Off the CPU holding the lock, preempted",
	offcpu_blocked: "Off the CPU holding the lock, asleep",
};

/* title, format of values, and series: [label, colour, name in /history, value of a map now]. */
const CHARTS = [
	{ title: "Misses and promotions per second", format: si, series: [
		["misses", "--one", "misses", (m) => m.misses],
		["promotions", "--two", "promotions", (m) => m.promotions],
		["rebuilds", "--three", "rebuilds", (m) => m.rebuilds]] },
	{ title: "Entries", format: si, series: [
		["read", "--one", "read_len", (m) => m.data.state.read_len],
		["dirty", "--two", "dirty_len", (m) => m.data.state.dirty_len]] },
	{ title: "Misses until the next promotion", format: si, series: [
		["debt", "--one", "miss_debt", (m) => m.data.state.miss_debt],
		["threshold", "--three", "threshold", (m) => m.data.state.threshold]] },
	{ title: "Wait for the lock", format: duration, series: [
		["P50", "--one", "lock_wait_p50", (m) => m.p50],
		["P99", "--two", "lock_wait_p99", (m) => m.p99]] },
	{ title: "Retired, not yet reclaimed", format: si, series: [
		["backlog", "--one", "backlog", (m) => m.data.state.backlog]] },
	{ title: "Part of the process's time", format: percent, series: [
		["cost share", "--two", "cost_share", (m) => m.data.window.cost_share]] },
];

function facts(map) {
	const { data } = map;
	const { state } = data;
	const rows = [
		["process", map.process], ["address", data.addr], ["keys, policy", `${data.key_kind}, ${data.policy}`],
		["entries in read / dirty", `${si(state.read_len)} / ${si(state.dirty_len)}`],
		["misses since the last promotion", state.has_dirty ? `${si(state.miss_count)} of ${si(state.threshold)}` : "none is waiting"],
		["next promotion", state.promotion_in_s === null ? "not coming" : `in ${duration(state.promotion_in_s * 1e9)}`],
		["age of dirty", state.dirty_age_ns ? duration(state.dirty_age_ns) : "–"],
		["lifetime misses / promotions", `${si(data.misses)} / ${si(data.promotions)}`],
		["rebuilds, entries copied", `${si(data.rebuilds)}, ${si(data.copied)}`],
		["retired / reclaimed", `${si(data.retired)} / ${si(data.reclaimed)}`],
		["memory of the table", `${si(state.table_bytes)}B`],
		["cost share", percent(data.window.cost_share)],
	];

	return rows.map(([name, value]) => el("div", {}, el("dt", { text: name }), el("dd", { text: value })));
}

export class Detail {
	constructor(store) {
		this.store = store;
		this.box = document.getElementById("detail");
		this.key = null;
		addEventListener("resize", () => this.fit());
		matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
			this.charts?.forEach((c) => c.chart.redraw());
			this.heat?.draw();
		});
	}

	/* Follows location.hash, so that "back" closes it. */
	show(key) {
		if (key === this.key)
			return;
		this.close();
		this.key = key;
		if (key === null)
			return;
		const map = this.store.maps.get(key);
		const close = el("button", { type: "button" }, "Close ", el("kbd", { text: "Esc" }));

		close.addEventListener("click", () => { location.hash = ""; });
		this.facts = el("dl", { class: "facts" });
		this.findings = el("ul", { class: "list" });
		this.grid = el("div", { class: "charts" });
		this.heatBox = el("div");
		this.hists = el("div", { class: "hists" });
		this.stacksBox = el("div", { hidden: true }, el("h3", { text: "Call stacks" }),
			el("p", { class: "muted", text: "Each of the last window in which it was seen." }));
		this.stacks = new Stacks(this.stacksBox);
		this.title = el("h2", { id: "detail-title", tabindex: "-1", text: map ? map.label : "A map that has gone" });
		this.box.replaceChildren(el("div", { class: "bar" }, this.title, close), this.findings, this.facts,
			el("h3", { text: "Over time" }), this.grid, this.heatBox,
			el("h3", { text: "Histograms" }),
			el("p", { class: "muted", text: "Of the last window in which something happened. Values and how often." }), this.hists,
			this.stacksBox);
		this.box.setAttribute("aria-labelledby", "detail-title");
		this.box.hidden = false;
		this.makeCharts();
		this.heat = new Heat(this.heatBox);
		this.title.focus();
		this.load(key);
		this.update();
	}

	close() {
		this.charts?.forEach((c) => c.chart.destroy());
		this.charts = this.heat = null;
		this.past = null;
		this.box.hidden = true;
		this.box.removeAttribute("aria-labelledby");
		this.box.replaceChildren();
		this.drawn = "";
	}

	makeCharts() {
		this.charts = CHARTS.map((spec) => {
			const box = el("figure", {}, el("figcaption", { text: spec.title }));

			this.grid.append(box);
			const series = spec.series.map(([label, color], i) => ({ label, color, dash: i === 2 ? [4, 3] : undefined }));

			return { box, spec, chart: makeChart(box, spec.title, series, spec.format), data: [[], ...series.map(() => [])] };
		});
	}

	async load(key) {
		const [pid, addr, id] = key.split("/");
		const answer = await fetch(`/history?${new URLSearchParams({ pid, addr, id })}`);

		if (!answer.ok || this.key !== key)
			return;
		const history = await answer.json();
		const past = history.maps[0];

		if (this.key !== key)
			return;
		for (const { spec, data } of this.charts) {
			const after = data[0].length ? data[0][0] : Infinity;
			const keep = history.times.filter((t) => t / 1000 < after).length;

			data[0].unshift(...history.times.slice(0, keep).map((t) => t / 1000));
			spec.series.forEach((s, i) => data[i + 1].unshift(...past[s[2]].slice(0, keep)));
		}
		this.heat.addPast(history.times.map((ms, i) => ({ ms, about: true,
			cells: i ? heatAbout(past.promotions[i] * (ms - history.times[i - 1]) / 1000, past.promotion_size[i]) : [] })));
		this.redraw();
	}

	redraw() {
		for (const { chart, data } of this.charts) {
			chart.setData(data);
			if (chart.cursor.idx === null || chart.cursor.idx === undefined)
				chart.setLegend({ idx: data[0].length - 1 }, false); // the present, when nobody points
		}
	}

	fit() {
		for (const { chart, box } of this.charts ?? [])
			chart.setSize({ width: Math.max(box.clientWidth, 240), height: 150 });
		this.heat?.draw();
	}

	update() {
		const map = this.key && this.store.maps.get(this.key);

		if (!map?.data || !this.charts)
			return;
		if (this.title.textContent !== map.label)
			this.title.textContent = map.label;
		this.facts.replaceChildren(...facts(map));
		this.addPoint(map);
		this.heat.add(this.store.window.ms, map.data.hists.promote_entries);
		this.drawFindings();
		this.drawHists(map);
		this.stacks.update(map.data.stacks);
		this.stacksBox.hidden = !this.stacks.views.size;
	}

	addPoint(map) {
		const now = this.store.window.ms / 1000;

		for (const { spec, data } of this.charts) {
			if (data[0].length && data[0][data[0].length - 1] >= now)
				continue;
			data[0].push(now);
			spec.series.forEach((s, i) => data[i + 1].push(s[3](map)));
			if (data[0].length > POINTS_MAX)
				data.forEach((list) => list.shift());
		}
		this.redraw();
	}

	drawFindings() {
		const mine = [...this.store.findings.values()].filter((f) => keyOf(f) === this.key).reverse().slice(0, 5);
		const drawn = mine.map((f) => f.key + f.holds).join();

		if (drawn === this.drawn)
			return;
		this.drawn = drawn;
		this.findings.replaceChildren(...mine.map((f) => findingCard(f, null)));
	}

	drawHists(map) {
		const used = Object.entries(map.data.hists).filter(([, h]) => h.count > 0);

		if (!used.length) {
			if (!this.hists.firstChild)
				this.hists.append(el("p", { class: "muted", text: "Nothing has happened yet." }));
			return;
		}
		this.hists.replaceChildren(...used.map(([name, h]) =>
			histogram(`${TITLES[name] ?? name}: ${si(h.count)}`, h, h.unit === "ns" ? duration : si)));
	}
}
