// SPDX-License-Identifier: MIT
/*
 * page.js - the live page of smaptrace: the connection, the keyboard, and when to draw.
 *
 * Events go into the store as they come; what is shown follows once per frame, and not at
 * all while it is paused or nobody looks at the page.
 */
import { el } from "./charts.js";
import { Detail } from "./detail.js";
import { clock, count, si, visible } from "./format.js";
import { Findings } from "./findings.js";
import { Store } from "./store.js";
import { Table } from "./table.js";

const $ = (id) => document.getElementById(id);
const LOG_SHOWN = 30;
const SILENT_WINDOWS = 4;

const store = new Store();
const openMap = (key) => { location.hash = encodeURIComponent(key); };
const table = new Table(store, openMap);
const findings = new Findings(store, openMap);
const detail = new Detail(store);
let paused = false, connected = false, waiting = false, logShown = 0, heard = 0;

/* --- drawing -------------------------------------------------------------------- */

function setState(state, text) {
	if ($("state").textContent !== text)
		$("state").textContent = text;
	$("state").dataset.state = state;
}

function drawState() {
	const interval = store.header?.interval_ms ?? 1000;
	const silent = Date.now() - heard > SILENT_WINDOWS * interval + 2000;

	if (store.ended)
		setState("end", "the trace has ended");
	else if (!connected)
		setState("wait", store.header ? "connection lost, trying again" : "connecting");
	else if (paused)
		setState("pause", "paused");
	else if (silent && store.window)
		setState("wait", "no window for a while");
	else
		setState("live", store.window ? "live" : "waiting for the first window");
}

function drawTotals() {
	const maps = [...store.maps.values()].filter((m) => m.data && !m.ended);
	const sum = (of) => maps.reduce((total, map) => total + of(map), 0);
	const processes = [...store.processes.values()].filter((p) => !p.ended).length;
	const rows = [["processes", si(processes)], ["maps", si(maps.length)],
		["misses/s", si(sum((m) => m.misses))], ["promotions/s", si(sum((m) => m.promotions))],
		["backlog", si(sum((m) => m.data.state.backlog))],
		["lost", store.lost ? store.lost.toLocaleString("en") : "nothing"],
		["last window", store.window ? clock(store.window.ms) : "–"]];

	$("totals").replaceChildren(...rows.map(([name, value]) =>
		el("div", { class: name === "lost" && store.lost ? "bad" : "" }, el("dt", { text: name }), el("dd", { text: value }))));
}

/* Only what is new is added, so that a screen reader says only that. */
function drawLog() {
	const fresh = store.log.filter((entry) => entry.id > logShown).slice(0, LOG_SHOWN).reverse();

	for (const entry of fresh) {
		logShown = entry.id;
		$("log-list").prepend(el("li", { class: entry.kind },
			el("time", { text: clock(entry.ms), datetime: new Date(entry.ms).toISOString() }), " ", el("span", { text: entry.text })));
	}
	while ($("log-list").children.length > LOG_SHOWN)
		$("log-list").lastChild.remove();
}

function drawHeader() {
	if (store.header)
		$("where").textContent = `${visible(store.header.hostname)} · Linux ${visible(store.header.kernel)} · smaptrace ${visible(store.header.version)}`;
	const holding = [...store.findings.values()].filter((f) => f.holds).length;

	document.title = holding ? `(${holding}) smaptrace` : "smaptrace";
	$("findings-title").textContent = holding ? `Findings: ${count(holding, "holds", "hold")}` : "Findings";
}

function draw() {
	waiting = false;
	drawState();
	if (paused)
		return;
	drawHeader();
	drawTotals();
	findings.draw();
	table.arrange();
	detail.update();
	drawLog();
}

function drawSoon() {
	if (waiting)
		return;
	waiting = true;
	requestAnimationFrame(draw);
}

/* --- the connection --------------------------------------------------------------- */

/* The server tells everything again when it cannot go on from where we were. */
function connect() {
	const source = new EventSource("/events");

	source.onopen = () => {
		connected = true;
		heard = Date.now();
		drawSoon();
	};
	source.onmessage = (event) => {
		heard = Date.now();
		store.take(JSON.parse(event.data));
		if (store.ended)
			source.close();
		drawSoon();
	};
	source.onerror = () => {
		connected = false;
		drawSoon();
		if (source.readyState === EventSource.CLOSED && !store.ended)
			setTimeout(connect, 5000); // refused: too many listeners, perhaps
	};
}

/* --- the keyboard ------------------------------------------------------------------ */

function setPaused(now) {
	paused = now;
	$("pause").setAttribute("aria-pressed", String(paused));
	draw();
}

const KEYS = {
	"/": () => $("filter").focus(),
	"?": () => $("help").showModal(),
	p: () => setPaused(!paused),
	s: () => table.sortByNext(),
	j: () => table.move(1),
	k: () => table.move(-1),
	ArrowDown: () => table.move(1),
	ArrowUp: () => table.move(-1),
	Escape: () => { location.hash = ""; },
};

function onKey(event) {
	const target = event.target;
	const arrows = event.key.startsWith("Arrow");

	if (event.ctrlKey || event.altKey || event.metaKey || $("help").open)
		return;
	if (target.matches("input, select, textarea")) {
		if (event.key === "Escape")
			target.blur();
		return;
	}
	/* Arrows scroll, unless one is in the table already. */
	if (!KEYS[event.key] || (arrows && !target.closest("#rows")))
		return;
	event.preventDefault();
	KEYS[event.key]();
}

function onHash() {
	const key = decodeURIComponent(location.hash.slice(1));

	if (key === "maps-title")
		return;
	const before = detail.key;

	detail.show(key || null);
	if (!key && before)
		(table.rows.get(before)?.querySelector(".open") ?? $("maps-title")).focus();
}

addEventListener("keydown", onKey);
addEventListener("hashchange", onHash);
$("filter").addEventListener("input", (event) => {
	table.filter = event.target.value.trim().toLowerCase();
	table.arrange(true);
});
$("active").addEventListener("change", (event) => {
	table.activeOnly = event.target.checked;
	table.arrange(true);
});
$("pause").addEventListener("click", () => setPaused(!paused));
$("help-open").addEventListener("click", () => $("help").showModal());
setInterval(drawState, 1000);
onHash();
connect();
