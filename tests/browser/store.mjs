// SPDX-License-Identifier: MIT
/* store.mjs - what the live page makes of events, without a browser. Run where store.js is. */
import assert from "node:assert/strict";
import { percentile } from "./format.js";
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
