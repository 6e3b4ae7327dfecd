#!/bin/bash
# SPDX-License-Identifier: MIT
# A few scenarios of `make score`, all at once and as short as they can be: the verdicts are those of
# the labels, by default, with --exact and on replay. How soon is left to `make score`: here
# the machine may be busy. Needs root and BPF.
cd "$(dirname "$0")/.." || exit 1
O=${O:-.output}
[ "$(id -u)" = 0 ] || { echo "not root"; exit 77; }
"$O/smaptrace" doctor | grep -q 'can trace here' || { echo "no BPF"; exit 77; }

names='pseudo-canonical|diffusion-1k|starvation-canonical|unseen-tombs-beside-dirty'
names+='|none-bulk-load|none-restore|none-level-backlog'
LATE='' tests/score.sh -p -j 16 -s 9 "^($names)	" || exit 1
