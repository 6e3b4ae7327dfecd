# SPDX-License-Identifier: MIT
# What the tests of smaptrace on real processes share. Needs root and BPF, else they skip.

setup_file() {
	cd "$BATS_TEST_DIRNAME/.."
	export O=${O:-.output} CC=${CC:-gcc}
	export SMAPTRACE=${SMAPTRACE:-$O/smaptrace} MAPLOAD=$O/tests/workloads/mapload
	O=$(realpath "$O") SMAPTRACE=$(realpath "$SMAPTRACE") MAPLOAD=$(realpath "$MAPLOAD")
	"$SMAPTRACE" doctor >"$BATS_FILE_TMPDIR/doctor" || true
}

setup() {
	cd "$BATS_TEST_DIRNAME/.."
	[ "$(id -u)" = 0 ] || skip "not root"
	grep -q 'can trace here' "$BATS_FILE_TMPDIR/doctor" ||
		skip "no BPF: $(grep -m 1 '^MISSING' "$BATS_FILE_TMPDIR/doctor")"
	tmp=$BATS_TEST_TMPDIR
	pids=()
}

teardown() {
	for pid in "${pids[@]}"; do
		kill -9 "$pid" 2>/dev/null || true
	done
}

# until COMMAND... is true; gives up after 20 s.
wait_for() {
	local end=$((SECONDS + 20))
	until "$@"; do
		[ $SECONDS -lt $end ] || { echo "waited in vain for: $*" >&2; return 1; }
		sleep 0.02
	done
}

# Start a program in the background, wait for a line of its output. Sets pid.
start() { # output file, pattern, command...
	local out=$1 pattern=$2
	shift 2
	: >"$out" # what another one wrote there is not waited for
	"$@" >"$out" 2>&1 3>&- </dev/null &
	pid=$!
	pids+=("$pid")
	wait_for grep -q -- "$pattern" "$out"
}

go_on() { kill -USR1 "$1"; }

# Start smaptrace in the background, wait until it is attached. Sets tracer.
trace() { # output file, options...
	local out=$1
	shift
	: >"$out.err" # as in start()
	"$SMAPTRACE" -i 0.2 -f json -o "$out" "$@" 2>"$out.err" >/dev/null 3>&- </dev/null &
	tracer=$!
	pids+=("$tracer")
	wait_for grep -q '^Attached' "$out.err"
}

build() { # output, flags...
	local out=$1
	shift
	"$CC" -std=gnu11 -O1 -g -pthread -D_GNU_SOURCE -Ilib -Itests/workloads tests/workloads/mapload.c \
		tests/workloads/mapload/*.c -o "$out" "$@" -lm
}
