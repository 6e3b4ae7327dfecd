#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The terminal view in a real terminal: tmux, on a server of its own. Needs root and BPF.

load trace
eval "trace_$(declare -f setup)" # as trace_setup: there is more to do here

setup() {
	trace_setup
	command -v tmux >/dev/null || skip "no tmux: make deps"
	export LC_ALL=C.UTF-8
	unset NO_COLOR TMUX
	socket=$BATS_TEST_TMPDIR/tmux
	T new-session -d -s view -x 80 -y 24 "exec bash --norc --noprofile"
	T set-option -g status off
	T send-keys -l "PS1='ready> '; unset HISTFILE; cd $PWD; clear"
	T send-keys Enter
	wait_for shows '^ready>'
}

teardown() {
	T kill-server 2>/dev/null || true
	for pid in "${pids[@]}"; do
		kill -9 "$pid" 2>/dev/null || true
	done
}

T() { tmux -S "$socket" -f /dev/null "$@"; }
screen() { T capture-pane -p; }
shows() { screen | grep -q -- "$1"; }
hides() { ! shows "$1"; }
keys() { T send-keys "$@"; }
typed() { # a line for the shell
	T send-keys -l -- "$1"
	T send-keys Enter
}

# A map with misses for as long as the test needs.
load_map() {
	start "$tmp/load" 'hold .* run' "$MAPLOAD" --hold-run --seconds 60 --rate 5000 --mix churn "$@"
	go_on "$pid"
}

view() { # options and environment: the view of the load
	typed "$* $SMAPTRACE -i 0.2 -p $pid; echo status \$?"
}

tracer() { pgrep -x -P "$(T display-message -p '#{pane_pid}')" smaptrace; }

# The shell has its terminal as it was: modes, the screen, the cursor.
terminal_is_sane() {
	wait_for shows '^ready>'
	[ "$(T display-message -p '#{alternate_on} #{cursor_flag}')" = "0 1" ]
	typed "clear; stty -a | tr ' ;' '\n\n' | grep -xE -- '-?(icanon|echo|icrnl|isig)' | sort | xargs echo modes"
	wait_for shows '^modes echo icanon icrnl isig$'
}

@test "view: a row for the map, keys, resize, the summary at the end" {
	load_map
	view
	wait_for shows 'load.* [0-9.]*[kM]\? .*[▁▂▃▄▅▆▇█]'
	wait_for shows "^ smaptrace  mapload $pid  1 map, 1 active  every 0.2 s"
	shows 'MAP .*MISS/s .*PROM/s .*DEBT .*WAIT P50/99 .*BACKLG VERDICT'
	shows 'Lost: nothing'
	keys '?'
	wait_for shows 'the trace itself never stops'
	keys '?'
	keys Enter
	wait_for shows '\[1 Overview\]'
	shows "mapload $pid, map 0x"
	keys 2
	wait_for shows 'lock held on a miss (ns)'
	keys 3
	wait_for shows 'per cell:'
	keys 5
	wait_for shows 'No stacks: --stacks'
	keys Escape
	wait_for shows 'VERDICT'
	T resize-window -x 132 -y 40
	wait_for shows 'COST VERDICT'
	T resize-window -x 40 -y 12
	wait_for hides 'PROM/s .*DEBT'
	wait_for shows 'MAP .*MISS'
	keys q
	wait_for shows '^status 0'
	T resize-window -x 80 -y 24
	T clear-history
	terminal_is_sane
}

@test "view: filter, sort and pause are seen" {
	load_map --maps 3
	view
	wait_for shows '3 maps'
	keys / n o s u c h
	wait_for shows 'No map matches'
	shows 'filter: nosuch'
	keys Escape Escape
	wait_for hides 'No map matches'
	keys p
	wait_for shows 'PAUSED'
	before=$(screen)
	typed "" # Enter opens the map: paused there, too
	wait_for shows 'PAUSED'
	keys Escape p
	wait_for hides 'PAUSED'
	[ -n "$before" ]
	keys q
	wait_for shows '^status 0'
}

@test "view: the summary is the text's, on a sane terminal; Ctrl-C and SIGTERM end as q" {
	load_map
	for how in q C-c TERM HUP; do
		typed "clear"
		wait_for hides 'status'
		view
		wait_for shows '1 map, 1 active'
		case $how in
		TERM | HUP) kill -$how "$(tracer)" ;;
		*) keys $how ;;
		esac
		wait_for shows '^status 0'
		shows '^Lost: nothing'
		terminal_is_sane
	done
}

