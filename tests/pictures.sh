#!/bin/bash
# SPDX-License-Identifier: MIT
# pictures.sh - the pictures of docs/terminal.md and docs/serve.md: the view as it is, of programs
# with traps and without, in a terminal (tmux), captured with its colours, and the live page of
# the same programs in chromium (make pictures). Needs root.
cd "$(dirname "$0")/.." || exit 1
. tests/bench/common.sh
TRAPLOAD=$O/tests/workloads/trapload
need tmux node "$SMAPTRACE" "$TRAPLOAD" "$LOAD"
COLUMNS_WIDE=100 ROWS_HIGH=26
WAIT_SECONDS=90
export LC_ALL=C.UTF-8 TERM=xterm-256color
unset NO_COLOR TMUX

T() { tmux -S "$scratch/tmux" -f /dev/null "$@"; }
shows() { T capture-pane -p | grep -q -- "$1"; }
hides() { ! shows "$1"; }

load() { # command
	"$@" >/dev/null 2>&1 &
	started+=("$!")
	pids=$pids${pids:+,}$!
}

take() { # name
	T capture-pane -peN | node tests/screen.js $COLUMNS_WIDE >"docs/terminal-$1.svg" ||
		die "cannot draw $1"
	echo "  docs/terminal-$1.svg"
}

pids=
load "$LOAD" --maps 3 --name sessions --mix serve --seconds 600 --rate 20000 --threads 2
load "$LOAD" --maps 2 --name routes --mix promote --seconds 600 --rate 3000
load "$TRAPLOAD" diffusion-canonical --seconds 600
load "$TRAPLOAD" pseudo-canonical --seconds 600
load "$TRAPLOAD" starvation-canonical --seconds 600
sleep 1 # each is what it was started as: a child is a shell for a moment

T new-session -d -s view -x $COLUMNS_WIDE -y $ROWS_HIGH \
	"exec $SMAPTRACE -i 0.5 --stacks -p $pids" || die "cannot start tmux"
T set-option -g status off
for trap in read-diff pseudo-exp write-starv; do
	wait_for "$trap" shows "$trap"
done
sleep 20 # so that there is a past to look at
take list
T send-keys / d i f f u Enter
wait_for "the filter" hides 'pseudo-exp'
T send-keys Enter
wait_for "the map" shows '\[1 Overview\]'
take map
T send-keys 3
wait_for "the heatmap" shows 'per cell'
take heatmap
T send-keys 4
wait_for "the findings" shows 'warning: read-diffusion'
take findings
T send-keys q
wait_for "the end" bash -c "! tmux -S $scratch/tmux list-panes >/dev/null 2>&1"
T kill-server 2>/dev/null

"$SMAPTRACE" serve -i 0.5 --listen 127.0.0.1:0 -p "$pids" >"$scratch/url" 2>/dev/null &
started+=("$!")
wait_for "the server" grep -q ^http "$scratch/url"
sleep 40 # so that there is a past to look at
picture() { # name, words for shot.js...
	node tests/browser/shot.js "$(cat "$scratch/url")" "docs/$1.png" "${@:2}" || die "cannot take $1"
	echo "  docs/$1.png"
}
picture serve
picture serve-map .charts --dark --open suspect
exit 0
