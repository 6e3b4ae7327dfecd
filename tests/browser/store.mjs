// SPDX-License-Identifier: MIT
/* store.mjs - what the live page makes of events, without a browser. Run where store.js is. */
import assert from "node:assert/strict";
import { percentile } from "./format.js";
import { heatAbout, heatCells, heatLevel, heatMeasure } from "./heat.js";
import { Store } from "./store.js";

const at = { trap: "read-diffusion", pid: 1, addr: "0x10", id: 1 };
const found = (second) => `2026-01-01T00:00:0${second}Z`;
const finding = (second, more) => ({ type: "finding", ...at, name: "m", comm: "c", severity: "warning",
	since: found(second), found: found(second), evidence: {}, limits: {}, ...more });
let seq = 0;
const window = (...seconds) => ({ type: "window", seq: ++seq, time: found(9), targets: [], maps: [], events: [], losses: [],
	active: seconds.map((second) => ({ ...at, found: found(second) })) });
const holding = (store) => [...store.findings.values()].filter((f) => f.holds).map((f) => f.found);
const store = new Store();

// A map is in a trap, out of it, and in it again: the second finding holds, not both.
store.take(window(1));
store.take(finding(1));
assert.deepEqual(holding(store), [found(1)]);
store.take(window());
assert.deepEqual(holding(store), []);
store.take(window(5));
store.take(finding(5));
assert.deepEqual(holding(store), [found(5)]);
store.take(window());
assert.deepEqual(holding(store), []);

// As hist_percentile(), which cuts: the past that the server tells has to go on as it was.
assert.equal(percentile({ count: 100, slots: [100] }, 99), 1);
assert.equal(percentile({ count: 4, slots: [0, 0, 0, 4] }, 60), 12);

// The heatmap: sizes by powers of two, levels by the logarithm, as the terminal view has them.
assert.deepEqual(heatCells([0, 0, 3, 0, 1]), [{ slot: 2, number: 3 }, { slot: 4, number: 1 }]);
assert.deepEqual(heatAbout(2.4, 127), [{ slot: 6, number: 2 }]);
assert.deepEqual(heatAbout(0.3, 128), [{ slot: 7, number: 1 }]); // it was one, in a window that was cut
assert.deepEqual([heatAbout(0, 5), heatAbout(null, null), heatAbout(1, null)], [[], [], []]);
assert.deepEqual([0, 1, 10, 100, 1000].map((n) => heatLevel(n, 1000)), [0, 1, 2, 3, 4]);
assert.equal(heatLevel(1, 1), 4);
const points = [[[9, 1]], [], [[3, 5], [4, 2]]].map((cells, ms) => ({ ms, about: ms === 0, cells: cells.map(([slot, number]) => ({ slot, number })) }));
const wide = heatMeasure(points, 10), narrow = heatMeasure(points, 2);
assert.deepEqual([wide.promotions, wide.most, wide.about, wide.used, wide.low, wide.high], [8, 5, true, [3, 9], 3, 9]);
assert.deepEqual([narrow.promotions, narrow.about, narrow.used], [7, false, [3, 4]]);
assert(narrow.high - narrow.low + 1 >= 6);