@test "view: killed by a signal, the terminal is given back" {
	load_map
	for signal in SEGV ABRT; do
		typed clear
		view
		wait_for shows '1 map, 1 active'
		[ "$(T display-message -p '#{alternate_on}')" = 1 ]
		kill -$signal "$(tracer)"
		wait_for shows '^status 1[0-9][0-9]'
		terminal_is_sane
	done
}

@test "view: stopped and brought back" {
	load_map
	view
	wait_for shows '1 map, 1 active'
	keys C-z
	wait_for shows 'Stopped'
	terminal_is_sane
	typed fg
	wait_for shows '1 map, 1 active'
	keys j Enter
	wait_for shows '\[1 Overview\]'
	keys q
	terminal_is_sane
}

@test "view: without colour, without UTF-8, on a vt100" {
	load_map
	view NO_COLOR=1
	wait_for shows '1 map, 1 active'
	! T capture-pane -pe | grep -q $'\033\[[0-9;]*3[0-9]'
	keys q
	wait_for shows '^status 0'
	typed clear
	view
	wait_for shows '1 map, 1 active'
	T capture-pane -pe | grep -q $'\033\[[0-9;]*3[0-9]'
	keys q
	wait_for shows '^status 0'
	typed clear
	view TERM=vt100
	wait_for shows '1 map, 1 active'
	keys q
	wait_for shows '^status 0'
	typed clear
	view LC_ALL=C
	wait_for shows '1 map, 1 active'
	wait_for shows 'load.*#'
	! screen | LC_ALL=C grep -q '[^ -~]'
	keys q
	wait_for shows '^status 0'
}

@test "view: a terminal that takes nothing does not stop the trace" {
	load_map
	view
	wait_for shows '1 map, 1 active'
	keys C-s
	tracer=$(tracer)
	"$SMAPTRACE" -p "$pid" -i 0.2 -d 2 -f json -o "$tmp/other" 2>"$tmp/err"
	kill -TERM "$tracer" # still stopped: it ends all the same
	wait_for shows '^status 0'
	shows '^Lost: nothing'
	terminal_is_sane
}

# Run it in an empty terminal until it has ended with status 0. What the run before left on the
# screen must not be taken for this one's.
in_empty_terminal() { # command
	runs=$((${runs:-0} + 1))
	typed "clear; echo empty $runs"
	wait_for shows "^empty $runs"
	T clear-history
	typed "$1; echo status $runs \$?"
	wait_for shows "^status $runs 0"
}

@test "view: text where there is no view: dumb terminal, a pipe, -f text, a command, -o" {
	load_map
	in_empty_terminal "TERM=dumb $SMAPTRACE -i 0.2 -d 1 -p $pid"
	T capture-pane -pS - | grep -q 'window 1 ('
	for options in "-p $pid -f text" "-p $pid -o $tmp/file" "-- $MAPLOAD --seconds 1"; do
		in_empty_terminal "$SMAPTRACE -i 0.2 -d 1 $options"
		T capture-pane -pS - >"$tmp/all"
		cat "$tmp/file" >>"$tmp/all" 2>/dev/null || true
		rm -f "$tmp/file"
		grep -q 'window 1 (' "$tmp/all"
	done
	in_empty_terminal "$SMAPTRACE -i 0.2 -d 1 -p $pid | cat"
	T capture-pane -pS - | grep -q 'window 1 ('
	typed "clear; $SMAPTRACE --tui -p $pid | cat; echo status \$?"
	wait_for shows 'cannot show the terminal view: standard input'
}

@test "view: of a command, whose output comes at the end" {
	typed "$SMAPTRACE -i 0.2 --tui -- $MAPLOAD --seconds 3 --rate 5000; echo status \$?"
	wait_for shows '1 map, '
	hides '"type":"map"'
	keys Enter # for the view, not for the command
	wait_for shows '\[1 Overview\]'
	wait_for shows '^status 0'
	T capture-pane -pS - | grep -q '^{"type":"map","pid":'
	terminal_is_sane
}

@test "view: of a recording, until q" {
	"$SMAPTRACE" record -i 0.1 -o "$tmp/rec" -- "$MAPLOAD" --seconds 1 --mix churn >/dev/null 2>&1
	typed "$SMAPTRACE report --tui $tmp/rec; echo status \$?"
	wait_for shows 'load'
	keys ,
	wait_for shows 'PAUSED'
	keys Enter 3
	wait_for shows 'Heatmap\]'
	keys q
	wait_for shows '^status 0'
	terminal_is_sane
}

@test "view: hostile names stay text" {
	load_map --name $'\033]0;title\007\033[2J\xff'
	view
	wait_for shows '\\x1b\]0;'
	keys Enter
	wait_for shows '\\x1b\]0;title'
	[ "$(T display-message -p '#{pane_title}')" != title ]
	keys q
	wait_for shows '^status 0'
}
