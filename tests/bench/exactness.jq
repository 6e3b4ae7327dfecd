# SPDX-License-Identifier: MIT
# Compare the `end` line of a trace ($trace) with mapload's own counters (input, slurped).
# Rows: name, truth, traced, sum of the absolute differences over all maps.
def abs: if . < 0 then -. else . end;
def counters: ["misses","promotions","rebuilds","copied","expunged","overflows","retired","reclaimed"];
# histogram, the traced counter that its count (or its sum) must equal
def hists: [
	["miss_wait", "count", "misses"], ["miss_hold", "count", "misses"],
	["promote_misses", "count", "promotions"], ["promote_entries", "count", "promotions"],
	["rebuild_time", "count", "rebuilds"], ["rebuild_copied", "count", "rebuilds"],
	["rebuild_expunged", "count", "rebuilds"],
	["rebuild_copied", "sum", "copied"], ["rebuild_expunged", "sum", "expunged"] ];

map(select(.type == "map")) as $truth
| ($trace[] | select(.type == "end")) as $e
| ($e.maps | map({key: .addr, value: .}) | from_entries) as $traced
| (["maps", ($truth | length), ($e.maps | length),
    ([$truth[] | select(($traced[.addr].name // "") != .name)] | length)
    + ([$e.maps[].addr] - [$truth[].addr] | length)]),
  (counters[] as $c
   | [$c, ([$truth[][$c]] | add), ([$e.maps[][$c]] | add),
      ([$truth[] | .[$c] - ($traced[.addr][$c] // 0) | abs] | add)]),
  (hists[] as [$h, $what, $c]
   | ["\($h).\($what)", ([$e.maps[].traced[$c]] | add), ([$e.maps[].hists[$h][$what]] | add),
      ([$e.maps[] | .traced[$c] - .hists[$h][$what] | abs] | add)]),
  (["slots of all hists", ([$e.maps[].hists[].count] | add), ([$e.maps[].hists[].slots[]] | add // 0),
    ([$e.maps[].hists[] | .count - (.slots | add // 0) | abs] | add)]),
  (["losses", 0, ([$e.losses[]] | add // 0), ([$e.losses[]] | add // 0)])
| @tsv
