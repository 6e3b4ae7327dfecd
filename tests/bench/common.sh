# SPDX-License-Identifier: MIT
# common.sh - sourced by the benchmarks and the demo: where things are, processes that are
# ended on every way out, waiting for conditions, medians.
#
# Only processes started here are ever signalled, by pid.

O=$(realpath "${O:-.output}")
SMAPTRACE=$O/smaptrace
LOAD=$O/tests/workloads/mapload
WAIT_SECONDS=${WAIT_SECONDS:-30}

scratch=$(mktemp -d)
started=()

cleanup() {
	local status=$? pid
	# A pid that is not our running job any more may belong to somebody else by now.
	for pid in "${started[@]}"; do
		jobs -rp | grep -qx -- "$pid" || continue
		kill "$pid" 2>/dev/null && wait "$pid" 2>/dev/null
	done
	rm -rf "$scratch"
	exit "$status"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

die() {
	echo "${0##*/}: error: $*" >&2
	exit 1
}

need() { # commands or files
	local what
	for what in "$@"; do
		command -v "$what" >/dev/null || die "$what is missing: run make deps all workloads"
	done
}

# Evaluate a condition until it is true.
wait_for() { # what, command...
	local what=$1 deadline=$((SECONDS + WAIT_SECONDS))
	shift
	until "$@" 2>/dev/null; do
		[ "$SECONDS" -lt "$deadline" ] || die "waited $WAIT_SECONDS s for $what"
		sleep 0.02
	done
}

now_ms() { echo $((${EPOCHREALTIME/[.,]/} / 1000)); }

# Start mapload held; sets load_pid. Its output goes to $scratch/load, go lets it run.
load_start() { # arguments of mapload
	rm -f "$scratch/go" "$scratch/load"
	mkfifo "$scratch/go"
	"$LOAD" "$@" <"$scratch/go" >"$scratch/load" &
	load_pid=$!
	started+=("$load_pid")
	exec 9>"$scratch/go"
	wait_for "mapload to hold" grep -qE '^(hold|ready) ' "$scratch/load"
}

load_go() { printf x >&9; }

load_wait() {
	wait "$load_pid" || die "mapload failed"
	exec 9>&-
}

# Start smaptrace and wait until it is attached; sets trace_pid.
trace_start() { # arguments of smaptrace
	rm -f "$scratch/trace.err" # of the last one: it says "Attached" too
	"$SMAPTRACE" "$@" 9>&- 2>"$scratch/trace.err" &
	trace_pid=$!
	started+=("$trace_pid")
	wait_for "smaptrace to attach" trace_attached
}

trace_attached() {
	grep -q 'Attached [0-9]' "$scratch/trace.err" && return 0
	kill -0 "$trace_pid" || { cat "$scratch/trace.err" >&2; die "smaptrace ended early"; }
	return 1
}

# Of numbers, one on each line: median, lowest, highest.
stats() {
	sort -g | awk '{ v[NR] = $1 } END {
		m = NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2
		printf "%.4f %.4f %.4f\n", m, v[1], v[NR] }'
}
