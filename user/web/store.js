// SPDX-License-Identifier: MIT
/*
 * store.js - what the events say, kept for the views. Nothing here touches the page.
 *
 *	event --take()--> maps, processes, findings, log
 *
 * A map is known by process, address and id. One that has ended goes from the table with
 * the next window; its findings stay.
 */
import { count, mapName, percentile, visible } from "./format.js";

export const SPARK_POINTS = 60;
const LOG_MAX = 200;
const FINDINGS_MAX = 500;
const NOTES_MAX = 8; // more promotions in a window are one line of the log
const STEADY = 5; // a map that promotes again within so many windows is no news

export const keyOf = (at) => `${at.pid}/${at.addr}/${at.id}`;
/* A map may be in the same trap again: then that is another finding. */
const findingKey = (f) => `${f.trap}/${keyOf(f)}/${f.found}`;

class SmapMap {
	constructor(data) {
		this.key = keyOf(data);
		this.spark = { misses: [], promotions: [] };
		this.promotedAt = 0; // seq of the window with its last promotion
		this.bornAt = 0;
	}

	push(misses, promotions) {
		for (const [name, value] of [["misses", misses], ["promotions", promotions]]) {
			const spark = this.spark[name];

			spark.push(value);
			if (spark.length > SPARK_POINTS)
				spark.shift();
		}
	}

	/* The figures of a window, in the units that are shown. */
	update(data) {
		const seconds = data.window.ns / 1e9;
		const rate = (count) => (seconds > 0 ? count / seconds : 0);
		// Of all operations where they are counted; as history_sample.c.
		const wait = data.hists.lock_wait.count ? data.hists.lock_wait : data.hists.miss_wait;

		if (data.name !== this.data?.name || data.comm !== this.data.comm) {
			this.label = mapName(data);
			this.process = `${visible(data.comm)} · ${data.pid}`;
			this.search = `${data.name}\n${this.label}\n${data.comm}\n${data.pid}`.toLowerCase();
		}
		this.data = data;
		this.misses = rate(data.window.misses);
		this.promotions = rate(data.window.promotions);
		this.rebuilds = rate(data.window.rebuilds);
		this.copied = rate(data.window.copied);
		this.p50 = wait.count ? percentile(wait, 50) : null;
		this.p99 = wait.count ? percentile(wait, 99) : null;
		this.writes = rate(data.window.inserts + data.window.replaces + data.window.deletes);
		this.active = this.misses + this.promotions + this.rebuilds + this.writes +
			rate(data.window.retired + data.window.reclaimed) > 0;
		this.push(this.misses, this.promotions);
	}
}

export class Store {
	constructor() {
		this.logged = 0;
		this.forget();
	}

	forget() {
		this.header = null;
		this.window = null; // the last one, without its maps
		this.ended = false;
		this.maps = new Map();
		this.processes = new Map();
		this.findings = new Map(); // newest last
		this.log = []; // newest first
		this.noted = new Set(); // findings that are in the log
		this.lost = 0;
	}

	/* One line of JSON, already parsed. */
	take(line) {
		const takers = { header: this.takeHeader, history: this.takeHistory,
			window: this.takeWindow, finding: this.takeFinding, end: this.takeEnd };

		takers[line.type]?.call(this, line);
	}

	takeHeader(line) {
		const { log, noted } = this;
		const same = this.header?.start_ns === line.start_ns;

		this.forget();
		if (same)
			Object.assign(this, { log, noted }); // the same trace: we have been away
		this.header = line;
	}

	takeHistory(line) {
		for (const past of line.maps) {
			const map = new SmapMap(past);

			for (let i = 0; i < past.misses.length; i++)
				map.push(past.misses[i], past.promotions[i]);
			map.spark.misses.pop(); // the window that follows is the last point
			map.spark.promotions.pop();
			this.maps.set(map.key, map);
		}
		this.past = true;
	}

