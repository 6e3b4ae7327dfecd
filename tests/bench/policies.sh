#!/bin/bash
# SPDX-License-Identifier: MIT
# policies.sh - every policy of promotion on the same traffic (policies.c says which).
#
# Each row is the median run by processor time of ROUNDS (5); policies take turns. `of go` is
# the time of the policy `go` over this one's: above 1 is faster; waiting for the mutex is in
# the first, and so is everything else that the machine does meanwhile; the second is processor
# time. The last table has the geometric means over all traffics, which is what one chooses a
# default by. Environment: O, ROUNDS, SCALE (1: about 8 s for each round), TRAFFICS, POLICIES.
cd "$(dirname "$0")/../.." || exit 1
. tests/bench/common.sh

PROGRAM=$O/tests/bench/policies
[ -x "$PROGRAM" ] || make -s O="$O" "$PROGRAM" || die "cannot build $PROGRAM"
ROUNDS=${ROUNDS:-5}
SCALE=${SCALE:-1}
TRAFFICS=${TRAFFICS:-$("$PROGRAM" | sed -n 's/^traffic //p')}
POLICIES=${POLICIES:-$("$PROGRAM" | sed -n 's/^policy //p')}

for ((i = 0; i < ROUNDS; i++)); do
	for traffic in $TRAFFICS; do
		for policy in $POLICIES; do
			"$PROGRAM" "$policy" "$traffic" "$SCALE" >>"$scratch/raw" ||
				die "policies $policy $traffic failed"
		done
	done
done

echo "every policy on the same traffic: u64 keys, 100,000 in read at the start, 2 threads, medians of $ROUNDS"
sort -k1,2 -k5,5g "$scratch/raw" | awk -v order="$POLICIES" -v traffics="$TRAFFICS" '
	{ n = ++count[$1, $2]; line[$1, $2, n] = $0 }
	END {
		np = split(order, p, /[ \n]+/); nt = split(traffics, t, /[ \n]+/)
		for (j = 1; j <= nt; j++) {
			printf "\n%s\n| policy | ms | of go | CPU, ms | of go | misses | promotions | copied | in rebuilds, ms | waiting for the mutex, ms |\n", t[j]
			print "|---|---|---|---|---|---|---|---|---|---|"
			for (i = 1; i <= np; i++) {
				split(line[p[i], t[j], int((count[p[i], t[j]] + 1) / 2)], v, " ")
				if (i == 1) { go = v[4]; cpu = v[5] }
				printf "| %s | %.1f | %.2f | %.1f | %.2f | %d | %d | %d | %.2f | %.1f |\n", p[i],
					v[4] * 1000, go / v[4], v[5] * 1000, cpu / v[5], v[6], v[7], v[9],
					v[10] * 1000, v[11] * 1000
				sum[p[i]] += log(go / v[4])
				cpusum[p[i]] += log(cpu / v[5])
			}
		}
		print "\nall traffics, geometric means: speed over that of " p[1]
		print "| policy | by time | by processor time |\n|---|---|---|"
		for (i = 1; i <= np; i++)
			printf "| %s | %.2f | %.2f |\n", p[i], exp(sum[p[i]] / nt), exp(cpusum[p[i]] / nt)
	}'
