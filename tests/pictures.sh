#!/bin/bash
# SPDX-License-Identifier: MIT
# pictures.sh [terminal|serve|report]... - the pictures of the docs, or some of them, of programs
# with traps and without: the view as it is, in a terminal (tmux), captured with its colours; the
# live page of the same programs, and the report as a page, in chromium (make pictures). Needs
# root; on a machine that has other work, the programs may get into traps that are not theirs.
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

picture() { # page, name, words for shot.js...
	node tests/browser/shot.js "$1" "docs/$2.png" "${@:3}" || die "cannot take $2"
	echo "  docs/$2.png"
}

start_programs() {
	pids=
	load "$LOAD" --maps 3 --name sessions --mix serve --seconds 600 --rate 20000 --threads 2
	load "$LOAD" --maps 2 --name routes --mix promote --seconds 600 --rate 3000
	load "$TRAPLOAD" diffusion-canonical --seconds 600
	load "$TRAPLOAD" pseudo-canonical --seconds 600
	load "$TRAPLOAD" starvation-canonical --seconds 600
	sleep 1 # each is what it was started as: a child is a shell for a moment
}

pictures_terminal() {
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
}

pictures_serve() {
	local url
	"$SMAPTRACE" serve -i 0.5 --listen 127.0.0.1:0 -p "$pids" >"$scratch/url" 2>/dev/null &
	started+=("$!")
	wait_for "the server" grep -q ^http "$scratch/url"
	sleep 40 # so that there is a past to look at
	url=$(cat "$scratch/url")
	picture "$url" serve
	picture "$url" serve-map .charts --dark --open suspect
	picture "$url" serve-heatmap .heat --open routes.0
}

pictures_report() {
	"$SMAPTRACE" check -i 0.5 --html "$scratch/report.html" -- sh -c "
		$TRAPLOAD diffusion-that-ends --seconds 14 &
		sleep 3; $TRAPLOAD starvation-canonical --seconds 9 & $TRAPLOAD pseudo-canonical & wait" \
		>/dev/null 2>&1
	[ $? = 100 ] || die "the traps were not found"
	picture "$scratch/report.html" report
	picture "$scratch/report.html" report-charts .charts --dark
}

[ $# -gt 0 ] || set -- terminal serve report
case $* in *terminal* | *serve*) start_programs ;; esac
for what; do
	"pictures_$what"
done
exit 0