	takeWindow(line) {
		const first = !this.window;
		const time = Date.parse(line.time);
		const seen = new Set();
		const promoted = [];

		for (const data of line.maps) {
			const before = this.maps.get(keyOf(data))?.promotedAt ?? 0;
			const map = this.takeMap(data, line.seq, first);

			seen.add(map.key);
			if (data.window.promotions > 0 && (!before || line.seq - before > STEADY))
				promoted.push(map);
		}
		this.notePromotions(promoted, time);
		for (const key of [...this.maps.keys()])
			if (!seen.has(key))
				this.maps.delete(key);
		this.takeTargets(line.targets, time, first);
		this.takeLosses(line.losses, time);
		this.takeActive(line.active, time);
		this.window = { ...line, maps: undefined, ms: time };
	}

	takeMap(data, seq, first) {
		const key = keyOf(data);
		let map = this.maps.get(key);

		if (!map) {
			map = new SmapMap(data);
			map.bornAt = first ? 0 : seq;
			this.maps.set(key, map);
		}
		map.update(data);
		map.ended = !data.alive;
		if (data.window.promotions > 0)
			map.promotedAt = seq;
		return map;
	}

	notePromotions(promoted, time) {
		if (promoted.length > NOTES_MAX) {
			this.note(time, "promotion", `${promoted.length.toLocaleString("en")} maps promoted`);
			return;
		}
		for (const map of promoted) {
			const { promotions } = map.data.window;
			const sizes = map.data.hists.promote_entries;
			const times = promotions > 1 ? ` ${promotions.toLocaleString("en")} times` : "";
			const size = sizes.count ? `, ${count(Math.round(sizes.sum / sizes.count), "entry", "entries")}` : "";

			this.note(time, "promotion", `${map.label} promoted${times}${size}`, map.key);
		}
	}

	takeTargets(targets, time, first) {
		const seen = new Set();

		for (const target of targets) {
			const key = `${target.pid}/${target.file}/${target.comm}`;
			const before = this.processes.get(key);

			if (!before && !target.ended && !first)
				this.note(time, "process", `new process: ${visible(target.comm)}, pid ${target.pid}`);
			if (before && !before.ended && target.ended)
				this.note(time, "process", `${visible(target.comm)}, pid ${target.pid}, has ended`);
			this.processes.set(key, target);
			seen.add(key);
		}
		for (const key of [...this.processes.keys()]) // it was told that they have ended
			if (!seen.has(key))
				this.processes.delete(key);
	}

	takeLosses(losses, time) {
		const lost = Object.values(losses).reduce((sum, count) => sum + count, 0);

		if (lost > this.lost)
			this.note(time, "loss", `lost: ${Object.entries(losses).filter(([, n]) => n > 0)
				.map(([name, n]) => `${name} ${n.toLocaleString("en")}`).join(", ")}`);
		this.lost = lost;
	}

	/* Which findings hold; one that is no longer among them was cleared. */
	takeActive(active, time) {
		const holds = new Set(active.map(findingKey));

		for (const finding of this.findings.values()) {
			if (finding.holds && !holds.has(finding.key)) {
				finding.clearedAt = time;
				this.note(time, "cleared", `${finding.trap} in ${mapName(finding)} has cleared`, keyOf(finding));
			}
			finding.holds = holds.has(finding.key);
		}
		this.holding = holds;
	}

	takeFinding(line) {
		const key = findingKey(line);

		if (this.findings.has(key))
			return;
		const finding = { ...line, key, holds: this.holding.has(key) && !line.until };

		this.findings.set(key, finding);
		if (finding.holds && !this.noted.has(key)) {
			this.noted.add(key);
			this.note(Date.parse(line.found), "finding", `${line.severity}: ${line.trap} in ${mapName(line)}`, keyOf(line));
		}
		if (this.findings.size > FINDINGS_MAX)
			this.findings.delete(this.findings.keys().next().value);
	}

	takeEnd() {
		this.ended = true;
	}

	note(ms, kind, text, map) {
		this.log.unshift({ id: ++this.logged, ms, kind, text, map });
		if (this.log.length > LOG_MAX)
			this.log.pop();
	}

	/* Of a map: the worst that holds. */
	verdict(key) {
		const rank = { notice: 1, warning: 2, error: 3 };
		let worst = null;

		for (const finding of this.findings.values())
			if (finding.holds && keyOf(finding) === key && (!worst || rank[finding.severity] > rank[worst.severity]))
				worst = finding;
		return worst;
	}
}
